"""Random cases: what happens, in names only. A `Wereld` gives the names values that no other case has.

Pools are small, so that the same BerichtID, BatchID, berichttype and citizen meet again and again. Times are exact:
both sides of 13 × 24 hours are one millisecond apart.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

from hypothesis import strategies as st

from tests import pdf
from tests.globe import maak_bericht, maak_bijlage, maak_xml
from tests.model.model import DERTIEN_DAGEN, Bericht, Bijlage, Levering, elfproef

LEVERANCIERS = ("A", "B", "I", "X")
"""I is an intermediair at first for A; X is not in the reference data at first."""
TYPEN = ("GOED", "ANDER", "NIEUW", "UIT", "OUD", "goed", "NIETS")
STATUSSEN = ("Nieuw", "Actief", "Inactief", "Archief")
BEGIN_TYPEN = {"GOED": "Actief", "ANDER": "Actief", "NIEUW": "Nieuw", "UIT": "Inactief", "OUD": "Archief"}
BATCHES = ("b1", "b2", "b3")
BERICHTEN = ("m1", "m2", "m3", "m4", "m5")
BURGERS = ("vast", "alleen A", "niemand", "onbekend", "inactief", "acht cijfers")
"""By how they begin; they may change."""
FOUTE_BURGERS = ("faalt", "faalt met acht", "nul", "zeven cijfers", "letters", "andere cijfers")
DAG, UUR, MINUUT = 24 * 3600 * 1000, 3600 * 1000, 60 * 1000


# -- what happens


class Kort:
    """Shows what is not as it mostly is: eight cases go into one report, where people look for what differs."""

    def __repr__(self) -> str:
        anders = [een for een in fields(self) if getattr(self, een.name) != een.default]  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{een.name}={getattr(self, een.name)!r}' for een in anders)})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """Hypothesis asks this, and else writes every field on a line of its own."""
        printer.text(repr(self))


@dataclass(frozen=True, repr=False)
class ZetType(Kort):
    """A berichttype becomes this, when its lifecycle allows it."""

    leverancier: str
    code: str
    status: str


@dataclass(frozen=True, repr=False)
class ZetLeverancier(Kort):
    """A leverancier is added, or becomes an intermediair for others."""

    leverancier: str
    voor: tuple[str, ...]


@dataclass(frozen=True, repr=False)
class ZetBurger(Kort):
    """What the profile service knows of a citizen from now on (None: subscribed to all)."""

    burger: str
    actief: bool
    abonnementen: tuple[str, ...] | None


@dataclass(frozen=True, repr=False)
class Brief(Kort):
    """A message of a delivery. `breuk` names how it breaks the schema, where no other field does."""

    bericht: str
    berichttype: str = "GOED"
    burger: str = "vast"
    publicatie: int | None = None
    """Milliseconds after the delivery."""
    bijlagen: tuple[Bijlage, ...] = ()
    breuk: str = ""
    hoofdletters: bool = False


@dataclass(frozen=True, repr=False)
class Lever(Kort):
    """A delivery."""

    leverancier: str
    batch: str
    brieven: tuple[Brief, ...]
    door: str | None = None
    ouderdom: int = UUR
    """Milliseconds from AanmaakDatum to the delivery."""
    eerder: int = 0
    """Milliseconds that the door's clock was behind, and so the time of this delivery."""
    zonder_zone: bool = False
    hoofdletters: bool = False


@dataclass(frozen=True, repr=False)
class Herhaal(Kort):
    """The record of an earlier delivery stands once more in a topic: the `welke`-th of the case, counted round."""

    welke: int
    hoe: str
    """`batch`: the whole batch again; `slices`: all its slices; `los`: a slice for each message."""


Wijziging = ZetType | ZetLeverancier | ZetBurger
Gebeurtenis = Lever | Herhaal


@dataclass(frozen=True, repr=False)
class Fase(Kort):
    """A change (counts at once for all that follows), then deliveries and replays in this order."""

    wijzigingen: tuple[Wijziging, ...]
    gebeurtenissen: tuple[Gebeurtenis, ...]
    storing: tuple[str, ...] = ()
    """Citizens and leveranciers for whom the profile service fails until all else is decided. Then a phase has one
    delivery: which of two batches that wait is decided first, nobody promises."""
    ondertussen: tuple[Wijziging, ...] = ()
    """Changes while those wait."""


Geval = tuple[Fase, ...]


# -- strategies

GRENS_PUBLICATIE = (None, 0, DAG, DERTIEN_DAGEN, DERTIEN_DAGEN + 1)
GRENS_OUDERDOM = (UUR, UUR, UUR, UUR, DERTIEN_DAGEN, DERTIEN_DAGEN + 1, -DAG)
PDF = pdf.bouw(pdf.delen())
GOED, KLEIN = Bijlage(len(PDF), in_orde=True), Bijlage(1)
GRENS_BIJLAGEN = (
    (GOED,),
    (GOED, GOED),
    (KLEIN, GOED),
    (KLEIN,),
    (Bijlage(500_000),),
    (Bijlage(500_001),),
    (Bijlage(250_000), Bijlage(250_000)),
    (Bijlage(250_000), Bijlage(250_001)),
)
STORINGEN = ((),) * 20 + (("vast",), ("acht cijfers", "onbekend"), ("A",))
BREUKEN = ("onderwerp te lang", "zonder soort", "datum zonder zone", "andere batch", "drie bijlagen", "type te lang")


def een_van(*strategieen_en_gewichten: Any) -> st.SearchStrategy[Any]:
    """One of several strategies, each so many times as likely as its number says (`one_of` counts equal ones once)."""
    paren = zip(strategieen_en_gewichten[::2], strategieen_en_gewichten[1::2], strict=True)
    return st.sampled_from([strategie for strategie, gewicht in paren for _ in range(gewicht)]).flatmap(lambda een: een)


goed = st.builds(
    Brief,
    st.sampled_from(BERICHTEN),
    burger=st.sampled_from(("vast", "vast", "alleen A", "acht cijfers")),
    hoofdletters=st.booleans(),
)
ander_type = st.builds(Brief, st.sampled_from(BERICHTEN), berichttype=st.sampled_from(TYPEN))
andere_burger = st.builds(Brief, st.sampled_from(BERICHTEN), burger=st.sampled_from((*BURGERS, *FOUTE_BURGERS)))
van_alles = st.builds(
    Brief,
    st.sampled_from(BERICHTEN),
    berichttype=st.sampled_from(("GOED", "GOED", "GOED", *TYPEN)),
    burger=st.sampled_from(("vast", "vast", "vast", *BURGERS, *FOUTE_BURGERS)),
    publicatie=st.sampled_from(GRENS_PUBLICATIE),
    bijlagen=st.sampled_from(((), (), (), *GRENS_BIJLAGEN)),
    hoofdletters=st.booleans(),
)
met_bijlagen = st.builds(Brief, st.sampled_from(BERICHTEN), bijlagen=st.sampled_from(GRENS_BIJLAGEN))
met_breuk = st.builds(Brief, st.sampled_from((*BERICHTEN, "nul", "geen guid")), breuk=st.sampled_from(BREUKEN))
brief = een_van(goed, 8, ander_type, 2, andere_burger, 2, van_alles, 2, met_breuk, 1, met_bijlagen, 1)

gewone_levering = st.builds(
    Lever,
    st.sampled_from(("A", "A", "A", "A", "B", "B", "I", "X")),
    st.sampled_from(BATCHES),
    st.lists(brief, min_size=1, max_size=6).map(tuple),
    hoofdletters=st.booleans(),
    eerder=st.sampled_from((0, 0, MINUUT)),
)
vreemde_levering = st.builds(
    Lever,
    st.sampled_from(LEVERANCIERS),
    st.sampled_from(BATCHES),
    st.lists(brief, min_size=1, max_size=4).map(tuple),
    door=st.sampled_from((None, None, None, *LEVERANCIERS)),
    ouderdom=st.sampled_from(GRENS_OUDERDOM),
    zonder_zone=st.sampled_from((False,) * 7 + (True,)),
)

zet_type = st.builds(ZetType, st.sampled_from(("A", "A", "B", "X")), st.sampled_from(TYPEN), st.sampled_from(STATUSSEN))
veel_gebruikt = st.builds(ZetType, st.just("A"), st.just("GOED"), st.sampled_from(("Inactief", "Archief")))
zet_leverancier = st.builds(
    ZetLeverancier,
    st.sampled_from(("I", "I", "X", "B")),
    st.sets(st.sampled_from(LEVERANCIERS), max_size=2).map(lambda namen: tuple(sorted(namen))),
)
zet_burger = st.builds(
    ZetBurger,
    st.sampled_from((*BURGERS, "faalt", "nul")),
    st.booleans(),
    st.sampled_from((None, (), ("A",), ("A", "B"), ("B", "X"))),
)
wijzigingen = st.tuples(een_van(zet_type, 2, veel_gebruikt, 1, zet_leverancier, 2, zet_burger, 1)) | st.tuples(
    een_van(zet_type, 1, zet_leverancier, 1), zet_burger
)


@st.composite
def opnieuw(draw: st.DrawFn, eerdere: Sequence[Lever]) -> Lever:
    """A resend after a fix: the same BatchID; messages as they were, mended, left out, or added."""
    oud = draw(st.sampled_from(eerdere))
    brieven: list[Brief] = []
    for was in oud.brieven:
        lot = draw(st.sampled_from(("gelijk", "gelijk", "beter", "weg")))
        if lot != "weg":
            brieven.append(was if lot == "gelijk" else Brief(was.bericht, hoofdletters=not was.hoofdletters))
    brieven += draw(st.lists(brief, min_size=0 if brieven else 1, max_size=2))
    return replace(
        oud, brieven=tuple(brieven), ouderdom=UUR, zonder_zone=False, eerder=draw(st.sampled_from((0, MINUUT)))
    )


@st.composite
def gevallen(draw: st.DrawFn) -> Geval:
    """A case: one to three phases."""
    fasen: list[Fase] = []
    geleverd: list[Lever] = []
    for nummer in range(draw(st.integers(1, 3))):
        gebeurtenissen: list[Gebeurtenis] = []
        storing = draw(st.sampled_from(STORINGEN))
        for _ in range(draw(st.integers(1, 1 if storing else 3))):
            resend = (opnieuw(tuple(geleverd)), 3) if geleverd else ()
            levering = draw(een_van(gewone_levering, 4, vreemde_levering, 2, *resend))
            geleverd.append(levering)
            gebeurtenissen.append(levering)
            if draw(st.integers(0, 2)) == 0:
                welke = draw(st.integers(0, len(geleverd) - 1))
                gebeurtenissen.append(Herhaal(welke, draw(st.sampled_from(("batch", "slices", "los")))))
        ondertussen = draw(wijzigingen) if storing and draw(st.booleans()) else ()
        fasen.append(Fase(draw(wijzigingen) if nummer else (), tuple(gebeurtenissen), storing, ondertussen))
    return tuple(fasen)


# -- values

_volgnummer = count(1_000_000)
"""Of OINs and BSNs: another for every name of every case."""


def _bsn(acht: bool, goed: bool) -> str:
    while True:
        stam = f"{next(_volgnummer) % (10_000_000 if acht else 90_000_000) + (0 if acht else 10_000_000):08}"
        for laatste in "0123456789":
            bsn = stam + laatste
            if elfproef(bsn) == goed:
                return bsn


@dataclass
class Wereld:
    """The values of one case."""

    partities: int
    """BerichtIDs lie over so many by their name, so that a case repeats as it was."""
    nu: int
    """When its deliveries come, in milliseconds."""
    _waarden: dict[tuple[str, str], str] = field(default_factory=dict)

    def oin(self, naam: str) -> str:
        """Of a leverancier."""
        return self._waarden.setdefault(("oin", naam), f"00000099{next(_volgnummer):09}000")

    def namen(self) -> dict[str, str]:
        """Of every value its name, for people: a BSN is never shown."""
        return {waarde: naam for (_, naam), waarde in self._waarden.items()}

    def guid(self, naam: str, hoofdletters: bool = False) -> str:
        """Of a batch or message."""
        if naam == "nul":
            return str(UUID(int=0))
        if naam == "geen guid":
            return "geen-guid"
        if ("guid", naam) not in self._waarden:
            self._waarden["guid", naam] = str(guid_op(zlib.crc32(naam.encode()) % self.partities, self.partities))
        guid = self._waarden["guid", naam]
        return guid.upper() if hoofdletters else guid

    def bsn(self, naam: str) -> str:
        """As the sender writes it."""
        vast = {"nul": "000000000", "letters": "12345678a", "andere cijfers": "١٢٣٤٥٦٧٨٩"}
        if naam in vast:
            return vast[naam]
        if ("bsn", naam) not in self._waarden:
            bsn = _bsn("acht" in naam, "faalt" not in naam)
            self._waarden["bsn", naam] = bsn[1:] if "acht" in naam else bsn[2:] if naam == "zeven cijfers" else bsn
        return self._waarden["bsn", naam]

    def levering(self, lever: Lever) -> Levering:
        """A delivery as the model takes it."""
        op = self.nu - lever.eerder
        return Levering(
            leverancier=self.oin(lever.leverancier),
            door=None if lever.door is None else self.oin(lever.door),
            batch_id=self.guid(lever.batch, lever.hoofdletters),
            aanmaakdatum=op - lever.ouderdom,
            aangeleverd_op=op,
            berichten=tuple(
                Bericht(
                    batch_id=self.guid("andere" if een.breuk == "andere batch" else lever.batch),
                    bericht_id=self.guid(een.bericht, een.hoofdletters),
                    berichttype="TELANGTYPE" if een.breuk == "type te lang" else een.berichttype,
                    gebruiker=self.bsn(een.burger),
                    publicatiedatum=None if een.publicatie is None else op + een.publicatie,
                    bijlagen=(KLEIN,) * 3 if een.breuk == "drie bijlagen" else een.bijlagen,
                    breekt_schema=een.breuk in ("onderwerp te lang", "zonder soort", "datum zonder zone"),
                )
                for een in lever.brieven
            ),
            kader_breekt_schema=lever.zonder_zone,
        )


def guid_op(partitie: int, partities: int) -> UUID:
    """A GUID that nobody has, and that belongs to this partition."""
    while True:
        guid = uuid4()
        if zlib.crc32(guid.bytes) % partities == partitie:
            return guid


def als_xml(lever: Lever, levering: Levering) -> bytes:
    """The delivery on the wire."""

    def bericht(brief_: Brief, een: Bericht) -> str:
        datum = None if een.publicatiedatum is None else tijd(een.publicatiedatum)
        return maak_bericht(
            BatchID=een.batch_id,
            BerichtID=een.bericht_id,
            BerichtType=een.berichttype,
            PublicatieDatum="2026-01-31T12:00:00" if brief_.breuk == "datum zonder zone" else datum,
            Onderwerp="x" * 51 if brief_.breuk == "onderwerp te lang" else "Proef",
            GebruikerID=een.gebruiker,
            SoortGebruiker=None if brief_.breuk == "zonder soort" else "Burger",
            bijlagen=[maak_bijlage(PDF if bijlage.in_orde else bytes(bijlage.grootte)) for bijlage in een.bijlagen],
        )

    return maak_xml(
        batch_id=levering.batch_id,
        aanmaakdatum=tijd(levering.aanmaakdatum).removesuffix("Z" if lever.zonder_zone else "geen"),
        leverancier=levering.leverancier,
        berichten=[bericht(brief_, een) for brief_, een in zip(lever.brieven, levering.berichten, strict=True)],
    )


def tijd(millis: int) -> str:
    """A moment as the wire has it, to the millisecond."""
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=millis)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
