"""What the owner of a partition remembers: every decision, until ClickHouse shows it."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from agents.geheugen import Geheugen
from domain.beslissing import Uitkomst
from domain.codes import Stadium, Verwerkingscode
from tests.slices import ANDERE_RUN, RUN, A, B, guid, kader


def uitkomst(run: UUID, leverancier: str, *berichten: tuple[int, str, bool]) -> Uitkomst:
    """Decisions on messages: number, BerichtID, whether placed."""
    codes = [
        Verwerkingscode.VERWERKT if goed else Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD for _, _, goed in berichten
    ]
    return Uitkomst(
        kader=kader(run=run, leverancier=leverancier),
        verwerkt_op=1,
        nummers=[nummer for nummer, _, _ in berichten],
        bericht_ids=b"".join(guid(naam) for _, naam, _ in berichten),
        codes=codes,
        stadia=[Stadium.NA] * len(berichten),
    )


def test_an_empty_memory_knows_nothing() -> None:
    geheugen = Geheugen()
    geheugen.vergeet(10)
    assert len(geheugen) == 0
    assert not geheugen.nummers(RUN)
    assert not geheugen.verwerkt(A)


def test_it_knows_decided_numbers_by_run_and_placed_messages_by_leverancier() -> None:
    geheugen = Geheugen()
    geheugen.onthoud(0, uitkomst(RUN, A, (1, "a", True), (2, "b", False)))
    assert set(geheugen.nummers(RUN)) == {1, 2}
    assert set(geheugen.verwerkt(A)) == {guid("a")}
    assert not geheugen.nummers(ANDERE_RUN)
    assert not geheugen.verwerkt(B)


def test_it_forgets_what_stands_below_the_progress_and_nothing_else() -> None:
    """The progress is the offset of the first record that is not in ClickHouse yet."""
    geheugen = Geheugen()
    geheugen.onthoud(3, uitkomst(RUN, A, (1, "a", True)))
    geheugen.onthoud(4, uitkomst(RUN, A, (2, "b", True)))
    geheugen.vergeet(3)
    assert len(geheugen) == 2
    geheugen.vergeet(4)
    assert set(geheugen.nummers(RUN)) == {2}
    assert set(geheugen.verwerkt(A)) == {guid("b")}
    geheugen.vergeet(4)
    assert len(geheugen) == 1
    geheugen.vergeet(5)
    assert len(geheugen) == 0


def test_a_leverancier_whose_messages_were_all_forgotten_can_come_back() -> None:
    geheugen = Geheugen()
    for offset in range(3):
        geheugen.onthoud(offset, uitkomst(RUN, A, (offset, f"{offset}", True)))
        geheugen.vergeet(offset + 1)
    geheugen.onthoud(9, uitkomst(ANDERE_RUN, A, (1, "x", True)))
    assert set(geheugen.verwerkt(A)) == {guid("x")}


@given(
    st.lists(st.tuples(st.sampled_from([RUN, ANDERE_RUN]), st.sampled_from([A, B]), st.integers(1, 4), st.booleans())),
    st.lists(st.integers(0, 30)),
)
def test_it_holds_exactly_the_decisions_from_the_progress_on(
    rij: list[tuple[UUID, str, int, bool]], voortgang: list[int]
) -> None:
    """Decided once, placed once: as the log has it, no number and no BerichtID of a leverancier comes twice."""
    geheugen, log, nummer = Geheugen(), [], 0
    for offset, (run, leverancier, aantal, goed) in enumerate(rij):
        een = uitkomst(run, leverancier, *((nummer + i, f"{nummer + i}", goed) for i in range(aantal)))
        nummer += aantal
        log.append((offset, een))
        geheugen.onthoud(offset, een)
    tot = 0
    for volgende in [0, *voortgang]:
        geheugen.vergeet(volgende)
        tot = max(tot, volgende)
        over = [een for offset, een in log if offset >= tot]
        assert len(geheugen) == sum(map(len, over))
        for run in (RUN, ANDERE_RUN):
            assert set(geheugen.nummers(run)) == {
                n for een in over if een.kader.proceskenmerk == run for n in een.nummers
            }
        for leverancier in (A, B):
            assert set(geheugen.verwerkt(leverancier)) == {
                een.bericht_id(i) for een in over if een.kader.leverancier == leverancier for i in een.verwerkt()
            }
