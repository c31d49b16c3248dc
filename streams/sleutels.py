"""The keys: one ring for pseudonyms of persons, one for what is encrypted in the object store.

Every ring names its keys, and says with which one is written. To rotate, add a key and make it `actief`; as long as the
old one stays in the file, what was made with it can be read.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain import bsn

SLEUTEL_BYTES = 32
_VERSIE = 1
_NONCE_BYTES = 12
_RINGEN = ("pseudoniem", "opslag")
_SLEUTELNAAM = re.compile(r"[a-z0-9]{1,16}")


class SleutelFout(Exception):
    """The key file is missing or unusable, or something was encrypted with a key that is not in it, or altered."""


@dataclass(frozen=True)
class Ring:
    """Keys by name, and the one to write with."""

    actief: str
    sleutels: dict[str, bytes]

    @property
    def sleutel(self) -> bytes:
        """The key to write with."""
        return self.sleutels[self.actief]


class Sleutels:
    """Pseudonyms, encryption and content names. The keys themselves appear in no text that this makes."""

    def __init__(self, pseudoniem: Ring, opslag: Ring) -> None:
        self._personen = pseudoniem
        self._opslag = opslag
        self._ciphers = {naam: AESGCM(sleutel) for naam, sleutel in opslag.sleutels.items()}
        self._kenmerksleutel = hmac.digest(opslag.sleutel, b"kenmerk", hashlib.sha256)

    def __repr__(self) -> str:
        return f"Sleutels(pseudoniem={self._personen.actief!r}, opslag={self._opslag.actief!r})"

    def pseudoniem(self, persoon: str) -> str:
        """A stable name for a BSN of nine digits: the name of the key, a colon, HMAC-SHA256 in hex.

        Raises ValueError for another form, so that one person never gets two pseudonyms (Domain: Stages of processing).
        """
        return self._pseudoniem(persoon, self._personen.actief)

    def pseudoniemen(self, persoon: str) -> list[str]:
        """Every name that a person may have been given: one for each key in the ring, that of now first.

        Who looks for what stands under a pseudonym asks for all of them. Raises ValueError as `pseudoniem` does.
        """
        namen = sorted(self._personen.sleutels, key=lambda naam: (naam != self._personen.actief, naam))
        return [self._pseudoniem(persoon, naam) for naam in namen]

    def _pseudoniem(self, persoon: str, naam: str) -> str:
        if len(persoon) != bsn.BREEDTE or bsn.normaliseer(persoon) is None:
            raise ValueError("a pseudonym is made from nine digits")
        return f"{naam}:{hmac.digest(self._personen.sleutels[naam], persoon.encode('ascii'), 'sha256').hex()}"

    def kenmerk(self, inhoud: bytes) -> str:
        """A name for content that tells nothing about it to whoever lacks the key: key name, hyphen, hex."""
        return f"{self._opslag.actief}-{hmac.digest(self._kenmerksleutel, inhoud, 'sha256').hex()}"

    def versleutel(self, inhoud: bytes) -> bytes:
        """AES-256-GCM: version, length of the key's name, that name, a random nonce; then the ciphertext and its tag.

        All that stands before the ciphertext is authenticated with it.
        """
        naam = self._opslag.actief.encode("ascii")
        nonce = secrets.token_bytes(_NONCE_BYTES)
        kop = bytes((_VERSIE, len(naam))) + naam + nonce
        return kop + self._ciphers[self._opslag.actief].encrypt(nonce, inhoud, kop)

    def ontsleutel(self, versleuteld: bytes) -> bytes:
        """What `versleutel` was given. Raises SleutelFout when the key is gone or a byte was changed."""
        if len(versleuteld) < 2 or versleuteld[0] != _VERSIE:
            raise SleutelFout("not encrypted by this system, or by a later version of it")
        na_naam = 2 + versleuteld[1]
        einde_kop = na_naam + _NONCE_BYTES
        cipher = self._ciphers.get(versleuteld[2:na_naam].decode("ascii", "replace"))
        if cipher is None:
            raise SleutelFout("encrypted with a key that is not in the key file")
        try:
            return cipher.decrypt(versleuteld[na_naam:einde_kop], versleuteld[einde_kop:], versleuteld[:einde_kop])
        except (InvalidTag, ValueError):
            raise SleutelFout("altered or cut off after it was encrypted") from None


def maak_sleutels(bestand: Path) -> None:
    """Makes a key file with fresh keys, readable by its owner alone; an existing one stays as it is.

    It appears whole or not at all, also when two processes make it at once. Raises OSError when it cannot be written.
    """
    if bestand.exists():
        return
    bestand.parent.mkdir(parents=True, exist_ok=True)
    ring = {naam: {"actief": "k1", "sleutels": {"k1": _willekeurig()}} for naam in _RINGEN}
    tijdelijk = bestand.with_name(f".{bestand.name}.{secrets.token_hex(8)}")
    descriptor = os.open(tijdelijk, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as uit:
            json.dump(ring, uit, indent=2)
            uit.flush()
            os.fsync(uit.fileno())
        try:
            os.link(tijdelijk, bestand)  # unlike a rename, this never replaces keys another process has just made
        except FileExistsError:
            return
    finally:
        tijdelijk.unlink()
    map_descriptor = os.open(bestand.parent, os.O_RDONLY)
    try:
        os.fsync(map_descriptor)
    finally:
        os.close(map_descriptor)


def lees_sleutels(bestand: Path) -> Sleutels:
    """The keys in a file. Raises SleutelFout, which says what is wrong and never quotes the file."""
    try:
        inhoud = json.loads(bestand.read_bytes())
    except FileNotFoundError:
        raise SleutelFout(
            f"no key file at {bestand}: 'berichtenstroom up' makes one, or set BERICHTENSTROOM_SLEUTELS"
        ) from None
    except OSError as fout:
        raise SleutelFout(f"key file {bestand} cannot be read: {fout.strerror}") from None
    except ValueError:
        raise SleutelFout(f"key file {bestand} is not JSON") from None
    return Sleutels(*(_ring(bestand, naam, inhoud) for naam in _RINGEN))


def _willekeurig() -> str:
    return base64.b64encode(secrets.token_bytes(SLEUTEL_BYTES)).decode("ascii")


def _ring(bestand: Path, naam: str, inhoud: object) -> Ring:
    def fout(wat: str) -> SleutelFout:
        return SleutelFout(f"key file {bestand}: {naam!r} {wat}")

    ring = inhoud.get(naam) if isinstance(inhoud, dict) else None
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
    if ring.get("actief") not in sleutels:
        raise fout("names an active key that is not there")
    return Ring(ring["actief"], sleutels)
