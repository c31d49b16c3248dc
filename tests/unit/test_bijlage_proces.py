"""The processes of the PDF check: limits, crashes, and what becomes of them."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bijlagen import proces
from bijlagen.proces import GeenProces, Grenzen, Keurders, Verstoord
from domain.bijlage import Waarschuwing
from tests.pdf import plaatsenbom
from voorbeeld.pdf import maak_pdf, maak_pdf_met

AFGEBROKEN = (Waarschuwing.CONTROLE_AFGEBROKEN,)
GOED = maak_pdf("Bijlage")
REPO = Path(__file__).parents[2]


def kinderen(van: int | None = None) -> dict[int, str]:
    """The children of a process (default: this one) by their id, each with its state: R, S, T, Z …"""
    gevonden = {}
    for map_ in Path("/proc").iterdir():
        if map_.name.isdigit():
            try:
                staat, ouder = (map_ / "stat").read_text().rpartition(")")[2].split()[:2]
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(ouder) == (van or os.getpid()):
                gevonden[int(map_.name)] = staat
    return gevonden


@pytest.fixture
def eerder() -> set[int]:
    return set(kinderen())


@pytest.fixture
async def keurders(eerder: set[int]) -> AsyncIterator[Keurders]:
    async with Keurders(1) as een:
        yield een
    assert set(kinderen()) - eerder == set()


async def test_a_process_is_used_again(keurders: Keurders, eerder: set[int]) -> None:
    for _ in range(5):
        assert await keurders.keur(GOED) == ()
    assert len(set(kinderen()) - eerder) == 1


async def test_no_more_processes_than_asked_for(eerder: set[int]) -> None:
    async with Keurders(2) as keurders:
        assert set(await asyncio.gather(*(keurders.keur(GOED) for _ in range(20)))) == {()}
        assert len(set(kinderen()) - eerder) == 2


@pytest.mark.parametrize(
    "grenzen",
    [Grenzen(cpu_s=1, wand_s=60), Grenzen(geheugen=64 * 2**20, cpu_s=60, wand_s=60)],
    ids=["CPU", "memory"],
)
async def test_a_pdf_that_takes_too_much_gets_a_warning_and_the_next_is_checked(
    grenzen: Grenzen, eerder: set[int]
) -> None:
    async with Keurders(1, grenzen) as keurders:
        assert await keurders.keur(plaatsenbom()) == AFGEBROKEN
        assert await keurders.keur(GOED) == ()
    assert set(kinderen()) - eerder == set()


async def test_a_process_that_stands_still_or_was_killed_is_no_verdict(eerder: set[int]) -> None:
    async with Keurders(1, Grenzen(wand_s=5)) as keurders:
        for signaal in (signal.SIGSTOP, signal.SIGKILL, signal.SIGSEGV):
            assert await keurders.keur(GOED) == ()
            (pid,) = set(kinderen()) - eerder
            os.kill(pid, signaal)
            assert await keurders.keur(maak_pdf_met("PdfXfa")) == (Waarschuwing.XFA,)
            assert pid not in kinderen()


@pytest.mark.parametrize(
    "doet",
    [
        "os.kill(os.getpid(), signal.SIGSEGV)",
        "os.abort()",
        "raise MemoryError",
        "os.write(1, b'x'); os._exit(1)",
        "os.kill(os.getpid(), signal.SIGXCPU)",
    ],
)
async def test_a_pdf_that_crashes_its_process_each_time_gets_a_warning(
    doet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eerder: set[int]
) -> None:
    _ander_kind(tmp_path, monkeypatch, f"os.write(1, b'\\1'); sys.stdin.buffer.read(8); {doet}")
    async with Keurders(1) as keurders:
        assert await keurders.keur(GOED) == AFGEBROKEN
    assert set(kinderen()) - eerder == set()


@pytest.mark.parametrize(
    "doet",
    [
        "os.kill(os.getpid(), signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGTERM)",
        "time.sleep(600)",
        "os.close(0); os.close(1); time.sleep(600)",
        # one crash is not enough
        "os.kill(os.getpid(), signal.SIGSEGV if _eerste() else signal.SIGKILL)",
        "os.kill(os.getpid(), signal.SIGKILL if _eerste() else signal.SIGSEGV)",
    ],
)
async def test_that_a_process_is_killed_or_stands_still_each_time_says_nothing_of_the_pdf(
    doet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eerder: set[int]
) -> None:
    eerste = "def _eerste():\n  eerste = not os.path.exists('geweest')\n  open('geweest', 'w').close()\n  return eerste"
    _ander_kind(tmp_path, monkeypatch, f"{eerste}\nos.write(1, b'\\1')\nsys.stdin.buffer.read(8)\n{doet}")
    async with Keurders(1, Grenzen(wand_s=1)) as keurders:
        with pytest.raises(Verstoord):
            await keurders.keur(GOED)
    assert set(kinderen()) - eerder == set()


async def test_a_process_that_cannot_start_is_no_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, eerder: set[int]
) -> None:
    _ander_kind(tmp_path, monkeypatch, "sys.exit(7)")
    async with Keurders(1) as keurders:
        with pytest.raises(GeenProces, match="exit code 7"):
            await keurders.keur(GOED)
        monkeypatch.setattr(sys, "executable", str(tmp_path / "geen"))
        with pytest.raises(GeenProces):
            await keurders.keur(GOED)
    assert set(kinderen()) - eerder == set()


def _ander_kind(map_: Path, monkeypatch: pytest.MonkeyPatch, regel: str) -> None:
    """Lets this line run in the place of the check."""
    (map_ / "bijlagen").mkdir()
    (map_ / "bijlagen" / "__init__.py").touch()
    (map_ / "bijlagen" / "kind.py").write_text(f"import os, signal, sys, time\n{regel}\n")
    monkeypatch.setattr(proces, "_WORTEL", map_)


async def test_a_check_that_is_called_off_ends_its_process_and_others_go_on(
    keurders: Keurders, eerder: set[int]
) -> None:
    assert await keurders.keur(GOED) == ()
    (pid,) = set(kinderen()) - eerder
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(keurders.keur(plaatsenbom()), 0.1)
    assert await keurders.keur(GOED) == ()
    assert pid not in kinderen()


def test_processes_die_with_their_parent_also_when_it_is_killed() -> None:
    programma = (
        "import asyncio, os\nfrom bijlagen.proces import Grenzen, Keurders\nfrom tests.pdf import plaatsenbom\n"
        "async def main():\n"
        "    keurders = Keurders(2, Grenzen(cpu_s=600, wand_s=600))\n"
        "    await asyncio.gather(keurders.keur(b'x'), keurders.keur(b'y'))\n"
        "    print('klaar', flush=True)\n"
        "    await keurders.keur(plaatsenbom(1_900_000))\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", programma], cwd=REPO, stdout=subprocess.PIPE) as ouder:
        assert ouder.stdout is not None
        assert ouder.stdout.readline() == b"klaar\n"
        pids = set(kinderen(ouder.pid))
        assert len(pids) == 2
        ouder.kill()
    for _ in range(1000):
        if not any(_leeft(pid) for pid in pids):
            return
        time.sleep(0.02)
    pytest.fail("the processes live on without their parent")


def _leeft(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_keys_and_addresses_are_not_in_the_environment_of_a_process(
    keurders: Keurders, eerder: set[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BERICHTENSTROOM_CLICKHOUSE", "http://iemand:geheim@nergens")
    await keurders.keur(GOED)
    (pid,) = set(kinderen()) - eerder
    with open(f"/proc/{pid}/environ", "rb") as omgeving:  # noqa: ASYNC230, PTH123
        assert b"geheim" not in omgeving.read()


def test_nothing_of_a_pdf_comes_out_of_a_process() -> None:
    pdf = b"%PDF-1.7\n1 0 obj << /Type /Catalog /Pages (999990019) /999990019 >> endobj\nstartxref\n999990019\n%%EOF"
    opdracht = [sys.executable, "-m", "bijlagen.kind", str(os.getpid()), "5", str(2**29)]
    klaar = subprocess.run(
        opdracht, input=len(pdf).to_bytes(8, "big") + pdf, cwd=REPO, capture_output=True, check=True, timeout=60
    )
    assert klaar.stdout == b"\1" + (1).to_bytes(2, "big")
    assert klaar.stderr == b""


@pytest.mark.parametrize(
    "doet",
    [
        "import socket; socket.create_connection(('127.0.0.1', 9))",
        "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9')",
        "import subprocess; subprocess.run(['true'])",
        "os.system('true')",
        "os.fork()",
    ],
)
def test_a_process_has_no_network_and_starts_no_other(doet: str) -> None:
    programma = f"import os\nfrom bijlagen import kind\nkind._begrens(2**29)\n{doet}\n"
    gedaan = subprocess.run([sys.executable, "-c", programma], cwd=REPO, capture_output=True, text=True, check=False)
    assert gedaan.returncode == 1
    assert "PermissionError: the PDF check needs no " in gedaan.stderr


def test_a_process_writes_no_file(tmp_path: Path) -> None:
    programma = f"from bijlagen import kind\nkind._begrens(2**29)\nkind.Path({str(tmp_path / 'a')!r}).write_text('a')\n"
    gedaan = subprocess.run([sys.executable, "-c", programma], cwd=REPO, capture_output=True, text=True, check=False)
    assert "File too large" in gedaan.stderr
    assert (tmp_path / "a").read_bytes() == b""
