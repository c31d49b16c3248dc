"""The citizens that the reference server knows, on disk without a BSN."""

import hmac
import os
import secrets
import sqlite3
import tempfile
from collections.abc import Iterable
from pathlib import Path

from profielservice.gebruikers import Gebruiker, Telling

_TABEL = """CREATE TABLE IF NOT EXISTS gebruiker
    (pseudoniem BLOB PRIMARY KEY, actief INTEGER NOT NULL, abonnementen TEXT NOT NULL) STRICT, WITHOUT ROWID"""
_LEES = "SELECT actief, abonnementen FROM gebruiker WHERE pseudoniem = ?"
_SCHRIJF = "INSERT OR REPLACE INTO gebruiker VALUES (?, ?, ?)"


class Opslag:
    """A SQLite table of citizens, each known by an HMAC-SHA256 of the BSN under a key made on first start.

    Lives in the folder `data`, made if need be, or in memory when that is None. Not for several threads at once.
    Raises RuntimeError when the folder holds a table but no key: everyone would be a stranger.
    """

    def __init__(self, data: Path | None) -> None:
        if data is None:
            self._sleutel = secrets.token_bytes(32)
            self._db = sqlite3.connect(":memory:", check_same_thread=False)
        else:
            data.mkdir(mode=0o700, parents=True, exist_ok=True)
            tabel = data / "gebruikers.sqlite"
            self._sleutel = _sleutel(data, maak=not tabel.exists())
            self._db = sqlite3.connect(tabel, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute(_TABEL)
        if data is not None:
            _sync_map(data)

    def voeg_samen(self, gebruikers: Iterable[Gebruiker]) -> Telling:
        """Add and change citizens, all of them or none; on return they are durable on disk."""
        nieuw = gelijk = 0
        anders: list[tuple[bytes, int, str]] = []
        for bsn, gebruiker in {gebruiker.bsn: gebruiker for gebruiker in gebruikers}.items():
            staat = (int(gebruiker.actief), " ".join(sorted(set(gebruiker.abonnementen))))
            pseudoniem = self._pseudoniem(bsn)
            oud = self._db.execute(_LEES, (pseudoniem,)).fetchone()
            nieuw += oud is None
            gelijk += oud == staat
            if oud != staat:
                anders.append((pseudoniem, *staat))
        with self._db:
            self._db.executemany(_SCHRIJF, anders)
        return Telling(nieuw=nieuw, gewijzigd=len(anders) - nieuw, gelijk=gelijk)

    def ontvangers(self, leverancier: str, bsns: Iterable[str]) -> set[str]:
        """Those who exist, have an active box and are subscribed to this leverancier (Domain: Profile service)."""
        ontvangers = set()
        for bsn in bsns:
            actief, abonnementen = self._db.execute(_LEES, (self._pseudoniem(bsn),)).fetchone() or (0, "")
            if actief and (abonnementen == "*" or leverancier in abonnementen.split()):
                ontvangers.add(bsn)
        return ontvangers

    def aantal_actief(self) -> int:
        """How many citizens have an active box."""
        aantal: int = self._db.execute("SELECT count(*) FROM gebruiker WHERE actief").fetchone()[0]
        return aantal

    def close(self) -> None:
        """Close the table."""
        self._db.close()

    def _pseudoniem(self, bsn: str) -> bytes:
        return hmac.digest(self._sleutel, bsn.encode("ascii"), "sha256")


def _sleutel(data: Path, *, maak: bool) -> bytes:
    """The key in this folder, of 32 bytes, readable by its owner alone; it appears whole or not at all."""
    pad = data / "sleutel"
    if maak and not pad.exists():
        bestand, tijdelijk = tempfile.mkstemp(dir=data)
        with os.fdopen(bestand, "wb") as open_bestand:
            open_bestand.write(secrets.token_bytes(32))
            open_bestand.flush()
            os.fsync(open_bestand.fileno())
        Path(tijdelijk).rename(pad)
        _sync_map(data)
    sleutel = pad.read_bytes() if pad.exists() else b""
    if len(sleutel) != 32:
        raise RuntimeError(f"{pad} does not hold the key of the citizens stored beside it")
    return sleutel


def _sync_map(data: Path) -> None:
    # A new name in a folder survives a crash only once the folder itself is on disk.
    bestand = os.open(data, os.O_RDONLY)
    try:
        os.fsync(bestand)
    finally:
        os.close(bestand)
