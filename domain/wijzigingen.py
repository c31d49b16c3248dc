"""Changes of reference data: what changes, and how that is said."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from enum import StrEnum

from domain.referentie import Berichttype, Dienst, Gegeven, Machtiging, Standaardbijlage
from domain.tijd import schrijf_tijd


@dataclass(frozen=True, slots=True)
class Wijziging:
    """A thing as it becomes, and what that changes, in words."""

    gegeven: Gegeven
    tekst: str
    nieuw: bool


@dataclass(frozen=True, slots=True)
class Wijzigingen:
    """Everything that changes at once."""

    lijst: list[Wijziging] = field(default_factory=list)
    opmerkingen: list[str] = field(default_factory=list)
    """What is allowed, but may be a mistake."""

    @property
    def gegevens(self) -> list[Gegeven]:
        """The things as they become."""
        return [wijziging.gegeven for wijziging in self.lijst]

    @property
    def teksten(self) -> list[str]:
        """What changes, in words."""
        return [wijziging.tekst for wijziging in self.lijst]


def wijziging(oud: Gegeven | None, nieuw: Gegeven, *opmerkingen: str) -> Wijzigingen:
    """The change of one thing (None: it was not there); of nothing when both are equal."""
    if nieuw == oud:
        return Wijzigingen()
    return Wijzigingen([Wijziging(nieuw, f"{naam(nieuw)}: {verschil(oud, nieuw)}", oud is None)], list(opmerkingen))


def naam(gegeven: Gegeven) -> str:
    """What a thing is called; no pseudonyms."""
    sleutel = f"{gegeven.oin}/{gegeven.dienst_id}" if isinstance(gegeven, Machtiging) else gegeven.sleutel
    return f"{type(gegeven).__name__.lower()} {sleutel}"


def verschil(oud: Gegeven | None, nieuw: Gegeven) -> str:
    """What changes, in words; no pseudonyms, and no texts that people typed but the names of files."""
    if oud is None:
        return ", ".join(_nieuw(nieuw))
    return ", ".join(deel for veld in fields(nieuw) if veld.compare for deel in _veldverschil(veld.name, oud, nieuw))


def _nieuw(nieuw: Gegeven) -> Iterator[str]:
    yield "new"
    if isinstance(nieuw, Berichttype | Dienst):
        yield nieuw.status
    if isinstance(nieuw, Dienst):
        yield from _koppelverschil([], nieuw.gekoppeld())
    if isinstance(nieuw, Machtiging):
        yield f"from {schrijf_tijd(nieuw.van)}"
        yield _tot(nieuw)


def _veldverschil(veld: str, oud: Gegeven, nieuw: Gegeven) -> Iterator[str]:
    was, wordt = getattr(oud, veld), getattr(nieuw, veld)
    if was == wordt or veld == "gedeactiveerd_op":
        return
    if isinstance(wordt, StrEnum):
        yield f"{was} → {wordt}"
    elif isinstance(oud, Dienst) and isinstance(nieuw, Dienst) and veld == "koppelingen":
        yield from _koppelverschil(oud.gekoppeld(), nieuw.gekoppeld())
    elif veld == "standaardbijlagen":
        yield from _bijlageverschil(was, wordt)
    elif isinstance(nieuw, Machtiging):
        yield _tot(nieuw)
    else:
        yield f"another {veld}"


def _koppelverschil(was: Iterable[str], wordt: Iterable[str]) -> Iterator[str]:
    yield from (f"linked to {code}" for code in sorted(set(wordt) - set(was)))
    yield from (f"no longer linked to {code}" for code in sorted(set(was) - set(wordt)))


def _bijlageverschil(was: tuple[Standaardbijlage, ...], wordt: tuple[Standaardbijlage, ...]) -> Iterator[str]:
    weg, erbij = [een for een in was if een not in wordt], [een for een in wordt if een not in was]
    yield from (f"without bijlage {een.naam}" for een in weg)
    yield from (f"with bijlage {een.naam}" for een in erbij)
    if not weg and not erbij:
        yield f"bijlagen in the order {', '.join(een.naam for een in wordt)}"


def _tot(machtiging: Machtiging) -> str:
    return "without end" if machtiging.tot is None else f"until {schrijf_tijd(machtiging.tot)}"
