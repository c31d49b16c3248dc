"""Letters of strokes, so that the sample's PDFs bring their own font (Type 3) in a few bytes: those of a display with
14 segments. Small letters look like capitals, and accents are left off; what the text says is not lost by it.
"""

import unicodedata

BREEDTE = 6
"""How far the next letter begins, in units of which a letter is 6 high."""

_SEGMENTEN = {
    "a": "0 6 m 4 6 l",
    "b": "4 6 m 4 3 l",
    "c": "4 3 m 4 0 l",
    "d": "0 0 m 4 0 l",
    "e": "0 0 m 0 3 l",
    "f": "0 3 m 0 6 l",
    "g": "0 3 m 2 3 l",
    "h": "0 6 m 2 3 l",
    "i": "2 6 m 2 3 l",
    "j": "4 6 m 2 3 l",
    "k": "0 0 m 2 3 l",
    "l": "2 0 m 2 3 l",
    "m": "4 0 m 2 3 l",
    "n": "2 3 m 4 3 l",
    "p": "2 0 m 2 .6 l",
    "q": "2 3.4 m 2 4 l",
}
_TABEL = r"""
Aabcefgn Babcdiln Cadef Dabcdil Eadefgn Faefgn Gacdefn Hbcefgn Iadil Jbcde Kefgjm Ldef Mbcefhj Nbcefhm
Oabcdef Pabefgn Qabcdefm Rabefgmn Sacdfgn Tail Ubcdef Vefjk Wbcefkm Xhjkm Yhjl Zadjk 0abcdefjk 1bcj
2abdegn 3abcdn 4bcfgn 5acdfgn 6acdefgn 7abc 8abcdefgn 9abcdfgn -gn _d (jm )hk /jk \hm +giln *ghijklmn .p
:pq ,k
"""
"""Each letter, with the segments that make it."""
_LETTERS = {" ": "", **{paar[0]: paar[1:] for paar in _TABEL.split()}}
_ANDERS = "abcdef"
"""A box, for what has no letter here."""


def teken(letter: str) -> bytes:
    """What draws a letter: the content of its procedure in a Type 3 font."""
    kaal = unicodedata.normalize("NFD", letter)[0].upper()
    lijnen = " ".join(_SEGMENTEN[segment] for segment in _LETTERS.get(kaal, _ANDERS))
    return f"{BREEDTE} 0 d0 .7 w 1 J {lijnen} S".encode("ascii")
