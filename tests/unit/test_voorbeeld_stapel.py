"""Starting and stopping a stack: a stand-in for `berichtenstroom up` plays its part."""

import json
import signal
import sys
import time
from pathlib import Path

import httpx
import pytest

from voorbeeld import stapel
from voorbeeld.stapel import OpdrachtError, Stapel, draaiende_stapel

GOED = """
import json, os, signal, sys, time
from pathlib import Path
data = Path(sys.argv[sys.argv.index("--data") + 1])
signal.signal(signal.SIGTERM, lambda *_: (data / "gestopt").touch() or sys.exit(0))
(data / "geduld").write_text(os.environ["BERICHTENSTROOM_GEDULD_S"] + str("BERICHTENSTROOM_KAFKA" in os.environ))
(data / "nieuw").write_text(json.dumps({"pid": os.getpid()}))
(data / "nieuw").rename(data / "endpoints.json")
time.sleep(600)
"""
STUK = "import sys; print('no Java here'); sys.exit(1)"


def gebruik(monkeypatch: pytest.MonkeyPatch, programma: str) -> None:
    monkeypatch.setattr(stapel, "_OPDRACHT", (sys.executable, "-c", programma))


def test_a_stack_is_ready_at_its_new_endpoints_and_stopped_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gebruik(monkeypatch, GOED)
    monkeypatch.setenv("BERICHTENSTROOM_KAFKA", "elsewhere:9092")
    (tmp_path / "endpoints.json").write_text("of a stack that was killed")
    with draaiende_stapel(tmp_path, geduld_s=7.0, workers=None) as draaiend:
        assert draaiend.data == tmp_path
        assert "pid" in (tmp_path / "endpoints.json").read_text()
        assert (tmp_path / "geduld").read_text() == "7.0False"
    assert (tmp_path / "gestopt").exists()


def test_a_stack_is_stopped_when_the_demo_is_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gebruik(monkeypatch, GOED)
    eerder = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    try:
        with pytest.raises(KeyboardInterrupt), draaiende_stapel(tmp_path, geduld_s=7.0, workers=None):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, eerder)
    assert (tmp_path / "gestopt").exists()


def test_a_stack_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gebruik(monkeypatch, STUK)
    with pytest.raises(OpdrachtError, match="no Java here"), draaiende_stapel(tmp_path, geduld_s=7.0, workers=None):
        pytest.fail("it is not ready")


def test_a_stack_that_never_gets_ready_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gebruik(monkeypatch, "import time; time.sleep(600)")
    with (
        pytest.raises(OpdrachtError, match="did not come up"),
        draaiende_stapel(tmp_path, geduld_s=7.0, workers=None, gereed_binnen_s=0.3),
    ):
        pytest.fail("it is not ready")


def test_a_stack_that_ends_by_itself_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gebruik(monkeypatch, GOED.replace("time.sleep(600)", "while not (data / 'eindig').exists(): time.sleep(0.01)"))
    with pytest.raises(OpdrachtError, match="ended by itself"), draaiende_stapel(tmp_path, geduld_s=7.0, workers=None):
        _laat_eindigen(tmp_path)


def _laat_eindigen(data: Path) -> None:
    stat = Path("/proc") / str(json.loads((data / "endpoints.json").read_text())["pid"]) / "stat"
    (data / "eindig").touch()
    while stat.read_text().split()[2] != "Z":
        time.sleep(0.01)


def test_a_command_that_fails_is_an_error_with_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gebruik(monkeypatch, STUK)
    with pytest.raises(OpdrachtError, match=r"berichtenstroom totalen --json: exit code 1\nno Java here"):
        Stapel(tmp_path).vraag("totalen")


def test_a_person_goes_through_standard_input_and_into_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gebruik(monkeypatch, "import sys; n = len(sys.stdin.read()); print(n); sys.exit(n == 9)")
    assert Stapel(tmp_path).vraag("inzage") == 0
    assert Stapel(tmp_path).vraag("inzage", invoer="acht" * 2) == 8
    with pytest.raises(OpdrachtError) as fout:
        Stapel(tmp_path).vraag("inzage", invoer="persoon-9")
    assert "persoon" not in str(fout.value)


def test_commands_that_run_together_answer_in_the_order_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gebruik(monkeypatch, "import sys, time; time.sleep(float(sys.argv[1])); print(sys.argv[1])")
    assert Stapel(tmp_path).vraag_alle(("0.3",), ("0",), ("0.1",), ("0.2",)) == [0.3, 0, 0.1, 0.2]
    assert Stapel(tmp_path).doe_alle(("0.1",), ("0",)) == ["0.1\n", "0\n"]


def test_one_that_fails_of_those_that_run_together_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gebruik(monkeypatch, "import sys; print(sys.argv[1]); sys.exit(int(sys.argv[1]))")
    with pytest.raises(OpdrachtError, match="exit code 3"):
        Stapel(tmp_path).vraag_alle(("0",), ("3",), ("0",))


METINGEN = """# TYPE berichtenstroom_bijlagen_gekeurd_total counter
berichtenstroom_bijlagen_gekeurd_total{uitkomst="akkoord"} 5.0
berichtenstroom_bijlagen_gekeurd_total{uitkomst="uitgesteld"} 7.0
berichtenstroom_bijlagen_gekeurd_total{uitkomst="waarschuwing"} 2.0
# TYPE berichtenstroom_bijlagen_gekeurd_created gauge
berichtenstroom_bijlagen_gekeurd_created{uitkomst="akkoord"} 1.7e9
"""


def test_pdf_checks_are_summed_over_the_workers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adressen = {"metrics": ["http://a", "http://b", "http://deur"], "pids": {"workers": [1, 2]}}
    (tmp_path / "endpoints.json").write_text(json.dumps(adressen))
    monkeypatch.setattr(
        httpx, "get", lambda url, **_: httpx.Response(200, text="" if url.endswith("deur") else METINGEN)
    )
    assert (Stapel(tmp_path).gekeurd(), Stapel(tmp_path).workers()) == (14, 2)


def test_an_answer_is_read_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gebruik(monkeypatch, "import json, sys; print(json.dumps(sys.argv[1:]))")
    argumenten = ["totalen", "--json", "--data", str(tmp_path)]
    assert Stapel(tmp_path).vraag("totalen") == argumenten
