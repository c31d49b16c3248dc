"""Logs of the embedded stack end: by size, by number and by age."""

import os
from pathlib import Path

from cli import logs
from cli.logs import Logs

DAG = 24 * 3600
NU = 1_790_000_000.0


def oude(map_: Path) -> list[str]:
    return sorted(pad.name for pad in map_.iterdir() if pad.name != "worker-1.log")


def schrijf(map_: Path, tekst: str) -> None:
    with (map_ / "worker-1.log").open("a") as log:
        log.write(tekst)


def kijk(van: Logs, map_: Path, nu: float) -> None:
    """A look, after which the closed files are as old as the clock of the test says."""
    van.kijk(nu)
    for pad in map_.glob("worker-1.log.*"):
        moment = float(pad.suffix[1:])
        os.utime(pad, (moment, moment))


def test_a_log_is_closed_daily_and_closed_ones_go_after_their_term(tmp_path: Path) -> None:
    bij = Logs([tmp_path], dagen=3)
    schrijf(tmp_path, "van een vorige keer\n")
    kijk(bij, tmp_path, NU)
    assert (tmp_path / f"worker-1.log.{int(NU)}").read_text() == "van een vorige keer\n"
    schrijf(tmp_path, "vandaag\n")
    kijk(bij, tmp_path, NU + DAG - 1)
    assert len(oude(tmp_path)) == 1, "not a day old yet"
    kijk(bij, tmp_path, NU + DAG + 60)
    assert (tmp_path / f"worker-1.log.{int(NU + DAG + 60)}").read_text() == "vandaag\n"
    kijk(bij, tmp_path, NU + 3 * DAG - 60)
    assert len(oude(tmp_path)) == 2, "within their term"
    kijk(bij, tmp_path, NU + 3 * DAG + 60)
    assert oude(tmp_path) == [f"worker-1.log.{int(NU + DAG + 60)}"]
    kijk(bij, tmp_path, NU + 5 * DAG)
    assert oude(tmp_path) == []


def test_a_process_that_holds_its_log_open_writes_on_in_it(tmp_path: Path) -> None:
    with (tmp_path / "worker-1.log").open("ab", buffering=0) as uitvoer:
        uitvoer.write(b"eerst\n")
        bij = Logs([tmp_path], dagen=3)
        bij.kijk(NU)
        uitvoer.write(b"daarna\n")
    assert (tmp_path / "worker-1.log").read_bytes() == b"daarna\n"


def test_a_large_log_is_closed_at_once_and_their_number_is_bounded(tmp_path: Path) -> None:
    logs_max, dagen = logs.MAX_LOG_BYTES, 1
    bij = Logs([tmp_path], dagen)
    bij.kijk(NU)
    for keer in range(1, 12):
        (tmp_path / "worker-1.log").touch()
        os.truncate(tmp_path / "worker-1.log", logs_max + 1)
        kijk(bij, tmp_path, NU + keer * 61)
        assert (tmp_path / "worker-1.log").stat().st_size == 0
    assert len(oude(tmp_path)) == dagen + logs.MAX_OUDE
    assert f"worker-1.log.{int(NU + 11 * 61)}" in oude(tmp_path), "the newest stay"


def test_kafkas_own_log_is_left_to_kafka_but_for_its_age(tmp_path: Path) -> None:
    for naam, dagen in {"kafka.log": 90, "kafka.log.1": 2, "kafka.log.2": 9}.items():
        (tmp_path / naam).write_text("x")
        os.utime(tmp_path / naam, (NU - dagen * DAG,) * 2)
    Logs([tmp_path, tmp_path / "niet er"], dagen=7).kijk(NU)
    assert sorted(pad.name for pad in tmp_path.iterdir()) == ["kafka.log", "kafka.log.1"]
