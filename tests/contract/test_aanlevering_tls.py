"""The door with certificates, over real TLS sockets: who is let in, as whom, and what he may see."""

import asyncio
import datetime
import logging
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from cryptography.x509.oid import ExtendedKeyUsageOID

from aanlevering.certificaten import Bestanden, CertificaatFout, Certificaten
from aanlevering.client import Aangeleverd, NietAangeleverd, lever_aan
from aanlevering.deur import Grenzen
from aanlevering.kop import OIN_HEADER
from aanlevering.metrics import Metrics
from aanlevering.poort import Poort
from aanlevering.server import maak_app, maak_beheer, maak_runner
from domain.batch import Batch
from sinks.objecten import Objecten
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.ca import CA, Certificaat
from tests.globe import BATCH_ID, BSN, OIN, maak_xml
from tests.pki import OIN_A, OIN_B, Uitgever, nu, zelf_getekend
from tests.regels import regel

XML = maak_xml()
UUR = datetime.timedelta(hours=1)
GEWEIGERD = (ssl.SSLError, httpx.TransportError)
"""The alert of TLS, or a connection that was closed while we still wrote; the door's log tells why."""
PAD = f"/v1/batches/{BATCH_ID}/resultaat"


@dataclass
class Deur:
    """A door with TLS, its CA, and the files that it looks at."""

    map: Path
    server: CA
    wortel: Uitgever
    uitgever: Uitgever
    bestanden: Bestanden
    log: pytest.LogCaptureFixture
    metrics: Metrics = field(default_factory=Metrics)
    uitgegeven: list[Batch] = field(default_factory=list)
    gevraagd: list[str | None] = field(default_factory=list)
    poort: int = 0
    beheer: str = ""
    certificaten: Certificaten | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.poort}"

    async def publiceer(self, batch: Batch) -> None:
        self.uitgegeven.append(batch)

    async def resultaat(self, *vraag: UUID | str | None) -> bytes | None:
        self.gevraagd.append(str(vraag[3]))
        return b"<BerichtVerwerkResponse/>" if vraag[3] == OIN_A else None

    def zet_crl(self, *inhoud: bytes) -> None:
        """Puts these in place of the CRLs of before, each in a file of its own."""
        assert self.bestanden.crl is not None
        for oud in self.bestanden.crl.iterdir():
            oud.unlink()
        for nummer, een in enumerate(inhoud):
            (self.bestanden.crl / f"{nummer}-{nu().timestamp()}.crl").write_bytes(een)

    async def ververs(self) -> None:
        assert self.certificaten is not None
        await self.certificaten.ververs()

    def client(self, wie: Certificaat | None, **opties: object) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.url, verify=self.kring(wie), timeout=30, trust_env=False, **opties)  # type: ignore[arg-type]

    def kring(self, wie: Certificaat | None) -> ssl.SSLContext:
        kring = ssl.create_default_context(cafile=str(self.server.pad))
        if wie is not None:
            kring.load_cert_chain(wie.certificaat, wie.sleutel)
        return kring

    async def meting(self, naam: str) -> float:
        async with httpx.AsyncClient(trust_env=False) as client:
            tekst = (await client.get(f"{self.beheer}/metrics")).text
        return float(next(regel for regel in tekst.splitlines() if regel.startswith(f"{naam} ")).split()[1])


@pytest_asyncio.fixture
async def deur(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> AsyncIterator[Deur]:
    caplog.set_level(logging.INFO, "aanlevering")
    wortel = Uitgever(tmp_path, "wortel")
    uitgever = Uitgever(tmp_path, "leveranciers", wortel)
    bundel = tmp_path / "bundel.pem"
    bundel.write_bytes(wortel.pad.read_bytes() + uitgever.pad.read_bytes())
    (tmp_path / "crl").mkdir()
    server = CA(tmp_path / "server")
    eigen = server.server()
    bestanden = Bestanden(eigen.certificaat, eigen.sleutel, bundel, tmp_path / "crl")
    deur = Deur(tmp_path, server, wortel, uitgever, bestanden, caplog)
    deur.zet_crl(wortel.crl(), uitgever.crl(der=True))
    deur.certificaten = Certificaten(bestanden, deur.metrics)
    maak_sleutels(tmp_path / "sleutels.json")
    app = maak_app(
        publiceer=deur.publiceer,
        objecten=Objecten(f"file://{tmp_path / 'opslag'}", lees_sleutels(tmp_path / "sleutels.json")),
        resultaat=deur.resultaat,
        controles={},
        grenzen=Grenzen(),
        metrics=deur.metrics,
        afzender=deur.certificaten.afzender,
    )
    certificaten = deur.certificaten
    runner, beheer = maak_runner(app, 5), maak_runner(maak_beheer({}, deur.metrics))
    await runner.setup()
    await beheer.setup()
    await web.TCPSite(beheer, "127.0.0.1", 0).start()
    deur.beheer = f"http://127.0.0.1:{beheer.addresses[0][1]}"
    assert runner.server is not None
    poort = Poort(runner.server, lambda: certificaten.kring, 50, deur.metrics)
    deur.poort = poort.start("127.0.0.1", 0)
    yield deur
    await poort.stop()
    await runner.cleanup()
    await beheer.cleanup()


async def geweigerd_in_de_handdruk(deur: Deur, wie: Certificaat | None, reden: str) -> None:
    """TLS says no, nothing is taken, and the door's log says why."""
    mislukt = await deur.meting("aanlevering_handdruk_mislukt_total")
    deur.log.clear()
    async with deur.client(wie) as client:
        with pytest.raises(GEWEIGERD):
            await client.post("/v1/batches", content=XML)
    assert f"refused in the handshake: {reden}" in deur.log.text
    while await deur.meting("aanlevering_handdruk_mislukt_total") != mislukt + 1:  # noqa: ASYNC110 (asked from outside)
        await asyncio.sleep(0.01)
    assert deur.uitgegeven == []


async def geweigerd_aan_de_deur(deur: Deur, wie: Certificaat, code: str, **kop: str) -> None:
    """A 403 before the body: it never comes, and the answer does."""
    kring = deur.kring(wie)
    lezer, schrijver = await asyncio.open_connection("127.0.0.1", deur.poort, ssl=kring)
    koppen = "".join(f"{naam}: {waarde}\r\n" for naam, waarde in kop.items())
    schrijver.write(f"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 90000000\r\n{koppen}\r\n".encode())
    antwoord = await lezer.readuntil(b"}")
    schrijver.close()
    assert antwoord.startswith(b"HTTP/1.1 403")
    assert f'"{code}"'.encode() in antwoord
    assert deur.uitgegeven == []


@regel(
    "`aangeleverd_door` is who was authenticated: by client certificate",
    "A PKIoverheid certificate carries it in Subject.serialNumber",
)
async def test_the_oin_of_the_certificate_delivers(deur: Deur) -> None:
    async with deur.client(deur.uitgever.client("b", [OIN_B])) as client:
        antwoord = await client.post("/v1/batches", content=XML)
        assert antwoord.status_code == 202
        assert (await client.post("/v1/batches", content=XML, headers={OIN_HEADER: OIN_B})).status_code == 202
    assert [(een.kader.leverancier, een.kader.aangeleverd_door) for een in deur.uitgegeven] == [(OIN, OIN_B)] * 2


@pytest.mark.parametrize("kop", [OIN_A, OIN_A.lower()])
async def test_no_header_makes_a_sender_another(deur: Deur, kop: str) -> None:
    await geweigerd_aan_de_deur(deur, deur.uitgever.client("b", [OIN_B]), "OinNietVanCertificaat", **{OIN_HEADER: kop})


async def test_without_a_certificate_nobody_gets_in(deur: Deur) -> None:
    await geweigerd_in_de_handdruk(deur, None, "PEER_DID_NOT_RETURN_A_CERTIFICATE")


async def test_a_certificate_of_another_ca_is_refused(deur: Deur, tmp_path: Path) -> None:
    vreemd = Uitgever(tmp_path, "vreemd").client("a")
    await geweigerd_in_de_handdruk(deur, vreemd, "unable to get local issuer")


async def test_a_forged_certificate_is_refused(deur: Deur) -> None:
    await geweigerd_in_de_handdruk(deur, deur.uitgever.client("a", vervalst=True), "certificate signature failure")


async def test_a_certificate_of_the_servers_ca_is_refused(deur: Deur) -> None:
    await geweigerd_in_de_handdruk(deur, deur.server.client("a", OIN_A), "self-signed certificate in certificate chain")


async def test_a_self_signed_certificate_is_refused(deur: Deur, tmp_path: Path) -> None:
    await geweigerd_in_de_handdruk(deur, zelf_getekend(tmp_path), "self-signed")


async def test_an_expired_certificate_is_refused(deur: Deur) -> None:
    await geweigerd_in_de_handdruk(
        deur, deur.uitgever.client("a", van=nu() - 3 * UUR, tot=nu() - UUR), "certificate has expired"
    )


async def test_a_certificate_of_tomorrow_is_refused(deur: Deur) -> None:
    await geweigerd_in_de_handdruk(
        deur, deur.uitgever.client("a", van=nu() + UUR, tot=nu() + 3 * UUR), "certificate is not yet valid"
    )


async def test_a_certificate_for_servers_alone_is_refused(deur: Deur) -> None:
    await geweigerd_in_de_handdruk(
        deur, deur.uitgever.client("a", gebruik=[ExtendedKeyUsageOID.SERVER_AUTH]), "unsuitable certificate purpose"
    )


async def test_a_certificate_that_does_not_say_it_is_for_clients_is_refused(deur: Deur) -> None:
    await geweigerd_aan_de_deur(deur, deur.uitgever.client("a", gebruik=None), "CertificaatOnbruikbaar")


@pytest.mark.parametrize(
    "nummers",
    [[], [OIN_A, OIN_B], [OIN_A, OIN_A], ["00000099000000001"], [f" {OIN_A}"], [BSN], ["00000011000000001000"]],
)
@pytest.mark.parametrize("samen", [False, True])
async def test_a_certificate_without_exactly_one_oin_is_refused(deur: Deur, nummers: list[str], samen: bool) -> None:
    if not samen or len(set(nummers)) > 1:
        await geweigerd_aan_de_deur(deur, deur.uitgever.client("a", nummers, samen=samen), "CertificaatZonderOin")


async def test_what_is_refused_by_its_head_is_refused_before_100_continue(deur: Deur) -> None:
    kring = deur.kring(deur.uitgever.client("a", []))
    lezer, schrijver = await asyncio.open_connection("127.0.0.1", deur.poort, ssl=kring)
    schrijver.write(b"POST /v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    assert (await lezer.readline()).startswith(b"HTTP/1.1 403")
    schrijver.close()


async def test_a_revoked_certificate_is_refused(deur: Deur) -> None:
    goed, fout = deur.uitgever.client("goed"), deur.uitgever.client("fout")
    deur.zet_crl(deur.wortel.crl(), deur.uitgever.crl(fout))
    await deur.ververs()
    await geweigerd_in_de_handdruk(deur, fout, "certificate revoked")
    async with deur.client(goed) as client:
        assert (await client.post("/v1/batches", content=XML)).status_code == 202


async def test_a_revoked_intermediate_takes_all_it_signed_with_it(deur: Deur) -> None:
    deur.zet_crl(deur.wortel.crl(deur.uitgever.certificaat), deur.uitgever.crl())
    await deur.ververs()
    await geweigerd_in_de_handdruk(deur, deur.uitgever.client("a"), "certificate revoked")


async def test_a_revocation_also_counts_for_who_is_inside_already(deur: Deur) -> None:
    wie = deur.uitgever.client("a")
    async with deur.client(wie) as client:
        assert (await client.post("/v1/batches", content=XML)).status_code == 202
        deur.zet_crl(deur.wortel.crl(), deur.uitgever.crl(wie))
        await deur.ververs()
        antwoord = await client.post("/v1/batches", content=XML)
        assert (antwoord.status_code, antwoord.headers["Connection"]) == (503, "close")
        assert int(antwoord.headers["Retry-After"]) > 0
        with pytest.raises(GEWEIGERD):
            await client.post("/v1/batches", content=XML)
    assert "certificate revoked" in deur.log.text
    assert len(deur.uitgegeven) == 1


@pytest.mark.parametrize("versie", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_no_session_outlives_a_revocation(deur: Deur, versie: ssl.TLSVersion) -> None:
    wie = deur.uitgever.client("a")
    kring = deur.kring(wie)
    kring.minimum_version = kring.maximum_version = versie

    def vraag(sessie: ssl.SSLSession | None) -> ssl.SSLSession | None:
        with (
            socket.create_connection(("127.0.0.1", deur.poort), timeout=20) as kaal,
            kring.wrap_socket(kaal, server_hostname="127.0.0.1", session=sessie) as tls,
        ):
            tls.sendall(f"GET {PAD} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            assert tls.recv(100).startswith(b"HTTP/1.1 200")
            return tls.session

    sessie = await asyncio.to_thread(vraag, None)
    deur.zet_crl(deur.wortel.crl(), deur.uitgever.crl(wie))
    await deur.ververs()
    with pytest.raises(ssl.SSLError, match="REVOKED"):
        await asyncio.to_thread(vraag, sessie)


@pytest.mark.parametrize(
    ("wat", "reden", "gemeld"),
    [
        ("missing", "unable to get certificate CRL", "no CRL of CN=Proef leveranciers"),
        ("expired", "CRL has expired", "the CRL of CN=Proef leveranciers is past its next update"),
        ("of another CA", "unable to get certificate CRL", "no CRL of CN=Proef leveranciers"),
        ("forged", "CRL signature failure", ""),
    ],
)
async def test_without_a_good_crl_of_each_ca_nobody_gets_in(deur: Deur, wat: str, reden: str, gemeld: str) -> None:
    wortel, uitgever = deur.wortel.crl(), deur.uitgever.crl()
    tweede = {
        "missing": [],
        "expired": [deur.uitgever.crl(tot=nu() - UUR)],
        "of another CA": [Uitgever(deur.map, "iemand").crl()],
        "forged": [deur.uitgever.crl(vervalst=True)],
    }[wat]
    deur.zet_crl(wortel, *tweede)
    await deur.ververs()
    assert gemeld in deur.log.text
    await geweigerd_in_de_handdruk(deur, deur.uitgever.client("a"), reden)
    deur.zet_crl(wortel, uitgever)
    await deur.ververs()
    async with deur.client(deur.uitgever.client("a")) as client:
        assert (await client.post("/v1/batches", content=XML)).status_code == 202


async def test_a_crl_of_an_unknown_kind_is_reported_and_watching_goes_on(deur: Deur) -> None:
    wie = deur.uitgever.client("a")
    onbekend = deur.uitgever.crl(der=True).replace(bytes([0x02, 0x01, 0x01]), bytes([0x02, 0x01, 0x09]), 1)
    deur.zet_crl(deur.wortel.crl(), onbekend)
    await deur.ververs()
    assert await deur.meting("aanlevering_certificaten_fout") == 1
    assert "holds no CRL" in deur.log.text
    deur.zet_crl(deur.wortel.crl(), deur.uitgever.crl(wie))
    await deur.ververs()
    assert await deur.meting("aanlevering_certificaten_fout") == 0
    await geweigerd_in_de_handdruk(deur, wie, "certificate revoked")


async def test_a_crl_that_runs_out_while_the_door_is_open_shuts_it(deur: Deur) -> None:
    wie = deur.uitgever.client("a")
    tot = nu() + datetime.timedelta(seconds=2)
    deur.zet_crl(deur.wortel.crl(), deur.uitgever.crl(tot=tot))
    await deur.ververs()
    assert await deur.meting("aanlevering_crl_geldig_tot_seconden") == int(tot.timestamp())
    async with deur.client(wie) as client:
        while (await client.get(PAD)).status_code != 503:
            await asyncio.sleep(0.1)
            await deur.ververs()
        with pytest.raises(GEWEIGERD):
            await client.get(PAD)
    assert "CRL has expired" in deur.log.text


async def test_a_crl_that_runs_out_and_cannot_be_replaced_shuts_the_door_for_who_is_inside(deur: Deur) -> None:
    tot = nu() + datetime.timedelta(seconds=2)
    deur.zet_crl(deur.wortel.crl(), deur.uitgever.crl(tot=tot))
    await deur.ververs()
    async with deur.client(deur.uitgever.client("a")) as client:
        assert (await client.get(PAD)).status_code == 200
        deur.zet_crl(deur.wortel.crl(), b"half of one")
        async with asyncio.timeout(30):
            while (await client.get(PAD)).status_code == 200:
                await asyncio.sleep(0.1)
                await deur.ververs()
        with pytest.raises(GEWEIGERD):
            await client.get(PAD)
    assert "nobody is let in" in deur.log.text
    deur.zet_crl(deur.wortel.crl(), deur.uitgever.crl())
    await deur.ververs()
    async with deur.client(deur.uitgever.client("a")) as client:
        assert (await client.get(PAD)).status_code == 200


async def test_files_that_cannot_be_read_leave_the_former_ones_standing(deur: Deur) -> None:
    for kapot in (b"-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n", b"-----BEGIN X509", b"", b"x" * 99):
        deur.zet_crl(deur.wortel.crl(), kapot)
        await deur.ververs()
        assert await deur.meting("aanlevering_certificaten_fout") == 1
        async with deur.client(deur.uitgever.client("a")) as client:
            assert (await client.get(PAD)).status_code == 200
    deur.zet_crl(deur.wortel.crl() + deur.uitgever.crl())
    await deur.ververs()
    assert await deur.meting("aanlevering_certificaten_fout") == 0


async def test_another_ca_is_let_in_without_a_restart(deur: Deur, tmp_path: Path) -> None:
    nieuw = Uitgever(tmp_path, "nieuw")
    wie = nieuw.client("a")
    await geweigerd_in_de_handdruk(deur, wie, "unable to get local issuer")
    deur.bestanden.ca.write_bytes(nieuw.pad.read_bytes())
    deur.zet_crl(nieuw.crl())
    await deur.ververs()
    async with deur.client(wie) as client:
        assert (await client.get(PAD)).status_code == 200
    await geweigerd_in_de_handdruk(deur, deur.uitgever.client("oud"), "unable to get local issuer")


async def test_the_doors_own_certificate_is_renewed_without_a_restart(deur: Deur, tmp_path: Path) -> None:
    nieuw = CA(tmp_path / "nieuw").server()
    deur.bestanden.certificaat.write_bytes(nieuw.certificaat.read_bytes())
    await deur.ververs()  # half way: the key does not go with it yet
    assert await deur.meting("aanlevering_certificaten_fout") == 1
    deur.bestanden.sleutel.write_bytes(nieuw.sleutel.read_bytes())
    await deur.ververs()
    assert await deur.meting("aanlevering_certificaten_fout") == 0
    with pytest.raises(httpx.ConnectError):
        async with deur.client(deur.uitgever.client("a")) as client:
            await client.get(PAD)


async def test_a_sender_sees_his_own_results_and_another_learns_nothing(deur: Deur) -> None:
    onbekend = f"/v1/batches/{UUID(int=5)}/resultaat"
    async with deur.client(deur.uitgever.client("a")) as client:
        assert (await client.get(PAD)).status_code == 200
        assert (await client.get(PAD, headers={OIN_HEADER: OIN_B})).json()["code"] == "OinNietVanCertificaat"
    async with deur.client(deur.uitgever.client("b", [OIN_B])) as client:
        anders, nergens = await client.get(PAD), await client.get(onbekend)
    assert (anders.status_code, nergens.status_code) == (404, 404)
    assert anders.text.replace(BATCH_ID, "X") == nergens.text.replace(str(UUID(int=5)), "X")
    assert deur.gevraagd == [OIN_A, OIN_B, OIN_B]


@pytest.mark.parametrize("pad", ["/healthz", "/readyz", "/metrics"])
async def test_pages_for_operators_are_on_a_port_of_their_own(deur: Deur, pad: str) -> None:
    async with deur.client(deur.uitgever.client("a")) as client:
        assert (await client.get(pad)).status_code == 404
    async with httpx.AsyncClient(base_url=deur.beheer, trust_env=False) as client:
        assert (await client.get(pad)).status_code == 200
        assert (await client.post("/v1/batches", content=XML)).status_code == 404


async def test_tls_1_1_and_plain_http_get_no_answer(deur: Deur) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.TransportError):
            await client.post(f"http://127.0.0.1:{deur.poort}/v1/batches", content=XML)
    klaar = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{deur.poort}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    uit, _ = await klaar.communicate()
    assert klaar.returncode != 0
    assert b"Cipher is (NONE)" in uit


async def test_the_command_line_client_delivers_with_a_certificate(deur: Deur, tmp_path: Path) -> None:
    bestand = tmp_path / "batch.xml"
    bestand.write_bytes(XML)
    async with deur.client(deur.uitgever.client("a")) as client:
        assert isinstance(await lever_aan(deur.url, bestand, None, client), Aangeleverd)
    async with deur.client(deur.uitgever.client("oud", tot=nu() - UUR, van=nu() - 2 * UUR)) as client:
        with pytest.raises(NietAangeleverd, match="TLS"):
            await lever_aan(deur.url, bestand, None, client)


async def test_curl_delivers_with_a_certificate(deur: Deur, tmp_path: Path) -> None:
    bestand = tmp_path / "batch.xml"
    bestand.write_bytes(XML + b" " * 2_000_000)  # curl sends `Expect: 100-continue` with what is large
    wie = deur.uitgever.client("a")
    curl = await asyncio.create_subprocess_exec(
        *("curl", "--silent", "--fail-with-body", "--noproxy", "*", "--data-binary", f"@{bestand}"),
        *("--cacert", str(deur.server.pad), "--cert", str(wie.certificaat), "--key", str(wie.sleutel)),
        f"{deur.url}/v1/batches",
        stdout=subprocess.PIPE,
    )
    uit, _ = await curl.communicate()
    assert (curl.returncode, BATCH_ID.encode() in uit) == (0, True)
    assert deur.uitgegeven[0].kader.aangeleverd_door == OIN_A


def test_settings_for_tls_go_together(tmp_path: Path) -> None:
    assert Bestanden.uit(Instellingen()) is None
    for wat in ("certificaat", "sleutel", "ca", "crl"):
        with pytest.raises(CertificaatFout, match="AANLEVERING_CERTIFICAAT"):
            Bestanden.uit(Instellingen.model_validate({f"aanlevering_{wat}": tmp_path}))
    samen = Bestanden.uit(Instellingen(aanlevering_certificaat=tmp_path, aanlevering_ca=tmp_path))
    assert samen == Bestanden(tmp_path, tmp_path, tmp_path, None)


def test_files_that_make_no_door_are_named(tmp_path: Path) -> None:
    server = CA(tmp_path).server()
    anders = CA(tmp_path, "ander").server("ander")
    leeg = tmp_path / "leeg.pem"
    leeg.write_text("")
    with pytest.raises(CertificaatFout, match="go together"):
        Certificaten(Bestanden(server.certificaat, anders.sleutel, CA(tmp_path).pad, None), Metrics())
    with pytest.raises(CertificaatFout, match=r"leeg\.pem holds no CA"):
        Certificaten(Bestanden(server.certificaat, server.sleutel, leeg, None), Metrics())
    with pytest.raises(CertificaatFout, match=r"leeg\.pem holds no CRL"):
        Certificaten(Bestanden(server.certificaat, server.sleutel, CA(tmp_path).pad, leeg), Metrics())
    with pytest.raises(FileNotFoundError):
        Certificaten(Bestanden(server.certificaat, tmp_path / "weg", CA(tmp_path).pad, None), Metrics())
