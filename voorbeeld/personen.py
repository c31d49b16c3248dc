"""The citizens of the sample: BSNs made by arithmetic in the range of test persons, so that they are nobody's.

The same for every seed and run: what a BSN is to the profile service never changes, so its answers may be remembered.
"""

from functools import cache

_STAMMEN = range(99_990_000, 100_000_000)
"""The first eight digits: 9999xxxx."""


def _voltooi(stam: int) -> str | None:
    """The BSN that begins with these eight digits; None where the elfproef asks for a tenth as last digit."""
    laatste = sum((9 - plaats) * int(cijfer) for plaats, cijfer in enumerate(f"{stam:08}")) % 11
    return f"{stam:08}{laatste}" if laatste < 10 else None


@cache
def _alle() -> tuple[str, ...]:
    return tuple(bsn for stam in _STAMMEN if (bsn := _voltooi(stam)))


@cache
def actief() -> tuple[str, ...]:
    """Active box, subscribed to every leverancier."""
    return _alle()[:6000]


@cache
def met_lijst() -> tuple[str, ...]:
    """Active box, subscribed to each leverancier of the sample by name."""
    return _alle()[6000:6400]


@cache
def niet_geabonneerd() -> tuple[str, ...]:
    """Active box, subscribed to none of the sample's leveranciers."""
    return _alle()[6400:6700]


@cache
def inactief() -> tuple[str, ...]:
    """The box is not active."""
    return _alle()[6700:7000]


@cache
def onbekend() -> tuple[str, ...]:
    """Pass the elfproef, but the profile service does not know them."""
    return _alle()[7000:7300]


@cache
def elfproef_faalt() -> tuple[str, ...]:
    """Nine digits that fail the elfproef: those of a BSN with another last digit."""
    return tuple(f"{bsn[:-1]}{(int(bsn[-1]) + 1) % 10}" for bsn in _alle()[7300:7600])


@cache
def belanghebbende() -> str:
    """Active box, subscribed to every leverancier; gets only the messages that the demo looks at through `inzage`."""
    return _alle()[7600]


@cache
def gemachtigde() -> str:
    """Acts for the belanghebbende."""
    return _alle()[7601]


ACHT_CIJFERS = ("10082426", "10245741", "10755561", "12345672")
"""Subscribed test persons whose BSN begins with a zero, written without it."""

ACHT_CIJFERS_FAALT = ("10082427", "10245742", "12345678")
"""Eight digits that fail the elfproef."""


def alle_bsns() -> set[str]:
    """Everything in the sample that looks like a BSN, valid or not: what may be found nowhere but in messages."""
    negen = {*actief(), *met_lijst(), *niet_geabonneerd(), *inactief(), *onbekend(), *elfproef_faalt()}
    negen |= {belanghebbende(), gemachtigde()}
    return negen.union(ACHT_CIJFERS, ACHT_CIJFERS_FAALT, (f"0{bsn}" for bsn in ACHT_CIJFERS + ACHT_CIJFERS_FAALT))
