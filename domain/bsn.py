"""The BSN and its elfproef (Domain: BSN and OIN)."""

import re
from operator import mul
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BREEDTE = 9
"""Bytes that one BSN takes in a column."""

_GEWICHTEN = (9, 8, 7, 6, 5, 4, 3, 2, -1)
_VORM = re.compile(r"[0-9]{8,9}")

GEEN = b"000000000"
"""Fills the place of a BSN that could not be read; it never passes the elfproef."""


def normaliseer(tekst: str) -> str | None:
    """Nine digits: 8 digits get a leading zero; None for what has another form (other scripts' digits included)."""
    return tekst.zfill(BREEDTE) if _VORM.fullmatch(tekst) else None


def elfproef(bsn: str) -> bool:
    """Whether nine digits pass the elfproef."""
    return bsn != "000000000" and sum(map(mul, map(int, bsn), _GEWICHTEN)) % 11 == 0


def elfproef_kolom(kolom: bytes) -> "NDArray[np.bool_]":
    """The elfproef over a column of BSNs, nine ASCII digits each, back to back."""
    import numpy as np  # a fifth of what every command would take to start

    cijfers = np.frombuffer(kolom, dtype=np.uint8).reshape(-1, BREEDTE).astype(np.int32) - ord("0")
    passend: NDArray[np.bool_] = ((cijfers @ np.array(_GEWICHTEN, dtype=np.int32)) % 11 == 0) & cijfers.any(axis=1)
    return passend
