"""The domain in memory, to be read in one go: what becomes of every message, and what the views must show.

Written from the domain page alone, on plain values: nothing of the line's own code is used here, so that a mistake has
to be made twice to go unseen. It decides one delivery after the other; the line has the same order in its log.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace

DERTIEN_DAGEN = 13 * 24 * 3600 * 1000
"""'13 × 24 hours', in milliseconds."""
ZONDER_ID = "00000000-0000-0000-0000-000000000000"
"""'A BerichtID that could not be read is answered as' this."""

NA = "NA"
VERWERKT = ("Verwerkt", NA)
XML = ("XmlValidatieTegenXsdValtNegatiefUit", NA)
OIN = ("OinInCPAKomtNietOvereenMetOinInBericht", NA)
AANMAAK = ("AanmaakDatumLigtTeVerInHetVerleden", NA)
PUBLICATIE = ("PublicatieDatumLigtTeVerInDeToekomst", NA)
TE_GROOT = ("BijlageTeGroot", NA)
BESTAAT_AL = ("BerichtBestaatAl", NA)
BERICHTTYPE = ("BerichtTypeNietOndersteund", "ValidateBerichtType")
GEBRUIKER = ("NietActiefOfGeabonneerd", "ValidateGebruiker")

OVERGANGEN = {("Nieuw", "Actief"), ("Actief", "Inactief"), ("Inactief", "Actief")} | {
    ("Actief", "Archief"),
    ("Inactief", "Archief"),
}
"""'Nieuw → Actief ⇄ Inactief → Archief; Actief → Archief as well; Archief is final; nothing returns to Nieuw.'"""


@dataclass(frozen=True)
class Bijlage:
    """A file that goes with a message."""

    grootte: int
    """Bytes, before base64."""
    in_orde: bool = False
    """A PDF that nothing is wrong with; else it is none at all."""


@dataclass(frozen=True)
class Bericht:
    """A message as its sender wrote it; times in milliseconds."""

    batch_id: str
    bericht_id: str
    berichttype: str
    gebruiker: str = field(repr=False)
    publicatiedatum: int | None = None
    bijlagen: tuple[Bijlage, ...] = ()
    breekt_schema: bool = False
    """Breaks a rule that is not visible here: an element that lacks, is too long, stands elsewhere, has no zone."""


@dataclass(frozen=True)
class Levering:
    """A batch as it came to the door, and by whom (None: nobody was authenticated)."""

    leverancier: str
    door: str | None
    batch_id: str
    aanmaakdatum: int
    aangeleverd_op: int
    berichten: tuple[Bericht, ...]
    kader_breekt_schema: bool = False


@dataclass(frozen=True)
class Uitkomst:
    """What became of a message."""

    nummer: int
    bericht_id: str
    berichttype: str
    code: str
    stadium: str
    waarschuwing: bool = False


@dataclass
class Run:
    """One run over a batch."""

    levering: Levering
    uitkomsten: list[Uitkomst] = field(default_factory=list)

    @property
    def batch(self) -> tuple[str, str]:
        """'BatchID: unique per batch and leverancier'; 'GUIDs compare without regard to case'."""
        return self.levering.leverancier, self.levering.batch_id.lower()

    @property
    def door(self) -> str:
        """'The OIN given with the delivery, else the one in the batch.'"""
        return self.levering.door or self.levering.leverancier

    def per_code(self) -> dict[str, int]:
        """'Count from the messages.'"""
        return dict(Counter(uitkomst.code for uitkomst in self.uitkomsten))


@dataclass
class Model:
    """The world: reference data, citizens, and all that was delivered."""

    leveranciers: dict[str, set[str]] = field(default_factory=dict)
    """Those in the reference data, each with whom it is an intermediair for."""
    berichttypes: dict[tuple[str, str], str] = field(default_factory=dict)
    """The status of each berichttype of a leverancier."""
    burgers: dict[str, tuple[bool, set[str] | None]] = field(default_factory=dict, repr=False)
    """By BSN of nine digits: whether the box is active, and the subscriptions (None: to all)."""
    runs: list[Run] = field(default_factory=list)
    verwerkt: set[tuple[str, str]] = field(default_factory=set)
    """'This leverancier already has this BerichtID Verwerkt.'"""

    def zet_berichttype(self, leverancier: str, code: str, status: str) -> bool:
        """A new berichttype, or another status for it; False when its lifecycle does not allow that."""
        nu = self.berichttypes.get((leverancier, code))
        if nu not in (None, status) and (nu, status) not in OVERGANGEN:
            return False
        self.berichttypes[leverancier, code] = status
        return True

    def lever(self, levering: Levering, zonder_antwoord: Collection[str] = ()) -> Run:
        """'A delivery of a BatchID that is already known is a new run', and each run is decided once.

        `zonder_antwoord`: the citizens and leveranciers about whom the profile service cannot say anything now.
        """
        run = Run(levering)
        self.runs.append(run)
        self.beslis_wat_kan(run, zonder_antwoord)
        return run

    def beslis_wat_kan(self, run: Run, zonder_antwoord: Collection[str] = ()) -> None:
        """Decides what has no outcome yet; 'it waits and is retried, without holding up other senders' messages'."""
        wachtend: set[str] = set()
        besloten = {uitkomst.nummer for uitkomst in run.uitkomsten}
        for nummer, bericht in enumerate(run.levering.berichten, 1):
            if nummer in besloten:
                continue
            bericht_id = leesbaar_id(bericht.bericht_id)
            besluit = self.beslis(run.levering, bericht, zonder_antwoord, wachtend)
            if besluit is None:
                wachtend.add(bericht_id)
                continue
            self.leg_vast(run, nummer, besluit)
        run.uitkomsten.sort(key=lambda uitkomst: uitkomst.nummer)

    def leg_vast(self, run: Run, nummer: int, besluit: tuple[str, str]) -> None:
        """This becomes of one message of a run."""
        bericht = run.levering.berichten[nummer - 1]
        bericht_id, (code, stadium) = leesbaar_id(bericht.bericht_id), besluit
        if code == "Verwerkt":
            self.verwerkt.add((run.levering.leverancier, bericht_id))
        # 'Problems with a bijlage are warnings (the message is Verwerkt, shown orange).'
        oranje = code == "Verwerkt" and not all(bijlage.in_orde for bijlage in bericht.bijlagen)
        run.uitkomsten.append(Uitkomst(nummer, bericht_id, toonbaar(bericht.berichttype), code, stadium, oranje))

    def beslis(
        self, levering: Levering, bericht: Bericht, zonder_antwoord: Collection[str], wachtend: Collection[str]
    ) -> tuple[str, str] | None:
        """'Schema, OIN, AanmaakDatum, PublicatieDatum, size, duplicate, berichttype, gebruiker, store: the first that
        fails gives the code.' None when it must wait, as one with the same BerichtID before it in the file does."""
        leverancier, door = levering.leverancier, levering.door or levering.leverancier
        bericht_id, nu = bericht.bericht_id.lower(), levering.aangeleverd_op
        if levering.kader_breekt_schema or not volgt_schema(levering, bericht):
            return XML
        if leverancier not in self.leveranciers:  # 'a leverancier that is not in the reference data'
            return OIN
        if door != leverancier and leverancier not in self.leveranciers.get(door, ()):
            return OIN  # 'a deliverer who is neither that leverancier nor an intermediair for it'
        if nu - levering.aanmaakdatum > DERTIEN_DAGEN:
            return AANMAAK
        if bericht.publicatiedatum is not None and bericht.publicatiedatum - nu > DERTIEN_DAGEN:
            return PUBLICATIE
        if sum(bijlage.grootte for bijlage in bericht.bijlagen) > 500_000:
            return TE_GROOT
        if (leverancier, bericht_id) in self.verwerkt:
            return BESTAAT_AL
        if bericht_id in wachtend:  # 'the order in the file decides which of two equal BerichtIDs is already there'
            return None
        if self.berichttypes.get((leverancier, bericht.berichttype)) != "Actief":
            return BERICHTTYPE
        bsn = bericht.gebruiker.rjust(9, "0")  # '8 digits: a leading zero is added'
        if not elfproef(bsn):
            return GEBRUIKER
        if leverancier in zonder_antwoord or bsn in zonder_antwoord:
            return None
        actief, abonnementen = self.burgers.get(bsn, (False, set()))
        return VERWERKT if actief and (abonnementen is None or leverancier in abonnementen) else GEBRUIKER

    # -- what the views show

    def batches(self) -> dict[tuple[str, str], list[Run]]:
        """The runs of each batch, the latest last."""
        per_batch: dict[tuple[str, str], list[Run]] = {}
        for run in self.runs:
            per_batch.setdefault(run.batch, []).append(run)
        return per_batch

    def totalen(self) -> dict[str, dict[str, int]]:
        """Totalen by leverancier."""
        rijen: dict[str, Counter[str]] = {}
        for (leverancier, _), runs in self.batches().items():
            tel = telling(getoond(runs))
            rijen.setdefault(leverancier, Counter()).update({"batches": 1, "berichten": tel.pop("totaal"), **tel})
        return {leverancier: {**rij} for leverancier, rij in rijen.items()}


def volgt_schema(levering: Levering, bericht: Bericht) -> bool:
    """The wire, and the traps: 'a GebruikerID that is not 8 or 9 digits, a BatchID inside a message that differs from
    the batch's, a date without a zone'. The zero GUID stands for what cannot be read."""
    return (
        not bericht.breekt_schema
        and leesbaar_id(bericht.bericht_id) != ZONDER_ID
        and bericht.batch_id.lower() == levering.batch_id.lower()
        and 1 <= len(bericht.berichttype) <= 8
        and re.fullmatch("[0-9]{8,9}", bericht.gebruiker) is not None
        and len(bericht.bijlagen) <= 2
        and all(bijlage.grootte > 0 for bijlage in bericht.bijlagen)
    )


def leesbaar_id(tekst: str) -> str:
    """A GUID in lower case, or the zero GUID."""
    return tekst.lower() if re.fullmatch("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", tekst.lower()) else ZONDER_ID


def toonbaar(berichttype: str) -> str:
    """'ONBEKEND where it could not be read'; 'never echo what looks like a BSN'."""
    leesbaar = 1 <= len(berichttype) <= 8 and not re.fullmatch("[0-9]{8}", berichttype)
    return berichttype if leesbaar else "ONBEKEND"


def elfproef(bsn: str) -> bool:
    """'Nine digits, weights 9 8 7 6 5 4 3 2 −1, the weighted sum divisible by 11, not 000000000.'"""
    som = sum(gewicht * int(cijfer) for gewicht, cijfer in zip((9, 8, 7, 6, 5, 4, 3, 2, -1), bsn, strict=True))
    return som % 11 == 0 and bsn != "000000000"


def getoond(runs: Sequence[Run]) -> list[Uitkomst]:
    """The messages of a batch over its runs: 'a message's outcome is its Verwerkt from whichever run gave it, else that
    of the latest run'.

    A message is followed over runs by its BerichtID, and the latest run that holds it says how often it is there; what
    has no readable BerichtID is known by its run alone, so only the latest run's are shown.
    """
    berichten = [uitkomst for uitkomst in runs[-1].uitkomsten if uitkomst.bericht_id == ZONDER_ID]
    for bericht_id in {uitkomst.bericht_id for run in runs for uitkomst in run.uitkomsten} - {ZONDER_ID}:
        per_run = [[uitkomst for uitkomst in run.uitkomsten if uitkomst.bericht_id == bericht_id] for run in runs]
        laatste = [uitkomsten for uitkomsten in per_run if uitkomsten][-1]
        groen = [uitkomst for uitkomsten in per_run for uitkomst in uitkomsten if uitkomst.code == "Verwerkt"]
        if groen and groen[0] not in laatste:
            eerste, *rest = laatste
            laatste = [replace(groen[0], nummer=eerste.nummer), *rest]
        berichten += laatste
    return sorted(berichten, key=lambda uitkomst: (uitkomst.nummer, uitkomst.bericht_id))


def telling(uitkomsten: Iterable[Uitkomst]) -> dict[str, int]:
    """The counts of a batch or a run of which all is decided: 'grey is everything received; green Verwerkt without a
    warning; orange Verwerkt with one; red not Verwerkt'; Verwerkt is green plus orange."""
    alle = list(uitkomsten)
    verwerkt = sum(een.code == "Verwerkt" for een in alle)
    return {
        "totaal": len(alle),
        "verwerkt": verwerkt,
        "waarschuwing": sum(een.waarschuwing for een in alle),
        "niet_verwerkt": len(alle) - verwerkt,
        "in_behandeling": 0,
    }
