"""The bench's line, at a size that says nothing: everyone does all of the work, and nobody's checks are lighter."""

import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from bench.taak import SLICE_IN, Opdracht, Regels, lees
from bench.werk import Werk, als_slices, burgers, maak_opwarming, maak_werk
from domain import bsn
from domain.batch import partitie

REPO = Path(__file__).parents[2]
PYTHON = REPO / ".venv-bench" / "bin" / "python"
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
def test_every_contestant_brings_every_message_through_once(tmp_path: Path) -> None:
    """The bench itself compares rows, codes and events with what must come out, and fails where they differ."""
    assert PYTHON.exists(), "the peers are not installed: see the Makefile"
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
    assert str(tmp_path) not in subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
