"""A world on the line, for tests that say themselves what must become of their messages."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from domain.batch import Batch
from sinks.vragen import Filter
from tests.model.lijn import Lijn
from tests.model.proef import BEGIN, Proef
from tests.model.scenario import Brief, Lever, Wijziging, als_xml


class Zaak:
    """A world of its own on the line: leveranciers A, B and I (for A), and their berichttypes and citizens."""

    def __init__(self, lijn: Lijn) -> None:
        self.lijn = lijn
        self._proef = Proef((), lijn.begonnen)
        self.wereld = self._proef.wereld
        self.wijzig(*BEGIN)

    def wijzig(self, *wijzigingen: Wijziging) -> None:
        """Changes reference data and citizens; all of it counts when this returns."""
        regels, burgers = self._proef.verander(wijzigingen)
        if burgers:
            self.lijn.zet_burgers(burgers)
        bestand: dict[str, list[dict[str, Any]]] = {}
        for _, soort, regel in regels:
            bestand.setdefault(soort, []).append(regel)
        if bestand:
            assert self.lijn.laad(bestand)

    def neem_aan(self, leverancier: str, batch: str, *brieven: Brief, door: str | None = None) -> Batch:
        """A delivery that was taken in at the door, and is on its way."""
        lever = Lever(leverancier, batch, brieven, door)
        levering = self.wereld.levering(lever)
        return self.lijn.neem_aan(als_xml(lever, levering), levering.aangeleverd_op, levering.door)

    def lever(self, leverancier: str, batch: str, *brieven: Brief, door: str | None = None) -> Batch:
        """A delivery."""
        genomen = self.neem_aan(leverancier, batch, *brieven, door=door)
        self.lijn.publiceer(genomen)
        return genomen

    def codes(self, batch: Batch) -> list[str]:
        """What becomes of the messages of a delivery, in the order of the batch; each is decided once."""
        run, totaal = batch.kader.proceskenmerk, batch.kader.totaal
        self.lijn.wacht_besloten({run: range(1, totaal + 1)})
        besluiten = [self.lijn.besluiten[run][nummer] for nummer in range(1, totaal + 1)]
        assert all(len(een) == 1 for een in besluiten)
        return [code for ((_, _, code, _),) in besluiten]

    def lever_en_wacht(self, leverancier: str, batch: str, *brieven: Brief, door: str | None = None) -> list[str]:
        """A delivery, and what becomes of its messages."""
        return self.codes(self.lever(leverancier, batch, *brieven, door=door))

    def batch(self, leverancier: str, batch: str) -> dict[str, Any]:
        """How a batch is shown once all is."""
        self.lijn.wacht_rustig()
        filter_ = Filter(leverancier=self.wereld.oin(leverancier), batch=UUID(self.wereld.guid(batch)))
        ((rij,), _) = self.lijn.vragen.berichtverwerking(filter_, berichten=True)
        return rij

    def resultaat(self, batch: Batch) -> Sequence[str]:
        """The codes in the result of a delivery."""
        run = batch.kader.proceskenmerk
        self.lijn.wacht(lambda: run in self.lijn.resultaten, "result")
        (rijen,) = self.lijn.resultaten[run]
        return [code for _, _, code, _ in rijen]
