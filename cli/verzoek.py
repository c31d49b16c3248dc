"""What is asked of a stack that runs: another number of workers, or all of them anew, one after another.

Who asks writes a small file in the data folder, whole or not at all. The stack looks at it, and names in
`endpoints.json` the last request that it fulfilled. It removes the file when it starts: then its own options count.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from secrets import token_hex

from streams.settings import ENDPOINTS

VERZOEK = "verzoek.json"
_STIL_S = 180.0
"""Seconds without any change in the processes after which who asked is told to look at the logs."""
_WERKER_S = 300.0
"""Seconds that each worker may take at most to come or go, whatever else changes."""


class VerzoekFout(Exception):
    """The stack did not do what was asked; the text says why."""


@dataclass(frozen=True, slots=True)
class Verzoek:
    """One request, each with an id of its own."""

    id: str
    workers: int | None
    """How many there must be; None: as many as there are."""
    herstart: bool


def lees(data: Path) -> Verzoek | None:
    """The last request on this data folder, if there is any."""
    try:
        return Verzoek(**json.loads((data / VERZOEK).read_text()))
    except FileNotFoundError:
        return None


def wis(data: Path) -> None:
    """Forgets what was asked of an earlier stack."""
    (data / VERZOEK).unlink(missing_ok=True)


def vraag(data: Path, workers: int | None, *, herstart: bool, draait: Callable[[], bool]) -> int:
    """Asks it of the stack on this data folder and returns when it is done, with the number of workers.

    `draait` tells whether a stack has the folder. Raises VerzoekFout.
    """
    verzoek = Verzoek(token_hex(8), workers, herstart)
    _schrijf(data, verzoek)
    vorige, begin = "", time.monotonic()
    stil_sinds = begin
    while True:
        stand = (data / ENDPOINTS).read_text() if (data / ENDPOINTS).exists() else ""
        inhoud = json.loads(stand) if stand else {}
        nu_workers = len(inhoud.get("pids", {}).get("workers", ()))
        if inhoud.get("verzoek") == verzoek.id:
            return nu_workers
        laatste = lees(data)
        if laatste is None:  # removed by a stack that was just starting
            _schrijf(data, verzoek)
        elif laatste.id != verzoek.id:
            raise VerzoekFout("somebody else asked for something of this stack in the meantime")
        if not stand and not draait():
            raise VerzoekFout("the stack stopped before it did what was asked")
        if stand != vorige:
            vorige, stil_sinds = stand, time.monotonic()
        if time.monotonic() - stil_sinds > _STIL_S:
            raise VerzoekFout(f"not done yet, and nothing changed for {_STIL_S:.0f} s; see the logs in {data / 'logs'}")
        grens_s = _WERKER_S * (1 + max(nu_workers, workers or 0))
        if time.monotonic() - begin > grens_s:
            raise VerzoekFout(f"not done in {grens_s:.0f} s; see the logs in {data / 'logs'}")
        time.sleep(0.2)


def _schrijf(data: Path, verzoek: Verzoek) -> None:
    nieuw = data / f"{VERZOEK}.{verzoek.id}"
    nieuw.write_text(json.dumps(asdict(verzoek)) + "\n")
    nieuw.replace(data / VERZOEK)
