"""A message or BatchInformatie while it is being read."""

import re
from uuid import UUID

from lxml import etree

from aanlevering.inhoud import Inhoud
from domain.batch import MAX_BIJLAGEN_BYTES

_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class Deel:
    """The small element that the schema will judge, the texts in it by name, and the bijlagen that passed by."""

    def __init__(self, wortel: "etree._Element", fout: str = "") -> None:
        self.knopen = [wortel]
        """From the outermost element to the one being read."""
        self.elementen = 1
        self.fout = fout
        """What is wrong with it as far as known, as 'element: rule'."""
        self.bijlagen: list[Inhoud] = []
        self._stukken: list[list[bytes]] = []
        self._grootte = 0
        self._teksten: dict[str, list[str]] = {}

    def neem_tekst(self, naam: str, tekst: str) -> None:
        """The text of one element, by its name without namespace."""
        self._teksten.setdefault(naam, []).append(tekst)

    def begin_bijlage(self) -> None:
        """From here on `neem_inhoud` is about the next bijlage."""
        self.bijlagen.append(Inhoud())
        self._stukken.append([])

    def neem_inhoud(self, tekst: str) -> None:
        """A piece of the base64 of a bijlage. Its bytes are kept as long as those of all fit in a message."""
        stuk = self.bijlagen[-1].neem(tekst)
        self._grootte += len(stuk)
        if self._grootte > MAX_BIJLAGEN_BYTES:
            self._stukken.clear()
        elif stuk:
            self._stukken[-1].append(stuk)

    def inhoud(self, nummer: int) -> bytes | None:
        """The bytes of a bijlage, from 0; None when those of the message were too many to keep."""
        return None if self._grootte > MAX_BIJLAGEN_BYTES else b"".join(self._stukken[nummer])

    def alle(self, naam: str) -> list[str]:
        """The texts of all elements of a name, in order."""
        return self._teksten.get(naam, [])

    def een(self, naam: str) -> str:
        """The text of an element that stands here exactly once, else an empty text."""
        teksten = self.alle(naam)
        return teksten[0] if len(teksten) == 1 else ""

    def guid(self, naam: str) -> UUID | None:
        """The GUID in an element that stands here exactly once; None where there is no such thing."""
        tekst = self.een(naam)
        return UUID(tekst) if _GUID.fullmatch(tekst) else None
