"""A pack: many encrypted parts back to back in one object, so that they are made durable at once, and read alone.

First the parts, each encrypted as an object is; then the contents, encrypted as well: 44 bytes for each part, its mark
of 32 bytes, where it begins and how long it is; last, the length of these contents as stored, and `PAK1`. Numbers are
big-endian. All of a pack has one key: the one at its head.
"""

import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from sinks.opslagfouten import als_opslag_weg
from streams.sleutels import SleutelFout

EINDE_BYTES = 64 * 1024
"""The end of a pack of this size holds the contents of all but the largest."""
_REGEL = struct.Struct(">32sQI")
_SLOT = struct.Struct(">I4s")
_SOORT = b"PAK1"


class Plek(NamedTuple):
    """Where a part stands in its pack, in bytes."""

    begin: int
    lengte: int


class Pak:
    """A pack that is being filled, in a file that has no name in the store yet."""

    def __init__(self, bestand: IO[bytes], pad: Path | None, versleutel: Callable[[bytes], bytes]) -> None:
        """`pad`: where the file stands, if it has a name."""
        self.bestand = bestand
        self.pad = pad
        self.grootte = 0
        """Bytes so far."""
        self._versleutel = versleutel
        self._plekken: dict[bytes, Plek] = {}

    def voeg_toe(self, merk: bytes, inhoud: bytes) -> None:
        """One part more, under a mark that no other has. Raises OpslagWeg."""
        deel = self._versleutel(inhoud)
        self._plekken[merk] = Plek(self.grootte, len(deel))
        self._schrijf(deel)

    def rond_af(self) -> None:
        """Writes the contents: nothing is added after this. Raises OpslagWeg."""
        opgave = self._versleutel(b"".join(_REGEL.pack(merk, *plek) for merk, plek in self._plekken.items()))
        self._schrijf(opgave + _SLOT.pack(len(opgave), _SOORT))
        with als_opslag_weg():
            self.bestand.flush()

    def close(self) -> None:
        """Takes the file away, unless it got its name."""
        with suppress(OSError):  # what counts was written by `rond_af`, and the store tidies up what stays
            self.bestand.close()
        with suppress(OSError):
            if self.pad is not None:
                self.pad.unlink(missing_ok=True)

    def _schrijf(self, inhoud: bytes) -> None:
        with als_opslag_weg():
            self.bestand.write(inhoud)
        self.grootte += len(inhoud)


def opgave_bytes(einde: bytes) -> int:
    """How many of its last bytes tell what is in a pack. Raises SleutelFout for what is no pack."""
    lengte, soort = _SLOT.unpack(einde[-_SLOT.size :]) if len(einde) >= _SLOT.size else (0, b"")
    if soort != _SOORT:
        raise SleutelFout("not a pack of this system, or of a later version of it")
    return int(lengte) + _SLOT.size


def lees_opgave(einde: bytes, ontsleutel: Callable[[bytes], bytes]) -> dict[bytes, Plek]:
    """The parts of a pack by their marks, from its last `opgave_bytes` or more. Raises SleutelFout."""
    begin = len(einde) - opgave_bytes(einde)
    if begin < 0:
        raise SleutelFout("a pack that is cut off")
    regels = _REGEL.iter_unpack(ontsleutel(einde[begin : -_SLOT.size]))
    return {merk: Plek(waar, lengte) for merk, waar, lengte in regels}
