"""What commands print: a table for people, or one JSON document for machines."""

import json
import sys
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_BREED = 100_000
"""Columns where nobody's terminal sets a width: no line of a file or a pipe is wrapped."""

uit = Console(width=None if sys.stdout.isatty() else _BREED)
fout = Console(stderr=True, width=None if sys.stderr.isatty() else _BREED)


def meld(tekst: str) -> None:
    """A line on standard error, as it is: only the terminal breaks it."""
    fout.print(tekst, highlight=False, markup=False, soft_wrap=True)


def als_json(document: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2) + "\n")


def lijst(rijen: Sequence[dict[str, Any]], *, json_: bool, leeg: str = "nothing to show") -> None:
    """A list of alike things; one below the other where the terminal is too narrow for the table."""
    if json_:
        als_json(rijen)
        return
    if not rijen:
        fout.print(leeg)
        return
    genest = dict.fromkeys(naam for rij in rijen for naam, waarde in rij.items() if _is_lijst_van_dingen(waarde))
    kolommen = [naam for naam in rijen[0] if naam not in genest]
    tabel = Table()
    for naam in kolommen:
        tabel.add_column(naam, no_wrap=True)
    for rij in rijen:
        tabel.add_row(*(Text(_cel(rij[naam])) for naam in kolommen))  # what people typed is no markup
    if Measurement.get(uit, uit.options.update(width=_BREED), tabel).maximum <= uit.width:
        uit.print(tabel)
    else:
        _onder_elkaar(rijen, kolommen)
    for rij in rijen:
        for naam in genest:
            if rij[naam]:
                lijst(rij[naam], json_=False)


def _onder_elkaar(rijen: Sequence[dict[str, Any]], kolommen: Sequence[str]) -> None:
    """Each thing as lines of its own, which only the terminal breaks: a key that is cut is of no use."""
    breed = max(map(len, kolommen))
    for plaats, rij in enumerate(rijen):
        if plaats:
            uit.print()
        for naam in kolommen:
            uit.print(Text.assemble((naam.ljust(breed), "bold"), "  ", _cel(rij[naam])), soft_wrap=True)


def _is_lijst_van_dingen(waarde: Any) -> bool:
    return isinstance(waarde, list) and bool(waarde) and isinstance(waarde[0], dict)


def _cel(waarde: Any) -> str:
    if waarde is None:
        return "–"
    if isinstance(waarde, bool):
        return "ja" if waarde else "nee"
    if isinstance(waarde, float):
        return f"{waarde:.3f}"
    if isinstance(waarde, list):
        return ", ".join(map(str, waarde))
    if isinstance(waarde, dict):
        return ", ".join(f"{naam}: {_cel(een)}" for naam, een in waarde.items())
    return str(waarde)
