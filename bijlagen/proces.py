"""The PDF check in processes with limits: whatever a PDF does to its parser, it takes bounded time and memory,
and the next PDF is checked as if nothing happened.
"""

import asyncio
import contextlib
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from domain.waarschuwing import Waarschuwing

START_S = 60.0
"""Seconds within which a process is ready to check; it takes a fraction of one."""

_WORTEL = Path(__file__).parents[1]
_OMGEVING = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""Variables that a process needs to start; keys and addresses are none of its business."""
_CRASH = frozenset(
    {1, *(-een for een in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL))}
)
"""Exit codes of a process that fell over by what it did itself (1: an exception), not by what was done to it."""


class GeenProces(Exception):
    """No process for the check can be started now; it says nothing of any PDF. Worth a retry."""


class Verstoord(GeenProces):
    """Each process that had this PDF stood still or was killed: by the PDF, or by a machine that has no time or memory.

    Worth a retry after a while, but not without end.
    """


@dataclass(frozen=True, slots=True)
class Grenzen:
    """What one PDF may take."""

    cpu_s: int = 5
    """CPU time in seconds, rounded up: the same on a busy machine."""
    wand_s: float = 10.0
    """Seconds by the clock. Who runs into it gets no verdict, since the machine may have stood still."""
    geheugen: int = 512 * 2**20
    """Bytes of address space beyond what the process has before its first PDF."""


class Keurders:
    """So many processes that check PDFs, started when they are needed and used again; an async context manager.

    Use it in one event loop, in a thread that lives as long as it must: on Linux the processes are killed when the
    thread that started them ends, in whatever way.
    """

    def __init__(self, aantal: int = 2, grenzen: Grenzen = Grenzen()) -> None:
        self.aantal = aantal
        self._grenzen = grenzen
        self._poort = asyncio.Semaphore(aantal)
        self._vrij: list[_Kind] = []
        self._alle: set[_Kind] = set()

    async def keur(self, inhoud: bytes) -> tuple[Waarschuwing, ...]:
        """All that is wrong with this PDF, in the order of Waarschuwing. Raises GeenProces, and Verstoord of those.

        That its check was ended is said when the process itself says so or used up its CPU time, or crashed twice.
        """
        if not inhoud:
            return (Waarschuwing.NIET_LEESBAAR,)
        zelf = True
        async with self._poort:
            for gebruikt in (self._vrij.pop() if self._vrij else None, None):
                uitkomst = await self._probeer(gebruikt or await self._start(), inhoud)
                if isinstance(uitkomst, int):
                    if uitkomst == -signal.SIGXCPU:  # each PDF gets its own, also of an old process
                        return (Waarschuwing.CONTROLE_AFGEBROKEN,)
                    zelf = zelf and uitkomst in _CRASH
                # That it asked too much counts of a new process alone: an old one has less memory left.
                elif gebruikt is None or Waarschuwing.CONTROLE_AFGEBROKEN not in uitkomst:
                    return uitkomst
        if not zelf:
            raise Verstoord("the PDF check stood still or was killed, twice")
        return (Waarschuwing.CONTROLE_AFGEBROKEN,)

    async def stop(self) -> None:
        """Ends all processes, also those at work."""
        await asyncio.gather(*(self._eindig(kind) for kind in list(self._alle)))
        self._vrij.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _start(self) -> "_Kind":
        kind = await _start_kind(self._grenzen)
        self._alle.add(kind)
        return kind

    async def _probeer(self, kind: "_Kind", inhoud: bytes) -> tuple[Waarschuwing, ...] | int:
        """The verdict of this process; its exit code when it died, or was killed since the time was up."""
        try:
            async with asyncio.timeout(self._grenzen.wand_s):
                oordeel = await kind.vraag(inhoud)
        except (EOFError, ConnectionError, TimeoutError):
            return await self._eindig(kind)
        except BaseException:
            kind.dood()
            raise
        if Waarschuwing.CONTROLE_AFGEBROKEN in oordeel:
            await self._eindig(kind)
        else:
            self._vrij.append(kind)
        return oordeel

    async def _eindig(self, kind: "_Kind") -> int:
        self._alle.discard(kind)
        return await kind.eindig()


class _Kind:
    """One process that checks PDFs (`bijlagen.kind`), one at a time."""

    def __init__(self, proces: Process) -> None:
        assert proces.stdin is not None  # noqa: S101 (both are pipes)
        assert proces.stdout is not None  # noqa: S101
        self._proces, self._in, self._uit = proces, proces.stdin, proces.stdout

    async def klaar(self) -> None:
        """Returns when it can be asked. Raises EOFError when it ended before."""
        await self._uit.readexactly(1)

    async def vraag(self, inhoud: bytes) -> tuple[Waarschuwing, ...]:
        """Its verdict. Raises EOFError or ConnectionError when it ended before."""
        self._in.write(len(inhoud).to_bytes(8, "big"))
        self._in.write(inhoud)
        await self._in.drain()
        getal = int.from_bytes(await self._uit.readexactly(2), "big")
        return tuple(een for bit, een in enumerate(Waarschuwing) if getal >> bit & 1)

    def dood(self) -> None:
        """Kills it, if it still lives."""
        if self._proces.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                # Not Process.kill: that looks whether it has ended, and so takes the exit code away from asyncio.
                os.kill(self._proces.pid, signal.SIGKILL)

    async def eindig(self) -> int:
        """Kills it, if it still lives, and gives its exit code when it is gone."""
        self.dood()
        self._in.close()
        await self._uit.read()
        return await self._proces.wait()


async def _start_kind(grenzen: Grenzen) -> _Kind:
    opdracht = (sys.executable, "-m", "bijlagen.kind", str(os.getpid()), str(grenzen.cpu_s), str(grenzen.geheugen))
    try:
        proces = await asyncio.create_subprocess_exec(
            *opdracht, stdin=PIPE, stdout=PIPE, cwd=_WORTEL, env=_omgeving(os.environ)
        )
    except OSError as fout:
        raise GeenProces(f"the PDF check cannot start: {type(fout).__name__}") from fout
    kind = _Kind(proces)
    try:
        async with asyncio.timeout(START_S):
            await kind.klaar()
    except (EOFError, TimeoutError) as fout:
        raise GeenProces(f"the PDF check did not start (exit code {await kind.eindig()})") from fout
    except BaseException:
        kind.dood()
        raise
    return kind


def _omgeving(omgeving: Mapping[str, str]) -> dict[str, str]:
    return {naam: omgeving[naam] for naam in _OMGEVING if naam in omgeving} | {"PYTHONDONTWRITEBYTECODE": "1"}
