"""`berichttype` and `leverancier` on real topics and tables: the lifecycle, who did what when, and the bijlagen."""

import asyncio
import hashlib
import io
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from fastavro import schemaless_writer

from avro.codec import Codec
from avro.gegevens import waarde_van
from avro.schemas import ontleed, versies
from cli import historie, main, wijzigen
from domain.levensloop import nieuw_berichttype, wissel_status
from domain.referentie import BerichttypeStatus, Notificatiekenmerk, Referentie
from domain.tijd import lees_tijd
from domain.wijzigingen import Wijzigingen, wijziging
from sinks.objecten import Objecten, bijlage_naam
from sinks.schrijver import Schrijver
from sinks.sink import ONDERWERPEN, Sink
from sinks.vragen import Vragen
from streams.dlq import Terzijde
from streams.producer import maak_producer
from streams.referentie import lees_referentie
from streams.referentieschrijver import ReferentieSchrijver
from streams.settings import Instellingen
from streams.sleutels import lees_sleutels, maak_sleutels
from streams.topics import topic_ids
from tests.regels import regel
from voorbeeld.pdf import maak_pdf, maak_pdf_met

pytestmark = pytest.mark.integration

OIN = "00000099000000001000"
CODEC = Codec()


class Terminal(io.StringIO):
    """Somebody who sits there and answers."""

    def isatty(self) -> bool:
        return True


@dataclass
class Balie:
    """The command line against this test's own topics and database."""

    instellingen: Instellingen
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def draai(self, *woorden: str, antwoord: str | None = None) -> tuple[int, str, str]:
        """Exit code, standard output and standard error; without an answer nobody sits at the terminal."""
        self.monkeypatch.setattr(sys, "argv", ["berichtenstroom", *woorden])
        self.monkeypatch.setattr(sys, "stdin", io.StringIO() if antwoord is None else Terminal(antwoord))
        self.capsys.readouterr()
        code = 0
        try:
            main.main()
        except SystemExit as einde:
            code = int(einde.code or 0)
        gedrukt = self.capsys.readouterr()
        return code, gedrukt.out, gedrukt.err

    def vraag(self, *woorden: str) -> Any:
        """What a command that succeeds prints as JSON."""
        code, uit, fout = self.draai(*woorden, "--json")
        assert code == 0, fout
        return json.loads(uit)

    def doe(self, wat: str, code: str, *woorden: str) -> list[str]:
        """What a change of a berichttype says that it changed."""
        teksten: list[str] = self.vraag("berichttype", wat, code, "--oin", OIN, *woorden)["wijzigingen"]
        return teksten

    def maak(self, code: str) -> None:
        self.doe("maak", code, "--omschrijving", "Aanslag", "--notificatiekenmerk", "Betalen")

    def weiger(self, *woorden: str, reden: str) -> None:
        """It is refused in one line, and nothing is changed."""
        voor = self.staat()
        code, uit, fout = self.draai(*woorden)
        assert (code, uit) == (1, "")
        assert fout.count("\n") == 1
        assert reden in fout
        assert self.staat() == voor

    def staat(self) -> Referentie:
        return asyncio.run(lees_referentie(self.instellingen, CODEC))

    def toon(self, code: str) -> dict[str, Any]:
        (details,) = self.vraag("berichttype", "toon", code, "--oin", OIN)
        return dict(details)


@pytest.fixture
def balie(
    lijn: Instellingen, database: Client, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Balie:
    del database  # it drops the tables afterwards
    for naam in ("data", "kafka", "clickhouse", "database", "topic_prefix"):
        monkeypatch.setenv(f"BERICHTENSTROOM_{naam.upper()}", str(getattr(lijn, naam)))
    monkeypatch.setenv("BERICHTENSTROOM_DOOR", "Anna de Wit")
    maak_sleutels(lijn.sleutelbestand)
    return Balie(lijn, capsys, monkeypatch)


@contextmanager
def sink(instellingen: Instellingen, client: Client) -> Iterator[None]:
    """A running sink, in a loop of its own."""
    stop = threading.Event()

    async def draai() -> None:
        producer = maak_producer(instellingen)
        await producer.start()
        terzijde = Terzijde(instellingen, CODEC, producer)
        ids = topic_ids(instellingen, ONDERWERPEN)
        werk = asyncio.create_task(
            Sink(instellingen, CODEC, Schrijver(client), Vragen(client), ids, terzijde).loop(), name="sink"
        )
        await asyncio.wait([werk, asyncio.create_task(asyncio.to_thread(stop.wait))], return_when="FIRST_COMPLETED")
        werk.cancel()
        await asyncio.gather(werk, return_exceptions=True)
        await producer.stop()

    draad = threading.Thread(target=asyncio.run, args=(draai(),))
    draad.start()
    try:
        yield
    finally:
        stop.set()
        draad.join()


@regel(
    "Nieuw → Actief ⇄ Inactief → Archief",
    "Archief is final",
    "nothing returns to Nieuw",
    "nothing in Archief",
    "Reactivating, deactivating and archiving ask for confirmation",
)
def test_a_life_of_a_berichttype_and_its_history(balie: Balie, database: Client) -> None:
    begin = time.time_ns() // 1_000_000
    balie.maak("AANSLAG")
    (rij,) = balie.vraag("berichttype", "toon", "--oin", OIN, "--status", "Nieuw", "--kenmerk", "Betalen")
    assert (rij["code"], rij["omschrijving"]) == ("AANSLAG", "Aanslag")
    assert balie.vraag("berichttype", "toon", "--status", "Actief") == []
    balie.weiger("berichttype", "deactiveer", "AANSLAG", "--oin", OIN, "--ja", reden="Nieuw → Inactief is not allowed")
    balie.weiger("berichttype", "archiveer", "AANSLAG", "--oin", OIN, "--ja", reden="Nieuw → Archief is not allowed")
    code, _, fout = balie.draai("berichttype", "activeer", "AANSLAG", "--oin", OIN)  # the first time asks nothing
    assert (code, "standaardbijlagen are fixed from now on" in fout) == (0, True)
    assert balie.doe("wijzig", "AANSLAG", "--notificatiekenmerk", "Informatie geven", "--door", "Bram") != []
    with sink(balie.instellingen, database):
        assert balie.toon("AANSLAG")["historie"][-1]["door"] == "Bram", "a change that has returned is in the history"
        for wat, vraag, wordt in (
            ("deactiveer", "get BerichtTypeNietOndersteund", "Inactief"),
            ("activeer", "Its messages are placed from then on", "Actief"),
            ("archiveer", "Archief is final", "Archief"),
        ):
            woorden = ("berichttype", wat, "AANSLAG", "--oin", OIN)
            code, uit, fout = balie.draai(*woorden)
            assert (code, uit, "--ja" in fout) == (2, "", True), "nobody can answer"
            code, uit, fout = balie.draai(*woorden, antwoord="n\n")
            assert (code, uit.strip(), "nothing is changed" in fout) == (1, "", True)
            assert balie.staat().berichttypes[f"{OIN}/AANSLAG"].status != wordt
            code, uit, fout = balie.draai(*woorden, antwoord="y\n")
            assert (code, vraag in " ".join(fout.split())) == (0, True)
            assert uit.strip().endswith(f"→ {wordt}")
        for wat in ("activeer", "deactiveer"):
            balie.weiger("berichttype", wat, "AANSLAG", "--oin", OIN, "--ja", reden="is not allowed")
        balie.weiger(
            "berichttype", "wijzig", "AANSLAG", "--oin", OIN, "--omschrijving", "x", reden="nothing changes in Archief"
        )
        code, uit, _ = balie.draai("berichttype", "archiveer", "AANSLAG", "--oin", OIN)
        assert (code, uit) == (0, "nothing changed: it is so already\n"), "and so there is nothing to confirm"
        details = balie.toon("AANSLAG")
    assert [(een["door"], een["wat"]) for een in details["historie"]] == [
        ("Anna de Wit", "new, Nieuw"),
        ("Anna de Wit", "Nieuw → Actief"),
        ("Bram", "Betalen → Informatie geven"),
        ("Anna de Wit", "Actief → Inactief"),
        ("Anna de Wit", "Inactief → Actief"),
        ("Anna de Wit", "Actief → Archief"),
    ]
    tijden = [lees_tijd(een["op"]) for een in details["historie"]]
    assert begin <= tijden[0] <= tijden[-1] <= time.time_ns() // 1_000_000
    assert tijden == sorted(tijden)
    assert (details["gewijzigd_op"], details["gewijzigd_door"]) == (details["historie"][-1]["op"], "Anna de Wit")


@regel("case-sensitive, unique per afnemer, fixed once made", "omschrijving | up to 40 characters")
def test_a_code_is_made_once_and_what_is_wrong_is_told(balie: Balie) -> None:
    balie.maak("AANSLAG")
    balie.maak("aanslag")
    assert {een["code"] for een in balie.vraag("berichttype", "toon")} == {"AANSLAG", "aanslag"}
    nieuw = ("--omschrijving", "Aanslag", "--notificatiekenmerk", "Betalen", "--oin", OIN)
    assert balie.doe("maak", "AANSLAG", "--omschrijving", "Aanslag", "--notificatiekenmerk", "Betalen") == []
    balie.weiger("berichttype", "maak", "AANSLAG", *nieuw[2:], "--omschrijving", "Anders", reden="that code already")
    balie.weiger("berichttype", "maak", "TE LANG!!", *nieuw, reden="1 to 8 letters or digits")
    balie.weiger("berichttype", "maak", "LANG", *nieuw[2:], "--omschrijving", "x" * 41, reden="40 characters")
    balie.weiger("berichttype", "activeer", "WEG", "--oin", OIN, reden="no such berichttype")
    balie.weiger("berichttype", "toon", "WEG", reden="no such berichttype")
    for woorden in (
        ("maak", "X", "--omschrijving", "x", "--notificatiekenmerk", "Reclame", "--oin", OIN),
        ("activeer", "AANSLAG", "--oin", "123"),
        ("activeer", "AANSLAG", "--oin", OIN, "--door", "burger 123456782"),
        ("bijlage", "AANSLAG", "--oin", OIN, "--verwijder", "a.pdf", "--omhoog", "a.pdf"),
    ):
        assert balie.draai("berichttype", *woorden)[0] == 2


@regel("which of them an afnemer may use is set per afnemer")
def test_an_afnemer_uses_only_the_notificatiekenmerken_that_are_set_for_it(balie: Balie, tmp_path: Path) -> None:
    _, _, fout = balie.draai(
        "berichttype", "maak", "OUD", "--omschrijving", "x", "--notificatiekenmerk", "Vernieuwen nodig", "--oin", OIN
    )
    assert "there is no such leverancier" in fout, "one that is not known yet may use all"
    bestand = tmp_path / "leverancier.json"
    bestand.write_text(json.dumps({"leveranciers": [{"oin": OIN, "naam": "Gemeente"}]}))
    balie.vraag("laad", str(bestand))
    gezet = ("--notificatiekenmerk", "Informatie geven", "--notificatiekenmerk", "Betalen")
    assert balie.vraag("leverancier", "wijzig", OIN, *gezet, "--lijst", "Gemeente V.")["wijzigingen"] == [
        f"leverancier {OIN}: another notificatiekenmerken, another lijst"
    ]
    (rij,) = balie.vraag("leverancier", "toon")
    assert (rij["notificatiekenmerken"], rij["lijst"]) == (["Betalen", "Informatie geven"], "Gemeente V.")
    assert rij["gewijzigd_door"] == "Anna de Wit"
    balie.maak("MAG")
    mag_niet = ("--oin", OIN, "--notificatiekenmerk", "Reactie ontvangen")
    balie.weiger("berichttype", "maak", "NIET", "--omschrijving", "x", *mag_niet, reden="it may use: Betalen, Informat")
    balie.weiger("berichttype", "wijzig", "MAG", *mag_niet, reden="may not use notificatiekenmerk Reactie ontvangen")
    balie.doe("wijzig", "OUD", "--omschrijving", "wat het had, mag het houden")
    balie.weiger("leverancier", "wijzig", OIN, "--toelichting", "zie https://voorbeeld.nl", reden="without links")
    balie.vraag("leverancier", "wijzig", OIN, "--notificatiekenmerk", "alle")
    balie.doe("wijzig", "MAG", "--notificatiekenmerk", "Reactie ontvangen")


@regel("up to 3 PDFs", "together up to 2 MB", "file names up to 128 characters", "ordered; changed only while Nieuw")
def test_standaardbijlagen_are_checked_stored_ordered_and_fixed_by_activation(balie: Balie, tmp_path: Path) -> None:
    balie.maak("AANSLAG")
    goed, slecht = maak_pdf("Brochure"), maak_pdf_met("PdfJavaScript")
    for naam, inhoud in {
        "brochure.pdf": goed,
        "script.pdf": slecht,
        "derde.pdf": maak_pdf("Drie"),
        "vierde.pdf": maak_pdf("Vier"),
        "groot.pdf": maak_pdf("Groot", 2_000_000),
        f"{'n' * 125}.pdf": goed,
    }.items():
        (tmp_path / naam).write_bytes(inhoud)

    def bijlage(*woorden: str) -> tuple[str, ...]:
        return ("berichttype", "bijlage", "AANSLAG", "--oin", OIN, *woorden)

    def voeg_toe(naam: str) -> tuple[str, ...]:
        return bijlage("--voeg-toe", str(tmp_path / naam))

    def namen() -> list[str]:
        return [een["naam"] for een in balie.vraag(*bijlage())]

    assert balie.vraag(*voeg_toe("brochure.pdf"))["opmerkingen"] == []
    (opmerking,) = balie.vraag(*voeg_toe("script.pdf"))["opmerkingen"]
    assert opmerking.startswith("script.pdf: PdfJavaScript: De PDF bevat JavaScript.")
    balie.weiger(*voeg_toe("groot.pdf"), reden="together up to 2 MB")
    balie.weiger(*voeg_toe(f"{'n' * 125}.pdf"), reden="up to 128 characters")
    balie.weiger(*voeg_toe("weg.pdf"), reden="No such file")
    balie.vraag(*voeg_toe("derde.pdf"))
    balie.weiger(*voeg_toe("vierde.pdf"), reden="up to 3 standaardbijlagen")
    assert balie.vraag(*voeg_toe("derde.pdf"))["wijzigingen"] == [], "it is there already"

    assert balie.vraag(*bijlage("--omhoog", "derde.pdf"))["wijzigingen"] == [
        f"berichttype {OIN}/AANSLAG: bijlagen in the order brochure.pdf, derde.pdf, script.pdf"
    ]
    assert balie.vraag(*bijlage("--omlaag", "script.pdf"))["wijzigingen"] == [], "it is the last one already"
    balie.vraag(*bijlage("--omlaag", "brochure.pdf"))
    balie.vraag(*bijlage("--verwijder", "script.pdf"))
    assert namen() == ["derde.pdf", "brochure.pdf"]
    balie.weiger(*bijlage("--verwijder", "script.pdf"), reden="no bijlage of that name")
    (tmp_path / "brochure.pdf").write_bytes(slecht)
    balie.weiger(*voeg_toe("brochure.pdf"), reden="another bijlage of that name")
    balie.vraag(*bijlage("--verwijder", "brochure.pdf"))
    balie.vraag(*voeg_toe("brochure.pdf"))

    balie.doe("activeer", "AANSLAG")
    for woorden in (voeg_toe("vierde.pdf"), bijlage("--verwijder", "derde.pdf"), bijlage("--omlaag", "derde.pdf")):
        balie.weiger(*woorden, reden="change only while Nieuw")
    balie.monkeypatch.setattr(historie, "WACHT_S", 0.0)
    details = balie.toon("AANSLAG")
    assert details["standaardbijlagen"][1] == {
        "naam": "brochure.pdf",
        "sha256": hashlib.sha256(slecht).hexdigest(),
        "bytes": len(slecht),
        "waarschuwingen": ["PdfJavaScript"],
    }
    opslag = Objecten(balie.instellingen.opslag_url, lees_sleutels(balie.instellingen.sleutelbestand))
    assert asyncio.run(opslag.lees(bijlage_naam(hashlib.sha256(slecht).digest()))) == slecht


def test_a_bijlage_that_cannot_be_stored_is_not_named(balie: Balie, tmp_path: Path) -> None:
    balie.maak("AANSLAG")
    (tmp_path / "a.pdf").write_bytes(maak_pdf("A"))
    (tmp_path / "vol").write_text("no folder can be made here")
    balie.monkeypatch.setenv("BERICHTENSTROOM_OPSLAG", f"file://{tmp_path}/vol/opslag")
    balie.weiger(
        "berichttype", "bijlage", "AANSLAG", "--oin", OIN, "--voeg-toe", str(tmp_path / "a.pdf"), reden="object store"
    )


def test_what_somebody_else_changes_while_it_is_confirmed_is_not_overwritten(balie: Balie) -> None:
    balie.maak("AANSLAG")
    balie.doe("activeer", "AANSLAG")

    def ander(referentie: Referentie) -> Wijzigingen:
        oud = referentie.berichttypes[f"{OIN}/AANSLAG"]
        return wijziging(oud, wissel_status(oud, BerichttypeStatus.INACTIEF))

    def bevestig(_: str) -> None:
        asyncio.run(ReferentieSchrijver(balie.instellingen, CODEC).wijzig(ander, door="Bram"))

    balie.monkeypatch.setattr(wijzigen, "bevestig", bevestig)
    code, _, fout = balie.draai("berichttype", "archiveer", "AANSLAG", "--oin", OIN)
    assert (code, "somebody else changed it meanwhile" in fout) == (1, True), "what was confirmed is Actief → Archief"
    assert balie.staat().berichttypes[f"{OIN}/AANSLAG"].status is BerichttypeStatus.INACTIEF


def test_what_was_written_before_there_was_a_history_shows_no_name(balie: Balie, database: Client) -> None:
    """Records of the first version of the schema stay in the topic for as long as nobody changes the thing."""
    oud = nieuw_berichttype(OIN, "OUD", "x", Notificatiekenmerk.BETALEN, BerichttypeStatus.ACTIEF)
    schrijf_versie_een(balie.instellingen, oud.sleutel, waarde_van(oud))
    with sink(balie.instellingen, database):
        balie.doe("deactiveer", "OUD", "--ja")
        details = balie.toon("OUD")
    assert details["historie"][0] == {"op": None, "door": None, "wat": "new, Actief"}
    assert details["historie"][1]["wat"] == "Actief → Inactief"
    rijen = database.query("SELECT op, door FROM wijzigingen FINAL ORDER BY volgorde LIMIT 1").result_rows
    assert rijen[0][1] == ""


def schrijf_versie_een(instellingen: Instellingen, sleutel: str, waarde: dict[str, Any]) -> None:
    (versie,) = (een for een in versies() if (een.onderwerp, een.versie) == ("berichttype", 1))
    buffer = io.BytesIO()
    buffer.write(b"\x00" + versie.id.to_bytes(4, "big"))
    schemaless_writer(buffer, ontleed(versie.tekst), waarde)

    async def schrijf() -> None:
        producer = maak_producer(instellingen)
        await producer.start()
        await producer.send_and_wait(instellingen.topic("berichttype"), buffer.getvalue(), sleutel.encode())
        await producer.stop()

    asyncio.run(schrijf())


def test_the_history_says_that_it_may_lag_when_nothing_fills_it(balie: Balie) -> None:
    balie.maak("AANSLAG")
    balie.monkeypatch.setattr(historie, "WACHT_S", 0.2)
    code, uit, fout = balie.draai("berichttype", "toon", "AANSLAG", "--json")
    assert (code, json.loads(uit)[0]["historie"], "may lag" in fout) == (0, [], True)
