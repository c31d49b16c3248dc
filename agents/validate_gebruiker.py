"""ValidateGebruiker: asks the profile service, gathered over slices (Domain: Profile service)."""

import asyncio
import logging
from collections.abc import Iterable

from domain.beslissing import Vraag
from profielservice.client import Profielservice, ProfielserviceFout, ProfielserviceWeg

log = logging.getLogger(__name__)

Antwoorden = dict[str, dict[Vraag, bool]]
"""For each leverancier the answers that are known."""


async def vul_aan(profiel: Profielservice, vragen: dict[str, set[Vraag]], antwoorden: Antwoorden) -> bool:
    """Adds the answers to the questions (by leverancier) that have none yet; False when some could not be had now.

    That the service is away, or faults for some, is never an answer.
    """
    groepen: dict[tuple[str, str], list[str]] = {}
    for leverancier, gevraagd in vragen.items():
        for berichttype, bsn in gevraagd - antwoorden.get(leverancier, {}).keys():
            groepen.setdefault((leverancier, berichttype), []).append(bsn)

    async def vraag(leverancier: str, berichttype: str, bsns: Iterable[str]) -> bool:
        try:
            gekregen = await profiel.mag_versturen(leverancier, berichttype, sorted(bsns))
        except (ProfielserviceWeg, ProfielserviceFout) as fout:
            log.warning("no answer for %s of %s (%s)", berichttype, leverancier, type(fout).__name__)
            return False
        antwoorden.setdefault(leverancier, {}).update({(berichttype, bsn): mag for bsn, mag in gekregen.items()})
        return True

    return all(await asyncio.gather(*(vraag(*sleutel, bsns) for sleutel, bsns in groepen.items())))
