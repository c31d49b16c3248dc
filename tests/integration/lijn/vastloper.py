"""A worker that hangs at its first slice or batch: `python -m tests.integration.lijn.vastloper HOE`."""

import asyncio
import logging
import sys
import time
from typing import Any, NoReturn

from agents.beslisser import Beslisser
from agents.splitsen import Splitser
from cli import worker
from streams.settings import Instellingen

EEUWIG_S = 3600.0


async def wacht_voor_altijd(*_: Any, **__: Any) -> NoReturn:
    """What an agent waits for and never gets."""
    print("hangs now", file=sys.stderr, flush=True)
    await asyncio.sleep(EEUWIG_S)
    raise AssertionError("nobody ended it")


async def houd_alles_op(*_: Any, **__: Any) -> NoReturn:
    """What keeps the event loop from everything else."""
    print("hangs now", file=sys.stderr, flush=True)
    time.sleep(EEUWIG_S)  # noqa: ASYNC251
    raise AssertionError("nobody ended it")


if __name__ == "__main__":
    if sys.argv[1] == "agent":
        Beslisser._bereid_voor = wacht_voor_altijd  # type: ignore[method-assign]
    else:
        Splitser.splits = houd_alles_op  # type: ignore[method-assign]
    logging.basicConfig(level=logging.INFO)
    sys.exit(worker.main(Instellingen.laad()))
