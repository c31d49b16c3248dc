"""The sweep of the object store: what is past its term goes, what is needed stays, whatever happens meanwhile."""

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from aanlevering import uitgever
from domain.tijd import DAG_MS
from sinks.bijlagenwinkel import pak_naam
from sinks.objecten import Objecten, bijlage_naam
from sinks.opruimen import PRULLENBAK, Geruimd, InGebruik, ruim_op
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.regels import regel
from tests.s3 import BUCKET, emmer
from tests.slices import A

NU = time.time_ns() // 1_000_000
GRENS = NU - 60 * DAG_MS
OUD, JONG = 62, 59
"""Days: past the term, with the day within which storing again renews nothing; and within it."""
RUNS = [UUID(int=n + 1) for n in range(3)]


class Wereld:
    """What a sweep asks, and a store on disk whose ages can be set."""

    def __init__(self, map_: Path) -> None:
        maak_sleutels(map_ / "sleutels.json")
        self.map = map_ / "opslag"
        self.objecten = Objecten(f"file://{self.map}", lees_sleutels(map_ / "sleutels.json"))
        self.bewaard: set[UUID] = set()
        self.standaard: set[bytes] = set()
        self.geleverd: set[bytes] = set()
        self.gemeld: set[UUID] | None = set()
        self.gevraagd_vanaf: list[int] = []

    async def zet(self, naam: str, dagen: float, inhoud: bytes = b"inhoud") -> str:
        await self.objecten.bewaar(naam, inhoud)
        moment = NU / 1000 - dagen * 86400
        os.utime(self.map / naam, (moment, moment))
        return naam

    async def bijlage(self, tekst: str, dagen: float) -> bytes:
        sha256 = hashlib.sha256(tekst.encode()).digest()
        await self.zet(bijlage_naam(sha256), dagen, tekst.encode())
        return sha256

    async def ruim(
        self, grens: int | None = GRENS, levertijd_s: float = 0.01, klok: Callable[[], int] = lambda: NU
    ) -> Geruimd:
        async def bewaarde_runs(runs: Collection[UUID]) -> set[UUID]:
            return self.bewaard & set(runs)

        async def standaardbijlagen() -> set[bytes]:
            return set(self.standaard)

        async def geleverd(vanaf: int) -> set[bytes]:
            self.gevraagd_vanaf.append(vanaf)
            return set(self.geleverd)

        async def gemeld(vanaf: int) -> set[UUID] | None:
            self.gevraagd_vanaf.append(vanaf)
            return self.gemeld

        vragen = InGebruik(bewaarde_runs, standaardbijlagen, geleverd, gemeld)
        return await ruim_op(self.objecten, grens, vragen, levertijd_s, klok)

    def namen(self) -> set[str]:
        return {str(pad.relative_to(self.map)) for pad in self.map.rglob("*") if pad.is_file()}


@pytest.fixture
def wereld(tmp_path: Path) -> Wereld:
    return Wereld(tmp_path)


@regel("Retention of both is a setting")
async def test_placed_messages_go_after_their_term_unless_clickhouse_still_shows_their_run(wereld: Wereld) -> None:
    """A batch that was delivered again later is kept as long as that; so is one with a message on its way."""
    oud, getoond, jong = [
        await wereld.zet(f"berichten/{A}/{run}/0-k1-ab", dagen)
        for run, dagen in zip(RUNS, (OUD, OUD, JONG), strict=True)
    ]
    tweede = await wereld.zet(f"berichten/{A}/{RUNS[0]}/1-k1-cd", OUD)
    wereld.bewaard = {RUNS[1]}
    assert await wereld.ruim() == Geruimd(berichten=2)
    assert wereld.namen() == {getoond, jong}
    assert oud not in wereld.namen()
    assert tweede not in wereld.namen()
    assert not (wereld.map / oud).parent.exists(), "nor an empty folder that names the run"
    assert await wereld.ruim() == Geruimd()


async def test_the_pack_of_a_run_goes_and_stays_with_its_messages(wereld: Wereld) -> None:
    oud, getoond, jong = [
        await wereld.zet(pak_naam(run, NU - dagen * DAG_MS), dagen)
        for run, dagen in zip(RUNS, (OUD, OUD, JONG), strict=True)
    ]
    wereld.bewaard = {RUNS[1]}
    assert await wereld.ruim() == Geruimd(bijlagen=1)
    assert wereld.namen() == {getoond, jong}
    assert not (wereld.map / oud).exists()
    assert wereld.gevraagd_vanaf == [], "the topic has long forgotten"


async def test_a_pack_goes_when_its_delivery_became_no_batch(wereld: Wereld) -> None:
    """The door died between pack and topic, or the topic was away; what came lately may still become one."""
    uur = 3_600_000
    wees, getoond, gemeld = [await wereld.zet(pak_naam(run, NU - 2 * uur), 2 / 24) for run in RUNS]
    onderweg = await wereld.zet(pak_naam(UUID(int=9), NU), 0.9 / 24)
    wereld.bewaard, wereld.gemeld = {RUNS[1]}, {RUNS[2]}
    assert await wereld.ruim() == Geruimd(bijlagen=1)
    assert wereld.namen() == {getoond, gemeld, onderweg}
    assert not (wereld.map / wees).exists()
    (vanaf,) = wereld.gevraagd_vanaf
    assert abs(vanaf - (NU - 3 * uur)) < 1000, "from well before it was written"


async def test_without_a_term_all_is_kept_but_what_became_no_batch(wereld: Wereld) -> None:
    """Nobody was told that we have it, so no term is about it."""
    wees, gemeld = [await wereld.zet(pak_naam(run, NU - DAG_MS), 1) for run in RUNS[:2]]
    wereld.gemeld = {RUNS[1]}
    oud = await wereld.zet(pak_naam(RUNS[2], NU - 999 * DAG_MS), 999)
    bericht = await wereld.zet(f"berichten/{A}/{RUNS[2]}/0-k1-ab", 999)
    bijlage = bijlage_naam(await wereld.bijlage("oud", 999))
    assert await wereld.ruim(None) == Geruimd(bijlagen=1)
    assert wereld.namen() == {gemeld, oud, bericht, bijlage}
    assert not (wereld.map / wees).exists()


async def test_orphans_of_earlier_days_are_found_too(wereld: Wereld) -> None:
    """They are looked for by the days in their names: sweeps may have been left out."""
    for dagen in (0, 1, 6):
        await wereld.zet(pak_naam(UUID(int=dagen + 1), NU - dagen * DAG_MS), dagen + 0.1)
    assert await wereld.ruim() == Geruimd(bijlagen=3)
    assert wereld.namen() == set()


async def test_while_the_topic_holds_what_cannot_be_read_no_pack_counts_as_an_orphan(wereld: Wereld) -> None:
    """It may be the batch of that pack, which `dlq herstel` offers again some day. With its term it goes."""
    pak = await wereld.zet(pak_naam(RUNS[0], NU - DAG_MS), 1)
    wereld.gemeld = None
    assert await wereld.ruim() == Geruimd()
    assert wereld.namen() == {pak}


@pytest.mark.parametrize("deadline_s", [1.0, 60.0, 3600.0])
async def test_a_pack_whose_batch_may_still_come_stays_and_goes_when_it_cannot(
    wereld: Wereld, deadline_s: float
) -> None:
    """A door that began right after it stored the pack has until its deadline, then until it gives the record up and
    has closed the producer; and clocks may differ by half an hour."""
    uiterlijk_s = deadline_s + uitgever._LAAT_S + 2 * uitgever._SLUITTIJD_S
    for run, sinds_s in ((RUNS[0], uiterlijk_s), (RUNS[1], uiterlijk_s + 1800), (RUNS[2], 2 * deadline_s + 3700)):
        await wereld.zet(pak_naam(run, NU - round(sinds_s * 1000)), sinds_s / 86400)
    assert await wereld.ruim(None, 2 * deadline_s) == Geruimd(bijlagen=1)
    assert {naam.rpartition("/")[2] for naam in wereld.namen()} == {str(run) for run in RUNS[:2]}


async def test_a_pack_is_as_old_as_the_clock_of_the_store_says_when_the_one_of_the_sweep_is_ahead(
    wereld: Wereld,
) -> None:
    pak = await wereld.zet(pak_naam(RUNS[0], NU), 10 / 86400)
    assert await wereld.ruim(None, klok=lambda: NU + 2 * 3_600_000) == Geruimd()
    assert wereld.namen() == {pak}


async def test_on_s3_a_pack_is_as_old_as_the_bucket_says(
    wereld: Wereld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bucket's clock is two hours behind that of the sweep, and then ahead."""

    def nu() -> int:  # the bucket has a clock that goes on, unlike NU
        return time.time_ns() // 1_000_000

    jong, wees = [pak_naam(run, nu()) for run in RUNS[:2]]
    async with emmer() as s3:
        for naam, waarde in s3.omgeving().items():
            monkeypatch.setenv(naam, waarde)
        wereld.objecten = Objecten(f"s3://{BUCKET}/voor", lees_sleutels(tmp_path / "sleutels.json"))
        for loopt_voor_s in (-7200.0, 7200.0):
            s3.loopt_voor_s = loopt_voor_s
            for pak, oud_s in ((jong, 10), (wees, 4000 + max(0.0, loopt_voor_s))):
                await wereld.objecten.bewaar(pak, b"pak")
                s3.geschreven[f"voor/{pak}"] -= oud_s
            assert await wereld.ruim(None, klok=nu) == Geruimd(bijlagen=1)
            assert s3.objecten.keys() == {f"voor/{jong}"}
            s3.objecten.clear()


async def test_what_a_term_asks_for_is_done_also_when_orphans_cannot_be_told(
    wereld: Wereld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kafka is away, say; the topic is what tells them."""
    oud = await wereld.zet(f"berichten/{A}/{RUNS[0]}/0-k1-ab", OUD)
    wees = await wereld.zet(pak_naam(RUNS[1], NU - DAG_MS), 1)

    class KafkaWeg(Exception):
        pass

    class Weg(set[UUID]):
        def __rsub__(self, _: object) -> set[UUID]:
            raise KafkaWeg

    wereld.gemeld = Weg()
    with pytest.raises(KafkaWeg):
        await wereld.ruim()
    assert not (wereld.map / oud).exists()
    assert wereld.namen() == {wees}


async def test_bijlagen_go_by_when_they_were_last_delivered_and_standaardbijlagen_stay(wereld: Wereld) -> None:
    oud, jong, standaard = [
        await wereld.bijlage(naam, dagen) for naam, dagen in (("oud", OUD), ("jong", JONG), ("standaard", 999))
    ]
    wereld.standaard = {standaard}
    assert await wereld.ruim() == Geruimd(bijlagen=1)
    assert wereld.namen() == {bijlage_naam(jong), bijlage_naam(standaard)}
    assert not await wereld.objecten.bestaat(bijlage_naam(oud))


async def test_a_bijlage_that_is_delivered_again_is_young_again(wereld: Wereld) -> None:
    sha256 = await wereld.bijlage("nog eens", OUD)
    await wereld.objecten.bewaar(bijlage_naam(sha256), b"nog eens")
    assert await wereld.ruim() == Geruimd()
    assert await wereld.objecten.lees(bijlage_naam(sha256)) == b"nog eens"


async def test_a_bijlage_that_is_delivered_again_while_the_store_is_listed_is_put_back(wereld: Wereld) -> None:
    """The listing takes long, and says that it is old; its batch is in the topic long before the bin is emptied."""
    sha256 = await wereld.bijlage("tijdens het lezen", OUD)
    lijst, nu = wereld.objecten.lijst, [NU]

    async def traag(map_: str) -> AsyncIterator[tuple[str, int]]:
        async for gevonden in lijst(map_):
            yield gevonden
        if map_ == "bijlagen":
            nu[0] += 600_000

    async def geleverd(vanaf: int) -> set[bytes]:
        return {sha256} if vanaf <= NU + 300_000 else set()

    async def niets(_: object = None) -> set[Any]:
        return set()

    wereld.objecten.lijst = traag  # type: ignore[method-assign,assignment]
    await ruim_op(wereld.objecten, GRENS, InGebruik(niets, niets, geleverd, niets), 0.01, lambda: nu[0])
    assert await wereld.objecten.lees(bijlage_naam(sha256)) == b"tijdens het lezen"


async def test_a_bijlage_that_a_delivery_relied_on_while_it_went_is_put_back_and_young(wereld: Wereld) -> None:
    """The door saw it, and its batch came in the topic while the bijlage was in the bin."""
    sha256 = await wereld.bijlage("in gebruik", OUD)
    wereld.geleverd = {sha256}
    assert await wereld.ruim() == Geruimd(teruggezet=1)
    assert wereld.gevraagd_vanaf == [NU - 10], "from before it went"
    assert await wereld.objecten.lees(bijlage_naam(sha256)) == b"in gebruik"
    assert wereld.namen() == {bijlage_naam(sha256)}
    wereld.geleverd = set()
    assert await wereld.ruim() == Geruimd(), "its new age counts"


async def test_a_sweep_that_was_killed_half_way_is_ended_by_the_next(wereld: Wereld) -> None:
    """What it had moved is judged by what was delivered since then, an hour ago."""
    weg, nodig = [await wereld.bijlage(naam, OUD) for naam in ("weg", "nodig")]
    toen = NU - 3_600_000
    for sha256 in (weg, nodig):
        await wereld.objecten.verplaats(bijlage_naam(sha256), f"{PRULLENBAK}/{toen}-{sha256.hex()}")
    wereld.geleverd = {nodig}
    assert await wereld.ruim() == Geruimd(bijlagen=1, teruggezet=1)
    assert wereld.gevraagd_vanaf == [toen - 10]
    assert wereld.namen() == {bijlage_naam(nodig)}


async def test_a_bijlage_that_was_stored_anew_while_its_former_self_was_in_the_bin_stays(wereld: Wereld) -> None:
    sha256 = await wereld.bijlage("x", OUD)
    await wereld.objecten.verplaats(bijlage_naam(sha256), f"{PRULLENBAK}/{NU}-{sha256.hex()}")
    await wereld.objecten.bewaar(bijlage_naam(sha256), b"x")
    assert (await wereld.ruim()).bijlagen == 1, "the former one"
    assert await wereld.objecten.lees(bijlage_naam(sha256)) == b"x"


async def test_two_sweeps_at_once_do_no_harm(wereld: Wereld) -> None:
    blijft = await wereld.bijlage("blijft", JONG)
    for nummer in range(20):
        await wereld.bijlage(f"oud {nummer}", OUD)
    await asyncio.gather(wereld.ruim(), wereld.ruim())
    await wereld.ruim()
    assert wereld.namen() == {bijlage_naam(blijft)}


async def test_of_another_kind_of_object_nothing_goes(wereld: Wereld) -> None:
    ander = await wereld.zet("iets/anders", 9999)
    assert await wereld.ruim() == Geruimd()
    assert wereld.namen() == {ander}


@pytest.mark.parametrize(
    ("goed", "fout"),
    [
        ({"bewaar_berichten_dagen": 60}, {"bewaar_berichten_dagen": 59}),
        (
            {"bewaar_berichten_dagen": 91, "topic_batch_dagen": 90},
            {"bewaar_berichten_dagen": 90, "topic_batch_dagen": 90},
        ),
        ({"bewaar_berichten_dagen": 0, "topic_batch_dagen": 90}, {"topic_batch_dagen": 13}),
        ({"geduld_s": 40 * 3600, "topic_wacht_dagen": 2}, {"geduld_s": 48 * 3600, "topic_wacht_dagen": 2}),
    ],
)
def test_terms_that_would_take_what_is_on_its_way_are_refused(goed: dict[str, int], fout: dict[str, int]) -> None:
    Instellingen(**goed)  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        Instellingen(**fout)  # type: ignore[arg-type]
