"""What becomes of the messages of a slice: the checks, in their order (Domain: The answer, 'We decided').

Schema, OIN, AanmaakDatum, PublicatieDatum, size, duplicate, berichttype, gebruiker, store: the first that fails gives
the code. Everything here is a pure function of the slice and of what is known; who calls it brings the clock, the
reference data of that moment, the answers of the profile service, and what was decided before.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field

from domain import bsn
from domain.batch import MAX_BIJLAGEN_BYTES, Batch, Kader
from domain.codes import STADIUM_VAN, Stadium, Verwerkingscode, toonbaar_berichttype
from domain.referentie import Referentie
from domain.tijd import MARGE_MS

Vraag = tuple[str, str]
"""What the profile service is asked: may a message of this berichttype go to this BSN (of the slice's leverancier)."""


@dataclass(slots=True)
class Uitkomst:
    """The decisions on messages of one slice, as columns; none of them holds a BSN."""

    kader: Kader
    verwerkt_op: int
    nummers: list[int] = field(default_factory=list)
    bericht_ids: bytes = b""
    berichttypes: list[str] = field(default_factory=list)
    codes: list[Verwerkingscode] = field(default_factory=list)
    stadia: list[Stadium] = field(default_factory=list)
    redenen: list[str] = field(default_factory=list)
    publicatiedatums: list[int] = field(default_factory=list)
    diensten: list[list[str]] = field(default_factory=list)
    waarschuwingen: list[list[str]] = field(default_factory=list)
    ontvangers: list[str] = field(default_factory=list)
    """The pseudonym of the citizen of each placed message; empty when not placed."""
    object: str = ""
    """Where the placed messages stand in the message store; empty when none was placed."""

    def __len__(self) -> int:
        return len(self.nummers)

    def bericht_id(self, rij: int) -> bytes:
        """The 16 bytes of a row's BerichtID."""
        return self.bericht_ids[rij * 16 : rij * 16 + 16]

    def verwerkt(self) -> list[int]:
        """The rows of placed messages."""
        return [rij for rij, code in enumerate(self.codes) if code is Verwerkingscode.VERWERKT]


@dataclass(frozen=True, slots=True)
class Bekend:
    """What was decided before, durably, as far as it concerns one slice."""

    nummers: Collection[int] = ()
    """Numbers of this run that have a decision: it stands (Domain: Decided once)."""
    verwerkt: Collection[bytes] = ()
    """BerichtIDs that this leverancier has Verwerkt already, from any run (Domain: BerichtBestaatAl)."""


def beoordeel_vooraf(slice_: Batch, referentie: Referentie) -> list[Verwerkingscode | None]:
    """The codes of the checks before 'duplicate'; None for a message that passes them."""
    kader, berichten = slice_.kader, slice_.berichten
    gewicht = [0] * len(berichten)
    for rij, bytes_ in zip(berichten.bijlage_rijen, berichten.bijlage_groottes, strict=True):
        gewicht[rij] += bytes_
    mag_aanleveren = referentie.mag_aanleveren(kader.leverancier, kader.aangeleverd_door)
    te_oud = kader.aanmaakdatum < kader.aangeleverd_op - MARGE_MS
    uiterlijk = kader.aangeleverd_op + MARGE_MS

    def oordeel(rij: int) -> Verwerkingscode | None:
        if berichten.schema_fouten[rij]:
            return Verwerkingscode.XML_VALIDATIE
        if not mag_aanleveren:
            return Verwerkingscode.OIN_KOMT_NIET_OVEREEN
        if te_oud:
            return Verwerkingscode.AANMAAKDATUM_TE_VER_TERUG
        if berichten.publicatiedatums[rij] > uiterlijk:
            return Verwerkingscode.PUBLICATIEDATUM_TE_VER_VOORUIT
        if gewicht[rij] > MAX_BIJLAGEN_BYTES:
            return Verwerkingscode.BIJLAGE_TE_GROOT
        return None

    return [oordeel(rij) for rij in range(len(berichten))]


def te_vragen(slice_: Batch, referentie: Referentie, bekend: Bekend) -> set[Vraag]:
    """Every question whose answer `beslis` may need now."""
    return {vraag for _, vraag in _voor_gebruiker(slice_, referentie, bekend)}


def te_keuren(slice_: Batch, referentie: Referentie, bekend: Bekend, antwoorden: Mapping[Vraag, bool]) -> set[bytes]:
    """The SHA-256 of every bijlage whose verdict `beslis` may need now: those of messages that may be sent."""
    geplaatst = {rij for rij, vraag in _voor_gebruiker(slice_, referentie, bekend) if antwoorden.get(vraag)}
    berichten = slice_.berichten
    return {berichten.sha256(bijlage) for bijlage, rij in enumerate(berichten.bijlage_rijen) if rij in geplaatst}


def _voor_gebruiker(slice_: Batch, referentie: Referentie, bekend: Bekend) -> Iterator[tuple[int, Vraag]]:
    """The rows that no check before 'gebruiker' decides, with what is to be asked about them."""
    berichten = slice_.berichten
    elfproef = bsn.elfproef_kolom(berichten.gebruikers)
    for rij, code in enumerate(beoordeel_vooraf(slice_, referentie)):
        if (
            code is None
            and elfproef[rij]
            and berichten.nummers[rij] not in bekend.nummers
            and berichten.bericht_id(rij) not in bekend.verwerkt
            and referentie.ondersteunt(slice_.kader.leverancier, berichten.berichttypes[rij])
        ):
            yield rij, (berichten.berichttypes[rij], berichten.gebruiker(rij))


def beslis(
    slice_: Batch,
    referentie: Referentie,
    bekend: Bekend,
    antwoorden: Mapping[Vraag, bool],
    verwerkt_op: int,
    *,
    oordelen: Mapping[bytes, Collection[str]] | None = None,
    opgegeven: Collection[Stadium] = (),
    opslag_weg: bool = False,
    pseudoniem: Callable[[str], str] = lambda _: "",
) -> Uitkomst:
    """Decides the messages of a slice that have no decision yet and can be decided now.

    `antwoorden` are those of the profile service, `oordelen` the warnings on bijlagen by SHA-256 (None: bijlagen are
    not checked). A message that lacks one of these waits: it is left out, and so is every later one with its
    BerichtID, since the order in the file decides which of two is 'already there'. With `opslag_weg` all that
    would be placed waits. `opgegeven` names the stages on our side that failed for good: what waits for one of them
    becomes TechnischProbleem. `pseudoniem` names a citizen by a keyed digest of his BSN.
    """
    berichten, leverancier = slice_.berichten, slice_.kader.leverancier
    elfproef = bsn.elfproef_kolom(berichten.gebruikers)
    vooraf = beoordeel_vooraf(slice_, referentie)
    bijlagen: dict[int, list[bytes]] = {}
    for bijlage, rij in enumerate(berichten.bijlage_rijen):
        bijlagen.setdefault(rij, []).append(berichten.sha256(bijlage))
    uitkomst = Uitkomst(slice_.kader, verwerkt_op)
    geplaatst: set[bytes] = set()
    wachtend: set[bytes] = set()

    def opslag(rij: int) -> tuple[Verwerkingscode, Stadium | None] | None:
        gekeurd = oordelen is None or all(sha256 in oordelen for sha256 in bijlagen.get(rij, ()))
        if Stadium.STORE_MESSAGE in opgegeven and (opslag_weg or not gekeurd):
            return Verwerkingscode.TECHNISCH_PROBLEEM, Stadium.STORE_MESSAGE
        return None if opslag_weg or not gekeurd else (Verwerkingscode.VERWERKT, None)

    def oordeel(rij: int) -> tuple[Verwerkingscode, Stadium | None] | None:
        """Code and stage; None for a message that waits."""
        berichttype, code, bericht_id = berichten.berichttypes[rij], vooraf[rij], berichten.bericht_id(rij)
        if code is not None:
            return code, None
        if bericht_id in bekend.verwerkt or bericht_id in geplaatst:
            return Verwerkingscode.BERICHT_BESTAAT_AL, None
        if bericht_id in wachtend:
            return None
        if Stadium.VALIDATE_BERICHTTYPE in opgegeven:
            return Verwerkingscode.TECHNISCH_PROBLEEM, Stadium.VALIDATE_BERICHTTYPE
        if not referentie.ondersteunt(leverancier, berichttype):
            return Verwerkingscode.BERICHTTYPE_NIET_ONDERSTEUND, None
        if not elfproef[rij]:
            return Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD, None
        antwoord = antwoorden.get((berichttype, berichten.gebruiker(rij)))
        if antwoord is None and Stadium.VALIDATE_GEBRUIKER in opgegeven:
            return Verwerkingscode.TECHNISCH_PROBLEEM, Stadium.VALIDATE_GEBRUIKER
        if antwoord is None:
            return None
        return opslag(rij) if antwoord else (Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD, None)

    ids = bytearray()
    for rij, nummer in enumerate(berichten.nummers):
        if nummer in bekend.nummers:
            continue
        besluit = oordeel(rij)
        if besluit is None:
            wachtend.add(berichten.bericht_id(rij))
            continue
        code, stadium = besluit
        verwerkt = code is Verwerkingscode.VERWERKT
        if verwerkt:
            geplaatst.add(berichten.bericht_id(rij))
        uitkomst.nummers.append(nummer)
        ids += berichten.bericht_id(rij)
        uitkomst.berichttypes.append(toonbaar_berichttype(berichten.berichttypes[rij]))
        uitkomst.codes.append(code)
        uitkomst.stadia.append(stadium or STADIUM_VAN.get(code, Stadium.NA))
        uitkomst.redenen.append(berichten.schema_fouten[rij])
        uitkomst.publicatiedatums.append(berichten.publicatiedatums[rij])
        uitkomst.diensten.append(referentie.diensten_van(leverancier, berichten.berichttypes[rij]) if verwerkt else [])
        uitkomst.waarschuwingen.append(_waarschuwingen(bijlagen.get(rij, []), oordelen) if verwerkt else [])
        uitkomst.ontvangers.append(pseudoniem(berichten.gebruiker(rij)) if verwerkt else "")
    uitkomst.bericht_ids = bytes(ids)
    return uitkomst


def _waarschuwingen(bijlagen: list[bytes], oordelen: Mapping[bytes, Collection[str]] | None) -> list[str]:
    """The warnings on the bijlagen of one message, each once, in the order in which they were given."""
    if oordelen is None:
        return []
    return list(dict.fromkeys(code for sha256 in bijlagen for code in oordelen[sha256]))


def wachtenden(slice_: Batch, bekend: Bekend, uitkomst: Uitkomst) -> list[int]:
    """The rows of a slice that have no decision, neither before nor in this outcome."""
    besloten = set(uitkomst.nummers)
    return [
        rij
        for rij, nummer in enumerate(slice_.berichten.nummers)
        if nummer not in besloten and nummer not in bekend.nummers
    ]
