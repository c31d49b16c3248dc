"""Deletes from the object store what is past its term, and never what a message on its way, or one that is kept, needs.

- A placed message, and the pack with the bijlagen of a run, goes when ClickHouse shows nothing of that run any more:
  `sinks.bewaren` deletes those rows first.
- A pack of a delivery that never became a batch (its sender got no 202) goes when that is certain.
- A bijlage that stands by itself (`sinks.bijlagenwinkel` says which) goes when it was last delivered so long ago that
  no message with it is kept: storing it again renews it (`objecten.VERS_S`), so its age tells. A standaardbijlage stays
  as long as the reference data name it.

A delivery may rely on an old bijlage in the very moment that it goes. So it first goes to `prullenbak/`, under the time
of that, and from there only when every delivery that could have seen it is in topic `batch`, or will never be: those
that a batch names since then are put back. Whoever dies in between leaves the rest to the next sweep; several at once
do no harm.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from uuid import UUID

from domain.tijd import DAG_MS
from sinks.bijlagenwinkel import PAKKEN, dag
from sinks.objecten import VERS_S, Objecten, ObjectOntbreekt, bijlage_naam

PRULLENBAK = "prullenbak"
_PER_KEER = 500
"""Names that are looked up or moved at a time."""
_WEES_DAGEN = 7
"""So long it is looked whether a pack has a batch: less than any term of topic `batch`. Older ones go by their term."""
_WEES_MS = 3_600_000
"""Beside the time of a delivery: how long a door may try to write its record after that, and what the clocks of store,
broker and doors may differ."""


@dataclass(frozen=True, slots=True)
class InGebruik:
    """What else must be known of what is needed."""

    bewaarde_runs: Callable[[Collection[UUID]], Awaitable[set[UUID]]]
    """Those of these runs of which ClickHouse still shows anything."""
    standaardbijlagen: Callable[[], Awaitable[set[bytes]]]
    """SHA-256 of every standaardbijlage that the reference data name now."""
    geleverd: Callable[[int], Awaitable[set[bytes]]]
    """SHA-256 of every bijlage that topic `batch` names since a moment, in milliseconds."""
    gemeld: Callable[[int], Awaitable[set[UUID] | None]]
    """Every run of which topic `batch` has the batch, since a moment; None where a record cannot be read."""


@dataclass(slots=True)
class Geruimd:
    """What a sweep did, in objects."""

    berichten: int = 0
    bijlagen: int = 0
    """Packs, and bijlagen that stood by themselves."""
    teruggezet: int = 0
    """Bijlagen that a delivery asked for while they were going."""


async def ruim_op(
    objecten: Objecten, grens: int | None, in_gebruik: InGebruik, levertijd_s: float, klok: Callable[[], int]
) -> Geruimd:
    """Deletes what was written before `grens` (milliseconds; None: all is kept) and nobody needs, and always the packs
    that became no batch.

    `levertijd_s`: within so many seconds after it was stored for a delivery, a bijlage stands in topic `batch`, or its
    delivery was refused. Raises OpslagWeg, and what `in_gebruik` raises.
    """
    geruimd = Geruimd()
    voor = max(0, klok() - await objecten.nu())  # the store's clock dates what is in it; one behind it does no harm

    def nu() -> int:
        return klok() - voor

    if grens is not None:
        geruimd.berichten += await _ruim_runs(objecten, "berichten", grens, in_gebruik)
        geruimd.bijlagen += await _ruim_runs(objecten, PAKKEN, grens, in_gebruik)
        await _naar_prullenbak(objecten, grens - VERS_S * 1000, in_gebruik, nu)
        await _leeg_prullenbak(objecten, in_gebruik, levertijd_s, nu, geruimd)
    # Last: what a term asks for does not wait for this.
    geruimd.bijlagen += await _ruim_wezen(objecten, in_gebruik, round(levertijd_s * 1000), nu())
    return geruimd


async def _ruim_runs(objecten: Objecten, map_: str, grens: int, in_gebruik: InGebruik) -> int:
    """Deletes the old objects of a folder whose run is shown no more; how many."""
    per_run: dict[UUID, list[str]] = {}
    gewist = 0

    async def verwijder() -> int:
        blijven = await in_gebruik.bewaarde_runs(per_run.keys())
        weg = [naam for run, namen in per_run.items() if run not in blijven for naam in namen]
        await _verwijder(objecten, weg)
        per_run.clear()
        return len(weg)

    async for naam, geschreven_op in objecten.lijst(map_):
        if geschreven_op < grens:
            per_run.setdefault(_run(naam), []).append(naam)
            if len(per_run) >= _PER_KEER:
                gewist += await verwijder()
    return gewist + await verwijder()


async def _ruim_wezen(objecten: Objecten, in_gebruik: InGebruik, levertijd_ms: int, nu: int) -> int:
    """Deletes the packs of which there never was a batch; how many."""
    rust_ms = levertijd_ms + _WEES_MS
    pakken: dict[UUID, tuple[str, int]] = {}
    for terug in range(_WEES_DAGEN):
        async for naam, op in objecten.lijst(f"{PAKKEN}/{dag(nu - terug * DAG_MS)}"):
            if op < nu - rust_ms:
                pakken[_run(naam)] = naam, op
    onbekend = pakken.keys() - await in_gebruik.bewaarde_runs(pakken.keys())
    if not onbekend:
        return 0
    gemeld = await in_gebruik.gemeld(min(pakken[run][1] for run in onbekend) - rust_ms)
    if gemeld is None:  # a dead letter is one of these batches, maybe, and can be offered again
        return 0
    wezen = [pakken[run][0] for run in onbekend - gemeld]
    await _verwijder(objecten, wezen)
    return len(wezen)


async def _naar_prullenbak(objecten: Objecten, grens: int, in_gebruik: InGebruik, klok: Callable[[], int]) -> None:
    blijven = {bijlage_naam(sha256) for sha256 in await in_gebruik.standaardbijlagen()}
    nu = klok()  # before the listing, which takes long: a delivery may rely on what was listed as old
    oud = [naam async for naam, op in objecten.lijst("bijlagen") if op < grens and naam not in blijven]
    for begin in range(0, len(oud), _PER_KEER):
        await _tegelijk(
            objecten.verplaats(naam, f"{PRULLENBAK}/{nu}-{_sha256(naam).hex()}")
            for naam in oud[begin : begin + _PER_KEER]
        )


async def _leeg_prullenbak(
    objecten: Objecten, in_gebruik: InGebruik, levertijd_s: float, klok: Callable[[], int], geruimd: Geruimd
) -> None:
    begin = klok()  # a delivery may have seen what was moved until now
    inhoud = {naam: _verplaatst(naam) async for naam, _ in objecten.lijst(PRULLENBAK)}
    if not inhoud:
        return
    momenten = [moment for moment, _ in inhoud.values()]
    levertijd_ms = round(levertijd_s * 1000)
    await asyncio.sleep(max(0.0, (max(*momenten, begin) + levertijd_ms - klok()) / 1000))
    nodig = await in_gebruik.geleverd(min(momenten) - levertijd_ms) | await in_gebruik.standaardbijlagen()
    terug = {naam: sha256 for naam, (_, sha256) in inhoud.items() if sha256 in nodig}
    for naam, sha256 in terug.items():  # written anew, so that it is as young as its delivery
        with suppress(ObjectOntbreekt):  # another sweep did it
            await objecten.bewaar(bijlage_naam(sha256), await objecten.lees(naam))
    namen = list(inhoud)
    await _verwijder(objecten, namen)
    geruimd.teruggezet += len(terug)
    geruimd.bijlagen += len(namen) - len(terug)


async def _verwijder(objecten: Objecten, namen: Sequence[str]) -> None:
    for eerste in range(0, len(namen), _PER_KEER):
        await _tegelijk(objecten.verwijder(naam) for naam in namen[eerste : eerste + _PER_KEER])


async def _tegelijk(werk: Iterable[Awaitable[None]]) -> None:
    await asyncio.gather(*werk)


def _run(naam: str) -> UUID:
    """The run that an object with this name belongs to."""
    return UUID(naam.split("/")[2])


def _sha256(naam: str) -> bytes:
    """The SHA-256 of the bijlage of this name."""
    return bytes.fromhex("".join(naam.split("/")[1:]))


def _verplaatst(naam: str) -> tuple[int, bytes]:
    """When what has this name in `prullenbak` came there, and its SHA-256."""
    moment, _, sha256 = naam.removeprefix(f"{PRULLENBAK}/").partition("-")
    return int(moment), bytes.fromhex(sha256)
