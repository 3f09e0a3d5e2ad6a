"""What can be watched of a run, and what must never be seen there: the people in its data."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from tests.faults.test_breaking_rows import project
from tests.kill.process import Run
from tests.kill.project import START, event

CANARIES = ("CANARY-customer", "CANARY-text", "CANARY-id")


@contextmanager
def echo(status: int) -> Iterator[int]:
    """A receiver that refuses, and says back what it was sent."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def with_canaries(folder: Path, port: int) -> dict[str, str]:
    """Everything that can go wrong with a row or an action, for somebody whose name must not be seen."""
    who, text = "CANARY-customer", "CANARY-text"
    rows = [event(n, "login.failed", START + n * 1_000, who, note=text) for n in range(4)]
    rows += [event(0, "login.failed", START, who, note="another CANARY-text")]
    rows += [event(10, "login", START + 20_000, who, note=text, breaks="raises")]
    rows += [event(11, text, START + 20_000, who), event(12, "login", 5, who, note=text)]
    rows += ['{"id": "CANARY-id", "event": "login", "at": "CANARY-text", "customer": "CANARY-customer"}\n']
    rows += ['{"id": "CANARY-id", "CANARY-text": \n', '"CANARY-text"\n', '{"id": ["CANARY-id"], "event": "login"}\n']
    rows += [event(20, "login", START + 4 * 86_400_000, who)]
    rows += [event(21, "login.failed", START + 4 * 86_400_000, f"{who}{n}") for n in range(3)]
    env = project(folder, rows)
    config = folder / "config" / "beforehand.yml"
    config.write_text(re.sub(r"127\.0\.0\.1:\d+", f"127.0.0.1:{port}", config.read_text()))
    return env


@pytest.mark.parametrize("status", [422, 401, 500, 503])
def test_no_person_is_ever_seen_in_logs_and_metrics(tmp_path: Path, status: int) -> None:
    with echo(status) as port:
        env = with_canaries(tmp_path, port)
        run = Run(tmp_path, "--follow", "--metrics-port", "0", "--event-clock", "--log-format", "json", env=env)
        metrics_port = port_of(run)
        run.until_it_says("action ")
        time.sleep(0.5)
        metrics = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics", trust_env=False).text
        assert run.stop() == 1, run.said()  # it says so when the engine itself failed on a row
    for canary in CANARIES:
        assert canary not in run.said()
        assert canary not in metrics
    assert 'reason="poison"' in metrics
    assert 'reason="bad_json"' in metrics


def port_of(run: Run) -> int:
    line = run.until_it_says("serving")
    found = json.loads(line)["port"] if line.startswith("{") else re.search(r"port=(\d+)", line).group(1)  # type: ignore[union-attr]
    return int(found)


def test_the_pages_answer_and_say_when_it_is_not_ready(tmp_path: Path) -> None:
    env = project(tmp_path, [event(1, "login", START, "c1")])
    run = Run(tmp_path, "--follow", "--metrics-port", "0", env=env)
    port = port_of(run)
    run.until_ready()
    pages = {page: httpx.get(f"http://127.0.0.1:{port}/{page}", trust_env=False) for page in PAGES}
    assert {page: answer.status_code for page, answer in pages.items()} == dict.fromkeys(PAGES, 200)
    assert pages["livez"].text == pages["readyz"].text == "ok\n"
    assert "beforehand_build_info" in pages["metrics"].text
    assert run.stop() == 0, run.said()


PAGES = ("metrics", "livez", "healthz", "readyz")


def test_prometheus_finds_nothing_to_say_about_the_metrics(tmp_path: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool, which comes with Prometheus, is not on this machine")
    env = project(tmp_path, [event(1, "login", START, "c1")])
    run = Run(tmp_path, "--follow", "--metrics-port", "0", env=env)
    port = port_of(run)
    run.until_ready()
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
    run.stop()
    checked = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True, timeout=30)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    env = project(tmp_path, [event(1, "login", START, "c1")])
    with echo(200) as taken:
        run = Run(tmp_path, "--metrics-port", str(taken), env=env)
        assert run.end() == 1
    assert f"beforehand: cannot serve metrics on 127.0.0.1:{taken}" in run.lines[-1]
    assert "Traceback" not in run.said()
