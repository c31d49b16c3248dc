"""What the workers of a stack wait for until a person settles it: they say so in `/readyz`."""

import time
from collections.abc import Callable, Iterable
from http.client import HTTPConnection, HTTPException
from urllib.parse import urlsplit

from streams.gereed import MAAR

_OM_DE_S = 5.0
"""Seconds between two looks."""
_GEDULD_S = 0.5
"""Seconds that a worker may take to answer: meanwhile nothing else is watched."""


def vraag(url: str, geduld_s: float) -> tuple[int, str]:
    """The status and the text with which a part of this stack answers; status 0 when it does not.

    Not with httpx, which reads the CAs of the system for each question first: parts are asked often, on loopback.
    """
    adres = urlsplit(url)
    verbinding = HTTPConnection(adres.netloc, timeout=geduld_s)
    try:
        verbinding.request("GET", adres.path)
        antwoord = verbinding.getresponse()
        return antwoord.status, antwoord.read().decode(errors="replace")
    except (OSError, HTTPException):
        return 0, ""
    finally:
        verbinding.close()


class Wachtstand:
    """Tells it once when it begins, when it becomes something else, and when it is over."""

    def __init__(self) -> None:
        self._gezegd = ""
        self._weer_op = 0.0
        self._beurt = 0

    def kijk(self, meld: Callable[[str], None], metrics: Iterable[str]) -> None:
        """Asks one worker, each in its turn, given where their metrics are: all wait for the same."""
        if time.monotonic() < self._weer_op or not (alle := list(metrics)):
            return
        self._weer_op = time.monotonic() + _OM_DE_S
        self._beurt += 1
        url = alle[self._beurt % len(alle)]
        status, tekst = vraag(url.replace("/metrics", "/readyz"), _GEDULD_S)
        if status == 200:
            reden = tekst.strip().removeprefix(MAAR) if tekst.startswith(MAAR) else ""
            if reden != self._gezegd:
                meld(reden or "what the workers waited for is settled")
                self._gezegd = reden
