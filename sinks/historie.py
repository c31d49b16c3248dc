"""The past of the reference data: every state that a thing had, with who made it so and when."""

from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from avro.gegevens import uit_json
from domain.referentie import Gegeven
from domain.tijd import schrijf_tijd
from domain.wijzigingen import verschil
from sinks.database import vertaal_fouten


@dataclass(frozen=True, slots=True)
class Gebeurtenis:
    """One change. Who and when are None where they were not kept yet."""

    op: int | None
    door: str | None
    wat: str
    """What changed, in words; no pseudonyms."""

    def json(self) -> dict[str, str | None]:
        """For machines, and for tables."""
        return {"op": None if self.op is None else schrijf_tijd(self.op), "door": self.door, "wat": self.wat}


def historie(client: Client, soort: str, sleutel: str) -> list[Gebeurtenis]:
    """The changes of one thing, in order. Raises DatabaseWeg when asking again later may help."""
    with vertaal_fouten():
        rijen = client.query(
            """
            SELECT toUnixTimestamp64Milli(op), door, toestand FROM wijzigingen FINAL
            WHERE soort = {soort:String} AND sleutel = {sleutel:String}
            ORDER BY volgorde
            """,
            parameters={"soort": soort, "sleutel": sleutel},
        ).result_rows
    gebeurtenissen = []
    vorige: Gegeven | None = None
    for op, door, toestand in rijen:
        gegeven = uit_json(soort, toestand)
        gebeurtenissen.append(Gebeurtenis(op or None, door or None, verschil(vorige, gegeven) or "written again"))
        vorige = gegeven
    return gebeurtenissen
