"""What every profile service promises: the one in memory and the SOAP client against the reference server's process."""

import asyncio
import itertools
import logging
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import zeep
from lxml import etree

from profielservice.cache import CachendeProfielservice
from profielservice.client import (
    AntwoordOnvolledig,
    Profielservice,
    ProfielserviceFout,
    ProfielserviceWeg,
    SoapProfielservice,
)
from profielservice.gebruikers import Gebruiker, Storing
from profielservice.geheugen import GeheugenProfielservice
from tests.regels import regel

OIN, ANDERE = "00000099000000001000", "00000099000000002000"
BSN = "123456782"
NUMMERS = itertools.count(random.Random(7).randrange(100_000_000, 300_000_000), 7)
SOAP = "http://schemas.xmlsoap.org/soap/envelope/"
V = "http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/2009/01"
T = "http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/Types/2009/01"
S = "http://schemas.rdw.nl/GEB/Shared/Types/2009/01"


def nieuwe_bsns(aantal: int) -> list[str]:
    """Citizens that no test used before."""
    return [str(next(NUMMERS)) for _ in range(aantal)]


@contextmanager
def serverproces(*opties: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A reference server of its own, with its address; it ends with the block."""
    opdracht = [sys.executable, "-m", "profielservice", "--poort", "0", *opties]
    with subprocess.Popen(opdracht, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as proces:
        try:
            assert proces.stdout is not None
            regel = proces.stdout.readline()
            adres = re.search(r"http://\S+", regel)
            assert adres, regel
            yield adres[0], proces
        finally:
            proces.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serverproces("--data", str(tmp_path_factory.mktemp("profiel"))) as (url, _):
        yield url


@dataclass
class Opstelling:
    """A profile service under test, and how to fill it and make it fail."""

    dienst: Profielservice
    laad: Callable[[list[Gebruiker]], Awaitable[None]]
    stoor: Callable[[Storing], Awaitable[None]]


@pytest.fixture(params=["geheugen", "soap"])
async def opstelling(request: pytest.FixtureRequest) -> AsyncIterator[Opstelling]:
    if request.param == "geheugen":
        geheugen = GeheugenProfielservice(timeout_s=3.0)

        async def onthoud(gebruikers: list[Gebruiker]) -> None:
            geheugen.gebruikers |= {gebruiker.bsn: gebruiker for gebruiker in gebruikers}

        async def stoor_geheugen(storing: Storing) -> None:
            geheugen.storing = storing

        yield Opstelling(geheugen, onthoud, stoor_geheugen)
        return

    url: str = request.getfixturevalue("server")
    async with httpx.AsyncClient(base_url=url) as beheer:

        async def laad(gebruikers: list[Gebruiker]) -> None:
            inhoud = {"gebruikers": [gebruiker.model_dump() for gebruiker in gebruikers]}
            (await beheer.put("/gebruikers", json=inhoud)).raise_for_status()

        async def stoor(storing: Storing) -> None:
            (await beheer.put("/storing", content=storing.model_dump_json())).raise_for_status()

        dienst = SoapProfielservice(url, timeout_s=3.0)
        yield Opstelling(dienst, laad, stoor)
        await stoor(Storing())
        await dienst.close()


# What is promised by each of them


@regel("no such user, no active box, or not subscribed to this leverancier")
async def test_only_who_exists_is_active_and_subscribed_receives(opstelling: Opstelling) -> None:
    bsns = nieuwe_bsns(8)
    staten: list[tuple[bool, str | list[str], bool]] = [
        (True, "*", True),
        (True, [OIN], True),
        (True, [ANDERE, OIN], True),
        (True, [ANDERE], False),
        (True, [], False),
        (False, "*", False),
        (False, [OIN], False),
    ]
    gebruikers = [
        Gebruiker.model_validate({"bsn": bsn, "actief": actief, "abonnementen": abonnementen})
        for bsn, (actief, abonnementen, _) in zip(bsns, staten, strict=False)
    ]
    await opstelling.laad(gebruikers)
    antwoord = await opstelling.dienst.mag_versturen(OIN, "AANSLAG", bsns)
    assert antwoord == dict(zip(bsns, [mag for *_, mag in staten] + [False], strict=True))


@regel("`T:klanten` holding 1 to 250 `S:Klant`")
@pytest.mark.parametrize("aantal", [0, 1, 249, 250, 251, 1000])
async def test_any_number_of_citizens_is_answered_each_its_own(opstelling: Opstelling, aantal: int) -> None:
    bsns = nieuwe_bsns(aantal)
    await opstelling.laad([Gebruiker(bsn=bsn, actief=bsn in bsns[::3], abonnementen="*") for bsn in bsns])
    antwoord = await opstelling.dienst.mag_versturen(OIN, "AANSLAG", bsns)
    assert antwoord == {bsn: nummer % 3 == 0 for nummer, bsn in enumerate(bsns)}


async def test_a_citizen_asked_about_twice_is_answered_once(opstelling: Opstelling) -> None:
    een, ander = nieuwe_bsns(2)
    await opstelling.laad([Gebruiker(bsn=een, actief=True, abonnementen="*")])
    antwoord = await opstelling.dienst.mag_versturen(OIN, "AANSLAG", [een, ander, een] * 200)
    assert antwoord == {een: True, ander: False}


@pytest.mark.parametrize(
    "sleutel",
    ["12345678", "1234567890", "12345678a", "１２３４５６７８２", " 23456789", "123456789\n", ""],
    ids=range(7),
)
async def test_what_is_not_nine_digits_is_not_asked(opstelling: Opstelling, sleutel: str) -> None:
    with pytest.raises(ValueError, match="1 of 2 keys are not nine digits") as fout:
        await opstelling.dienst.mag_versturen(OIN, "AANSLAG", [*nieuwe_bsns(1), sleutel])
    assert not sleutel or sleutel not in str(fout.value)


@regel("no result, log line, metric, Kafka key or header, error text")
async def test_a_fault_names_its_kind_and_no_citizen(opstelling: Opstelling, caplog: pytest.LogCaptureFixture) -> None:
    bsns = nieuwe_bsns(3)
    await opstelling.stoor(Storing(fout_bij_bsn=frozenset(bsns[1:2]), fout_bij_oin=frozenset({ANDERE})))
    with caplog.at_level(logging.DEBUG):
        for leverancier, soort in [(OIN, "ApplicationFault"), (ANDERE, "DependentServiceFault")]:
            with pytest.raises(ProfielserviceFout) as fout:
                await opstelling.dienst.mag_versturen(leverancier, "AANSLAG", bsns)
            assert fout.value.soort == soort
            assert not any(bsn in "".join(traceback.format_exception(fout.value)) for bsn in bsns)
    assert not any(bsn in caplog.text for bsn in bsns)
    assert await opstelling.dienst.mag_versturen(OIN, "AANSLAG", [bsns[0], bsns[2]]) == {bsns[0]: False, bsns[2]: False}


async def test_an_answer_that_leaves_citizens_out_is_a_fault(opstelling: Opstelling) -> None:
    bsns = nieuwe_bsns(5)
    await opstelling.stoor(Storing(laat_weg_bsn=frozenset(bsns[:2])))
    with pytest.raises(AntwoordOnvolledig) as fout:
        await opstelling.dienst.mag_versturen(OIN, "AANSLAG", bsns)
    assert fout.value.ontbrekend == 2
    assert not any(bsn in str(fout.value) for bsn in bsns)


@regel("Expect it to be slow, rate limited, and away at times")
@pytest.mark.parametrize(
    "storing", [Storing(weg=True), Storing(traag_s=10), Storing(afbreken=True)], ids=["503", "slow", "cut"]
)
async def test_a_service_that_is_away_is_away_and_comes_back(opstelling: Opstelling, storing: Storing) -> None:
    bsns = nieuwe_bsns(600)
    await opstelling.laad([Gebruiker(bsn=bsn, actief=True, abonnementen="*") for bsn in bsns])
    await opstelling.stoor(storing)
    with pytest.raises(ProfielserviceWeg) as fout:
        await opstelling.dienst.mag_versturen(OIN, "AANSLAG", bsns)
    assert not any(bsn in "".join(traceback.format_exception(fout.value)) for bsn in bsns)
    await opstelling.stoor(Storing())
    assert await opstelling.dienst.mag_versturen(OIN, "AANSLAG", bsns) == dict.fromkeys(bsns, True)


async def test_a_remembered_answer_outlives_an_outage(opstelling: Opstelling) -> None:
    bsns = nieuwe_bsns(300)
    await opstelling.laad([Gebruiker(bsn=bsn, actief=True, abonnementen="*") for bsn in bsns])
    cache = CachendeProfielservice(opstelling.dienst)
    await cache.mag_versturen(OIN, "AANSLAG", bsns)
    await opstelling.stoor(Storing(weg=True))
    assert await cache.mag_versturen(OIN, "AANSLAG", bsns) == dict.fromkeys(bsns, True)
    with pytest.raises(ProfielserviceWeg):
        await cache.mag_versturen(OIN, "ANDER", bsns)


# The client against a service that does not follow the book


class Tegenspeler:
    """A bare HTTP server that keeps what it is sent and answers with bytes of our choice."""

    def __init__(self, antwoord: bytes, status: str = "200 OK") -> None:
        kop = f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nConnection: close\r\n"
        self.antwoord = f"{kop}Content-Length: {len(antwoord)}\r\n\r\n".encode() + antwoord
        self.ontvangen: list[tuple[dict[str, str], bytes]] = []
        self.tegelijk = self.meest_tegelijk = 0

    async def __call__(self, lezer: asyncio.StreamReader, schrijver: asyncio.StreamWriter) -> None:
        self.tegelijk += 1
        self.meest_tegelijk = max(self.meest_tegelijk, self.tegelijk)
        regels = (await lezer.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        koppen = {naam.lower(): waarde.strip() for naam, waarde in (regel.split(":", 1) for regel in regels)}
        self.ontvangen.append((koppen, await lezer.readexactly(int(koppen["content-length"]))))
        await asyncio.sleep(0.05)
        self.tegelijk -= 1
        schrijver.write(self.antwoord)
        with suppress(ConnectionError):
            await schrijver.drain()
        schrijver.close()


@asynccontextmanager
async def vraag_aan(tegenspeler: Tegenspeler, **opties: object) -> AsyncIterator[SoapProfielservice]:
    async with await asyncio.start_server(tegenspeler, "127.0.0.1", 0) as luisteraar:
        poort = luisteraar.sockets[0].getsockname()[1]
        dienst = SoapProfielservice(f"http://127.0.0.1:{poort}/dienst", **opties)  # type: ignore[arg-type]
        try:
            yield dienst
        finally:
            await dienst.close()


def antwoord_voor(*abonnementen: tuple[str, str]) -> bytes:
    """An answer written by hand, with other prefixes than ours."""
    regels = "".join(
        f'<t:Abonnement>\n<t:klant><Key xmlns="{S}">{bsn}</Key><Rol xmlns="{S}">Burger</Rol></t:klant>'
        f"<t:isBerichtSturen>{mag}</t:isBerichtSturen></t:Abonnement>"
        for bsn, mag in abonnementen
    )
    return (
        f'<?xml version="1.0" encoding="utf-8"?><e:Envelope xmlns:e="{SOAP}"><e:Header/><e:Body>'
        f'<ValidateAbonnementenResponse xmlns="{V}" xmlns:t="{T}"><ValidateAbonnementenResult>{regels}'
        "</ValidateAbonnementenResult></ValidateAbonnementenResponse></e:Body></e:Envelope>"
    ).encode()


def fout_met(detail: str) -> bytes:
    return (
        f'<e:Envelope xmlns:e="{SOAP}"><e:Body><e:Fault><faultcode>e:Server</faultcode><faultstring>123456782'
        f'</faultstring><detail xmlns:s="{S}">{detail}</detail></e:Fault></e:Body></e:Envelope>'
    ).encode()


@regel(
    "SOAP 1.1, document/literal",
    "V = `http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/2009/01`",
    "T = `http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/Types/2009/01`",
    "S = `http://schemas.rdw.nl/GEB/Shared/Types/2009/01`",
    "all elements qualified",
    "`V:ValidateAbonnementen` / `V:validateAbonnementenAanvraag` with, in order, `T:berichtleverancierCode`",
    "(`S:Key` = BSN, `S:Rol` = `Burger`)",
    "The SOAPAction is not published: a setting",
)
async def test_what_the_client_sends_is_by_the_book() -> None:
    een, ander = nieuwe_bsns(2)
    tegenspeler = Tegenspeler(antwoord_voor((een, "true"), (ander, "0")))
    async with vraag_aan(tegenspeler, soap_action="urn:validate") as dienst:
        assert await dienst.mag_versturen(OIN, "AanSlag1", [een, ander, een]) == {een: True, ander: False}
    ((koppen, inhoud),) = tegenspeler.ontvangen
    assert koppen["content-type"] == "text/xml; charset=utf-8"
    assert koppen["soapaction"] == '"urn:validate"'
    klanten = [
        element
        for bsn in (een, ander)
        for element in [(f"{{{S}}}Klant", None), (f"{{{S}}}Key", bsn), (f"{{{S}}}Rol", "Burger")]
    ]
    assert [(element.tag, element.text) for element in etree.fromstring(inhoud).iter()] == [
        (f"{{{SOAP}}}Envelope", None),
        (f"{{{SOAP}}}Body", None),
        (f"{{{V}}}ValidateAbonnementen", None),
        (f"{{{V}}}validateAbonnementenAanvraag", None),
        (f"{{{T}}}berichtleverancierCode", OIN),
        (f"{{{T}}}berichtTypeCode", "AanSlag1"),
        (f"{{{T}}}klanten", None),
        *klanten,
    ]


@regel("Expect it to be slow, rate limited, and away at times", "`T:klanten` holding 1 to 250 `S:Klant`")
async def test_no_call_names_more_citizens_than_a_group_and_few_run_at_once() -> None:
    bsns = nieuwe_bsns(1000)
    tegenspeler = Tegenspeler(antwoord_voor(*((bsn, "true") for bsn in bsns)))
    async with vraag_aan(tegenspeler, groep=100, gelijktijdig=3) as dienst:
        assert await dienst.mag_versturen(OIN, "AANSLAG", bsns) == dict.fromkeys(bsns, True)
    gevraagd = [re.findall(rb"<\w+:Key>([0-9]{9})<", inhoud) for _, inhoud in tegenspeler.ontvangen]
    assert [len(groep) for groep in gevraagd] == [100] * 10
    assert sorted(itertools.chain.from_iterable(gevraagd)) == sorted(bsn.encode() for bsn in bsns)
    assert tegenspeler.meest_tegelijk == 3


async def test_unknown_keys_are_ignored_and_equal_repeats_do_no_harm() -> None:
    (bsn,) = nieuwe_bsns(1)
    antwoord = antwoord_voor(("999999999", "true"), ("x", "true"), (f" {bsn}", "true"), (bsn, "false"), (bsn, "0"))
    async with vraag_aan(Tegenspeler(antwoord)) as dienst:
        assert await dienst.mag_versturen(OIN, "AANSLAG", [bsn]) == {bsn: False}


async def test_an_answer_that_contradicts_itself_is_a_fault() -> None:
    (bsn,) = nieuwe_bsns(1)
    async with vraag_aan(Tegenspeler(antwoord_voor((bsn, "false"), (bsn, "true")))) as dienst:
        with pytest.raises(ProfielserviceFout) as fout:
            await dienst.mag_versturen(OIN, "AANSLAG", [bsn])
    assert fout.value.soort == "AntwoordTegenstrijdig"


@regel("Faults carry `S:ApplicationFault` or `S:DependentServiceFault`, each with `S:Message`")
@pytest.mark.parametrize("status", ["200 OK", "500 Internal Server Error", "503 Service Unavailable"])
@pytest.mark.parametrize(
    ("detail", "soort"),
    [
        ("<s:ApplicationFault><s:Message>123456782</s:Message></s:ApplicationFault>", "ApplicationFault"),
        ("<s:DependentServiceFault><s:Message>x</s:Message></s:DependentServiceFault>", "DependentServiceFault"),
        ("<ApplicationFault/>", "OnbekendeFout"),
        ("", "OnbekendeFout"),
    ],
    ids=["application", "dependent", "other-namespace", "empty"],
)
async def test_a_fault_is_a_fault_whatever_the_status(detail: str, soort: str, status: str) -> None:
    async with vraag_aan(Tegenspeler(fout_met(detail), status)) as dienst:
        with pytest.raises(ProfielserviceFout) as fout:
            await dienst.mag_versturen(OIN, "AANSLAG", [BSN])
    assert fout.value.soort == soort
    assert BSN not in "".join(traceback.format_exception(fout.value))


BOM = "<!DOCTYPE b [<!ENTITY a0 '123456782'>" + "".join(f"<!ENTITY a{n + 1} '{f'&a{n};' * 10}'>" for n in range(9))


@regel("Expect it to be slow, rate limited, and away at times")
@pytest.mark.parametrize(
    ("status", "antwoord"),
    [
        ("200 OK", b""),
        ("200 OK", b"123456782 is geen XML"),
        ("200 OK", b"<html>123456782</html>"),
        ("200 OK", antwoord_voor((BSN, "true"))[:-20]),
        ("200 OK", antwoord_voor((BSN, "misschien"))),
        ("200 OK", antwoord_voor((BSN, "true")).replace(V.encode(), b"urn:anders")),
        ("200 OK", antwoord_voor((BSN, "true")).replace(SOAP.encode(), b"urn:anders")),
        ("200 OK", f"{BOM}]><b>&a9;</b>".encode()),
        ("200 OK", f"{BOM}]><b x='&a9;'/>".encode()),
        ("200 OK", b"<!DOCTYPE b [<!ENTITY x SYSTEM 'file:///etc/hostname'>]><b>&x;</b>"),
        ("200 OK", b"<!DOCTYPE b SYSTEM 'http://127.0.0.1:1/x.dtd'><b/>"),
        ("200 OK", b"<a>" * 50_000),
        ("200 OK", antwoord_voor((BSN, "true")) + b" " * 5_000_000),
        ("500 Internal Server Error", antwoord_voor((BSN, "true"))),
        ("503 Service Unavailable", b"123456782"),
        ("404 Not Found", b""),
        ("429 Too Many Requests", b""),
        ("301 Moved Permanently\r\nLocation: http://127.0.0.1:1/", b""),
        ("200 OK\r\nContent-Encoding: gzip", b"\x1f\x8b" + b"\x00" * 100),
    ],
    ids=[
        "empty",
        "text",
        "html",
        "cut-xml",
        "no-boolean",
        "other-namespace",
        "other-envelope",
        "bomb",
        "bomb-in-attribute",
        "file-entity",
        "remote-dtd",
        "deep",
        "huge",
        "500-with-answer",
        "503",
        "404",
        "429",
        "redirect",
        "compressed",
    ],
)
async def test_what_is_no_answer_means_away(status: str, antwoord: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with vraag_aan(Tegenspeler(antwoord, status)) as dienst:
            with pytest.raises(ProfielserviceWeg) as fout:
                await dienst.mag_versturen(OIN, "AANSLAG", [BSN])
    assert BSN not in "".join(traceback.format_exception(fout.value))
    assert BSN not in caplog.text


async def test_a_dripping_answer_ends_at_the_time_out() -> None:
    async def druppel(_lezer: asyncio.StreamReader, schrijver: asyncio.StreamWriter) -> None:
        schrijver.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not schrijver.is_closing():
            schrijver.write(b" ")
            await asyncio.sleep(0.05)

    async with await asyncio.start_server(druppel, "127.0.0.1", 0) as luisteraar:
        poort = luisteraar.sockets[0].getsockname()[1]
        dienst = SoapProfielservice(f"http://127.0.0.1:{poort}/", timeout_s=0.5)
        with pytest.raises(ProfielserviceWeg, match="TimeoutError"):
            async with asyncio.timeout(20):
                await dienst.mag_versturen(OIN, "AANSLAG", [BSN])
        await dienst.close()


async def test_an_endless_answer_is_cut_off() -> None:
    async def stroom(_lezer: asyncio.StreamReader, schrijver: asyncio.StreamWriter) -> None:
        schrijver.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        with suppress(ConnectionError):
            while not schrijver.is_closing():
                schrijver.write(b" " * 65536)
                await schrijver.drain()

    async with await asyncio.start_server(stroom, "127.0.0.1", 0) as luisteraar:
        poort = luisteraar.sockets[0].getsockname()[1]
        dienst = SoapProfielservice(f"http://127.0.0.1:{poort}/")
        with pytest.raises(ProfielserviceWeg, match="answer of more than"):
            await dienst.mag_versturen(OIN, "AANSLAG", [BSN])
        await dienst.close()


async def test_a_connection_that_the_service_closed_while_it_stood_idle_costs_no_answer() -> None:
    """Also when we were too busy to see that it was closed."""
    gehoord: list[int] = []

    async def eens(lezer: asyncio.StreamReader, schrijver: asyncio.StreamWriter) -> None:
        kop = (await lezer.readuntil(b"\r\n\r\n")).decode().lower()
        await lezer.readexactly(int(kop.split("content-length: ")[1].split("\r\n")[0]))
        gehoord.append(len(gehoord))
        inhoud = antwoord_voor((BSN, "true"))
        schrijver.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(inhoud), inhoud))
        await asyncio.sleep(0.2)
        schrijver.close()

    def bedien() -> None:
        lus = asyncio.new_event_loop()
        luisteraar = lus.run_until_complete(asyncio.start_server(eens, "127.0.0.1", 0))
        poort.append(luisteraar.sockets[0].getsockname()[1])
        klaar.set()
        lus.run_until_complete(asyncio.to_thread(weg.wait))
        luisteraar.close()
        lus.run_until_complete(luisteraar.wait_closed())
        lus.close()

    poort, klaar, weg = list[int](), threading.Event(), threading.Event()
    draad = threading.Thread(target=bedien)
    draad.start()
    klaar.wait(10)
    dienst = SoapProfielservice(f"http://127.0.0.1:{poort[0]}/")
    try:
        assert await dienst.mag_versturen(OIN, "AANSLAG", [BSN]) == {BSN: True}
        time.sleep(0.5)  # noqa: ASYNC251 (the loop is what is busy)
        assert await dienst.mag_versturen(OIN, "AANSLAG", [BSN]) == {BSN: True}
    finally:
        await dienst.close()
        weg.set()
        draad.join(10)
    assert len(gehoord) == 2


async def test_nobody_listening_means_away() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bezet:
        poort = bezet.getsockname()[1]
    dienst = SoapProfielservice(f"http://127.0.0.1:{poort}/")
    with pytest.raises(ProfielserviceWeg, match="ClientConnectorError"):
        await dienst.mag_versturen(OIN, "AANSLAG", [BSN])
    await dienst.close()


@regel("`T:klanten` holding 1 to 250 `S:Klant`")
@pytest.mark.parametrize("groep", [0, 251])
def test_a_group_outside_the_interface_is_refused(groep: int) -> None:
    with pytest.raises(ValueError, match="1 to 250"):
        SoapProfielservice("http://127.0.0.1:1/", groep=groep)


def test_no_calls_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="at once"):
        SoapProfielservice("http://127.0.0.1:1/", gelijktijdig=0)


async def test_a_proxy_of_the_environment_never_sees_a_question(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    (bsn,) = nieuwe_bsns(1)
    dienst = SoapProfielservice(server)
    assert await dienst.mag_versturen(OIN, "AANSLAG", [bsn]) == {bsn: False}
    await dienst.close()


# The reference server on the wire

VRAAG = f"""<e:Envelope xmlns:e="{SOAP}"><e:Body>
<ValidateAbonnementen xmlns="{V}"><validateAbonnementenAanvraag>
<berichtleverancierCode xmlns="{T}">{OIN}</berichtleverancierCode><berichtTypeCode xmlns="{T}">AANSLAG</berichtTypeCode>
<klanten xmlns="{T}"><Klant xmlns="{S}"><Key>123456782</Key><Rol>Burger</Rol></Klant></klanten>
</validateAbonnementenAanvraag></ValidateAbonnementen></e:Body></e:Envelope>"""


@regel(
    "SOAP 1.1, document/literal",
    "V = `http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/2009/01`",
    "T = `http://schemas.rdw.nl/GEB/BerichtenboxValidatieService/Types/2009/01`",
    "S = `http://schemas.rdw.nl/GEB/Shared/Types/2009/01`",
    "all elements qualified",
    "`V:ValidateAbonnementenResponse` / `V:ValidateAbonnementenResult` with a `T:Abonnement` for each klant",
    "`T:klant` (as asked) and `T:isBerichtSturen` (boolean)",
)
def test_a_question_written_by_hand_is_answered_by_the_book(server: str) -> None:
    antwoord = httpx.post(server, content=VRAAG, headers={"Content-Type": "text/xml", "SOAPAction": '"iets"'})
    assert antwoord.status_code == 200
    assert antwoord.headers["content-type"] == "text/xml; charset=utf-8"
    assert [(element.tag, element.text) for element in etree.fromstring(antwoord.content).iter()] == [
        (f"{{{SOAP}}}Envelope", None),
        (f"{{{SOAP}}}Body", None),
        (f"{{{V}}}ValidateAbonnementenResponse", None),
        (f"{{{V}}}ValidateAbonnementenResult", None),
        (f"{{{T}}}Abonnement", None),
        (f"{{{T}}}klant", None),
        (f"{{{S}}}Key", "123456782"),
        (f"{{{S}}}Rol", "Burger"),
        (f"{{{T}}}isBerichtSturen", "false"),
    ]


@regel(
    "Faults carry `S:ApplicationFault` or `S:DependentServiceFault`, each with `S:Message`",
    "`T:klanten` holding 1 to 250 `S:Klant`",
)
@pytest.mark.parametrize("aantal", [0, 251])
def test_too_few_or_too_many_citizens_get_an_application_fault(server: str, aantal: int) -> None:
    klant = re.findall(r"<Klant.*</Klant>", VRAAG)[0]
    antwoord = httpx.post(server, content=VRAAG.replace(klant, klant * aantal))
    assert antwoord.status_code == 500
    fout = etree.fromstring(antwoord.content)[0][0]
    assert [(element.tag, element.text) for element in fout.iter()] == [
        (f"{{{SOAP}}}Fault", None),
        ("faultcode", "soap:Server"),
        ("faultstring", "ApplicationFault"),
        ("detail", None),
        (f"{{{S}}}ApplicationFault", None),
        (f"{{{S}}}Message", "A question names 1 to 250 klanten"),
    ]


@pytest.mark.parametrize(
    "vraag",
    [
        f"{BOM}]><b>&a9;</b>",
        "<!DOCTYPE b [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><b>&x;</b>",
        "<b>" * 5000,
        VRAAG + " " * 2_000_000,
        VRAAG.replace("<Rol>Burger</Rol>", ""),
        VRAAG.replace(BSN, "123456782X"),
        VRAAG[:-10],
        "",
    ],
    ids=["bomb", "file", "deep", "huge", "no-rol", "bad-key", "cut", "empty"],
)
def test_hostile_questions_get_a_client_fault_and_the_next_is_answered(server: str, vraag: str) -> None:
    antwoord = httpx.post(server, content=vraag)
    assert antwoord.status_code == 500
    assert etree.fromstring(antwoord.content).findtext(".//faultcode") == "soap:Client"
    assert BSN not in antwoord.text
    assert "root:" not in antwoord.text
    assert httpx.post(server, content=VRAAG).status_code == 200


@regel("SOAP 1.1, document/literal")
def test_another_client_gets_by_with_the_wsdl_alone(server: str) -> None:
    (bsn,) = nieuwe_bsns(1)
    httpx.put(f"{server}gebruikers", json={"gebruikers": [{"bsn": bsn, "actief": True, "abonnementen": [OIN]}]})
    ander = zeep.Client(f"{server}?wsdl")
    aanvraag = {
        "berichtleverancierCode": OIN,
        "berichtTypeCode": "AANSLAG",
        "klanten": {"Klant": [{"Key": bsn, "Rol": "Burger"}, {"Key": "999999999", "Rol": "Burger"}]},
    }
    antwoord = ander.service.ValidateAbonnementen(validateAbonnementenAanvraag=aanvraag)
    assert [(een.klant.Key, een.isBerichtSturen) for een in antwoord] == [(bsn, True), ("999999999", False)]


@pytest.mark.parametrize(
    "gebruiker",
    [
        {"bsn": "12345678", "actief": True, "abonnementen": "*"},
        {"bsn": "123456782", "actief": "ja", "abonnementen": "*"},
        {"bsn": "123456782", "actief": True, "abonnementen": ["*"]},
        {"bsn": "123456782", "actief": True, "abonnementen": "alles"},
        {"bsn": "123456782", "actief": True},
        {"bsn": "123456782", "actief": True, "abonnementen": "*", "123456782": 1},
    ],
    ids=["short", "no-truth", "star-in-list", "word", "missing", "extra"],
)
def test_a_wrong_citizen_is_refused_without_being_quoted_and_nothing_is_kept(
    server: str, gebruiker: dict[str, object]
) -> None:
    voor = httpx.get(f"{server}aantal").json()
    goed = {"bsn": nieuwe_bsns(1)[0], "actief": True, "abonnementen": "*"}
    antwoord = httpx.put(f"{server}gebruikers", json={"gebruikers": [goed, gebruiker]})
    assert antwoord.status_code == 400
    assert "12345678" not in antwoord.text
    assert "['gebruikers', 1]" in antwoord.text
    assert httpx.get(f"{server}aantal").json() == voor


def test_the_number_of_active_users_and_the_counts_of_a_merge(server: str) -> None:
    een, ander = nieuwe_bsns(2)
    gebruikers = [{"bsn": bsn, "actief": True, "abonnementen": "*"} for bsn in (een, ander)]
    voor = httpx.get(f"{server}aantal").json()["aantal"]
    tellingen = [httpx.put(f"{server}gebruikers", json={"gebruikers": gebruikers}).json() for _ in range(2)]
    gebruikers[0]["actief"] = False
    tellingen.append(httpx.put(f"{server}gebruikers", json={"gebruikers": gebruikers}).json())
    assert tellingen == [
        {"nieuw": 2, "gewijzigd": 0, "gelijk": 0},
        {"nieuw": 0, "gewijzigd": 0, "gelijk": 2},
        {"nieuw": 0, "gewijzigd": 1, "gelijk": 1},
    ]
    assert httpx.get(f"{server}aantal").json()["aantal"] == voor + 1


def test_health_readiness_and_metrics(server: str) -> None:
    assert httpx.get(f"{server}healthz").status_code == httpx.get(f"{server}readyz").status_code == 200
    httpx.post(server, content=VRAAG)
    metingen = httpx.get(f"{server}metrics").text
    assert re.search(r'^profielservice_vragen_total\{uitkomst="antwoord"\} [1-9]', metingen, re.MULTILINE)
    assert BSN not in metingen


@regel("no result, log line, metric, Kafka key or header, error text")
def test_a_kill_loses_nothing_and_neither_disk_nor_log_holds_a_bsn(tmp_path: Path) -> None:
    data, bsns = tmp_path / "profiel", nieuwe_bsns(500)
    gebruikers = [{"bsn": bsn, "actief": True, "abonnementen": [OIN]} for bsn in bsns]
    with serverproces("--data", str(data)) as (url, proces):
        assert httpx.put(f"{url}gebruikers", json={"gebruikers": gebruikers}).json()["nieuw"] == 500
        httpx.put(f"{url}storing", json={"fout_bij_bsn": bsns[:1]})
        assert httpx.post(url, content=VRAAG.replace(BSN, bsns[0])).status_code == 500
        httpx.put(f"{url}gebruikers", content=f'{{"gebruikers":[{bsns[0]}]}}')
        httpx.post(url, content=bsns[0])
        httpx.post(url, content=bsns[0], headers={"Content-Encoding": "gzip"})
        with socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0)) as lijn:
            lijn.sendall(f"POST / HTTP/1.1\r\nHost: a\r\n<S:Key>{bsns[0]}</S:Key>\r\n\r\n".encode())
            assert b"400" in lijn.recv(100)
        os.kill(proces.pid, signal.SIGKILL)
        _, logregels = proces.communicate()
    assert "Error handling request" in logregels
    geschreven = b"".join(bestand.read_bytes() for bestand in data.rglob("*") if bestand.is_file())
    assert len(geschreven) > 500 * 32
    assert not [nummer for nummer, bsn in enumerate(bsns) if bsn.encode() in geschreven or bsn in logregels]

    with serverproces("--data", str(data)) as (url, proces):
        assert httpx.get(f"{url}aantal").json() == {"aantal": 500}
        antwoord = httpx.post(url, content=VRAAG.replace(BSN, bsns[499]))
        assert etree.fromstring(antwoord.content).findtext(f".//{{{T}}}isBerichtSturen") == "true"


async def test_a_request_to_stop_waits_for_the_running_answer() -> None:
    with serverproces() as (url, proces):
        async with httpx.AsyncClient() as vrager:
            await vrager.put(f"{url}storing", json={"traag_s": 1.5})
            vraag = asyncio.create_task(vrager.post(url, content=VRAAG))
            while "profielservice_bezig 1.0" not in (await vrager.get(f"{url}metrics")).text:  # noqa: ASYNC110 another process
                await asyncio.sleep(0.05)
            proces.send_signal(signal.SIGTERM)
            assert (await vraag).status_code == 200
        assert await asyncio.to_thread(proces.wait, 30) == 0


def test_a_port_in_use_is_said_in_one_line(server: str) -> None:
    poort = re.findall(r":(\d+)/", server)[0]
    opdracht = [sys.executable, "-m", "profielservice", "--poort", poort]
    klaar = subprocess.run(opdracht, capture_output=True, text=True, timeout=60, check=False)
    assert klaar.returncode == 1
    assert klaar.stderr.count("\n") == 1
    assert "cannot start" in klaar.stderr
