"""The OIN, by which organisations are known (Domain: BSN and OIN)."""

import re

_VORM = re.compile(r"(?:000000(?:0[1-9]|10|99))[0-9A-Za-z]{9}000")


def is_oin(tekst: str) -> bool:
    """Whether a text has the form of an OIN: 20 positions, a known prefix of 8, a number that may hold letters, zeros.

    The number has 8 or 9 positions, so at least three zeros close it. There is no checksum.
    """
    return _VORM.fullmatch(tekst) is not None
