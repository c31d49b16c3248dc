"""Cases done to the line and to the model alike, and what differs afterwards.

Several cases go through the line side by side, since most of the time it takes is waiting. Each has leveranciers,
citizens and GUIDs of its own, so the cases know nothing of each other; all deliveries of one go fall in a period of
their own, by which the views are asked.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

from domain.batch import Batch
from sinks.vragen import Filter
from tests.model.lijn import PARTITIES, Lijn
from tests.model.model import Model, Run, Uitkomst, getoond, telling
from tests.model.scenario import (
    BEGIN_TYPEN,
    LEVERANCIERS,
    MINUUT,
    Fase,
    Geval,
    Lever,
    Wereld,
    Wijziging,
    ZetBurger,
    ZetLeverancier,
    ZetType,
    als_xml,
    tijd,
)

BEGIN: tuple[Wijziging, ...] = (
    *(ZetLeverancier(naam, ("A",) if naam == "I" else ()) for naam in ("A", "B", "I")),
    *(ZetType(naam, code, status) for naam in ("A", "B", "X") for code, status in BEGIN_TYPEN.items()),
    ZetBurger("vast", True, None),
    ZetBurger("alleen A", True, ("A",)),
    ZetBurger("niemand", True, ()),
    ZetBurger("inactief", False, None),
    ZetBurger("acht cijfers", True, None),
    # The profile service knows them, but they are no BSNs.
    ZetBurger("faalt", True, None),
    ZetBurger("faalt met acht", True, None),
    ZetBurger("nul", True, None),
)
"""How the world of every case begins."""

Verschil = tuple[str, str, str]
"""Where, expected, found: in names, each with the number of its case."""
Paren = tuple[str, dict[Any, Any], dict[Any, Any]]
"""What is compared: where, and by key what is expected and what is found."""


class Proef:
    """One case: its world, the model, and the batches that were delivered with what the model made of them."""

    def __init__(self, geval: Geval, nu: int) -> None:
        self.geval = geval
        self.wereld = Wereld(PARTITIES, nu)
        self.model = Model()
        self.geleverd: list[tuple[Batch, Run]] = []
        self.batches: dict[tuple[str, str], list[Run]] = {}

    def proceskenmerk(self, run: Run) -> str:
        """The line's name for a run of the model."""
        return next(str(batch.kader.proceskenmerk) for batch, een in self.geleverd if een is run)

    def lever(self, lijn: Lijn, lever: Lever, storing: Sequence[str]) -> None:
        """A delivery, while the profile service fails for these."""
        levering = self.wereld.levering(lever)
        batch = lijn.lever(als_xml(lever, levering), levering.aangeleverd_op, levering.door)
        self.geleverd.append((batch, self.model.lever(levering, self.waarden(storing))))

    def waarden(self, storing: Sequence[str]) -> set[str]:
        """The OINs and BSNs for which the profile service fails."""
        wereld = self.wereld
        return {wereld.oin(een) if een in LEVERANCIERS else wereld.bsn(een).rjust(9, "0") for een in storing}

    def besloten(self) -> dict[UUID, set[int]]:
        """The messages of each run that have an outcome."""
        return {batch.kader.proceskenmerk: {een.nummer for een in run.uitkomsten} for batch, run in self.geleverd}

    def verander(self, wijzigingen: Sequence[Wijziging]) -> tuple[list["Regels"], list[dict[str, Any]]]:
        """Changes the model; returns what each change is to the line, and the citizens."""
        regels: list[Regels] = []
        burgers: list[dict[str, Any]] = []
        oin = self.wereld.oin
        for een in wijzigingen:
            if isinstance(een, ZetType):
                regel = {"oin": oin(een.leverancier), "code": een.code, "omschrijving": "Proef", "status": een.status}
                mag = self.model.zet_berichttype(oin(een.leverancier), een.code, een.status)
                regels.append((mag, "berichttypes", {**regel, "notificatiekenmerk": "Betalen"}))
            elif isinstance(een, ZetLeverancier):
                voor = [oin(naam) for naam in een.voor]
                self.model.leveranciers[oin(een.leverancier)] = set(voor)
                regel = {"oin": oin(een.leverancier), "naam": een.leverancier}
                regels.append((True, "leveranciers", {**regel, "intermediair_voor": voor}))
            else:
                bsn = self.wereld.bsn(een.burger).rjust(9, "0")
                abonnementen = None if een.abonnementen is None else {oin(naam) for naam in een.abonnementen}
                self.model.burgers[bsn] = (een.actief, abonnementen)
                lijst = "*" if abonnementen is None else sorted(abonnementen)
                burgers.append({"bsn": bsn, "actief": een.actief, "abonnementen": lijst})
        return regels, burgers


Regels = tuple[bool, str, dict[str, Any]]
"""Whether the model allows a change, its part of the file that `laad` takes, and its line there."""


def speel(lijn: Lijn, proeven: Sequence[Proef]) -> None:
    """Does all that happens in these cases: phase by phase, and within a phase by turns."""
    _verander(lijn, proeven, [BEGIN] * len(proeven))
    for nummer in range(max(len(proef.geval) for proef in proeven)):
        _fase(lijn, [(proef, proef.geval[nummer]) for proef in proeven if nummer < len(proef.geval)])
    lijn.wacht_rustig()
    # A run whose rows are not all there yet holds up no other: the last one's result can be there before it.
    runs = {batch.kader.proceskenmerk for proef in proeven for batch, _ in proef.geleverd}
    lijn.wacht(lambda: runs <= lijn.resultaten.keys(), "results")
    for proef in proeven:
        proef.batches = proef.model.batches()


def _fase(lijn: Lijn, doen: Sequence[tuple[Proef, Fase]]) -> None:
    """One phase of each case; ends when all of it is decided."""
    proeven = [proef for proef, _ in doen]
    _verander(lijn, proeven, [fase.wijzigingen for _, fase in doen])
    zonder_antwoord = {waarde for proef, fase in doen for waarde in proef.waarden(fase.storing)}
    if zonder_antwoord:
        lijn.storing(
            fout_bij_oin=[waarde for waarde in zonder_antwoord if len(waarde) == 20],
            fout_bij_bsn=[waarde for waarde in zonder_antwoord if len(waarde) == 9],
        )
    for beurt in range(max(len(fase.gebeurtenissen) for _, fase in doen)):
        for proef, fase in doen:
            for gebeurtenis in fase.gebeurtenissen[beurt : beurt + 1]:
                if isinstance(gebeurtenis, Lever):
                    proef.lever(lijn, gebeurtenis, fase.storing)
                else:
                    lijn.herhaal(proef.geleverd[gebeurtenis.welke][0], gebeurtenis.hoe)
    besloten = {run: nummers for proef in proeven for run, nummers in proef.besloten().items()}
    lijn.wacht_besloten(besloten)
    if zonder_antwoord:
        lijn.wacht_gezien()
        te_vroeg = {run: lijn.besluiten.get(run, {}).keys() - nummers for run, nummers in besloten.items()}
        assert not any(te_vroeg.values()), "something is decided that must wait"
        _verander(lijn, proeven, [fase.ondertussen for _, fase in doen])
        lijn.storing()
        for proef in proeven:
            for _, run in proef.geleverd:
                proef.model.beslis_wat_kan(run)
        lijn.wacht_besloten({run: nummers for proef in proeven for run, nummers in proef.besloten().items()})


def _verander(lijn: Lijn, proeven: Sequence[Proef], wijzigingen: Sequence[Sequence[Wijziging]]) -> None:
    """Makes the changes of all these cases; what the lifecycles refuse is tried apart, since it stops a whole file."""
    veranderd = [proef.verander(lijst) for proef, lijst in zip(proeven, wijzigingen, strict=True)]
    if burgers := [burger for _, lijst in veranderd for burger in lijst]:
        lijn.zet_burgers(burgers)
    bestand: dict[str, list[dict[str, Any]]] = {}
    for mag, soort, regel in [regel for regels, _ in veranderd for regel in regels]:
        if mag:
            bestand.setdefault(soort, []).append(regel)
        else:
            assert not lijn.laad({soort: [regel]}), f"the line allows {regel['code']} → {regel['status']}"
    if bestand:
        assert lijn.laad(bestand), "the line refuses a change that is allowed"


# -- comparing


def vergelijk(lijn: Lijn, proeven: Sequence[Proef], van: int, tot: int) -> list[Verschil]:
    """What differs, in names, over deliveries of this period: every code and every count."""
    filter_ = Filter(van=van, tot=tot)
    een_leverancier = proeven[0].wereld.oin("A")
    vragen = lijn.vragen
    with ThreadPoolExecutor(4) as draden:
        batches = draden.submit(vragen.berichtverwerking, filter_, berichten=True)
        runs = draden.submit(vragen.berichtverwerking, Filter(van=van, tot=tot, runs=True), berichten=True)
        totalen = draden.submit(vragen.totalen, van=van, tot=tot)
        fouten = draden.submit(vragen.fouten, filter_)
        bestaat_al = draden.submit(vragen.fouten, Filter(leverancier=een_leverancier), "BerichtBestaatAl")
    paren: list[Paren] = [
        *_in_het_log(lijn, proeven),
        (
            "berichtverwerking",
            {sleutel: _rij(proef, runs) for proef in proeven for sleutel, runs in proef.batches.items()},
            {(rij["leverancier"], rij["batch_id"]): _gekort(rij) for rij in batches.result()[0]},
        ),
        (
            "berichtverwerking --runs",
            {proef.proceskenmerk(run): _rij(proef, [run]) for proef in proeven for _, run in proef.geleverd},
            {rij["proceskenmerk"]: _gekort(rij) for rij in runs.result()[0]},
        ),
        (
            "totalen",
            {leverancier: rij for proef in proeven for leverancier, rij in proef.model.totalen().items()},
            {rij["leverancier"]: {naam: rij[naam] for naam in _TELLINGEN} for rij in totalen.result()},
        ),
        ("fouten", _fouten(proeven), {(rij["code"], rij["stadium"]): rij["aantal"] for rij in fouten.result()}),
        (
            "fouten --code BerichtBestaatAl --leverancier A",
            {"": _met_code(proeven[0], een_leverancier, "BerichtBestaatAl")},
            {"": sorted((str(rij["batch_id"]), str(rij["bericht_id"]), rij["nummer"]) for rij in bestaat_al.result())},
        ),
    ]
    namen: dict[str, str] = {}
    for nummer, proef in enumerate(proeven, 1):
        namen |= {waarde: f"{naam}({nummer})" for waarde, naam in proef.wereld.namen().items()}
        for plaats, (batch, _) in enumerate(proef.geleverd):
            namen[str(batch.kader.proceskenmerk)] = f"delivery {plaats}({nummer})"
    return [
        (f"{wat} {_leesbaar(sleutel, namen)}", _leesbaar(wel.get(sleutel), namen), _leesbaar(niet.get(sleutel), namen))
        for wat, wel, niet in paren
        for sleutel in {**wel, **niet}
        if wel.get(sleutel) != niet.get(sleutel)
    ]


_TELLINGEN = ("batches", "berichten", "verwerkt", "waarschuwing", "niet_verwerkt", "in_behandeling")


def _in_het_log(lijn: Lijn, proeven: Sequence[Proef]) -> Iterator[Paren]:
    """Every message of every run is decided once, and every run is answered once."""
    alle = [(proef.proceskenmerk(run), batch, run) for proef in proeven for batch, run in proef.geleverd]
    yield (
        "decisions of",
        {naam: {een.nummer: [_kort(een)] for een in run.uitkomsten} for naam, _, run in alle},
        {naam: dict(sorted(lijn.besluiten.get(batch.kader.proceskenmerk, {}).items())) for naam, batch, _ in alle},
    )
    yield (
        "results of",
        {naam: [[_kort(een) for een in run.uitkomsten]] for naam, _, run in alle},
        {naam: lijn.resultaten.get(batch.kader.proceskenmerk) for naam, batch, _ in alle},
    )


def _rij(proef: Proef, runs: Sequence[Run]) -> dict[str, Any]:
    """A row of berichtverwerking over these runs of a batch: all of them, or one."""
    laatste = runs[-1]
    berichten = getoond(runs) if len(runs) > 1 else laatste.uitkomsten
    return {
        **telling(berichten),
        "leverancier": laatste.levering.leverancier,
        "aangeleverd_door": laatste.door,
        "proceskenmerk": proef.proceskenmerk(laatste),
        "ontvangen_op": tijd(min(run.levering.aangeleverd_op for run in proef.batches[laatste.batch])),
        "aangeleverd_op": tijd(laatste.levering.aangeleverd_op),
        "afgerond": True,
        "berichten": sorted((een.nummer, *_kort(een), een.waarschuwing) for een in berichten),
    }


def _gekort(rij: dict[str, Any]) -> dict[str, Any]:
    """What the model knows of a row of berichtverwerking."""
    weg = ("batch_id", "verwerkt_op", "berichten")
    velden = ("nummer", "bericht_id", "berichttype", "code", "stadium")
    berichten = sorted((*(een[veld] for veld in velden), bool(een["waarschuwingen"])) for een in rij["berichten"])
    return {**{naam: waarde for naam, waarde in rij.items() if naam not in weg}, "berichten": berichten}


def _fouten(proeven: Sequence[Proef]) -> dict[tuple[str, str], int]:
    aantallen: dict[tuple[str, str], int] = {}
    for proef in proeven:
        for runs in proef.batches.values():
            for een in getoond(runs):
                if een.code != "Verwerkt":
                    aantallen[een.code, een.stadium] = aantallen.get((een.code, een.stadium), 0) + 1
    return aantallen


def _met_code(proef: Proef, leverancier: str, code: str) -> list[tuple[str, str, int]]:
    return sorted(
        (batch_id, een.bericht_id, een.nummer)
        for (van, batch_id), runs in proef.batches.items()
        for een in getoond(runs)
        if van == leverancier and een.code == code
    )


def _kort(een: Uitkomst) -> tuple[str, str, str, str]:
    return een.bericht_id, een.berichttype, een.code, een.stadium


def _leesbaar(waarde: object, namen: dict[str, str]) -> str:
    tekst = str(waarde)
    for lang, naam in namen.items():
        tekst = tekst.replace(lang, naam)
    return tekst


PERIODE = 2 * MINUUT
"""What the deliveries of one go fall in: the door's clock may be a minute behind."""
