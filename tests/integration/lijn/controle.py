"""Whether everything that was accepted is there once, with the right answer, in the log, the tables and the views."""

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from tests.integration.lijn.logboek import lees
from tests.integration.lijn.stapel import Stapel
from tests.integration.lijn.zending import BESTAAT_AL, VERWERKT, Zending, totalen

_PER_VRAAG = 200
_NOTIFICATIE_S = 60.0


def verschillen(naam: str, verwacht: dict[Any, Any], gevonden: dict[Any, Any], hoogstens: int = 10) -> None:
    """Fails naming the first keys that differ."""
    anders = [s for s in {**verwacht, **gevonden} if verwacht.get(s) != gevonden.get(s)]
    regels = [f"{s}: expected {verwacht.get(s)}, found {gevonden.get(s)}" for s in anders[:hoogstens]]
    assert not anders, f"{naam}: {len(anders)} differ\n" + "\n".join(regels)


def controleer(stapel: Stapel, zendingen: Sequence[Zending]) -> None:
    """Every accepted delivery of a batch of its own, at every place where it can be seen.

    A sender who got no answer posts again: then the batch has more runs than one, and is still counted once.
    """
    assert zendingen
    assert all(zending.proceskenmerk for zending in zendingen)
    leveranciers = sorted({zending.leverancier for zending in zendingen})
    controleer_log(stapel, zendingen)
    _controleer_tabel(stapel, zendingen)
    _controleer_views(stapel, zendingen)
    gevonden = {r["leverancier"]: r for r in stapel.vraag("totalen") if r["leverancier"] in leveranciers}
    verschillen("totalen", totalen(zendingen), gevonden)
    _controleer_notificaties(stapel, zendingen)


def controleer_log(stapel: Stapel, zendingen: Sequence[Zending]) -> None:
    """In `validatie` every number is decided once, in `resultaat` every run is answered once, both as they must be."""
    kafka = stapel.adressen["kafka"]
    besloten: dict[tuple[str, int], list[tuple[str, str]]] = {}
    for record in lees(kafka, "validatie"):
        uitkomst = record.inhoud
        for nummer, code, stadium in zip(uitkomst["nummers"], uitkomst["codes"], uitkomst["stadia"], strict=True):
            besloten.setdefault((uitkomst["proceskenmerk"], nummer), []).append((code, stadium))
    dubbel = {sleutel: antwoorden for sleutel, antwoorden in besloten.items() if len(antwoorden) > 1}
    assert not dubbel, f"decided more than once: {len(dubbel)}, such as {list(dubbel.items())[:3]}"
    resultaten: dict[str, list[dict[str, Any]]] = {}
    for record in lees(kafka, "resultaat"):
        resultaten.setdefault(record.inhoud["proceskenmerk"], []).append(record.inhoud)
    vaker = {run: len(records) for run, records in resultaten.items() if len(records) > 1}
    assert not vaker, f"answered more than once: {vaker}"
    for zending in zendingen:
        run = str(zending.proceskenmerk)
        assert run in resultaten, f"no result of run {run}"
        in_log = [besloten.get((run, nummer), [None])[0] for nummer in range(1, len(zending.verwacht) + 1)]
        _gelijk(zending, "validatie", in_log)
        antwoord = resultaten[run][0]
        assert antwoord["nummers"] == list(range(1, len(zending.verwacht) + 1))
        _gelijk(zending, "resultaat", list(zip(antwoord["codes"], antwoord["stadia"], strict=True)))


def _controleer_notificaties(stapel: Stapel, zendingen: Sequence[Zending]) -> None:
    """Of every placed message that can be seen by now the citizen is told once; of no other message he is told."""
    kafka, batches, nu = stapel.adressen["kafka"], {str(zending.batch_id) for zending in zendingen}, time.time() * 1000
    te_zien: dict[tuple[str, int], int] = {}
    later: set[tuple[str, int]] = set()
    for record in lees(kafka, "validatie"):
        uitkomst = record.inhoud
        if uitkomst["batch_id"] not in batches:
            continue
        for nummer, code, zichtbaar_op in zip(
            uitkomst["nummers"], uitkomst["codes"], uitkomst["publicatiedatums"], strict=True
        ):
            if code == VERWERKT[0] and zichtbaar_op > nu:
                later.add((uitkomst["proceskenmerk"], nummer))
            elif code == VERWERKT[0]:
                te_zien[uitkomst["proceskenmerk"], nummer] = 1
    grens = time.monotonic() + _NOTIFICATIE_S
    while True:
        gevonden = Counter(
            (bericht["proceskenmerk"], bericht["nummer"])
            for bericht in (record.inhoud for record in lees(kafka, "notificatie"))
            if bericht["batch_id"] in batches
        )
        if gevonden.keys() >= te_zien.keys() or time.monotonic() > grens:
            break
        time.sleep(0.3)
    # What could not be seen when this check began may be by now.
    verschillen("notificatie", te_zien, {sleutel: keer for sleutel, keer in gevonden.items() if sleutel not in later})
    assert {gevonden[sleutel] for sleutel in later} <= {0, 1}


def _controleer_tabel(stapel: Stapel, zendingen: Sequence[Zending]) -> None:
    """Rows may be written again, but a repeat is the same row: which of them is read makes no difference."""
    for deel in _delen(zendingen):
        rijen = stapel.sql(
            f"""SELECT toString(proceskenmerk), nummer, any(code), any(stadium),
                    uniqExact(code, stadium, verwerkt_op, bericht_id, object, volgorde)
                FROM uitkomsten WHERE proceskenmerk IN ({_lijst(z.proceskenmerk for z in deel)})
                GROUP BY proceskenmerk, nummer"""
        )
        anders = [rij for rij in rijen if rij[4] != 1]
        assert not anders, f"rows of one message that differ: {anders[:5]}"
        gevonden = {(rij[0], rij[1]): (rij[2], rij[3]) for rij in rijen}
        for zending in deel:
            run = str(zending.proceskenmerk)
            _gelijk(zending, "uitkomsten", [gevonden.pop((run, i), None) for i in range(1, len(zending.verwacht) + 1)])
        assert not gevonden, f"rows that nobody sent: {list(gevonden)[:5]}"


def _controleer_views(stapel: Stapel, zendingen: Sequence[Zending]) -> None:
    for deel in _delen(zendingen):
        rijen = stapel.sql(
            f"""SELECT toString(batch_id), nummer, code, stadium FROM berichten
                WHERE batch_id IN ({_lijst(z.batch_id for z in deel)})"""
        )
        per_bericht = Counter((rij[0], rij[1]) for rij in rijen)
        assert set(per_bericht.values()) == {1}, f"shown twice: {per_bericht.most_common(3)}"
        gevonden = {(rij[0], rij[1]): (rij[2], rij[3]) for rij in rijen}
        for zending in deel:
            batch = str(zending.batch_id)
            getoond = [gevonden.pop((batch, i), None) for i in range(1, len(zending.verwacht) + 1)]
            _gelijk(zending, "berichten", getoond, eerste_telt=True)
        assert not gevonden, f"messages that nobody sent: {list(gevonden)[:5]}"


def _gelijk(
    zending: Zending, waar: str, gevonden: Sequence[tuple[str, str] | None], *, eerste_telt: bool = False
) -> None:
    """The answers of one run. After a lost 202 the run that was answered is a resend, to which what another run of the
    batch placed 'exists already'; for the views (`eerste_telt`) it is Verwerkt all the same."""
    herhaald = zending.pogingen > 1 and not eerste_telt
    for nummer, (verwacht, antwoord) in enumerate(zip(zending.verwacht, gevonden, strict=True), 1):
        goed = antwoord == verwacht or (herhaald and verwacht == VERWERKT and antwoord == BESTAAT_AL)
        assert goed, f"{waar}, batch {zending.batch_id}, message {nummer}: expected {verwacht}, found {antwoord}"


def _delen(zendingen: Sequence[Zending]) -> Iterable[Sequence[Zending]]:
    return (zendingen[begin : begin + _PER_VRAAG] for begin in range(0, len(zendingen), _PER_VRAAG))


def _lijst(guids: Iterable[object]) -> str:
    return ",".join(f"'{guid}'" for guid in guids)
