"""The bytes of one bijlage, decoded from base64 while they pass."""

import binascii
import hashlib

_WIT = b" \t\r\n"


class Inhoud:
    """Counts and hashes the bytes behind a base64 text that comes in pieces; takes what xs:base64Binary takes."""

    __slots__ = ("_afgesloten", "_hash", "_rest", "grootte", "leesbaar")

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._rest = b""
        self._afgesloten = False
        self.grootte = 0
        """Bytes so far."""
        self.leesbaar = True
        """False as soon as something was not base64."""

    @property
    def sha256(self) -> bytes:
        """The SHA-256 of the bytes so far."""
        return self._hash.digest()

    def neem(self, tekst: str) -> bytes:
        """The bytes that the next piece of text completes; none once it is unreadable."""
        if not self.leesbaar:
            return b""
        try:
            tekens = tekst.encode("ascii")
            if any(wit in tekens for wit in _WIT):
                tekens = tekens.translate(None, _WIT)
            tekens = self._rest + tekens
            heel = len(tekens) - len(tekens) % 4
            self._rest = tekens[heel:]
            groepen = tekens[:heel]
            if self._afgesloten and tekens:
                raise ValueError("after the padding")
            inhoud = binascii.a2b_base64(groepen, strict_mode=True)
            if groepen.endswith(b"="):
                self._afgesloten = True
                if binascii.b2a_base64(inhoud[-(len(inhoud) % 3) :], newline=False) != groepen[-4:]:
                    raise ValueError("bits behind the last byte")
        except ValueError:  # binascii.Error and UnicodeEncodeError are kinds of it
            self.leesbaar = False
            return b""
        self._hash.update(inhoud)
        self.grootte += len(inhoud)
        return inhoud

    def sluit(self) -> None:
        """The text has ended: what is left over makes it unreadable."""
        self.leesbaar = self.leesbaar and not self._rest
