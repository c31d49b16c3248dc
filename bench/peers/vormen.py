"""How peers read and write: Avro for slices, orjson for one record a message, or for slices too."""

from collections.abc import Callable
from functools import partial
from importlib import import_module

from bench.taak import SLICE_IN, SLICE_UIT, Record, json_uitkomst, lees, schrijf

Leest = Callable[[bytes], Record]
Schrijft = Callable[[Record], bytes]


def lees_en_schrijf(vorm: str) -> tuple[Leest, Schrijft]:
    """How what comes in is read, and what was decided is written. `vorm`: see Opdracht."""
    if vorm == "slices":
        return partial(lees, SLICE_IN), partial(schrijf, SLICE_UIT)
    orjson = import_module("orjson")  # the bench alone has it
    if vorm == "json":
        return orjson.loads, orjson.dumps
    return orjson.loads, lambda slice_: orjson.dumps(json_uitkomst(slice_))
