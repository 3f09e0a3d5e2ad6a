"""The webhook against real servers: what each answer means, what is signed, and where it will not connect."""

import asyncio
import json
import ssl
import subprocess
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from engine import outbound
from engine.errors import OperatorError
from engine.outbound import Answer, GuardedTransport, Outbound, is_public, system_resolve
from engine.ports import Delivered, Rejected, Retry, Secret, SinkContext, Unknown
from sinks.webhook import Options, Sink, of_answer, retry_after_ms

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
CONTEXT = SinkContext(name="desk", folder=".", project="northwind")
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOUR = 3_600_000


async def sent(action, port, resolve=None, path="/hook", **options):
    options = {"url": f"http://127.0.0.1:{port}{path}", "allow_private": True, "timeout": 400, **options}
    sink = Sink(Options(**options), CONTEXT, resolve)
    await sink.open()
    try:
        return await sink.send(action)
    finally:
        await sink.close()


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *[(code, Delivered) for code in (200, 201, 202, 204)],
        *[(code, Retry) for code in (408, 409, 425, 429, 503)],
        *[(code, Rejected) for code in (301, 302, 307, 400, 401, 403, 404, 405, 410, 413, 422)],
        *[(code, Unknown) for code in (500, 501, 502, 504, 520, 599)],
    ],
)
async def test_each_status_code_means_one_thing(serve, answering, action, status, expected):
    async with serve(answering(status)) as peer:
        verdict = await sent(action(), peer.port)
    assert type(verdict) is expected
    if isinstance(verdict, Rejected):
        assert verdict.pause == (status in (301, 302, 307, 401, 403))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0", 0),
        ("30", 30_000),
        ("3601", HOUR),
        ("9" * 5_000, HOUR),
        ("-5", 0),
        ("²", 0),
        ("soon", 0),
        ("", 0),
        ("Mon, 05 Jan 2026 12:01:00 GMT", 60_000),
        ("Mon, 05 Jan 2026 12:01:00 -0000", 60_000),
        ("Mon, 05 Jan 2026 11:00:00 GMT", 0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", HOUR),
        ("Mon, 99 Jan 99999 99:99:99 GMT", 0),
    ],
)
def test_retry_after_is_read_and_capped(value, expected):
    assert retry_after_ms({"retry-after": value}, NOW) == expected


async def test_retry_after_reaches_the_verdict(serve, answering, action):
    async with serve(answering(429, headers="Retry-After: 90\r\n")) as peer:
        assert await sent(action(), peer.port) == Retry("answered 429", after_ms=90_000)


async def test_the_signature_is_what_standard_webhooks_verifies(serve, answering, action):
    async with serve(answering(200)) as peer:
        await sent(action("a1", text="Grüße"), peer.port, secret=Secret("env:S", SECRET))
    headers = headers_of(peer.requests[0])
    body = Webhook(SECRET).verify(peer.bodies[0], headers)
    assert body["id"] == headers["webhook-id"] == headers["idempotency-key"] == "a1"
    assert body["data"]["text"] == "Grüße"
    assert headers["content-type"] == "application/json"


async def test_a_token_and_headers_go_along(serve, answering, action):
    async with serve(answering(200)) as peer:
        await sent(action(), peer.port, token=Secret("env:T", "t0ken"), headers={"X-Team": "cx"})
    headers = headers_of(peer.requests[0])
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["x-team"] == "cx"


async def test_the_body_is_the_same_at_every_attempt(serve, answering, action):
    async with serve(answering(200)) as peer:
        await sent(action(), peer.port)
        await sent(action(), peer.port)
    assert peer.bodies[0] == peer.bodies[1]
    assert set(json.loads(peer.bodies[0])) >= {"specversion", "id", "type", "source", "time", "data"}


async def test_the_receivers_own_id_is_kept(serve, answering, action):
    async with serve(answering(201, b'{"id": 4711}')) as peer:
        assert await sent(action(), peer.port) == Delivered(reference="4711")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (b'{"id": "r1", "result": {"status": "mended", "tries": 2, "safe": true}}', Delivered("r1")),
        (b'{"result": {"status": "broken", "tries": 2, "safe": true}}', "result.status is not mended"),
        (b'{"result": {"status": "mended", "tries": 2, "safe": "True"}}', "result.safe is not true"),
        (b'{"result": {"status": "mended", "tries": 3, "safe": true}}', "result.tries is not 2"),
        (b'{"result": "mended"}', "result.status is not mended"),
        (b'["mended"]', "result.status is not mended"),
        (b"mended", "result.status is not mended"),
    ],
)
def test_what_an_answer_has_to_say_decides_whether_it_is_done(said, expected):
    wanted = {"result.status": "mended", "result.tries": "2", "result.safe": "true"}
    verdict = of_answer(Answer(200, {}, said), NOW, wanted)
    if isinstance(expected, Delivered):
        assert verdict == expected
    else:
        assert isinstance(verdict, Rejected)
        assert not verdict.pause
        assert verdict.why.partition(": ")[0] == f"answered 200, but {expected}"


def test_what_a_refusal_says_is_not_asked():
    assert of_answer(Answer(503, {}, b'{"status": "mended"}'), NOW, {"status": "mended"}) == Retry(
        'answered 503: {"status": "mended"}'
    )


async def test_redirects_are_not_followed(serve, answering, action):
    async with (
        serve(answering(200)) as inner,
        serve(answering(307, headers=f"location: http://127.0.0.1:{inner.port}/\r\n")) as peer,
    ):
        assert isinstance(await sent(action(), peer.port), Rejected)
    assert inner.connections == 0


# ---- broken peers


async def hang(_, writer):
    await asyncio.sleep(2)


async def reset(_, writer):
    writer.transport.abort()


async def drip(_, writer):
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
    for _ in range(100):
        writer.write(b".")
        await writer.drain()
        await asyncio.sleep(0.02)


async def nonsense(_, writer):
    writer.write(b"SSH-2.0-OpenSSH_9.9\r\n\r\n")
    await writer.drain()


async def half_a_head(_, writer):
    writer.write(b"HTTP/1.1 200 O")
    await writer.drain()


async def half_a_body(_, writer):
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    await writer.drain()


@pytest.mark.parametrize("behaviour", [hang, reset, drip, nonsense, half_a_head, half_a_body])
async def test_a_broken_or_missing_answer_is_unknown(serve, action, behaviour):
    async with serve(behaviour) as peer:
        verdict = await asyncio.wait_for(sent(action(), peer.port), 1)
    assert isinstance(verdict, Unknown)
    assert peer.bodies


async def bomb(_, writer):
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 999999999\r\n\r\n")
    for _ in range(40):
        writer.write(b"x" * 65_536)
        await writer.drain()


async def test_of_a_huge_answer_only_the_beginning_is_read(serve):
    async with serve(bomb) as peer:
        out = Outbound(allow_private=True, limit_ms=1_000, keepalive=False)
        answer = await out.post(f"http://127.0.0.1:{peer.port}/", b"{}", {})
        await out.close()
    assert isinstance(answer, Answer)
    assert len(answer.body) == outbound.ANSWER_BYTES


async def test_nobody_listening_is_worth_another_try(action, unused_tcp_port):
    assert isinstance(await sent(action(), unused_tcp_port), Retry)


async def test_a_name_that_does_not_resolve_is_worth_another_try(action):
    async def nothing(host, port):
        raise OSError("no such name")

    verdict = await sent(action(), 80, nothing, url="https://desk.example.com/")
    assert verdict == Retry("no connection: the name desk.example.com could not be resolved")


async def test_slow_name_resolution_is_worth_another_try(action):
    async def slow(host, port):
        await asyncio.sleep(5)

    assert isinstance(await sent(action(), 80, slow, url="https://desk.example.com/"), Retry)


async def test_a_certificate_that_is_not_trusted_is_worth_another_try(serve, answering, action, certificate):
    async with serve(answering(200), server_tls(certificate)) as peer:
        verdict = await sent(action(), peer.port, url=f"https://localhost:{peer.port}/")
    assert isinstance(verdict, Retry)
    assert not peer.requests


async def test_the_second_address_is_tried_when_the_first_does_not_answer(serve, answering, action):
    async def two(host, port):
        return ["127.0.0.2", "127.0.0.1"]

    async with serve(answering(200)) as peer:
        assert await sent(action(), peer.port, two, url=f"http://desk.example.com:{peer.port}/") == Delivered()
    assert headers_of(peer.requests[0])["host"] == f"desk.example.com:{peer.port}"


# ---- where it will not connect


PRIVATE = [
    "0.0.0.0",  # noqa: S104  refused, not bound to
    "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "192.88.99.1", "198.18.0.1", "192.0.2.1", "::", "::1", "fe80::1", "fe80::1%eth0",
    "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::a9fe:a9fe",
    "64:ff9b::7f00:1", "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::", "2001:0:4136:e378::", "2001:db8::1",
    "100::1",
]  # fmt: skip


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address):
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "::ffff:93.184.216.34"])
def test_addresses_that_are_public(address):
    assert is_public(address)


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "0"]
)
async def test_every_way_to_write_this_machine_is_refused(action, host):
    verdict = await sent(action(), 0, url=f"https://{host}/", allow_private=False)
    assert isinstance(verdict, Rejected | Retry)
    assert isinstance(verdict, Retry) or (verdict.pause and "not a public address" in verdict.why)


async def test_one_private_address_among_public_ones_is_enough(action):
    async def mixed(host, port):
        return ["93.184.216.34", "10.0.0.7"]

    verdict = await sent(action(), 0, mixed, url="https://desk.example.com/", allow_private=False)
    assert verdict.why.startswith("desk.example.com leads to 10.0.0.7, which is not a public address")


async def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(monkeypatch):
    """A name that turns private after the check (rebinding) gains nothing: the name is never asked for again."""
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    connected = []

    async def rebinding(host, port):
        return answers.pop(0)

    class Noting(outbound.httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            connected.append((request.url.host, request.headers["host"], request.extensions["sni_hostname"]))
            return outbound.httpx.Response(200)

    guarded = GuardedTransport(Noting(), allow_private=False, resolve=rebinding)
    async with outbound.httpx.AsyncClient(transport=guarded) as client:
        await client.post("https://desk.example.com/")
        with pytest.raises(outbound.AddressRefused):
            await client.post("https://desk.example.com/")
    assert connected == [("93.184.216.34", "desk.example.com", "desk.example.com")]


async def test_tls_asks_for_the_name_and_checks_it_although_it_connects_to_the_address(serve, answering, certificate):
    trusted = ssl.create_default_context(cafile=certificate)
    inner = outbound._plain_transport(keepalive=False, trust=trusted)

    async def here(host, port):
        return ["127.0.0.1"]

    guarded = GuardedTransport(inner, allow_private=True, resolve=here)
    client = outbound.httpx.AsyncClient(transport=guarded)
    async with serve(answering(200), server_tls(certificate)) as peer, client:
        assert (await client.post(f"https://desk.example.com:{peer.port}/")).status_code == 200
        with pytest.raises(outbound.httpx.ConnectError, match="match"):
            await client.post(f"https://other.example.com:{peer.port}/")


async def test_the_systems_proxy_settings_are_ignored(serve, answering, action, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with serve(answering(200)) as peer:
        assert await sent(action(), peer.port) == Delivered()


async def test_the_system_resolver_gives_each_address_once():
    found = await system_resolve("localhost", 80)
    assert len(found) == len(set(found))
    assert set(found) <= {"127.0.0.1", "::1"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": "http://desk.example.com"}, "must be https"),
        ({"url": "ftp://desk.example.com"}, "must start with https://"),
        ({"url": "desk.example.com/hook"}, "must start with https://"),
        ({"url": "https://"}, "name a host"),
        ({"url": "https://h:port"}, "not a URL"),
        ({"url": "https://h", "secret": Secret("env:S", "whsec_")}, "secret at env:S"),
        ({"url": "https://h", "secret": Secret("env:S", "whsec_a")}, "secret at env:S"),
        ({"url": "https://h", "headers": {"X-Team": "Grüße"}}, "header 'X-Team'"),
        ({"url": "https://h", "headers": {"X Team": "cx"}}, "header 'X Team'"),
        ({"url": "https://h", "headers": {"X-Team": "cx\r\nX-Admin: 1"}}, "header 'X-Team'"),
        ({"url": "https://h", "headers": {"Webhook-Id": "mine"}}, "header 'Webhook-Id'"),
        ({"url": "https://h", "token": Secret("env:T", "two\nlines")}, "token at env:T"),
    ],
)
async def test_options_that_cannot_work_stop_the_start(options, message):
    with pytest.raises(OperatorError, match=message):
        await Sink(Options(**options), CONTEXT).open()


def headers_of(head):
    return {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.splitlines()[1:])}


def server_tls(certificate):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_suffix(".key"))
    return context


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "cert.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=desk"
    names = ["-addext", "subjectAltName=DNS:desk.example.com,DNS:localhost"]
    try:
        subprocess.run(
            [*command.split(), *names, "-keyout", path.with_suffix(".key"), "-out", path],
            check=True,
            capture_output=True,
        )
    except FileNotFoundError:
        pytest.skip("needs the openssl command to make a certificate")
    return path
