"""What people read: tables, lines and help texts, on a terminal of eighty columns and in a file."""

import asyncio
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from cli import main, vertoon, vraagopdrachten, wachten
from cli.laad import Verslag
from cli.main import app
from cli.opties import Mislukt
from cli.stapel import Stapel
from cli.wachtstand import Wachtstand, vraag
from cli.worker import _tot_lid
from domain.resultaat import Resultaat
from streams import gezondheid
from streams.settings import Instellingen

BATCH, RUN = UUID(int=1), UUID(int=2)
BREED = [
    {
        "leverancier": "00000099000000001000",
        "batch_id": str(UUID(int=nummer)),
        "proceskenmerk": str(UUID(int=nummer + 10)),
        "per_code": {"Verwerkt": 3, "OnbekendeGebruiker": 1},
        "afgerond": False,
    }
    for nummer in (1, 2)
]


def _regels(monkeypatch: pytest.MonkeyPatch, breedte: int, rijen: list[dict[str, Any]]) -> list[str]:
    """What a terminal of that width gets."""
    scherm = io.StringIO()
    monkeypatch.setattr(vertoon, "uit", Console(width=breedte, file=scherm))
    vertoon.lijst(rijen, json_=False)
    return scherm.getvalue().splitlines()


@pytest.mark.parametrize("breedte", [30, 80])
def test_on_a_narrow_terminal_each_thing_stands_apart_and_no_id_is_cut(
    monkeypatch: pytest.MonkeyPatch, breedte: int
) -> None:
    regels = _regels(monkeypatch, breedte, BREED)
    assert regels.count("") == 1
    assert [regel.split() for regel in regels[:3]] == [[naam, str(BREED[0][naam])] for naam in list(BREED[0])[:3]]
    assert regels[3].split(maxsplit=1) == ["per_code", "Verwerkt: 3, OnbekendeGebruiker: 1"]
    assert regels[4].split() == ["afgerond", "nee"]


def test_what_fits_is_a_table_with_a_line_each(monkeypatch: pytest.MonkeyPatch) -> None:
    regels = _regels(monkeypatch, 300, BREED)
    assert [sum(str(rij["batch_id"]) in regel for regel in regels) for rij in BREED] == [1, 1]
    assert all(str(rij["proceskenmerk"]) in regel for rij, regel in zip(BREED, regels[3:5], strict=True))


def test_where_no_terminal_is_nothing_is_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    lang = "woord " * 200
    vertoon.lijst([rij | {"uitleg": lang.strip()} for rij in BREED], json_=False)
    vertoon.meld(f"note: [b]{lang}".strip())
    uit, fout = capsys.readouterr()
    assert len([regel for regel in uit.splitlines() if "00000099000000001000" in regel and lang.strip() in regel]) == 2
    assert fout == f"note: [b]{lang}".strip() + "\n"


def test_things_within_a_thing_come_after_it_also_where_the_first_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    rijen: list[dict[str, Any]] = [{"batch": "een", "berichten": []}, {"batch": "twee", "berichten": [{"nummer": 7}]}]
    tekst = "\n".join(_regels(monkeypatch, 80, rijen))
    assert "{" not in tekst
    assert tekst.index("twee") < tekst.index("nummer") < tekst.index("7")


def _opdrachten(opdracht: Any, woorden: list[str]) -> Iterator[list[str]]:
    yield woorden
    for naam, onder in getattr(opdracht, "commands", {}).items():
        yield from _opdrachten(onder, [*woorden, naam])


def test_no_help_text_shows_a_type_behind_an_option_without_value() -> None:
    alle = list(_opdrachten(typer.main.get_command(app), []))
    assert len(alle) > 40
    for woorden in alle:
        tekst = CliRunner().invoke(app, [*woorden, "--help"], env={"COLUMNS": "150"}).stdout
        assert "--help" in tekst
        assert "bool" not in tekst, woorden


def test_laad_tells_in_one_language_what_became_of_the_gebruikers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def laad(*_: object) -> Verslag:
        return Verslag({}, {}, [], [], {"nieuw": 2, "gewijzigd": 0, "gelijk": 5})

    monkeypatch.setattr(main, "laad", laad)
    gezegd = CliRunner().invoke(app, ["laad", "x.json", "--door", "tester"]).stdout
    assert gezegd == "gebruikers: 2 new, 0 changed, 5 as they were\nnothing changed in the topics\n"


def _met(monkeypatch: pytest.MonkeyPatch, gevonden: Resultaat | None, runs: list[dict[str, Any]]) -> None:
    """ClickHouse has these."""

    @contextmanager
    def vragen(_: Path | None) -> Iterator[Any]:
        yield SimpleNamespace(
            resultaat=lambda *_: gevonden,
            berichtverwerking=lambda _: (runs, None),
            ontvangen_op=lambda *_: 0,
        )

    monkeypatch.setattr(vraagopdrachten, "vragen", vragen)


@pytest.mark.parametrize(
    ("runs", "woorden", "gezegd"),
    [
        ([], [], f"no batch {BATCH} is known"),
        ([{"proceskenmerk": str(RUN)}], [], f"there is no result for batch {BATCH} yet"),
        ([{"proceskenmerk": str(RUN)}], ["--proceskenmerk", str(RUN)], f"there is no result for batch {BATCH} yet"),
        ([{"proceskenmerk": str(RUN)}], ["--proceskenmerk", str(BATCH)], f"has no run {BATCH}"),
    ],
)
def test_a_batch_that_nobody_knows_is_not_one_whose_result_is_yet_to_come(
    monkeypatch: pytest.MonkeyPatch, runs: list[dict[str, Any]], woorden: list[str], gezegd: str
) -> None:
    _met(monkeypatch, None, runs)
    klaar = CliRunner().invoke(app, ["resultaat", str(BATCH), *woorden])
    assert isinstance(klaar.exception, Mislukt)
    assert klaar.stdout == ""
    assert gezegd in klaar.stderr


def test_a_pipe_gets_the_answer_byte_for_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    _met(monkeypatch, SimpleNamespace(kader=SimpleNamespace(leverancier="x", aangeleverd_op=0)), [])  # type: ignore[arg-type]
    monkeypatch.setattr(vraagopdrachten, "maak_antwoord", lambda *_: b"<antwoord/>")
    assert CliRunner().invoke(app, ["resultaat", str(BATCH), "--xml"]).stdout == "<antwoord/>"


def test_help_tells_whose_runs_are_shown_and_what_narrows_it() -> None:
    for woorden, optie in ((["resultaat"], "--proceskenmerk"), (["fouten"], "--leverancier")):
        tekst = CliRunner().invoke(app, [*woorden, "--help"], env={"COLUMNS": "300"}).stdout
        uitleg = tekst.partition("Options")[0]
        assert "operator's view" in uitleg
        assert optie in uitleg


# -- what the line waits for until a person settles it


async def test_a_process_that_waits_for_a_person_is_ready_and_says_so() -> None:
    standen = {"gereed": "", "let_op": ""}
    runner, poort = await gezondheid.start("127.0.0.1", 0, lambda: standen["gereed"], lambda: standen["let_op"])
    try:

        async def readyz() -> tuple[int, str]:
            return await asyncio.to_thread(vraag, f"http://127.0.0.1:{poort}/readyz", 30)

        assert await readyz() == (200, "ok\n")
        standen["let_op"] = "nothing is decided: x"
        assert await readyz() == (200, "ok, but nothing is decided: x\n")
        standen["gereed"] = "stopping"
        assert await readyz() == (503, "stopping\n")
    finally:
        await runner.cleanup()
    assert await readyz() == (0, "")


async def test_a_worker_in_the_dark_is_ready_though_what_waits_cannot_be_looked_at() -> None:
    """Else `up` would give up, and its addresses with it: nobody could settle it."""
    app_, staat_stil = SimpleNamespace(consumer_generation_id=1), SimpleNamespace(gekeken=3)
    volger = SimpleNamespace(is_duister=False)
    gereed = asyncio.create_task(_tot_lid(app_, staat_stil, volger))  # type: ignore[arg-type]
    assert await asyncio.wait([gereed], timeout=0.3) == (set(), {gereed})
    volger.is_duister = True
    await asyncio.wait_for(gereed, 60)


def test_up_tells_once_what_its_workers_wait_for_and_when_that_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    gezegd: list[str] = []
    stand, tekst = Wachtstand(), ["ok\n"]
    monkeypatch.setattr("cli.wachtstand._OM_DE_S", 0.0)

    def antwoord(url: str, geduld_s: float) -> tuple[int, str]:
        return (0, "") if "weg" in url else (200, tekst[0])

    monkeypatch.setattr("cli.wachtstand.vraag", antwoord)
    for tekst[0] in ("ok\n", "ok, but nothing is decided: x\n", "ok, but nothing is decided: x\n", "ok\n"):
        stand.kijk(gezegd.append, ["http://weg/metrics", "http://worker/metrics"])
        stand.kijk(gezegd.append, ["http://weg/metrics"])  # nobody answers: nothing is known
    assert gezegd == ["nothing is decided: x", "what the workers waited for is settled"]


def test_wacht_says_at_its_time_out_that_nothing_is_decided(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def vragen(_: Path | None) -> Iterator[Any]:
        yield None

    monkeypatch.setattr(main, "vragen", vragen)
    monkeypatch.setattr(wachten, "wacht", lambda *_: wachten.Open(2, []))
    monkeypatch.setattr(wachten, "duisternis", lambda _: "nothing is decided: x")
    klaar = CliRunner().invoke(app, ["wacht", "--timeout", "0"])
    assert isinstance(klaar.exception, Mislukt)
    assert klaar.stderr == "time is up: 2 batches not seen yet, 0 runs open\nnothing is decided: x\n"


def test_as_many_workers_as_there_are_is_no_change(tmp_path: Path) -> None:
    gezegd: list[str] = []
    stapel = Stapel(Instellingen.laad(tmp_path), 0, gezegd.append)
    stapel._schaal(0, 0.0)
    assert gezegd == ["0 workers already: nothing changes"]
