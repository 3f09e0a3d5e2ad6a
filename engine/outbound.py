"""The one way out by HTTP: a single POST, bounded in time and size, to an address that was checked.

A name is resolved once per request, every address it gives must be public, and the connection goes to the very
address that was checked, so nothing can change in between. Host and TLS name stay those of the URL. Redirects, proxies
and the environment's settings are not followed. What comes back is an `Answer`, or a `NoAnswer` that says whether any
byte of the request had left: if none had, the request was provably not accepted.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from ssl import SSLContext
from typing import Any, TypeAlias

import httpx
import msgspec

# Host and port to addresses, best first. Raises OSError where there are none.
Resolve: TypeAlias = Callable[[str, int], Awaitable[list[str]]]

ANSWER_BYTES = 65_536
ADDRESSES_TRIED = 3
CONNECT_MS = 3_000
KEEPALIVE_S = 5.0

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_RELAY_ANYCAST = IPv4Network("192.88.99.0/24")


class Answer(msgspec.Struct, frozen=True):
    """What the peer said: at most ANSWER_BYTES of its body, never decompressed. Header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class NoAnswer(msgspec.Struct, frozen=True):
    """Why there is no answer. `sent`: the request had begun to leave. `refused`: the address is not allowed."""

    why: str
    sent: bool
    refused: bool = False


class AddressRefused(httpx.TransportError):
    """A name that leads, or may lead, into a private network."""


class Outbound:
    """POSTs to one peer. `keepalive` False opens a connection for each request, so that none can be a stale one."""

    def __init__(self, *, allow_private: bool, limit_ms: int, keepalive: bool, resolve: Resolve | None = None) -> None:
        self._limit_s = limit_ms / 1000
        inner = _plain_transport(keepalive=keepalive)
        transport = GuardedTransport(inner, allow_private=allow_private, resolve=resolve or system_resolve)
        timeout = httpx.Timeout(self._limit_s, connect=min(CONNECT_MS / 1000, self._limit_s))
        self._client = httpx.AsyncClient(
            transport=transport,
            timeout=timeout,
            trust_env=False,
            follow_redirects=False,
            headers={"user-agent": "beforehand"},
        )

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer | NoAnswer:
        """One attempt. Raises nothing for what the network or the peer does."""
        progress = _Progress()
        try:
            async with asyncio.timeout(self._limit_s):
                return await self._exchange(url, body, headers, progress)
        except AddressRefused as refusal:
            return NoAnswer(str(refusal), sent=False, refused=True)
        except TimeoutError:
            return NoAnswer(f"no complete answer within {self._limit_s:g} s", progress.sent)
        except httpx.TransportError as error:
            return NoAnswer(_told(error), progress.sent)

    async def close(self) -> None:
        """Let go of all connections. May be called twice."""
        await self._client.aclose()

    async def _exchange(self, url: str, body: bytes, headers: Mapping[str, str], progress: _Progress) -> Answer:
        asked = {**headers, "accept-encoding": "identity"}
        seen = {"trace": progress.note}
        async with self._client.stream("POST", url, content=body, headers=asked, extensions=seen) as response:
            return Answer(response.status_code, dict(response.headers), await _beginning(response))


class GuardedTransport(httpx.AsyncBaseTransport):
    """Resolves, checks every address, and connects to the ones that were checked."""

    def __init__(self, inner: httpx.AsyncBaseTransport, *, allow_private: bool, resolve: Resolve) -> None:
        self._inner = inner
        self._allow_private = allow_private
        self._resolve = resolve

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        failure: httpx.TransportError = httpx.ConnectError("the name has no address")
        for address in (await self._addresses(request))[:ADDRESSES_TRIED]:
            try:
                return await self._inner.handle_async_request(_towards(address, request))
            except (httpx.ConnectError, httpx.ConnectTimeout) as error:
                failure = error
        raise failure

    async def aclose(self) -> None:
        await self._inner.aclose()

    async def _addresses(self, request: httpx.Request) -> list[str]:
        if request.url.scheme != "https" and not self._allow_private:
            raise AddressRefused("only https is allowed here")
        host = request.url.raw_host.decode("ascii")
        try:
            found = await self._resolve(host, request.url.port or (443 if request.url.scheme == "https" else 80))
        except OSError as error:
            raise httpx.ConnectError(f"the name {host} could not be resolved") from error
        refused = [] if self._allow_private else [address for address in found if not is_public(address)]
        if refused:
            raise AddressRefused(f"{host} leads to {refused[0]}, which is not a public address")
        return found


def is_public(address: str) -> bool:
    """Whether an address is one of the public internet. Anything not known to be public is not.

    IPv4 inside IPv6 (mapped, NAT64, 6to4) counts as the IPv4 address that it leads to.
    """
    parsed = ip_address(address)
    if isinstance(parsed, IPv6Address):
        inner = _ipv4_inside(parsed)
        if inner is None:
            return parsed in _GLOBAL_UNICAST and parsed.is_global and parsed.teredo is None
        parsed = inner
    return parsed.is_global and not (parsed.is_multicast or parsed.is_reserved or parsed in _RELAY_ANYCAST)


async def system_resolve(host: str, port: int) -> list[str]:
    """All addresses of a host as the system knows them, each once, in the system's order."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Progress:
    """How far a request got."""

    sent = False

    async def note(self, step: str, _: Mapping[str, Any]) -> None:  # the details differ from step to step
        self.sent = self.sent or step == "http11.send_request_headers.started"


def _plain_transport(*, keepalive: bool, trust: SSLContext | bool = True) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_keepalive_connections=None if keepalive else 0, keepalive_expiry=KEEPALIVE_S)
    return httpx.AsyncHTTPTransport(verify=trust, limits=limits, trust_env=False)


def _towards(address: str, request: httpx.Request) -> httpx.Request:
    """The same request, connected to `address`; its Host header is set already, TLS asks for the name."""
    name = {"sni_hostname": request.url.raw_host.decode("ascii")}
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        stream=request.stream,
        extensions={**request.extensions, **name},
    )


def _ipv4_inside(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address.ipv4_mapped or address.sixtofour


async def _beginning(response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_raw():
        body += part
        if len(body) >= ANSWER_BYTES:
            break
    return bytes(body[:ANSWER_BYTES])


def _told(error: httpx.TransportError) -> str:
    match error:
        case httpx.ConnectTimeout():
            return "no connection in time"
        case httpx.ConnectError():
            return f"no connection: {error}"
        case httpx.ReadTimeout() | httpx.WriteTimeout():
            return "the answer took too long"
        case _:
            return f"the connection broke: {error or error.__class__.__name__}"
