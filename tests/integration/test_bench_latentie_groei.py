"""Parts e and f of the bench: what they conclude from what they saw, and both as a whole, in sizes that say nothing."""

import itertools
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from aanlevering.lezer import lees
from bench import groei, latentie
from bench.aanbod import OINS, Sjabloon, Zending, controleer
from bench.groei import DELEN, SAMEN
from bench.latentie import Peiling, als_deel, latenties, uitslag
from domain import bsn
from domain.batch import Batch
from streams.settings import Instellingen

MAAT = latentie.Maat((1, 2), (10,), warm_s=1.5, duur_s=9, achter_s=5, groei_s=1)


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
    gevonden = uitslag(MAAT, *achter_elkaar(10, 0.0))
    assert (gevonden.batches, gevonden.berichten) == (10, 100)
    assert len(gevonden.sinds_202) == len(gevonden.sinds_moest) == 80
    assert np.unique(gevonden.sinds_202).tolist() == [0.5]
    assert not gevonden.waarom_niet


def test_a_rate_at_which_a_queue_grows_gets_no_latency() -> None:
    groeit, houdt = uitslag(MAAT, *achter_elkaar(10, 0.5)), uitslag(MAAT, *achter_elkaar(10, 0.0))
    assert "a queue grew" in groeit.waarom_niet
    deel = als_deel(MAAT, [[houdt, groeit], [houdt, houdt]])
    assert [len(deel.ratios["latency_p99_s"]), deel.ratios["latency_p99_s"]] == [1, [0.5]]
    assert any("NOT sustained in 1 of 2 rounds" in regel for regel in deel.uitleg)
    deel = als_deel(MAAT, [[houdt, groeit]])
    assert deel.ratios == {}
    assert [een.naam for een in deel.metingen if een.naam.startswith("2 ")] == [
        f"2 messages/s offered: {wat}" for wat in ("made visible", "polling error, median", "polling error, largest")
    ]


def test_a_rate_that_was_given_up_gets_no_latency() -> None:
    assert uitslag(MAAT, *achter_elkaar(10, 0.0), achter=7.0).waarom_niet == "given up when Totalen was 7 s behind"


async def test_a_line_that_falls_behind_is_offered_no_more_and_all_of_it_is_awaited(tmp_path: Path) -> None:
    genomen: Counter[str] = Counter()
    later = itertools.cycle((True, False))

    async def neem_aan(verzoek: web.Request) -> web.Response:
        batch = gelezen(await verzoek.read())
        if next(later):
            return web.Response(status=503, headers={"Retry-After": "0"})
        genomen[batch.kader.leverancier] += len(batch.berichten)
        return web.json_response({}, status=202)

    class Naslag:
        looks = 0

        def totalen(self, op: str, van: int) -> list[dict[str, Any]]:
            self.looks += 1
            return [
                {"leverancier": oin, "verwerkt": aantal if self.looks > 6 else 0, "niet_verwerkt": 0}
                for oin, aantal in genomen.items()
            ]

    naslag: Any = Naslag()
    maat = latentie.Maat((100,), (5,), warm_s=0, duur_s=3600, achter_s=0.5, groei_s=1)
    app = web.Application()
    app.add_routes([web.post("/v1/batches", neem_aan)])
    async with TestServer(app) as deur:
        adres = Instellingen.laad(tmp_path, aanlevering=str(deur.make_url("")).rstrip("/"))
        gevonden = await latentie.meet_tempo(adres, naslag, [Sjabloon(5)], 100, maat)
    assert gevonden.waarom_niet.startswith("given up when Totalen was")
    assert gevonden.berichten == 5 * gevonden.batches == sum(genomen.values()) > 0
    assert gevonden.uitgesteld == gevonden.batches


@pytest.mark.parametrize("wat", ["batches", "berichten", "verwerkt"])
def test_a_count_that_differs_is_an_error(wat: str) -> None:
    class Naslag:
        def __init__(self, **anders: int) -> None:
            self._rij = {"batches": 1, "berichten": 10, "verwerkt": 10} | anders

        def totalen(self) -> list[dict[str, int]]:
            return [self._rij, self._rij]

    controleer(Naslag(), 2, 20)  # type: ignore[arg-type]
    with pytest.raises(AssertionError, match="Totalen must show 2 batches and 20 messages"):
        controleer(Naslag(**{wat: 9}), 2, 20)  # type: ignore[arg-type]


def test_cpu_and_memory_of_a_process_are_its_own() -> None:
    voor = groei._cpu_s(os.getpid())
    begin = time.process_time()
    while time.process_time() - begin < 0.1:
        pass
    assert groei._cpu_s(os.getpid()) - voor >= 0.05
    ballast = np.ones(40 * 2**20, np.uint8)
    rss, pss = groei._geheugen(os.getpid())
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
def test_the_latencies_are_measured_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    deel = latentie.meet(1, True)
    assert deel.ratios.keys() == {"latency_p99_s"}
    tempos = latentie.KLEINE_MAAT.tempos
    cijfers = {een.naam: een for een in deel.metingen}
    for tempo in tempos:
        for soort in ("202 to visible", "due to visible"):
            p50, p95, p99 = (cijfers[f"{tempo} messages/s offered: {soort}, p{p}"].mediaan for p in (50, 95, 99))
            assert 0 < p50 <= p95 <= p99
    assert deel.ratios["latency_p99_s"] == list(cijfers[f"{tempos[1]} messages/s offered: 202 to visible, p99"].waarden)
    assert all(len(een.waarden) == 1 for een in deel.metingen)
    assert list(tmp_path.iterdir()) == []
    assert onze_processen(str(tmp_path)) == []


@pytest.mark.integration
def test_cost_and_memory_are_measured_and_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    deel = groei.meet(1, True)
    assert deel.ratios.keys() == {"worker_rss_mb", "cpu_s_per_million"}
    cijfers: dict[str, Any] = {een.naam: een.mediaan for een in deel.metingen}
    for fase in ("idle", "in flow", "a backlog waits", "the backlog drains"):
        for van in DELEN:
            assert 0 < cijfers[f"{fase}: PSS of {van}"] <= cijfers[f"{fase}: RSS of {van}"]
        assert deel.ratios["worker_rss_mb"][0] >= cijfers[f"{fase}: RSS of worker"]
    per_deel = [cijfers[f"in flow: CPU of {van}"] for van in SAMEN]
    assert min(per_deel) > 0
    assert sum(per_deel) == pytest.approx(deel.ratios["cpu_s_per_million"][0])
    assert list(tmp_path.iterdir()) == []
    assert onze_processen(str(tmp_path)) == []
