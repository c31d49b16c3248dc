"""Prints every event, column by column, as Markdown: the second half of docs/events.md (`make docs` writes it)."""

import json
from collections.abc import Iterator
from typing import Any

from avro.schemas import huidige, versies


def beschrijf() -> str:
    """The newest version of every schema: its id, its doc, and a table of its columns."""
    onderwerpen = dict.fromkeys(versie.onderwerp for versie in versies())
    return "\n".join(regel for onderwerp in onderwerpen for regel in _event(onderwerp))


def _event(onderwerp: str) -> Iterator[str]:
    versie = huidige(onderwerp)
    schema = json.loads(versie.tekst)
    yield f"## `{onderwerp}`"
    yield ""
    yield schema["doc"]
    yield ""
    yield f"Record `{schema['namespace']}.{schema['name']}`, version {versie.versie}; id {versie.id} in the index"
    yield ""
    yield "| column | type | what it is |"
    yield "| --- | --- | --- |"
    yield from _kolommen(schema, "")
    yield ""


def _kolommen(record: dict[str, Any], voor: str) -> Iterator[str]:
    for veld in record["fields"]:
        yield f"| `{voor}{veld['name']}` | {_soort(veld['type'])} | {veld['doc']} |"
        binnen = veld["type"].get("items") if isinstance(veld["type"], dict) else None
        if isinstance(binnen, dict) and binnen["type"] == "record":
            yield from _kolommen(binnen, f"{voor}{veld['name']}.")


def _soort(soort: Any) -> str:
    """An Avro type in words."""
    if isinstance(soort, str):
        return soort
    if isinstance(soort, list):
        return " or ".join(map(_soort, soort))
    if soort["type"] == "array":
        return f"array of {_soort(soort['items'])}"
    if soort["type"] == "enum":
        return f"one of {', '.join(soort['symbols'])}"
    if soort["type"] == "record":
        return f"record {soort['name']}"
    return str(soort["type"])


if __name__ == "__main__":
    print(beschrijf(), end="")
