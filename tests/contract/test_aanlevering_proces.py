"""`python -m aanlevering` with certificates: what its settings make of it, while Kafka and ClickHouse are away."""

import os
import re
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from streams.broker import vrije_poort
from streams.sleutels import maak_sleutels
from tests.ca import CA, Certificaat
from tests.globe import BATCH_ID, maak_xml
from tests.pki import OIN_B, Uitgever


@dataclass
class Proces:
    url: str
    log: Path
    server: CA
    uitgever: Uitgever
    crl: Path
    beheer: str = ""

    def client(self, wie: Certificaat | None) -> httpx.Client:
        kring = ssl.create_default_context(cafile=str(self.server.pad))
        if wie is not None:
            kring.load_cert_chain(wie.certificaat, wie.sleutel)
        return httpx.Client(base_url=self.url, verify=kring, timeout=60, trust_env=False)


def omgeving(map_: Path, **instellingen: object) -> dict[str, str]:
    eigen = {"data": map_, "kafka": "127.0.0.1:9", "clickhouse": "http://127.0.0.1:9"} | instellingen
    return os.environ | {f"BERICHTENSTROOM_{naam.upper()}": str(waarde) for naam, waarde in eigen.items()}


@pytest.fixture
def deur(tmp_path: Path) -> Iterator[Proces]:
    maak_sleutels(tmp_path / "sleutels.json")
    server, uitgever = CA(tmp_path / "server"), Uitgever(tmp_path, "leveranciers")
    eigen, poort = server.server(), vrije_poort()
    crl = tmp_path / "lijst.crl"
    crl.write_bytes(uitgever.crl(der=True))
    instellingen = omgeving(
        tmp_path,
        aanlevering_certificaat=eigen.certificaat,
        aanlevering_sleutel=eigen.sleutel,
        aanlevering_ca=uitgever.pad,
        aanlevering_crl=crl,
    )
    deur = Proces(f"https://127.0.0.1:{poort}", tmp_path / "deur.log", server, uitgever, crl)
    with deur.log.open("wb") as uitvoer:
        proces = subprocess.Popen(
            [sys.executable, "-c", f"{_SNEL}aanlevering.__main__.main()", "--poort", str(poort)],
            env=instellingen,
            stdout=uitvoer,
            stderr=uitvoer,
        )
    while not (open_ := re.search(r"metrics on (http://\S+)[^\0]*open op https", deur.log.read_text())):
        assert proces.poll() is None, deur.log.read_text()
        time.sleep(0.05)
    deur.beheer = open_[1]
    yield deur
    proces.send_signal(signal.SIGTERM)
    assert proces.wait(60) == 0


_SNEL = "import aanlevering.__main__, aanlevering.certificaten; aanlevering.certificaten.KIJK_S = 0.1; "


def test_the_door_as_a_process_asks_for_a_certificate_and_follows_its_crl(deur: Proces) -> None:
    wie = deur.uitgever.client("b", [OIN_B])
    with pytest.raises((ssl.SSLError, httpx.TransportError)), deur.client(None) as client:
        client.post("/v1/batches", content=maak_xml())
    with deur.client(wie) as client:
        antwoord = client.post("/v1/batches", content=maak_xml())
        assert (antwoord.status_code, int(antwoord.headers["Retry-After"]) > 0) == (503, True)  # Kafka is away
        assert client.get(f"/v1/batches/{BATCH_ID}/resultaat").status_code == 503  # ClickHouse is away
        assert client.get("/metrics").status_code == 404
    assert httpx.get(f"{deur.beheer}/healthz").status_code == 200
    assert httpx.get(f"{deur.beheer}/readyz").json() == {"kafka": False, "opslag": True}
    assert "aanlevering_handdruk_mislukt_total 1.0" in httpx.get(f"{deur.beheer}/metrics").text
    nieuw = deur.crl.with_suffix(".nieuw")
    nieuw.write_bytes(deur.uitgever.crl(wie))
    nieuw.replace(deur.crl)
    while "loaded again" not in deur.log.read_text():
        time.sleep(0.05)
    with pytest.raises((ssl.SSLError, httpx.TransportError)), deur.client(wie) as client:
        client.post("/v1/batches", content=maak_xml())
    assert "refused in the handshake: certificate revoked" in deur.log.read_text()
    assert "Traceback" not in deur.log.read_text()


@pytest.mark.parametrize(
    ("instellingen", "reden"),
    [
        ({"aanlevering_ca": "ca.pem"}, "AANLEVERING_CERTIFICAAT and _CA"),
        ({"aanlevering_ca": "weg.pem", "aanlevering_certificaat": "weg.pem"}, "weg.pem"),
    ],
)
def test_a_door_that_cannot_be_shut_does_not_open(tmp_path: Path, instellingen: dict[str, str], reden: str) -> None:
    maak_sleutels(tmp_path / "sleutels.json")
    klaar = subprocess.run(
        [sys.executable, "-m", "aanlevering", "--poort", str(vrije_poort())],
        env=omgeving(tmp_path, **instellingen),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert klaar.returncode == 1
    assert klaar.stderr.startswith("aanlevering cannot start: ")
    assert reden in klaar.stderr
    assert "Traceback" not in klaar.stderr


def test_plain_http_beyond_this_machine_is_warned_of(tmp_path: Path) -> None:
    maak_sleutels(tmp_path / "sleutels.json")
    proces = subprocess.Popen(
        [sys.executable, "-m", "aanlevering", "--host", "0.0.0.0", "--poort", str(vrije_poort())],  # noqa: S104
        env=omgeving(tmp_path),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert proces.stderr is not None
    regels = [proces.stderr.readline() for _ in range(2)]
    proces.terminate()
    proces.communicate(timeout=60)
    assert proces.returncode == 0
    assert "whoever gets here can say that he is any sender" in regels[1]
