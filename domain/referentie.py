"""Reference data: leveranciers, berichttypes, diensten with their links, machtigingen (Domain: Berichttypes; Diensten
and machtigingen; Who is who). Values only; their lifecycles stand in `domain.levensloop`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Notificatiekenmerk(StrEnum):
    """Which text the citizen gets with a new message."""

    BETALEN = "Betalen"
    INFORMATIE_GEVEN = "Informatie geven"
    INFORMATIE_KRIJGEN = "Informatie krijgen"
    REACTIE_ONTVANGEN = "Reactie ontvangen"
    VERNIEUWEN_NODIG = "Vernieuwen nodig"


class BerichttypeStatus(StrEnum):
    """Only Actief takes messages; Archief is final."""

    NIEUW = "Nieuw"
    ACTIEF = "Actief"
    INACTIEF = "Inactief"
    ARCHIEF = "Archief"


class DienstStatus(StrEnum):
    """A dienst is Actief at once."""

    ACTIEF = "Actief"
    INACTIEF = "Inactief"


@dataclass(frozen=True, slots=True)
class Herkomst:
    """When a thing was made or last changed (milliseconds), and by whom."""

    op: int
    door: str


@dataclass(frozen=True, slots=True)
class Leverancier:
    """An organisation in whose name batches come, or that delivers them for others."""

    oin: str
    naam: str
    intermediair_voor: tuple[str, ...] = ()
    """The OINs on whose behalf this one may deliver."""
    notificatiekenmerken: tuple[Notificatiekenmerk, ...] | None = None
    """Which ones its berichttypes may get (Domain: Berichttypes); None: all of them."""
    toelichting: str = ""
    lijst: str = ""
    bijzonderheden: str = ""
    herkomst: Herkomst | None = field(default=None, compare=False)
    """None: from before this was kept."""

    @property
    def sleutel(self) -> str:
        """The key of its record."""
        return self.oin


@dataclass(frozen=True, slots=True)
class Standaardbijlage:
    """A PDF that goes with every message of a berichttype; its content is in the object store, by its SHA-256."""

    naam: str
    sha256: bytes
    grootte: int
    """Bytes of its content."""
    waarschuwingen: tuple[str, ...] = ()
    """Codes of what the PDF check found."""


@dataclass(frozen=True, slots=True)
class Berichttype:
    """The kind of a message; its code is unique per afnemer and case-sensitive."""

    oin: str
    code: str
    omschrijving: str
    notificatiekenmerk: Notificatiekenmerk
    status: BerichttypeStatus
    standaardbijlagen: tuple[Standaardbijlage, ...] = ()
    """In the order in which the citizen sees them."""
    herkomst: Herkomst | None = field(default=None, compare=False)

    @property
    def sleutel(self) -> str:
        """The key of its record."""
        return f"{self.oin}/{self.code}"


@dataclass(frozen=True, slots=True)
class Koppeling:
    """The link of a dienst to a berichttype, from `van` until `tot` (milliseconds; None: without end)."""

    berichttype: str
    van: int
    tot: int | None = None


@dataclass(frozen=True, slots=True)
class Dienst:
    """A service that a citizen can let another act for; its Dienst ID is sensitive to case and spaces."""

    oin: str
    dienst_id: str
    omschrijving: str
    status: DienstStatus
    koppelingen: tuple[Koppeling, ...] = ()
    gedeactiveerd_op: int | None = None
    herkomst: Herkomst | None = field(default=None, compare=False)

    @property
    def sleutel(self) -> str:
        """The key of its record."""
        return f"{self.oin}/{self.dienst_id}"

    def gekoppeld(self) -> list[str]:
        """The berichttypes linked now; none when the dienst is not Actief. A link ends the moment it is given an
        end."""
        if self.status is not DienstStatus.ACTIEF:
            return []
        return [koppeling.berichttype for koppeling in self.koppelingen if koppeling.tot is None]


@dataclass(frozen=True, slots=True)
class Machtiging:
    """This belanghebbende lets this gemachtigde act for this dienst; persons by pseudonym, times in milliseconds."""

    belanghebbende: str
    gemachtigde: str
    oin: str
    dienst_id: str
    van: int
    tot: int | None
    herkomst: Herkomst | None = field(default=None, compare=False)

    @property
    def sleutel(self) -> str:
        """The key of its record: all but its end."""
        return f"{self.belanghebbende}/{self.gemachtigde}/{self.oin}/{self.van}/{self.dienst_id}"


Gegeven = Leverancier | Berichttype | Dienst | Machtiging
"""One thing of the reference data."""


@dataclass(slots=True)
class Referentie:
    """All reference data as it stands now, by key."""

    leveranciers: dict[str, Leverancier] = field(default_factory=dict)
    berichttypes: dict[str, Berichttype] = field(default_factory=dict)
    diensten: dict[str, Dienst] = field(default_factory=dict)
    machtigingen: dict[str, Machtiging] = field(default_factory=dict)
    versie: int = field(default=0, compare=False, repr=False)
    """Goes up with every change."""
    _diensten_van: dict[tuple[str, str], list[str]] | None = field(default=None, compare=False, repr=False)

    def soort(self, gegeven: Gegeven) -> dict[str, Gegeven]:
        """The collection that a thing belongs to."""
        return self._verzameling(type(gegeven))

    def _verzameling(self, soort: type[Gegeven]) -> dict[str, Gegeven]:
        tabel: Mapping[type, object] = {
            Leverancier: self.leveranciers,
            Berichttype: self.berichttypes,
            Dienst: self.diensten,
            Machtiging: self.machtigingen,
        }
        return tabel[soort]  # type: ignore[return-value]

    def zet(self, gegevens: Iterable[Gegeven]) -> None:
        """Adds things, or puts them in the place of those with the same key."""
        for gegeven in gegevens:
            self.soort(gegeven)[gegeven.sleutel] = gegeven
        self.versie += 1
        self._diensten_van = None

    def verwijder(self, soort: type[Gegeven], sleutel: str) -> None:
        """Removes the thing of this kind with this key, if it is there."""
        self._verzameling(soort).pop(sleutel, None)
        self.versie += 1
        self._diensten_van = None

    def mag_aanleveren(self, leverancier: str, door: str) -> bool:
        """Whether `door` may deliver in the name of `leverancier` (Domain: Who is who)."""
        if leverancier not in self.leveranciers:
            return False
        bezorger = self.leveranciers.get(door)
        return leverancier == door or (bezorger is not None and leverancier in bezorger.intermediair_voor)

    def notificatiekenmerken(self, oin: str) -> tuple[Notificatiekenmerk, ...] | None:
        """Which ones an afnemer may use; None: all, as for one that is not known here."""
        afnemer = self.leveranciers.get(oin)
        return None if afnemer is None else afnemer.notificatiekenmerken

    def ondersteunt(self, leverancier: str, code: str) -> bool:
        """Whether the berichttype exists for this leverancier and is Actief now."""
        berichttype = self.berichttypes.get(f"{leverancier}/{code}")
        return berichttype is not None and berichttype.status is BerichttypeStatus.ACTIEF

    def standaardbijlagen(self, leverancier: str, code: str) -> tuple[Standaardbijlage, ...]:
        """What goes with every message of a berichttype, in order."""
        berichttype = self.berichttypes.get(f"{leverancier}/{code}")
        return () if berichttype is None else berichttype.standaardbijlagen

    def diensten_van(self, leverancier: str, code: str) -> list[str]:
        """The Dienst IDs linked to a berichttype at this moment, sorted."""
        if self._diensten_van is None:
            self._diensten_van = {}
            for dienst in self.diensten.values():
                for berichttype in dienst.gekoppeld():
                    self._diensten_van.setdefault((dienst.oin, berichttype), []).append(dienst.dienst_id)
        return sorted(set(self._diensten_van.get((leverancier, code), ())))
