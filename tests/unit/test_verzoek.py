"""What is asked of a running stack, and what who asks gets to hear."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.stapel import DraaitAl, StapelFout, alleen_wij, draait
from cli.verzoek import Verzoek, VerzoekFout, lees, vraag, wis
from streams.settings import ENDPOINTS


def _zeg(data: Path, verzoek_id: str, aantal: int) -> None:
    nieuw = data / "nieuw"
    nieuw.write_text(json.dumps({"verzoek": verzoek_id, "pids": {"workers": list(range(aantal))}}))
    nieuw.replace(data / ENDPOINTS)


def _bij_verzoek(data: Path, doe: Callable[[Verzoek], None]) -> threading.Thread:
    """A stack that does this at the first request it sees."""

    def stapel() -> None:
        while (verzoek := lees(data)) is None:
            pass
        doe(verzoek)

    draad = threading.Thread(target=stapel)
    draad.start()
    return draad


def test_who_asks_hears_how_many_workers_there_are_when_it_is_done(tmp_path: Path) -> None:
    gevraagd: list[Verzoek] = []

    def doe(verzoek: Verzoek) -> None:
        gevraagd.append(verzoek)
        _zeg(tmp_path, "an earlier one", 1)
        _zeg(tmp_path, verzoek.id, 3)

    draad = _bij_verzoek(tmp_path, doe)
    assert vraag(tmp_path, 3, herstart=False, draait=lambda: True) == 3
    draad.join()
    assert [(een.workers, een.herstart) for een in gevraagd] == [(3, False)]


def test_a_request_that_a_starting_stack_threw_away_is_made_again(tmp_path: Path) -> None:
    def doe(verzoek: Verzoek) -> None:
        wis(tmp_path)
        _bij_verzoek(tmp_path, lambda weer: _zeg(tmp_path, weer.id, 2)).join()

    draad = _bij_verzoek(tmp_path, doe)
    assert vraag(tmp_path, None, herstart=True, draait=lambda: True) == 2
    draad.join()


def test_of_two_requests_the_later_one_counts_and_the_former_hears_so(tmp_path: Path) -> None:
    def vraag_iets_anders(_: Verzoek) -> None:
        (tmp_path / "ander").write_text(json.dumps({"id": "another", "workers": 5, "herstart": False}))
        (tmp_path / "ander").replace(tmp_path / "verzoek.json")

    draad = _bij_verzoek(tmp_path, vraag_iets_anders)
    with pytest.raises(VerzoekFout, match="somebody else"):
        vraag(tmp_path, 2, herstart=False, draait=lambda: True)
    draad.join()


def test_a_stack_that_stops_does_nothing_any_more(tmp_path: Path) -> None:
    with pytest.raises(VerzoekFout, match="stopped"):
        vraag(tmp_path, 2, herstart=False, draait=lambda: False)


def test_one_stack_has_a_data_folder_and_to_look_takes_it_from_nobody(tmp_path: Path) -> None:
    assert not draait(tmp_path)
    with alleen_wij(tmp_path):
        assert draait(tmp_path)
        with pytest.raises(DraaitAl, match="already"), alleen_wij(tmp_path):
            pass
        assert draait(tmp_path)
    assert not draait(tmp_path)


def test_without_a_stack_there_is_nothing_to_restart(tmp_path: Path) -> None:
    antwoord = CliRunner().invoke(app, ["up", "--herstart", "--data", str(tmp_path)])
    assert isinstance(antwoord.exception, StapelFout)
    assert "nothing to restart" in str(antwoord.exception)
    assert list(tmp_path.iterdir()) == []
