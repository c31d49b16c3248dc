"""Waiting for a profile service that is away (Domain: Outages wait)."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from profielservice.client import Profielservice, ProfielserviceWeg

_log = logging.getLogger(__name__)


class Geduld:
    """Puts questions to a profile service again and again while it is away.

    Between two attempts it pauses a random time whose upper bound doubles from `eerste_pauze_s` to `langste_pauze_s`
    (seconds), so that many workers do not come back at once. All questions together write one log line per
    `melding_elke_s` seconds at most, on the clock `nu`. `slaap` pauses for so many seconds.
    """

    def __init__(
        self,
        dienst: Profielservice,
        *,
        eerste_pauze_s: float = 0.5,
        langste_pauze_s: float = 30.0,
        melding_elke_s: float = 60.0,
        nu: Callable[[], float] = time.monotonic,
        slaap: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._dienst = dienst
        self._pauze = wait_random_exponential(multiplier=eerste_pauze_s, max=langste_pauze_s)
        self._melding_elke_s = melding_elke_s
        self._nu = nu
        self._slaap = slaap
        self._gemeld_op: float | None = None

    async def vraag(
        self,
        leverancier: str,
        berichttype: str,
        bsns: Sequence[str],
        *,
        opgeven: Callable[[], bool] = lambda: False,
    ) -> dict[str, bool]:
        """As Profielservice.mag_versturen, waiting while the service is away.

        `opgeven` is asked after each failed attempt; once it says yes the last ProfielserviceWeg is raised, which
        is still no answer. A ProfielserviceFout is about this question and is raised at once.
        """
        pogingen = AsyncRetrying(
            retry=retry_if_exception_type(ProfielserviceWeg),
            wait=self._pauze,
            stop=lambda _poging: opgeven(),
            before_sleep=self._meld,
            sleep=self._slaap,
            reraise=True,
        )
        return await pogingen(self._dienst.mag_versturen, leverancier, berichttype, bsns)

    def _meld(self, poging: RetryCallState) -> None:
        nu = self._nu()
        if self._gemeld_op is not None and nu - self._gemeld_op < self._melding_elke_s:
            return
        self._gemeld_op = nu
        fout = poging.outcome.exception() if poging.outcome else None
        _log.warning("profile service away, retrying: %s", fout)
