"""The key file: rings of keys by name, how they are rotated, and how the file is replaced as a whole.

A ring in the file has `sleutels` (name to 32 bytes in base64) and `actief`, the name of the one to write with. What
follows is kept by us, and may be missing in a file made by hand: `gemaakt` and `vervangen` (when a key was made, and
when another took its place) and `verwijderd`, the names that were, so that no name ever means two keys.
"""

import base64
import fcntl
import json
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from domain.tijd import lees_tijd, schrijf_tijd

SLEUTEL_BYTES = 32
RINGEN = ("pseudoniem", "opslag")
LATERE_RINGEN = ("logboek",)
"""Rings that a file of an earlier version lacks: only who needs one refuses to work without it."""

GEWENNING_S = 10
"""Seconds that a new key must be in the file before it can be made active: by then every process has looked."""
RUST_S = 24 * 3600
"""Seconds after which what was written with a key that is no longer active can be seen where its use is looked for."""

_SLEUTELNAAM = re.compile(r"[a-z0-9]{1,16}")
_TIJDEN = ("gemaakt", "vervangen", "verwijderd")


class SleutelFout(Exception):
    """The key file is missing or unusable, or something was encrypted with a key that is not in it, or altered."""


@dataclass(frozen=True)
class Ring:
    """Keys by name, and the one to write with. Times in milliseconds since 1970; the keys do not show when printed."""

    actief: str
    sleutels: Mapping[str, bytes] = field(repr=False)
    gemaakt: Mapping[str, int] = field(default_factory=dict)
    vervangen: Mapping[str, int] = field(default_factory=dict)
    verwijderd: Mapping[str, int] = field(default_factory=dict)

    @property
    def sleutel(self) -> bytes:
        """The key to write with."""
        return self.sleutels[self.actief]

    def met_nieuwe(self, sleutel: bytes, nu: int) -> tuple["Ring", str]:
        """The ring with one key more, and its name: one that no key of this ring ever had."""
        nummers = [
            int(naam[1:]) for naam in (*self.sleutels, *self.verwijderd) if re.fullmatch(r"k[0-9]{1,15}", naam, re.A)
        ]
        naam = f"k{max(nummers, default=0) + 1}"
        return replace(self, sleutels={**self.sleutels, naam: sleutel}, gemaakt={**self.gemaakt, naam: nu}), naam

    def met_actief(self, naam: str, nu: int) -> "Ring":
        """The ring that writes with `naam`. Raises SleutelFout when that key is not there or too new."""
        if naam not in self.sleutels:
            raise SleutelFout(f"there is no key {naam!r}")
        if naam == self.actief:
            return self
        if naam in self.gemaakt and nu - self.gemaakt[naam] < GEWENNING_S * 1000:
            raise SleutelFout(
                f"key {naam!r} was made less than {GEWENNING_S} s ago: wait, so that every process knows it before "
                "anything is written with it"
            )
        vervangen = {een: op for een, op in self.vervangen.items() if een != naam} | {self.actief: nu}
        return replace(self, actief=naam, vervangen=vervangen)

    def zonder(self, naam: str, nu: int) -> "Ring":
        """The ring without that key. Raises SleutelFout when it is active, was so in the last day, or is not there."""
        if naam not in self.sleutels:
            raise SleutelFout(f"there is no key {naam!r}")
        if naam == self.actief:
            raise SleutelFout(f"key {naam!r} is active: make another one active first")
        if naam in self.vervangen and nu - self.vervangen[naam] < RUST_S * 1000:
            raise SleutelFout(
                f"key {naam!r} was active until {schrijf_tijd(self.vervangen[naam])}: what it wrote may be on its "
                f"way; it can be removed {RUST_S // 3600} hours after that"
            )
        sleutels = {een: sleutel for een, sleutel in self.sleutels.items() if een != naam}
        return replace(self, sleutels=sleutels, verwijderd={**self.verwijderd, naam: nu})


def maak_sleutels(bestand: Path) -> None:
    """Makes a key file with fresh keys, readable by its owner alone; an existing one gets the rings that it lacks, and
    keeps all that it has.

    It appears whole or not at all, also when two processes make it at once. Raises OSError when it cannot be written.
    """
    if bestand.exists():
        _vul_aan(bestand)
        return
    bestand.parent.mkdir(parents=True, exist_ok=True)
    ringen = {naam: _nieuwe_ring() for naam in (*RINGEN, *LATERE_RINGEN)}
    # FileNotFoundError: another process made the file, and a third took ours for a left-over.
    with _tijdelijk(bestand, ringen) as tijdelijk, suppress(FileExistsError, FileNotFoundError):
        os.link(tijdelijk, bestand)  # unlike a rename, this never replaces keys another process has just made
    _spoel(bestand.parent)


def lees_ringen(bestand: Path) -> dict[str, Ring]:
    """The rings in a file. Raises SleutelFout, which says what is wrong and never quotes the file."""
    return _ringen(bestand, _lees(bestand))


def wijzig(bestand: Path, naam: str, functie: Callable[[Ring], Ring]) -> Ring:
    """Replaces one ring by what `functie` makes of it; whoever else changes the file waits. Returns the new ring.

    The file stays its owner's. Raises SleutelFout, also for a ring that is not there, and what `functie` raises.
    """
    try:
        with _op_slot(bestand.resolve()) as echt:
            inhoud = _lees(echt)
            ring = _ringen(bestand, inhoud).get(naam)
            if ring is None:
                raise SleutelFout(f"key file {bestand} has no ring {naam!r}")
            nieuw = functie(ring)
            if nieuw != ring:
                inhoud[naam] |= _als_json(nieuw)
                with _tijdelijk(echt, inhoud) as tijdelijk:
                    tijdelijk.replace(echt)
                _spoel(echt.parent)
            return nieuw
    except FileNotFoundError:
        raise _ontbreekt(bestand) from None
    except OSError as fout:
        raise SleutelFout(f"key file {bestand} cannot be replaced: {fout.strerror}") from None


def _lees(bestand: Path) -> dict[str, Any]:
    try:
        inhoud = json.loads(bestand.read_bytes())
    except FileNotFoundError:
        raise _ontbreekt(bestand) from None
    except OSError as fout:
        raise SleutelFout(f"key file {bestand} cannot be read: {fout.strerror}") from None
    except (ValueError, RecursionError):
        raise SleutelFout(f"key file {bestand} is not JSON") from None
    return inhoud if isinstance(inhoud, dict) else {}


def _ontbreekt(bestand: Path) -> SleutelFout:
    return SleutelFout(f"no key file at {bestand}: 'berichtenstroom up' makes one, or set BERICHTENSTROOM_SLEUTELS")


def _vul_aan(bestand: Path) -> None:
    """Adds the rings that an earlier version did not have. Of two processes that do it at once, one does it."""
    with _op_slot(bestand.resolve()) as echt:
        try:
            inhoud = _lees(echt)
        except SleutelFout:
            return  # who reads it says so
        if not inhoud or not (nieuw := {naam: _nieuwe_ring() for naam in LATERE_RINGEN if naam not in inhoud}):
            return
        with _tijdelijk(echt, inhoud | nieuw) as tijdelijk:
            tijdelijk.replace(echt)
        _spoel(echt.parent)


@contextmanager
def _op_slot(bestand: Path) -> Iterator[Path]:
    """Holds the file as it is now: nobody else replaces it meanwhile."""
    while True:
        with bestand.open("rb") as slot:
            fcntl.flock(slot, fcntl.LOCK_EX)
            if os.fstat(slot.fileno()).st_ino == bestand.stat().st_ino:
                for over in bestand.parent.glob(f".{bestand.name}.*"):  # of who died in a change, with all keys in it
                    over.unlink(missing_ok=True)
                yield bestand
                return
        # another process replaced it while we waited


@contextmanager
def _tijdelijk(bestand: Path, inhoud: dict[str, Any]) -> Iterator[Path]:
    """A file beside it with this content, on the disk; for its owner alone, or for whom the present one is."""
    tijdelijk = bestand.with_name(f".{bestand.name}.{secrets.token_hex(8)}")
    descriptor = os.open(tijdelijk, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as uit:
            if bestand.exists():
                nu, eigen = bestand.stat(), os.fstat(descriptor)
                if (nu.st_uid, nu.st_gid) != (eigen.st_uid, eigen.st_gid):
                    os.fchown(descriptor, nu.st_uid, nu.st_gid)
                os.fchmod(descriptor, nu.st_mode & 0o660)
            json.dump(inhoud, uit, indent=2)
            uit.flush()
            os.fsync(descriptor)
        yield tijdelijk
    finally:
        tijdelijk.unlink(missing_ok=True)


def _spoel(map_: Path) -> None:
    descriptor = os.open(map_, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def willekeurige_sleutel() -> bytes:
    """A fresh key."""
    return secrets.token_bytes(SLEUTEL_BYTES)


def _nieuwe_ring() -> dict[str, Any]:
    return _als_json(Ring("k1", {"k1": willekeurige_sleutel()}, {"k1": time.time_ns() // 1_000_000}))


def _als_json(ring: Ring) -> dict[str, Any]:
    sleutels = {naam: base64.b64encode(sleutel).decode("ascii") for naam, sleutel in ring.sleutels.items()}
    tijden = {wat: {naam: schrijf_tijd(op) for naam, op in getattr(ring, wat).items()} for wat in _TIJDEN}
    return {"actief": ring.actief, "sleutels": sleutels} | {wat: waarde for wat, waarde in tijden.items() if waarde}


def _ringen(bestand: Path, inhoud: dict[str, Any]) -> dict[str, Ring]:
    namen = [*RINGEN, *(naam for naam in LATERE_RINGEN if naam in inhoud)]
    return {naam: _ring(bestand, naam, inhoud.get(naam)) for naam in namen}


def _ring(bestand: Path, naam: str, ring: Any) -> Ring:
    def fout(wat: str) -> SleutelFout:
        return SleutelFout(f"key file {bestand}: {naam!r} {wat}")

    if not isinstance(ring, dict) or not isinstance(ring.get("sleutels"), dict):
        raise fout("needs 'actief' and 'sleutels'")
    sleutels = {}
    for sleutelnaam, tekst in ring["sleutels"].items():
        if not _SLEUTELNAAM.fullmatch(sleutelnaam):
            raise fout("has a key whose name is not 1 to 16 lower-case letters and digits")
        try:
            sleutels[sleutelnaam] = base64.b64decode(tekst, validate=True)
        except (TypeError, ValueError):
            raise fout(f"key {sleutelnaam!r} is not base64") from None
        if len(sleutels[sleutelnaam]) != SLEUTEL_BYTES:
            raise fout(f"key {sleutelnaam!r} is not {SLEUTEL_BYTES} bytes")
    if not isinstance(ring.get("actief"), str) or ring["actief"] not in sleutels:
        raise fout("names an active key that is not there")
    try:
        tijden = {wat: {een: lees_tijd(op) for een, op in ring.get(wat, {}).items()} for wat in _TIJDEN}
    except (AttributeError, TypeError, ValueError):
        raise fout("has a time that cannot be read") from None
    return Ring(ring["actief"], sleutels, **tijden)
