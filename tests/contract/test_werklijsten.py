"""What is done leaves the work lists; when ClickHouse does not get to that, nobody waits for it.

It never does for a table that was read-only when it started, until it starts again.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest
from clickhouse_tafel import T0, Tafel, clickhouse, tafel

from sinks import stroomvragen
from sinks.notificatievragen import BEGIN, Notificatievragen

pytestmark = pytest.mark.integration

_PLAATS = "zichtbaar_op, proceskenmerk, nummer"
_WAARDEN = "fromUnixTimestamp64Milli({op:Int64}, 'UTC'), {run:UUID}, 1"


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with clickhouse(tmp_path_factory.mktemp("clickhouse")) as adres:
        yield adres


@pytest.fixture
def t(url: str) -> Iterator[Tafel]:
    with tafel(url) as een:
        yield een


@dataclass
class Werklijst:
    """A work list, with what gives it one thing that is done, one that is not, and tells what is still to do."""

    tabel: str
    klaar: Callable[[], object]
    open: Callable[[], object]
    te_doen: Callable[[], list[UUID]]
    vergeet: Callable[[], bool]


def runs(t: Tafel) -> Werklijst:
    """Runs without a result."""
    return Werklijst(
        "open_runs",
        klaar=lambda: t.beantwoord(t.lever([uuid4()])),
        open=lambda: t.lever([uuid4()]),
        te_doen=lambda: [rij[2] for rij in t.vragen.open_runs()],
        vergeet=t.vragen.vergeet_beantwoorde_runs,
    )


def notificaties(t: Tafel) -> Werklijst:
    """Messages whose citizen is not told."""
    vragen = Notificatievragen(t.client)

    def zet(*, gemerkt: bool) -> None:
        waarden = {"op": T0, "run": str(uuid4())}
        t.client.command(f"INSERT INTO te_notificeren ({_PLAATS}) SELECT {_WAARDEN}", parameters=waarden)
        if gemerkt:  # now: a marker has a term from when it was written
            marker = f"INSERT INTO genotificeerd ({_PLAATS}, gemaakt_op) SELECT {_WAARDEN}, now64(3)"
            t.client.command(marker, parameters=waarden)

    def te_doen() -> list[UUID]:
        plaatsen = [een.plaats for een in vragen.te_notificeren([0], 1, BEGIN, T0, 10)]
        gemerkt = vragen.genotificeerd(plaatsen)
        return [plaats[1] for plaats in plaatsen if plaats not in gemerkt]

    return Werklijst(
        "te_notificeren",
        klaar=lambda: zet(gemerkt=True),
        open=lambda: zet(gemerkt=False),
        te_doen=te_doen,
        vergeet=lambda: vragen.vergeet_genotificeerde(T0),
    )


@pytest.fixture(params=[runs, notificaties], ids=["open_runs", "te_notificeren"])
def lijst(request: pytest.FixtureRequest, t: Tafel) -> Werklijst:
    maak: Callable[[Tafel], Werklijst] = request.param
    return maak(t)


def test_what_is_done_is_gone_and_what_is_not_stays(t: Tafel, lijst: Werklijst) -> None:
    lijst.klaar()
    lijst.open()
    te_doen = lijst.te_doen()
    assert len(te_doen) == 1
    assert lijst.vergeet()
    assert t.client.query(f"SELECT proceskenmerk FROM {lijst.tabel}").result_rows == [(te_doen[0],)]
    assert lijst.te_doen() == te_doen


def test_nobody_waits_for_a_clickhouse_that_does_not_get_to_it(
    t: Tafel, lijst: Werklijst, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stroomvragen, "VERGEET_S", 0.5)
    lijst.klaar()
    lijst.open()
    te_doen = lijst.te_doen()
    t.client.command(f"SYSTEM STOP MERGES {lijst.tabel}")
    try:
        assert not any(lijst.vergeet() for _ in range(5))
        bezig = "SELECT countIf(NOT is_done) FROM system.mutations WHERE database = currentDatabase()"
        assert t.client.query(bezig).result_rows == [(1,)], "who asks again and again would pile them up"
        assert lijst.te_doen() == te_doen
        lijst.klaar()
    finally:
        t.client.command(f"SYSTEM START MERGES {lijst.tabel}")
    deadline = time.monotonic() + 60
    while not lijst.vergeet():
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert t.client.query(f"SELECT proceskenmerk FROM {lijst.tabel}").result_rows == [(te_doen[0],)]
