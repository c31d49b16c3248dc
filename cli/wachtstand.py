"""What the workers of a stack wait for until a person settles it: they say so in `/readyz`."""

import time
from collections.abc import Callable, Iterable

import httpx

from streams.gezondheid import MAAR

_OM_DE_S = 5.0
"""Seconds between two looks."""
_GEDULD_S = 1.0
"""Seconds that a worker may take to answer."""


class Wachtstand:
    """Tells it once when it begins, when it becomes something else, and when it is over."""

    def __init__(self) -> None:
        self._gezegd = ""
        self._weer_op = 0.0

    def kijk(self, meld: Callable[[str], None], metrics: Iterable[str]) -> None:
        """Asks the first worker that answers, given where their metrics are: all wait for the same."""
        if time.monotonic() < self._weer_op:
            return
        self._weer_op = time.monotonic() + _OM_DE_S
        for url in metrics:
            try:
                antwoord = httpx.get(url.replace("/metrics", "/readyz"), timeout=_GEDULD_S, trust_env=False)
            except httpx.HTTPError:
                continue
            if antwoord.status_code == 200:
                reden = antwoord.text.strip().removeprefix(MAAR) if antwoord.text.startswith(MAAR) else ""
                if reden != self._gezegd:
                    meld(reden or "what the workers waited for is settled")
                    self._gezegd = reden
                return
