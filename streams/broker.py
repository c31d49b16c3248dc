"""The embedded broker: Apache Kafka, one KRaft node (controller and broker in one JVM) on loopback only.

Maven resolves the jars from our `pom.xml` into its ordinary cache. What the broker writes stays in its data folder:
`server.properties` and `log4j2.xml` (written again at every start), `metadata/` and `records/` (together they are the
log), `logs/` (bounded) and `tmp/`. Whoever is logged in on this machine can reach the port: production uses a cluster.

What survives what: a record acknowledged with acks=all is in the operating system's page cache, not yet on disk. So a
stop or a kill -9 of the broker loses nothing; a power loss or a crash of the machine can lose the last seconds, since
Kafka leaves flushing to the operating system and counts on replicas, which one node does not have.
"""

import ctypes
import fcntl
import os
import random
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.kafka_jars import BrokerError, archief, java, klassepad, last_words, run

__all__ = [
    "Broker",
    "BrokerError",
    "BrokerInstellingen",
    "commando",
    "klassepad",
    "laatste_fout",
    "sterf_met_ouder",
    "vrije_poort",
    "wacht_tot_klaar",
]

HOST = "127.0.0.1"
MAX_RECORD_BYTES = 25 * 1024 * 1024
"""Largest batch of records that the broker takes: a record of 24 MiB and its framing."""

_POORTEN = range(20_000, 32_000)
_CLAIMS: deque[socket.socket] = deque(maxlen=200)
"""Seconds pass between choosing a port and listening on it. So long its UDP namesake is ours, and goes when we die."""

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30

LOG4J2 = """\
<Configuration status="error" shutdownHook="disable">
  <Appenders>
    <RollingFile name="file" fileName="${sys:berichtenstroom.logs}/kafka.log"
                 filePattern="${sys:berichtenstroom.logs}/kafka.log.%i">
      <PatternLayout pattern="%d{ISO8601} %p %c{1}: %m%n"/>
      <Policies><OnStartupTriggeringPolicy/><SizeBasedTriggeringPolicy size="10 MB"/></Policies>
      <DefaultRolloverStrategy max="4"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <!-- The dump of every setting at every start. -->
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="WARN"/>
    <Logger name="kafka.server.KafkaConfig" level="WARN"/>
    <!-- INFO at most: below it Kafka logs requests, and with them what messages say. -->
    <Root level="INFO"><AppenderRef ref="file"/></Root>
  </Loggers>
</Configuration>
"""

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class BrokerInstellingen:
    """Where one broker lives. Ports are free to change between two starts on the same folder."""

    data: Path
    """Folder of this broker alone: configuration, records, logs."""
    poort: int
    """Port for clients, on loopback."""
    controller_poort: int
    """Port the broker talks to its own controller on, on loopback."""
    heap_mb: int = 768
    """Upper bound of the JVM's heap, in MiB; with 256 it ends when several records of 24 MiB come at once."""
    klassenlijst: Path | None = None
    """Where it is to list the classes that it loads, instead of starting from their archive."""


def commando(instellingen: BrokerInstellingen) -> list[str]:
    """The command line that runs the broker in the foreground, after preparing its folder.

    Writes the configuration, and formats the storage when that has not been done yet (one cut short is done again); on
    a folder with records it goes on with what is there, also after a kill -9 and on other ports. Run it with
    `sterf_met_ouder` as preexec_fn; SIGTERM stops it in order. Raises BrokerError when Java or Maven is missing, when a
    broker is running on the folder, and when formatting fails.
    """
    data = instellingen.data.resolve()
    if "," in str(data):
        raise BrokerError(f"Kafka takes no comma in the name of its folder: {data}")
    java_binary, jars = java(), klassepad()
    lijst = instellingen.klassenlijst
    klassen = [f"-XX:DumpLoadedClassList={lijst}"] if lijst else archief(java_binary, jars, _oefen)
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    metadata, records, logs, tmp = (data / name for name in ("metadata", "records", "logs", "tmp"))
    for folder in (metadata, records, logs, tmp):
        folder.mkdir(exist_ok=True)
    if _in_use(metadata / ".lock"):
        raise BrokerError(f"a Kafka broker is already running on {data}: stop it, or use another folder")
    for poort in (instellingen.poort, instellingen.controller_poort):
        if not _is_free(poort):
            raise BrokerError(f"port {poort} on {HOST} is in use by another process: stop it, or choose another port")
    for leftover in tmp.iterdir():  # native libraries, unpacked by a broker that was killed
        leftover.unlink()
    (data / "log4j2.xml").write_text(LOG4J2)
    config = data / "server.properties"
    config.write_text(_properties(_server(instellingen, metadata, records)))
    jvm = [
        "/usr/bin/env",
        "LC_ALL=C.UTF-8",  # else Java cannot open a path that is not ASCII where the locale is C
        java_binary,
        f"-Xmx{instellingen.heap_mb}m",
        "-Xms128m",
        "-XX:+UseSerialGC",
        "-XX:TieredStopAtLevel=1",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:-CreateCoredumpOnCrash",
        "-XX:-UsePerfData",
        *klassen,
        f"-XX:ErrorFile={logs / 'jvm-crash.log'}",
        f"-Djava.io.tmpdir={tmp}",
        f"-Dberichtenstroom.logs={logs}",
        f"-Dlog4j2.configurationFile={(data / 'log4j2.xml').as_uri()}",
        "-cp",
        jars,
    ]
    _format([*jvm, "kafka.tools.StorageTool"], config, [metadata / "meta.properties", records / "meta.properties"])
    return [*jvm, "kafka.Kafka", str(config)]


def vrije_poort() -> int:
    """A loopback port that is free now, and that nobody else is given here until this process ends or asks for 200.

    It lies below the range from which systems take the ports of outgoing connections: within that range a client that
    keeps trying to reach a stopped broker can be given the broker's own port. Raises BrokerError when none is free.
    """
    for poort in random.SystemRandom().sample(_POORTEN, min(100, len(_POORTEN))):
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind((HOST, poort))
        except OSError:
            claim.close()
            continue
        if _is_free(poort):
            _CLAIMS.append(claim)
            return poort
        claim.close()
    raise BrokerError(f"no free loopback port found between {_POORTEN.start} and {_POORTEN.stop}")


def wacht_tot_klaar(adres: str, timeout_s: float, leeft: Callable[[], bool] = lambda: True) -> None:
    """Returns when the broker at `adres` answers a metadata request and takes part in its own cluster.

    Raises BrokerError after `timeout_s` seconds, or as soon as `leeft` says that its process has ended.
    """
    deadline = time.monotonic() + timeout_s
    admin = AdminClient({"bootstrap.servers": adres, "log_level": 0, "reconnect.backoff.max.ms": 200})
    why = "it knows no broker yet"
    while leeft() and (left := deadline - time.monotonic()) > 0:
        try:
            if admin.list_topics(timeout=min(left, 0.5)).brokers:
                return
        except KafkaException as error:
            why = error.args[0].str()
        time.sleep(0.05)
    raise BrokerError(f"Kafka at {adres} {f'is not ready after {timeout_s:g} s ({why})' if leeft() else 'has stopped'}")


def laatste_fout(data: Path) -> str:
    """What the broker in `data` last said to be wrong since it was started, in one line, and the log to read on in."""
    log = data / "logs" / "kafka.log"
    files = [path for path in (log, data / "logs" / "console.log") if path.is_file()]
    lines = [line for path in files for line in path.read_text(errors="replace").splitlines()]
    wrong = [number for number, line in enumerate(lines) if re.search(r"^Error|^Terminating|^\S+ (ERROR|FATAL) ", line)]
    said = " ".join(lines[wrong[-1] : wrong[-1] + 2]) if wrong else "it gave no reason"
    return f"{said} (log: {log})"


def sterf_met_ouder() -> None:
    """As preexec_fn on Linux: the child is killed when the thread that started it ends, in whatever way."""
    if _LIBC is not None and _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) != 0:
        os._exit(126)


class Broker:
    """A broker in a process of its own, for tests and small uses; as context manager it is started and stopped.

    Start it from a thread that lives as long as the broker must (see `sterf_met_ouder`).
    """

    def __init__(self, data: Path, poort: int | None = None, klassenlijst: Path | None = None) -> None:
        self.data = data
        self.klassenlijst = klassenlijst
        self.poort = poort or vrije_poort()
        self.adres = f"{HOST}:{self.poort}"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Process id of the JVM. Raises BrokerError when the broker was not started."""
        if self._process is None:
            raise BrokerError(f"the broker on {self.data} is not running")
        return self._process.pid

    def start(self) -> None:
        """Returns when the broker is ready; raises BrokerError, with what the broker said, when it is not in time."""
        command = commando(BrokerInstellingen(self.data, self.poort, vrije_poort(), klassenlijst=self.klassenlijst))
        with (self.data / "logs" / "console.log").open("wb") as console:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, preexec_fn=sterf_met_ouder
            )
        self._process = process
        try:
            wacht_tot_klaar(self.adres, START_TIMEOUT_S, leeft=lambda: process.poll() is None)
        except BrokerError as error:
            self.kill()
            raise BrokerError(f"{error}: {laatste_fout(self.data)}") from error
        except BaseException:  # Ctrl-C while it starts must not leave it behind
            self.kill()
            raise

    def stop(self) -> None:
        """Stops the broker in order (SIGTERM), and by force when that takes more than STOP_TIMEOUT_S seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process = None

    def kill(self) -> None:
        """Kills the broker at once (SIGKILL), as a crash would."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        self._process = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()


def _oefen(klassenlijst: Path) -> None:
    """The short life of a broker that lists the classes it loads: a topic, a transaction and who reads it."""
    with TemporaryDirectory() as data, Broker(Path(data), klassenlijst=klassenlijst) as broker:
        client: dict[str, str | int | float | bool] = {"bootstrap.servers": broker.adres, "log_level": 0}
        admin = AdminClient(client)
        admin.create_topics([NewTopic("t", 1, 1)])["t"].result(START_TIMEOUT_S)
        producer = Producer({**client, "transactional.id": "t"})
        producer.init_transactions(START_TIMEOUT_S)
        producer.begin_transaction()
        producer.produce("t", b"t")
        producer.commit_transaction(START_TIMEOUT_S)
        consumer = Consumer({**client, "group.id": "t", "auto.offset.reset": "earliest"})
        consumer.subscribe(["t"])
        consumer.poll(START_TIMEOUT_S)
        consumer.close()


def _server(instellingen: BrokerInstellingen, metadata: Path, records: Path) -> dict[str, object]:
    """The broker's settings: what one node needs, and where Kafka's default does not fit a small machine."""
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "listeners": f"CLIENT://{HOST}:{instellingen.poort},CONTROLLER://{HOST}:{instellingen.controller_poort}",
        "listener.security.protocol.map": "CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "CLIENT",
        "controller.listener.names": "CONTROLLER",
        # A static quorum: the voter's address comes from here, not from the metadata log, so the port may change.
        "controller.quorum.voters": f"1@{HOST}:{instellingen.controller_poort}",
        # Apart from the records: only then does Kafka lock its folder before it opens the metadata log.
        "metadata.log.dir": metadata,
        "log.dirs": records,
        # After a kill -9 the controller lets the broker back in only when its former self has been silent for this
        # long: less than the default of 9 s, but a busy machine must not make a living broker look dead.
        "broker.session.timeout.ms": 5000,
        "broker.heartbeat.interval.ms": 1000,
        # By default twice a second the controller writes a record that says nothing, for others than one node to count.
        "metadata.max.idle.interval.ms": 10_000,
        "auto.create.topics.enable": "false",
        # Retention counts from when a record came here, so that an old one that is sent on is not thrown away at once.
        "log.message.timestamp.type": "LogAppendTime",
        "message.max.bytes": MAX_RECORD_BYTES,
        "replica.fetch.max.bytes": MAX_RECORD_BYTES,
        "socket.request.max.bytes": 100 * 1024 * 1024,
        # Requests in memory together, in bytes: a quarter of the heap, but never less than one request.
        "queued.max.request.bytes": max(100, instellingen.heap_mb // 4) * 1024 * 1024,
        "log.cleaner.dedupe.buffer.size": 32 * 1024 * 1024,
        "offsets.topic.replication.factor": 1,
        "offsets.topic.num.partitions": 10,
        # Committed offsets outlive the longest kept topic (30 days), also of a stack that stands still.
        "offsets.retention.minutes": 60 * 24 * 60,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "transaction.state.log.num.partitions": 10,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        "share.coordinator.state.topic.num.partitions": 10,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "background.threads": 4,
    }


def _properties(settings: dict[str, object]) -> str:
    """Java's properties format, in which a backslash and what is not ASCII stand as UTF-16 units."""

    def escaped(found: re.Match[str]) -> str:
        return "".join(f"\\u{unit}" for unit in found[0].encode("utf-16-be").hex(" ", 2).split())

    lines = (f"{name}={value}\n" for name, value in settings.items())
    return "".join(re.sub(r"[^ -\[\]-~\n]", escaped, line) for line in lines)


def _format(tool: list[str], config: Path, marks: list[Path]) -> None:
    """Gives the storage its cluster id and first metadata, unless it has them: Kafka writes these marks last."""
    known = [re.findall(r"^cluster\.id=(\S+)", mark.read_text(), re.MULTILINE) for mark in marks if mark.is_file()]
    if len(known) == len(marks):
        return
    fresh = urlsafe_b64encode(b"B" + secrets.token_bytes(15)).decode().rstrip("=")  # the B: no '-' in front
    cluster_id = next((name for names in known for name in names), fresh)
    done = run([*tool, "format", "--ignore-formatted", "-t", cluster_id, "-c", str(config)], START_TIMEOUT_S)
    if done.returncode != 0:
        raise BrokerError(f"Kafka could not format {config.parent}: {last_words(done.stdout)}")


def _is_free(poort: int) -> bool:
    """Whether a server can listen on this loopback port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, poort))
        except OSError:
            return False
    return True


def _in_use(lock: Path) -> bool:
    """Whether a running broker holds the lock that Kafka takes on its folder; a killed one holds it no more."""
    if not lock.is_file():
        return False
    with lock.open("r+b") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False
