"""Where records go that can never be read: an entry says where the record stands and why, never what it holds."""

import logging
import time

from aiokafka import AIOKafkaProducer

from avro.codec import Codec
from streams.settings import Instellingen

log = logging.getLogger(__name__)


class TeVeelOnleesbaar(Exception):
    """So many unreadable records in a row that it is this program that is broken, not they."""


class Terzijde:
    """Sets unreadable records aside, and stops the line when too many come in a row."""

    def __init__(self, instellingen: Instellingen, codec: Codec, producer: AIOKafkaProducer) -> None:
        self._topic = instellingen.topic("dlq")
        self._max = instellingen.dlq_max_op_rij
        self._codec = codec
        self._producer = producer
        self._op_rij = 0

    def leesbaar(self) -> None:
        """A record was read: the row of unreadable ones ends."""
        self._op_rij = 0

    async def zet(self, topic: str, partitie: int, offset: int, reden: str) -> None:
        """Returns when the entry is durable. Raises TeVeelOnleesbaar."""
        if self._op_rij >= self._max:
            raise TeVeelOnleesbaar(
                f"{self._op_rij + 1} unreadable records in a row, the last at {topic}[{partitie}]@{offset}: {reden}. "
                "Check that this version knows the schemas of what was written; "
                "BERICHTENSTROOM_DLQ_MAX_OP_RIJ sets the limit."
            )
        log.warning("set aside %s[%d]@%d: %s", topic, partitie, offset, reden)
        waarde = {
            "topic": topic,
            "partitie": partitie,
            "offset": offset,
            "reden": reden,
            "gezien_op": time.time_ns() // 1_000_000,
        }
        await self._producer.send_and_wait(self._topic, self._codec.schrijf("dlq", waarde))
        self._op_rij += 1
