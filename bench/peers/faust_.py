"""Idiomatic Faust: models, an agent that takes messages in groups, and a send for every outcome."""

import asyncio

import faust

from bench.taak import Opdracht, Regels, Tabel, nu_ms, uitkomst


class Bericht(faust.Record, serializer="json"):
    """One message."""

    proceskenmerk: str
    batch_id: str
    leverancier: str
    aangeleverd_door: str
    aangeleverd_op: int
    aanmaakdatum: int
    totaal: int
    nummer: int
    bericht_id: str
    berichttype: str
    gebruiker: str
    onderwerp: str
    tekst: str
    referentie: str
    publicatiedatum: int
    einddatum: int


class Uitkomst(faust.Record, serializer="json"):
    """What became of it."""

    proceskenmerk: str
    batch_id: str
    leverancier: str
    aangeleverd_op: int
    verwerkt_op: int
    nummer: int
    bericht_id: str
    berichttype: str
    code: str


opdracht = Opdracht.lees()
regels, tabel = Regels(opdracht), Tabel(opdracht)
app = faust.App(
    opdracht.groep,
    broker=f"kafka://{opdracht.kafka}",
    datadir=opdracht.map,
    topic_disable_leader=True,
    producer_acks=-1,
    producer_compression_type="lz4",
    producer_linger=0.02,
    producer_max_batch_size=1_000_000,
    stream_buffer_maxsize=16_384,
    broker_max_poll_records=5_000,
    broker_commit_interval=1.0,
)
bron = app.topic(opdracht.onderwerp, value_type=Bericht)
doel = app.topic(opdracht.uitkomst, value_type=Uitkomst)


@app.agent(bron)
async def beslis(berichten: faust.Stream[Bericht]) -> None:
    """Acknowledged when events and rows are durable: `take` does that after each group."""
    async for groep in berichten.take(10_000, within=0.5):
        uitkomsten, verzonden = [], []
        for bericht in groep:
            code = regels.code(bericht.berichttype, bericht.gebruiker)
            gedaan = uitkomst(bericht.asdict(), code, nu_ms())
            verzonden.append(await doel.send(value=Uitkomst(**gedaan)))
            uitkomsten.append(gedaan)
        await asyncio.to_thread(tabel.schrijf, uitkomsten)
        await asyncio.gather(*verzonden)
