"""Schema ids from a Confluent-compatible registry."""

from functools import cache
from typing import Any

from confluent_kafka.schema_registry import Schema, SchemaRegistryClient, SchemaRegistryError
from fastavro.schema import SchemaParseException, UnknownType

from avro.schemas import OnbekendSchema, huidige, ontleed


class RegistrySchemas:
    """Registers our schemas under `<topic>-value` when they are first written, and looks up what others wrote.

    Ids are asked for once. Raises OnbekendSchema where the registry does not know an id or refuses a schema; other
    errors of the registry (away, no access) leave as they are, since they say nothing about the record.
    """

    def __init__(self, url: str, prefix: str = "") -> None:
        self._client = SchemaRegistryClient({"url": url})
        self._prefix = prefix
        self.id_van = cache(self._id_van)  # type: ignore[method-assign]
        self.schema = cache(self._schema)  # type: ignore[method-assign]

    def id_van(self, onderwerp: str) -> int:
        """See `avro.schemas.Schemas`."""
        return self._id_van(onderwerp)

    def schema(self, schema_id: int) -> Any:
        """See `avro.schemas.Schemas`."""
        return self._schema(schema_id)

    def _id_van(self, onderwerp: str) -> int:
        naam = f"{self._prefix}{onderwerp}-value"
        return int(self._client.register_schema(naam, Schema(huidige(onderwerp).tekst, "AVRO")))

    def _schema(self, schema_id: int) -> Any:
        try:
            return ontleed(self._client.get_schema(schema_id).schema_str)
        except SchemaRegistryError as fout:
            if fout.http_status_code == 404:
                raise OnbekendSchema(f"no schema has id {schema_id}") from fout
            raise
        except (ValueError, SchemaParseException, UnknownType) as fout:
            raise OnbekendSchema(f"schema id {schema_id} is not Avro") from fout
