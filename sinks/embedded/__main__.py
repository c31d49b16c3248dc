"""Runs the embedded ClickHouse in the foreground until SIGTERM or SIGINT."""

import argparse
import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from sinks.embedded.engine import Engine, EngineError
from sinks.embedded.server import Front, Limits
from streams.settings import Instellingen, wat_is_er_mis
from streams.verbinding import VerbindingFout, wachtwoord

_log = logging.getLogger("sinks.embedded")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m sinks.embedded",
        description="The ClickHouse engine on one folder, behind ClickHouse's HTTP interface. Environment: "
        "BERICHTENSTROOM_CLICKHOUSE_WACHTWOORD (or …_BESTAND, a file), the password of user 'default' (default: none).",
        epilog="example: python -m sinks.embedded --data .data/clickhouse --poort 8123",
    )
    parser.add_argument("--data", type=Path, required=True, metavar="DIR", help="the folder, made if it is not there")
    parser.add_argument("--poort", type=int, required=True, metavar="PORT", help="the port to listen on")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    parser.add_argument("--queries", type=int, default=16, help="how many run at the same time (default: %(default)s)")
    parser.add_argument(
        "--wait",
        type=float,
        default=10.0,
        help="seconds that one more waits before it is refused (default: %(default)s)",
    )
    drain = "seconds that running queries get at a stop before they are cancelled (default: %(default)s)"
    parser.add_argument("--drain", type=float, default=10.0, help=drain)
    parser.add_argument(
        "--memory",
        type=float,
        default=0.0,
        metavar="GIB",
        help="for all queries together (default: half the machine's)",
    )
    parser.add_argument(
        "--no-fsync",
        action="store_true",
        help="don't flush every insert to the disk: faster, loses rows when power is lost",
    )
    return parser.parse_args()


async def _serve(arguments: argparse.Namespace, engine: Engine, password: str) -> int:
    front = Front(
        engine,
        Limits(arguments.queries, arguments.wait),
        password,
    )
    runner = web.AppRunner(
        front.application(),
        access_log=None,
        auto_decompress=False,  # we unpack more codings than aiohttp, and piece by piece
        handler_cancellation=True,
        shutdown_timeout=2.0,
        max_line_size=1024 * 1024,  # as a server's http_max_uri_size
        read_bufsize=256 * 1024,
    )
    await runner.setup()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await web.TCPSite(runner, arguments.host, arguments.poort).start()
    except OSError as error:
        print(f"cannot listen on {arguments.host}:{arguments.poort}: {error.strerror}", file=sys.stderr)
        return 1
    _log.info("ClickHouse %s on http://%s:%s", engine.version, arguments.host, arguments.poort)
    await stop.wait()
    ended = await front.drain(arguments.drain)
    await runner.cleanup()
    if not ended:
        _log.error("the engine did not stop its questions in time: ending without it")
        os._exit(1)  # closing the engine under a running question would crash or hang
    return 0


def main() -> int:
    """The exit code: 0 stopped in order, 1 could not start or stop (one line on stderr says why)."""
    arguments = _arguments()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        password = wachtwoord("clickhouse", Instellingen.laad()) or ""
        engine = Engine(arguments.data, not arguments.no_fsync, int(arguments.memory * 1024**3))
    except ValidationError as error:
        print(f"wrong setting: {wat_is_er_mis(error)}", file=sys.stderr)
        return 1
    except (EngineError, VerbindingFout) as error:
        print(error, file=sys.stderr)
        return 1
    try:
        return asyncio.run(_serve(arguments, engine, password))
    finally:
        engine.close()


if __name__ == "__main__":
    sys.exit(main())
