"""Compares what came out with what was expected. Each check gives lines that say what differs; none: it matches."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lxml import etree

from voorbeeld.gevallen import Antwoord
from voorbeeld.verwachting import Batchverwachting, Rij, Verwachting, per_code, telling

RESULTAAT_NS = "http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01"
RESULTAAT_BERICHT_NS = "http://schemas.rdw.nl/GEB/BerichtVerwerkService/BerichtResultaat/Types/2009/01"

_TELLERS = {
    "AantalBerichtenSuccesvolVerwerkt": "Verwerkt",
    "AantalBerichtenGeenActieveBoxOfGeabonneertOpLeverancier": "NietActiefOfGeabonneerd",
    "AantalBerichtenMetTechnischProbleem": "TechnischProbleem",
    "AantalBerichtenBerichtTypeNietCorrect": "BerichtTypeNietOndersteund",
    "AantalBerichtenPublicatieDatumNietCorrect": "PublicatieDatumLigtTeVerInDeToekomst",
    "AantalBerichtenAanmaakDatumNietCorrect": "AanmaakDatumLigtTeVerInHetVerleden",
}
"""The counters of the batch part of a result; the other codes have none (Domain: The answer)."""


def vergelijk(onderwerp: str, verwacht: Mapping[Any, object], uitkomst: Mapping[Any, object]) -> list[str]:
    """A line for every key whose value differs, or that only one of the two has."""
    return [
        f"{onderwerp}, {sleutel}: expected {verwacht.get(sleutel, 'nothing')}, got {uitkomst.get(sleutel, 'nothing')}"
        for sleutel in sorted({*verwacht, *uitkomst}, key=str)
        if sleutel not in verwacht or sleutel not in uitkomst or verwacht[sleutel] != uitkomst[sleutel]
    ]


def toename(voor: Iterable[Rij], na: Iterable[Rij]) -> dict[str, Rij]:
    """How much each leverancier's row of `totalen` grew, for those that did."""
    eerder = {str(rij["leverancier"]): rij for rij in voor}
    verschillen = {str(rij["leverancier"]): _verschil(eerder.get(str(rij["leverancier"]), {}), rij) for rij in na}
    return {leverancier: rij for leverancier, rij in verschillen.items() if rij["berichten"]}


def _verschil(eerder: Rij, nu: Rij) -> Rij:
    return {
        naam: waarde - int(eerder.get(naam, 0)) if isinstance(waarde, int) else waarde for naam, waarde in nu.items()
    }


def fouten_per_code(rijen: Iterable[Mapping[str, Any]]) -> dict[Antwoord, int]:
    """The rows of `fouten` by code and stadium."""
    return {Antwoord(rij["code"], rij["stadium"]): rij["aantal"] for rij in rijen}


def waarschuwingen_per_code(rijen: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """The rows of `waarschuwingen` by code."""
    return {rij["code"]: rij["aantal"] for rij in rijen}


def controleer_batches(verwachting: Verwachting, rijen: Iterable[Mapping[str, Any]]) -> list[str]:
    """Every row of `berichtverwerking --berichten`: who, how many of what, that it is afgerond, and each message."""
    gevonden = {str(rij["batch_id"]).lower(): rij for rij in rijen}
    verschillen = vergelijk("batches", dict.fromkeys(verwachting.batches, True), dict.fromkeys(gevonden, True))
    for batch_id in verwachting.batches.keys() & gevonden.keys():
        batch, rij = verwachting.batches[batch_id], gevonden[batch_id]
        uitkomst = {naam: rij.get(naam) for naam in batch.rij()} | {"batch_id": batch_id}
        verschillen += vergelijk(f"batch {batch_id}", batch.rij(), uitkomst)
        verschillen += _vergelijk_berichten(f"batch {batch_id}", batch.getoond, rij["berichten"], *Antwoord._fields)
    return verschillen


def in_volgorde(runs: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The rows of `berichtverwerking --runs` by BatchID, each batch's in the order of delivery."""
    per_batch: dict[str, list[Mapping[str, Any]]] = {}
    for rij in sorted(runs, key=lambda rij: str(rij["aangeleverd_op"])):
        per_batch.setdefault(str(rij["batch_id"]).lower(), []).append(rij)
    return per_batch


def controleer_runs(verwachting: Verwachting, runs: Iterable[Mapping[str, Any]]) -> list[str]:
    """The rows of `berichtverwerking --runs`: each run's own counts, and the ontvangstdatum of the first for all of
    them (Domain: Resends)."""
    verschillen: list[str] = []
    gevonden = in_volgorde(runs)
    for batch_id, batch in verwachting.batches.items():
        rijen = gevonden.get(batch_id, [])
        ontvangen_op = rijen[0]["aangeleverd_op"] if rijen else None
        tellingen = ("totaal", "verwerkt", "waarschuwing")
        verwacht = [(ontvangen_op, *map(telling(antwoorden).get, tellingen)) for antwoorden in batch.runs]
        uitkomst = [(rij["ontvangen_op"], *map(rij.get, tellingen)) for rij in rijen]
        verschillen += vergelijk(f"runs of {batch_id}", dict(enumerate(verwacht, 1)), dict(enumerate(uitkomst, 1)))
    return verschillen


def controleer_berichten(verwachting: Verwachting, code: str, rijen: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which messages `fouten --code` or `waarschuwingen --code` names: batch and number of each, once."""
    gevonden = Counter((str(rij["batch_id"]).lower(), int(rij["nummer"])) for rij in rijen)
    return vergelijk(f"berichten met {code}", dict.fromkeys(verwachting.berichten_met(code), 1), gevonden)


def controleer_resultaat(batch: Batchverwachting, run: int, resultaat: Mapping[str, Any]) -> list[str]:
    """The JSON of `resultaat` for one run (from 1) of a batch: counts, and the answer to each message, in order."""
    onderwerp = f"resultaat {batch.batch_id}, run {run}"
    antwoorden = batch.runs[run - 1]
    verwacht = {"leverancier": batch.leverancier, "totaal": len(antwoorden), "per_code": per_code(antwoorden)}
    uitkomst = {naam: resultaat.get(naam) for naam in verwacht}
    uitkomst["per_code"] = {code: aantal for code, aantal in resultaat["per_code"].items() if aantal}
    return vergelijk(onderwerp, verwacht, uitkomst) + _vergelijk_berichten(
        onderwerp, antwoorden, resultaat["berichten"], "code", "stadium"
    )


def controleer_resultaat_xml(batch: Batchverwachting, xml: bytes) -> list[str]:
    """The BerichtVerwerkResponse of the latest run: it parses, its counters and its messages are right."""
    onderwerp = f"BerichtVerwerkResponse {batch.batch_id}"
    wortel = etree.fromstring(xml)
    if wortel.tag != f"{{{RESULTAAT_NS}}}BerichtVerwerkResponse":
        return [f"{onderwerp}: another root"]
    antwoorden = batch.runs[-1]
    aantallen = per_code(antwoorden)
    verwacht = {
        "BerichtLeverancierCode": batch.leverancier,
        "TotaalAantalOntvangenBerichten": str(len(antwoorden)),
        **{teller: str(aantallen.get(code, 0)) for teller, code in _TELLERS.items()},
    }
    uitkomst = {naam: wortel.findtext(f"BatchInformatie/{naam}") for naam in verwacht}
    berichten = [
        {"code": bericht.findtext("VerwerkingsCode"), "stadium": bericht.findtext("Stadium")}
        for bericht in wortel.iterfind(f"Berichten/{{{RESULTAAT_BERICHT_NS}}}Bericht")
    ]
    return vergelijk(onderwerp, verwacht, uitkomst) + _vergelijk_berichten(
        onderwerp, antwoorden, berichten, "code", "stadium"
    )


def controleer_deactivering(berichttype: Mapping[str, Any], door: str) -> list[str]:
    """The JSON of `berichttype toon`: the last of its history is that it was deactivated, by `door`."""
    laatste = berichttype["historie"][-1]
    return vergelijk(
        f"berichttype {berichttype['code']}",
        {"status": "Inactief", "door": door, "wat": "Actief → Inactief"},
        {"status": berichttype["status"], "door": laatste["door"], "wat": laatste["wat"]},
    )


def controleer_gekeurd(verschillend: int, gekeurd: int, workers: int) -> list[str]:
    """So many checks for so many different PDFs: one each, but workers that get it at the same time both check it."""
    if verschillend <= gekeurd <= verschillend * workers:
        return []
    return [f"{verschillend} different bijlagen on {workers} workers took {gekeurd} checks"]


def controleer_sla(rijen: Iterable[Mapping[str, Any]]) -> list[str]:
    """Nothing of the sample is late, and nothing is open."""
    goed = {"binnen_norm": 1.0, "overschreden": 0, "open": 0}
    return [
        regel
        for rij in rijen
        for regel in vergelijk(f"24-uursnorm {rij['leverancier']}", goed, {naam: rij[naam] for naam in goed})
    ]


def _vergelijk_berichten(
    onderwerp: str, verwacht: Sequence[Antwoord], uitkomst: Sequence[Mapping[str, Any]], *velden: str
) -> list[str]:
    """The answers in the order of the batch, as far as these fields go."""
    return vergelijk(
        f"{onderwerp}, bericht",
        {nummer: [getattr(antwoord, veld) for veld in velden] for nummer, antwoord in enumerate(verwacht, 1)},
        {nummer: [_vast(bericht[veld]) for veld in velden] for nummer, bericht in enumerate(uitkomst, 1)},
    )


def _vast(waarde: Any) -> Any:
    return tuple(waarde) if isinstance(waarde, list) else waarde
