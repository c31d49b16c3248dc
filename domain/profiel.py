"""What an afnemer tells of itself (Domain: Profiel and Home)."""

import re
import unicodedata

from domain.levensloop import NietToegestaan, geldige_tekst

TOELICHTING_MAX = 255
"""Characters in the toelichting."""

LIJST_MAX = 40
"""Characters in the lijst."""

BIJZONDERHEDEN_MAX = 100
"""Characters in the bijzonderheden."""

_EINDES = (
    "nl|be|eu|com|net|org|info|biz|gov|edu|int|amsterdam|frl|de|fr|uk|io|app|dev|online|site|shop|nu|me|tv|cc|ly|xyz"
)
_LINK = re.compile(
    rf"""
      [a-z][a-z0-9+.-]*://                 # any scheme that names a host
    | \b(?:mailto|javascript):             # those that name none
    | \bdata:\w+/
    | \bwww\.
    | [^\W_]\.(?:{_EINDES})(?![\w-])       # a host by its bare name, in an address of mail as well
    | \w@[\w-]+\.\w
    | \][(\[]                              # Markdown: [text](where), [text][where]
    | <\s*/?\s*a[\s/>] | \bhref\s*=       # HTML
    """,
    re.IGNORECASE | re.VERBOSE,
)


def bevat_link(tekst: str) -> bool:
    """Whether a text holds what a reader, or a program that shows it, may take for a link.

    That is a scheme, `www.`, a host by its bare name with a common ending, an address of mail, and the links of
    Markdown and HTML; also when written in letters of another width, or with signs in between that nobody sees.
    """
    zichtbaar = "".join(teken for teken in tekst if unicodedata.category(teken) != "Cf")
    return _LINK.search(unicodedata.normalize("NFKC", zichtbaar)) is not None


def geldige_toelichting(tekst: str) -> str:
    """The same text, when it can be a toelichting. Raises NietToegestaan."""
    return _zonder_link(_niet_langer(tekst, TOELICHTING_MAX, "a toelichting"), "a toelichting")


def geldige_lijst(tekst: str) -> str:
    """The same text, when it can be a lijst. Raises NietToegestaan."""
    return _niet_langer(tekst, LIJST_MAX, "a lijst")


def geldige_bijzonderheden(tekst: str) -> str:
    """The same text, when it can be bijzonderheden. Raises NietToegestaan."""
    return _zonder_link(_niet_langer(tekst, BIJZONDERHEDEN_MAX, "bijzonderheden"), "bijzonderheden")


def _niet_langer(tekst: str, hoogstens: int, wat: str) -> str:
    if len(geldige_tekst(tekst)) > hoogstens:
        raise NietToegestaan(f"{wat}: at most {hoogstens} characters")
    return tekst


def _zonder_link(tekst: str, wat: str) -> str:
    if bevat_link(tekst):
        raise NietToegestaan(f"{wat}: without links or addresses")
    return tekst
