"""How two persons are read from standard input, and that no BSN comes out again."""

import io
import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.personen import VORM, Personen, lees_personen
from tests.regels import regel

BSN, ANDER, ONGELDIG = "000000012", "000000024", "123456789"
VOOR = ["--oin", "00000099000000001000", "--dienst", "Belastingen"]
COMMANDOS = [["inzage"], ["machtiging", "geef", *VOOR], ["machtiging", "trek-in", *VOOR]]
GOED = {"belanghebbende": BSN, "gemachtigde": ANDER}

FOUT = {
    "nothing": b"",
    "no JSON": BSN.encode(),
    "half a document": f'{{"belanghebbende": "{BSN}"'.encode(),
    "no object": json.dumps([BSN, ANDER]).encode(),
    "a person too few": json.dumps({"belanghebbende": BSN}).encode(),
    "a number": json.dumps(GOED | {"gemachtigde": int(ONGELDIG)}).encode(),
    "fails the elfproef": json.dumps(GOED | {"gemachtigde": ONGELDIG}).encode(),
    "too few digits": json.dumps(GOED | {"belanghebbende": "1234567"}).encode(),
    "digits of another script": json.dumps(GOED | {"belanghebbende": "١٢٣٤٥٦٧٨٩"}).encode(),
    "a key too many": json.dumps(GOED | {ONGELDIG: BSN}).encode(),
    "a key twice": f'{{"belanghebbende": "{BSN}", "belanghebbende": "{ANDER}", "gemachtigde": "{ANDER}"}}'.encode(),
    "not UTF-8": b'{"belanghebbende": "\xff' + BSN.encode() + b'"}',
    "nested too deep": b"[" * 9_000,
    "more than the document can hold": json.dumps(GOED).encode() + b" " * 10_000 + b"}",
}


@regel("command line, or ClickHouse column", "no result, log line, metric, Kafka key or header, error text")
@pytest.mark.parametrize("opdracht", COMMANDOS, ids=["inzage", "geef", "trek-in"])
@pytest.mark.parametrize("invoer", FOUT.values(), ids=FOUT.keys())
def test_what_does_not_name_two_persons_is_wrong_usage_and_is_not_quoted(
    opdracht: list[str], invoer: bytes, tmp_path: Path
) -> None:
    uitslag = CliRunner().invoke(app, [*opdracht, "--data", str(tmp_path)], input=invoer)
    assert uitslag.exit_code == 2
    assert uitslag.stdout == ""
    assert "standard input" in uitslag.stderr
    for cijfers in (BSN, ANDER, ONGELDIG, "1234567", "١٢٣٤٥٦٧٨٩", BSN.lstrip("0")):
        assert cijfers not in uitslag.stderr.replace("00000099000000001000", "")


def test_the_error_names_the_field_and_the_rule(tmp_path: Path) -> None:
    invoer = json.dumps({"belanghebbende": ONGELDIG})
    uitslag = CliRunner().invoke(app, ["inzage", "--data", str(tmp_path)], input=invoer, env={"COLUMNS": "300"})
    assert "belanghebbende: not a BSN: it fails the elfproef" in uitslag.stderr
    assert "gemachtigde: Field required" in uitslag.stderr


def test_eight_digits_get_their_leading_zero() -> None:
    personen = Personen.model_validate({"belanghebbende": "00000012", "gemachtigde": ANDER})
    assert personen.belanghebbende == BSN


def test_persons_are_not_shown_when_they_are_printed() -> None:
    personen = Personen.model_validate(GOED)
    assert BSN not in f"{personen!r} {personen}"
    assert ANDER not in f"{personen!r} {personen}"


@pytest.mark.parametrize("opdracht", COMMANDOS, ids=["inzage", "geef", "trek-in"])
def test_help_says_what_is_read_from_standard_input(opdracht: list[str]) -> None:
    uitslag = CliRunner().invoke(app, [*opdracht, "--help"], env={"COLUMNS": "300"})
    assert uitslag.exit_code == 0
    assert VORM in uitslag.stdout
    assert "< personen.json" in uitslag.stdout


@pytest.mark.parametrize(
    "opdracht",
    [
        ["dienst", "maak", "Belastingen", "--oin", "1234", "--omschrijving", "x"],
        ["dienst", "maak", "Belastingen", "--omschrijving", "x"],
        ["dienst", "koppel", "Belastingen", "--oin", "00000099000000001000"],
        ["dienst", "deactiveer", "--oin", "00000099000000001000"],
        ["machtiging", "geef", *VOOR, "--van", "2026-01-01"],
        ["machtiging", "trek-in", "--dienst", "Belastingen"],
        ["machtiging", "toon", "--oin", "x"],
    ],
)
def test_wrong_usage_is_told_before_anything_is_asked_or_changed(opdracht: list[str], tmp_path: Path) -> None:
    uitslag = CliRunner().invoke(app, [*opdracht, "--data", str(tmp_path)], input=json.dumps(GOED))
    assert uitslag.exit_code == 2, uitslag.stderr


class Terminal:
    """Standard input of somebody who types."""

    buffer = io.BytesIO(json.dumps(GOED).encode())

    def isatty(self) -> bool:
        return True


def test_who_types_is_told_what_is_expected(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert lees_personen() == Personen.model_validate(GOED)
    uit, fout = capsys.readouterr()
    assert uit == ""
    assert "Ctrl-D" in fout
    assert VORM in fout.replace("\n", " ")
