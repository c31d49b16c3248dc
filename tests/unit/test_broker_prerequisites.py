"""What the user is told when Java or Maven is missing, too old or fails: one clear line, found with stand-ins."""

import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from streams import broker
from streams.broker import BrokerError, BrokerInstellingen, commando, klassepad, vrije_poort
from streams.kafka_jars import archief


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH."""
    folder = tmp_path / "programs"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    return folder


def program(folder: Path, name: str, says: str, succeeds: str = "true") -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\nprintf '%b' '{says}'\n{succeeds}\n")
    path.chmod(0o755)


def refusal(tmp_path: Path) -> str:
    with pytest.raises(BrokerError) as refused:
        klassepad(tmp_path / "build")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_missing_java_is_told(programs: Path, tmp_path: Path) -> None:
    assert "needs Java 17 or newer (found none): install a JDK" in refusal(tmp_path)
    with pytest.raises(BrokerError, match="needs Java 17"):
        commando(BrokerInstellingen(tmp_path / "data", vrije_poort(), vrije_poort()))
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("version", ["11.0.2", "1.8.0_392"])
def test_old_java_is_told(version: str, programs: Path, tmp_path: Path) -> None:
    program(programs, "java", f'openjdk version "{version}" 2019-01-15')
    assert f"needs Java 17 or newer (found {version.partition('.')[0]})" in refusal(tmp_path)


def test_java_home_goes_before_the_path(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(programs, "java", 'openjdk version "11.0.2"')
    (tmp_path / "jdk" / "bin").mkdir(parents=True)
    program(tmp_path / "jdk" / "bin", "java", 'openjdk version "21.0.1"')
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "jdk"))
    assert "needs Maven" in refusal(tmp_path)


def test_missing_maven_is_told(programs: Path, tmp_path: Path) -> None:
    program(programs, "java", 'openjdk version "17.0.15"')
    assert "needs Maven 3.6.3 or newer (found none): install it" in refusal(tmp_path)


def test_old_maven_is_told(programs: Path, tmp_path: Path) -> None:
    program(programs, "java", 'openjdk version "17.0.15"')
    program(programs, "mvn", "\\033[1mApache Maven 3.3.9\\033[m")
    assert "needs Maven 3.6.3 or newer (found 3.3.9)" in refusal(tmp_path)


def test_the_cause_that_maven_gives_is_told_without_its_advice(programs: Path, tmp_path: Path) -> None:
    program(programs, "java", 'openjdk version "17.0.15"')
    says = "Apache Maven 3.9.9\\n[ERROR] no such jar\\n[ERROR] \\n[ERROR] Read the help\\n"
    program(programs, "mvn", says, succeeds='[ "$1" = --version ]')
    told = refusal(tmp_path)
    assert told.startswith("Maven could not resolve Kafka's jars:")
    assert told.endswith("[ERROR] no such jar")
    assert not list((tmp_path / "build").glob("klassepad-*.txt"))


ARCHIVES = """for option; do case $option in
    -XX:SharedArchiveFile=*) echo of these classes: "$(cat "$list")" > "${option#*=}" ;;
    -XX:SharedClassListFile=*) list=${option#*=} ;;
esac; done"""
"""A Java that makes an archive of the classes that are listed."""


def test_the_archive_of_classes_is_made_once_for_these_jars_and_this_java(tmp_path: Path) -> None:
    program(tmp_path, "java", "", succeeds=ARCHIVES)
    runs: list[Path] = []

    def run_once(listed: Path) -> None:
        runs.append(listed)
        listed.write_text("A B")

    def options(jars: str = "a.jar") -> list[str]:
        return archief(str(tmp_path / "java"), jars, run_once, tmp_path)

    (kept,) = [option.partition("=")[2] for option in options() if "SharedArchiveFile" in option]
    assert Path(kept).read_text() == "of these classes: A B\n"
    assert options() == options()
    assert len(runs) == 1
    assert kept not in " ".join(options("b.jar"))
    os.utime(tmp_path / "java", ns=(1, 1))
    assert kept not in " ".join(options())
    assert len(runs) == 3


def test_without_an_archive_the_broker_starts_as_it_did(tmp_path: Path) -> None:
    program(tmp_path, "java", "no such option", succeeds="false")
    runs: list[Path] = []
    assert archief(str(tmp_path / "java"), "a.jar", runs.append, tmp_path) == []
    assert archief(str(tmp_path / "java"), "a.jar", runs.append, tmp_path) == []
    assert len(runs) == 1


def test_what_a_killed_maker_left_of_an_archive_is_not_used(tmp_path: Path) -> None:
    program(tmp_path, "java", "", succeeds=ARCHIVES)

    def killed(listed: Path) -> None:
        listed.with_suffix(".1.new").write_text("half of it")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        archief(str(tmp_path / "java"), "a.jar", killed, tmp_path)
    assert not list(tmp_path.glob("*.jsa"))
    options = archief(str(tmp_path / "java"), "a.jar", lambda listed: listed.write_text("A"), tmp_path)
    assert Path(options[0].partition("=")[2]).read_text() == "of these classes: A\n"
    assert not list(tmp_path.glob("*.new"))


@pytest.fixture
def claims(monkeypatch: pytest.MonkeyPatch) -> Iterator[deque[socket.socket]]:
    """Of the test's own, let go of afterwards: whoever runs beside it finds its ports again."""
    own: deque[socket.socket] = deque(maxlen=200)
    monkeypatch.setattr(broker, "_CLAIMS", own)
    yield own
    for claim in own:
        claim.close()


def test_a_free_port_is_given_to_one_who_has_yet_to_listen_on_it_and_to_nobody_else(
    claims: deque[socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    eerste = vrije_poort()
    monkeypatch.setattr(broker, "_POORTEN", range(eerste, eerste + 1))
    with pytest.raises(BrokerError, match=f"between {eerste} and {eerste + 1}"):
        vrije_poort()
    ander = f"from streams import broker; broker._POORTEN = range({eerste}, {eerste + 1}); print(broker.vrije_poort())"
    proces = subprocess.run([sys.executable, "-c", ander], capture_output=True, encoding="utf-8", check=False)
    assert "BrokerError: no free loopback port" in proces.stderr
    claims.pop().close()
    assert vrije_poort() == eerste


def test_free_ports_lie_below_those_of_outgoing_connections() -> None:
    assert all(20_000 <= vrije_poort() < 32_000 for _ in range(20))
