"""What waits in one partition: who may be tried, in which order, and when its messages can be deleted."""

import time
from collections.abc import Callable, Collection
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from agents.beslisser import Beslisser
from agents.eigendom import Eigen, Eigendom
from agents.herkansing import Herkansing
from agents.wachtkamer import Wachtkamer, sleutel_van
from avro.codec import Codec
from domain.batch import Batch
from domain.tijd import UUR_MS
from sinks.vragen import Vragen
from streams.fence import EigenPartitie
from streams.settings import Instellingen
from tests.regels import regel
from tests.slices import ANDERE_RUN, RUN, T0, A, B, kader, maak_slice

GEDULD_MS = 20 * UUR_MS


def slice_van(run: UUID, leverancier: str = A, aangeleverd_op: int = T0) -> Batch:
    return maak_slice(van=kader(run=run, leverancier=leverancier, aangeleverd_op=aangeleverd_op))


def zet(
    kamer: Wachtkamer, run: UUID, offset: int = 0, leverancier: str = A, aangeleverd_op: int = T0, sinds: int = T0
) -> bytes:
    slice_ = slice_van(run, leverancier, aangeleverd_op)
    kamer.zet(slice_, offset, sleutel_van(slice_), sinds)
    return sleutel_van(slice_)


def runs(
    kamer: Wachtkamer,
    nu: float = 0.0,
    op_te_geven: Collection[UUID] = (),
    mag: Callable[[str], bool] = lambda _: True,
) -> list[UUID]:
    return [run for _, _, run in sorted(kamer.aan_de_beurt(nu, op_te_geven, mag))]


def test_of_two_records_of_one_run_the_later_one_counts() -> None:
    kamer = Wachtkamer()
    zet(kamer, RUN, 3)
    zet(kamer, RUN, 7)
    assert [offset for _, offset, _ in kamer.aan_de_beurt(0.0, (), lambda _: True)] == [7]
    assert len(kamer) == 1
    assert RUN in kamer
    assert ANDERE_RUN not in kamer


def test_a_deletion_takes_what_waited_under_that_key_and_nothing_else() -> None:
    kamer = Wachtkamer()
    sleutel = zet(kamer, RUN)
    zet(kamer, ANDERE_RUN)
    for vreemd in (f"{RUN}/9".encode(), b"", b"\xff\xfe", b"geen/1", str(RUN).encode()):
        kamer.verwijder(vreemd)
    assert len(kamer) == 2
    kamer.verwijder(sleutel)
    assert set(kamer.runs()) == {ANDERE_RUN}


def test_as_many_deletions_as_slices_do_not_look_at_every_slice_each() -> None:
    """Opening a partition goes through all its records, while nothing is decided."""
    kamer, gekeken = Wachtkamer(), 0

    class Telt(dict[UUID, Any]):
        def items(self) -> Any:
            nonlocal gekeken
            gekeken += len(self)
            return super().items()

        def __iter__(self) -> Any:
            nonlocal gekeken
            gekeken += len(self)
            return super().__iter__()

    kamer._wachtenden = Telt()
    sleutels = [zet(kamer, UUID(int=i)) for i in range(1, 501)]
    for sleutel in sleutels:
        kamer.verwijder(sleutel)
    assert len(kamer) == 0
    assert gekeken < 5000


@regel("it waits and is retried")
def test_what_failed_is_tried_later_and_later_a_minute_at_most() -> None:
    kamer, nu, pauzes = Wachtkamer(), 100.0, []
    zet(kamer, RUN)
    for _ in range(8):
        assert runs(kamer, nu) == [RUN]
        kamer.stel_uit(RUN, nu)
        pauze = next(s for s in range(200) if runs(kamer, nu + s))
        pauzes.append(pauze)
        nu += pauze
    assert pauzes == [1, 2, 5, 10, 30, 60, 60, 60]
    kamer.stel_uit(RUN, nu)
    kamer.wek(B)
    assert runs(kamer, nu) == []
    kamer.wek(A)
    assert runs(kamer, nu) == [RUN]
    kamer.stel_uit(RUN, nu)
    assert runs(kamer, nu + 1) == [RUN]


@regel("without holding up other senders' messages")
def test_who_may_not_be_asked_about_lets_others_pass_until_it_is_given_up() -> None:
    kamer = Wachtkamer()
    zet(kamer, RUN, 0, B)
    zet(kamer, ANDERE_RUN, 1, A)
    mag = {A: True, B: False}.__getitem__
    assert runs(kamer, mag=mag) == [ANDERE_RUN]
    assert runs(kamer, mag=mag, op_te_geven=[RUN]) == [RUN, ANDERE_RUN]


@regel(
    "Only when it has waited so long that the norm would be broken",
    "default 20 hours after this delivery, a setting",
    "the norm, the 20 hours and the 13 days are measured from this run's `aangeleverd_op`",
)
def test_it_is_given_up_so_long_after_delivery_and_not_before_it_was_tried_for_a_while() -> None:
    assert Instellingen().geduld_s * 1000 == GEDULD_MS
    kamer = Wachtkamer()
    zet(kamer, RUN, aangeleverd_op=T0, sinds=T0)
    zet(kamer, ANDERE_RUN, aangeleverd_op=T0, sinds=T0 + 30 * UUR_MS)  # all was down, so it came late
    assert set(kamer.op_te_geven(T0 + GEDULD_MS - 1, GEDULD_MS)) == set()
    assert set(kamer.op_te_geven(T0 + GEDULD_MS, GEDULD_MS)) == {RUN}
    assert set(kamer.op_te_geven(T0 + 31 * UUR_MS - 1, GEDULD_MS)) == {RUN}
    assert set(kamer.op_te_geven(T0 + 31 * UUR_MS, GEDULD_MS)) == {RUN, ANDERE_RUN}


def test_its_messages_can_go_when_clickhouse_shows_all_decisions_and_it_is_not_tried_meanwhile() -> None:
    kamer = Wachtkamer()
    sleutel = zet(kamer, RUN)
    zet(kamer, ANDERE_RUN, 1)
    assert not kamer.heeft_besloten()
    kamer.klaar(RUN, 12)
    assert kamer.heeft_besloten()
    assert RUN in kamer, "offered again it need not be looked at"
    assert runs(kamer) == [ANDERE_RUN]
    assert kamer.te_wissen(11) == []
    assert kamer.te_wissen(12) == [sleutel]
    kamer.verwijder(sleutel)
    assert not kamer.heeft_besloten()


def test_a_run_that_is_forgotten_waits_no_more() -> None:
    kamer = Wachtkamer()
    zet(kamer, RUN)
    for _ in range(2):
        kamer.vergeet(RUN)
    assert RUN not in kamer


# -- all partitions of a worker


class Wereld:
    """A worker's property that was opened without a broker."""

    def __init__(self, partities: int, slices_per_keer: int = 4) -> None:
        instellingen = Instellingen(slices_per_keer=slices_per_keer)
        self.eigendom = Eigendom(instellingen, Codec(), cast(Vragen, None), "topic")
        for partitie in range(partities):
            self.open(partitie)

    def open(self, partitie: int) -> Eigen:
        dicht = cast(EigenPartitie, SimpleNamespace(partitie=partitie, close=self._sluit))
        self.eigendom._eigen[partitie] = Eigen(dicht, 1)
        return self.eigendom[partitie]

    async def _sluit(self) -> None:
        pass


@regel("without holding up other senders' messages")
def test_no_partition_starves_behind_one_where_more_waits_than_can_be_tried() -> None:
    """Whatever fails again and again comes after what was not tried yet, in whichever partition that stands."""
    wereld, nu = Wereld(partities=3), 1000.0
    for partitie in range(3):
        for i in range(60):
            zet(wereld.eigendom[partitie].wachtkamer, UUID(int=partitie * 100 + i + 1), i)
    geprobeerd: set[tuple[int, UUID]] = set()
    for _ in range(3 * 60 // 4):
        gekozen = wereld.eigendom.aan_de_beurt(nu, (), lambda _: True)
        assert sum(map(len, gekozen.values())) == 4
        for partitie, offsets in gekozen.items():
            for run in offsets:
                geprobeerd.add((partitie, run))
                wereld.eigendom[partitie].wachtkamer.stel_uit(run, nu)
        nu += 10.0  # so that all that was tried before is due again
    assert len(geprobeerd) == 3 * 60


async def test_a_partition_that_was_opened_during_a_look_waits_for_the_next_one() -> None:
    """A rebalance can bring it while `kijk` waits for its turn: then it does not know its generation yet."""
    wereld = Wereld(partities=1)
    eerder = wereld.eigendom.alle()
    kamer = wereld.open(1).wachtkamer
    zet(kamer, RUN)
    zet(wereld.eigendom[0].wachtkamer, ANDERE_RUN)

    async def neem(_: object) -> Any:
        return eerder

    wereld.eigendom.neem = neem  # type: ignore[method-assign]
    beslisser = SimpleNamespace(
        eigendom=wereld.eigendom,
        herkansbaar=lambda: wereld.eigendom.aan_de_beurt(time.monotonic(), (), lambda _: True),
    )
    herkansing = Herkansing(Instellingen(), Codec(), cast(Beslisser, beslisser), lambda: {0: 1})
    geprobeerd: list[int] = []

    async def probeer(_generaties: object, _eigen: object, runs: dict[int, object]) -> bool:
        geprobeerd.extend(runs)
        return True

    herkansing._probeer = probeer  # type: ignore[assignment,method-assign]
    assert await herkansing.kijk()
    assert geprobeerd == [0]
