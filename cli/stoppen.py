"""How a process is told to stop: the first signal asks for it and sets the deadline, the second one ends it at once."""

import asyncio
import faulthandler
import os
import signal
from types import FrameType


def bij_signaal(stop: asyncio.Event, stop_s: float) -> None:
    """Sets `stop` at SIGTERM or SIGINT. After `stop_s` seconds more, or at the second signal, the process is gone.

    That needs neither the event loop nor Python: whatever hangs then says where on standard error, and the exit code
    is 1. Call it from the main thread, within the event loop.
    """
    loop, gevraagd = asyncio.get_running_loop(), False

    def vraag_of_verlaat(signaal: int, frame: FrameType | None) -> None:
        nonlocal gevraagd
        if gevraagd:
            os._exit(1)
        gevraagd = True
        faulthandler.dump_traceback_later(stop_s, exit=True)
        loop.call_soon_threadsafe(stop.set)

    for signaal in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signaal, vraag_of_verlaat)
