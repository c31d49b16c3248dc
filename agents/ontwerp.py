"""What a round would decide on the slices of one partition, from all that is known at that moment. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from uuid import UUID

from agents.geheugen import Geheugen
from domain.batch import Batch, Kader
from domain.beslissing import Bekend, Uitkomst, Vooraf, Vraag, beslis, wachtenden
from domain.codes import Stadium
from domain.referentie import Referentie
from sinks.stroomvragen import BekendeUitkomst


class WachtOp(Enum):
    """What the messages that are left of a slice wait for."""

    GEBRUIKER = auto()
    """An answer of the profile service."""
    KEURING = auto()
    """A bijlage: its check, or that it is there at all."""
    OPSLAG = auto()
    """The message store."""
    NIETS = auto()
    """Something that was not asked yet: the reference data changed since. A next round asks it."""


@dataclass(slots=True)
class Opgezocht:
    """What ClickHouse knows: decided numbers by run, placed BerichtIDs by leverancier."""

    nummers: dict[UUID, set[int]] = field(default_factory=dict)
    verwerkt: dict[str, set[bytes]] = field(default_factory=dict)

    @classmethod
    def van(cls, rijen: Iterable[BekendeUitkomst]) -> "Opgezocht":
        """From the answer to the look-up."""
        gevonden = cls()
        for leverancier, bericht_id, proceskenmerk, nummer, verwerkt in rijen:
            gevonden.nummers.setdefault(proceskenmerk, set()).add(nummer)
            if verwerkt:
                gevonden.verwerkt.setdefault(leverancier, set()).add(bericht_id)
        return gevonden

    def onthoud(self, uitkomst: Uitkomst) -> None:
        """Adds decisions."""
        self.nummers.setdefault(uitkomst.kader.proceskenmerk, set()).update(uitkomst.nummers)
        self.verwerkt.setdefault(uitkomst.kader.leverancier, set()).update(uitkomst.verwerkte_ids())


@dataclass(slots=True)
class Kennis:
    """What is known beside the partition itself. Answers and verdicts are kept over the rounds of one take."""

    antwoorden: dict[str, dict[Vraag, bool]] = field(default_factory=dict)
    """Of the profile service, by leverancier."""
    gevraagd: dict[str, set[Vraag]] = field(default_factory=dict)
    """What it was asked, answered or not."""
    oordelen: dict[bytes, tuple[str, ...]] | None = None
    """The warnings on bijlagen by SHA-256; None: bijlagen are not checked."""
    bijlagen: dict[UUID, dict[bytes, bool]] = field(default_factory=dict)
    """By run, of those whose check was asked for: whether the store has them for that run."""
    opgezocht: Opgezocht = field(default_factory=Opgezocht)

    def bekend(self, slice_: Batch, geheugen: Geheugen, eerder: Opgezocht | None = None) -> Bekend:
        """What is decided durably as far as it concerns a slice, or `eerder` in the same transaction."""
        kader = slice_.kader
        nummers = {*self.opgezocht.nummers.get(kader.proceskenmerk, ()), *geheugen.nummers(kader.proceskenmerk)}
        plaatsen = [self.opgezocht.verwerkt.get(kader.leverancier), geheugen.verwerkt(kader.leverancier)]
        if eerder is not None:
            nummers |= eerder.nummers.get(kader.proceskenmerk, set())
            plaatsen.append(eerder.verwerkt.get(kader.leverancier))
        ids = slice_.berichten.ids()
        return Bekend(nummers, {een for plaats in plaatsen if plaats for een in ids if een in plaats})

    def heeft(self, kader: Kader, sha256: bytes) -> bool:
        """Whether the store is known to have a bijlage for a run."""
        return self.bijlagen.get(kader.proceskenmerk, {}).get(sha256, False)

    def oordelen_van(self, slice_: Batch) -> dict[bytes, tuple[str, ...]] | None:
        """The verdicts that count for a slice. What its run does not have, nobody could show: it has none, whatever is
        known of the same bijlage of another run."""
        if self.oordelen is None:
            return None
        sommen = map(slice_.berichten.sha256, range(len(slice_.berichten.bijlage_rijen)))
        return {som: self.oordelen[som] for som in sommen if som in self.oordelen and self.heeft(slice_.kader, som)}


@dataclass(slots=True)
class Ontwerp:
    """Decisions beside the slices they are on, and what is left of slices with what it waits for."""

    uitkomsten: list[tuple[Batch, Uitkomst]] = field(default_factory=list)
    rest: list[tuple[Batch, WachtOp]] = field(default_factory=list)
    overgenomen: int = 0
    """Slices whose messages were all decided before."""


def ontwerp(
    slices: Sequence[tuple[Batch, Vooraf]],
    referentie: Referentie,
    geheugen: Geheugen,
    kennis: Kennis,
    nu: int,
    op_te_geven: Collection[UUID],
    opslag_weg: Collection[UUID],
    pseudoniem: Callable[[str], str],
) -> Ontwerp:
    """Decides what can be decided, in the order of the slices, which come with what is known of them beforehand.

    `op_te_geven`: the runs whose messages have waited long enough; what is away for them has failed for good.
    `opslag_weg`: the runs whose slices the message store does not take now.
    """
    gevonden, eerder = Ontwerp(), Opgezocht()
    ongevraagd: set[str] = set()
    for slice_, vooraf in slices:
        bekend = kennis.bekend(slice_, geheugen, eerder)
        if slice_.kader.leverancier in ongevraagd and (over := wachtenden(slice_, bekend)):
            # What comes before it is asked about in the next round, and goes first: it may have the same BerichtID.
            gevonden.rest.append((Batch(slice_.kader, slice_.berichten.kies(over)), WachtOp.NIETS))
            continue
        antwoorden: Mapping[Vraag, bool] = kennis.antwoorden.get(slice_.kader.leverancier, {})
        oordelen = kennis.oordelen_van(slice_)
        weg = slice_.kader.proceskenmerk in opslag_weg
        wacht_op = _wacht_op(slice_, vooraf, bekend, antwoorden, kennis, oordelen, weg)
        te_laat = slice_.kader.proceskenmerk in op_te_geven and wacht_op is not WachtOp.NIETS
        uitkomst = beslis(
            slice_,
            referentie,
            bekend,
            antwoorden,
            nu,
            oordelen=oordelen,
            opgegeven=(Stadium.VALIDATE_GEBRUIKER, Stadium.STORE_MESSAGE) if te_laat else (),
            opslag_weg=weg,
            pseudoniem=pseudoniem,
            vooraf=vooraf,
        )
        over = wachtenden(slice_, bekend, uitkomst)
        if len(uitkomst):
            gevonden.uitkomsten.append((slice_, uitkomst))
            eerder.onthoud(uitkomst)
        elif not over:
            gevonden.overgenomen += 1
        if over and wacht_op is WachtOp.NIETS:
            ongevraagd.add(slice_.kader.leverancier)
        if over:
            gevonden.rest.append((Batch(slice_.kader, slice_.berichten.kies(over)), wacht_op))
    return gevonden


def _wacht_op(
    slice_: Batch,
    vooraf: Vooraf,
    bekend: Bekend,
    antwoorden: Mapping[Vraag, bool],
    kennis: Kennis,
    oordelen: Mapping[bytes, Collection[str]] | None,
    opslag_weg: bool,
) -> WachtOp:
    """What the messages wait for, if any do."""
    if onbeantwoord := {vraag for vraag in vooraf.te_vragen(slice_, bekend) if vraag not in antwoorden}:
        gevraagd = onbeantwoord <= kennis.gevraagd.get(slice_.kader.leverancier, set())
        return WachtOp.GEBRUIKER if gevraagd else WachtOp.NIETS
    if oordelen is not None and (ongekeurd := vooraf.te_keuren(slice_, bekend, antwoorden) - oordelen.keys()):
        gezocht = kennis.bijlagen.get(slice_.kader.proceskenmerk, {}).keys()
        return WachtOp.KEURING if ongekeurd <= gezocht else WachtOp.NIETS
    return WachtOp.OPSLAG if opslag_weg else WachtOp.NIETS
