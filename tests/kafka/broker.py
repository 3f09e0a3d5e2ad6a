"""A real Apache Kafka for tests: one node without ZooKeeper, in a folder and on ports of its own, ready in seconds.

`make kafka` fetches the jars. Everything it writes lies in its folder, so it can be killed and started again where it
was. It ends with the process that it was started for, however that process ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

ROOT = Path(__file__).parents[2]
VERSION = os.environ.get("KAFKA_VERSION", "3.9.1")
HEAP = "384m"
READY_WITHIN_S = 60
ADMIN, PASSWORD = "admin", "admin-secret"

# Whoever started the broker may be killed; then nobody is left to stop it. `kill -9` also ends what is paused.
GUARD = 'while kill -0 "$0" 2>/dev/null && kill -0 "$1" 2>/dev/null; do sleep 1; done; kill -9 "$1" 2>/dev/null; true'


HOW = "`make kafka` fetches one (needs Java 17 and Maven), or set KAFKA_BOOTSTRAP_SERVERS"


def jars(version: str = VERSION) -> Path:
    return ROOT / ".make" / f"kafka-{version}"


def missing(version: str = VERSION) -> str:
    """What keeps a broker from being started here, or nothing."""
    if not shutil.which("java"):
        return "no Java"
    return "" if (jars(version) / ".ready").exists() else f"no Kafka {version}"


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@dataclass(frozen=True)
class Certificates:
    """What a broker shows and whom it trusts: files in PEM form, the first with its key in it."""

    key_and_chain: Path
    trusted: Path


@dataclass
class Broker:
    """One broker. Everybody is let in, unless there are `users` (who log in) or `certificates` (for TLS).

    With certificates and no users, clients show one, too. `users` have these passwords, and nobody but `admin` may do
    anything before `allow`. The broker ends at the latest with the process `lives_with`, by default its maker's.
    With `joins` it is the second broker of that one's cluster, and has no say in it.
    """

    folder: Path
    version: str = VERSION
    certificates: Certificates | None = None
    users: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    lives_with: int = field(default_factory=os.getpid)
    joins: Broker | None = None
    process: subprocess.Popen[bytes] | None = None
    ports: list[int] = field(default_factory=lambda: free_ports(3))

    @property
    def servers(self) -> str:
        """Where clients connect."""
        return f"127.0.0.1:{self.ports[0]}"

    @property
    def inside(self) -> str:
        """Where the broker talks to itself, and its own tools to it: in the clear, with every right."""
        return f"127.0.0.1:{self.ports[1]}"

    # ---- its life

    def start(self) -> Broker:
        """Start it, with what it had before if it ran already, and wait until it takes requests."""
        assert self.process is None, "it runs already"
        if not (self.folder / "data").exists():
            self._format()
        log = (self.folder / "broker.log").open("ab")
        began = log.tell()
        command = self._java("kafka.Kafka", str(self._properties()))
        self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, start_new_session=True)
        guard = ["sh", "-c", GUARD, str(self.lives_with), str(self.process.pid)]
        subprocess.Popen(guard, stdout=log, stderr=log, start_new_session=True)
        self._wait_until_ready(began)
        return self

    def stop(self) -> None:
        """Let it shut down in order."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once, as a power cut would, but for what the operating system still writes."""
        self._end(signal.SIGKILL)

    def restart(self, *, kill: bool = False) -> None:
        """Same data, same ports."""
        self.kill() if kill else self.stop()
        self.start()

    def pause(self) -> None:
        """Have it answer nothing while its connections stay open."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    # ---- its tools

    def tool(self, main: str, *arguments: str) -> str:
        """Run one of Kafka's own command line tools with every right, and give what it printed."""
        command = self._java(main, "--bootstrap-server", self.inside, *arguments, heap="128m")
        found = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert found.returncode == 0, found.stdout + found.stderr
        return found.stdout

    def allow(self, user: str, operations: Sequence[str], kind: Literal["topic", "group"], prefix: str) -> None:
        """Let a user do these things with all topics or groups whose name begins so."""
        named = [part for operation in operations for part in ("--operation", operation)]
        pattern = ("--resource-pattern-type", "prefixed")
        main = "kafka.admin.AclCommand" if self.version < "4" else "org.apache.kafka.tools.AclCommand"
        self.tool(main, "--add", "--allow-principal", f"User:{user}", *named, f"--{kind}", prefix, *pattern)

    # ---- how

    def _end(self, with_signal: signal.Signals) -> None:
        process, self.process = self.process, None
        assert process is not None, "it does not run"
        process.send_signal(signal.SIGCONT)
        process.send_signal(with_signal)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)

    def _signal(self, which: signal.Signals) -> None:
        assert self.process is not None, "it does not run"
        self.process.send_signal(which)

    def _java(self, main: str, *arguments: str, heap: str = HEAP) -> list[str]:
        # Nothing runs long enough for the optimising compiler to pay, and the tests need the processor themselves.
        options = [f"-Xmx{heap}", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        logging = f"-Dlog4j.configuration=file:{self._logging()}"
        return ["java", *options, logging, "-cp", f"{jars(self.version)}/*", main, *arguments]

    def _logging(self) -> Path:
        path = self.folder / "log4j.properties"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text(
                "log4j.rootLogger=WARN, out\n"
                "log4j.appender.out=org.apache.log4j.ConsoleAppender\n"
                "log4j.appender.out.layout=org.apache.log4j.PatternLayout\n"
                "log4j.appender.out.layout.ConversionPattern=%d %p %c %m%n\n"
            )
        return path

    def _format(self) -> None:
        scram = [f"SCRAM-SHA-512=[name={name},password={password}]" for name, password in self._logins().items()]
        added = [part for each in scram for part in ("--add-scram", each)]
        arguments = ("format", "-t", "AAAAAAAAAAAAAAAAAAAAAQ", "-c", str(self._properties()), *added)
        command = self._java("kafka.tools.StorageTool", *arguments, heap="128m")
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=self.folder)
        assert found.returncode == 0, found.stdout + found.stderr

    def _logins(self) -> dict[str, str]:
        return {ADMIN: PASSWORD, **self.users} if self.users else {}

    def _properties(self) -> Path:
        path = self.folder / "server.properties"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{key}={value}\n" for key, value in self._all_settings().items()))
        return path

    def _all_settings(self) -> dict[str, str]:
        outside, inside, _ = self.ports
        controller = (self.joins or self).ports[2]
        listeners = f"CLIENTS://127.0.0.1:{outside},INSIDE://127.0.0.1:{inside}"
        return {
            "process.roles": "broker" if self.joins else "broker,controller",
            "node.id": "2" if self.joins else "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "INSIDE",
            "listeners": listeners if self.joins else f"{listeners},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": listeners,
            "listener.security.protocol.map": f"CLIENTS:{self._protocol()},INSIDE:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "log.dirs": str(self.folder / "data"),
            "num.partitions": "4",
            "auto.create.topics.enable": "false",
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "4",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "transaction.state.log.num.partitions": "2",
            "broker.session.timeout.ms": "3000",
            "broker.heartbeat.interval.ms": "500",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "log.retention.check.interval.ms": "2000",
            "log.segment.delete.delay.ms": "1000",
            "log.cleaner.backoff.ms": "1000",
            "log.cleaner.dedupe.buffer.size": str(16 << 20),
            "log.cleaner.threads": "1",
            "num.network.threads": "2",
            "num.io.threads": "4",
            **self._security(),
            **self.settings,
        }

    def _protocol(self) -> str:
        if self.certificates is None:
            return "SASL_PLAINTEXT" if self.users else "PLAINTEXT"
        return "SASL_SSL" if self.users else "SSL"

    def _security(self) -> dict[str, str]:
        found: dict[str, str] = {}
        if self.certificates:
            found |= {
                "ssl.keystore.type": "PEM",
                "ssl.keystore.location": str(self.certificates.key_and_chain),
                "ssl.truststore.type": "PEM",
                "ssl.truststore.location": str(self.certificates.trusted),
                "ssl.client.auth": "none" if self.users else "required",
            }
        if self.users:
            scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;"
            plain = "org.apache.kafka.common.security.plain.PlainLoginModule required"
            known = " ".join(f'user_{name}="{password}"' for name, password in self._logins().items())
            found |= {
                "sasl.enabled.mechanisms": "SCRAM-SHA-512,PLAIN",
                "listener.name.clients.scram-sha-512.sasl.jaas.config": scram,
                "listener.name.clients.plain.sasl.jaas.config": f"{plain} {known};",
                "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
                "super.users": f"User:ANONYMOUS;User:{ADMIN}",
            }
        return found

    def _wait_until_ready(self, began: int) -> None:
        """It listens once it is about to answer; requests that come a little earlier wait."""
        assert self.process is not None
        until = time.monotonic() + READY_WITHIN_S
        own = self.ports[:2] if self.joins else self.ports
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            if all(_listens(port) for port in own):
                return
            time.sleep(0.05)
        said = (self.folder / "broker.log").read_bytes()[began:][-4_000:].decode(errors="replace")
        raise AssertionError(f"Kafka did not start:\n{said}")


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def main() -> None:
    """Run a broker at 127.0.0.1:9092 until it is interrupted, with what it had before. `make broker` calls this."""
    folder = ROOT / ".make" / "broker"
    folder.mkdir(parents=True, exist_ok=True)
    broker = Broker(folder, ports=[9092, *free_ports(2)]).start()
    print(f"Kafka {broker.version} listens at {broker.servers}; its data lie in {folder}. Ctrl-C ends it.", flush=True)
    with suppress(KeyboardInterrupt):
        signal.pause()
    broker.stop()


if __name__ == "__main__":
    main()
