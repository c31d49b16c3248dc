"""The demo against a stack in memory: what it delivers, in which order, and that it notices what is wrong."""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from aanlevering.lezer import lees
from domain.batch import Batch
from domain.tijd import schrijf_tijd
from voorbeeld import personen, uitvraag
from voorbeeld.controle import RESULTAAT_BERICHT_NS, RESULTAAT_NS
from voorbeeld.demo import DOOR, Demo
from voorbeeld.generator import MIN_BATCHES, MIN_BERICHTEN, maak_voorbeeld
from voorbeeld.geplaatst import geplaatst
from voorbeeld.gevallen import VERWERKT, Antwoord
from voorbeeld.levering import Voorbeeld
from voorbeeld.referentiegegevens import CAMPAGNE, DIENST, GEMEENTE, IN_DIENST, INTERMEDIAIR, MET_STORING
from voorbeeld.stapel import Stapel
from voorbeeld.verwachting import Batchverwachting, Rij, Verwachting, telling, verwacht

NU = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NU_MS = int(NU.timestamp() * 1000)


@dataclass
class Melding:
    """What the demo looks at in a notification."""

    proceskenmerk: UUID
    batch_id: UUID
    nummer: int


class GeheugenStapel(Stapel):
    """Reads what is delivered, and answers with what the sample expects of it; `verdraai` may change an answer."""

    def __init__(self, voorbeeld: Voorbeeld, verdraai: Callable[[str, Any], Any]) -> None:
        super().__init__(Path("/dev/null"))
        self._bedoeld = verwacht(voorbeeld.leveringen)
        self._geplaatst = list(geplaatst(voorbeeld))
        self._verdraai = verdraai
        self._runs: list[Batch] = []
        self._gekoppeld = set(IN_DIENST)
        self.verloop: list[str] = []

    def doe(self, *argumenten: str | Path, geduld_s: float = 3600, invoer: str | None = None) -> str:
        naam = str(argumenten[0])
        if naam == "resultaat":
            return self._xml(str(argumenten[1]))
        onderwerp = Path(argumenten[1]).stem if naam == "laad" else " ".join(map(str, argumenten[1:3]))
        self.verloop.append(naam if naam == "wacht" else f"{naam} {onderwerp}")
        if naam == "laad":
            json.loads(Path(argumenten[1]).read_text())
        if naam == "dienst":
            (self._gekoppeld.add if argumenten[1] == "koppel" else self._gekoppeld.remove)(str(argumenten[3]))
        return ""

    def storing(self, *oins: str) -> None:
        self.verloop.append(f"storing {' '.join(oins)}".strip())

    def lever(self, pad: Path, oin: str | None) -> dict[str, Any]:
        self.verloop.append(f"aanleveren {pad.parent.name}")
        for bestand in sorted(pad.iterdir()):
            self._runs.append(
                lees(
                    [bestand.read_bytes()],
                    proceskenmerk=UUID(int=len(self._runs)),
                    aangeleverd_op=NU_MS + len(self._runs),
                    aangeleverd_door=oin,
                    bewaar=lambda _sha256, _inhoud: None,
                )
            )
        antwoord: dict[str, Any] = self._antwoord(
            "aanleveren", {"aangeleverd": len(list(pad.iterdir())), "geweigerd": []}
        )
        return antwoord

    def gekeurd(self) -> int:
        verwerkt = {str(batch.kader.batch_id) for batch in self._runs}
        bijlagen = {sha for een in self._geplaatst if str(een.batch_id) in verwerkt for sha in een.bijlagen}
        aantal: int = self._verdraai("gekeurd", 17 + len(bijlagen))
        return aantal

    def workers(self) -> int:
        return 1

    def notificaties(self, vanaf: int) -> Any:
        assert vanaf == NU_MS
        eerder = [Melding(UUID(int=10**6), UUID(int=10**6), nummer) for nummer in (1, 2)]  # of an earlier sample
        nu = [Melding(UUID(int=0), een.batch_id, een.nummer) for een in self._geplaatst if een.zichtbaar]
        runs = {batch.kader.batch_id: batch.kader.proceskenmerk for batch in self._runs}
        for melding in nu:
            melding.proceskenmerk = runs[melding.batch_id]
        return self._antwoord("notificaties", [*eerder, *nu, *nu[:3]])  # some of them twice

    def vraag(self, *argumenten: str | Path, invoer: str | None = None) -> Any:
        naam, opties = str(argumenten[0]), [str(argument) for argument in argumenten]
        if "--afgerond" in opties:
            self.verloop.append("afgerond")
            return self._alle_runs()
        if "--runs" in opties:
            return self._antwoord("runs", self._alle_runs())
        if "--code" in opties:
            return self._antwoord(f"{naam} van code", self._berichten_met(opties[opties.index("--code") + 1]))
        if naam == "inzage":
            assert json.loads(invoer or "").keys() == {"belanghebbende", "gemachtigde"}
            return self._antwoord("inzage", self._inzage())
        gegeven: dict[str, Callable[[], Any]] = {
            "totalen": lambda: list(self._geleverd().totalen().values()),
            "fouten": self._fouten,
            "waarschuwingen": self._waarschuwingen,
            "berichttype": self._historie,
            "berichtverwerking": self._berichtverwerking,
            "resultaat": lambda: self._resultaat(opties[-1]),
            "sla": lambda: [{"leverancier": "x", "binnen_norm": 1.0, "overschreden": 0, "open": 0, "p50_s": 0.5}],
            "lag": lambda: [{"group": "g", "topic": "t", "partition": 0, "lag": 0}],
        }
        return self._antwoord(naam, gegeven[naam]())

    def _antwoord(self, naam: str, antwoord: Any) -> Any:
        return self._verdraai(naam, antwoord)

    def _geleverd(self) -> Verwachting:
        batches: dict[str, Batchverwachting] = {}
        for batch in self._runs:
            batch_id, kader = str(batch.kader.batch_id), batch.kader
            gekend = batches.setdefault(
                batch_id, Batchverwachting(batch_id, kader.leverancier, kader.aangeleverd_door, [])
            )
            gekend.runs.append(self._antwoorden(batch, len(gekend.runs)))
        return Verwachting(batches)

    def _antwoorden(self, batch: Batch, run: int) -> list[Antwoord]:
        antwoorden = self._bedoeld.batches[str(batch.kader.batch_id)].runs[run]
        assert len(batch.berichten) == len(antwoorden)
        return antwoorden

    def _fouten(self) -> list[Rij]:
        return [{"code": a.code, "stadium": a.stadium, "aantal": n} for a, n in self._geleverd().fouten().items()]

    def _waarschuwingen(self) -> list[Rij]:
        return [{"code": code, "stadium": "NA", "aantal": n} for code, n in self._geleverd().waarschuwingen().items()]

    def _historie(self) -> list[dict[str, Any]]:
        wijzigingen = [{"op": schrijf_tijd(NU_MS), "door": DOOR, "wat": wat} for wat in ("new", "Actief → Inactief")]
        return [{"code": CAMPAGNE, "status": "Inactief", "historie": wijzigingen}]

    def _inzage(self) -> list[dict[str, Any]]:
        """Beside those of the sample one of an earlier sample on the same data."""
        ids = [
            (str(een.bericht_id), een.berichttype)
            for een in self._geplaatst
            if een.gebruiker == personen.belanghebbende() and een.zichtbaar
        ]
        return [
            {"leverancier": GEMEENTE, "bericht_id": bericht_id, "berichttype": code, "dienst_id": DIENST}
            for bericht_id, code in [*ids, (str(UUID(int=10**6)), "BESLUIT")]
            if code in self._gekoppeld
        ]

    def _berichten_met(self, code: str) -> list[Rij]:
        return [{"batch_id": batch, "nummer": nummer} for batch, nummer in self._geleverd().berichten_met(code)]

    def _berichtverwerking(self) -> list[dict[str, Any]]:
        return [
            batch.rij() | {"berichten": [antwoord._asdict() for antwoord in batch.getoond]}
            for batch in self._geleverd().batches.values()
        ]

    def _alle_runs(self) -> list[Rij]:
        eerste = {batch.kader.batch_id: batch.kader.aangeleverd_op for batch in reversed(self._runs)}
        return [
            {
                "leverancier": batch.kader.leverancier,
                "batch_id": str(batch.kader.batch_id),
                "proceskenmerk": str(batch.kader.proceskenmerk),
                "aangeleverd_op": schrijf_tijd(batch.kader.aangeleverd_op),
                "ontvangen_op": schrijf_tijd(eerste[batch.kader.batch_id]),
                **telling(self._run(str(batch.kader.proceskenmerk))[1]),
            }
            for batch in reversed(self._runs)
        ]

    def _run(self, proceskenmerk: str) -> tuple[Batch, list[Antwoord]]:
        batch = self._runs[UUID(proceskenmerk).int]
        run = sum(eerder.kader.batch_id == batch.kader.batch_id for eerder in self._runs[: UUID(proceskenmerk).int])
        return batch, self._antwoorden(batch, run)

    def _resultaat(self, proceskenmerk: str) -> dict[str, Any]:
        batch, antwoorden = self._run(proceskenmerk)
        return {
            "leverancier": batch.kader.leverancier,
            "totaal": len(antwoorden),
            "per_code": dict(Counter(antwoord.code for antwoord in antwoorden)),
            "berichten": [antwoord._asdict() for antwoord in antwoorden],
        }

    def _xml(self, batch_id: str) -> str:
        laatste = [batch.kader.proceskenmerk for batch in self._runs if str(batch.kader.batch_id) == batch_id][-1]
        batch, antwoorden = self._run(str(laatste))
        telling = Counter(antwoord.code for antwoord in antwoorden)
        tellers = {
            "BerichtLeverancierCode": batch.kader.leverancier,
            "TotaalAantalOntvangenBerichten": len(antwoorden),
            "AantalBerichtenSuccesvolVerwerkt": telling["Verwerkt"],
            "AantalBerichtenGeenActieveBoxOfGeabonneertOpLeverancier": telling["NietActiefOfGeabonneerd"],
            "AantalBerichtenMetTechnischProbleem": telling["TechnischProbleem"],
            "AantalBerichtenBerichtTypeNietCorrect": telling["BerichtTypeNietOndersteund"],
            "AantalBerichtenPublicatieDatumNietCorrect": telling["PublicatieDatumLigtTeVerInDeToekomst"],
            "AantalBerichtenAanmaakDatumNietCorrect": telling["AanmaakDatumLigtTeVerInHetVerleden"],
        }
        wortel = etree.Element(f"{{{RESULTAAT_NS}}}BerichtVerwerkResponse")
        informatie, berichten = etree.SubElement(wortel, "BatchInformatie"), etree.SubElement(wortel, "Berichten")
        for naam, waarde in tellers.items():
            etree.SubElement(informatie, naam).text = str(waarde)
        for antwoord in antwoorden:
            bericht = etree.SubElement(berichten, f"{{{RESULTAAT_BERICHT_NS}}}Bericht")
            etree.SubElement(bericht, "VerwerkingsCode").text = antwoord.code
            etree.SubElement(bericht, "Stadium").text = antwoord.stadium
        return etree.tostring(wortel, encoding="unicode")


def speel(
    map_: Path, verdraai: Callable[[str, Any], Any] = lambda _naam, antwoord: antwoord, ronde: int = 1
) -> tuple[list[str], list[str]]:
    """What differs, and what was done, in a demo of the smallest sample."""
    voorbeeld = maak_voorbeeld(1, ronde, NU, MIN_BATCHES, MIN_BERICHTEN)
    stapel = GeheugenStapel(voorbeeld, verdraai)
    demo = Demo(voorbeeld, map_, 60)
    demo.schrijf_bestanden()
    return demo.speel(stapel), stapel.verloop


def test_a_stack_that_works_gives_no_differences(tmp_path: Path) -> None:
    assert speel(tmp_path)[0] == []


def test_the_steps_come_in_an_order_that_makes_the_counts_certain(tmp_path: Path) -> None:
    _, verloop = speel(tmp_path)
    achtereen = [stap for plaats, stap in enumerate(verloop) if plaats == 0 or verloop[plaats - 1] != stap]
    assert achtereen == [
        "laad referentiegegevens",
        f"storing {MET_STORING}",
        "aanleveren storing",
        "aanleveren eerst",
        "afgerond",
        f"berichttype deactiveer {CAMPAGNE}",
        "aanleveren na-deactivering",
        "afgerond",
        f"dienst ontkoppel {DIENST}",
        f"dienst koppel {DIENST}",
        "wacht",
        "storing",
    ]


def test_a_second_run_on_the_same_data_first_waits_for_what_was_left(tmp_path: Path) -> None:
    assert speel(tmp_path, ronde=2)[1][:2] == ["wacht", "laad referentiegegevens"]


def test_nothing_that_is_printed_is_a_bsn(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    speel(tmp_path)
    geschreven = capsys.readouterr().out
    assert "BESLUIT" in geschreven or "ontkoppeld" in geschreven
    assert [bsn for bsn in personen.alle_bsns() if bsn in geschreven] == []


def test_batches_of_an_intermediair_are_delivered_under_its_own_oin(tmp_path: Path) -> None:
    voorbeeld = maak_voorbeeld(1, 1, NU, MIN_BATCHES, MIN_BERICHTEN)
    Demo(voorbeeld, tmp_path, 60).schrijf_bestanden()
    verwacht_aantal = sum(levering.aangeleverd_door == INTERMEDIAIR for levering in voorbeeld.leveringen)
    assert len(list((tmp_path / "eerst" / INTERMEDIAIR).iterdir())) == verwacht_aantal > 1


def zonder_waarschuwingen(rijen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [rij | {"berichten": [bericht | {"waarschuwingen": []} for bericht in rij["berichten"]]} for rij in rijen]


def test_a_bijlage_that_is_checked_again_is_noticed(tmp_path: Path) -> None:
    metingen = iter((0, 1_000))
    verschillen, _ = speel(tmp_path, lambda naam, antwoord: next(metingen) if naam == "gekeurd" else antwoord)
    assert [regel for regel in verschillen if regel.endswith("on 1 workers took 1000 checks")] == verschillen != []


def test_a_notification_that_does_not_come_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uitvraag, "_NOTIFICATIES_S", 0.0)

    def zonder_een(naam: str, antwoord: Any) -> Any:
        return [een for een in antwoord if een != antwoord[2]] if naam == "notificaties" else antwoord

    verschillen, _ = speel(tmp_path, zonder_een)
    assert len(verschillen) == 1
    assert verschillen[0].endswith("expected 1, got nothing")


@pytest.mark.parametrize(
    ("welke", "verdraai"),
    [
        ("totalen", lambda rijen: [rij | {"verwerkt": int(rij["verwerkt"]) + 1} for rij in rijen]),
        ("totalen", lambda rijen: rijen[1:]),
        ("fouten", lambda rijen: rijen[1:]),
        ("fouten van code", lambda rijen: rijen[1:]),
        ("fouten van code", lambda rijen: rijen + rijen[:1]),
        ("waarschuwingen", lambda rijen: rijen[1:]),
        ("waarschuwingen", lambda rijen: [rij | {"aantal": int(rij["aantal"]) + 1} for rij in rijen]),
        ("waarschuwingen van code", lambda rijen: rijen[1:]),
        ("inzage", lambda rijen: rijen[1:]),
        ("inzage", lambda rijen: [*rijen, rijen[0] | {"bericht_id": "x", "berichttype": "VRAAG"}]),
        ("inzage", lambda rijen: [rij | {"dienst_id": "Post lezen"} for rij in rijen]),
        ("berichttype", lambda rijen: [rijen[0] | {"status": "Actief"}]),
        ("berichttype", lambda rijen: [rijen[0] | {"historie": rijen[0]["historie"][:1]}]),
        ("notificaties", lambda rijen: [*rijen, Melding(UUID(int=9), rijen[2].batch_id, rijen[2].nummer)]),
        ("berichtverwerking", lambda rijen: [rij | {"afgerond": False} for rij in rijen]),
        ("berichtverwerking", zonder_waarschuwingen),
        ("resultaat", lambda rij: rij | {"berichten": [*rij["berichten"], VERWERKT._asdict()]}),
        ("runs", lambda rijen: rijen[:1]),
        ("sla", lambda rijen: [rij | {"overschreden": 1} for rij in rijen]),
        ("aanleveren", lambda antwoord: antwoord | {"aangeleverd": antwoord["aangeleverd"] - 1}),
        ("aanleveren", lambda antwoord: antwoord | {"geweigerd": [{"bestand": "x"}]}),
    ],
)
def test_whatever_comes_out_wrong_is_noticed(tmp_path: Path, welke: str, verdraai: Callable[[Any], Any]) -> None:
    verschillen, _ = speel(
        tmp_path, lambda naam, antwoord: verdraai(antwoord) if naam == welke and antwoord else antwoord
    )
    assert verschillen
