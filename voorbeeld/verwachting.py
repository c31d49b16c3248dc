"""What must come out of a sample: counted from what the generator meant, in the shapes the command line prints."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from voorbeeld.gevallen import ANTWOORDEN, VERWERKT, Antwoord
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
        return [VERWERKT if VERWERKT in antwoorden else antwoorden[-1] for antwoorden in zip(*self.runs, strict=True)]

    def rij(self) -> Rij:
        """The batch's row of `berichtverwerking`, without its times and Proceskenmerk."""
        return {
            "leverancier": self.leverancier,
            "aangeleverd_door": self.aangeleverd_door,
            "batch_id": self.batch_id,
            **_telling(self.getoond),
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
        telling = Counter(antwoord for batch in self.batches.values() for antwoord in batch.getoond)
        return {antwoord: telling[antwoord] for antwoord in ANTWOORDEN if antwoord != VERWERKT and telling[antwoord]}

    def berichten_met(self, code: str) -> set[tuple[str, int]]:
        """BatchID and number of every message that is shown with this code, as `fouten --code` lists them."""
        return {
            (batch.batch_id, nummer)
            for batch in self.batches.values()
            for nummer, antwoord in enumerate(batch.getoond, 1)
            if antwoord.code == code
        }


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
    telling = _telling([antwoord for batch in batches for antwoord in batch.getoond])
    berichten = telling.pop("totaal")
    return {"leverancier": leverancier, "batches": len(batches), "berichten": berichten, **telling}


def _telling(antwoorden: list[Antwoord]) -> dict[str, int]:
    """No bijlage of this sample gives a warning, and in the end nothing is still on its way."""
    verwerkt = antwoorden.count(VERWERKT)
    return {
        "totaal": len(antwoorden),
        "verwerkt": verwerkt,
        "waarschuwing": 0,
        "niet_verwerkt": len(antwoorden) - verwerkt,
        "in_behandeling": 0,
    }
