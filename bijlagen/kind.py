"""The process that checks PDFs for `bijlagen.proces`.

On standard input come a length of 8 bytes and so many bytes of PDF; on standard output go one byte when it is ready,
and for each PDF a number of 2 bytes whose bits are the Waarschuwingen.

A number, so that nothing of what stands in a PDF can come back. Parsing hostile bytes asks for limits: memory, CPU
time, no file may grow, no socket or process may be made; the clock is with the parent.
"""

import contextlib
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from pathlib import Path
from typing import IO

from pypdf import overwrite_configuration

from bijlagen.controle import controleer
from domain.waarschuwing import Waarschuwing

_PR_SET_PDEATHSIG = 1
_VERBODEN = ("socket.", "subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "pty.")


def main() -> None:
    """Checks PDFs until standard input ends, or one PDF asked too much: what that left behind is not worth keeping."""
    ouder, cpu_s, geheugen = map(int, sys.argv[1:])
    _sterf_met(ouder)
    uitvoer = os.fdopen(os.dup(1), "wb", buffering=0)
    _zwijg()
    _begrens(geheugen)
    invoer = sys.stdin.buffer
    gc.freeze()  # what is here stays, so that collecting after each PDF costs next to nothing
    uitvoer.write(b"\x01")
    while (inhoud := _lees(invoer)) is not None:
        _geef_cpu(cpu_s)
        oordeel = controleer(inhoud)
        del inhoud
        uitvoer.write(sum(1 << bit for bit, een in enumerate(Waarschuwing) if een in oordeel).to_bytes(2, "big"))
        if Waarschuwing.CONTROLE_AFGEBROKEN in oordeel:
            return
        gc.collect()


def _lees(invoer: IO[bytes]) -> bytes | None:
    """The next PDF; None when the parent closed the pipe."""
    lengte = int.from_bytes(invoer.read(8), "big")
    inhoud = invoer.read(lengte)
    return inhoud if lengte and len(inhoud) == lengte else None


def _sterf_met(ouder: int) -> None:
    """On Linux this process is killed when its parent dies; elsewhere it ends when its input does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != ouder:
        sys.exit(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent


def _zwijg() -> None:
    """Nothing is printed or logged from here on: libraries quote what they read."""
    logging.disable(logging.CRITICAL)
    with Path(os.devnull).open("wb") as nergens:
        os.dup2(nergens.fileno(), 1)
        os.dup2(nergens.fileno(), 2)


def _begrens(geheugen: int) -> None:
    overwrite_configuration(jbig2dec_binary=None, disable_legacy_handling=True)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core holds the PDF
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    with contextlib.suppress(FileNotFoundError):  # no /proc, no measure, no limit: not on Linux then
        bladen = int(Path("/proc/self/statm").read_text().split()[0])
        grens = bladen * resource.getpagesize() + geheugen
        _, hard = resource.getrlimit(resource.RLIMIT_AS)
        resource.setrlimit(resource.RLIMIT_AS, (_hoogstens(grens, hard), hard))
    sys.addaudithook(_weiger)


def _weiger(gebeurtenis: str, _: tuple[object, ...]) -> None:
    if gebeurtenis.startswith(_VERBODEN):
        raise PermissionError(f"the PDF check needs no {gebeurtenis}")


def _geef_cpu(seconden: int) -> None:
    """From now on so many seconds of CPU time, rounded up; beyond them the kernel ends this process (SIGXCPU)."""
    gebruik = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    grens = int(gebruik.ru_utime + gebruik.ru_stime) + 1 + seconden
    resource.setrlimit(resource.RLIMIT_CPU, (_hoogstens(grens, hard), hard))


def _hoogstens(grens: int, hard: int) -> int:
    return grens if hard == resource.RLIM_INFINITY else min(grens, hard)


if __name__ == "__main__":
    main()
