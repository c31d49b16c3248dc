"""Slow and greedy senders: they are sent away in time, and keep nobody out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from aanlevering import poort as poort_module
from aanlevering.deur import Grenzen
from aanlevering.metrics import Metrics
from aanlevering.poort import Poort
from aanlevering.ruimte import VEEL_BYTES, WEINIG_BYTES, Geheugen, Spoelruimte, SpoelVol
from aanlevering.server import HTTP, maak_app, maak_runner
from aanlevering.spoel import Tempo, spoel
from aanlevering.weigering import Geweigerd
from domain.batch import Batch
from sinks.objecten import Objecten
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.globe import maak_xml

XML = maak_xml()
KOP = f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: {len(XML)}\r\n\r\n".encode()


class Open:
    """A door that listens, what it took, and its metrics."""

    def __init__(self, poort: int, metrics: Metrics, uitgegeven: list[Batch]) -> None:
        self.poort = poort
        self.metrics = metrics
        self.uitgegeven = uitgegeven

    async def druppel(self, begin: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection on which no more comes than this."""
        lezer, schrijver = await asyncio.open_connection("127.0.0.1", self.poort)
        schrijver.write(begin)
        await schrijver.drain()
        return lezer, schrijver

    def meting(self, naam: str) -> float:
        return self.metrics.registry.get_sample_value(naam) or 0.0

    async def totdat(self, naam: str, waarde: float) -> None:
        while self.meting(naam) != waarde:  # noqa: ASYNC110 (seen from outside)
            await asyncio.sleep(0.01)

    async def lever(self) -> httpx.Response:
        async with httpx.AsyncClient(timeout=60, trust_env=False) as client:
            return await client.post(f"http://127.0.0.1:{self.poort}/v1/batches", content=XML)


OpenDeur = Callable[..., AbstractAsyncContextManager[Open]]


@pytest.fixture
def open_deur(tmp_path: Path) -> OpenDeur:
    maak_sleutels(tmp_path / "sleutels.json")
    objecten = Objecten(f"file://{tmp_path / 'opslag'}", lees_sleutels(tmp_path / "sleutels.json"))

    @asynccontextmanager
    async def open_(grenzen: Grenzen, verbindingen: int = 200) -> AsyncIterator[Open]:
        metrics, uitgegeven = Metrics(), list[Batch]()

        async def publiceer(batch: Batch) -> None:
            uitgegeven.append(batch)

        async def geen(*_: object) -> bytes | None:
            return b"x" * 20_000_000

        app = maak_app(
            publiceer=publiceer, objecten=objecten, resultaat=geen, controles={}, grenzen=grenzen, metrics=metrics
        )
        runner = maak_runner(app, 5)
        await runner.setup()
        assert isinstance(runner.server, web.Server)
        poort = Poort(runner.server, lambda: None, verbindingen, metrics)
        yield Open(poort.start("127.0.0.1", 0), metrics, uitgegeven)
        await poort.stop()
        await runner.cleanup()

    return open_


async def test_a_hundred_slow_senders_keep_no_fast_one_out(open_deur: OpenDeur) -> None:
    async with open_deur(Grenzen(gelijktijdig=1, wachtrij=1)) as deur:
        traag = [await deur.druppel(KOP + XML[:100]) for _ in range(100)]
        await deur.totdat("aanlevering_in_ontvangst", 100)
        antwoorden = await asyncio.gather(*(deur.lever() for _ in range(2)))
        assert [antwoord.status_code for antwoord in antwoorden] == [202, 202]
        assert deur.meting("aanlevering_in_ontvangst") == 100
        for _, schrijver in traag:
            schrijver.close()
        await deur.totdat("aanlevering_verbindingen", 0)
    assert len(deur.uitgegeven) == 2


async def test_a_sender_below_the_rate_is_sent_away_however_long_he_drips(
    open_deur: OpenDeur,
) -> None:
    async with open_deur(Grenzen(tempo=Tempo(geduld_s=0.5, min_bytes_s=1_000_000))) as deur:
        lezer, schrijver = await deur.druppel(KOP)

        async def druppel() -> None:
            for begin in range(len(XML)):
                schrijver.write(XML[begin : begin + 1])
                await asyncio.sleep(0.05)

        taak = asyncio.create_task(druppel())
        assert (await lezer.readline()).startswith(b"HTTP/1.1 408")
        taak.cancel()
        schrijver.close()
        assert (await deur.lever()).status_code == 202


async def test_who_fills_all_connections_without_a_head_is_left(
    open_deur: OpenDeur, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(poort_module, "HTTP", dict(HTTP) | {"keepalive_timeout": 0.5})
    async with open_deur(Grenzen(), 20) as deur:
        stil = [await deur.druppel(begin) for begin in (b"", KOP[:20]) for _ in range(20)]
        assert (await deur.lever()).status_code == 202
        for _, schrijver in stil:
            schrijver.close()


async def test_an_answer_that_nobody_reads_is_cut_off(open_deur: OpenDeur, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aanlevering.server._ANTWOORD_S", 0.5)
    async with open_deur(Grenzen()) as deur:
        pad = "/v1/batches/00000000-0000-4000-8000-000000000001/resultaat"
        _, schrijver = await deur.druppel(f"GET {pad} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await deur.totdat("aanlevering_verbindingen", 1)
        await deur.totdat("aanlevering_verbindingen", 0)
        schrijver.close()


async def test_a_full_spool_is_503_and_empties_again(open_deur: OpenDeur) -> None:
    async with open_deur(Grenzen(spoel_bytes=len(XML) + 99)) as deur:
        _, schrijver = await deur.druppel(KOP + XML[:100])
        await deur.totdat("aanlevering_in_ontvangst", 1)
        while (antwoord := await deur.lever()).status_code == 202:  # noqa: ASYNC110 (its first bytes are not taken yet)
            await asyncio.sleep(0.01)
        assert (antwoord.status_code, int(antwoord.headers["Retry-After"]) > 0) == (503, True)
        schrijver.close()
        await deur.totdat("aanlevering_in_ontvangst", 0)
        assert (await deur.lever()).status_code == 202


def test_the_patience_grows_with_what_came() -> None:
    tempo = Tempo(geduld_s=10, min_bytes_s=1000)
    assert tempo.nog(0, 0) == 10
    assert tempo.nog(12, 5000) == 3
    assert tempo.nog(12, 1000) == -1


async def test_a_body_that_stops_coming_is_too_slow() -> None:
    async def stukken() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield b"x"

    with Spoelruimte(100).deel() as deel:
        bestand, grootte = await spoel(stukken(), deel, Tempo(0.2, 1e9))
        with bestand:
            assert (grootte, deel.genomen, bestand.read()) == (3, 3, b"xxx")

    async def stil() -> AsyncIterator[bytes]:
        yield b"x"
        await asyncio.Event().wait()

    with Spoelruimte(100).deel() as deel, pytest.raises(Geweigerd, match="TeLangzaam"):
        await spoel(stil(), deel, Tempo(0.05, 1e9))


def test_a_delivery_stays_in_memory_longer_while_there_are_few() -> None:
    ruimte = Spoelruimte(100 * VEEL_BYTES, geheugen=2 * VEEL_BYTES)
    with ruimte.deel() as een:
        een.neem(VEEL_BYTES - 1)
        assert not een.vol
        een.neem(1)
        assert een.vol
        een.geschreven()
        assert not een.vol
        een.neem(VEEL_BYTES - 1)
        with ruimte.deel() as ander, ruimte.deel() as derde:
            ander.neem(VEEL_BYTES)
            derde.neem(1)
            assert een.vol, "together they have all that there is for it"
            assert not derde.vol, "this little anyone may have"
            derde.neem(WEINIG_BYTES - 1)
            assert derde.vol
        assert not een.vol, "what others had is given back"
    assert ruimte.geheugen_vrij == 2 * VEEL_BYTES
    assert ruimte.vrij == 100 * VEEL_BYTES


def test_spool_room_is_given_back() -> None:
    ruimte = Spoelruimte(10)
    with ruimte.deel() as een, ruimte.deel() as ander:
        een.neem(6)
        with pytest.raises(SpoelVol):
            ander.neem(5)
        ander.neem(4)
        assert ruimte.vrij == 0
    assert ruimte.vrij == 10


async def test_memory_is_handed_out_in_order_and_given_back() -> None:
    geheugen, volgorde = Geheugen(10), list[str]()
    los = asyncio.Event()

    async def neem(naam: str, aantal: int) -> None:
        async with geheugen.neem(aantal):
            volgorde.append(naam)
            await los.wait()

    taken = []
    for naam, aantal in (("a", 6), ("alles en meer", 99), ("klein", 1)):
        taken.append(asyncio.create_task(neem(naam, aantal)))
        await asyncio.sleep(0)
    weg = asyncio.create_task(neem("weg", 1))
    await asyncio.sleep(0.01)
    assert volgorde == ["a"]
    weg.cancel()
    los.set()
    await asyncio.gather(*taken)
    assert volgorde == ["a", "alles en meer", "klein"]
    async with geheugen.neem(10):
        pass
