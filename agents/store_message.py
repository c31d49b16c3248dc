"""StoreMessage: the placed messages of a slice as one encrypted object (Domain: StoreMessage).

It is written before the decision, and nobody can see it until a decision that was accepted names it. Its name carries
a keyed digest of its content, so that a zombie that decided otherwise writes beside it, never over it.
"""

import asyncio

from avro.codec import Codec
from domain.batch import Batch
from domain.beslissing import Uitkomst
from domain.referentie import Referentie
from sinks.objecten import Objecten, OpslagWeg
from streams.sleutels import Sleutels

_HOOGSTENS_S = 60.0
"""Seconds after which a store that does not answer counts as away."""


async def plaats(
    slice_: Batch,
    uitkomst: Uitkomst,
    referentie: Referentie,
    partitie: int,
    codec: Codec,
    objecten: Objecten,
    sleutels: Sleutels,
) -> str:
    """Returns the object's name when it is durable, or an empty name when nothing is placed. Raises OpslagWeg.

    Every message gets the standaardbijlagen that its berichttype has: they are fixed once it is Actief.
    """
    geplaatst = {uitkomst.nummers[rij] for rij in uitkomst.verwerkt()}
    if not geplaatst:
        return ""
    rijen = [rij for rij, nummer in enumerate(slice_.berichten.nummers) if nummer in geplaatst]
    kader, berichten = slice_.kader, slice_.berichten.kies(rijen)
    per_type = {code: referentie.standaardbijlagen(kader.leverancier, code) for code in set(berichten.berichttypes)}
    berichten = berichten.met_standaardbijlagen({code: bijlagen for code, bijlagen in per_type.items() if bijlagen})
    inhoud = codec.schrijf_batch(Batch(kader, berichten), "bericht")
    naam = f"berichten/{kader.leverancier}/{kader.proceskenmerk}/{partitie}-{sleutels.kenmerk(inhoud)}"
    try:
        async with asyncio.timeout(_HOOGSTENS_S):
            await objecten.bewaar(naam, inhoud)
    except TimeoutError as fout:
        raise OpslagWeg("the store did not answer in time") from fout
    return naam
