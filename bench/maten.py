"""How much the bench measures with: what `--maat name=number` changes, and what is small enough for a test."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace


def _maat(waarde: int, wat: str) -> int:
    veld: int = field(default=waarde, metadata={"wat": wat})
    return veld


@dataclass(frozen=True, slots=True)
class Maten:
    """The sizes, each a whole number above zero. Each part is bounded in time by some of them."""

    lijn_berichten: int = _maat(400_000, "messages that wait for each contestant")
    lijn_faust: int = _maat(20_000, "messages for idiomatic Faust, whose rate does not change with more")
    lijn_burgers: int = _maat(6_000, "citizens that they are for, 6000 at most; all are asked about beforehand")
    lijn_hoogstens_s: int = _maat(600, "seconds that a contestant may take over them; then it has failed")
    xml_batches: int = _maat(40, "batches without bijlagen, of 1000 messages each")
    xml_zware_batches: int = _maat(4, "batches with bijlagen, as many as fit in what the door takes")
    xml_berichten: int = _maat(1000, "messages of a batch")
    pdf_bestanden: int = _maat(2000, "PDFs")
    vragen_langste: int = _maat(100_000_000, "messages of the longest history; two others are a tenth and a hundredth")
    vragen_keer: int = _maat(40, "how often each question is put in a round")
    vragen_budget_s: int = _maat(2, "seconds that one question may take in a round, all times together")
    latentie_tempo: int = _maat(5000, "messages a second, of the middle one of the rates; 1000 and 20 000 beside it")
    latentie_duur_s: int = _maat(20, "seconds that each rate is offered")
    latentie_hoogstens_s: int = _maat(60, "seconds in which the line may catch up with a rate it could not bear")
    groei_tempo: int = _maat(5000, "messages a second in flow")
    groei_duur_s: int = _maat(30, "seconds in flow")
    groei_stil_s: int = _maat(10, "seconds idle")
    groei_achterstand: int = _maat(2_000_000, "messages of the backlog")
    groei_wacht_s: int = _maat(20, "seconds that the backlog waits before it may drain")
    groei_hoogstens_s: int = _maat(420, "seconds that it may take to drain; what is left then is told, not awaited")

    def met(self, woorden: Sequence[str]) -> "Maten":
        """The same, where `name=number` says otherwise. Raises ValueError."""
        anders: dict[str, int] = {}
        for woord in woorden:
            naam, is_, getal = woord.partition("=")
            if naam not in {veld.name for veld in fields(self)}:
                raise ValueError(f"no such size: {naam}")
            if not is_ or not getal.isdecimal() or not int(getal):
                raise ValueError(f"{naam}: must be a whole number above zero")
            anders[naam] = int(getal)
        return replace(self, **anders)

    def beschrijf(self) -> str:
        """Every size, what it is of, and its value."""
        return "\n".join(f"  {veld.name}={getattr(self, veld.name)}: {veld.metadata['wat']}" for veld in fields(self))


GROOT = Maten()
KLEIN = Maten(
    lijn_berichten=500,
    lijn_faust=500,
    lijn_burgers=20,
    lijn_hoogstens_s=120,
    xml_batches=3,
    xml_zware_batches=3,
    xml_berichten=20,
    pdf_bestanden=100,
    vragen_langste=100_000,
    vragen_keer=2,
    vragen_budget_s=1,
    latentie_tempo=200,
    latentie_duur_s=2,
    groei_tempo=200,
    groei_duur_s=2,
    groei_stil_s=1,
    groei_achterstand=2000,
    groei_wacht_s=1,
)
"""Sizes that say nothing, to see that it works."""
