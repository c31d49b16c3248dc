"""How fast events are written and read: our slices of columns, beside the same messages as one Avro record each.

Both run in turn in one process, on the same messages, and both end at Python objects, so the ratios mean something;
the absolute figures belong to this machine and this moment. Kafka is not part of it: there, one record a message costs
more still.
"""

import dataclasses
import random
import statistics
import time
import uuid
from collections.abc import Callable
from io import BytesIO
from typing import Any

from fastavro import parse_schema, schemaless_reader, schemaless_writer

from avro.codec import Codec
from domain.batch import Batch, Berichten, Kader, splits

BERICHTEN = 1000
PARTITIES = 8
TEKST = 300
"""Characters of a message's text."""
RONDEN = 15

RECORD = parse_schema(
    {
        "type": "record",
        "name": "Bericht",
        "fields": [
            *(
                {"name": naam, "type": "string"}
                for naam in ("proceskenmerk", "batch_id", "leverancier", "aangeleverd_door")
            ),
            *({"name": naam, "type": "long"} for naam in ("aangeleverd_op", "aanmaakdatum")),
            *({"name": naam, "type": "int"} for naam in ("totaal", "nummer")),
            {"name": "bericht_id", "type": {"type": "fixed", "name": "Guid", "size": 16}},
            *(
                {"name": naam, "type": "string"}
                for naam in ("berichttype", "gebruiker", "onderwerp", "tekst", "referentie")
            ),
            *({"name": naam, "type": "long"} for naam in ("publicatiedatum", "einddatum")),
            {"name": "schema_fout", "type": "string"},
        ],
    }
)


def maak_batch() -> Batch:
    """A full batch with texts and no bijlagen; the BSNs are all the same number that nobody has."""
    willekeur = random.Random(1)
    kader = Kader(uuid.UUID(int=1), uuid.UUID(int=2), "00000099000000001000", "00000099000000001000", 1, 2, BERICHTEN)
    berichten = Berichten(
        nummers=list(range(1, BERICHTEN + 1)),
        bericht_ids=willekeur.randbytes(16 * BERICHTEN),
        berichttypes=["AANSLAG"] * BERICHTEN,
        gebruikers=b"000000000" * BERICHTEN,
        onderwerpen=[f"Uw aanslag {nummer}" for nummer in range(BERICHTEN)],
        teksten=["".join(willekeur.choices("abcdefgh ", k=TEKST)) for _ in range(BERICHTEN)],
        referenties=[f"ref-{nummer}" for nummer in range(BERICHTEN)],
        publicatiedatums=[0] * BERICHTEN,
        einddatums=[0] * BERICHTEN,
        schema_fouten=[""] * BERICHTEN,
    )
    return Batch(kader, berichten)


def als_records(batch: Batch) -> list[dict[str, Any]]:
    """The same, one record a message, with the frame in each."""
    kader, berichten = dataclasses.asdict(batch.kader), batch.berichten
    kader |= {"proceskenmerk": str(batch.kader.proceskenmerk), "batch_id": str(batch.kader.batch_id)}
    return [
        kader
        | {
            "nummer": berichten.nummers[rij],
            "bericht_id": berichten.bericht_id(rij),
            "berichttype": berichten.berichttypes[rij],
            "gebruiker": berichten.gebruiker(rij),
            "onderwerp": berichten.onderwerpen[rij],
            "tekst": berichten.teksten[rij],
            "referentie": berichten.referenties[rij],
            "publicatiedatum": berichten.publicatiedatums[rij],
            "einddatum": berichten.einddatums[rij],
            "schema_fout": berichten.schema_fouten[rij],
        }
        for rij in range(len(berichten))
    ]


def schrijf_record(record: dict[str, Any]) -> bytes:
    """One message as Avro."""
    buffer = BytesIO()
    schemaless_writer(buffer, RECORD, record)
    return buffer.getvalue()


def main() -> None:
    """Prints messages a second for both, and the ratios."""
    codec, batch = Codec(), maak_batch()
    slices = list(splits(batch, PARTITIES).values())
    slice_bytes = [codec.schrijf_batch(slice_, "bericht") for slice_ in slices]
    records = als_records(batch)
    record_bytes = [schrijf_record(record) for record in records]
    werk: dict[str, Callable[[], object]] = {
        "write slices": lambda: [codec.schrijf_batch(slice_, "bericht") for slice_ in slices],
        "write records": lambda: [schrijf_record(record) for record in records],
        "read slices": lambda: [codec.lees_batch(inhoud, "bericht") for inhoud in slice_bytes],
        "read records": lambda: [schemaless_reader(BytesIO(inhoud), RECORD, None) for inhoud in record_bytes],
    }
    duren: dict[str, list[float]] = {naam: [] for naam in werk}
    for _ in range(RONDEN):
        for naam, doe in werk.items():
            begin = time.perf_counter()
            doe()
            duren[naam].append(time.perf_counter() - begin)
    midden = {naam: statistics.median(gemeten) for naam, gemeten in duren.items()}
    print(f"{BERICHTEN} messages of {TEKST} characters in {PARTITIES} slices; median of {RONDEN} rounds")
    for naam, duur in midden.items():
        print(f"  {naam:14} {BERICHTEN / duur:12,.0f} messages/s")
    for richting in ("write", "read"):
        ratio = midden[f"{richting} records"] / midden[f"{richting} slices"]
        print(f"  {richting}: slices {ratio:.1f} times as fast as records")
    print(f"  bytes: slices {sum(map(len, slice_bytes)) / sum(map(len, record_bytes)):.2f} times those of records")


if __name__ == "__main__":
    main()
