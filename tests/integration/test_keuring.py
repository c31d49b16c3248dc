"""Verdicts for the line: kept in the real ClickHouse, made from a real object store, each bijlage once."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client

from bijlagen import keuring as module
from bijlagen.keuring import Keuring
from bijlagen.oordelen import Oordelen
from bijlagen.proces import GeenProces, Keurders, Verstoord
from domain.batch import Kader
from domain.bijlage import Waarschuwing
from sinks.bijlagenwinkel import pak_naam
from sinks.database import DatabaseWeg, maak_client
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.migreer import migreer
from sinks.objecten import Objecten, OpslagWeg, bijlage_naam
from sinks.pak import Plek
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.slices import kader
from voorbeeld.pdf import maak_pdf, maak_pdf_met

pytestmark = pytest.mark.integration

T0 = datetime(2026, 1, 31, tzinfo=UTC)
LANG_S = 60
"""Seconds in which all is ready, also on a busy machine."""
A, B = "00000099000000001000", "00000099000000002000"


async def tot(voorwaarde: Callable[[], bool]) -> None:
    """Returns when this holds."""
    while not voorwaarde():  # noqa: ASYNC110 (a test looks from outside)
        await asyncio.sleep(0.01)


class Geteld(Keurders):
    """Counts what it is asked; does no more while it is closed, nor with what hangs."""

    def __init__(self) -> None:
        super().__init__(2)
        self.gekeurd: list[bytes] = []
        self.open = asyncio.Event()
        self.open.set()
        self.fout: Exception | None = None
        self.hangt: set[bytes] = set()
        self.afgebroken: set[bytes] = set()

    async def keur(self, inhoud: bytes) -> tuple[Waarschuwing, ...]:
        sha256 = hashlib.sha256(inhoud).digest()
        self.gekeurd.append(sha256)
        await self.open.wait()
        await tot(lambda: sha256 not in self.hangt)
        if sha256 in self.afgebroken:
            return (Waarschuwing.CONTROLE_AFGEBROKEN,)
        if self.fout is not None:
            raise self.fout
        return await super().keur(inhoud)


class Opslag:
    """The store, ClickHouse and processes of a test, and the verdicts over them; `herstart` makes those anew."""

    def __init__(self, client: Client, objecten: Objecten) -> None:
        self.client, self.objecten = client, objecten
        self.keurders = Geteld()
        self.oordelen = Oordelen(client)
        self.nu = 1000.0
        self.keuring = Keuring(objecten, self.oordelen, self.keurders, klok=lambda: self.nu)

    async def bewaar(self, *pdfs: bytes) -> list[bytes]:
        sommen = [hashlib.sha256(pdf).digest() for pdf in pdfs]
        await self.objecten.bewaar_alle([(bijlage_naam(som), pdf) for som, pdf in zip(sommen, pdfs, strict=True)])
        return sommen

    async def bewaar_in_pak(self, run: Kader, *pdfs: bytes) -> list[bytes]:
        sommen = [hashlib.sha256(pdf).digest() for pdf in pdfs]
        with closing(self.objecten.begin_pak()) as pak:
            for som, pdf in zip(sommen, pdfs, strict=True):
                pak.voeg_toe(som, pdf)
            pak.rond_af()
            await self.objecten.leg_vast(pak, pak_naam(run.proceskenmerk, run.aangeleverd_op))
        return sommen

    async def herstart(self, **opties: int) -> None:
        await self.keuring.stop()
        self.keurders = Geteld()
        self.keuring = Keuring(self.objecten, self.oordelen, self.keurders, klok=lambda: self.nu, **opties)

    async def vraag(
        self, sommen: Collection[bytes], hoogstens_s: float = LANG_S, leverancier: str = A
    ) -> dict[bytes, tuple[str, ...]]:
        """The verdicts for one leverancier; not later than it would be a fault."""
        async with asyncio.timeout(2 * LANG_S):
            return await self.keuring.oordelen(dict.fromkeys(sommen, kader(leverancier=leverancier)), hoogstens_s)

    async def vraag_tot(self, sommen: Collection[bytes], leverancier: str = A) -> dict[bytes, tuple[str, ...]]:
        """The verdicts, asked for until all are there, as the agent does."""
        async with asyncio.timeout(2 * LANG_S):
            while True:
                gevonden = await self.vraag(sommen, LANG_S, leverancier)
                if gevonden.keys() == set(sommen):
                    return gevonden
                await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def client(clickhouse: EmbeddedClickHouse) -> Iterator[Client]:
    database = f"t{uuid4().hex[:12]}"
    beheer = maak_client(clickhouse.url)
    migreer(beheer, database)
    een = maak_client(clickhouse.url, database)
    yield een
    een.close()
    beheer.command(f"DROP DATABASE {database}")
    beheer.close()


@pytest.fixture
async def opslag(client: Client, tmp_path: Path) -> AsyncIterator[Opslag]:
    maak_sleutels(tmp_path / "sleutels.json")
    een = Opslag(client, Objecten(f"file://{tmp_path / 'opslag'}", lees_sleutels(tmp_path / "sleutels.json")))
    yield een
    await een.keuring.stop()
    client.command("TRUNCATE TABLE oordelen")


async def test_the_same_bijlage_is_checked_once_over_calls_and_restarts(opslag: Opslag) -> None:
    goed, script = await opslag.bewaar(maak_pdf("Goed"), maak_pdf_met("PdfJavaScript"))
    verwacht = {goed: (), script: ("PdfJavaScript",)}
    samen = await asyncio.gather(*(opslag.vraag([goed, script, goed]) for _ in range(5)))
    assert samen == [verwacht] * 5
    assert sorted(opslag.keurders.gekeurd) == sorted([goed, script])
    assert await opslag.vraag([script], 0) == {script: ("PdfJavaScript",)}
    await opslag.herstart()
    assert await opslag.vraag([goed, script]) == verwacht
    assert opslag.keurders.gekeurd == []


async def test_bijlagen_are_read_from_the_pack_of_their_run_and_those_of_before_from_their_own_name(
    opslag: Opslag,
) -> None:
    run, zonder_pak = kader(), kader(run=uuid4())
    in_pak = await opslag.bewaar_in_pak(run, maak_pdf("In een pak"), maak_pdf_met("PdfJavaScript"))
    (los,) = await opslag.bewaar(maak_pdf("Los"))
    gevonden = await opslag.keuring.oordelen(dict.fromkeys(in_pak, run) | {los: zonder_pak}, LANG_S)
    assert gevonden == {in_pak[0]: (), in_pak[1]: ("PdfJavaScript",), los: ()}


async def test_a_run_has_the_bijlagen_of_its_pack_or_without_one_those_of_before_and_no_others(opslag: Opslag) -> None:
    run, ander = kader(), kader(run=uuid4())
    (in_pak,) = await opslag.bewaar_in_pak(run, maak_pdf("In een pak"))
    (los,) = await opslag.bewaar(maak_pdf("Los"))
    alle = {in_pak, los, bytes(32)}
    assert await opslag.keuring.aanwezig(run, alle, LANG_S) == {in_pak}
    assert await opslag.keuring.aanwezig(ander, alle, LANG_S) == {los}


async def test_while_the_store_does_not_tell_nothing_counts_as_there_and_nobody_waits_long(
    opslag: Opslag, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What takes longer is not begun anew: a later call gets it."""
    run, echt, los, keren = kader(), opslag.objecten.opgave, asyncio.Event(), list[str]()
    (som,) = await opslag.bewaar_in_pak(run, maak_pdf("In een pak"))

    async def weg(naam: str) -> dict[bytes, Plek]:
        raise OpslagWeg("away")

    async def traag(naam: str) -> dict[bytes, Plek]:
        keren.append(naam)
        await los.wait()
        return await echt(naam)

    monkeypatch.setattr(opslag.objecten, "opgave", weg)
    assert await opslag.keuring.aanwezig(run, {som}, LANG_S) == set()
    assert "OpslagWeg" in caplog.text
    monkeypatch.setattr(opslag.objecten, "opgave", traag)
    for _ in range(3):
        assert await opslag.keuring.aanwezig(run, {som}, 0.01) == set()
    los.set()
    assert await opslag.keuring.aanwezig(run, {som}, LANG_S) == {som}
    assert len(keren) == 1


async def test_verdicts_stand_in_clickhouse_as_others_may_read_them(opslag: Opslag) -> None:
    pdfs = {maak_pdf_met(code): (str(code),) for code in Waarschuwing} | {maak_pdf("Goed"): ()}
    sommen = await opslag.bewaar(*pdfs)
    assert await opslag.vraag(sommen) == dict(zip(sommen, pdfs.values(), strict=True))
    rijen = opslag.client.query("SELECT sha256_hex, waarschuwingen FROM oordelen FINAL WHERE regelversie = 1")
    verwacht = {som.hex(): list(codes) for som, codes in zip(sommen, pdfs.values(), strict=True)}
    assert {rij[0]: rij[1] for rij in rijen.result_rows} == verwacht


async def test_what_is_not_ready_in_time_goes_on_and_is_there_later(opslag: Opslag) -> None:
    een, ander = await opslag.bewaar(maak_pdf("Een"), maak_pdf("Ander"))
    await opslag.vraag([een])
    opslag.keurders.open.clear()
    assert await opslag.vraag([een, ander], 0.05) == {een: ()}
    assert await opslag.vraag([een, ander], 0.05) == {een: ()}
    opslag.keurders.open.set()
    assert await opslag.vraag_tot([ander]) == {ander: ()}
    assert opslag.keurders.gekeurd == [een, ander]


async def test_memory_is_bounded_and_what_it_lost_is_looked_up(opslag: Opslag) -> None:
    await opslag.herstart(onthoudt=2)
    sommen = await opslag.bewaar(*(maak_pdf(f"Bijlage {nummer}") for nummer in range(6)))
    verwacht = dict.fromkeys(sommen, ())
    assert await opslag.vraag(sommen) == verwacht
    assert await opslag.vraag(sommen) == verwacht
    assert len(opslag.keurders.gekeurd) == 6


async def test_what_does_not_fit_in_the_queue_waits_for_a_later_call(opslag: Opslag) -> None:
    await opslag.herstart(wachtrij=2)
    sommen = await opslag.bewaar(*(maak_pdf(f"Bijlage {nummer}") for nummer in range(5)))
    gevonden: dict[bytes, tuple[str, ...]] = {}
    for keer in range(3):
        assert len(gevonden) == 2 * keer
        gevonden |= await opslag.vraag(sommen)
    assert gevonden == dict.fromkeys(sommen, ())


async def test_who_fills_the_queue_leaves_room_for_another(opslag: Opslag) -> None:
    await opslag.herstart(wachtrij=2)
    sommen = await opslag.bewaar(*(maak_pdf(f"Bijlage {nummer}") for nummer in range(5)))
    ander = await opslag.bewaar(maak_pdf("Ander"), maak_pdf("Nog een"))
    samen = dict.fromkeys(sommen, kader(leverancier=A)) | dict.fromkeys(ander, kader(leverancier=B))
    gevonden = await opslag.keuring.oordelen(samen, LANG_S)
    assert gevonden.keys() == {*sommen[:2], *ander}


async def test_one_pdf_of_another_goes_before_the_pile_and_what_two_ask_is_checked_once(opslag: Opslag) -> None:
    stapel = await opslag.bewaar(*(maak_pdf(f"Bijlage {nummer}") for nummer in range(20)))
    (ander,) = await opslag.bewaar(maak_pdf("Ander"))
    opslag.keurders.open.clear()
    await opslag.vraag(stapel, 0)
    await tot(lambda: len(opslag.keurders.gekeurd) == 3)  # one for each process, and one that is fetched ahead
    await opslag.vraag([ander, stapel[-1]], 0, B)
    await tot(lambda: B in opslag.keuring._beurten._rijen)
    opslag.keurders.open.set()
    assert await opslag.vraag_tot([*stapel, ander]) == dict.fromkeys([*stapel, ander], ())
    assert sorted(opslag.keurders.gekeurd) == sorted([*stapel, ander])
    # It is fetched first when there is a place, at once with two more.
    assert ander in opslag.keurders.gekeurd[:6]


async def test_nobody_waits_for_who_was_not_ready_before_until_a_minute_later(opslag: Opslag) -> None:
    hangt, bekend, nieuw, ander = await opslag.bewaar(*(maak_pdf(f"Bijlage {nummer}") for nummer in range(4)))
    opslag.oordelen.bewaar({bekend: ()})
    opslag.keurders.hangt = {hangt, nieuw}
    assert await opslag.vraag([hangt], 0.05) == {}
    # Such waits would never end.
    assert await opslag.vraag([hangt], 1e6) == {}
    assert await opslag.keuring.oordelen({hangt: kader(leverancier=A), ander: kader(leverancier=B)}, 1e6) == {ander: ()}
    assert await opslag.vraag_tot([bekend]) == {bekend: ()}
    opslag.keurders.hangt = {nieuw}
    assert await opslag.vraag_tot([hangt]) == {hangt: ()}
    opslag.nu += 61
    wacht = asyncio.create_task(opslag.vraag([nieuw], 1e6))
    await tot(lambda: nieuw in opslag.keurders.gekeurd)
    await asyncio.sleep(2 * module._KORT_S)
    assert not wacht.done()
    opslag.keurders.hangt = set()
    assert await wacht == {nieuw: ()}


@pytest.mark.parametrize("gestoord", [False, True])
async def test_nobody_waits_for_who_had_a_check_ended(opslag: Opslag, gestoord: bool) -> None:
    slecht, hangt = await opslag.bewaar(maak_pdf("Slecht"), maak_pdf("Hangt"))
    opslag.keurders.hangt = {hangt}
    if gestoord:
        opslag.keurders.fout = Verstoord("killed")
    else:
        opslag.keurders.afgebroken = {slecht}
    await opslag.vraag([slecht])
    assert await opslag.vraag([hangt], 1e6) == {}


async def test_a_check_that_was_disturbed_is_tried_again_a_minute_later_and_in_the_end_it_is_the_pdf(
    opslag: Opslag, caplog: pytest.LogCaptureFixture
) -> None:
    soms, nooit = await opslag.bewaar(maak_pdf("Soms"), maak_pdf("Nooit"))
    opslag.keurders.fout = Verstoord("killed")
    assert await opslag.vraag([soms, nooit]) == {}
    opslag.nu += 59
    assert await opslag.vraag([soms, nooit]) == {}
    assert sorted(opslag.keurders.gekeurd) == sorted([soms, nooit])
    opslag.nu += 2
    opslag.keurders.fout = None
    assert await opslag.vraag_tot([soms]) == {soms: ()}
    opslag.keurders.fout = Verstoord("killed")
    while opslag.keurders.gekeurd.count(nooit) < 2:
        assert await opslag.vraag([nooit]) == {}
    await tot(lambda: not opslag.keuring._onderweg)
    opslag.nu += 119
    assert await opslag.vraag([nooit]) == {}
    assert opslag.keurders.gekeurd.count(nooit) == 2
    assert opslag.oordelen.zoek([soms, nooit]) == {soms: ()}
    opslag.nu += 2
    assert await opslag.vraag_tot([nooit]) == {nooit: ("PdfControleAfgebroken",)}
    assert opslag.keurders.gekeurd.count(nooit) == 3
    assert opslag.oordelen.zoek([nooit]) == {nooit: (Waarschuwing.CONTROLE_AFGEBROKEN,)}
    assert "cannot be checked now: Verstoord" in caplog.text


async def test_what_is_remembered_of_disturbed_checks_is_bounded(opslag: Opslag) -> None:
    await opslag.herstart(onthoudt=2)
    sommen = await opslag.bewaar(*(maak_pdf(f"Bijlage {nummer}") for nummer in range(5)))
    opslag.keurders.fout = Verstoord("killed")
    assert await opslag.vraag(sommen) == {}
    assert len(opslag.keuring._uitstel) == 2


@pytest.mark.parametrize("fout", [GeenProces("vol"), OpslagWeg("weg"), RuntimeError("999990019")])
async def test_what_cannot_be_checked_now_is_no_verdict_and_is_tried_again(
    opslag: Opslag, fout: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    kan, kan_niet = await opslag.bewaar(maak_pdf("Kan wel"), maak_pdf("Kan niet"))
    await opslag.vraag([kan])
    opslag.keurders.fout = fout
    assert await opslag.vraag([kan, kan_niet]) == {kan: ()}
    assert f"cannot be checked now: {type(fout).__name__}" in caplog.text
    assert str(fout) not in caplog.text
    opslag.keurders.fout = None
    assert await opslag.vraag([kan, kan_niet]) == {kan: (), kan_niet: ()}


async def test_a_bijlage_that_is_not_in_the_store_has_no_verdict_until_it_is(
    opslag: Opslag, caplog: pytest.LogCaptureFixture
) -> None:
    pdf = maak_pdf("Later")
    som = hashlib.sha256(pdf).digest()
    assert await opslag.vraag([som]) == {}
    assert "ObjectOntbreekt" in caplog.text
    await opslag.bewaar(pdf)
    assert await opslag.vraag([som]) == {som: ()}


async def test_while_clickhouse_is_away_nothing_is_given_out_and_nothing_is_checked_twice(
    opslag: Opslag, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def weg(*_: object) -> None:
        raise DatabaseWeg("away")

    een, ander = await opslag.bewaar(maak_pdf("Een"), maak_pdf("Ander"))
    with monkeypatch.context() as tijdelijk:
        tijdelijk.setattr(opslag.oordelen, "zoek", weg)
        assert await opslag.vraag([een]) == {}
        assert opslag.keurders.gekeurd == []
    monkeypatch.setattr(module, "_PAUZE_S", 0.05)
    with monkeypatch.context() as tijdelijk:
        tijdelijk.setattr(opslag.oordelen, "bewaar", weg)
        while "cannot be stored now" not in caplog.text:
            assert await opslag.vraag([een, ander], 0.1) == {}
    assert await opslag.vraag_tot([een, ander]) == {een: (), ander: ()}
    assert sorted(opslag.keurders.gekeurd) == sorted([een, ander])
    assert {record.levelno for record in caplog.records if record.name == module.__name__} == {logging.WARNING}


async def test_of_two_verdicts_the_earliest_stands_and_other_rules_have_their_own(
    opslag: Opslag, monkeypatch: pytest.MonkeyPatch
) -> None:
    som = hashlib.sha256(b"x").digest()
    opslag.oordelen.bewaar({som: ()}, T0 + timedelta(milliseconds=1))
    opslag.oordelen.bewaar({som: (Waarschuwing.XFA,)}, T0)
    opslag.oordelen.bewaar({som: ()}, T0 + timedelta(days=1))
    assert opslag.oordelen.zoek([som]) == {som: (Waarschuwing.XFA,)}
    opslag.client.command("OPTIMIZE TABLE oordelen FINAL")
    assert opslag.oordelen.zoek([som]) == {som: (Waarschuwing.XFA,)}
    monkeypatch.setattr("bijlagen.oordelen.REGELVERSIE", 2)
    assert opslag.oordelen.zoek([som]) == {}


async def test_many_verdicts_are_stored_and_found_in_bulk(opslag: Opslag) -> None:
    sommen = [hashlib.sha256(str(nummer).encode()).digest() for nummer in range(2500)]
    opslag.oordelen.bewaar(dict.fromkeys(sommen, (Waarschuwing.NIET_GETAGD,)))
    assert await opslag.vraag(sommen) == dict.fromkeys(sommen, ("PdfNietGetagd",))
    assert opslag.keurders.gekeurd == []
