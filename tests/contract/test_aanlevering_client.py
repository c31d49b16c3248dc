"""The sender's side against a door that behaves, refuses, and is away."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from aiohttp import web

from aanlevering.client import Aangeleverd, Bevinding, NietAangeleverd, Weigering, bestanden, controleer, lever_aan
from aanlevering.kop import OIN_HEADER
from aanlevering.server import maak_runner
from tests.globe import BATCH_ID, BSN, OIN, bericht_id, maak_bericht, maak_xml

Antwoord = Callable[[web.Request], Awaitable[web.Response]]


class Deur:
    """Answers as told, one after the other; the last answer stands for all that follow."""

    def __init__(self) -> None:
        self.antwoorden: list[web.Response] = []
        self.gekregen: list[tuple[bytes, dict[str, str]]] = []
        self.url = ""

    async def neem(self, verzoek: web.Request) -> web.Response:
        self.gekregen.append((await verzoek.read(), dict(verzoek.headers)))
        antwoord = self.antwoorden[min(len(self.gekregen), len(self.antwoorden)) - 1]
        return web.Response(status=antwoord.status, text=antwoord.text, headers=antwoord.headers)


def antwoord(status: int, tekst: str = "", **kop: str) -> web.Response:
    return web.Response(status=status, text=tekst, headers=kop)


XML = maak_xml()
GENOMEN = antwoord(202, f'{{"batch_id": "{BATCH_ID}", "proceskenmerk": "{UUID(int=3)}"}}')


@pytest_asyncio.fixture
async def deur() -> AsyncIterator[Deur]:
    deur = Deur()
    app = web.Application(client_max_size=0)
    app.router.add_post("/v1/batches", deur.neem)
    runner = maak_runner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    deur.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
    yield deur
    await runner.cleanup()


@pytest_asyncio.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient() as client:
        yield client


@pytest.fixture
def bestand(tmp_path: Path) -> Path:
    pad = tmp_path / "batch.xml"
    pad.write_bytes(XML)
    return pad


def test_files_are_found_in_folders_once_and_in_order(tmp_path: Path) -> None:
    for naam in ("b.xml", "a.xml.gz", "map/c.xml", "map/d.pdf", "e.xml.bak"):
        (tmp_path / naam).parent.mkdir(exist_ok=True)
        (tmp_path / naam).touch()
    alle = [tmp_path / naam for naam in ("a.xml.gz", "b.xml", "map/c.xml")]
    assert bestanden([tmp_path]) == alle
    assert bestanden([tmp_path / "map", tmp_path, tmp_path / "b.xml"]) == alle
    assert bestanden([tmp_path / "e.xml.bak"]) == [tmp_path / "e.xml.bak"]


def test_a_missing_path_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no such file or folder: .*/weg"):
        bestanden([tmp_path / "weg"])
    with pytest.raises(FileNotFoundError, match=r"no \*\.xml"):
        bestanden([tmp_path])


async def test_a_file_is_delivered(deur: Deur, client: httpx.AsyncClient, bestand: Path) -> None:
    deur.antwoorden = [GENOMEN]
    uitkomst = await lever_aan(deur.url, bestand, OIN, client)
    assert uitkomst == Aangeleverd(bestand, UUID(BATCH_ID), UUID(int=3))
    ((inhoud, kop),) = deur.gekregen
    assert inhoud == XML
    assert (kop[OIN_HEADER], kop["Content-Length"]) == (OIN, str(len(inhoud)))
    assert "Content-Encoding" not in kop
    assert "Transfer-Encoding" not in kop


async def test_a_packed_file_is_announced(deur: Deur, client: httpx.AsyncClient, tmp_path: Path) -> None:
    deur.antwoorden = [GENOMEN]
    bestand = tmp_path / "batch.xml.gz"
    bestand.write_bytes(gzip.compress(maak_xml()))
    await lever_aan(deur.url, bestand, None, client)
    ((inhoud, kop),) = deur.gekregen
    assert gzip.decompress(inhoud) == maak_xml()
    assert kop["Content-Encoding"] == "gzip"
    assert OIN_HEADER not in kop


async def test_a_refusal_comes_back_at_once(deur: Deur, client: httpx.AsyncClient, bestand: Path) -> None:
    deur.antwoorden = [antwoord(413, f'{{"code": "TeGroot", "reden": "Te groot.", "batch_id": "{BATCH_ID}"}}')]
    assert await lever_aan(deur.url, bestand, None, client) == Weigering(
        bestand, "TeGroot", "Te groot.", UUID(BATCH_ID)
    )
    deur.antwoorden = [antwoord(403, "<html>proxy</html>")]
    uitkomst = await lever_aan(deur.url, bestand, None, client)
    assert isinstance(uitkomst, Weigering)
    assert (uitkomst.code, uitkomst.batch_id) == ("Http403", None)
    assert len(deur.gekregen) == 2


@pytest.mark.parametrize("status", [503, 502, 500, 429])
async def test_later_is_tried_again_with_the_whole_file(
    deur: Deur, client: httpx.AsyncClient, bestand: Path, status: int
) -> None:
    deur.antwoorden = [antwoord(status, **{"Retry-After": "0"}), GENOMEN]
    assert isinstance(await lever_aan(deur.url, bestand, None, client), Aangeleverd)
    assert [inhoud for inhoud, _ in deur.gekregen] == [XML] * 2


async def test_a_door_that_keeps_saying_later_ends_at_the_deadline(
    deur: Deur, client: httpx.AsyncClient, bestand: Path
) -> None:
    deur.antwoorden = [antwoord(503)]
    with pytest.raises(NietAangeleverd, match="HTTP 503"):
        await lever_aan(deur.url, bestand, None, client, deadline_s=0.5)


async def test_a_door_that_is_away_ends_at_the_deadline(client: httpx.AsyncClient, bestand: Path) -> None:
    with pytest.raises(NietAangeleverd, match="cannot be reached"):
        await lever_aan("http://127.0.0.1:9", bestand, None, client, deadline_s=0.2)


def test_checking_a_good_file_finds_nothing(bestand: Path, tmp_path: Path) -> None:
    assert controleer(bestand) == []
    ingepakt = tmp_path / "batch.xml.gz"
    ingepakt.write_bytes(gzip.compress(maak_xml()))
    assert controleer(ingepakt) == []


def test_checking_names_each_message_that_breaks_the_schema(bestand: Path) -> None:
    bestand.write_bytes(
        maak_xml(berichten=[maak_bericht(1), maak_bericht(2, GebruikerID=f"{BSN}0"), maak_bericht(3, BerichtID="x")])
    )
    assert controleer(bestand) == [
        Bevinding(bestand, 2, UUID(bericht_id(2)), "GebruikerID: heeft niet de voorgeschreven vorm"),
        Bevinding(bestand, 3, None, "BerichtID: heeft niet de voorgeschreven vorm"),
    ]


def test_checking_tells_what_the_door_would_refuse(bestand: Path) -> None:
    bestand.write_bytes(maak_xml(berichten=[]))
    (bevinding,) = controleer(bestand)
    assert isinstance(bevinding, Weigering)
    assert (bevinding.code, bevinding.batch_id) == ("GeenBerichten", UUID(BATCH_ID))
