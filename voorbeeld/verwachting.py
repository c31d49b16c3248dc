"""What must come out of a sample: counted from what the generator meant, in the shapes the command line prints."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from voorbeeld.gevallen import Antwoord
from voorbeeld.levering import Levering

Rij = dict[str, str | int]


@dataclass(frozen=True, slots=True)
class Batchverwachting:
    """What is expected of one batch; each run has an answer for each of its messages, in the order of the batch."""

    batch_id: str
    leverancier: str
    aangeleverd_door: str
    runs: list[list[Antwoord]]

    @property
    def getoond(self) -> list[Antwoord]:
        """The answers that the views show: Verwerkt if any run gave it, else the latest run's (Domain: Resends)."""
        return [
            next((antwoord for antwoord in antwoorden if antwoord.is_verwerkt), antwoorden[-1])
            for antwoorden in zip(*self.runs, strict=True)
        ]

    def rij(self) -> Rij:
        """The batch's row of `berichtverwerking`, without its times and Proceskenmerk."""
        return {
            "leverancier": self.leverancier,
            "aangeleverd_door": self.aangeleverd_door,
            "batch_id": self.batch_id,
            **telling(self.getoond),
            "afgerond": True,
        }


@dataclass(frozen=True, slots=True)
class Verwachting:
    """What is expected of a whole sample."""

    batches: dict[str, Batchverwachting]
    """By BatchID, in lower case."""

    def totalen(self) -> dict[str, Rij]:
        """The rows of `totalen`, by leverancier."""
        per_leverancier: dict[str, list[Batchverwachting]] = {}
        for batch in self.batches.values():
            per_leverancier.setdefault(batch.leverancier, []).append(batch)
        return {
            leverancier: _rij_totalen(leverancier, batches) for leverancier, batches in sorted(per_leverancier.items())
        }

    def fouten(self) -> dict[Antwoord, int]:
        """The counts of `fouten`, by code and stadium."""
        return dict(Counter(antwoord for _, _, antwoord in self._getoond() if not antwoord.is_verwerkt))

    def waarschuwingen(self) -> dict[str, int]:
        """The counts of `waarschuwingen`, by code."""
        return dict(Counter(code for _, _, antwoord in self._getoond() for code in antwoord.waarschuwingen))

    def berichten_met(self, code: str) -> set[tuple[str, int]]:
        """BatchID and number of every message that is shown with this code, of an error or a warning."""
        return {
            (batch_id, nummer)
            for batch_id, nummer, antwoord in self._getoond()
            if code in (antwoord.code, *antwoord.waarschuwingen)
        }

    def _getoond(self) -> Iterator[tuple[str, int, Antwoord]]:
        """BatchID, number and answer of every message."""
        for batch in self.batches.values():
            for nummer, antwoord in enumerate(batch.getoond, 1):
                yield batch.batch_id, nummer, antwoord


def verwacht(leveringen: Iterable[Levering]) -> Verwachting:
    """Counts what the given deliveries, made in this order, must give."""
    batches: dict[str, Batchverwachting] = {}
    for levering in leveringen:
        batch = batches.setdefault(
            str(levering.batch_id),
            Batchverwachting(str(levering.batch_id), levering.leverancier, levering.aangeleverd_door, []),
        )
        batch.runs.append([bericht.antwoord for bericht in levering.berichten])
    return Verwachting(batches)


def per_code(antwoorden: Iterable[Antwoord]) -> dict[str, int]:
    """How many messages have each code."""
    return dict(Counter(antwoord.code for antwoord in antwoorden))


def _rij_totalen(leverancier: str, batches: list[Batchverwachting]) -> Rij:
    rij = telling([antwoord for batch in batches for antwoord in batch.getoond])
    berichten = rij.pop("totaal")
    return {"leverancier": leverancier, "batches": len(batches), "berichten": berichten, **rij}


def telling(antwoorden: Sequence[Antwoord]) -> dict[str, int]:
    """The counts that the views show of these; in the end nothing is still on its way."""
    verwerkt = sum(antwoord.is_verwerkt for antwoord in antwoorden)
    return {
        "totaal": len(antwoorden),
        "verwerkt": verwerkt,
        "waarschuwing": sum(bool(antwoord.waarschuwingen) for antwoord in antwoorden),
        "niet_verwerkt": len(antwoorden) - verwerkt,
        "in_behandeling": 0,
    }
