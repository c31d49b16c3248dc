"""The tables that the demo prints."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from voorbeeld.gevallen import Antwoord
from voorbeeld.verwachting import Rij, Verwachting

_AANTALLEN = ("batches", "berichten", "verwerkt", "waarschuwing", "niet_verwerkt", "in_behandeling")


def totalen(console: Console, verwacht: Mapping[str, Rij], uitkomst: Mapping[str, Rij]) -> None:
    """Totalen of this run, per leverancier, expected and found."""
    tabel = _tabel("Totalen: wat verwacht | wat uitkwam", "leverancier", *_AANTALLEN)
    for leverancier in sorted({*verwacht, *uitkomst}):
        paren = ((verwacht.get(leverancier, {}).get(n), uitkomst.get(leverancier, {}).get(n)) for n in _AANTALLEN)
        tabel.add_row(leverancier, *(_paar(*paar) for paar in paren))
    console.print(tabel)


def fouten(console: Console, verwacht: Mapping[Antwoord, int], uitkomst: Mapping[Antwoord, int]) -> None:
    """Messages not Verwerkt per code and stadium, expected and found."""
    tabel = _tabel("Niet verwerkt: wat verwacht | wat uitkwam", "code", "stadium", "aantal")
    for antwoord in sorted({*verwacht, *uitkomst}):
        tabel.add_row(antwoord.code, antwoord.stadium, _paar(verwacht.get(antwoord), uitkomst.get(antwoord)))
    console.print(tabel)


def waarschuwingen(console: Console, verwacht: Mapping[str, int], uitkomst: Mapping[str, int]) -> None:
    """Messages Verwerkt with a warning per code, expected and found."""
    tabel = _tabel("Waarschuwingen: wat verwacht | wat uitkwam", "code", "aantal")
    for code in sorted({*verwacht, *uitkomst}):
        tabel.add_row(code, _paar(verwacht.get(code), uitkomst.get(code)))
    console.print(tabel)


def berichtverwerking(console: Console, verwachting: Verwachting, rijen: Sequence[Mapping[str, Any]]) -> None:
    """Some batches, expected and found."""
    aantallen = ("totaal", *_AANTALLEN[2:])
    tabel = _tabel("Berichtverwerking: wat verwacht | wat uitkwam", "batch", "runs", *aantallen, "afgerond")
    for rij in rijen:
        batch = verwachting.batches[rij["batch_id"]]
        verwacht = batch.rij()
        tabel.add_row(
            batch.batch_id[:8],
            str(len(batch.runs)),
            *(_paar(verwacht[naam], rij[naam]) for naam in aantallen),
            "ja" if rij["afgerond"] else "[red]nee",
        )
    console.print(tabel)


def sla(console: Console, rijen: Sequence[Mapping[str, Any]]) -> None:
    """The 24-hour norm."""
    _toon(console, "24-uursnorm", rijen)


def lag(console: Console, rijen: Sequence[Mapping[str, Any]]) -> None:
    """What consumers have yet to read, summed over the partitions of a topic."""
    per_topic: dict[tuple[str, str], int] = {}
    for rij in rijen:
        sleutel = (rij["group"], rij["topic"])
        per_topic[sleutel] = per_topic.get(sleutel, 0) + (rij["lag"] or 0)
    _toon(console, "Lag", [{"group": g, "topic": t, "lag": aantal} for (g, t), aantal in sorted(per_topic.items())])


def historie(console: Console, berichttype: str, rijen: Sequence[Mapping[str, Any]]) -> None:
    """What became of a berichttype, when, and by whom."""
    _toon(console, f"Historie van berichttype {berichttype}", rijen)


def inzage(console: Console, dienst: str, momenten: Sequence[tuple[str, int, int]]) -> None:
    """How many messages the gemachtigde may read at each moment, expected and found."""
    tabel = _tabel(f"Inzage, machtiging voor dienst {dienst}: wat verwacht | wat uitkwam", "moment", "berichten")
    for moment, verwacht, uitkomst in momenten:
        tabel.add_row(moment, _paar(verwacht, uitkomst))
    console.print(tabel)


def gevolgen(console: Console, aantallen: Mapping[str, tuple[int, int]]) -> None:
    """What came of placing messages, expected and found."""
    tabel = _tabel("Verder: wat verwacht | wat uitkwam", "wat", "aantal")
    for wat, paar in aantallen.items():
        tabel.add_row(wat, _paar(*paar))
    console.print(tabel)


def duren(console: Console, stappen: Sequence[tuple[str, float, int]]) -> None:
    """How long each step took, and how many messages a second that was."""
    tabel = _tabel("Tijden", "step", "seconds", "berichten", "berichten/s")
    for naam, seconden, berichten in stappen:
        tempo = f"{berichten / seconden:.0f}" if berichten else ""
        tabel.add_row(naam, f"{seconden:.1f}", str(berichten or ""), tempo)
    console.print(tabel)


def _toon(console: Console, titel: str, rijen: Sequence[Mapping[str, Any]]) -> None:
    tabel = _tabel(titel, *(rijen[0] if rijen else ()))
    for rij in rijen:
        tabel.add_row(*map(_cel, rij.values()))
    console.print(tabel)


def _cel(waarde: object) -> str:
    if waarde is None:
        return "–"
    return f"{waarde:.3g}" if isinstance(waarde, float) else str(waarde)


def _tabel(titel: str, *kolommen: str) -> Table:
    tabel = Table(title=titel, title_justify="left", title_style="bold")
    for plaats, kolom in enumerate(kolommen):
        tabel.add_column(kolom, justify="left" if plaats == 0 else "right", overflow="fold")
    return tabel


def _paar(verwacht: object, uitkomst: object) -> str:
    return f"[{'green' if verwacht == uitkomst else 'bold red'}]{_cel(verwacht)} | {_cel(uitkomst)}"
