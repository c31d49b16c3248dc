"""The demo against a stack in memory: what it delivers, in which order, and that it notices what is wrong."""

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

from aanlevering.lezer import lees
from domain.batch import Batch
from domain.tijd import schrijf_tijd
from voorbeeld.controle import RESULTAAT_BERICHT_NS, RESULTAAT_NS
from voorbeeld.demo import Demo
from voorbeeld.generator import MIN_BATCHES, MIN_BERICHTEN, maak_voorbeeld
from voorbeeld.gevallen import VERWERKT, Antwoord
from voorbeeld.referentiegegevens import INTERMEDIAIR, MET_STORING
from voorbeeld.stapel import Stapel
from voorbeeld.verwachting import Batchverwachting, Rij, Verwachting, verwacht

NU = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
NU_MS = int(NU.timestamp() * 1000)


class GeheugenStapel(Stapel):
    """Reads what is delivered, and answers with what the sample expects of it; `verdraai` may change an answer."""

    def __init__(self, verwachting: Verwachting, verdraai: Callable[[str, Any], Any]) -> None:
        super().__init__(Path("/dev/null"))
        self._bedoeld = verwachting
        self._verdraai = verdraai
        self._runs: list[Batch] = []
        self.verloop: list[str] = []

    def doe(self, *argumenten: str | Path, geduld_s: float = 3600) -> str:
        naam = str(argumenten[0])
        if naam == "resultaat":
            return self._xml(str(argumenten[1]))
        self.verloop.append(f"{naam} {Path(argumenten[1]).stem}" if naam == "laad" else naam)
        if naam == "laad":
            json.loads(Path(argumenten[1]).read_text())
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

    def vraag(self, *argumenten: str | Path) -> Any:
        naam, opties = str(argumenten[0]), [str(argument) for argument in argumenten]
        if "--runs" in opties:
            return self._antwoord("runs", self._alle_runs())
        if "--code" in opties:
            return self._antwoord("fouten van code", self._fouten_van(opties[opties.index("--code") + 1]))
        gegeven: dict[str, Callable[[], Any]] = {
            "totalen": lambda: list(self._geleverd().totalen().values()),
            "fouten": self._fouten,
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

    def _fouten_van(self, code: str) -> list[Rij]:
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
                "batch_id": str(batch.kader.batch_id),
                "proceskenmerk": str(batch.kader.proceskenmerk),
                "aangeleverd_op": schrijf_tijd(batch.kader.aangeleverd_op),
                "ontvangen_op": schrijf_tijd(eerste[batch.kader.batch_id]),
                "verwerkt": self._run(str(batch.kader.proceskenmerk))[1].count(VERWERKT),
                "totaal": len(batch.berichten),
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
    map_: Path, verdraai: Callable[[str, Any], Any] = lambda _naam, antwoord: antwoord
) -> tuple[list[str], list[str]]:
    """What differs, and what was done, in a demo of the smallest sample."""
    voorbeeld = maak_voorbeeld(1, 1, NU, MIN_BATCHES, MIN_BERICHTEN)
    stapel = GeheugenStapel(verwacht(voorbeeld.leveringen), verdraai)
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
        "aanleveren eerst",
        "wacht",
        "laad deactivering",
        "aanleveren na-deactivering",
        "wacht",
        f"storing {MET_STORING}",
        "aanleveren storing",
        "wacht",
        "storing",
    ]


def test_batches_of_an_intermediair_are_delivered_under_its_own_oin(tmp_path: Path) -> None:
    voorbeeld = maak_voorbeeld(1, 1, NU, MIN_BATCHES, MIN_BERICHTEN)
    Demo(voorbeeld, tmp_path, 60).schrijf_bestanden()
    verwacht_aantal = sum(levering.aangeleverd_door == INTERMEDIAIR for levering in voorbeeld.leveringen)
    assert len(list((tmp_path / "eerst" / INTERMEDIAIR).iterdir())) == verwacht_aantal > 1


@pytest.mark.parametrize(
    ("welke", "verdraai"),
    [
        ("totalen", lambda rijen: [rij | {"verwerkt": int(rij["verwerkt"]) + 1} for rij in rijen]),
        ("totalen", lambda rijen: rijen[1:]),
        ("fouten", lambda rijen: rijen[1:]),
        ("fouten van code", lambda rijen: rijen[1:]),
        ("fouten van code", lambda rijen: rijen + rijen[:1]),
        ("berichtverwerking", lambda rijen: [rij | {"afgerond": False} for rij in rijen]),
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
