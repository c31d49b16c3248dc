"""The bench of questions: its histories are what the sink leaves, and every question is put to each of them."""

from collections.abc import Iterator
from itertools import product
from random import Random

import pytest
from rich.progress import Progress

from bench.historie import Historie, maak
from bench.maten import KLEIN
from bench.meting import DOELEN
from bench.toneel import BenchFout
from bench.vragen import BATCH, DAG, DRUK, OPZOEKEN, RUST, SLA, TOTALEN, meet, meet_over
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.vragen import Filter, Vragen

pytestmark = pytest.mark.integration


@pytest.fixture
def historie(clickhouse: EmbeddedClickHouse) -> Iterator[Historie]:
    een = maak(clickhouse.url, 120_000)
    yield een
    een.client.command(f"DROP DATABASE {een.client.database}")
    een.client.close()


def test_a_history_is_what_the_sink_leaves_and_every_question_is_put_to_it(historie: Historie) -> None:
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

    deel = meet_over([historie], 1, KLEIN, Progress(disable=True))
    ongeteld = "FROM eerste_runs WHERE proceskenmerk NOT IN (SELECT arrayJoin(runs) FROM tellingen)"
    assert historie.client.command(f"SELECT count() {ongeteld}") == 0, "the next round is at rest again"
    assert deel.naam == "vragen"
    assert deel.ratios.keys() == {"totalen_p95_ms", "batch_p95_ms"} <= DOELEN.keys()
    metingen = {meting.naam: meting for meting in deel.metingen}
    assert len(metingen) == len(deel.metingen)
    for vraag, moment, wat in product((*TOTALEN, DAG, BATCH, SLA, OPZOEKEN), (RUST, DRUK), ("p50", "p95")):
        assert metingen[f"{vraag}, 0.12M, {moment}, {wat}"].eenheid == "ms"
    assert all(len(meting.waarden) == 1 and meting.waarden[0] > 0 for meting in deel.metingen), metingen


def test_a_history_for_which_there_is_no_room_is_not_begun() -> None:
    with pytest.raises(BenchFout, match="set TMPDIR to another folder"):
        meet(1, KLEIN.met([f"vragen_langste={10**15}"]))
