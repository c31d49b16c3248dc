"""The checker of schema changes: it must catch every change that makes old data unreadable, and no other."""

import copy
import itertools
import json
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from fastavro import schemaless_reader, schemaless_writer
from fastavro.schema import parse_schema
from fastavro.utils import generate_many

from avro.verenigbaar import breuken


def enum(*symbolen: str) -> dict[str, Any]:
    return {"type": "enum", "name": "Code", "symbols": list(symbolen)}


def array(items: str) -> dict[str, Any]:
    return {"type": "array", "items": items}


BASIS: dict[str, Any] = {
    "type": "record",
    "name": "Basis",
    "fields": [
        {"name": "tekst", "type": "string"},
        {"name": "aantal", "type": "int"},
        {"name": "kolom", "type": {"type": "array", "items": "int"}},
        {"name": "misschien", "type": ["null", "long"], "default": None},
        {"name": "code", "type": enum("GOED", "FOUT")},
        {"name": "nog_een_code", "type": "Code"},
        {"name": "vast", "type": {"type": "fixed", "name": "Guid", "size": 16}},
        {"name": "deel", "type": {"type": "record", "name": "Deel", "fields": [{"name": "van", "type": "long"}]}},
        {"name": "delen", "type": {"type": "array", "items": "Deel"}},
        {"name": "per", "type": {"type": "map", "values": "int"}},
    ],
}
Schema = dict[str, Any]
Verandering = Callable[[Schema], object]


def veld(schema: Schema, naam: str) -> Schema:
    gevonden: Schema = next(een for een in schema["fields"] if een["name"] == naam)
    return gevonden


def zet(naam: str, **waarden: Any) -> Verandering:
    return lambda schema: veld(schema, naam).update(waarden)


def erbij(**waarden: Any) -> Verandering:
    return lambda schema: schema["fields"].append(waarden)


def eraf(naam: str) -> Verandering:
    return lambda schema: schema["fields"].remove(veld(schema, naam))


FOUT: list[tuple[str, Verandering, str]] = [
    ("a new field without a default", erbij(name="land", type="string"), "land: new, and without a default"),
    ("another name for a field", zet("tekst", name="inhoud"), "inhoud: new, and without a default"),
    ("a text that became a number", zet("tekst", type="int"), "tekst: string became int"),
    ("a number that became smaller", lambda schema: veld(veld(schema, "deel")["type"], "van").update(type="int"),
     "deel.van: long became int"),
    ("an item of another type", zet("kolom", type=array("string")), "kolom[]: int became string"),
    ("a value of another type", zet("per", type={"type": "map", "values": "string"}), "per{}: int became string"),
    ("one value that became many", zet("aantal", type=array("int")), "aantal: int became array"),
    ("a symbol that is gone", zet("code", type=enum("GOED")), "code: symbol FOUT is gone, and there is no default"),
    ("a null that is no longer allowed", zet("misschien", type="long", default=0), "misschien: null became long"),
    ("a branch that is gone", zet("misschien", type=["null", "string"]),
     "misschien: long is in no branch of the union"),
    ("a fixed of another size", lambda schema: veld(schema, "vast")["type"].update(size=15), "vast: size 16 became 15"),
    ("a record of another name", lambda schema: schema.update(name="Ander"), ": Basis became Ander"),
    ("a field of a part without a default", lambda schema: erbij(name="tot", type="long")(veld(schema, "deel")["type"]),
     "deel.tot: new, and without a default"),
]  # fmt: skip
GOED: list[tuple[str, Verandering]] = [
    ("nothing", lambda schema: None),
    ("a new field with a default", erbij(name="land", type="string", default="NL")),
    ("a field that is gone", eraf("aantal")),
    ("another doc", zet("tekst", doc="another")),
    ("another order", lambda schema: schema["fields"].insert(0, schema["fields"].pop(1))),
    ("a number that became larger", zet("aantal", type="double")),
    ("items that became larger", zet("kolom", type=array("long"))),
    ("a value that may now be null", zet("aantal", type=["null", "int"])),
    ("a new symbol", zet("code", type=enum("FOUT", "GOED", "NIEUW"))),
    ("a symbol that is gone, with a default", zet("code", type=enum("GOED") | {"default": "GOED"})),
    ("another name with the old one as alias", zet("tekst", name="inhoud", aliases=["tekst"])),
    ("text as bytes", zet("tekst", type="bytes")),
]  # fmt: skip


def na(verandering: Verandering) -> Schema:
    schema = copy.deepcopy(BASIS)
    verandering(schema)
    return schema


def leest_alles(lezer: Schema, schrijver: Schema) -> bool:
    """Whether fastavro itself reads a lot of generated data; enums take turns, so that every symbol occurs."""
    lezer, schrijver = parse_schema(copy.deepcopy(lezer)), parse_schema(copy.deepcopy(schrijver))
    for waarde in itertools.chain(generate_many(schrijver, 10)):
        for misschien, code in itertools.product((None, 7), ("GOED", "FOUT")):
            buffer = BytesIO()
            schemaless_writer(buffer, schrijver, waarde | {"misschien": misschien, "code": code})
            buffer.seek(0)
            try:
                schemaless_reader(buffer, schrijver, lezer)
            except Exception:  # fastavro raises many kinds, and every one of them means: not readable
                return False
    return True


@pytest.mark.parametrize(("verandering", "gezegd"), [(v, g) for _, v, g in FOUT], ids=[naam for naam, _, _ in FOUT])
def test_a_change_that_breaks_old_data_is_caught_and_named(verandering: Verandering, gezegd: str) -> None:
    assert gezegd in breuken(na(verandering), BASIS)
    assert not leest_alles(na(verandering), BASIS)


@pytest.mark.parametrize("verandering", [v for _, v in GOED], ids=[naam for naam, _ in GOED])
def test_a_change_that_keeps_old_data_readable_is_allowed(verandering: Verandering) -> None:
    assert breuken(na(verandering), BASIS) == []
    assert leest_alles(na(verandering), BASIS)


def test_a_schema_that_holds_itself_ends() -> None:
    boom = {
        "type": "record",
        "name": "Boom",
        "fields": [{"name": "takken", "type": {"type": "array", "items": "Boom"}, "default": []}],
    }
    ander = json.loads(json.dumps(boom))
    ander["fields"].append({"name": "blad", "type": "string"})
    assert breuken(boom, boom) == []
    assert breuken(ander, boom) == ["blad: new, and without a default"]


def test_a_change_in_the_other_direction_is_another_question() -> None:
    """Taking a symbol in is safe for who reads old data, and not for who reads new data with an old schema."""
    ruimer = na(zet("code", type=enum("GOED", "FOUT", "NIEUW")))
    assert breuken(ruimer, BASIS) == []
    assert "code: symbol NIEUW is gone, and there is no default" in breuken(BASIS, ruimer)
