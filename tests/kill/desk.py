"""A help desk on loopback, in a process of its own: what it has written to its log is the truth about what was done.

Every request it takes becomes a line of JSON in the log before it answers. On /desk a repeated id takes no effect a
second time, and the line says so. `python desk.py LOG SECONDS` answers after at most that many seconds and prints its
port.
"""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


class Log:
    """Appends whole lines; the ids that took effect are read back from it, so that it may be restarted."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._lock = threading.Lock()
        self._ids = {json.loads(line)["id"] for line in path.read_text().splitlines()}

    def add(self, channel: str, action: dict[str, Any]) -> None:
        with self._lock:
            is_new = channel != "desk" or action["id"] not in self._ids
            self._ids.add(action["id"])
            line = {"channel": channel, "id": action["id"], "effect": is_new, "decision": action["data"]["decision_id"]}
            os.write(self._file, json.dumps(line).encode() + b"\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    log: Log
    slow_s: float

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        assert json.loads(body)["id"] == self.headers["webhook-id"]
        self.log.add(self.path.strip("/"), json.loads(body))
        time.sleep(random.uniform(0, self.slow_s))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


class Desk(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """A sender that was killed hangs up in the middle of things."""


if __name__ == "__main__":
    Handler.log, Handler.slow_s = Log(Path(sys.argv[1])), float(sys.argv[2])
    with Desk(("127.0.0.1", 0), Handler) as server:
        print(server.server_port, flush=True)
        server.serve_forever()
