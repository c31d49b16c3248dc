"""Inserts into ClickHouse, tried until they are confirmed."""

import asyncio
import logging
from collections.abc import Callable, Sequence

from clickhouse_connect.datatypes.base import ClickHouseType
from clickhouse_connect.driver.client import Client
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from sinks.database import DatabaseWeg, vertaal_fouten
from sinks.rijen import KOLOMMEN, Rijen
from streams.hartslag import slag

log = logging.getLogger(__name__)

_VOORTGANG = ("topic", "topic_id", "partitie", "volgende")
_INSERT = {
    "async_insert": 0,
    # Rows of more than 100 weeks at once are refused for ever, and the line would stand still for a clock gone wrong.
    "max_partitions_per_insert_block": 0,
}


def _meld(staat: RetryCallState) -> None:
    slag()
    log.warning("ClickHouse does not take rows now, trying again: attempt %d", staat.attempt_number)


class Schrijver:
    """Every method returns when ClickHouse has confirmed; only an error that no retry can mend leaves it."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._typen: dict[str, Sequence[ClickHouseType]] = {}
        """By table the types of the columns that are written: asked once, and not before every insert."""

    async def schrijf_tabel(self, rijen: Rijen) -> None:
        """All rows in one insert; repeating it adds nothing that anybody sees."""
        await self._probeer(rijen.tabel, rijen.kolommen, KOLOMMEN[rijen.tabel], column_oriented=True)

    async def schrijf_voortgang(
        self, voortgang: Sequence[tuple[str, str, int, int]], vooraf: Callable[[], object] = lambda: None
    ) -> None:
        """Rows of (topic, topic id, partition, next offset). A lower offset that comes later changes nothing.

        `vooraf` is done right before each attempt, in its thread: between two of them ClickHouse may have been put back
        to an older copy. DatabaseWeg from it is tried again, and whatever else it raises leaves this.
        """
        await self._probeer("voortgang", voortgang, _VOORTGANG, column_oriented=False, vooraf=vooraf)

    async def _probeer(
        self,
        tabel: str,
        data: Sequence[Sequence[object]],
        kolommen: Sequence[str],
        *,
        column_oriented: bool,
        vooraf: Callable[[], object] = lambda: None,
    ) -> None:
        def insert() -> None:
            vooraf()
            with vertaal_fouten():
                self._client.insert(
                    tabel,
                    data,
                    column_names=kolommen,
                    column_types=self._typen_van(tabel, kolommen),
                    column_oriented=column_oriented,
                    settings=_INSERT,
                )

        async for poging in AsyncRetrying(
            retry=retry_if_exception_type(DatabaseWeg),
            wait=wait_exponential_jitter(multiplier=0.2, max=10, jitter=0.5),
            before_sleep=_meld,
            reraise=True,
        ):
            with poging:
                await asyncio.to_thread(insert)

    def _typen_van(self, tabel: str, kolommen: Sequence[str]) -> Sequence[ClickHouseType]:
        if tabel not in self._typen:
            self._typen[tabel] = self._client.create_insert_context(tabel, kolommen).column_types
        return self._typen[tabel]
