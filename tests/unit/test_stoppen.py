"""How a process ends at a signal, whatever it is doing."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cli.worker import Deel, _rond_af

PROCES = """
import asyncio, time
from cli.stoppen import bij_signaal

async def werk():
    stop = asyncio.Event()
    bij_signaal(stop, {stop_s})
    print("ready", flush=True)
    {doe}

asyncio.run(werk())
"""
NETJES = "await stop.wait()"
HANGT = "time.sleep(60)"
RONDT_AF = "await stop.wait(); print('asked', flush=True); await asyncio.sleep(60)"


def _start(doe: str, stop_s: float = 60) -> "subprocess.Popen[str]":
    proces = subprocess.Popen(
        [sys.executable, "-c", PROCES.format(stop_s=stop_s, doe=doe)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert proces.stdout is not None
    assert proces.stdout.readline() == "ready\n"
    return proces


@pytest.mark.parametrize("signaal", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_only_asks(signaal: signal.Signals) -> None:
    with _start(NETJES) as proces:
        proces.send_signal(signaal)
        assert proces.wait(30) == 0


@pytest.mark.parametrize("doe", [HANGT, RONDT_AF])
def test_after_its_deadline_it_is_gone_and_says_where_it_stood(doe: str) -> None:
    with _start(doe, stop_s=0.2) as proces:
        proces.send_signal(signal.SIGTERM)
        _, fouten = proces.communicate(timeout=30)
    assert proces.returncode == 1
    assert "in werk" in fouten or "in select" in fouten


def test_the_second_signal_ends_it_at_once() -> None:
    with _start(RONDT_AF) as proces:
        proces.send_signal(signal.SIGTERM)
        assert proces.stdout is not None
        assert proces.stdout.readline() == "asked\n"
        proces.send_signal(signal.SIGINT)
        assert proces.wait(30) == 1


async def test_the_sink_goes_on_until_the_agents_are_done() -> None:
    """A decision under way may wait for ClickHouse to show others, which the sink must then bring there."""
    code, verloop = await rond_af(None)
    assert code == 0
    assert verloop == ["what waits", "results", "agents", "sink", "Faust"]


async def test_an_agent_that_falls_while_it_finishes_makes_it_end_with_1(caplog: pytest.LogCaptureFixture) -> None:
    code, _ = await rond_af(RuntimeError("the log was trimmed"))
    assert code == 1
    assert "the agents could not finish what they took: the log was trimmed" in caplog.text
    assert "is committed" not in caplog.text


async def rond_af(gevallen_door: Exception | None) -> tuple[int, list[str]]:
    """The exit code, and in which order the parts were told to finish."""
    verloop: list[str] = []

    class App:
        crash_reason = gevallen_door

        async def stop(self) -> None:
            verloop.append("Faust")

    class Loopt:
        async def loop_leeg(self) -> None:
            await asyncio.sleep(0)
            verloop.append("agents")

    def deel(naam: str) -> Deel:
        klaar = asyncio.Event()

        def rond_af() -> None:
            verloop.append(naam)
            klaar.set()

        async def werk() -> None:
            await klaar.wait()

        return Deel(naam, werk(), rond_af)

    sink, wat_wacht, resultaten = deel("sink"), deel("what waits"), deel("results")
    code = await _rond_af(App(), Loopt(), [sink, wat_wacht, resultaten], wat_wacht, sink)  # type: ignore[arg-type]
    return code, verloop
