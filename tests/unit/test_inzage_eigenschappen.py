"""Who may read what, after any sequence of changes: never too wide, never too narrow.

The model is a few sets, written straight from the rule; the code under test has links and machtigingen with periods.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.inzage import leesbaar, machtigingen_van
from domain.levensloop import (
    NietToegestaan,
    activeer_dienst,
    deactiveer_dienst,
    geef_machtiging,
    is_afgelopen,
    koppel,
    nieuw_berichttype,
    nieuwe_dienst,
    nieuwe_machtiging,
    ontkoppel,
    trek_in,
    wissel_status,
)
from domain.referentie import BerichttypeStatus, Dienst, Machtiging, Notificatiekenmerk, Referentie
from tests.regels import regel

OINS = ["00000099000000001000", "00000099000000002000"]
DIENST_IDS = ["Belastingen", "belastingen", "Belastingen ", " Belastingen"]
CODES = ["A", "a", "B"]
PERSONEN = ["anna", "bram", "carla"]
RINGSLEUTELS = ["k1", "k2"]

Plaats = tuple[str, str]
"""A dienst: OIN and Dienst ID."""


def pseudoniemen(persoon: str) -> list[str]:
    """Every name that a person may have in the reference data."""
    return [f"{sleutel}:{persoon}" for sleutel in RINGSLEUTELS]


@dataclass
class Gegeven:
    """In the model: a machtiging, and when it was withdrawn."""

    wie: tuple[str, str]
    dienst: Plaats
    van: int
    tot: int | None
    ingetrokken: int | None = None

    def geldt(self, nu: int) -> bool:
        return (
            self.van <= nu
            and (self.tot is None or nu < self.tot)
            and (self.ingetrokken is None or nu < self.ingetrokken)
        )


@dataclass
class Wereld:
    """The reference data and the model of it, changed together; each change says whether both agree that it may."""

    referentie: Referentie = field(default_factory=Referentie)
    actief: dict[Plaats, bool] = field(default_factory=dict)
    links: set[tuple[Plaats, str]] = field(default_factory=set)
    archief: set[tuple[str, str]] = field(default_factory=set)
    gegeven: list[Gegeven] = field(default_factory=list)
    ringsleutel: str = "k1"
    nu: int = 1000

    def __post_init__(self) -> None:
        for oin, code in product(OINS, CODES):
            self.referentie.zet(
                [nieuw_berichttype(oin, code, "x", Notificatiekenmerk.BETALEN, BerichttypeStatus.ACTIEF)]
            )

    def dienst(self, plaats: Plaats) -> Dienst:
        return self.referentie.diensten["/".join(plaats)]

    def _pas_toe(self, mag: bool, maak: Callable[[], Dienst]) -> None:
        if mag:
            self.referentie.zet([maak()])
        else:
            with pytest.raises(NietToegestaan):
                maak()

    def maak(self, plaats: Plaats) -> None:
        if plaats not in self.actief:
            self.actief[plaats] = True
            self.referentie.zet([nieuwe_dienst(*plaats, "x")])

    def koppel(self, plaats: Plaats, code: str, *, los: bool = False) -> None:
        if plaats not in self.actief:
            return
        mag = self.actief[plaats] and (plaats[0], code) not in self.archief
        berichttype = self.referentie.berichttypes[f"{plaats[0]}/{code}"]
        doe = ontkoppel if los else koppel
        self._pas_toe(mag, lambda: doe(self.dienst(plaats), berichttype, self.nu))
        if mag:
            (self.links.discard if los else self.links.add)((plaats, code))

    def zet_status(self, plaats: Plaats, *, actief: bool) -> None:
        if plaats not in self.actief:
            return
        self.actief[plaats] = actief
        dienst = self.dienst(plaats)
        self.referentie.zet([activeer_dienst(dienst) if actief else deactiveer_dienst(dienst, self.nu)])
        if not actief:
            self.links = {link for link in self.links if link[0] != plaats}

    def archiveer(self, plaats: Plaats, code: str) -> None:
        self.archief.add((plaats[0], code))
        berichttype = self.referentie.berichttypes[f"{plaats[0]}/{code}"]
        self.referentie.zet([wissel_status(berichttype, BerichttypeStatus.ARCHIEF)])

    def geef(self, plaats: Plaats, wie: tuple[str, str], na: int, duur: int | None) -> None:
        van = self.nu + na
        tot = None if duur is None else van + duur
        belanghebbende, gemachtigde = (f"{self.ringsleutel}:{persoon}" for persoon in wie)
        nieuwe = nieuwe_machtiging(belanghebbende, gemachtigde, *plaats, van, tot)
        if wie[0] == wie[1]:
            with pytest.raises(NietToegestaan):
                geef_machtiging([], nieuwe, self.nu)
            return
        eerder = [een for een in self.tussen(wie) if (een.oin, een.dienst_id, een.van) == (*plaats, van)]
        if any(is_afgelopen(een, self.nu) for een in eerder):
            with pytest.raises(NietToegestaan):
                geef_machtiging(self.tussen(wie), nieuwe, self.nu)
            return
        self.referentie.zet([geef_machtiging(self.tussen(wie), nieuwe, self.nu)])
        self.gegeven.append(Gegeven(wie, plaats, van, tot))

    def trek_in(self, plaats: Plaats, wie: tuple[str, str]) -> None:
        self.referentie.zet([trek_in(een, self.nu) for een in self.tussen(wie) if (een.oin, een.dienst_id) == plaats])
        for een in self.gegeven:
            if (een.wie, een.dienst, een.ingetrokken) == (wie, plaats, None):
                een.ingetrokken = self.nu

    def tussen(self, wie: tuple[str, str]) -> list[Machtiging]:
        return list(machtigingen_van(self.referentie, *map(pseudoniemen, wie)))

    def volgens_model(self, wie: tuple[str, str], nu: int) -> set[tuple[str, str, str]]:
        """OIN, berichttype and dienst of all that may be read."""
        return {
            (plaats[0], code, plaats[1])
            for plaats, code in self.links
            if self.actief[plaats]
            and any(een.geldt(nu) for een in self.gegeven if (een.wie, een.dienst) == (wie, plaats))
        }

    def volgens_code(self, wie: tuple[str, str], nu: int) -> set[tuple[str, str, str]]:
        mag = leesbaar(self.referentie, *map(pseudoniemen, wie), nu)
        return {(oin, code, dienst_id) for (oin, code), namen in mag.items() for dienst_id in namen}

    def controleer(self, *tijden: int) -> None:
        for wie in product(PERSONEN, PERSONEN):
            for nu in (self.nu, *tijden):
                assert self.volgens_code(wie, nu) == self.volgens_model(wie, nu), (wie, nu)


# One dienst and one pair of persons come back often: two changes that have nothing to do with each other prove little.
PLAATSEN = st.one_of(st.just((OINS[0], DIENST_IDS[0])), st.tuples(st.sampled_from(OINS), st.sampled_from(DIENST_IDS)))
WIE = st.one_of(st.just((PERSONEN[0], PERSONEN[1])), st.tuples(st.sampled_from(PERSONEN), st.sampled_from(PERSONEN)))
SOORT = st.sampled_from(CODES)
Stap = Callable[[Wereld], None]
GEEF: st.SearchStrategy[Stap] = st.builds(
    lambda plaats, wie, na, duur: lambda wereld: wereld.geef(plaats, wie, na, duur),
    PLAATSEN,
    WIE,
    st.integers(-20, 20),
    st.one_of(st.none(), st.integers(1, 40)),
)
KOPPEL: st.SearchStrategy[Stap] = st.builds(
    lambda plaats, code, los: lambda wereld: wereld.koppel(plaats, code, los=los), PLAATSEN, SOORT, st.booleans()
)
STAPPEN: st.SearchStrategy[Stap] = st.one_of(
    GEEF,
    KOPPEL,
    st.builds(lambda plaats: lambda wereld: wereld.maak(plaats), PLAATSEN),
    st.builds(lambda plaats, aan: lambda wereld: wereld.zet_status(plaats, actief=aan), PLAATSEN, st.booleans()),
    st.builds(lambda plaats, code: lambda wereld: wereld.archiveer(plaats, code), PLAATSEN, SOORT),
    st.builds(lambda plaats, wie: lambda wereld: wereld.trek_in(plaats, wie), PLAATSEN, WIE),
    st.builds(lambda naam: lambda wereld: setattr(wereld, "ringsleutel", naam), st.sampled_from(RINGSLEUTELS)),
    st.builds(lambda ms: lambda wereld: setattr(wereld, "nu", wereld.nu + ms), st.integers(0, 30)),
)


@st.composite
def werelden(draw: st.DrawFn) -> Wereld:
    """Both after a random past, that began with a dienst that is in use: an empty world proves little."""
    wereld = Wereld()
    for plaats in draw(st.lists(PLAATSEN, min_size=1, max_size=4)):
        wereld.maak(plaats)
        wereld.koppel(plaats, draw(SOORT))
        wereld.geef(plaats, draw(WIE), 0, None)
    for stap in draw(st.lists(STAPPEN, max_size=25)):
        stap(wereld)
    return wereld


@regel(
    "a machtiging valid now names a dienst that is Actief now and linked now to the message's berichttype",
    "Too wide is a privacy breach, too narrow leaves someone without his letter: both are errors",
)
@given(werelden(), st.lists(st.integers(-60, 60), max_size=3))
def test_what_may_be_read_is_what_the_rule_says_no_more_and_no_less(wereld: Wereld, afstanden: list[int]) -> None:
    later = [wereld.nu + afstand for afstand in afstanden if afstand > 0]
    wereld.controleer(*later)


@regel("gives all its links an end date", "brings **no** link back")
@given(werelden(), PLAATSEN, st.integers(0, 5))
def test_deactivating_hides_all_of_a_dienst_and_reactivating_brings_nothing_back(
    wereld: Wereld, plaats: Plaats, ms: int
) -> None:
    wereld.maak(plaats)
    elders = {wie: alles_behalve(wereld, wie, plaats) for wie in product(PERSONEN, PERSONEN)}
    for actief in (False, True):
        wereld.nu += ms * actief
        wereld.zet_status(plaats, actief=actief)
        assert wereld.dienst(plaats).gekoppeld() == []
        assert all(koppeling.tot is not None for koppeling in wereld.dienst(plaats).koppelingen)
        for wie in product(PERSONEN, PERSONEN):
            assert not any((oin, naam) == plaats for oin, _, naam in wereld.volgens_code(wie, wereld.nu))
    if ms == 0:
        assert elders == {wie: alles_behalve(wereld, wie, plaats) for wie in elders}, "nothing else is touched"
    wereld.controleer()


def alles_behalve(wereld: Wereld, wie: tuple[str, str], plaats: Plaats) -> set[tuple[str, str, str]]:
    return {een for een in wereld.volgens_code(wie, wereld.nu) if (een[0], een[2]) != plaats}


@regel("both work at once, on messages already delivered as well")
@given(werelden(), PLAATSEN, SOORT, WIE)
def test_unlinking_hides_at_once_and_linking_shows_at_once(
    wereld: Wereld, plaats: Plaats, code: str, wie: tuple[str, str]
) -> None:
    if (plaats[0], code) in wereld.archief or wie[0] == wie[1]:
        return
    wereld.maak(plaats)
    wereld.zet_status(plaats, actief=True)
    # What was withdrawn does not come back with the same beginning, and that may lie ahead.
    wereld.nu = 1 + max([wereld.nu, *(een.van for een in wereld.gegeven)])
    wereld.geef(plaats, wie, 0, None)
    for los in (False, True, False):
        wereld.koppel(plaats, code, los=los)
        assert ((plaats[0], code, plaats[1]) in wereld.volgens_code(wie, wereld.nu)) is not los
        wereld.controleer()


@regel("sensitive to case and to spaces")
@given(werelden(), st.sampled_from(OINS), st.permutations(DIENST_IDS), SOORT, WIE)
def test_case_and_spaces_of_a_dienst_id_matter(
    wereld: Wereld, oin: str, namen: list[str], code: str, wie: tuple[str, str]
) -> None:
    if (oin, code) in wereld.archief or wie[0] == wie[1]:
        return
    deze, andere = namen[0], namen[1:]
    for naam in namen:
        wereld.maak((oin, naam))
        wereld.trek_in((oin, naam), wie)
        wereld.zet_status((oin, naam), actief=True)
        wereld.koppel((oin, naam), code)
    # What was withdrawn does not come back with the same beginning, and that may lie ahead.
    wereld.nu = 1 + max([wereld.nu, *(een.van for een in wereld.gegeven)])
    wereld.geef((oin, deze), wie, 0, None)
    assert {een for een in wereld.volgens_code(wie, wereld.nu) if een[:2] == (oin, code)} == {(oin, code, deze)}
    wereld.koppel((oin, deze), code, los=True)
    assert not {een for een in wereld.volgens_code(wie, wereld.nu) if een[:2] == (oin, code)}
    for naam in andere:
        assert code in wereld.dienst((oin, naam)).gekoppeld()


@regel("this belanghebbende lets this gemachtigde act for this dienst from … until …")
@given(st.integers(-50, 50), st.integers(1, 50), st.lists(st.integers(-60, 120), min_size=1), st.booleans())
def test_a_machtiging_outside_its_period_gives_nothing(
    na: int, duur: int, momenten: list[int], open_einde: bool
) -> None:
    wereld, plaats, wie = Wereld(), (OINS[0], "Belastingen"), ("anna", "bram")
    wereld.maak(plaats)
    wereld.koppel(plaats, "A")
    wereld.geef(plaats, wie, na, None if open_einde else duur)
    for moment in (*momenten, na - 1, na, na + duur - 1, na + duur):
        geldt = na <= moment and (open_einde or moment < na + duur)
        assert bool(wereld.volgens_code(wie, wereld.nu + moment)) is geldt
        assert wereld.volgens_code(wie[::-1], wereld.nu + moment) == set()


@given(werelden(), PLAATSEN, WIE, st.integers(-20, 20), st.one_of(st.none(), st.integers(1, 40)), st.integers(0, 99))
def test_what_is_withdrawn_never_lets_read_again(
    wereld: Wereld, plaats: Plaats, wie: tuple[str, str], na: int, duur: int | None, later: int
) -> None:
    """Whether it runs, has ended, or was still to begin, and under whichever key its persons were named."""
    wereld.geef(plaats, wie, na, duur)
    voor = wereld.tussen(wie)
    wereld.trek_in(plaats, wie)
    wereld.controleer(wereld.nu + later)
    for oud, nieuw in zip(voor, wereld.tussen(wie), strict=True):
        assert oud.sleutel == nieuw.sleutel
        if (oud.oin, oud.dienst_id) != plaats or (oud.tot is not None and oud.tot <= wereld.nu):
            assert nieuw == oud
        else:
            assert nieuw.tot == max(wereld.nu, oud.van)
            assert trek_in(nieuw, wereld.nu + later) is nieuw


@given(werelden(), PLAATSEN, WIE, st.integers(-20, 20), st.one_of(st.none(), st.integers(1, 40)))
def test_giving_a_second_time_changes_nothing(
    wereld: Wereld, plaats: Plaats, wie: tuple[str, str], na: int, duur: int | None
) -> None:
    wereld.geef(plaats, wie, na, duur)
    eenmaal = dict(wereld.referentie.machtigingen)
    wereld.ringsleutel = "k2"
    wereld.geef(plaats, wie, na, duur)
    assert wereld.referentie.machtigingen == eenmaal


@given(werelden(), PLAATSEN, WIE, SOORT, st.lists(st.tuples(st.integers(0, 20), st.integers(1, 40)), min_size=1))
def test_what_is_given_lets_read_during_all_of_its_period(
    wereld: Wereld, plaats: Plaats, wie: tuple[str, str], code: str, perioden: list[tuple[int, int]]
) -> None:
    wereld.maak(plaats)
    wereld.zet_status(plaats, actief=True)
    wereld.koppel(plaats, code)
    for na, duur in perioden:
        wereld.geef(plaats, wie, na, duur)
        wereld.controleer(wereld.nu + na, wereld.nu + na + duur - 1, wereld.nu + na + duur)
