"""Looks for BSNs in whatever was written: topics, files, tables, and what services and commands say."""

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from tests.integration.lijn.logboek import lees, topics

BREEDTE = 9
MET_BSN = {"batch", "bericht", "wacht"}
"""Topics whose values carry BSNs (Domain: Stages of processing)."""
_CIJFERS = re.compile(rb"[0-9]{8,}")

Bron = tuple[str, bytes]
"""A place, and what stands there."""


def zoekbaar(bsns: Iterable[str]) -> set[bytes]:
    """What to look for: as they are, and without a leading zero."""
    alle = set(bsns)
    zonder_nul = {bsn[1:] for bsn in alle if len(bsn) == BREEDTE and bsn.startswith("0")}
    return {bsn.encode() for bsn in alle | zonder_nul if set(bsn) != {"0"}}


def gevonden(inhoud: bytes, bsns: set[bytes]) -> set[bytes]:
    """BSNs in text that stand apart from other digits, and those in a column of BSNs back to back."""
    gezien: set[bytes] = set()
    for cijfers in _CIJFERS.findall(inhoud):
        if len(cijfers) <= BREEDTE:
            gezien.add(cijfers)
        elif len(cijfers) % BREEDTE == 0:
            gezien.update(cijfers[i : i + BREEDTE] for i in range(0, len(cijfers), BREEDTE))
    return gezien & bsns


def plaatsen(bronnen: Iterable[Bron], bsns: set[bytes]) -> list[str]:
    """Where a BSN stands; which one is not told."""
    return [f"{plaats}: {len(gezien)} BSNs" for plaats, inhoud in bronnen if (gezien := gevonden(inhoud, bsns))]


def in_topics(kafka: str) -> Iterator[Bron]:
    """Keys, headers, and the values of topics that may not hold a BSN; what was aborted was written all the same."""
    for topic in topics(kafka):
        for record in lees(kafka, topic, "read_uncommitted"):
            plaats = f"{topic}[{record.partitie}]@{record.offset}"
            yield f"key of {plaats}", record.key or b""
            for naam, waarde in record.koppen:
                yield f"header of {plaats}", naam.encode() + b"\0" + (waarde or b"")
            if topic not in MET_BSN:
                yield f"value of {plaats}", record.waarde or b""


def in_tabellen(sql: Callable[[str], list[list[Any]]], *, views: bool = True) -> Iterator[Bron]:
    """Every column of every table, of the views over them, and the engine's own logs."""
    kolommen = sql(
        f"""SELECT c.table, c.name, c.type FROM system.columns c
            JOIN system.tables t ON t.database = c.database AND t.name = c.table
            WHERE c.database = 'berichtenstroom' AND c.table != 'sla_over'
            AND ({views:d} OR t.engine NOT LIKE '%View')"""
    )
    for tabel, kolom, soort in kolommen:
        rijen = sql(f"SELECT DISTINCT toString(`{kolom}`) FROM berichtenstroom.`{tabel}`")
        waarden = [rij[0] or "" for rij in rijen]
        if soort.startswith("UInt"):  # two BSNs side by side in a hash are chance; a BSN is the whole number
            waarden = [waarde for waarde in waarden if len(waarde) <= BREEDTE]
        yield f"{tabel}.{kolom}", "\n".join(waarden).encode()
    teksten = {
        "query_log": "query || exception",
        "text_log": "message",
        "errors": "last_error_message",
        "processes": "query",
    }
    for [tabel] in sql("SELECT name FROM system.tables WHERE database = 'system'"):
        if tabel in teksten:
            rijen = sql(f"SELECT toString({teksten[tabel]}) FROM system.{tabel}")
            yield f"system.{tabel}", "\n".join(rij[0] for rij in rijen).encode()


def in_bestanden(map_: Path) -> Iterator[Bron]:
    """Every file, but the log of the topics that carry BSNs."""
    for pad in sorted(map_.rglob("*")):
        if pad.is_file() and pad.parent.name.rpartition("-")[0] not in MET_BSN:
            yield str(pad.relative_to(map_)), pad.read_bytes()
