"""What a record must be beside its value: where it stands and under which key. Raises Onleesbaar as the codec does."""

from avro.codec import Codec, Onleesbaar
from domain.batch import Batch, partitie
from domain.referentie import Gegeven


def lees_slice(codec: Codec, inhoud: bytes | None, waar: int, partities: int) -> Batch:
    """A slice, from its partition of `bericht`: in another one its messages would be decided beside their owner."""
    slice_ = codec.lees_batch(inhoud, "bericht")
    berichten = slice_.berichten
    if any(partitie(berichten.bericht_id(rij), partities) != waar for rij in range(len(berichten))):
        raise Onleesbaar("a message that belongs in another partition")
    return slice_


def lees_gegeven(codec: Codec, soort: str, sleutel: bytes | None, inhoud: bytes | None) -> Gegeven:
    """One thing of the reference data, under its own key."""
    gegeven = codec.lees_gegeven(soort, inhoud)
    if gegeven.sleutel.encode() != sleutel:
        raise Onleesbaar("the key of something else")
    return gegeven
