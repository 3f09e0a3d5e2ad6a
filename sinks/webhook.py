"""Posts each action as JSON to a URL of yours, signed the way Standard Webhooks describes.

Use it to reach your own services, a help desk, an automation tool or a gateway to any other channel.
The action's id goes along as `webhook-id` and `Idempotency-Key`: a receiver that drops repeated ids makes every action
take effect once. Set `idempotent: false` for one that does not, and an action whose outcome is unknown is held for a
person instead of being sent again. It does not follow redirects, does not use a proxy, and reads at most 64 KiB of an
answer. Addresses inside a private network are refused unless `allow_private` says otherwise.

```yaml
sinks:
  desk:
    kind: webhook
    url: https://desk.example.com/hooks/beforehand
    secret: env:DESK_SECRET
    idempotent_for: 24h
```
"""

from __future__ import annotations

import binascii
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated

import httpx
import msgspec
import orjson
from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError

from engine.core.matching import read_path
from engine.errors import OperatorError
from engine.model import DAY_MS, HOUR_MS, SECOND_MS, Action, Json
from engine.outbound import Answer, NoAnswer, Outbound, Resolve
from engine.payload import cleaned, encoded
from engine.ports import As, Delivered, Rejected, Retry, Secret, SinkContext, Unknown, Verdict

RETRY_AFTER_MAX_MS = HOUR_MS
WHY_CHARS = 200
# In progress, rate limits, overload: the receiver says itself that it did not take it.
NOT_ACCEPTED = {408, 409, 425, 429, 503}
# A key that no longer works, or an address that is no longer right, fails for every action alike.
CHANNEL_IS_WRONG = {401, 403}
OUR_HEADERS = {
    "authorization",
    "content-length",
    "content-type",
    "host",
    "idempotency-key",
    "transfer-encoding",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
}

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+( +[\x21-\x7e]+)*")


class Options(msgspec.Struct, frozen=True, kw_only=True):
    url: Annotated[str, As.URL, "where to post; https, unless allow_private is set"]
    secret: Annotated[
        Secret | None, As.SECRET, "signs every request; a Standard Webhooks secret, whsec_ and base64"
    ] = None
    token: Annotated[Secret | None, As.SECRET, "sent as `Authorization: Bearer`, for receivers that ask for one"] = None
    headers: Annotated[dict[str, str], As.MAPPING, "further headers to send; nothing secret"] = {}
    timeout: Annotated[int, As.DURATION, "how long one attempt may take in all"] = 7 * SECOND_MS
    idempotent: Annotated[bool, As.FLAG, "the receiver drops an id that it has seen before"] = True
    idempotent_for: Annotated[int, As.DURATION, "how long the receiver remembers ids"] = DAY_MS
    allow_private: Annotated[bool, As.FLAG, "allow plain http and addresses inside private networks"] = False
    done_when: Annotated[
        dict[str, str], As.MAPPING, "what a 2xx answer has to say, field by field, for it to count as done"
    ] = {}


class Sink:
    def __init__(self, options: Options, context: SinkContext, resolve: Resolve | None = None) -> None:
        """`resolve` replaces the system's name resolution, for tests and unusual networks."""
        self.idempotent = options.idempotent
        self.idempotent_for_ms = options.idempotent_for if options.idempotent else 0
        self._options = options
        self._name = context.name
        self._resolve = resolve
        self._signer: Webhook | None = None
        self._out: Outbound | None = None

    async def open(self) -> None:
        _check_url(self._name, self._options)
        _check_headers(self._name, self._options)
        self._signer = _signer(self._name, self._options.secret)
        self._out = self._out or Outbound(
            allow_private=self._options.allow_private,
            limit_ms=self._options.timeout,
            keepalive=self._options.idempotent,
            resolve=self._resolve,
        )

    async def send(self, action: Action) -> Verdict:
        assert self._out is not None, "open() comes first"
        body, now = encoded(action), wall_clock()
        answer = await self._out.post(self._options.url, body, self._headers(action.id, body, now))
        if isinstance(answer, NoAnswer):
            return of_silence(answer)
        answer = msgspec.structs.replace(answer, body=self._redacted(answer.body))
        return of_answer(answer, now, self._options.done_when)

    async def close(self) -> None:
        out, self._out = self._out, None
        if out is not None:
            await out.close()

    def _headers(self, action_id: str, body: bytes, now: datetime) -> dict[str, str]:
        headers = {**self._options.headers, "content-type": "application/json", "idempotency-key": action_id}
        if self._options.token is not None:
            headers["authorization"] = f"Bearer {self._options.token.reveal()}"
        return headers | signed_headers(self._signer, action_id, body, now)

    def _redacted(self, body: bytes) -> bytes:
        """What the receiver said, without our secrets in case it echoes them."""
        for secret in (self._options.secret, self._options.token):
            if secret is not None and secret.reveal():
                body = body.replace(secret.reveal().encode(), b"***")
        return body


def wall_clock() -> datetime:
    """The one place where this file reads a clock: receivers refuse a timestamp that is far from theirs."""
    return datetime.fromtimestamp(int(time.time()), UTC)


def signed_headers(signer: Webhook | None, action_id: str, body: bytes, now: datetime) -> dict[str, str]:
    """The headers of Standard Webhooks; without a signer there is no signature."""
    headers = {"webhook-id": action_id, "webhook-timestamp": str(int(now.timestamp()))}
    if signer is not None:
        headers["webhook-signature"] = signer.sign(action_id, now, body.decode())
    return headers


def of_silence(silence: NoAnswer) -> Verdict:
    """No answer: nothing had left, or nobody knows what became of it."""
    if silence.refused:
        return Rejected(f"{silence.why}: set allow_private if this is meant", pause=True)
    return Unknown(silence.why) if silence.sent else Retry(silence.why)


def of_answer(answer: Answer, now: datetime, done_when: Mapping[str, str] | None = None) -> Verdict:
    """What a status code means for the action, and with `done_when` what a 2xx answer says."""
    status = answer.status
    why = f"answered {status}{_said(answer.body)}"
    if 200 <= status < 300:
        undone = _undone(answer.body, done_when or {})
        if undone:
            return Rejected(f"answered {status}, but {undone}{_said(answer.body)}")
        return Delivered(reference=_reference(answer.body))
    if status in NOT_ACCEPTED:
        return Retry(why, after_ms=retry_after_ms(answer.headers, now))
    if status in CHANNEL_IS_WRONG:
        return Rejected(why, pause=True)
    if 300 <= status < 400:
        return Rejected(f"answered {status}: redirects are not followed, write the final address in url", pause=True)
    return Rejected(why) if 400 <= status < 500 else Unknown(why)


def retry_after_ms(headers: Mapping[str, str], now: datetime) -> int:
    """The Retry-After header (seconds or a date) in ms, at most an hour; 0 where there is none that makes sense."""
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        # Nothing longer than a few digits can be below the cap, and int() refuses thousands of them.
        return min(int(text[:9]) * SECOND_MS, RETRY_AFTER_MAX_MS) if len(text) < 10 else RETRY_AFTER_MAX_MS
    try:
        when = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return 0
    ahead = when.replace(tzinfo=when.tzinfo or UTC) - now
    return min(max(int(ahead.total_seconds() * 1000), 0), RETRY_AFTER_MAX_MS)


def _said(body: bytes) -> str:
    text = cleaned(" ".join(body.decode("utf-8", "replace").split()))[:WHY_CHARS]
    return f": {text}" if text else ""


def _reference(body: bytes) -> str:
    """The receiver's own id, if its answer is a JSON object with one."""
    found = _fields(body).get("id")
    return cleaned(str(found))[:WHY_CHARS] if isinstance(found, str | int) else ""


def _undone(body: bytes, done_when: Mapping[str, str]) -> str:
    """Which field does not say what it has to, in words; "" if all do."""
    said = _fields(body) if done_when else {}
    for name, wanted in done_when.items():
        if _as_text(read_path(said, name)) != wanted:
            return f"{name} is not {wanted}"
    return ""


def _as_text(value: Json) -> str:
    """As it would be written in YAML."""
    return orjson.dumps(value).decode() if isinstance(value, bool) else str(value)


def _fields(body: bytes) -> dict[str, Json]:
    """The JSON object that was answered, {} where it was anything else."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return said if isinstance(said, dict) else {}


def _check_url(name: str, options: Options) -> None:
    """Raises OperatorError. The URL itself is not shown: with some receivers it is a secret."""
    try:
        url = httpx.URL(options.url)
    except httpx.InvalidURL as error:
        raise OperatorError(f"Sink '{name}': url is not a URL: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise OperatorError(f"Sink '{name}': url must start with https:// and name a host")
    if url.scheme == "http" and not options.allow_private:
        raise OperatorError(f"Sink '{name}': url must be https; allow_private: true allows http in your own network")


def _check_headers(name: str, options: Options) -> None:
    """Raises OperatorError for what HTTP cannot carry, and for what this sink writes itself."""
    for header, value in options.headers.items():
        if not _HEADER_NAME.fullmatch(header) or not _HEADER_VALUE.fullmatch(value) or header.lower() in OUR_HEADERS:
            raise OperatorError(
                f"Sink '{name}': the header '{cleaned(header)}' cannot be sent; use plain ASCII and a free name"
            )
    if options.token is not None and not _HEADER_VALUE.fullmatch(options.token.reveal()):
        raise OperatorError(f"Sink '{name}': the token at {options.token.reference} is not one line of plain ASCII")


def _signer(name: str, secret: Secret | None) -> Webhook | None:
    if secret is None:
        return None
    try:
        return Webhook(secret.reveal())
    except (binascii.Error, ValueError, EmptyWebhookSecretError) as error:
        raise OperatorError(
            f"Sink '{name}': the secret at {secret.reference} is not a webhook secret; it is whsec_ followed by base64"
        ) from error
