"""The embedded ClickHouse as a child process."""

import contextlib
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.broker import sterf_met_ouder, vrije_poort

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class EmbeddedClickHouse:
    """The embedded ClickHouse on folder `data`, in a process of its own that dies with ours; a context manager.

    Without `poort` a free one is taken; started again it keeps it. Its log goes to `<data>/front.log`. `options` are
    passed on (see `python -m sinks.embedded --help`). Start it from a thread that lives as long as it must
    (see `sterf_met_ouder`).
    """

    def __init__(self, data: Path, poort: int | None = None, *options: str) -> None:
        self.data = data
        self.poort = poort or vrije_poort()
        self.url = f"http://127.0.0.1:{self.poort}"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id. Raises RuntimeError when it was not started."""
        if self._process is None:
            raise RuntimeError("the embedded ClickHouse was not started")
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers. Raises RuntimeError, with its last line, when it ends before or takes too long."""
        self.data.mkdir(parents=True, exist_ok=True)
        log = self.data / "front.log"
        command = [sys.executable, "-m", "sinks.embedded", "--data", str(self.data), "--poort", str(self.poort)]
        with log.open("ab") as sink:
            self._process = subprocess.Popen(
                [*command, *self._options],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                preexec_fn=sterf_met_ouder,
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if self._process.poll() is not None:
                lines = log.read_text(errors="replace").splitlines()
                raise RuntimeError(
                    f"the embedded ClickHouse did not start: {lines[-1] if lines else 'no reason given'}"
                )
            if time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the embedded ClickHouse did not answer in {START_SECONDS:.0f} s (log: {log})")
            time.sleep(0.05)

    def stop(self) -> int:
        """Stops it in order (SIGTERM), kills it after a while; gives its exit code, 0 when it was not running."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it as a crash would (SIGKILL)."""
        self._end(signal.SIGKILL)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _answers(self) -> bool:
        with (
            contextlib.suppress(urllib.error.URLError, OSError),
            urllib.request.urlopen(  # noqa: S310
                f"{self.url}/ping", timeout=1
            ),
        ):
            return True
        return False

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()
