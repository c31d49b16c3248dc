"""What changes in the reference data, or is delivered again, counts from then on, and for what is shown."""

import os
import signal
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from tests.integration.lijn.controle import controleer_log
from tests.integration.lijn.stapel import Stapel
from tests.integration.lijn.zending import (
    BERICHTTYPE,
    BESTAAT_AL,
    GOED,
    SOORTEN,
    VERWERKT,
    XML,
    ZAAD,
    Soort,
    Zending,
    lever_alle,
    leverancier,
    maak_zending,
    nieuwe_oin,
)
from tests.regels import regel

pytestmark = pytest.mark.integration

ONGELDIG = next(soort for soort in SOORTEN if soort.antwoord == XML)


def _type(oin: str, status: str) -> dict[str, Any]:
    return {"berichttypes": [{"oin": oin, "code": "GOED", "status": status}]}


def _lever(lijn: Stapel, *zendingen: Zending) -> None:
    lever_alle(lijn.adressen["aanlevering"], zendingen, gelijktijdig=1)


def _berichten(lijn: Stapel, zending: Zending, *opties: str) -> list[dict[str, Any]]:
    [rij] = lijn.vraag("berichtverwerking", "--batch", zending.batch_id, "--berichten", *opties)
    berichten: list[dict[str, Any]] = rij["berichten"]
    return berichten


@pytest.fixture
def oin(lijn: Stapel) -> str:
    """A leverancier of the test's own."""
    nieuw = nieuwe_oin()
    lijn.laad(leverancier(nieuw))
    return nieuw


@regel(
    "case-sensitive; must be **Actief at the moment of processing**",
    "Every change counts from the moment it is made, for messages already on their way too",
)
def test_the_next_message_after_laad_returns_is_decided_by_the_change(lijn: Stapel, oin: str) -> None:
    willekeur = Random(f"{ZAAD}/{oin}")
    zendingen = []
    for status, antwoord in (("Inactief", BERICHTTYPE), ("Actief", VERWERKT)) * 3:
        lijn.laad(_type(oin, status))
        # Enough messages to reach every partition, and with it every worker.
        zending = maak_zending(oin, [Soort(status, antwoord, lambda _: {})] * 40, willekeur)
        _lever(lijn, zending)
        lijn.wacht(90)  # what is still on its way at the next change is decided by that one
        zendingen.append(zending)
    controleer_log(lijn, zendingen)


@regel(
    "(also when it was Actief at delivery) | ValidateBerichtType",
    "Every change counts from the moment it is made, for messages already on their way too",
)
def test_a_change_counts_for_messages_that_are_on_their_way(lijn: Stapel, oin: str) -> None:
    willekeur = Random(f"{ZAAD}/{oin}")
    zending = maak_zending(oin, [Soort("onderweg", BERICHTTYPE, lambda _: {})] * 40, willekeur)
    lijn.storing(oin)  # nothing can be decided, so it waits
    try:
        _lever(lijn, zending)
        lijn.laad(_type(oin, "Inactief"))
    finally:
        lijn.storing()
    lijn.wacht(90)
    controleer_log(lijn, [zending])


def test_diensten_are_those_linked_when_the_message_was_decided(lijn: Stapel, oin: str) -> None:
    willekeur = Random(f"{ZAAD}/{oin}")
    eerst, later = (maak_zending(oin, [GOED, SOORTEN[3], ONGELDIG], willekeur) for _ in range(2))
    _lever(lijn, eerst)
    lijn.wacht(120)
    lijn.laad(
        {
            "diensten": [
                {"oin": oin, "dienst_id": "Dienst B", "status": "Actief", "berichttypes": ["ANDER2"]},
                {
                    "oin": oin,
                    "dienst_id": "dienst  c ",
                    "omschrijving": "Hoofdletters en spaties tellen",
                    "status": "Actief",
                    "berichttypes": ["GOED"],
                },
                {"oin": oin, "dienst_id": "Dienst A", "status": "Inactief", "berichttypes": []},
            ]
        }
    )
    _lever(lijn, later)
    lijn.wacht(120)
    assert [sorted(bericht["diensten"]) for bericht in _berichten(lijn, eerst)] == [
        ["Dienst A", "Dienst B"],
        ["Dienst B"],
        [],
    ]
    gevonden = [sorted(bericht["diensten"]) for bericht in _berichten(lijn, later)]
    assert gevonden[1:] == [["Dienst B"], []]
    assert "dienst  c " in gevonden[0]
    assert "Dienst A" not in gevonden[0], "a dienst that is not Actief has no links"


@regel(
    "resend after a fix reuses the same BatchID and BerichtIDs",
    "A delivery of a BatchID that is already known is a new run with its own Proceskenmerk",
    "Messages already Verwerkt get BerichtBestaatAl in *its result*; the others are processed",
    "a message's outcome is its Verwerkt from whichever run gave it, else that of the latest run",
    "never counts a message twice",
    "earlier runs can be asked for",
    "`ontvangen_op` (ontvangstdatum, shown and filtered on) stays that of the first receipt",
)
def test_a_resend_after_a_fix_turns_red_into_green_and_counts_once(lijn: Stapel, oin: str) -> None:
    willekeur = Random(f"{ZAAD}/{oin}")
    eerst = maak_zending(
        oin, [GOED, ONGELDIG, Soort("vast", BERICHTTYPE, lambda _: {"BerichtType": "NIETS"})], willekeur
    )
    _lever(lijn, eerst)
    lijn.wacht(120)
    [voor] = lijn.vraag("berichtverwerking", "--batch", eerst.batch_id)
    assert (voor["totaal"], voor["verwerkt"], voor["niet_verwerkt"], voor["afgerond"]) == (3, 1, 2, True)

    opnieuw = replace(
        eerst, xml=eerst.xml.replace(b"x" * 51, b"Hersteld"), verwacht=[BESTAAT_AL, VERWERKT, BERICHTTYPE]
    )
    assert opnieuw.xml != eerst.xml
    eerste_run = eerst.proceskenmerk
    _lever(lijn, opnieuw)
    lijn.wacht(120)
    assert opnieuw.proceskenmerk != eerste_run
    controleer_log(lijn, [eerst, replace(opnieuw, pogingen=1)])

    [na] = lijn.vraag("berichtverwerking", "--batch", eerst.batch_id)
    assert (na["totaal"], na["verwerkt"], na["niet_verwerkt"], na["afgerond"]) == (3, 2, 1, True)
    assert na["ontvangen_op"] == voor["ontvangen_op"]
    assert na["aangeleverd_op"] > voor["aangeleverd_op"]
    assert na["proceskenmerk"] == str(opnieuw.proceskenmerk)
    assert [(b["code"], b["stadium"]) for b in _berichten(lijn, eerst)] == [VERWERKT, VERWERKT, BERICHTTYPE]
    [totaal] = [rij for rij in lijn.vraag("totalen") if rij["leverancier"] == oin]
    assert totaal == {
        "leverancier": oin,
        "batches": 1,
        "berichten": 3,
        "verwerkt": 2,
        "waarschuwing": 0,
        "niet_verwerkt": 1,
        "in_behandeling": 0,
    }
    runs = lijn.vraag("berichtverwerking", "--batch", eerst.batch_id, "--runs", "--berichten")
    assert [(r["proceskenmerk"], r["verwerkt"], r["niet_verwerkt"], r["ontvangen_op"]) for r in runs] == [
        (str(eerste_run), 1, 2, voor["ontvangen_op"]),
        (str(opnieuw.proceskenmerk), 1, 2, voor["ontvangen_op"]),
    ]
    assert [[b["code"] for b in run["berichten"]] for run in runs] == [
        [antwoord[0] for antwoord in eerst.verwacht],
        [antwoord[0] for antwoord in opnieuw.verwacht],
    ]
    # Each run's own result stays what it was.
    assert [
        [b["code"] for b in lijn.vraag("resultaat", eerst.batch_id, *welke)["berichten"]]
        for welke in (["--proceskenmerk", eerste_run], [])
    ] == [[antwoord[0] for antwoord in eerst.verwacht], [antwoord[0] for antwoord in opnieuw.verwacht]]


@regel("a resend never turns green into red", "never counts a message twice", "unique per batch and leverancier")
def test_a_second_post_of_a_batch_that_was_placed_never_turns_it_red(lijn: Stapel, oin: str) -> None:
    zending = maak_zending(oin, [GOED] * 5, Random(f"{ZAAD}/{oin}"))
    tweede = replace(zending, verwacht=[BESTAAT_AL] * 5)
    _lever(lijn, zending, tweede)  # at once: the first need not be processed when the second comes
    lijn.wacht(120)
    controleer_log(lijn, [zending, replace(tweede, pogingen=1)])
    [rij] = lijn.vraag("berichtverwerking", "--batch", zending.batch_id)
    assert (rij["totaal"], rij["verwerkt"], rij["niet_verwerkt"], rij["in_behandeling"]) == (5, 5, 0, 0)
    assert lijn.vraag("fouten", "--leverancier", oin) == []
    assert len(lijn.vraag("berichtverwerking", "--batch", zending.batch_id, "--runs")) == 2


@regel("Every change counts from the moment it is made, for messages already on their way too")
def test_a_change_also_reaches_a_worker_that_slept_while_it_was_made(lijn: Stapel, oin: str) -> None:
    willekeur = Random(f"{ZAAD}/{oin}")
    slaper = lijn.pids["workers"][0]
    os.kill(slaper, signal.SIGSTOP)
    try:
        lijn.laad(_type(oin, "Inactief"))  # may return only when no running process can decide by the old state
        zending = maak_zending(oin, [Soort("na de slaap", BERICHTTYPE, lambda _: {})] * 40, willekeur)
        _lever(lijn, zending)
    finally:
        os.kill(slaper, signal.SIGCONT)
    lijn.wacht(120)
    controleer_log(lijn, [zending])
