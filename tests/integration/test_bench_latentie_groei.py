"""Parts e and f of the bench: what they conclude from what they saw, and both as a whole, in sizes that say nothing."""

import itertools
import math
import os
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aanlevering.lezer import lees
from bench import groei, latentie
from bench.aanbod import OINS, Sjabloon, Stand, Zending
from bench.latentie import Peiling, als_deel, latenties, uitslag
from bench.opname import DELEN, SAMEN, cpu_s, geheugen_mb
from domain import bsn
from domain.batch import Batch
from streams.settings import Instellingen

MAAT = latentie.Maat((1, 2), (10,), warm_s=1.5, duur_s=9, achter_s=5, groei_s=1, hoogstens_s=60)


def gelezen(xml: bytes) -> Batch:
    return lees([xml], proceskenmerk=uuid4(), aangeleverd_op=1, aangeleverd_door=None, bewaar=lambda *_: None)


def gepeild(*looks: tuple[float, Sequence[int]]) -> Peiling:
    """Answers at these moments, each 0.1 s after its question; the first numbers are of the first senders."""
    return Peiling(
        begin=[moment - 0.1 for moment, _ in looks],
        einde=[moment for moment, _ in looks],
        zichtbaar=[[*aantallen, *[0] * (len(OINS) - len(aantallen))] for _, aantallen in looks],
    )


def achter_elkaar(aantal: int, stap: float) -> tuple[list[Zending], Peiling]:
    """A batch of 10 a second from one sender; the n-th is visible 1 s and n times `stap` after its moment."""
    zendingen = [Zending(0, 10, 10 * nummer + 10, nummer, nummer, nummer + 0.5) for nummer in range(aantal)]
    return zendingen, gepeild((0.0, [0]), *((een.moest_op * (1 + stap) + 1, [een.tot]) for een in zendingen))


def test_a_batch_is_right_and_new_each_time_it_is_offered() -> None:
    sjabloon = Sjabloon(20)
    eerste, tweede = (gelezen(sjabloon.maak(oin)) for oin in OINS[:2])
    ids = {batch.berichten.bericht_id(rij) for batch in (eerste, tweede) for rij in range(20)}
    assert len(ids) == 40
    assert eerste.kader.batch_id != tweede.kader.batch_id
    assert [eerste.kader.leverancier, tweede.kader.leverancier] == OINS[:2]
    for batch in (eerste, tweede):
        assert not any(batch.berichten.schema_fouten)
        assert all(bsn.elfproef(batch.berichten.gebruiker(rij)) for rij in range(20))
    assert eerste.berichten.gebruikers != tweede.berichten.gebruikers
    assert eerste.berichten.teksten == tweede.berichten.teksten


def test_a_latency_lasts_until_the_first_answer_that_shows_the_message() -> None:
    zendingen = [
        Zending(0, 2, 2, 10.0, 10.0, 10.5),
        Zending(1, 1, 3, 11.0, 11.0, 11.25),
        Zending(0, 1, 4, 12.0, 12.0, 12.5),
    ]
    peiling = gepeild((11.0, [1, 0]), (12.0, [2, 0]), (13.0, [2, 1]), (14.0, [3, 1]))
    moest, genomen, zichtbaar = latenties(zendingen, peiling)
    assert moest.tolist() == [10, 10, 11, 12]
    assert (zichtbaar - genomen).tolist() == [0.5, 1.5, 1.75, 1.5]
    assert (zichtbaar - moest).tolist() == [1, 2, 2, 2]
    assert peiling.fouten().tolist() == pytest.approx([1.1, 1.1, 1.1])


def test_what_is_offered_before_the_line_is_warm_does_not_count() -> None:
    gevonden = uitslag(MAAT, 1, *achter_elkaar(10, 0.0))
    assert list(gevonden.groottes) == [10] * 10
    assert len(gevonden.sinds_202) == len(gevonden.sinds_moest) == 80
    assert np.unique(gevonden.sinds_202).tolist() == [0.5]
    assert not gevonden.waarom_niet


def test_of_a_rate_at_which_a_queue_grows_that_is_said() -> None:
    eerste = uitslag(MAAT, 1, *achter_elkaar(10, 0.0))
    groeit, houdt = uitslag(MAAT, 2, *achter_elkaar(10, 0.5)), uitslag(MAAT, 2, *achter_elkaar(10, 0.0))
    assert "a queue grew" in groeit.waarom_niet
    deel = als_deel(MAAT, [[eerste, groeit], [eerste, houdt]])
    assert deel.ratios == {"latency_p99_s": [5.0, 0.5]}
    assert any("NOT sustained in 1 of 2 rounds (a queue grew" in regel for regel in deel.uitleg)
    assert not deel.mislukt


def test_of_a_rate_that_was_not_offered_that_is_said() -> None:
    eerste = uitslag(MAAT, 1, *achter_elkaar(10, 0.0), ["given up when Totalen was 7 s behind"])
    deel = als_deel(MAAT, [[eerste]])
    assert any("in 1 of 1 rounds not offered" in regel for regel in deel.uitleg)
    assert deel.mislukt == {"latency_p99_s": "the line could not bear 1 messages/s"}
    assert deel.ratios == {}


class Naslag:
    """Totalen that shows what a door took, after some looks, or never."""

    def __init__(self, genomen: Counter[str], vanaf: float) -> None:
        self._genomen = genomen
        self._vanaf = vanaf
        self._looks = 0

    def totalen(self, op: str, van: int) -> list[dict[str, Any]]:
        self._looks += 1
        return [
            {"leverancier": oin, "verwerkt": aantal if self._looks > self._vanaf else 0, "niet_verwerkt": 0}
            for oin, aantal in self._genomen.items()
        ]


@pytest.mark.parametrize(
    ("vanaf", "gezegd"), [(6, r"given up[^,]*"), (math.inf, r"given up.*, (\d+) messages were not.*")]
)
async def test_a_line_that_falls_behind_is_offered_no_more_and_what_it_took_is_awaited(
    tmp_path: Path, vanaf: float, gezegd: str
) -> None:
    genomen: Counter[str] = Counter()
    later = itertools.cycle((True, False))

    async def neem_aan(verzoek: web.Request) -> web.Response:
        batch = gelezen(await verzoek.read())
        if next(later):
            return web.Response(status=503, headers={"Retry-After": "0"})
        genomen[batch.kader.leverancier] += len(batch.berichten)
        return web.json_response({}, status=202)

    naslag: Any = Naslag(genomen, vanaf)
    maat = latentie.Maat((100,), (5,), warm_s=0, duur_s=1, achter_s=0.5, groei_s=1, hoogstens_s=2)
    app = web.Application()
    app.add_routes([web.post("/v1/batches", neem_aan)])
    async with TestServer(app) as deur:
        adres = Instellingen.laad(tmp_path, aanlevering=str(deur.make_url("")).rstrip("/"))
        gevonden = await latentie.meet_tempo(adres, naslag, [Sjabloon(5)], 100, maat)
    past = re.fullmatch(gezegd, gevonden.waarom_niet)
    assert past, gevonden.waarom_niet
    assert sum(gevonden.groottes) == sum(genomen.values()) > 0
    assert past.groups() in ((), (str(sum(genomen.values())),))
    assert gevonden.sinds_202.max() > (1.5 if past.groups() else 0.5), (
        "what was not seen counts as long as it was awaited"
    )
    assert gevonden.uitgesteld == len(gevonden.groottes)


@pytest.mark.parametrize("wat", ["batches", "berichten", "verwerkt"])
def test_a_count_that_differs_is_an_error(wat: str) -> None:
    def naslag(**anders: int) -> Any:
        rij = {"batches": 1, "berichten": 10, "verwerkt": 10} | anders
        return SimpleNamespace(totalen=lambda: [rij, rij])

    Stand(1, 5, 5).controleer(naslag(), [15])
    with pytest.raises(AssertionError, match="Totalen must show"):
        Stand(1, 5, 5).controleer(naslag(**{wat: 9}), [15])


def test_cpu_and_memory_of_a_process_are_its_own() -> None:
    voor = cpu_s(os.getpid())
    begin = time.process_time()
    while time.process_time() - begin < 0.1:
        pass
    assert cpu_s(os.getpid()) - voor >= 0.05
    ballast = np.ones(40 * 2**20, np.uint8)
    rss, pss = geheugen_mb(os.getpid())
    del ballast
    assert rss >= pss > 40


def onze_processen(naam: str) -> list[str]:
    """The command lines that name a folder of the bench."""
    gevonden = []
    for pad in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            gevonden.append(pad.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return [regel for regel in gevonden if naam in regel]


@pytest.mark.integration
def test_latency_cost_and_memory_are_measured_on_a_stack_and_nothing_is_left(tmp_path: Path) -> None:
    """Both parts on one stack, which takes longer to start than they need."""
    rustig = latentie.Maat((100, 200), (20, 50), 0.2, 0.6, achter_s=60, groei_s=60, hoogstens_s=60)
    with groei.stapel(tmp_path / "data") as (instellingen, vragen):
        deel = als_deel(rustig, [[*latentie.ronde(instellingen, vragen, rustig)]])
        eerder = Stand.lees(vragen)
        een = groei.Ronde(groei.Maat(200, (20, 50), 0.2, 0.6, 0.2, 500, 100, 0.2, 60), instellingen, vragen)
        een.stroom()
        een.achterstand()
        eerder.controleer(vragen, een.geleverd)
    assert deel.ratios.keys() == {"latency_p99_s"}
    cijfers = {meting.naam: meting.mediaan for meting in deel.metingen}
    for tempo in rustig.tempos:
        for soort in ("202 to visible", "due to visible"):
            p50, p95, p99 = (cijfers[f"{tempo} messages/s offered: {soort}, p{p}"] for p in (50, 95, 99))
            assert 0 < p50 <= p95 <= p99
    assert deel.ratios["latency_p99_s"] == [cijfers["200 messages/s offered: 202 to visible, p99"]]

    deel = groei.als_deel([een])
    assert deel.ratios.keys() == {"worker_rss_mb", "cpu_s_per_million"}
    cijfers = {meting.naam: meting.mediaan for meting in deel.metingen}
    for fase in ("idle", "in flow", "a backlog waits", "the backlog drains"):
        for van in DELEN:
            assert 0 < cijfers[f"{fase}: PSS of {van}"] <= cijfers[f"{fase}: RSS of {van}"]
        assert deel.ratios["worker_rss_mb"][0] >= cijfers[f"{fase}: RSS of worker"]
    per_deel = [cijfers[f"in flow: CPU of {van}"] for van in SAMEN]
    assert sum(per_deel) == pytest.approx(deel.ratios["cpu_s_per_million"][0])
    assert not een.uitleg, "the backlog drained"
    assert onze_processen(str(tmp_path)) == []


def test_a_backlog_that_does_not_drain_is_told_and_not_awaited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    besloten = itertools.count(0, 10)
    opname: Any = SimpleNamespace(
        cpu_s=dict.fromkeys(DELEN, 1.0), geheugen=lambda _: {}, cpu=lambda fase, n: {(fase, "s/million"): n}
    )
    niets: Any = None
    monkeypatch.setattr(groei, "Opname", lambda _: nullcontext(opname))
    for naam, doe in {"vul": niets, "_storing": niets, "hoogste_rss_mb": 1.0}.items():
        monkeypatch.setattr(groei, naam, lambda *_, doe=doe, **__: doe)
    monkeypatch.setattr(groei, "_besloten", lambda _: next(besloten))
    een = groei.Ronde(groei.Maat(1, (5,), 0, 0, 0, 1000, 5, 0, 0.01), Instellingen.laad(tmp_path), niets)
    een.achterstand()
    assert "did NOT drain within 0.01 s" in een.uitleg[0]
    assert "of 1,000 messages were decided" in een.uitleg[0]
    assert een.cijfers["the backlog drains", "messages/s"] > 0
