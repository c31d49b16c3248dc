"""What becomes of the messages of a slice: the checks, in their order (Domain: The answer, 'We decided').

Schema, OIN, AanmaakDatum, PublicatieDatum, size, duplicate, berichttype, gebruiker, store: the first that fails gives
the code. Everything here is a pure function of the slice and of what is known; who calls it brings the clock, the
reference data of that moment, the answers of the profile service, and what was decided before.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from domain import bsn
from domain.batch import GUID_BYTES, MAX_BIJLAGEN_BYTES, Batch, Kader
from domain.codes import Stadium, Verwerkingscode, toonbaar_berichttype
from domain.referentie import Referentie
from domain.tijd import MARGE_MS

Vraag = tuple[str, str]
"""What the profile service is asked: may a message of this berichttype go to this BSN (of the slice's leverancier)."""
Besluit = tuple[Verwerkingscode, Stadium]
"""What becomes of a message, and in which stage."""
_VERWERKT: Besluit = (Verwerkingscode.VERWERKT, Stadium.NA)


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

    def verwerkte_ids(self) -> list[bytes]:
        """The BerichtIDs of placed messages, of 16 bytes each."""
        ids = self.bericht_ids
        return [ids[rij * GUID_BYTES : rij * GUID_BYTES + GUID_BYTES] for rij in self.verwerkt()]

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


@dataclass(frozen=True, slots=True)
class Vooraf:
    """What the messages of a slice come to before anything is asked, by row; as long as the reference data stay."""

    codes: Sequence[Verwerkingscode | None]
    """Of the checks before 'duplicate'; None for a message that passes them."""
    vragen: Sequence[Vraag | None]
    """What the profile service must say; None where another check decides, 'duplicate' apart."""

    def te_vragen(self, slice_: Batch, bekend: Bekend) -> set[Vraag]:
        """Every question whose answer `beslis` may need now."""
        if not bekend.nummers and not bekend.verwerkt:
            return {*self.vragen} - {None}  # type: ignore[return-value]
        return {vraag for _, vraag in self._open(slice_, bekend)}

    def te_keuren(self, slice_: Batch, bekend: Bekend, antwoorden: Mapping[Vraag, bool]) -> set[bytes]:
        """The SHA-256 of every bijlage whose verdict `beslis` may need now: those of messages that may be sent."""
        berichten = slice_.berichten
        if not berichten.bijlage_rijen:
            return set()
        geplaatst = {rij for rij, vraag in self._open(slice_, bekend) if antwoorden.get(vraag)}
        return {berichten.sha256(bijlage) for bijlage, rij in enumerate(berichten.bijlage_rijen) if rij in geplaatst}

    def _open(self, slice_: Batch, bekend: Bekend) -> Iterator[tuple[int, Vraag]]:
        berichten = slice_.berichten
        for rij, vraag in enumerate(self.vragen):
            if (
                vraag is not None
                and berichten.nummers[rij] not in bekend.nummers
                and berichten.bericht_id(rij) not in bekend.verwerkt
            ):
                yield rij, vraag


def beoordeel_vooraf(slice_: Batch, referentie: Referentie) -> Vooraf:
    """All that the slice and the reference data say by themselves."""
    kader, berichten = slice_.kader, slice_.berichten
    codes = _codes_vooraf(slice_, referentie)
    elfproef = bsn.elfproef_kolom(berichten.gebruikers).tolist()
    wie = berichten.gebruikers.decode("ascii")
    bsns = [wie[i : i + bsn.BREEDTE] for i in range(0, len(wie), bsn.BREEDTE)]
    actief = {code for code in set(berichten.berichttypes) if referentie.ondersteunt(kader.leverancier, code)}
    vragen = [
        vraag if code is None and klopt and vraag[0] in actief else None
        for vraag, code, klopt in zip(zip(berichten.berichttypes, bsns, strict=True), codes, elfproef, strict=True)
    ]
    return Vooraf(codes, vragen)


def _codes_vooraf(slice_: Batch, referentie: Referentie) -> Sequence[Verwerkingscode | None]:
    kader, berichten = slice_.kader, slice_.berichten
    aantal, uiterlijk = len(berichten), kader.aangeleverd_op + MARGE_MS
    over_alles: Verwerkingscode | None = None
    if not referentie.mag_aanleveren(kader.leverancier, kader.aangeleverd_door):
        over_alles = Verwerkingscode.OIN_KOMT_NIET_OVEREEN
    elif kader.aanmaakdatum < kader.aangeleverd_op - MARGE_MS:
        over_alles = Verwerkingscode.AANMAAKDATUM_TE_VER_TERUG
    codes: list[Verwerkingscode | None] = [over_alles] * aantal
    if over_alles is None:
        gewicht: Counter[int] = Counter()
        for rij, bytes_ in zip(berichten.bijlage_rijen, berichten.bijlage_groottes, strict=True):
            gewicht[rij] += bytes_
        for rij, bytes_ in gewicht.items():
            if bytes_ > MAX_BIJLAGEN_BYTES:
                codes[rij] = Verwerkingscode.BIJLAGE_TE_GROOT
        if max(berichten.publicatiedatums, default=0) > uiterlijk:
            for rij, moment in enumerate(berichten.publicatiedatums):
                if moment > uiterlijk:
                    codes[rij] = Verwerkingscode.PUBLICATIEDATUM_TE_VER_VOORUIT
    if any(berichten.schema_fouten):
        for rij, fout in enumerate(berichten.schema_fouten):
            if fout:
                codes[rij] = Verwerkingscode.XML_VALIDATIE
    return codes


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
    vooraf: Vooraf | None = None,
) -> Uitkomst:
    """Decides the messages of a slice that have no decision yet and can be decided now.

    `antwoorden` are those of the profile service, `oordelen` the warnings on bijlagen by SHA-256 (None: bijlagen are
    not checked). A message that lacks one of these waits: it is left out, and so is every later one with its
    BerichtID, since the order in the file decides which of two is 'already there'. With `opslag_weg` all that
    would be placed waits. `opgegeven` names the stages on our side that failed for good: what waits for one of them
    becomes TechnischProbleem. `pseudoniem` names a citizen by a keyed digest of his BSN. `vooraf`: what
    `beoordeel_vooraf` says of the slice, for who has it.
    """
    berichten, leverancier = slice_.berichten, slice_.kader.leverancier
    vooraf = beoordeel_vooraf(slice_, referentie) if vooraf is None else vooraf
    bijlagen: dict[int, list[bytes]] = {}
    for bijlage, rij in enumerate(berichten.bijlage_rijen):
        bijlagen.setdefault(rij, []).append(berichten.sha256(bijlage))
    geplaatst = set(bekend.verwerkt)
    wachtend: set[bytes] = set()
    gebruiker_opgegeven = Stadium.VALIDATE_GEBRUIKER in opgegeven
    opslag_opgegeven = Stadium.STORE_MESSAGE in opgegeven

    def zonder_vraag(rij: int) -> Besluit | None:
        """Of a message that passed all up to 'duplicate', and about which nothing is to be asked."""
        if referentie.ondersteunt(leverancier, berichten.berichttypes[rij]):
            return Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD, Stadium.VALIDATE_GEBRUIKER
        return Verwerkingscode.BERICHTTYPE_NIET_ONDERSTEUND, Stadium.VALIDATE_BERICHTTYPE

    def met_vraag(rij: int, vraag: Vraag) -> Besluit | None:
        antwoord = antwoorden.get(vraag)
        if antwoord is None:
            return (Verwerkingscode.TECHNISCH_PROBLEEM, Stadium.VALIDATE_GEBRUIKER) if gebruiker_opgegeven else None
        if not antwoord:
            return Verwerkingscode.NIET_ACTIEF_OF_GEABONNEERD, Stadium.VALIDATE_GEBRUIKER
        if opslag_weg or not (oordelen is None or all(sha256 in oordelen for sha256 in bijlagen.get(rij, ()))):
            return (Verwerkingscode.TECHNISCH_PROBLEEM, Stadium.STORE_MESSAGE) if opslag_opgegeven else None
        return _VERWERKT

    rijen: list[int] = []
    besluiten: list[Besluit] = []
    for rij, (nummer, code, vraag) in enumerate(zip(berichten.nummers, vooraf.codes, vooraf.vragen, strict=True)):
        if nummer in bekend.nummers:
            continue
        bericht_id = berichten.bericht_ids[rij * GUID_BYTES : rij * GUID_BYTES + GUID_BYTES]
        besluit: Besluit | None
        if code is not None:
            besluit = code, Stadium.NA
        elif bericht_id in geplaatst:
            besluit = Verwerkingscode.BERICHT_BESTAAT_AL, Stadium.NA
        elif bericht_id in wachtend:
            besluit = None
        elif Stadium.VALIDATE_BERICHTTYPE in opgegeven:
            besluit = Verwerkingscode.TECHNISCH_PROBLEEM, Stadium.VALIDATE_BERICHTTYPE
        else:
            besluit = zonder_vraag(rij) if vraag is None else met_vraag(rij, vraag)
        if besluit is None:
            wachtend.add(bericht_id)
            continue
        if besluit is _VERWERKT:
            geplaatst.add(bericht_id)
        rijen.append(rij)
        besluiten.append(besluit)

    gekozen = berichten if len(rijen) == len(berichten) else berichten.kies(rijen)
    types = gekozen.berichttypes
    toonbaar = {code: toonbaar_berichttype(code) for code in set(types)}
    diensten = {code: referentie.diensten_van(leverancier, code) for code in toonbaar}
    verwerkt = [besluit is _VERWERKT for besluit in besluiten]
    return Uitkomst(
        slice_.kader,
        verwerkt_op,
        nummers=gekozen.nummers,
        bericht_ids=gekozen.bericht_ids,
        berichttypes=[toonbaar[code] for code in types],
        codes=[code for code, _ in besluiten],
        stadia=[stadium for _, stadium in besluiten],
        redenen=gekozen.schema_fouten,
        publicatiedatums=gekozen.publicatiedatums,
        diensten=[diensten[code] if geplaatst_ else [] for code, geplaatst_ in zip(types, verwerkt, strict=True)],
        waarschuwingen=[
            _waarschuwingen(bijlagen[rij], oordelen) if geplaatst_ and rij in bijlagen else []
            for rij, geplaatst_ in zip(rijen, verwerkt, strict=True)
        ],
        ontvangers=[
            pseudoniem(gekozen.gebruiker(plaats)) if geplaatst_ else "" for plaats, geplaatst_ in enumerate(verwerkt)
        ],
    )


def _waarschuwingen(bijlagen: list[bytes], oordelen: Mapping[bytes, Collection[str]] | None) -> list[str]:
    """The warnings on the bijlagen of one message, each once, in the order in which they were given."""
    if oordelen is None:
        return []
    return list(dict.fromkeys(code for sha256 in bijlagen for code in oordelen[sha256]))


def wachtenden(slice_: Batch, bekend: Bekend, uitkomst: Uitkomst | None = None) -> list[int]:
    """The rows of a slice that have no decision, neither before nor in this outcome."""
    besloten = set() if uitkomst is None else set(uitkomst.nummers)
    return [
        rij
        for rij, nummer in enumerate(slice_.berichten.nummers)
        if nummer not in besloten and nummer not in bekend.nummers
    ]
