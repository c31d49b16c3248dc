"""Deciding once, on a real broker: replays, zombies, outages. ClickHouse and the reference data are played here."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from aiokafka.errors import KafkaError

from agents import eigendom
from agents.beslisser import Beslisser
from domain.batch import Batch
from domain.codes import Verwerkingscode
from domain.referentie import BerichttypeStatus
from profielservice.gebruikers import Storing
from streams.fence import EigenPartitie, LogVerdwenen, Record
from tests.integration.opstelling import CODEC, Opstelling, beslis, wacht_tot
from tests.regels import regel
from tests.slices import ANDERE_RUN, BSNS, RUN, T0, TYPE, A, B, berichttype, kader, maak_slice, referentie

pytestmark = pytest.mark.integration

C = Verwerkingscode
UUR = 3_600_000
GEDULD_MS = 20 * UUR


@regel("use a keyed HMAC with a key id, never a bare hash", "placed in the Berichtenbox, with or without warnings | NA")
async def test_decisions_are_in_the_log_and_placed_messages_in_the_store(op: Opstelling) -> None:
    slice_ = maak_slice(ids=["a", "b", "c"], bsns=[BSNS[0], BSNS[15], BSNS[1]])
    assert await beslis(op.worker(), slice_) == [0]
    (een,) = await op.uitkomsten()
    assert een.codes == [C.VERWERKT, C.NIET_ACTIEF_OF_GEABONNEERD, C.VERWERKT]
    assert een.verwerkt_op == op.nu
    assert een.kader == slice_.kader
    geplaatst = CODEC.lees_batch(await op.winkel.lees(een.object), "bericht")
    assert geplaatst == Batch(slice_.kader, slice_.berichten.kies([0, 2]))
    assert een.ontvangers == [op.sleutels.pseudoniem(BSNS[0]), "", op.sleutels.pseudoniem(BSNS[1])]


@regel("no result, log line, metric, Kafka key or header, error text", "an object, encrypted, in the message store")
async def test_no_bsn_is_in_a_decision_its_key_or_the_name_of_its_object(op: Opstelling) -> None:
    await beslis(op.worker(), maak_slice(ids=["a"], bsns=[BSNS[0]]))
    (record,) = await op.log()
    assert BSNS[0].encode() not in (record.waarde or b"") + (record.key or b"")
    for pad in (op.instellingen.data / "opslag").rglob("*"):
        assert BSNS[0] not in str(pad)
        assert not pad.is_file() or BSNS[0].encode() not in pad.read_bytes()


@regel("The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands")
async def test_a_replay_in_the_same_process_decides_nothing_again(op: Opstelling) -> None:
    worker, slice_ = op.worker(), maak_slice(ids=["a", "b"])
    assert await beslis(worker, slice_) == [0]
    assert await beslis(worker, slice_, slice_) == [0]
    assert await beslis(worker, slice_, generatie=2) == [0]
    assert len(await op.log()) == 1


@regel(
    "The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands",
    "it must not count, be answered or notify a second time",
)
@pytest.mark.parametrize("getoond", [False, True])
async def test_another_process_adopts_what_was_decided_though_the_data_changed(op: Opstelling, getoond: bool) -> None:
    """A replay after a crash may compute another (a berichttype was deactivated in between): it must not count, whether
    ClickHouse shows the first decision by then or not."""
    slice_ = maak_slice(ids=["a", "b"])
    await beslis(op.worker(), slice_)
    if getoond:
        op.getoond.toon(0, await op.log())
    op.data.referentie = referentie(berichttype(status=BerichttypeStatus.INACTIEF))
    op.profiel.gebruikers.clear()
    assert await beslis(op.worker(), slice_) == [0]
    assert await op.codes() == [C.VERWERKT, C.VERWERKT]


async def test_part_of_a_slice_that_was_decided_is_adopted_and_the_rest_decided(op: Opstelling) -> None:
    slice_ = maak_slice(ids=["a", "b", "a"])
    await beslis(op.worker(), Batch(slice_.kader, slice_.berichten.kies([0])))
    await beslis(op.worker(), slice_)
    eerste, rest = await op.uitkomsten()
    assert (eerste.nummers, rest.nummers) == ([1], [2, 3])
    assert rest.codes == [C.VERWERKT, C.BERICHT_BESTAAT_AL]


@regel(
    "this leverancier already has this BerichtID Verwerkt",
    "from another run, or from an earlier place in this batch | NA",
    "Messages already Verwerkt get BerichtBestaatAl in *its result*; the others are processed",
)
@pytest.mark.parametrize("waar", ["same transaction", "memory", "log", "clickhouse"])
async def test_a_resend_sees_what_was_placed_wherever_that_stands(op: Opstelling, waar: str) -> None:
    """Duplicates: look first in memory (decisions not yet visible in ClickHouse), then in ClickHouse."""
    eerst = maak_slice(ids=["a", "b"], bsns=[BSNS[0], BSNS[15]])
    resend = maak_slice(ids=["a", "b"], bsns=[BSNS[0], BSNS[1]], van=kader(run=ANDERE_RUN, totaal=2))
    worker = op.worker()
    if waar == "same transaction":
        await beslis(worker, eerst, resend)
    else:
        await beslis(worker, eerst)
        if waar == "clickhouse":
            op.getoond.toon(0, await op.log())
        await beslis(op.worker() if waar == "log" else worker, resend)
    assert [een.codes for een in await op.uitkomsten()] == [
        [C.VERWERKT, C.NIET_ACTIEF_OF_GEABONNEERD],
        [C.BERICHT_BESTAAT_AL, C.VERWERKT],
    ]


@regel("…/BerichtID | GUID | unique for the leverancier", "within which BerichtIDs are unique")
async def test_the_same_bericht_id_of_another_leverancier_is_another_message(op: Opstelling) -> None:
    """BerichtID: unique for the leverancier."""
    await beslis(op.worker(), maak_slice(), maak_slice(van=kader(run=ANDERE_RUN, leverancier=B)))
    assert await op.codes() == [C.VERWERKT, C.VERWERKT]


async def test_decisions_that_clickhouse_shows_are_forgotten_and_still_known(op: Opstelling) -> None:
    worker = op.worker(onverwerkt_max=3)
    for begin in range(4):
        slice_ = maak_slice(ids=[f"{begin}-{i}" for i in range(3)], van=kader(run=UUID(int=begin + 1), totaal=3))
        await beslis(worker, slice_)
        op.getoond.rijen.clear()
        op.getoond.toon(0, await op.log())
        await beslis(worker, slice_)
    assert await op.codes() == [C.VERWERKT] * 12


async def test_too_much_that_clickhouse_does_not_show_pauses_the_agent(op: Opstelling) -> None:
    """When too much is undrained, pause."""
    worker = op.worker(onverwerkt_max=3)
    await beslis(worker, maak_slice(ids=list("abcd"), van=kader(totaal=4)))
    wacht = asyncio.create_task(beslis(worker, maak_slice(ids=["e"], van=kader(run=ANDERE_RUN))))
    await asyncio.wait([wacht], timeout=0.5)
    assert not wacht.done()
    op.getoond.toon(0, await op.log())
    assert await wacht == [0]
    assert await op.codes() == [C.VERWERKT] * 5


async def test_clickhouse_away_is_waited_for(op: Opstelling) -> None:
    op.getoond.weg = 3
    assert await beslis(op.worker(), maak_slice()) == [0]
    assert op.getoond.weg == 0
    assert await op.codes() == [C.VERWERKT]


async def test_a_profile_service_that_is_away_is_waited_for(op: Opstelling) -> None:
    """Profile service … away is never a reason to refuse a message: it waits and is retried."""
    op.profiel.storing = Storing(weg=True)
    op.nu = T0 + GEDULD_MS - 1
    wacht = asyncio.create_task(beslis(op.worker(), maak_slice()))
    await asyncio.wait([wacht], timeout=0.5)
    assert not wacht.done()
    assert await op.log() == []
    op.profiel.storing = Storing()
    assert await wacht == [0]
    assert await op.codes() == [C.VERWERKT]


async def test_what_comes_late_because_all_was_down_is_not_given_up_at_first_sight(op: Opstelling) -> None:
    """Outages wait: … Kafka away is never a reason to refuse a message."""
    op.profiel.storing = Storing(fout_bij_oin=frozenset({A}))
    op.nu = T0 + 2 * GEDULD_MS
    slice_ = maak_slice(ids=["a", "b"], types=[TYPE, "GEENTYPE"])
    assert await beslis(op.worker(pauze_s=0.1), slice_) == [0]
    assert await op.codes() == [C.BERICHTTYPE_NIET_ONDERSTEUND]
    assert len(await op.wachtend()) == 1


async def test_one_leverancier_that_makes_the_service_fault_does_not_hold_up_another(op: Opstelling) -> None:
    """It waits and is retried, without holding up other senders' messages."""
    op.profiel.storing = Storing(fout_bij_oin=frozenset({B}))
    wacht = asyncio.create_task(beslis(op.worker(), maak_slice(van=kader(run=ANDERE_RUN, leverancier=B)), maak_slice()))
    try:
        await asyncio.wait([wacht], timeout=1)
        assert [een.kader.leverancier for een in await op.uitkomsten()] == [A]
    finally:
        op.profiel.storing = Storing()
        await wacht


async def test_a_store_that_is_away_is_waited_for(op: Opstelling) -> None:
    op.winkel.weg = True
    wacht = asyncio.create_task(beslis(op.worker(), maak_slice()))
    await asyncio.wait([wacht], timeout=0.5)
    assert not wacht.done()
    assert await op.log() == []
    op.winkel.weg = False
    assert await wacht == [0]
    assert await op.codes() == [C.VERWERKT]


async def test_a_store_that_came_back_is_tried_before_a_message_is_given_up(op: Opstelling) -> None:
    """It was away for a moment, long ago; since then it was the profile service that kept the message waiting."""
    op.winkel.weg = True
    wacht = asyncio.create_task(beslis(op.worker(), maak_slice()))
    await wacht_tot(lambda: op.winkel.geprobeerd > 0)
    op.profiel.storing = Storing(weg=True)
    op.data.referentie = referentie(berichttype("ANDER"))
    await asyncio.wait([wacht], timeout=0.3)
    op.winkel.weg = False
    op.nu = T0 + GEDULD_MS
    assert await wacht == [0]
    assert await op.codes() == [C.VERWERKT]


@regel(
    "Every change counts from the moment it is made, for messages already on their way too",
    "(also when it was Actief at delivery) | ValidateBerichtType",
)
async def test_a_berichttype_that_is_deactivated_while_a_message_waits_counts(op: Opstelling) -> None:
    """Every change counts from the moment it is made, for messages already on their way too."""
    op.profiel.storing = Storing(weg=True)
    wacht = asyncio.create_task(beslis(op.worker(), maak_slice()))
    await asyncio.wait([wacht], timeout=0.2)
    op.data.referentie = referentie(berichttype(status=BerichttypeStatus.INACTIEF))
    op.profiel.storing = Storing()
    assert await wacht == [0]
    assert await op.codes() == [C.BERICHTTYPE_NIET_ONDERSTEUND]


async def test_a_berichttype_that_is_activated_after_the_question_is_asked_for_again(op: Opstelling) -> None:
    """Between the question and the decision the data changed: an answer is missing, and that is no refusal."""
    op.data.referentie = referentie(berichttype("NIEUW", BerichttypeStatus.NIEUW))
    op.data.voor_beslissing = lambda: setattr(op.data, "referentie", referentie(berichttype("NIEUW")))
    await beslis(op.worker(), maak_slice(types=["NIEUW"]))
    assert await op.codes() == [C.VERWERKT]


async def test_who_is_not_up_to_date_at_the_last_moment_publishes_nothing(op: Opstelling) -> None:
    op.data.voor_beslissing = lambda: setattr(op.data, "bij", False)
    wacht = asyncio.create_task(beslis(op.worker(), maak_slice()))
    await asyncio.wait([wacht], timeout=0.5)
    assert not wacht.done()
    assert await op.log() == []
    op.data.voor_beslissing = lambda: setattr(op.data, "bij", True)
    assert await wacht == [0]


async def test_a_partition_that_is_not_ours_is_dropped(op: Opstelling) -> None:
    assert await beslis(op.worker(), maak_slice(), partities=(0, 1), eigenaar=lambda partitie: partitie == 1) == [1]
    assert await op.codes(0) == []
    assert await op.codes(1) == [C.VERWERKT]


async def test_a_partition_that_is_lost_while_waiting_is_dropped(op: Opstelling) -> None:
    op.profiel.storing = Storing(weg=True)
    van_ons = True
    wacht = asyncio.create_task(beslis(op.worker(), maak_slice(), eigenaar=lambda _: van_ons))
    await wacht_tot(lambda: op.profiel.aanroepen > 0)
    van_ons = False
    op.profiel.storing = Storing()
    assert await wacht == []
    assert await op.log() == []


@regel("The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands")
async def test_two_that_both_think_they_own_a_partition_decide_everything_once(op: Opstelling) -> None:
    """In-flight handlers survive a revocation, so expect a zombie at every rebalance."""
    slices = [
        maak_slice(ids=[f"{n}-{i}" for i in range(4)], van=kader(run=UUID(int=n + 1), totaal=4)) for n in range(12)
    ]
    een, ander = op.worker(), op.worker()

    async def doe(worker: Beslisser, volgorde: Sequence[Batch]) -> None:
        for slice_ in volgorde:
            assert await beslis(worker, slice_) == [0]

    await asyncio.gather(doe(een, slices), doe(ander, slices[::-1]))
    gezien = [(e.kader.proceskenmerk, nummer) for e in await op.uitkomsten() for nummer in e.nummers]
    assert sorted(gezien) == sorted((s.kader.proceskenmerk, nummer) for s in slices for nummer in range(1, 5))
    assert set(await op.codes()) == {C.VERWERKT}


async def test_a_lost_answer_to_a_commit_is_looked_up_in_the_log(
    op: Opstelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    echt, keer = EigenPartitie.schrijf, iter([True, False, False])

    async def verliest_antwoord(
        self: EigenPartitie, records: Sequence[tuple[bytes, bytes]], mag: Callable[[], bool], naast: Any, logboek: Any
    ) -> list[int]:
        offsets = await echt(self, records, mag, naast, logboek)
        if next(keer):
            raise KafkaError("the answer was lost")
        return offsets

    monkeypatch.setattr(EigenPartitie, "schrijf", verliest_antwoord)
    assert await beslis(op.worker(), maak_slice(ids=["a", "b"])) == [0]
    assert await op.codes() == [C.VERWERKT, C.VERWERKT]


async def test_every_partition_that_was_opened_is_closed_in_the_end(
    op: Opstelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that cannot be opened must not leave another half open behind the back of the next attempt."""
    open_: list[EigenPartitie] = []
    struikel = iter([True])

    class Geteld(EigenPartitie):
        async def open(self, vanaf: int) -> list[Record]:
            open_.append(self)
            if self.partitie == 1 and next(struikel, False):
                raise KafkaError("not now")
            gelezen = await super().open(vanaf)
            await asyncio.sleep(0.3 if self.partitie == 0 else 0)
            return gelezen

        async def close(self) -> None:
            await super().close()
            if self in open_:
                open_.remove(self)

    monkeypatch.setattr(eigendom, "EigenPartitie", Geteld)
    worker = op.worker()
    assert sorted(await beslis(worker, maak_slice(), partities=(0, 1))) == [0, 1]
    await asyncio.sleep(0.5)
    await worker.stop()
    assert open_ == []
    assert (await op.codes(0), await op.codes(1)) == ([C.VERWERKT], [C.VERWERKT])


async def test_a_log_that_lost_what_clickhouse_saw_ends_the_worker(op: Opstelling) -> None:
    op.getoond.tot[0] = 5
    with pytest.raises(LogVerdwenen):
        await beslis(op.worker(), maak_slice())


async def test_an_unreadable_decision_is_no_decision(op: Opstelling) -> None:
    eigen = EigenPartitie(op.instellingen, "validatie", 0)
    await eigen.open(0)
    await eigen.schrijf([(b"k", b"rommel")])
    await eigen.close()
    assert await beslis(op.worker(), maak_slice()) == [0]
    records = await op.log()
    assert CODEC.lees_uitkomst(records[1].waarde).codes == [C.VERWERKT]


@regel("one for a slice, with leverancier, run and slice in its name", "writing it again changes nothing")
async def test_the_same_message_stored_twice_is_one_object(op: Opstelling) -> None:
    """Leverancier, run and slice in its name, so that writing it again changes nothing."""
    slice_ = maak_slice(ids=["a"])
    await beslis(op.worker(), slice_)
    await beslis(op.worker(), replace(slice_), partities=(0,), generatie=3)
    objecten = [pad for pad in (op.instellingen.data / "opslag" / "berichten").rglob("*") if pad.is_file()]
    assert len(objecten) == 1
    assert str(RUN) in str(objecten[0])
