"""Waiting without blocking, on a real broker: what an outage touches waits in `wacht`, and nobody else waits for it."""

import asyncio
import random
import time
from collections.abc import Collection
from uuid import UUID

import pytest

from agents import validate_gebruiker
from domain.batch import Batch, Kader
from domain.codes import Stadium, Verwerkingscode
from profielservice.gebruikers import Storing
from tests.integration.opstelling import Opstelling, beslis
from tests.regels import regel
from tests.slices import ANDERE_RUN, BSNS, RUN, T0, A, B, kader, maak_slice

pytestmark = pytest.mark.integration

C = Verwerkingscode
GEDULD_MS = 20 * 3_600_000


async def herkans(op: Opstelling, *, keren: int = 1) -> None:
    """Gives what waits its chance now, whatever pause it is in."""
    for _ in range(keren):
        for worker in op.workers[-1:]:
            for leverancier in (A, B):
                worker.eigendom.wek(leverancier)
            await op.herkansing(worker).kijk()


class Keurt:
    """A PDF check that has some verdicts and not others, over a store that lacks the bijlagen of some runs."""

    def __init__(self) -> None:
        self.klaar: dict[bytes, tuple[str, ...]] = {}
        self.zonder: set[UUID] = set()

    async def aanwezig(self, kader: Kader, sommen: Collection[bytes], hoogstens_s: float) -> set[bytes]:
        return set() if kader.proceskenmerk in self.zonder else {*sommen}

    async def oordelen(self, gevraagd: Collection[bytes], hoogstens_s: float) -> dict[bytes, tuple[str, ...]]:
        return {sha256: self.klaar[sha256] for sha256 in gevraagd if sha256 in self.klaar}


async def test_one_citizen_who_makes_the_service_fault_waits_alone(op: Opstelling) -> None:
    """Bisect the group, park the undecided messages in `wacht[p]` and go on."""
    op.profiel.storing = Storing(fout_bij_bsn=frozenset({BSNS[3]}))
    worker = op.worker()
    assert await beslis(worker, maak_slice(ids=list("abcdefghij"), bsns=BSNS[:10])) == [0]
    (een,) = await op.uitkomsten()
    assert een.nummers == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    ((sleutel, wachtend),) = (await op.wachtend()).items()
    assert sleutel == f"{RUN}/4".encode()
    assert isinstance(wachtend, Batch)
    assert wachtend.berichten.nummers == [4]


async def test_a_citizen_that_the_answer_leaves_out_is_a_fault_for_him_alone(op: Opstelling) -> None:
    """An answer that leaves a klant out counts as a fault for it."""
    op.profiel.storing = Storing(laat_weg_bsn=frozenset({BSNS[1], BSNS[2]}))
    assert await beslis(op.worker(), maak_slice(ids=list("abcd"), bsns=BSNS[:4])) == [0]
    (een,) = await op.uitkomsten()
    assert een.nummers == [1, 4]


@regel("it waits and is retried")
async def test_what_waits_is_decided_when_the_service_answers_again_and_then_deleted(op: Opstelling) -> None:
    """Delete from `wacht` only when the decision is visible in ClickHouse."""
    op.profiel.storing = Storing(fout_bij_bsn=frozenset({BSNS[1]}))
    worker = op.worker()
    await beslis(worker, maak_slice(ids=["a", "b"], bsns=BSNS[:2]))
    await herkans(op)
    assert await op.codes() == [C.VERWERKT]
    op.profiel.storing = Storing()
    await herkans(op, keren=2)
    assert await op.codes() == [C.VERWERKT, C.VERWERKT]
    assert None not in (await op.wachtend()).values()
    op.getoond.toon(0, await op.log())
    await herkans(op)
    assert await op.wachtend() == {f"{RUN}/2".encode(): None}
    assert worker.eigendom.wachtend == 0


@regel("without holding up other senders' messages")
async def test_a_leverancier_that_makes_the_service_fault_holds_up_nobody(op: Opstelling) -> None:
    """One OIN that makes it fault: nobody else waits, and not each of its slices costs a question."""
    op.profiel.storing = Storing(fout_bij_oin=frozenset({B}))
    worker = op.worker()
    van_b = [maak_slice(van=kader(run=UUID(int=i), leverancier=B, door=B)) for i in range(1, 9)]
    begin = time.monotonic()
    for slice_ in van_b:
        assert await beslis(worker, slice_) == [0]
    assert await beslis(worker, maak_slice()) == [0]
    assert time.monotonic() - begin < op.instellingen.pauze_s
    assert await op.codes() == [C.VERWERKT]
    assert worker.eigendom.wachtend == 8
    op.profiel.storing = Storing()
    await asyncio.sleep(1.1)  # until the fuse lets a question through
    await herkans(op, keren=2)
    assert await op.codes() == [C.VERWERKT] + [C.VERWERKT] + [C.BERICHT_BESTAAT_AL] * 7


async def test_a_service_that_is_away_for_all_is_waited_for_in_place_and_then_aside(op: Opstelling) -> None:
    """A service that is wholly away: pause."""
    op.profiel.storing = Storing(weg=True)
    worker = op.worker(pauze_s=3)
    taak = asyncio.create_task(beslis(worker, maak_slice()))
    await asyncio.wait([taak], timeout=0.3)
    assert not taak.done()
    assert await op.wachtend() == {}
    assert await taak == [0]
    assert list(await op.wachtend()) == [f"{RUN}/1".encode()]
    assert await op.codes() == []


async def test_a_slow_leverancier_is_not_waited_for_by_others(op: Opstelling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validate_gebruiker, "RESPIJT_S", 0.05)
    echt, los = op.profiel.mag_versturen, asyncio.Event()

    async def traag_voor_b(leverancier: str, berichttype: str, bsns: list[str]) -> dict[str, bool]:
        if leverancier == B:
            await los.wait()
        return await echt(leverancier, berichttype, bsns)

    monkeypatch.setattr(op.profiel, "mag_versturen", traag_voor_b)
    worker = op.worker()
    assert await beslis(worker, maak_slice(van=kader(run=ANDERE_RUN, leverancier=B, door=B)), maak_slice()) == [0]
    assert [een.kader.leverancier for een in await op.uitkomsten()] == [A]
    los.set()
    await herkans(op, keren=2)
    assert await op.codes() == [C.VERWERKT, C.VERWERKT]


async def test_the_owner_that_comes_after_finds_what_waits(op: Opstelling) -> None:
    op.profiel.storing = Storing(fout_bij_bsn=frozenset({BSNS[1]}))
    await beslis(op.worker(), maak_slice(ids=["a", "b"], bsns=BSNS[:2]))
    op.profiel.storing = Storing()
    nieuw = op.worker()
    await op.herkansing(nieuw).kijk()
    assert await op.codes() == [C.VERWERKT, C.VERWERKT]


async def test_a_slice_that_waits_is_not_looked_at_when_it_comes_again(op: Opstelling) -> None:
    op.profiel.storing = Storing(fout_bij_bsn=frozenset({BSNS[0]}))
    worker = op.worker()
    for _ in range(3):
        assert await beslis(worker, maak_slice()) == [0]
    assert await beslis(op.worker(), maak_slice()) == [0]
    assert len(await op.wachtend()) == 1
    assert await op.codes() == []


async def test_duplicates_are_looked_for_again_when_what_waited_is_decided(op: Opstelling) -> None:
    """Check for duplicates again when deciding."""
    op.profiel.storing = Storing(fout_bij_bsn=frozenset({BSNS[1]}))
    worker = op.worker()
    await beslis(worker, maak_slice(bsns=[BSNS[1]]))
    await beslis(worker, maak_slice(bsns=[BSNS[0]], van=kader(run=ANDERE_RUN)))
    op.profiel.storing = Storing()
    await herkans(op)
    assert [(een.kader.proceskenmerk, een.codes) for een in await op.uitkomsten()] == [
        (ANDERE_RUN, [C.VERWERKT]),
        (RUN, [C.BERICHT_BESTAAT_AL]),
    ]


@regel(
    "Only when it has waited so long that the norm would be broken", "default 20 hours after this delivery, a setting"
)
@pytest.mark.parametrize("storing", [Storing(weg=True), Storing(fout_bij_oin=frozenset({A}))], ids=["away", "fault"])
async def test_what_waits_too_long_is_a_problem_of_ours(op: Opstelling, storing: Storing) -> None:
    """Only when it has waited so long that the norm would be broken (default 20 hours after this delivery, a setting)
    does it become TechnischProbleem."""
    op.profiel.storing = storing
    await beslis(op.worker(pauze_s=0.1), maak_slice(ids=["a", "b"]))
    op.nu = T0 + GEDULD_MS - 1
    await herkans(op)
    assert await op.codes() == []
    op.nu = T0 + GEDULD_MS
    await herkans(op)
    (een,) = await op.uitkomsten()
    assert (een.codes, een.stadia) == ([C.TECHNISCH_PROBLEEM] * 2, [Stadium.VALIDATE_GEBRUIKER] * 2)


async def test_a_store_that_stays_away_too_long_is_a_problem_of_ours(op: Opstelling) -> None:
    """Same for the store with StoreMessage."""
    op.winkel.weg = True
    slice_ = maak_slice(ids=["a", "b"], types=["AANSLAG", "GEENTYPE"])
    assert await beslis(op.worker(pauze_s=0.1), slice_) == [0]
    assert await op.codes() == [C.BERICHTTYPE_NIET_ONDERSTEUND]
    op.nu = T0 + GEDULD_MS
    await herkans(op)
    een = (await op.uitkomsten())[-1]
    assert (een.codes, een.stadia, een.object) == ([C.TECHNISCH_PROBLEEM], [Stadium.STORE_MESSAGE], "")


async def test_answers_that_came_are_used_though_others_are_given_up(op: Opstelling) -> None:
    op.profiel.storing = Storing(fout_bij_bsn=frozenset({BSNS[1]}), weg=False)
    op.winkel.weg = True
    await beslis(op.worker(pauze_s=0.1), maak_slice(ids=["a", "b"], bsns=BSNS[:2]))
    op.winkel.weg, op.nu = False, T0 + GEDULD_MS
    await herkans(op)
    een = (await op.uitkomsten())[-1]
    assert (een.codes, een.stadia) == (
        [C.VERWERKT, C.TECHNISCH_PROBLEEM],
        [Stadium.NA, Stadium.VALIDATE_GEBRUIKER],
    )


async def test_a_slice_of_the_largest_kind_can_wait(op: Opstelling) -> None:
    """A slice is as large as its sender makes it; what `bericht` takes, `wacht` takes."""
    op.profiel.storing = Storing(fout_bij_oin=frozenset({A}))
    slice_ = maak_slice(ids=[str(i) for i in range(1000)], van=kader(totaal=1000))
    slice_.berichten.teksten = [random.Random(i).randbytes(2000).hex() for i in range(1000)]
    assert await beslis(op.worker(pauze_s=0.1), slice_) == [0]
    (wachtend,) = (await op.wachtend()).values()
    assert wachtend is not None
    assert wachtend.berichten.teksten == slice_.berichten.teksten


async def test_what_waits_beyond_the_limit_waits_in_place(op: Opstelling) -> None:
    """Memory stays bounded."""
    op.profiel.storing = Storing(fout_bij_oin=frozenset({A}))
    worker = op.worker(wacht_max=1)
    await beslis(worker, maak_slice())
    taak = asyncio.create_task(beslis(worker, maak_slice(van=kader(run=ANDERE_RUN))))
    await asyncio.wait([taak], timeout=0.5)
    assert not taak.done()
    op.profiel.storing = Storing()
    await asyncio.sleep(1.1)
    assert await asyncio.wait_for(taak, 30) == [0]


@regel("Problems with a bijlage are **warnings** (the message is Verwerkt, shown orange), except size")
async def test_a_bijlage_that_is_being_checked_makes_its_message_wait_and_no_other(op: Opstelling) -> None:
    op.keuring = keurt = Keurt()
    worker = op.worker()
    slice_ = maak_slice(ids=["a", "b"], bijlagen=[(0, 10)])
    assert await beslis(worker, slice_, maak_slice(ids=["c"], van=kader(run=ANDERE_RUN))) == [0]
    assert [een.nummers for een in await op.uitkomsten()] == [[2], [1]]
    keurt.klaar[bytes(32)] = ("PdfGeenPdfA",)
    await herkans(op)
    een = (await op.uitkomsten())[-1]
    assert (een.codes, een.waarschuwingen) == ([C.VERWERKT], [["PdfGeenPdfA"]])


async def test_a_message_whose_bijlage_is_not_there_waits_whatever_is_known_of_that_bijlage(op: Opstelling) -> None:
    """Another run delivered the same one, so there is a verdict; but nobody could show it with this message."""
    op.keuring = keurt = Keurt()
    keurt.klaar[bytes(32)] = ()
    keurt.zonder = {RUN}
    worker = op.worker()
    slices = [maak_slice(ids=["a", "b"], bijlagen=[(0, 10)])]
    slices.append(maak_slice(ids=["c"], van=kader(run=ANDERE_RUN), bijlagen=[(0, 10)]))
    assert await beslis(worker, *slices) == [0]
    assert [(een.kader.proceskenmerk, een.nummers) for een in await op.uitkomsten()] == [(RUN, [2]), (ANDERE_RUN, [1])]
    keurt.zonder = set()
    await herkans(op)
    een = (await op.uitkomsten())[-1]
    assert (een.kader.proceskenmerk, een.nummers, een.codes) == (RUN, [1], [C.VERWERKT])
