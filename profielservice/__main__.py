"""`python -m profielservice`: the reference profile service as a process."""

import argparse
import logging
import socket
import sys
import traceback
from pathlib import Path

from aiohttp import web

from profielservice.opslag import Opslag
from profielservice.server import Profielserver


class ZonderTekst(logging.Filter):
    """Keeps the kind of an exception and its place, not its text: aiohttp's quote the bytes of a broken request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; every record passes."""
        if record.exc_info and record.exc_info[0]:
            soort, _, spoor = record.exc_info
            record.msg = f"{record.getMessage()}: {soort.__name__}\n{''.join(traceback.format_tb(spoor))}"
            record.args, record.exc_info = (), None
        return True


def main() -> int:
    """Serve until SIGTERM or Ctrl-C, finish what is being answered, and end with 0; 1 when it cannot start."""
    ontleder = argparse.ArgumentParser(
        prog="python -m profielservice",
        description="The reference profile service: SOAP 1.1 on /, WSDL on /?wsdl.",
        epilog="example: python -m profielservice --poort 8083 --data .data/profielservice",
    )
    ontleder.add_argument("--poort", type=int, required=True, help="TCP port; 0 takes a free one")
    ontleder.add_argument("--host", default="127.0.0.1", help="address to listen on (default %(default)s)")
    ontleder.add_argument(
        "--data", type=Path, help="folder to keep the citizens in; without it they are kept in memory"
    )
    opties = ontleder.parse_args()

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("aiohttp.server").addFilter(ZonderTekst())
    familie = socket.AF_INET6 if ":" in opties.host else socket.AF_INET
    try:
        opslag = Opslag(opties.data)
        luisteraar = socket.create_server((opties.host, opties.poort), family=familie)
    except (OSError, RuntimeError) as fout:
        print(f"the profile service cannot start: {fout}", file=sys.stderr)
        return 1
    host = f"[{opties.host}]" if familie == socket.AF_INET6 else opties.host
    print(f"profile service on http://{host}:{luisteraar.getsockname()[1]}/", flush=True)
    web.run_app(Profielserver(opslag).app(), sock=luisteraar, access_log=None, print=None)
    return 0


if __name__ == "__main__":
    sys.exit(main())
