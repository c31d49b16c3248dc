"""The command `bijlage`: shapes, exit codes, sets."""

import hashlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bijlagen.proces import Keurders, Verstoord
from cli import bijlage as module
from cli.main import app
from cli.opties import Mislukt
from domain.bijlage import UITLEG, Waarschuwing
from tests.regels import regel
from voorbeeld.pdf import maak_pdf, maak_pdf_met

REPO = Path(__file__).parents[2]


def bijlage(*woorden: str, code: int = 0) -> Result:
    """Runs the command in the current folder."""
    klaar = CliRunner().invoke(app, ["bijlage", *woorden])
    mislukt = isinstance(klaar.exception, Mislukt)  # `main` makes exit code 1 of it
    assert (1 if mislukt else klaar.exit_code) == code, klaar.stderr
    return klaar


def als_json(*woorden: str, code: int = 0) -> Any:
    return json.loads(bijlage(*woorden, "--json", code=code).stdout)


@pytest.fixture(autouse=True)
def _in_eigen_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def codes(rijen: Sequence[dict[str, Any]]) -> list[list[str]]:
    return [[een["code"] for een in rij["waarschuwingen"]] for rij in rijen]


@regel("The same check is offered on its own, for a personal or a standard bijlage", "keeping nothing")
def test_it_tells_of_each_file_what_it_is_and_what_is_wrong(tmp_path: Path) -> None:
    goed, script = maak_pdf("Goed"), maak_pdf_met("PdfJavaScript")
    (tmp_path / "goed.pdf").write_bytes(goed)
    (tmp_path / "script.pdf").write_bytes(script)
    uitleg = UITLEG[Waarschuwing.JAVASCRIPT]
    klaar = subprocess.run(
        [sys.executable, "-m", "cli.main", "bijlage", "script.pdf", "goed.pdf", "--json"],
        env={"PYTHONPATH": str(REPO), "PATH": "/usr/bin:/bin", "BERICHTENSTROOM_DATA": "geen"},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert json.loads(klaar.stdout) == [
        {
            "bestand": "script.pdf",
            "sha256": hashlib.sha256(script).hexdigest(),
            "bytes": len(script),
            "akkoord": False,
            "waarschuwingen": [{"code": "PdfJavaScript", "uitleg": uitleg}],
        },
        {
            "bestand": "goed.pdf",
            "sha256": hashlib.sha256(goed).hexdigest(),
            "bytes": len(goed),
            "akkoord": True,
            "waarschuwingen": [],
        },
    ]
    assert sorted(pad.name for pad in tmp_path.iterdir()) == ["goed.pdf", "script.pdf"]


def test_people_read_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "[b]script.pdf").write_bytes(maak_pdf_met("PdfJavaScript"))
    tekst = bijlage("[b]script.pdf").stdout
    assert "[b]script.pdf" in tekst
    assert "nee" in tekst
    assert "PdfJavaScript" in tekst
    assert "Verwijder de scripts" in tekst


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_told(tmp_path: Path) -> None:
    (tmp_path / "goed.pdf").write_bytes(maak_pdf("Goed"))
    klaar = bijlage("geen.pdf", "goed.pdf", ".", "--json", code=1)
    assert [rij["bestand"] for rij in json.loads(klaar.stdout)] == ["goed.pdf"]
    assert "geen.pdf cannot be read: No such file" in klaar.stderr
    assert ". cannot be read: Is a directory" in klaar.stderr


def test_a_file_that_is_too_large_to_be_a_bijlage_is_named_and_the_others_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goed = maak_pdf("Goed")
    monkeypatch.setattr(module, "MAX_BYTES", len(goed))
    (tmp_path / "goed.pdf").write_bytes(goed)
    (tmp_path / "groot.pdf").write_bytes(goed + b"\n")
    klaar = bijlage("groot.pdf", "goed.pdf", "/dev/zero", "--json", code=1)
    assert [rij["bestand"] for rij in json.loads(klaar.stdout)] == ["goed.pdf"]
    assert "groot.pdf is larger than" in klaar.stderr
    assert "/dev/zero is larger than" in klaar.stderr


def test_a_check_that_the_machine_ended_is_told_as_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def verstoord(*_: object) -> None:
        raise Verstoord("killed")

    monkeypatch.setattr(Keurders, "keur", verstoord)
    (tmp_path / "goed.pdf").write_bytes(maak_pdf("Goed"))
    assert codes(als_json("goed.pdf")) == [["PdfControleAfgebroken"]]


@pytest.mark.parametrize(("soort", "grens", "hoogstens"), [("persoonlijk", 500_000, 2), ("standaard", 2_000_000, 3)])
def test_a_set_that_is_too_much_is_told_at_each_file(tmp_path: Path, soort: str, grens: int, hoogstens: int) -> None:
    lang = "x" * 129 + ".pdf"
    (tmp_path / "half.pdf").write_bytes(maak_pdf("Half", grens // 2))
    (tmp_path / "meer.pdf").write_bytes(maak_pdf("Meer", grens // 2 + 1))
    (tmp_path / lang).write_bytes(maak_pdf_met("PdfNietGetagd"))
    assert codes(als_json("half.pdf", "half.pdf", "--soort", soort)) == [[], []]
    samen = als_json("half.pdf", "meer.pdf", "--soort", soort)
    assert codes(samen) == [["BijlageTeGroot"], ["BijlageTeGroot"]]
    assert not any(rij["akkoord"] for rij in samen)
    te_lang = ["BestandsnaamTeLang"] if soort == "standaard" else []
    assert codes(als_json(lang, "--soort", soort)) == [[*te_lang, "PdfNietGetagd"]]
    te_veel = codes(als_json(*[lang] * (hoogstens + 1), "--soort", soort))
    assert te_veel == [["TeVeelBijlagen", *te_lang, "PdfNietGetagd"]] * (hoogstens + 1)
    assert codes(als_json(*["half.pdf"] * 5)) == [[]] * 5


def test_wrong_usage_and_help() -> None:
    bijlage(code=2)
    bijlage("a.pdf", "--soort", "anders", code=2)
    assert "Example: berichtenstroom bijlage" in bijlage("--help").stdout


def test_the_page_for_senders_has_every_code_in_order() -> None:
    tekst = (REPO / "docs" / "senders.md").read_text()
    _, _, hoofdstuk = tekst.partition("\n## Checking bijlagen\n")
    rijen = [regel_ for regel_ in hoofdstuk.partition("\n## ")[0].splitlines() if regel_.startswith("| `")]
    assert [rij.split("`")[1] for rij in rijen] == list(Waarschuwing)
