"""`dienst`, `machtiging` and `inzage` on real topics and tables: what a gemachtigde may read, from the state now."""

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from clickhouse_connect.driver.client import Client
from typer.testing import CliRunner, Result

from cli import historie, wijzigen
from cli.main import app
from domain.tijd import lees_tijd, schrijf_tijd
from sinks.rijen import KOLOMMEN
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels
from tests.regels import regel

pytestmark = pytest.mark.integration

OIN, ANDER_OIN = "00000099000000001000", "00000099000000002000"
ANNA, BRAM, CARLA = "000000012", "000000024", "000000036"
DAG = 24 * 3_600_000
RINGSLEUTELS = {naam: base64.b64encode(naam.encode() * 16).decode() for naam in ("k1", "k2")}


@dataclass
class Balie:
    """The command line against this test's own topics and database, and the post that is in the boxes."""

    instellingen: Instellingen
    database: Client
    uitvoer: list[str] = field(default_factory=list)
    """Everything that was ever printed."""

    def draai(self, *woorden: str, invoer: str = "") -> Result:
        uitslag = CliRunner().invoke(app, list(woorden), input=invoer, env={"COLUMNS": "400"})
        fout = "" if uitslag.exception is None else repr(uitslag.exception)
        self.uitvoer.append(f"{uitslag.stdout}{uitslag.stderr}{fout}")
        return uitslag

    def doe(self, *woorden: str, invoer: str = "") -> Any:
        """What a command prints as JSON."""
        uitslag = self.draai(*woorden, "--json", invoer=invoer)
        assert uitslag.exit_code == 0, self.uitvoer[-1]
        return json.loads(uitslag.stdout)

    def dienst(self, wat: str, *woorden: str, oin: str = OIN) -> list[str]:
        teksten: list[str] = self.doe("dienst", wat, *woorden, "--oin", oin)["wijzigingen"]
        return teksten

    def machtiging(
        self, wat: str, *woorden: str, dienst: str = "Belastingen", oin: str = OIN, wie: tuple[str, str] = (ANNA, BRAM)
    ) -> list[str]:
        voor = ["--oin", oin, "--dienst", dienst]
        teksten: list[str] = self.doe("machtiging", wat, *voor, *woorden, invoer=personen(*wie))["wijzigingen"]
        return teksten

    def inzage(self, wie: tuple[str, str] = (ANNA, BRAM)) -> list[dict[str, Any]]:
        rijen: list[dict[str, Any]] = self.doe("inzage", invoer=personen(*wie))
        return rijen

    def ids(self, wie: tuple[str, str] = (ANNA, BRAM)) -> set[str]:
        rijen = self.inzage(wie)
        assert len({rij["bericht_id"] for rij in rijen}) == len(rijen), "a message comes once"
        return {rij["bericht_id"] for rij in rijen}

    def plaats(self, bsn: str, berichttype: str = "AANSLAG", oin: str = OIN, publicatiedatum: int = 0) -> str:
        """A message in somebody's box, as the sink writes it."""
        bericht_id, nu = uuid4(), time.time_ns() // 1_000_000
        rij: dict[str, Any] = dict.fromkeys(KOLOMMEN["uitkomsten"], "") | {
            "leverancier": oin,
            "batch_id": uuid4(),
            "proceskenmerk": uuid4(),
            "nummer": 1,
            "bericht_id": bericht_id,
            "berichttype": berichttype,
            "code": "Verwerkt",
            "stadium": "NA",
            "waarschuwingen": [],
            "diensten": [],
            "aangeleverd_op": nu - 2000,
            "verwerkt_op": nu - 1000,
            "publicatiedatum": publicatiedatum,
            "ontvanger": lees_sleutels(self.instellingen.sleutelbestand).pseudoniem(bsn),
            "volgorde": 0,
        }
        self.database.insert("uitkomsten", [list(rij.values())], column_names=list(rij))
        return str(bericht_id)


def personen(belanghebbende: str, gemachtigde: str) -> str:
    return json.dumps({"belanghebbende": belanghebbende, "gemachtigde": gemachtigde})


def schrijf_ring(bestand: Path, actief: str) -> None:
    """Both keys are there, one of them is written with."""
    namen = sorted({"k1", actief})
    ring = {"actief": actief, "sleutels": {naam: RINGSLEUTELS[naam] for naam in namen}}
    bestand.write_text(json.dumps({"pseudoniem": ring, "opslag": ring}))


@pytest.fixture
def balie(lijn: Instellingen, database: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Balie:
    for naam in ("data", "kafka", "clickhouse", "database", "topic_prefix"):
        monkeypatch.setenv(f"BERICHTENSTROOM_{naam.upper()}", str(getattr(lijn, naam)))
    monkeypatch.setattr(historie, "WACHT_S", 0)  # there is no sink here that it could wait for
    schrijf_ring(lijn.sleutelbestand, "k1")
    bestand = tmp_path / "referentie.json"
    berichttype = {"omschrijving": "x", "notificatiekenmerk": "Betalen", "status": "Actief"}
    bestand.write_text(
        json.dumps(
            {
                "leveranciers": [{"oin": oin, "naam": "Gemeente"} for oin in (OIN, ANDER_OIN)],
                "berichttypes": [
                    {"oin": oin, "code": code, **berichttype}
                    for oin in (OIN, ANDER_OIN)
                    for code in ("AANSLAG", "aanslag", "KWIJT")
                ],
            }
        )
    )
    balie = Balie(lijn, database)
    balie.doe("laad", str(bestand))
    return balie


@pytest.fixture
def gemachtigd(balie: Balie) -> Balie:
    """Bram acts for Anna for one dienst, to which AANSLAG is linked."""
    balie.dienst("maak", "Belastingen", "--omschrijving", "Gemeentelijke belastingen")
    balie.dienst("koppel", "Belastingen", "AANSLAG")
    balie.machtiging("geef")
    return balie


@regel(
    "a machtiging valid now names a dienst that is Actief now and linked now to the message's berichttype",
    "A message is visible to the burger from its PublicatieDatum",
    "case-sensitive, unique per afnemer, fixed once made",
)
def test_the_post_of_this_belanghebbende_of_this_berichttype_that_is_published(gemachtigd: Balie) -> None:
    balie, nu = gemachtigd, time.time_ns() // 1_000_000
    een, twee = balie.plaats(ANNA), balie.plaats(ANNA, publicatiedatum=nu - DAG)
    balie.plaats(ANNA, publicatiedatum=nu + DAG)
    balie.plaats(ANNA, "aanslag")
    balie.plaats(ANNA, "KWIJT")
    balie.plaats(ANNA, oin=ANDER_OIN)
    balie.plaats(CARLA)
    balie.plaats(BRAM)
    verwacht = {"leverancier": OIN, "berichttype": "AANSLAG", "dienst_id": "Belastingen", "diensten": ["Belastingen"]}
    assert balie.inzage() == [verwacht | {"bericht_id": bericht_id} for bericht_id in sorted((een, twee))]
    for wie in ((ANNA, CARLA), (BRAM, ANNA), (CARLA, BRAM), (ANNA, ANNA)):
        assert balie.inzage(wie) == []
    for bsn in (ANNA, BRAM, CARLA):
        assert all(bsn not in tekst for tekst in balie.uitvoer)


@regel(
    "both work at once, on messages already delivered as well",
    "Deactivating a dienst (asks for confirmation; its date is shown)",
    "gives all its links an end date",
    "brings **no** link back",
    "is Actief at once",
)
def test_unlinking_and_deactivating_hide_at_once_and_reactivating_brings_nothing_back(gemachtigd: Balie) -> None:
    balie = gemachtigd
    bericht, kwijt = balie.plaats(ANNA), balie.plaats(ANNA, "KWIJT")
    assert balie.dienst("koppel", "Belastingen", "KWIJT", "AANSLAG") == [f"dienst {OIN}/Belastingen: linked to KWIJT"]
    assert balie.ids() == {bericht, kwijt}
    balie.dienst("ontkoppel", "Belastingen", "AANSLAG")
    assert balie.ids() == {kwijt}
    voor = time.time_ns() // 1_000_000
    assert balie.dienst("deactiveer", "Belastingen", "--ja") == [
        f"dienst {OIN}/Belastingen: Actief → Inactief, no longer linked to KWIJT"
    ]
    assert balie.ids() == set()
    (dienst,) = balie.doe("dienst", "toon", "Belastingen")
    assert (dienst["status"], dienst["berichttypes"]) == ("Inactief", [])
    assert lees_tijd(dienst["gedeactiveerd_op"]) >= voor
    assert [koppeling["berichttype"] for koppeling in dienst["koppelingen"]] == ["AANSLAG", "KWIJT"]
    assert all(koppeling["van"] <= koppeling["tot"] for koppeling in dienst["koppelingen"])
    assert balie.dienst("activeer", "Belastingen", "--ja") == [f"dienst {OIN}/Belastingen: Inactief → Actief"]
    assert balie.ids() == set()
    balie.dienst("koppel", "Belastingen", "AANSLAG")
    assert balie.ids() == {bericht}


@regel("Deactivating a dienst (asks for confirmation; its date is shown)", "reactivating it (asks too)")
def test_both_ask_for_confirmation_and_no_means_no(gemachtigd: Balie, monkeypatch: pytest.MonkeyPatch) -> None:
    balie, bericht = gemachtigd, gemachtigd.plaats(ANNA)
    gevraagd: list[str] = []

    def nee(vraag: str) -> None:
        gevraagd.append(vraag)
        raise wijzigen.Mislukt

    opdracht = ["Belastingen", "--oin", OIN]
    assert balie.draai("dienst", "deactiveer", *opdracht).exit_code == 2, "nobody can answer here"
    monkeypatch.setattr(wijzigen, "bevestig", nee)
    vandaag = schrijf_tijd(time.time_ns() // 1_000_000)[:10]
    assert balie.draai("dienst", "deactiveer", *opdracht).exit_code != 0
    assert vandaag in gevraagd[0] or schrijf_tijd(time.time_ns() // 1_000_000)[:10] in gevraagd[0]
    assert "(AANSLAG)" in gevraagd[0]
    assert balie.ids() == {bericht}
    balie.dienst("deactiveer", *opdracht[:1], "--ja")
    assert balie.draai("dienst", "activeer", *opdracht).exit_code != 0
    assert balie.doe("dienst", "toon", "Belastingen")[0]["gedeactiveerd_op"] in gevraagd[1]
    assert "None of its links comes back" in gevraagd[1]
    assert balie.ids() == set()


@regel("sensitive to case and to spaces", "fixed once made), an omschrijving")
def test_case_and_spaces_of_a_dienst_id_make_another_dienst(gemachtigd: Balie) -> None:
    balie, bericht = gemachtigd, gemachtigd.plaats(ANNA)
    balie.plaats(ANNA, "KWIJT")
    for anders in ("belastingen", "Belastingen ", " Belastingen"):
        uitslag = balie.draai(
            *("machtiging", "geef", "--oin", OIN, "--dienst", anders, "--json"), invoer=personen(ANNA, CARLA)
        )
        assert uitslag.exit_code == 1, "there is no such dienst"
        balie.dienst("maak", anders, "--omschrijving", "x")
        balie.dienst("koppel", anders, "KWIJT")
    assert balie.ids() == {bericht}
    balie.machtiging("geef", dienst="belastingen", wie=(ANNA, CARLA))
    assert {rij["dienst_id"] for rij in balie.inzage((ANNA, CARLA))} == {"belastingen"}
    uitslag = balie.draai("dienst", "toon", "BELASTINGEN", "--oin", OIN)
    assert uitslag.exit_code != 0
    assert "there is ' Belastingen', 'Belastingen', 'Belastingen ', 'belastingen'" in str(uitslag.exception)


@regel("this belanghebbende lets this gemachtigde act for this dienst from … until …")
def test_a_machtiging_counts_from_van_until_tot_and_no_longer_once_withdrawn(gemachtigd: Balie) -> None:
    balie, bericht = gemachtigd, gemachtigd.plaats(ANNA)
    nu = time.time_ns() // 1_000_000
    gisteren, morgen, overmorgen = (schrijf_tijd(nu + dagen * DAG) for dagen in (-1, 1, 2))
    bij: dict[str, Callable[[], object]] = {
        "voorbij": lambda: balie.machtiging("geef", "--van", schrijf_tijd(nu - 2 * DAG), "--tot", gisteren, wie=wie),
        "later": lambda: balie.machtiging("geef", "--van", morgen, "--tot", overmorgen, wie=wie),
        "nu": lambda: balie.machtiging("geef", "--van", gisteren, "--tot", morgen, wie=wie),
    }
    wie = (ANNA, CARLA)
    for wanneer, geef in bij.items():
        geef()
        assert balie.ids(wie) == ({bericht} if wanneer == "nu" else set())
    assert balie.machtiging("geef", "--van", gisteren, wie=wie) == [f"machtiging {OIN}/Belastingen: without end"], (
        "the same beginning: a later end"
    )
    assert balie.machtiging("geef", wie=wie) == [], "that is given already"
    assert len(balie.machtiging("trek-in", wie=wie)) == 2, "what had ended stays as it was"
    assert balie.ids(wie) == set()
    assert balie.machtiging("trek-in", wie=wie) == []
    rijen = [rij for rij in balie.doe("machtiging", "toon") if rij["van"] == morgen]
    assert [(rij["tot"], rij["geldt"]) for rij in rijen] == [(morgen, False)]
    assert balie.ids() == {bericht}, "another gemachtigde keeps his"
    assert balie.draai(*_trek_in(), invoer=personen(CARLA, BRAM)).exit_code != 0, "there is nothing to withdraw"
    assert balie.draai(*_geef(), invoer=personen(ANNA, ANNA)).exit_code != 0, "nobody is his own gemachtigde"


def _geef() -> list[str]:
    return ["machtiging", "geef", "--oin", OIN, "--dienst", "Belastingen"]


def _trek_in() -> list[str]:
    return ["machtiging", "trek-in", "--oin", OIN, "--dienst", "Belastingen"]


def test_every_dienst_that_lets_read_is_named_and_the_message_comes_once(gemachtigd: Balie) -> None:
    balie, bericht = gemachtigd, gemachtigd.plaats(ANNA)
    balie.dienst("maak", "[/Afval]", "--omschrijving", "[red]x")
    balie.dienst("koppel", "[/Afval]", "AANSLAG")
    balie.machtiging("geef", dienst="[/Afval]")
    (rij,) = balie.inzage()
    assert (rij["bericht_id"], rij["dienst_id"]) == (bericht, "Belastingen")
    assert rij["diensten"] == ["Belastingen", "[/Afval]"]
    assert "[/Afval]" in balie.draai("dienst", "toon").stdout, "what people type is no markup"
    assert "[/Afval]" in balie.draai("inzage", invoer=personen(ANNA, BRAM)).stdout


@regel("use a keyed HMAC with a key id, never a bare hash")
def test_a_new_key_for_pseudonyms_hides_nothing_and_leaves_nothing_open(gemachtigd: Balie) -> None:
    balie, oud = gemachtigd, gemachtigd.plaats(ANNA)
    schrijf_ring(balie.instellingen.sleutelbestand, "k2")
    nieuw = balie.plaats(ANNA)
    assert balie.ids() == {oud, nieuw}
    assert balie.machtiging("geef") == [], "that it was given under the earlier key is seen"
    balie.machtiging("geef", wie=(ANNA, CARLA))
    assert balie.ids((ANNA, CARLA)) == {oud, nieuw}
    namen = {rij["belanghebbende"].partition(":")[0] for rij in balie.doe("machtiging", "toon")}
    assert namen == {"k1", "k2"}
    assert len(balie.machtiging("trek-in")) == 1
    assert balie.ids() == set()


def test_a_dienst_is_made_once_and_described_anew(balie: Balie) -> None:
    balie.dienst("maak", "Zorg", "--omschrijving", "x", "--door", "Karin")
    assert balie.dienst("maak", "Zorg", "--omschrijving", "x", oin=ANDER_OIN) == [
        f"dienst {ANDER_OIN}/Zorg: new, Actief"
    ]
    assert balie.draai("dienst", "maak", "Zorg", "--oin", OIN, "--omschrijving", "y").exit_code != 0
    balie.dienst("wijzig", "Zorg", "--omschrijving", "Zorg en welzijn", "--door", "Karin")
    assert balie.dienst("wijzig", "Zorg", "--omschrijving", "Zorg en welzijn") == []
    (een,) = balie.doe("dienst", "toon", "Zorg", "--oin", OIN)
    assert (een["omschrijving"], een["status"], een["koppelingen"]) == ("Zorg en welzijn", "Actief", [])
    assert een["gewijzigd_door"] == "Karin"
    assert [rij["oin"] for rij in balie.doe("dienst", "toon")] == [OIN, ANDER_OIN]
    for woorden in (
        ("koppel", "Zorg", "ONBEKEND"),
        ("koppel", "zorg", "AANSLAG"),
        ("wijzig", "z", "--omschrijving", ""),
    ):
        assert balie.draai("dienst", *woorden, "--oin", OIN).exit_code != 0
    assert balie.inzage() == []
