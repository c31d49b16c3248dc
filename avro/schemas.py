"""The schemas beside this file, and the ids under which they stand in Confluent's wire format.

`index.json` gives every version that ever was on a topic its id; the newest version of a subject is the one written.
A registry, when one is configured, hands out its own ids: see `avro.registry`. How to change a schema:
docs/contributors.md.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

from fastavro.schema import parse_schema

MAP = Path(__file__).parent


class OnbekendSchema(Exception):
    """No schema has this id."""


@dataclass(frozen=True, slots=True)
class Versie:
    """One version of a schema."""

    id: int
    onderwerp: str
    """The subject: the name of the topic, without prefix."""
    versie: int
    tekst: str
    """The schema as JSON text."""


class Schemas(Protocol):
    """Where ids come from and what they mean."""

    def id_van(self, onderwerp: str) -> int:
        """The id under which this subject is written. Raises OnbekendSchema."""
        ...

    def schema(self, schema_id: int) -> Any:
        """The parsed schema of an id. Raises OnbekendSchema when there is none."""
        ...


@cache
def versies() -> tuple[Versie, ...]:
    """All versions in the index, oldest first."""
    index = json.loads((MAP / "index.json").read_text())
    return tuple(
        Versie(regel["id"], regel["onderwerp"], regel["versie"], (MAP / regel["bestand"]).read_text())
        for regel in index["schemas"]
    )


@cache
def huidige(onderwerp: str) -> Versie:
    """The newest version of a subject. Raises OnbekendSchema."""
    gevonden = [versie for versie in versies() if versie.onderwerp == onderwerp]
    if not gevonden:
        raise OnbekendSchema(f"avro/index.json has no schema for {onderwerp}")
    return max(gevonden, key=lambda versie: versie.versie)


@cache
def ontleed(tekst: str) -> Any:
    """A schema text, parsed once."""
    return parse_schema(json.loads(tekst))


class IndexSchemas:
    """The ids of `index.json`: what is used without a registry."""

    def id_van(self, onderwerp: str) -> int:
        """See `Schemas`."""
        return huidige(onderwerp).id

    def schema(self, schema_id: int) -> Any:
        """See `Schemas`."""
        for versie in versies():
            if versie.id == schema_id:
                return ontleed(versie.tekst)
        raise OnbekendSchema(f"no schema has id {schema_id}")
