"""The bench's line, at a size that says nothing: everyone does all of the work, and nobody's checks are lighter."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from bench import lijn
from bench.maten import KLEIN
from bench.taak import SLICE_IN, Opdracht, Regels, lees
from bench.toneel import Toneel, wacht_tot
from bench.werk import Werk, als_slices, burgers, maak_opwarming, maak_werk
from domain import bsn
from domain.batch import partitie
from sinks.embedded.proces import EmbeddedClickHouse
from streams.broker import Broker

REPO = Path(__file__).parents[2]
PYTHON = REPO / ".venv-bench" / "bin" / "python"
HIER = (lijn.LIJN, lijn.CONFLUENT, lijn.AIOKAFKA)
"""Who needs nothing but what the line has."""
RATIOS = {
    "line_vs_confluent",
    "line_vs_aiokafka",
    "line_vs_best_framework",
    "line_vs_idiomatic_faust",
    "two_workers_cpu_vs_one",
}


@pytest.fixture
def regels(tmp_path: Path) -> Regels:
    """What a peer checks with. Of those whose BSN fails the elfproef it is said that they may be written to."""
    wie = burgers(40)
    abonnees = tmp_path / "abonnees.json"
    abonnees.write_text(json.dumps([*wie.goed, *wie.fout]))
    return Regels(Opdracht("", "", "", "", "slices", "", "", str(tmp_path), str(abonnees)))


def codes_per_slice(regels: Regels, werk: Werk) -> list[list[str]]:
    """What the checks of a slice give, and those of a single message too."""
    gegeven = []
    for batch in werk.batches:
        van_batch = []
        for inhoud in als_slices(batch):
            berichten = regels.beslis_slice(lees(SLICE_IN, inhoud))["berichten"]
            codes = [bericht["code"] for bericht in berichten]
            assert codes == [regels.code(bericht["berichttype"], bericht["gebruiker"]) for bericht in berichten]
            van_batch += codes
        gegeven.append(van_batch)
    return gegeven


def test_a_peer_gives_each_message_the_code_that_it_must_have(regels: Regels) -> None:
    werk = maak_werk(3_000, burgers(40), 1)
    assert codes_per_slice(regels, werk) == werk.codes
    assert len(werk.verwacht) == 3, "every kind of answer occurs"


def test_a_bsn_that_fails_the_elfproef_is_refused_whoever_it_is_said_to_be(regels: Regels) -> None:
    willekeur = random.Random(1)
    bsns = [f"{willekeur.randrange(1_000_000_000):09}" for _ in range(2_000)] + ["000000000"]
    regels._abonnees = frozenset(bsns)
    goed = [regels.code("AANSLAG", een) == "Verwerkt" for een in bsns]
    assert goed == [bsn.elfproef(een) for een in bsns]


def test_who_warms_up_meets_every_citizen_in_every_partition() -> None:
    wie = burgers(10)
    werk = maak_opwarming(wie, 1)
    gezien = Counter(
        (partitie(batch.berichten.bericht_id(rij), 8), batch.berichten.gebruiker(rij))
        for batch in werk.batches
        for rij in range(len(batch.berichten))
    )
    assert gezien == {(nummer, een): 1 for nummer in range(8) for een in (*wie.goed, *wie.niet)}


@pytest.mark.integration
def test_the_line_and_the_loops_bring_every_message_through_once(
    broker: Broker, clickhouse: EmbeddedClickHouse, tmp_path: Path
) -> None:
    """The bench itself compares rows, codes and events with what must come out; who differs has failed."""
    with Toneel(tmp_path, burgers(KLEIN.lijn_burgers), broker, clickhouse) as toneel:
        deel = lijn.meet_op(toneel, 1, KLEIN, [een for een in lijn.INSCHRIJVINGEN if een.naam in HIER])
    assert deel.mislukt == {}
    assert deel.ratios.keys() == {"line_vs_confluent", "line_vs_aiokafka"}
    assert all(len(meting.waarden) == 1 and meting.waarden[0] > 0 for meting in deel.metingen if not meting.bijzaak)
    assert [naam for naam in toneel.admin.list_topics(None, 30).topics if naam.startswith("bench")] == []


@pytest.mark.integration
@pytest.mark.skipif(not PYTHON.exists(), reason="the frameworks are in .venv-bench, which 'make bench' sets up")
def test_every_contestant_brings_every_message_through_once(tmp_path: Path) -> None:
    naar = tmp_path / "results.json"
    gedaan = subprocess.run(
        [PYTHON, "-m", "bench", "lijn", "--klein", "--keer", "1", "--naar", naar],
        cwd=REPO,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert gedaan.returncode == 0, gedaan.stdout + gedaan.stderr
    resultaat = json.loads(naar.read_text())
    assert resultaat["ratios"].keys() >= RATIOS
    assert all(waarde > 0 for waarde in resultaat["ratios"].values())
    assert [pad.name for pad in tmp_path.iterdir()] == ["results.json"], "temporary data stays behind"
    assert onze_processen(tmp_path) == ""


@pytest.mark.integration
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    proces = subprocess.Popen(
        [sys.executable, "-m", "bench", "vragen", "--naar", tmp_path / "results.json"],
        cwd=REPO,
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stderr=subprocess.PIPE,
        encoding="utf-8",
        start_new_session=True,
    )
    wacht_tot(lambda: list(tmp_path.glob("bench-vragen-*/store")), 60, "ClickHouse runs")
    os.killpg(proces.pid, signal.SIGINT)
    _, gezegd = proces.communicate(timeout=60)
    assert proces.returncode == 130, gezegd
    assert "nothing is left running" in gezegd
    assert list(tmp_path.iterdir()) == []
    assert onze_processen(tmp_path) == ""


def onze_processen(map_: Path) -> str:
    """The command lines that name a folder."""
    alle = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    return "".join(regel for regel in alle.splitlines() if str(map_) in regel)
