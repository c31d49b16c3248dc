"""The breaches of the 24-hour norm by name, and the command that prints them (Domain: The 24-hour norm)."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from clickhouse_tafel import T0, UUR, A, B, Run, Tafel, tafel
from typer.testing import CliRunner, Result

from cli.main import app
from domain.tijd import schrijf_tijd
from sinks.embedded.proces import EmbeddedClickHouse
from tests.regels import regel

pytestmark = pytest.mark.integration

X, Y, Z = UUID(int=1), UUID(int=2), UUID(int=3)
NORM = 24 * UUR


@pytest.fixture
def t(clickhouse: EmbeddedClickHouse) -> Iterator[Tafel]:
    with tafel(clickhouse.url) as een:
        yield een


def rij(run: Run, nummer: int, duur_ms: int, *, open_: bool = False) -> dict[str, Any]:
    return {
        "leverancier": run.leverancier,
        "batch_id": str(run.batch_id),
        "bericht_id": str(run.ids[nummer - 1]),
        "nummer": nummer,
        "aangeleverd_op": schrijf_tijd(run.aangeleverd_op),
        "verwerkt_op": None if open_ else schrijf_tijd(run.aangeleverd_op + duur_ms),
        "duur_s": duur_ms / 1000,
    }


@regel("breaches by name", "verwerkt_op − aangeleverd_op of its run", "ops see a breach coming and not only past")
def test_breaches_are_named_the_longest_first_those_still_open_included(t: Tafel) -> None:
    assert t.vragen.overschreden(T0) == []
    eerste, tweede = t.lever([X, Y, Z]), t.lever([X, Y], op=T0 + UUR, leverancier=B)
    t.beslis(eerste, 1, op=T0 + NORM)
    t.beslis(eerste, 2, "TechnischProbleem", op=T0 + NORM + 1)
    t.beslis(tweede, 1, op=T0 + 40 * UUR)
    assert t.vragen.overschreden(T0 + NORM) == [rij(tweede, 1, 39 * UUR), rij(eerste, 2, NORM + 1)]
    nu = T0 + 25 * UUR + 1
    alle = [
        rij(tweede, 1, 39 * UUR),
        rij(eerste, 3, 25 * UUR + 1, open_=True),
        rij(eerste, 2, NORM + 1),
        rij(tweede, 2, NORM + 1, open_=True),
    ]
    assert t.vragen.overschreden(nu) == alle
    assert t.vragen.overschreden(nu, limit=2) == alle[:2]
    assert t.vragen.overschreden(nu, leverancier=A) == alle[1:3]
    assert t.vragen.overschreden(nu, van=T0 + UUR) == t.vragen.overschreden(nu, leverancier=B)
    assert t.vragen.overschreden(nu, tot=T0 + UUR) == t.vragen.overschreden(nu, leverancier=A)
    assert t.vragen.overschreden(nu, van=T0 + 1, tot=T0 + UUR) == t.vragen.overschreden(nu, leverancier="x") == []
    for een in t.vragen.sla(nu):
        assert een["overschreden"] == len(t.vragen.overschreden(nu, leverancier=een["leverancier"]))


@regel("breaches by name", "the norm, the 20 hours and the 13 days are measured from this run's `aangeleverd_op`")
def test_a_resend_is_measured_from_its_own_delivery_and_named_once(t: Tafel) -> None:
    eerste = t.lever([X, Y, Z])
    t.beslis(eerste, 1, op=T0 + 30 * UUR)
    t.beslis(eerste, 2, "NietActiefOfGeabonneerd", op=T0 + 30 * UUR)
    tweede = t.lever([Z, Y, X], op=T0 + 48 * UUR, batch=eerste.batch_id)
    t.beslis(tweede, 2, op=T0 + 48 * UUR + 1000)
    t.beslis(tweede, 3, "BerichtBestaatAl", op=T0 + 48 * UUR + 1000)
    assert t.vragen.overschreden(T0 + 50 * UUR) == [rij(eerste, 1, 30 * UUR) | {"nummer": 3}]
    assert t.vragen.overschreden(T0 + 73 * UUR) == [
        rij(eerste, 1, 30 * UUR) | {"nummer": 3},
        rij(tweede, 1, 25 * UUR, open_=True),
    ]


@regel("breaches by name")
def test_the_command_prints_them_and_sla_itself_stays_as_it_is(
    t: Tafel, clickhouse: EmbeddedClickHouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BERICHTENSTROOM_CLICKHOUSE", clickhouse.url)
    monkeypatch.setenv("BERICHTENSTROOM_DATABASE", t.client.database or "")

    def sla(*woorden: str) -> Result:
        return CliRunner().invoke(app, ["sla", *woorden, "--data", str(tmp_path)], env={"COLUMNS": "300"})

    assert json.loads(sla("--overschreden", "--json").stdout) == []
    assert "no message took longer" in sla("--overschreden").stderr
    op = time.time_ns() // 1_000_000 - 48 * UUR
    run, ander = t.lever([X, Y], op=op), t.lever([Z], op=op + 1, leverancier=B)
    t.beslis(run, 2, op=op + 25 * UUR)
    uitslag = json.loads(sla("--overschreden", "--leverancier", A, "--json").stdout)
    assert uitslag[1:] == [rij(run, 2, 25 * UUR)]
    assert uitslag[0] | {"duur_s": 0} == rij(run, 1, 0, open_=True)
    assert uitslag[0]["duur_s"] >= 48 * 3600
    assert [een["bericht_id"] for een in json.loads(sla("--overschreden", "--limit", "1", "--json").stdout)] == [str(X)]
    (later,) = json.loads(sla("--overschreden", "--van", schrijf_tijd(op + 1), "--json").stdout)
    assert later["batch_id"] == str(ander.batch_id)
    assert str(run.batch_id) in sla("--overschreden").stdout
    assert [(een["leverancier"], een["overschreden"]) for een in json.loads(sla("--json").stdout)] == [(A, 2), (B, 1)]
    for woorden in (["--limit", "1"], ["--leverancier", A], ["--overschreden", "--limit", "0"]):
        assert sla(*woorden).exit_code == 2


def test_a_period_may_begin_and_end_as_far_away_as_a_time_can_be_written(t: Tafel) -> None:
    run = t.lever([uuid4()])
    begin, einde = -62_135_596_800_000, 253_402_300_799_999
    assert t.vragen.overschreden(T0 + 25 * UUR, begin, einde) == [rij(run, 1, 25 * UUR, open_=True)]
    assert t.vragen.overschreden(T0 + 25 * UUR, einde) == t.vragen.overschreden(T0 + 25 * UUR, tot=begin) == []
    assert len(t.vragen.totalen(van=begin, tot=einde)) == 1
