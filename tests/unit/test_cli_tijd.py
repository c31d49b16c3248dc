"""A time on the command line that cannot be: wrong usage, and no traceback."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app


@pytest.mark.parametrize("optie", ["--van", "--tot"])
@pytest.mark.parametrize("tekst", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-01", "gisteren"])
@pytest.mark.parametrize(
    "opdracht", [["totalen"], ["sla"], ["machtiging", "geef", "--oin", "00000099000000001000", "--dienst", "Zorg"]]
)
def test_a_time_that_cannot_be_is_wrong_usage(opdracht: list[str], tekst: str, optie: str, tmp_path: Path) -> None:
    uitslag = CliRunner().invoke(app, [*opdracht, optie, tekst, "--data", str(tmp_path)], env={"COLUMNS": "300"})
    assert uitslag.exit_code == 2
    assert "not a time with a zone" in uitslag.stderr
