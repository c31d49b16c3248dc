"""What the chaos suite's own check sees: it must fail where something is lost, doubled or wrong."""

from collections.abc import Sequence
from uuid import UUID

import pytest

from avro.codec import Codec
from domain.batch import Kader
from domain.beslissing import Uitkomst
from domain.codes import Stadium, Verwerkingscode
from tests.chaos.controle import Bevinding, in_het_log
from tests.integration.lijn.logboek import Record
from tests.model.model import Bericht, Levering, Model, Run

OIN, BATCH = "00000099000000001000", UUID(int=9)
GOED, NIEMAND = "999990019", "999990020"
EEN, TWEE = UUID(int=1), UUID(int=2)
"""Runs over the same batch."""
A, B = UUID(int=10), UUID(int=11)
"""BerichtIDs: the batch holds A for nobody, A again for somebody, and B."""
V, DUBBEL, NIET = (
    Verwerkingscode.VERWERKT,
    Verwerkingscode.BERICHT_BESTAAT_AL,
    Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD,
)
Regel = tuple[UUID, int, UUID, Verwerkingscode]
GOEDE = [
    (EEN, 1, A, NIET),
    (EEN, 2, A, V),
    (EEN, 3, B, V),
    (TWEE, 1, A, DUBBEL),
    (TWEE, 2, A, DUBBEL),
    (TWEE, 3, B, DUBBEL),
]


def bevind(regels: Sequence[Regel], partities: Sequence[int] | None = None) -> Bevinding:
    """What is found when the log holds these decisions, in this order, a record each."""
    berichten = tuple(
        Bericht(str(BATCH), str(bericht_id), "BRIEF", wie) for bericht_id, wie in ((A, NIEMAND), (A, GOED), (B, GOED))
    )
    levering = Levering(OIN, None, str(BATCH), 1_000, 1_000, berichten)
    model = Model({OIN: set()}, {(OIN, "BRIEF"): "Actief"}, {GOED: (True, None), NIEMAND: (True, set())})
    runs = {run: Run(levering) for run in (EEN, TWEE)}
    codec, records = Codec(), []
    for offset, (run, nummer, bericht_id, code) in enumerate(regels):
        uitkomst = Uitkomst(
            Kader(run, BATCH, OIN, OIN, 1_000, 1_000, 3),
            2_000,
            [nummer],
            bericht_id.bytes,
            ["BRIEF"],
            [code],
            [Stadium.VALIDATE_GEBRUIKER if code is NIET else Stadium.NA],
            [""],
            [0],
            [[]],
            [[]],
            [""],
        )
        partitie = partities[offset] if partities else 0
        records.append(Record("validatie", partitie, offset, None, [], codec.schrijf_uitkomst(uitkomst), 2_000))
    bevinding = Bevinding()
    in_het_log(records, model, runs, bevinding)
    return bevinding


def test_what_the_model_gives_is_good_whichever_run_comes_first() -> None:
    assert bevind(GOEDE).goed
    andersom = {EEN: TWEE, TWEE: EEN}
    assert bevind([(andersom[run], *rest) for run, *rest in GOEDE]).goed  # type: ignore[misc]


def test_a_part_that_waited_may_come_after_the_other_run() -> None:
    assert bevind(
        [
            *((EEN, 1, A, NIET), (TWEE, 1, A, NIET), (TWEE, 2, A, V), (TWEE, 3, B, V)),
            *((EEN, 2, A, DUBBEL), (EEN, 3, B, DUBBEL)),
        ]
    ).goed


@pytest.mark.parametrize(
    ("soort", "regels"),
    [
        ("verloren", GOEDE[:-1]),
        ("dubbel", [*GOEDE, GOEDE[0]]),
        ("fout", [*GOEDE, (UUID(int=3), 1, A, V)]),
        ("fout", [*GOEDE[:3], (TWEE, 1, A, V), *GOEDE[4:]]),
        ("fout", [*GOEDE[3:], *GOEDE[:3]]),
        ("fout", [GOEDE[1], GOEDE[0], *GOEDE[2:]]),
        ("fout", [(EEN, 1, A, V), (EEN, 2, A, DUBBEL), *GOEDE[2:]]),
        ("fout", [(EEN, 1, B, NIET), *GOEDE[1:]]),
    ],
    ids=[
        "a message has no decision",
        "a message is decided twice",
        "a run that nobody sent",
        "placed by two runs",
        "already there before it was placed",
        "not in the order of the file",
        "another code",
        "another BerichtID",
    ],
)
def test_what_is_not_right_is_seen(soort: str, regels: list[Regel]) -> None:
    bevinding = bevind(regels)
    assert not bevinding.goed
    assert getattr(bevinding, soort)


def test_equal_berichtids_in_two_partitions_are_seen() -> None:
    assert bevind(GOEDE, [0, 0, 0, 0, 1, 0]).fout
