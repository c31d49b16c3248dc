"""Messages of the sample whose answer hangs on another message, or on what became of their berichttype meanwhile."""

from random import Random
from uuid import UUID

from voorbeeld import gevallen
from voorbeeld.gevallen import Geval
from voorbeeld.levering import Bericht, Levering
from voorbeeld.referentiegegevens import GEMEENTE, WATERSCHAP


class _Vrij:
    """The good messages that hang on nothing yet, by their places in each batch."""

    def __init__(self, willekeur: Random, leveringen: list[Levering]) -> None:
        self._plaatsen: dict[int, list[int]] = {}
        for levering in leveringen:
            plaatsen = [i for i, bericht in enumerate(levering.berichten) if bericht.geval is gevallen.GOED]
            willekeur.shuffle(plaatsen)
            self._plaatsen[levering.volgnummer] = plaatsen

    def aantal(self, levering: Levering) -> int:
        """How many there are left."""
        return len(self._plaatsen[levering.volgnummer])

    def neem(self, levering: Levering, aantal: int) -> list[int]:
        """Takes so many, in the order of the batch; none where there are not so many."""
        plaatsen = self._plaatsen[levering.volgnummer]
        if len(plaatsen) < aantal:
            return []
        return sorted(plaatsen.pop() for _ in range(aantal))


def leg_verbanden(willekeur: Random, eerst: list[Levering], na: list[Levering]) -> None:
    """Turns good messages of batches delivered before and after the deactivation into such messages."""
    vrij = _Vrij(willekeur, [*eerst, *na])
    van_gemeente = [levering for levering in eerst if levering.leverancier == GEMEENTE]
    van_waterschap = [levering for levering in eerst if levering.leverancier == WATERSCHAP]
    for levering in van_gemeente:
        for plaats in vrij.neem(levering, 2):
            _word(levering, plaats, gevallen.CAMPAGNE_ACTIEF)
    for levering in na:
        for plaats in vrij.neem(levering, max(1, vrij.aantal(levering) // 4)):
            _word(levering, plaats, gevallen.CAMPAGNE_INACTIEF)
    for eerder, later, geval in (
        *((eerder, later, gevallen.DUBBEL) for eerder, later in zip(van_gemeente, na, strict=False)),
        *((een, ander, gevallen.ZELFDE_ID_ELDERS) for een, ander in zip(van_gemeente, van_waterschap, strict=False)),
    ):
        for bron, plaats in zip(vrij.neem(eerder, 1), vrij.neem(later, 1), strict=False):
            _word(later, plaats, geval, eerder.berichten[bron].bericht_id)
    for levering in (*eerst, *na):
        _leg_verbanden_binnen(levering, vrij)


def _leg_verbanden_binnen(levering: Levering, vrij: _Vrij) -> None:
    if vrij.aantal(levering) >= 8:
        for _ in range(1 + vrij.aantal(levering) // 100):
            bron, plaats = vrij.neem(levering, 2)
            _word(levering, plaats, gevallen.DUBBEL, levering.berichten[bron].bericht_id)
    mislukt = [i for i, bericht in enumerate(levering.berichten) if bericht.antwoord == gevallen.GEBRUIKER][:1]
    for bron, plaats in zip(mislukt, vrij.neem(levering, 1), strict=False):
        if bron < plaats:
            _word(levering, plaats, gevallen.TWEEDE_KANS, levering.berichten[bron].bericht_id)


def _word(levering: Levering, plaats: int, geval: Geval, bericht_id: UUID | None = None) -> None:
    eigen = levering.berichten[plaats].bericht_id
    levering.berichten[plaats] = Bericht(bericht_id or eigen, geval, geval.antwoord)
