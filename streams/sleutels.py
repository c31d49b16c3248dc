"""The keys: a ring for pseudonyms of persons, one for what is encrypted in the object store, one for the processing
log.

Every ring names its keys, and says with which one is written (`streams.sleutelbestand` rotates them). As long as an
earlier one stays in the file, what was made with it can be read. Running processes follow the file: they look every few
seconds whether it was replaced, and at once when something was written with a key that they do not know.
"""

import hashlib
import hmac
import logging
import secrets
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain import bsn
from streams.logboeksleutels import Logboeksleutels
from streams.sleutelbestand import Ring, SleutelFout, lees_ringen, maak_sleutels

__all__ = ["KOP_BYTES", "SleutelFout", "Sleutels", "lees_sleutels", "maak_sleutels", "sleutelnaam"]

log = logging.getLogger(__name__)

HERLEES_S = 2.0
"""Seconds between two looks whether the key file was replaced: well below `sleutelbestand.GEWENNING_S`."""

KOP_BYTES = 2 + 16
"""So many bytes at the beginning of what was encrypted hold the name of its key."""
_VERSIE = 1
_NONCE_BYTES = 12


class _Stand:
    """The rings of one moment, and what is made of them."""

    def __init__(self, ringen: Mapping[str, Ring]) -> None:
        self.ringen = ringen
        self.personen, self.opslag = ringen["pseudoniem"], ringen["opslag"]
        self._kop = bytes((_VERSIE, len(self.opslag.actief))) + self.opslag.actief.encode("ascii")
        self.ciphers = {naam: AESGCM(sleutel) for naam, sleutel in self.opslag.sleutels.items()}
        self.kenmerksleutel = hmac.digest(self.opslag.sleutel, b"kenmerk", hashlib.sha256)
        logboek = ringen.get("logboek")
        self.logboek = None if logboek is None else Logboeksleutels(logboek.actief, logboek.sleutels)

    def versleutel(self, inhoud: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        kop = self._kop + nonce
        return kop + self.ciphers[self.opslag.actief].encrypt(nonce, inhoud, kop)


class Sleutels:
    """Pseudonyms, encryption and content names. The keys themselves appear in no text that this makes."""

    def __init__(self, lees: Callable[[], Mapping[str, Ring] | None], herlees_s: float = HERLEES_S) -> None:
        """`lees` gives the rings, and from the second time on None when they are as they were. Raises what it raises;
        later errors are logged, and the keys stay as they are."""
        self._lees = lees
        self._herlees_s = herlees_s
        self._stand = _Stand(lees() or {})
        self._gekeken_op = time.monotonic()
        self._gemeld = ""
        self._slot = threading.Lock()

    def __repr__(self) -> str:
        return f"Sleutels({_namen(self._stand.ringen)})"

    @property
    def logboek(self) -> Logboeksleutels:
        """The ring of the processing log as it is now. Raises SleutelFout when the file has none."""
        if (ring := self._nu().logboek) is None:
            raise SleutelFout(
                "the key file has no ring 'logboek', which the processing log needs: 'berichtenstroom up' adds it, "
                "elsewhere maak_sleutels (see the operators' guide, 'Keys')"
            )
        return ring

    def pseudoniem(self, persoon: str) -> str:
        """A stable name for a BSN of nine digits: the name of the key, a colon, HMAC-SHA256 in hex.

        Raises ValueError for another form, so that one person never gets two pseudonyms (Domain: Stages of processing).
        """
        ring = self._nu().personen
        return _pseudoniem(ring, persoon, ring.actief)

    def pseudoniemen(self, persoon: str) -> list[str]:
        """Every name that a person may have been given: one for each key in the ring, that of now first.

        Who looks for what stands under a pseudonym asks for all of them. Raises ValueError as `pseudoniem` does.
        """
        ring = self._nu().personen
        return [_pseudoniem(ring, persoon, een) for een in sorted(ring.sleutels, key=lambda n: (n != ring.actief, n))]

    def kenmerk(self, inhoud: bytes) -> str:
        """A name for content that tells nothing about it to whoever lacks the key: key name, hyphen, hex."""
        stand = self._nu()
        return f"{stand.opslag.actief}-{hmac.digest(stand.kenmerksleutel, inhoud, 'sha256').hex()}"

    def versleutel(self, inhoud: bytes) -> bytes:
        """AES-256-GCM: version, length of the key's name, that name, a random nonce; then the ciphertext and its tag.

        All that stands before the ciphertext is authenticated with it.
        """
        return self._nu().versleutel(inhoud)

    def versleutelaar(self) -> Callable[[bytes], bytes]:
        """`versleutel` with the key of this moment, whatever the ring becomes: for what is written together, in far
        less than the day for which a key stays at least."""
        return self._nu().versleutel

    def ontsleutel(self, versleuteld: bytes) -> bytes:
        """What `versleutel` was given. Raises SleutelFout when the key is gone or a byte was changed."""
        naam = sleutelnaam(versleuteld)
        # An unknown key is one that another process already writes with, more likely than none.
        cipher = self._nu().ciphers.get(naam) or self._nu(meteen=True).ciphers.get(naam)
        if cipher is None:
            raise SleutelFout("encrypted with a key that is not in the key file")
        einde_kop = 2 + versleuteld[1] + _NONCE_BYTES
        try:
            return cipher.decrypt(
                versleuteld[einde_kop - _NONCE_BYTES : einde_kop], versleuteld[einde_kop:], versleuteld[:einde_kop]
            )
        except (InvalidTag, ValueError):
            raise SleutelFout("altered or cut off after it was encrypted") from None

    def _nu(self, *, meteen: bool = False) -> _Stand:
        """The keys as they are now, at most `herlees_s` ago; `meteen`: at this moment."""
        if meteen or time.monotonic() - self._gekeken_op >= self._herlees_s:
            with self._slot:  # who comes second finds what the first took over
                self._kijk()
        return self._stand

    def _kijk(self) -> None:
        self._gekeken_op = time.monotonic()
        try:
            ringen = self._lees()
        except SleutelFout as fout:
            if str(fout) != self._gemeld:
                log.error("the keys stay as they were: %s", fout)
            self._gemeld = str(fout)
            return
        self._gemeld = ""
        if ringen is not None:
            self._neem_over(ringen)

    def _neem_over(self, ringen: Mapping[str, Ring]) -> None:
        anders = [
            f"{ring}/{naam}"
            for ring, oud in self._stand.ringen.items()
            for naam, sleutel in oud.sleutels.items()
            if ring in ringen and ringen[ring].sleutels.get(naam, sleutel) != sleutel
        ]
        if anders:
            log.error("the keys stay as they were: the file now has other keys by the name of %s", ", ".join(anders))
            return
        self._stand = _Stand(ringen)
        log.info("the key file was replaced: %s", _namen(ringen))


def lees_sleutels(bestand: Path, herlees_s: float = HERLEES_S) -> Sleutels:
    """The keys in a file, as they are at each moment. Raises SleutelFout, which says what is wrong and never quotes
    the file."""
    return Sleutels(_Volger(bestand).lees, herlees_s)


def sleutelnaam(versleuteld: bytes) -> str:
    """The key that `versleutel` used, from the first KOP_BYTES or more. Raises SleutelFout for what is not of it."""
    if len(versleuteld) < 2 or versleuteld[0] != _VERSIE:
        raise SleutelFout("not encrypted by this system, or by a later version of it")
    return versleuteld[2 : 2 + versleuteld[1]].decode("ascii", "replace")


class _Volger:
    """Reads a key file again when it was replaced or written."""

    def __init__(self, bestand: Path) -> None:
        self._bestand = bestand
        self._gelezen: tuple[int, int, int] | None = None

    def lees(self) -> Mapping[str, Ring] | None:
        try:
            nu = self._bestand.stat()
        except OSError:
            self._gelezen = None
            return lees_ringen(self._bestand)  # says what is wrong
        merk = (nu.st_ino, nu.st_mtime_ns, nu.st_size)
        if merk == self._gelezen:
            return None
        ringen = lees_ringen(self._bestand)
        self._gelezen = merk  # of before reading: what changes meanwhile is read again
        return ringen


def _pseudoniem(ring: Ring, persoon: str, naam: str) -> str:
    if len(persoon) != bsn.BREEDTE or bsn.normaliseer(persoon) is None:
        raise ValueError("a pseudonym is made from nine digits")
    return f"{naam}:{hmac.digest(ring.sleutels[naam], persoon.encode('ascii'), 'sha256').hex()}"


def _namen(ringen: Mapping[str, Ring]) -> str:
    return "; ".join(
        f"{naam}: {', '.join(f'{een}*' if een == ring.actief else een for een in sorted(ring.sleutels))}"
        for naam, ring in ringen.items()
    )
