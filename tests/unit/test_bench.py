"""The bench's own sums: sizes, medians, targets, and what is told when a part or a contestant fails."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import bench.__main__ as hoofd
from bench import lijn, schaal
from bench.deelnemers import Deelnemer, Peer
from bench.maten import GROOT, KLEIN, Maten
from bench.meting import DOELEN, Deel, Meting, als_resultaat
from bench.toneel import BenchFout
from bench.werk import Werk, burgers

NAMEN = {
    *("line_vs_confluent", "line_vs_aiokafka", "line_vs_best_framework", "line_vs_idiomatic_faust"),
    *("two_workers_cpu_vs_one", "xml_vs_bare", "xml_with_bijlagen_vs_bare", "pdf_vs_pikepdf_open", "totalen_p95_ms"),
    *("batch_p95_ms", "latency_p99_s", "worker_rss_mb", "cpu_s_per_million"),
}


def argumenten(naar: Path, *delen: str) -> Any:
    return SimpleNamespace(delen=list(delen), keer=2, maten=KLEIN, naar=naar)


@pytest.fixture
def zonder_seinen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests keep their own Ctrl-C."""
    monkeypatch.setattr(hoofd, "_SEINEN", ())


def test_a_size_is_changed_by_its_name_and_nothing_else_is_taken() -> None:
    assert GROOT.met(["lijn_berichten=5", "pdf_bestanden=7"]) == Maten(lijn_berichten=5, pdf_bestanden=7)
    for woord in ("geen=1", "lijn_berichten", "lijn_berichten=", "lijn_berichten=0", "lijn_berichten=-1"):
        with pytest.raises(ValueError, match=r"size|number"):
            GROOT.met([woord])
    assert "lijn_berichten=400000: messages" in GROOT.beschrijf()


def test_results_have_medians_spread_targets_and_every_single_value() -> None:
    deel = Deel("pdf", [Meting("x", "MB", [3, 1, 2])], {"worker_rss_mb": [410, 390, 380]}, ["note"], {"peer": "away"})
    resultaat = json.loads(json.dumps(als_resultaat([deel], "now", KLEIN)))
    assert resultaat["ratios"] == {"worker_rss_mb": 390}
    assert resultaat["spread"] == {"worker_rss_mb": [380, 410]}
    assert resultaat["targets"]["worker_rss_mb"] == {"target": "≤ 400", "met": True}
    assert resultaat["targets"]["line_vs_confluent"] == {"target": "≥ 2", "met": None}
    assert resultaat["failed"] == {"pdf: peer": "away"}
    assert resultaat["runs"]["measurements"]["pdf"]["figures"] == [{"name": "x", "unit": "MB", "values": [3, 1, 2]}]
    assert resultaat["runs"]["measurements"]["pdf"]["ratios"] == {"worker_rss_mb": [410, 390, 380]}
    assert {"cores", "memory_mb"} <= resultaat["runs"]["machine"].keys()
    assert resultaat["runs"]["versions"]["clickhouse-connect"][0].isdigit()
    assert resultaat["runs"]["versions"]["kafka"][0].isdigit()


def test_every_target_belongs_to_a_name_of_the_results() -> None:
    assert DOELEN.keys() <= NAMEN


@pytest.mark.usefixtures("zonder_seinen")
def test_a_part_that_fails_is_told_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def kapot(keer: int, maten: Maten) -> Deel:
        raise BenchFout("no room")

    def goed(keer: int, maten: Maten) -> Deel:
        assert (keer, maten) == (2, KLEIN)
        return Deel("pdf", [Meting("files", "files/s", [1, 2])], {"pdf_vs_pikepdf_open": [1, 2]})

    monkeypatch.setitem(sys.modules, "bench.vragen", SimpleNamespace(meet=kapot))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "bench.pdf", SimpleNamespace(meet=goed))  # type: ignore[arg-type]
    assert hoofd.meet(argumenten(tmp_path / "r.json", "vragen", "pdf")) == 1
    resultaat = json.loads((tmp_path / "r.json").read_text())
    assert resultaat["ratios"] == {"pdf_vs_pikepdf_open": 1.5}
    gezegd = capsys.readouterr()
    assert "NOT measured: vragen: the whole part: BenchFout: no room" in gezegd.err
    assert gezegd.out.count("pdf_vs_pikepdf_open") == 1
    assert hoofd.meet(argumenten(tmp_path / "r.json", "pdf")) == 0


@pytest.mark.usefixtures("zonder_seinen")
def test_what_is_stopped_leaves_the_results_of_before_and_shows_what_was_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def goed(keer: int, maten: Maten) -> Deel:
        return Deel("xml", [Meting("files", "files/s", [1, 2])], {"xml_vs_bare": [0.25]})

    def onderbroken(keer: int, maten: Maten) -> Deel:
        raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "bench.pdf", SimpleNamespace(meet=onderbroken))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "bench.xml", SimpleNamespace(meet=goed))  # type: ignore[arg-type]
    assert hoofd.meet(argumenten(tmp_path / "r.json", "xml", "pdf")) == 130
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.count("xml_vs_bare") == 1


def test_a_contestant_that_fails_takes_part_no_more_and_the_others_do(monkeypatch: pytest.MonkeyPatch) -> None:
    tempo = {lijn.LIJN: 60.0, lijn.CONFLUENT: 30.0, lijn.RAAMWERKEN["bytewax"][0]: 20.0}
    gelopen: list[str] = []

    def ronde(naam: Any, werk: Werk, opwarming: Werk, hoogstens_s: float) -> lijn.Uitslag:
        gelopen.append(naam)
        if naam == lijn.AIOKAFKA and gelopen.count(naam) > 1:
            raise BenchFout("its rows differ")
        cpu: Any = SimpleNamespace(samen=1.0, deelnemer=1.0, broker=1.0, clickhouse=1.0)
        return lijn.Uitslag(60, 60 / tempo.get(naam, 10.0), cpu)

    def inschrijving(naam: str, eens: bool = False) -> lijn.Inschrijving:
        maak: Any = lambda _: naam  # noqa: E731
        return lijn.Inschrijving(naam, maak, eens=eens)

    monkeypatch.setattr(lijn, "_ronde", ronde)
    namen = [lijn.LIJN, lijn.CONFLUENT, lijn.AIOKAFKA, *(los for los, _ in lijn.RAAMWERKEN.values())]
    eens = inschrijving(lijn.CONFLUENT_JSON, eens=True)
    toneel: Any = SimpleNamespace(wie=burgers(10))
    deel = lijn.meet_op(toneel, 3, KLEIN, [*map(inschrijving, namen), eens])
    assert deel.mislukt == {lijn.AIOKAFKA: "BenchFout in round 2: its rows differ"}
    assert deel.ratios["line_vs_confluent"] == [2, 2, 2]
    assert deel.ratios["line_vs_aiokafka"] == [6]
    assert deel.ratios["line_vs_best_framework"] == [3, 3, 3]
    assert gelopen.count(lijn.AIOKAFKA) == 2
    assert gelopen.count(lijn.CONFLUENT_JSON) == 1
    assert len({gelopen[0], gelopen[7], gelopen[13]}) == 3, "another begins each round"


def test_a_peer_that_is_not_installed_is_named(tmp_path: Path) -> None:
    klaar: Any = SimpleNamespace(
        naam=lambda: "bench1", map=tmp_path, broker=SimpleNamespace(adres=""), clickhouse=SimpleNamespace(url="")
    )
    peer: Deelnemer = Peer(klaar, 1, "json", [str(tmp_path / "python"), "-m", "peer"])
    with pytest.raises(BenchFout, match="'make bench' sets up what the peers need"):
        peer.bereid_voor()


def _groei(**anders: list[float]) -> dict[str, object]:
    cijfers = {
        "in flow: CPU of worker": [90.0, 100.0, 300.0],
        "in flow: CPU of aanlevering": [20.0],
        "in flow: CPU of kafka": [30.0],
        "in flow: CPU of clickhouse": [80.0],
        "in flow: disk of Kafka": [500.0],
        "disk of ClickHouse, merged": [400.0],
        "in flow: disk of the store": [300.0],
    } | anders
    figures = [{"name": naam, "unit": "", "values": waarden} for naam, waarden in cijfers.items()]
    return {"runs": {"measurements": {"groei": {"figures": figures}}}}


def test_the_calculation_for_other_loads_is_that_of_its_page() -> None:
    """100 microseconds of a worker at 20 000 a second take 2 cores, and 4 when half of each is planned with."""
    last = schaal.Last("x", piek_per_s=20_000, per_dag=10e6, per_jaar=1e9)
    uitkomst = schaal.bereken(schaal.lees(_groei()), last)
    assert uitkomst["workers, of one core each"] == 4
    assert uitkomst["partitions of bericht: twice as many"] == 8
    assert uitkomst["cores for ClickHouse, a replica"] == pytest.approx(3.2)
    assert uitkomst["minutes for a day's messages, all at once"] == pytest.approx(10e6 * 100e-6 / 4 / 60)
    assert uitkomst["GB in Kafka: 14 busy days, 3 copies"] == pytest.approx(10 * 14 * 3 * 0.5)
    assert uitkomst["GB in ClickHouse a year, 2 replicas"] == pytest.approx(800)
    assert uitkomst["GB in the store a year, a bijlage of 37 kB with one in ten"] == pytest.approx(300 + 3700)


def test_a_small_load_has_two_workers_all_the_same() -> None:
    """So that one may die."""
    last = schaal.Last("x", piek_per_s=1, per_dag=1000, per_jaar=1000)
    assert schaal.bereken(schaal.lees(_groei()), last)["workers, of one core each"] == 2


def test_without_a_measurement_nothing_is_calculated(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pad = tmp_path / "results.json"
    assert schaal.main(pad) == 1
    pad.write_text('{"runs": {"measurements": {}}}')
    assert schaal.main(pad) == 1
    assert "make bench PARTS=groei" in capsys.readouterr().err


def test_the_table_has_every_load(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pad = tmp_path / "results.json"
    pad.write_text(json.dumps(_groei()))
    assert schaal.main(pad) == 0
    uit = capsys.readouterr().out
    assert all(last.naam in uit for last in schaal.LASTEN)
