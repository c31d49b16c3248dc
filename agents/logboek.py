"""The records of the processing log that go with decisions, in the transaction of the decisions."""

from collections.abc import Sequence

from avro.codec import Codec
from domain.batch import Batch
from domain.beslissing import Uitkomst
from domain.logboek import logboek_van
from streams.sleutels import Sleutels

Besloten = Sequence[tuple[Batch, Uitkomst]]
"""Decisions beside the slices they are on."""


def logrecords(
    besloten: Besloten, verwerkingsactiviteit: str, codec: Codec, sleutels: Sleutels
) -> list[tuple[bytes, bytes]]:
    """Key and value, one for each. Raises SleutelFout when the key file has no ring for them."""
    ring = sleutels.logboek
    return [
        (
            str(uitkomst.kader.batch_id).encode(),
            codec.schrijf_logboek(logboek_van(slice_, uitkomst, verwerkingsactiviteit, ring)),
        )
        for slice_, uitkomst in besloten
    ]
