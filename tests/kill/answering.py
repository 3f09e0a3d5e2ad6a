"""A project whose channels answer: mail is refused, a text message is taken, and a robot mends what it can.

It lives by the clock on the wall, as `run --follow` and `worker` do.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.kill.project import event

PROJECT = """
project: answering
unit: [customer]
entities: {{customer: customer}}
streams:
  usage: {{family: usage, from: usage.jsonl, lateness: 0s}}
  people: {{family: profile, from: people.jsonl, describes: customer, lateness: 0s}}
sinks:
  mail: {{kind: webhook, url: "http://127.0.0.1:{port}/mail", allow_private: true}}
  sms: {{kind: webhook, url: "http://127.0.0.1:{port}/sms", allow_private: true}}
  chat: {{kind: webhook, url: "http://127.0.0.1:{port}/chat", allow_private: true}}
  robot:
    kind: webhook
    url: "http://127.0.0.1:{port}/robot"
    allow_private: true
    done_when: {{result.status: mended}}
  desk: {{kind: webhook, url: "http://127.0.0.1:{port}/desk", allow_private: true}}
channels: {{email: mail, sms: sms, chat: chat, robot: robot, desk: desk}}
human: {{by: reply, say: Reply to reach a person.}}
consent: {{}}
limits: [{{at_most: 1, over: 1d, class: service}}]
"""
DETECTORS = """
detector: late
owner: care
reason: late
per: customer
watch: {lates: {count: parcel.late, over: 1d}}
when: {lates: {at_least: 1}}
then: [{play: sorry}]
why: "A parcel is late."
---
detector: broken
owner: care
reason: broken
per: customer
watch: {breaks: {count: sync.broken, over: 1d}}
when: {breaks: {at_least: 1}}
then: [{play: mend}]
why: "The sync is broken."
---
detector: news
owner: care
reason: news
per: customer
watch: {orders: {count: order.placed, over: 1d}}
when: {orders: {at_least: 1}}
then: [{play: thanks}]
why: "They have ordered."
"""
PLAYS = """
{play: sorry, channel: email, fallback: [sms], class: service, owner: care, text: "Late, sorry."}
---
play: mend
to: system
tier: 1
channel: robot
class: service
owner: care
text: "Mend it."
remedy: {within: 1m, then_tell: mended, else: ring}
---
{play: mended, channel: sms, class: service, owner: care, text: "It works again."}
---
{play: ring, to: owner, tier: 3, channel: desk, class: service, owner: care, text: "Ring them."}
---
{play: thanks, channel: chat, class: service, owner: care, text: "Thank you."}
"""


def write_project(folder: Path, port: int, more: str = "") -> None:
    texts = {"beforehand": PROJECT.format(port=port) + more, "detectors/all": DETECTORS, "playbooks/all": PLAYS}
    for name, text in texts.items():
        path = folder / "config" / f"{name}.yml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (folder / "data").mkdir(exist_ok=True)


def happens(kind: str, customer: str, **more: object) -> str:
    """A row of something that happens now."""
    return event(f"{kind} {customer} {time.monotonic_ns()}", kind, time.time_ns() // 1_000_000, customer, **more)


class Answers:
    """The receiver on loopback. `got` holds the requests as (channel, customer, play), each action once.

    Mail is refused, the robot mends for everybody but those whose name ends in `x`. While `is_down`, nothing is taken.
    """

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str]] = []
        self.is_down = False
        self._ids: set[str] = set()
        self._lock = threading.Lock()

    def answer(self, channel: str, action: dict[str, Any]) -> tuple[int, object]:
        if self.is_down:
            return 503, {}
        customer = action["data"]["unit"].removeprefix("customer:")
        with self._lock:
            if action["id"] not in self._ids:
                self._ids.add(action["id"])
                self.got.append((channel, customer, action["data"]["play"]))
        if channel == "mail":
            return 422, {"error": f"no such address: {customer}"}
        return 200, {"result": {"status": "beyond repair" if customer.endswith("x") else "mended"}}


@contextmanager
def answering() -> Iterator[tuple[Answers, int]]:
    """The receiver and its port, until the block ends."""
    answers = Answers()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status, said = answers.answer(self.path.strip("/"), json.loads(body))
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield answers, server.server_port
        server.shutdown()
        thread.join()
