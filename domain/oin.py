"""The OIN, by which organisations are known (Domain: BSN and OIN)."""

import re

_VORM = re.compile(r"000000(?:0[1-46-9]|10|99)[0-9A-Za-z]{12}")


def is_oin(tekst: str) -> bool:
    """Whether a text has the form of an OIN: 20 positions, of which 8 a known prefix; the number may hold letters.

    There is no checksum, and how many zeros close it depends on the register that the number comes from: that is left
    to who hands OINs out.
    """
    return _VORM.fullmatch(tekst) is not None
