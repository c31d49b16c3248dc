"""The bench of questions: its histories are what the sink leaves, and every question is put to each of them."""

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest

from bench.historie import Historie, maak
from bench.meting import DOELEN
from bench.vragen import KLEIN, SLICES, TOTALEN, meet
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.vragen import Filter, Vragen

pytestmark = pytest.mark.integration


@pytest.fixture
def historie(clickhouse: EmbeddedClickHouse) -> Iterator[Historie]:
    een = maak(clickhouse.url, 120_000)
    yield een
    een.client.command(f"DROP DATABASE {een.client.database}")
    een.client.close()


def test_a_history_is_what_the_sink_leaves(historie: Historie) -> None:
    vragen = Vragen(historie.client)
    assert vragen.open_runs() == []
    runs, _ = vragen.berichtverwerking(Filter(runs=True))
    batches, _ = vragen.berichtverwerking()
    assert (len(runs), len(batches)) == (122, 120), "two of them were delivered twice"
    assert all(rij["afgerond"] for rij in (*runs, *batches))
    totalen = vragen.totalen()
    assert {naam: sum(rij[naam] for rij in totalen) for naam in historie.verwacht()} == historie.verwacht()
    assert sum(rij["berichten"] for rij in vragen.sla(historie.begin)) == historie.berichten
    assert len({rij["code"] for rij in vragen.fouten()}) == 9, "every code but Verwerkt"
    gevraagd = historie.geplaatst(50, Random(1))
    assert {rij[:2] for rij in vragen.bekend(gevraagd)} == {een[:2] for een in gevraagd}
    bewaard = {naam: vragen.resultaat(historie.batch_id(Random(naam))) for naam in range(3)}
    assert all(resultaat is not None and len(resultaat.codes) == 1000 for resultaat in bewaard.values())


def test_every_question_is_put_to_every_history() -> None:
    deel = meet(1, True)
    assert deel.naam == "vragen"
    assert deel.ratios.keys() == {"totalen_p95_ms", "batch_p95_ms"} <= DOELEN.keys()
    metingen = {meting.naam: meting for meting in deel.metingen}
    assert len(metingen) == len(deel.metingen)
    namen = [f"{grootte / 1e6:g}M" for grootte in KLEIN]
    vragen = (*TOTALEN, "berichtverwerking of a day", "one batch", "sla", *(f"look-up of {n}" for n in SLICES))
    wanneer = ("at rest", "while the sink writes")
    for vraag, naam, moment, wat in product(vragen, namen, wanneer, ("p50", "p95")):
        assert metingen[f"{vraag}, {naam}, {moment}, {wat}"].eenheid == "ms"
    assert all(len(meting.waarden) == 1 and meting.waarden[0] > 0 for meting in deel.metingen), metingen
