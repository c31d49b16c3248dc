"""What the look-up for duplicates costs with a long history behind it, beside the same look-up with a short one.

Both stand in one engine and are asked in turn, so rows read and ratios mean something; the milliseconds belong to this
machine and this moment.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from clickhouse_connect.driver.client import Client
from rich.console import Console
from rich.progress import track

from sinks.database import maak_client
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.migreer import migreer
from sinks.stroomvragen import Stroomvragen, Vraag

KORT = 1_000_000
"""Messages in the short history."""
PER_INSERT = 250_000
"""Messages in one insert; the engine merges their parts as it does those of the sink."""
SLICES = (1, 25, 125, 1000)
"""Messages of a slice; a full batch over 8 partitions has 125 in each."""
MAX_BYTES = 20_000_000_000
"""Filling ends when the table takes so much."""
RUST_S = 180
"""Seconds that merges get to end before anything is measured."""
DELEN = "FROM system.parts WHERE active AND table = 'bekend' AND database = currentDatabase()"
GRANULE = 256
"""Rows that the table reads at the least."""

BERICHT = """
    intDiv(number, 1000) AS batch,
    concat('00000099', leftPad(toString(batch % 200), 9, '0'), '000') AS leverancier,
    reinterpret(sipHash128('bericht', number), 'UUID') AS bericht_id,
    reinterpret(sipHash128('run', batch), 'UUID') AS proceskenmerk"""
"""A message of the history by its number: 200 leveranciers, and ids that are in no order."""


Soort = tuple[int, int]
"""Messages of a slice, and how many of them were placed before."""
BALK = Console(stderr=True)


@dataclass(slots=True)
class Meting:
    """What a question about a slice of one kind costs; times in milliseconds, one of each question."""

    rijen: float = 0
    """Rows read, on average."""
    warm: list[float] = field(default_factory=list)
    """With the table's files in memory."""
    koud: list[float] = field(default_factory=list)
    """With the engine's caches and the table's files dropped before each."""


def vul(client: Client, van: int, tot: int) -> None:
    """Adds the messages with these numbers to `bekend`; of every hundred the first three were not placed."""
    client.command(
        f"""
        INSERT INTO bekend (sleutel, leverancier, bericht_id, proceskenmerk, nummer, code, voorrang)
        WITH {BERICHT}
        SELECT cityHash64(leverancier, bericht_id), leverancier, bericht_id, proceskenmerk, number % 1000 + 1,
            if(number % 100 < 3, 'NietActiefOfGeabonneerd', 'Verwerkt'), bitNot(number)
        FROM numbers({{van:UInt64}}, {{aantal:UInt64}})
        """,  # noqa: S608 (a constant)
        parameters={"van": van, "aantal": tot - van},
        settings={"max_insert_threads": 1},
    )


def geplaatst(client: Client, aantal: int, historie: int) -> list[Vraag]:
    """What another run asks about so many placed messages, taken at random from a history of that length."""
    sql = f"""
        WITH {BERICHT}
        SELECT DISTINCT leverancier, bericht_id FROM
        (
            SELECT rand64(1) % {{honderden:UInt64}} * 100 + 3 + rand64(2) % 97 AS number
            FROM numbers({{aantal:UInt64}})
        )
        """  # noqa: S608 (a constant)
    rijen = client.query(sql, parameters={"honderden": historie // 100, "aantal": aantal}).result_rows
    run = uuid4()
    return [(leverancier, bericht_id.bytes, run) for leverancier, bericht_id in rijen]


def nieuw(aantal: int) -> list[Vraag]:
    """What a run asks about so many messages that nobody saw before."""
    run = uuid4()
    return [("00000099000000001000", uuid4().bytes, run) for _ in range(aantal)]


def groei(client: Client, tot: int, minuten: float) -> int:
    """Fills, with a bar, until the number, the time or the room is reached; then lets merges end. Gives the number."""
    einde, bereikt = time.monotonic() + minuten * 60, 0
    for begin in track(range(0, tot, PER_INSERT), f"to {tot / 1e6:g} million", console=BALK):
        bereikt = min(begin + PER_INSERT, tot)
        vul(client, begin, bereikt)
        if time.monotonic() > einde or _getal(client, f"sum(bytes_on_disk) {DELEN}") > MAX_BYTES:
            break
    rustig = time.monotonic() + RUST_S
    while _getal(client, "count() FROM system.merges") and time.monotonic() < rustig:
        time.sleep(1)
    client.command("SYSTEM STOP MERGES bekend")  # so that the same parts are there for every question
    return bereikt


def meet(histories: Sequence[tuple[Client, int]], vragen: int) -> list[dict[Soort, Meting]]:
    """Asks so many questions about slices of every kind, each about other messages, of each history in turn."""
    soorten = [(grootte, bekend) for grootte in SLICES for bekend in (0, (grootte + 1) // 2)]
    metingen = [{soort: Meting() for soort in soorten} for _ in histories]
    for client, _ in histories:
        for pad in _bestanden(client):
            with pad.open("rb") as bestand:
                while bestand.read(1 << 24):
                    pass
    for soort in track(soorten * vragen, "measuring, warm", console=BALK):
        for (client, historie), meting in zip(histories, metingen, strict=True):
            eerder = _gelezen(client)
            meting[soort].warm.append(vraag(client, *soort, historie))
            meting[soort].rijen += (_gelezen(client) - eerder) / vragen
    for soort in track(soorten * vragen, "measuring, cold", console=BALK):
        for (client, historie), meting in zip(histories, metingen, strict=True):
            _vergeet(client)
            meting[soort].koud.append(vraag(client, *soort, historie))
    return metingen


def vraag(client: Client, grootte: int, bekend: int, historie: int) -> float:
    """Asks about one slice of `grootte` messages, of which `bekend` were placed; how many milliseconds it took."""
    oude = geplaatst(client, bekend, historie)
    gevraagd = nieuw(grootte - bekend) + oude
    begin = time.perf_counter()
    gevonden = Stroomvragen(client).bekend(gevraagd)
    duur = time.perf_counter() - begin
    if {rij[:2] for rij in gevonden} != {een[:2] for een in oude}:
        raise AssertionError("the look-up must find what was placed, and that alone")
    return duur * 1000


def _getal(client: Client, wat: str) -> int:
    return int(client.query(f"SELECT {wat}").result_rows[0][0])


def _gelezen(client: Client) -> int:
    """Rows that all questions until now read, in whole granules; the engine's own tables have none."""
    return GRANULE * _getal(client, "sum(value) FROM system.events WHERE event = 'SelectedMarks'")


def _bestanden(client: Client) -> list[Path]:
    rijen = client.query(f"SELECT path {DELEN}").result_rows
    return [pad for (map_,) in rijen for pad in Path(map_).iterdir()]


def _vergeet(client: Client) -> None:
    """Drops what the engine and the operating system remember of the table's files; its primary index stays."""
    for cache in ("MARK CACHE", "UNCOMPRESSED CACHE", "QUERY CONDITION CACHE"):
        client.command(f"SYSTEM DROP {cache}")
    for pad in _bestanden(client):
        with pad.open("rb") as bestand:
            os.fdatasync(bestand.fileno())
            os.posix_fadvise(bestand.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def tabel(kort: dict[Soort, Meting], lang: dict[Soort, Meting], namen: Sequence[str]) -> Iterator[str]:
    """The lines of a table of both, with the ratio of rows and of median times."""
    koppen = [f"{wat}{namen[0]} | {namen[1]} | ratio" for wat in ("rows read, ", "warm ms, ", "cold ms, ")]
    yield f"| slice | known | {' | '.join(koppen)} |"
    yield "|" + " ---: |" * 11
    for (grootte, bekend), een in kort.items():
        ander = lang[grootte, bekend]
        rijen = f"{een.rijen:,.0f} | {ander.rijen:,.0f} | {ander.rijen / een.rijen:.1f}"
        yield f"| {grootte} | {bekend} | {rijen} | {_tijden(een.warm, ander.warm)} | {_tijden(een.koud, ander.koud)} |"


def _tijden(kort: list[float], lang: list[float]) -> str:
    cellen = [
        f"{statistics.median(een):.0f} / {statistics.quantiles(een, n=20, method='inclusive')[-1]:.0f}"
        for een in (kort, lang)
    ]
    return f"{cellen[0]} | {cellen[1]} | {statistics.median(lang) / statistics.median(kort):.1f}"


def _argumenten() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.opzoeken",
        description="Fills a ClickHouse of its own with a history of messages and measures the look-up for duplicates, "
        "beside a history of 1 million. Needs about 100 bytes of disk for each message while it runs.",
        epilog="example: nice -n 19 .venv/bin/python -m bench.opzoeken --miljoen 100",
    )
    parser.add_argument("--miljoen", type=int, default=100, help="length of the history (default: %(default)s)")
    parser.add_argument("--vragen", type=int, default=50, help="questions for each figure (default: %(default)s)")
    hoogstens = "minutes that filling may take; then what was reached is measured (default: %(default)s)"
    parser.add_argument("--minuten", type=float, default=12, help=hoogstens)
    parser.add_argument(
        "--map", type=Path, metavar="DIR", help="an empty folder to use and keep (default: a temporary one)"
    )
    gegeven = parser.parse_args()
    if gegeven.miljoen < 2:
        parser.error("--miljoen: at least 2")
    if gegeven.vragen < 2:
        parser.error("--vragen: at least 2")
    if gegeven.map and gegeven.map.exists() and any(gegeven.map.iterdir()):
        parser.error(f"--map: {gegeven.map} is not empty")
    return gegeven


def main() -> None:
    """Prints what both histories look like, and the table of what a question costs."""
    gegeven = _argumenten()
    histories, namen = [], []
    with ExitStack() as stapel:
        map_ = gegeven.map or Path(stapel.enter_context(tempfile.TemporaryDirectory(prefix="opzoeken-")))
        motor = stapel.enter_context(EmbeddedClickHouse(map_))
        for database, lengte in (("kort", KORT), ("lang", gegeven.miljoen * 1_000_000)):
            migreer(maak_client(motor.url), database)
            client = maak_client(motor.url, database)
            # What was merged away goes at once: else the disk holds the table several times.
            client.command("ALTER TABLE bekend MODIFY SETTING old_parts_lifetime = 5")
            historie = groei(client, lengte, gegeven.minuten)
            histories.append((client, historie))
            namen.append(f"{historie / 1e6:g}M")
            bytes_ = _getal(client, f"sum(bytes_on_disk) {DELEN}")
            print(f"{namen[-1]} messages: {_getal(client, f'count() {DELEN}')} parts, {bytes_ / 1e9:.2f} GB")
        kort, lang = meet(histories, gegeven.vragen)
    print(f"{gegeven.vragen} questions for each figure; times are p50 / p95, their ratio that of the p50s\n")
    print(*tabel(kort, lang, namen), sep="\n")


if __name__ == "__main__":
    main()
