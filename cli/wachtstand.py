"""What the workers of a stack wait for until a person settles it: they say so in `/readyz`."""

import ssl
import time
from collections.abc import Callable, Iterable

import httpx

from streams.gereed import MAAR

_OM_DE_S = 5.0
"""Seconds between two looks."""
_GEDULD_S = 0.5
"""Seconds that a worker may take to answer: meanwhile nothing else is watched."""


class Wachtstand:
    """Tells it once when it begins, when it becomes something else, and when it is over."""

    def __init__(self) -> None:
        self._gezegd = ""
        self._weer_op = 0.0
        self._beurt = 0
        self._context = ssl.create_default_context()  # made once: it takes longer than the question

    def kijk(self, meld: Callable[[str], None], metrics: Iterable[str]) -> None:
        """Asks one worker, each in its turn, given where their metrics are: all wait for the same."""
        if time.monotonic() < self._weer_op or not (alle := list(metrics)):
            return
        self._weer_op = time.monotonic() + _OM_DE_S
        self._beurt += 1
        url = alle[self._beurt % len(alle)]
        try:
            antwoord = httpx.get(
                url.replace("/metrics", "/readyz"), timeout=_GEDULD_S, trust_env=False, verify=self._context
            )
        except httpx.HTTPError:
            return
        if antwoord.status_code == 200:
            reden = antwoord.text.strip().removeprefix(MAAR) if antwoord.text.startswith(MAAR) else ""
            if reden != self._gezegd:
                meld(reden or "what the workers waited for is settled")
                self._gezegd = reden
