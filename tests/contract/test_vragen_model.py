"""Random deliveries against a small model of the rules, in memory (Domain: Resends)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest
from clickhouse_tafel import ONLEESBAAR, T0, UUR, Run, Tafel, clickhouse, tafel
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.tijd import schrijf_tijd
from sinks.vragen import Filter
from tests.regels import regel

pytestmark = pytest.mark.integration

IDS = [ONLEESBAAR, *(UUID(int=n) for n in range(1, 5))]
FOUT, OPEN = "NietActiefOfGeabonneerd", "-"


@dataclass
class Getoond:
    """A message as it must be shown."""

    code: str
    waarschuwing: bool
    verwerkt_op: int | None


@dataclass
class Model:
    """What was delivered and decided, run by run, in order of arrival."""

    runs: list[Run]
    besloten: dict[tuple[UUID, int], Getoond] = field(default_factory=dict)

    def uitkomst(self, run: Run, nummer: int) -> Getoond:
        return self.besloten.get((run.proceskenmerk, nummer), Getoond(OPEN, False, None))

    def plaatsen(self, run: Run, bericht_id: UUID) -> list[int]:
        return [nummer for nummer, een in enumerate(run.ids, 1) if een == bericht_id]

    def getoond(self, runs: list[Run]) -> list[Getoond]:
        """The messages of one batch, given its runs."""
        berichten = []
        for bericht_id in {een for run in runs for een in run.ids}:
            met_id = [run for run in runs if bericht_id in run.ids]
            if bericht_id == ONLEESBAAR:
                met_id = met_id[-1:] if met_id[-1] is runs[-1] else []
            if not met_id:
                continue
            laatste = [self.uitkomst(met_id[-1], nummer) for nummer in self.plaatsen(met_id[-1], bericht_id)]
            verwerkt = [
                self.uitkomst(run, nummer)
                for run in met_id
                for nummer in self.plaatsen(run, bericht_id)
                if self.uitkomst(run, nummer).code == "Verwerkt"
            ]
            if verwerkt and verwerkt[0] not in laatste:
                laatste[0] = verwerkt[0]
            berichten += laatste
        return berichten

    def batches(self) -> dict[tuple[str, UUID], list[Run]]:
        per_batch: dict[tuple[str, UUID], list[Run]] = {}
        for run in self.runs:
            per_batch.setdefault((run.leverancier, run.batch_id), []).append(run)
        return per_batch


def telling(berichten: list[Getoond]) -> dict[str, int]:
    return {
        "verwerkt": sum(een.code == "Verwerkt" for een in berichten),
        "waarschuwing": sum(een.waarschuwing for een in berichten),
        "niet_verwerkt": sum(een.code == FOUT for een in berichten),
        "in_behandeling": sum(een.code == OPEN for een in berichten),
    }


def tel(t: Tafel, model: Model) -> None:
    """Counts as if every run were answered, also those that are not decided."""
    for run in model.runs:
        t.beantwoord(run)
    t.vragen.tel_batches()


levering = st.tuples(
    st.integers(0, 1),  # leverancier
    st.integers(0, 1),  # batch
    st.integers(0, 3),  # hours after the first
    st.lists(
        st.tuples(st.sampled_from(IDS), st.sampled_from([OPEN, FOUT, FOUT, "Verwerkt", "Verwerkt"]), st.booleans()),
        min_size=1,
        max_size=5,
    ),
)


@pytest.fixture(scope="module")
def t(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tafel]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as url, tafel(url) as een:
        yield een


@regel(
    "a message's outcome is its Verwerkt from whichever run gave it, else that of the latest run",
    "never counts a message twice",
    "a resend never turns green into red",
    "In Totalen 'Verwerkt' is green plus orange",
    "`ontvangen_op` (ontvangstdatum, shown and filtered on) stays that of the first receipt",
    "period by ontvangstdatum or by verwerkingsdatum (from and to, with time)",
    "Berichtverwerking (chapter 7) and Totalen (chapter 8) as the seed describes them",
)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    leveringen=st.lists(levering, min_size=1, max_size=5),
    dubbel=st.booleans(),
    op_verwerking=st.booleans(),
    tel_na=st.sets(st.integers(0, 4)),
    beslis_later=st.booleans(),
)
def test_totalen_and_berichtverwerking_follow_the_rules(
    t: Tafel,
    leveringen: list[tuple[int, int, int, list[tuple[UUID, str, bool]]]],
    dubbel: bool,
    op_verwerking: bool,
    tel_na: set[int],
    beslis_later: bool,
) -> None:
    """`tel_na`: after which deliveries all is counted that can be; `beslis_later`: in the end nothing is open."""
    leveranciers = sorted(uuid4().hex[:20] for _ in range(2))
    batch_ids = [uuid4() for _ in range(2)]
    model = Model([])
    geplaatst: set[tuple[str, UUID]] = set()
    for rijen in t.rijen.values():
        rijen.clear()
    for plaats, (leverancier, batch, uren, berichten) in enumerate(leveringen):
        with t.samen():
            ids = [een for een, _, _ in berichten]
            run = t.lever(ids, T0 + uren * UUR, batch_ids[batch], leveranciers[leverancier])
            model.runs.append(run)
            for nummer, (bericht_id, code, waarschuwing) in enumerate(berichten, 1):
                if code == "Verwerkt" and (bericht_id == ONLEESBAAR or (run.leverancier, bericht_id) in geplaatst):
                    code = FOUT
                if code == OPEN:
                    continue
                if code == "Verwerkt":
                    geplaatst.add((run.leverancier, bericht_id))
                verwerkt_op = run.aangeleverd_op + 10 * UUR + len(model.besloten)
                codes = ["GeenTags"] if waarschuwing and code == "Verwerkt" else []
                t.beslis(run, nummer, code, verwerkt_op, waarschuwingen=codes)
                model.besloten[run.proceskenmerk, nummer] = Getoond(code, bool(codes), verwerkt_op)
        if plaats in tel_na:
            tel(t, model)
    if beslis_later:
        with t.samen():
            for run in model.runs:
                for nummer in range(1, len(run.ids) + 1):
                    if (run.proceskenmerk, nummer) not in model.besloten:
                        t.beslis(run, nummer, FOUT, run.aangeleverd_op + 11 * UUR)
                        model.besloten[run.proceskenmerk, nummer] = Getoond(FOUT, False, run.aangeleverd_op + 11 * UUR)
        if tel_na:
            tel(t, model)
    if dubbel:
        for tabel, rijen in t.rijen.items():
            if rijen:
                t.voeg_in(tabel, rijen[::-1])

    for leverancier in leveranciers:
        verwacht = {
            str(batch_id): model.getoond(runs)
            for (van, batch_id), runs in model.batches().items()
            if van == leverancier
        }
        gezien = t.batches(leverancier=leverancier)
        assert {rij["batch_id"] for rij in gezien} == verwacht.keys()
        for rij in gezien:
            berichten_ = verwacht[rij["batch_id"]]
            runs_ = model.batches()[leverancier, UUID(rij["batch_id"])]
            assert {naam: rij[naam] for naam in telling(berichten_)} == telling(berichten_)
            assert rij["totaal"] == len(berichten_)
            assert rij["ontvangen_op"] == schrijf_tijd(min(run.aangeleverd_op for run in runs_))
            assert rij["proceskenmerk"] == str(runs_[-1].proceskenmerk)
            assert rij["afgerond"] == (telling(berichten_)["in_behandeling"] == 0)
            tijden = [een.verwerkt_op for een in berichten_ if een.verwerkt_op is not None]
            assert rij["verwerkt_op"] == (schrijf_tijd(max(tijden)) if rij["afgerond"] else None)
        van, tot = T0 + 10 * UUR, T0 + 12 * UUR
        totalen = t.vragen.totalen("verwerking", van, tot) if op_verwerking else t.vragen.totalen()
        mee = [
            [een for een in berichten_ if not op_verwerking or van <= (een.verwerkt_op or 0) < tot]
            for berichten_ in verwacht.values()
        ]
        alle = [een for berichten_ in mee for een in berichten_]
        rijen_ = [rij for rij in totalen if rij["leverancier"] == leverancier]
        assert rijen_ == (
            [
                {
                    "leverancier": leverancier,
                    "batches": sum(bool(berichten_) for berichten_ in mee),
                    "berichten": len(alle),
                    **telling(alle),
                }
            ]
            if alle
            else []
        )
        fouten = t.vragen.fouten(Filter(leverancier=leverancier))
        assert sum(rij["aantal"] for rij in fouten) == sum(
            telling(berichten_)["niet_verwerkt"] for berichten_ in verwacht.values()
        )
