"""Brings the tables and views of ClickHouse to what this version needs, from the numbered files in `migraties`.

Of the kept tools, clickhouse-migrations comes closest, but it guards two at once with a lock that needs Keeper, which
neither the embedded engine nor a single server has, and it brings a second driver; so this is our own.

Two may run at once, and one may die halfway: every statement can be run again (IF NOT EXISTS, OR REPLACE), and a file
is noted as applied after its last statement.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client

from sinks.database import vertaal_fouten

MAP = Path(__file__).parent / "migraties"

TABEL = """
CREATE TABLE IF NOT EXISTS migraties
(
    naam String COMMENT 'Name of the file',
    sha256 String COMMENT 'SHA-256 of the file as it was applied',
    toegepast_op DateTime64(3, 'UTC') DEFAULT now64(3) COMMENT 'When it was applied'
)
ENGINE = ReplacingMergeTree
ORDER BY (naam, sha256)
COMMENT 'Which migrations were applied'
"""


class MigratieGeweigerd(Exception):
    """What was applied is not what the files say. The text names the file and what to do."""


class TabellenOntbreken(Exception):
    """The database lacks migrations that this version needs. The text names them and says what to run."""


@dataclass(frozen=True, slots=True)
class Migratie:
    """One file of statements."""

    naam: str
    tekst: str

    @property
    def sha256(self) -> str:
        """Its checksum."""
        return hashlib.sha256(self.tekst.encode()).hexdigest()


def lees_migraties(map_: Path = MAP) -> list[Migratie]:
    """The files, in the order in which they are applied: by name."""
    return [Migratie(pad.name, pad.read_text(encoding="utf-8")) for pad in sorted(map_.glob("*.sql"))]


def splits_opdrachten(tekst: str) -> list[str]:
    """The statements of a file, without their semicolons; those in quotes and comments separate nothing."""
    opdrachten: list[str] = []
    begin = plaats = 0
    heeft_inhoud = False
    while plaats < len(tekst):
        if tekst.startswith("--", plaats):
            einde = tekst.find("\n", plaats)
            plaats = len(tekst) if einde < 0 else einde
        elif tekst.startswith("/*", plaats):
            einde = tekst.find("*/", plaats)
            plaats = len(tekst) if einde < 0 else einde + 2
        elif tekst[plaats] in "'\"`":
            plaats = _einde_citaat(tekst, plaats)
            heeft_inhoud = True
        elif tekst[plaats] == ";":
            if heeft_inhoud:
                opdrachten.append(tekst[begin:plaats].strip())
            plaats += 1
            begin, heeft_inhoud = plaats, False
        else:
            heeft_inhoud = heeft_inhoud or not tekst[plaats].isspace()
            plaats += 1
    return [*opdrachten, tekst[begin:].strip()] if heeft_inhoud else opdrachten


def _einde_citaat(tekst: str, begin: int) -> int:
    """The place after a quoted text; a backslash escapes what follows, a doubled quote opens the next quoted text."""
    plaats = begin + 1
    while plaats < len(tekst) and tekst[plaats] != tekst[begin]:
        plaats += 2 if tekst[plaats] == "\\" else 1
    return plaats + 1


def ontbrekend(client: Client, database: str, migraties: list[Migratie] | None = None) -> list[str]:
    """Names of the migrations that this version needs and the database lacks; empty when it is ready.

    Raises MigratieGeweigerd when an applied file was changed or is gone, or when one is missing before an applied one,
    and DatabaseWeg.
    """
    migraties = lees_migraties() if migraties is None else migraties
    toegepast = _toegepast(client, database)
    bekend = {migratie.naam: migratie for migratie in migraties}
    for naam, sommen in sorted(toegepast.items()):
        if naam not in bekend:
            raise MigratieGeweigerd(
                f"{naam} was applied to database {database} but is not among the migrations: is this version older?"
            )
        if sommen != {bekend[naam].sha256}:
            raise MigratieGeweigerd(
                f"{naam} was changed after it was applied to database {database}: restore it and add a new file instead"
            )
    open_ = [migratie.naam for migratie in migraties if migratie.naam not in toegepast]
    if open_ and toegepast and open_[0] < max(toegepast):
        raise MigratieGeweigerd(
            f"{open_[0]} is new but sorts before {max(toegepast)}, which was applied: number it last"
        )
    return open_


def controleer(client: Client, database: str) -> None:
    """Raises TabellenOntbreken when the database is not ready for this version; else as `ontbrekend`."""
    namen = ontbrekend(client, database)
    if namen:
        raise TabellenOntbreken(f"database {database} lacks {', '.join(namen)}: run berichtenstroom migreer")


def migreer(client: Client, database: str, migraties: list[Migratie] | None = None) -> list[str]:
    """Makes the database where it is missing, applies what it lacks, and returns the names of what it applied.

    Raises MigratieGeweigerd (nothing is changed then) and DatabaseWeg.
    """
    migraties = lees_migraties() if migraties is None else migraties
    te_doen = ontbrekend(client, database, migraties)
    with vertaal_fouten():
        client.command(f"CREATE DATABASE IF NOT EXISTS `{database}`")
    with vertaal_fouten(), _in_database(client, database):
        client.command(TABEL)
        for migratie in migraties:
            if migratie.naam not in te_doen:
                continue
            for opdracht in splits_opdrachten(migratie.tekst):
                client.command(opdracht)
            client.command(
                "INSERT INTO migraties (naam, sha256) VALUES ({naam:String}, {sha256:String})",
                parameters={"naam": migratie.naam, "sha256": migratie.sha256},
            )
    return te_doen


def _toegepast(client: Client, database: str) -> dict[str, set[str]]:
    """The checksums under which each file was applied."""
    with vertaal_fouten():
        bestaat = client.query(
            "SELECT 1 FROM system.tables WHERE database = {database:String} AND name = 'migraties'",
            parameters={"database": database},
        )
        if not bestaat.result_rows:
            return {}
    with vertaal_fouten(), _in_database(client, database):
        rijen = client.query("SELECT naam, groupUniqArray(sha256) FROM migraties GROUP BY naam")
    return {naam: set(sommen) for naam, sommen in rijen.result_rows}


@contextmanager
def _in_database(client: Client, database: str) -> Iterator[None]:
    """Lets a client work in a database that it could not name when it was made, since it may not have existed."""
    eerder, client.database = client.database, database
    try:
        yield
    finally:
        client.database = eerder
