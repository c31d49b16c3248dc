"""What commands print: a table for people, or one JSON document for machines."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_BREED = 240
"""Columns where nobody's terminal sets a width."""

uit = Console(width=None if sys.stdout.isatty() else _BREED)
fout = Console(stderr=True)


def als_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def lijst(rijen: Sequence[dict[str, Any]], *, json_: bool, leeg: str = "nothing to show") -> None:
    """A list of alike things."""
    if json_:
        als_json(rijen)
        return
    if not rijen:
        fout.print(leeg)
        return
    kolommen = [
        naam
        for naam, waarde in rijen[0].items()
        if not (isinstance(waarde, list) and waarde and isinstance(waarde[0], dict))
    ]
    tabel = Table()
    for naam in kolommen:
        tabel.add_column(naam, overflow="fold")  # a key that is cut is of no use
    for rij in rijen:
        tabel.add_row(*(Text(_cel(rij[naam])) for naam in kolommen))  # what people typed is no markup
    uit.print(tabel)
    for rij in rijen:
        for waarde in rij.values():
            if isinstance(waarde, list) and waarde and isinstance(waarde[0], dict):
                lijst(waarde, json_=False)


def _cel(waarde: Any) -> str:
    if waarde is None:
        return "–"
    if isinstance(waarde, bool):
        return "ja" if waarde else "nee"
    if isinstance(waarde, float):
        return f"{waarde:.3f}"
    if isinstance(waarde, list):
        return ", ".join(map(str, waarde))
    return str(waarde)
