"""The result of a batch for its sender, from ClickHouse."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

from clickhouse_connect.driver.client import Client

from sinks.antwoord import maak_antwoord
from sinks.vragen import Vragen

_TEGELIJK = 4


class Resultaten:
    """Asks in threads of its own, so that a slow ClickHouse never holds up deliveries.

    Its client opens when first asked: the door must open while ClickHouse is away.
    """

    def __init__(self, verbind: Callable[[], Client]) -> None:
        self._verbind = verbind
        self._vragen: Vragen | None = None
        self._draden = ThreadPoolExecutor(_TEGELIJK, thread_name_prefix="resultaat")

    async def resultaat(
        self,
        batch_id: UUID,
        leverancier: str | None = None,
        proceskenmerk: UUID | None = None,
        wie: str | None = None,
    ) -> bytes | None:
        """The BerichtVerwerkResponse; None as long as there is none that `wie` may see (None: anybody may).

        Raises DatabaseWeg, Dubbelzinnig.
        """
        lus = asyncio.get_running_loop()
        return await lus.run_in_executor(self._draden, self._vraag, batch_id, leverancier, proceskenmerk, wie)

    def _vraag(
        self, batch_id: UUID, leverancier: str | None, proceskenmerk: UUID | None, wie: str | None
    ) -> bytes | None:
        if self._vragen is None:
            self._vragen = Vragen(self._verbind())
        resultaat = self._vragen.resultaat(batch_id, leverancier, proceskenmerk, wie)
        if resultaat is None:
            return None
        ontvangen_op = self._vragen.ontvangen_op(resultaat.kader.leverancier, batch_id, wie)
        return maak_antwoord(resultaat, resultaat.kader.aangeleverd_op if ontvangen_op is None else ontvangen_op)
