"""The key ring `logboek`: hides the data subjects of the processing log, and finds them again for who holds the ring.

Of each key of the ring two are made, HMAC-SHA256 of `betrokkene:` and the 16 bytes of a Proceskenmerk, and of `zoek`:

- a key for each run, with which each BSN is encrypted (AES-256-GCM, 16 bytes of tag behind it). The nonce is the number
  of the message in the batch, 12 bytes big-endian: a message that is logged anew after a crash is encrypted to the same
  bytes, and no two messages ever share key and nonce. What was put on another line cannot be decrypted there.
- a key for all, with which a BSN is found without decrypting: the first 16 bytes of its HMAC-SHA256.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain import bsn
from domain.logboek import BETROKKENE_BYTES, ZOEK_BYTES

_GEEN_BETROKKENE = bytes(BETROKKENE_BYTES)
_GEEN_ZOEK = bytes(ZOEK_BYTES)
_BLOK = 64


class Verminkt(Exception):
    """A data subject cannot be decrypted: the key is gone from the ring, or the line was altered."""


class Logboeksleutels:
    """The ring, by name of key. The keys themselves appear in no text that this makes."""

    def __init__(self, actief: str, sleutels: Mapping[str, bytes]) -> None:
        self.actief = actief
        self._sleutels = dict(sleutels)
        zoek = {naam: hmac.digest(sleutel, b"zoek", "sha256") for naam, sleutel in sleutels.items()}
        # HMAC as its two halves, prepared once: a third of the time of asking for it anew for each message.
        self._zoek = {naam: (_half(sleutel, 0x36), _half(sleutel, 0x5C)) for naam, sleutel in zoek.items()}

    def __repr__(self) -> str:
        return f"Logboeksleutels(actief={self.actief!r})"

    def versluier(self, run: UUID, nummers: Sequence[int], bsns: bytes) -> tuple[bytes, bytes]:
        """See `domain.logboek.Versluieraar`. Whoever could not be read is zeros in both columns."""
        cipher = self._cipher(self.actief, run)
        betrokkenen, zoeksleutels = [], []
        for plaats, nummer in enumerate(nummers):
            persoon = bsns[plaats * bsn.BREEDTE : (plaats + 1) * bsn.BREEDTE]
            if persoon == bsn.GEEN:
                betrokkenen.append(_GEEN_BETROKKENE)
                zoeksleutels.append(_GEEN_ZOEK)
            else:
                betrokkenen.append(cipher.encrypt(_nonce(nummer), persoon, None))
                zoeksleutels.append(self._digest(self.actief, persoon))
        return b"".join(betrokkenen), b"".join(zoeksleutels)

    def zoeksleutels(self, persoon: str) -> list[bytes]:
        """By what a BSN of nine digits may be found: one digest for each key of the ring."""
        return [self._digest(naam, persoon.encode("ascii")) for naam in self._sleutels]

    def ontsluier(self, sleutel: str, run: UUID, nummer: int, betrokkene: bytes) -> str:
        """The BSN on a line. Raises Verminkt."""
        if sleutel not in self._sleutels:
            raise Verminkt("encrypted with a key that is not in ring 'logboek'")
        try:
            return self._cipher(sleutel, run).decrypt(_nonce(nummer), betrokkene, None).decode("ascii")
        except (InvalidTag, ValueError):
            raise Verminkt("altered after it was encrypted, or of another line") from None

    def _cipher(self, sleutel: str, run: UUID) -> AESGCM:
        return AESGCM(hmac.digest(self._sleutels[sleutel], b"betrokkene:" + run.bytes, "sha256"))

    def _digest(self, sleutel: str, persoon: bytes) -> bytes:
        binnen, buiten = (half.copy() for half in self._zoek[sleutel])
        binnen.update(persoon)
        buiten.update(binnen.digest())
        return bytes(buiten.digest()[:ZOEK_BYTES])


def _half(sleutel: bytes, vulling: int) -> "hashlib._Hash":
    return hashlib.sha256(bytes(byte ^ vulling for byte in sleutel.ljust(_BLOK, b"\0")))


def _nonce(nummer: int) -> bytes:
    return nummer.to_bytes(12, "big")
