"""The two persons of a machtiging, from standard input: a BSN belongs on no command line, and in no text we make."""

import json
import sys
from typing import Any

import typer
from pydantic import ValidationError

from cli import vertoon
from domain.laadbestand import Bsn, Regel

VORM = '{"belanghebbende": "<BSN>", "gemachtigde": "<BSN>"}'
"""What standard input has to hold."""

_MAX_BYTES = 10_000
"""More than the document can need."""


class Personen(Regel):
    """By BSN of nine digits; neither is shown when this is printed."""

    belanghebbende: Bsn
    gemachtigde: Bsn


def lees_personen() -> Personen:
    """The JSON document on standard input. Raises BadParameter, which names fields and rules and quotes no value."""
    if sys.stdin.isatty():
        vertoon.fout.print(f"type {VORM}, then Ctrl-D; or: < personen.json", highlight=False, markup=False)
    try:
        invoer = sys.stdin.buffer.read(_MAX_BYTES + 1)
        if len(invoer) > _MAX_BYTES:
            raise ValueError
        return Personen.model_validate(json.loads(invoer, object_pairs_hook=_eenmalig))
    except ValidationError as fout:
        regels = [_regel(een) for een in fout.errors(include_input=False, include_url=False, include_context=False)]
    except _Dubbel:
        regels = ["a key stands twice"]
    except (ValueError, RecursionError):
        regels = [f"not a JSON document of at most {_MAX_BYTES} bytes"]
    raise typer.BadParameter(f"{'; '.join(regels)}: it must hold {VORM}", param_hint="standard input")


def _regel(fout: Any) -> str:
    """What is wrong where; the name of a key that does not belong here may be a BSN itself."""
    veld = next((str(deel) for deel in fout["loc"]), "the document")
    bekend = veld in Personen.model_fields or not fout["loc"]
    return f"{veld if bekend else 'another key'}: {fout['msg'].removeprefix('Value error, ')}"


class _Dubbel(Exception):
    """A key stands twice, so that it is not sure who is meant."""


def _eenmalig(paren: list[tuple[str, object]]) -> dict[str, object]:
    if len(paren) != len(eenmalig := dict(paren)):
        raise _Dubbel
    return eenmalig
