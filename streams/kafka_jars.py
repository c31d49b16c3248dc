"""Kafka's jars, resolved by Maven from our `pom.xml` into its ordinary cache, and the Java that runs them."""

import fcntl
import hashlib
import logging
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from confluent_kafka import KafkaException

REPO = Path(__file__).resolve().parents[1]
BOUW = REPO / ".build" / "kafka"
JAVA_MINIMUM = 17
MAVEN_MINIMUM = (3, 6, 3)
MAVEN_TIMEOUT_S = 900
ARCHIEF_TIMEOUT_S = 120

log = logging.getLogger(__name__)


class BrokerError(Exception):
    """The broker cannot be started or does not answer; the text is one line for the user, with what to do about it."""


def klassepad(bouw: Path = BOUW) -> str:
    """The Java class path of the broker, resolved by Maven once for each content of `pom.xml` and kept under `bouw`.

    Processes that ask at the same moment wait for the first. Raises BrokerError when Java or Maven is missing or too
    old, and when Maven fails.
    """
    pom = REPO / "pom.xml"
    if not pom.is_file():
        raise BrokerError(f"{pom} is missing: the embedded broker runs from a checkout of the repository")
    bouw.mkdir(parents=True, exist_ok=True)
    kept = bouw / f"klassepad-{hashlib.sha256(pom.read_bytes()).hexdigest()[:16]}.txt"
    with (bouw / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_file() or not all(Path(jar).is_file() for jar in kept.read_text().split(os.pathsep)):
            _resolve(pom, kept)
    return kept.read_text()


def archief(java: str, jars: str, oefen: Callable[[Path], object], bouw: Path = BOUW) -> list[str]:
    """Options with which this Java starts the broker with less work: an archive of its classes, read and checked.

    The first who asks makes the archive and others wait; it is kept under `bouw` for these jars and
    this Java. `oefen` runs the broker once and lists its classes in the file it is given. Where none can be made (an
    empty file keeps that in mind), or Java finds that it does not fit, the broker starts without, as it always did.
    """
    if os.pathsep in str(bouw):  # Java would take it for two archives
        return []
    made_for = f"{jars}\n{Path(java).resolve()}\n{Path(java).stat().st_mtime_ns}"
    kept = bouw / f"klassen-{hashlib.sha256(made_for.encode()).hexdigest()[:16]}.jsa"
    with (bouw / "klassen.lock").open("w") as lock:  # another one: whoever runs `oefen` asks for the class path
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.is_file():
            _archive(java, jars, oefen, kept)
        made = kept.is_file() and kept.stat().st_size > 0
    return [f"-XX:SharedArchiveFile={kept}", "-Xshare:auto", "-Xlog:cds=off"] if made else []


def _archive(java: str, jars: str, oefen: Callable[[Path], object], kept: Path) -> None:
    """Has Java write the archive to `kept`, whole and on the disk, or leaves it empty."""
    listed, fresh = kept.with_suffix(".lst"), kept.with_suffix(f".{os.getpid()}.new")
    for left in kept.parent.glob("klassen-*.new"):  # by one who was killed here; his Java may still be writing it
        left.unlink()
    try:
        oefen(listed)
        # G1, since only that takes objects along; a broker with another collector can use them.
        dump = [
            java,
            "-XX:+UseG1GC",
            "-Xshare:dump",
            f"-XX:SharedClassListFile={listed}",
            f"-XX:SharedArchiveFile={fresh}",
        ]
        done = run([*dump, "-cp", jars], ARCHIEF_TIMEOUT_S)
        if done.returncode != 0:
            raise BrokerError(last_words(done.stdout))
        with fresh.open("rb") as file:
            os.fsync(file)
        fresh.replace(kept)
    except (BrokerError, KafkaException, OSError, subprocess.TimeoutExpired) as error:
        log.warning("Kafka starts without an archive of its classes until %s is removed: %s", kept, error)
        with suppress(OSError):  # a disk that is full, say: then the next start tries again
            kept.touch()
    finally:
        listed.unlink(missing_ok=True)


def _resolve(pom: Path, kept: Path) -> None:
    """Has Maven write the class path to `kept`, whole or not at all."""
    java()
    fresh = kept.with_suffix(".new")
    command = [_maven(), "-B", "-q", "-C", "-U", "-f", str(pom), "dependency:build-classpath"]
    try:
        done = run([*command, f"-Dmdep.outputFile={fresh}"], MAVEN_TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise BrokerError(f"Maven did not resolve Kafka's jars within {MAVEN_TIMEOUT_S} s") from error
    if done.returncode != 0:
        cause = done.stdout.partition("[ERROR] \n")[0]  # general advice follows
        raise BrokerError(f"Maven could not resolve Kafka's jars: {last_words(cause)}")
    fresh.replace(kept)


def java() -> str:
    """The java that Maven would take too: JAVA_HOME's, else the one on the PATH."""
    home = os.environ.get("JAVA_HOME")
    java = (shutil.which("java", path=str(Path(home, "bin"))) if home else None) or shutil.which("java")
    version = re.search(r'version "(\d+)', run([java, "-version"]).stdout) if java else None
    if java is None or version is None or int(version[1]) < JAVA_MINIMUM:
        found = f"found {version[1]}" if version else "found none"
        raise BrokerError(
            f"the embedded Kafka needs Java {JAVA_MINIMUM} or newer ({found}): "
            "install a JDK (Debian: apt-get install openjdk-17-jdk-headless)"
        )
    return java


def _maven() -> str:
    """The Maven on the PATH."""
    maven = shutil.which("mvn")
    version = re.search(r"Apache Maven (\d+)\.(\d+)\.(\d+)", run([maven, "--version"]).stdout) if maven else None
    if maven is None or version is None or tuple(map(int, version.groups())) < MAVEN_MINIMUM:
        found = f"found {'.'.join(version.groups())}" if version else "found none"
        raise BrokerError(
            f"the embedded Kafka needs Maven {'.'.join(map(str, MAVEN_MINIMUM))} or newer ({found}): "
            "install it (Debian: apt-get install maven)"
        )
    return maven


def run(command: list[str], timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    """Runs a command without standard input; both of its outputs are in `stdout`."""
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        timeout=timeout_s,
        check=False,
    )


def last_words(output: str, lines: int = 4) -> str:
    """The end of what a program said, as one line, without colours and the frames of a Java stack trace."""
    plain = re.sub(r"\x1b\[[\d;]*m|^\tat .*", "", output, flags=re.MULTILINE)
    said = [line.strip() for line in plain.splitlines() if line.strip()]
    return " | ".join(said[-lines:]) or "it said nothing"
