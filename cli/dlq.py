"""`berichtenstroom dlq`: what was set aside because it could not be read, and offering it again."""

import asyncio
from collections.abc import Iterable
from typing import Annotated, Any

import typer
from aiokafka.errors import KafkaError

from avro.codec import SOORTEN
from cli import vertoon
from cli.hulp import Opdrachten
from cli.lag import KafkaWeg
from cli.opties import Data, Json, Mislukt, instellingen
from cli.wijzigen import Ja, WijzigFout, bevestig
from domain.tijd import schrijf_tijd
from domain.wijzigingen import Wijzigingen
from streams.codec import maak_codec
from streams.dlq import Onbruikbaar, lees_dlq
from streams.herstel import Aanbod, Besluit, Uitslag, als_rij, herstel
from streams.referentie import ReferentieFout
from streams.referentieschrijver import ReferentieSchrijver
from streams.settings import Instellingen

app = Opdrachten(no_args_is_help=True, help="Dead letters: records that could not be read, and went to topic dlq.")

Topic = Annotated[str | None, typer.Option("--topic", help="Only from this topic, with or without its prefix.")]
Partitie = Annotated[int | None, typer.Option("--partitie", min=0, help="Only from this partition.")]
Offset = Annotated[int | None, typer.Option("--offset", min=0, help="Only this offset.")]


@app.command(epilog="Example: berichtenstroom dlq toon --topic batch --limit 20")
def toon(
    topic: Topic = None,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Only so many, the latest ones.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """What was set aside, from where and why, the latest last; what a record holds is never shown.

    hersteld_op says when it was last offered again.
    """
    gekozen = instellingen(data)
    gevonden = _kies(gekozen, _lees(gekozen), topic)
    rijen = [_rij(een) for een in gevonden[-limit if limit else 0 :]]
    vertoon.lijst(rijen, json_=json, leeg="nothing was set aside")


@app.command(
    "herstel",
    epilog="Examples: berichtenstroom dlq herstel --ja · berichtenstroom dlq herstel --topic batch --partitie 0 "
    "--offset 17 · berichtenstroom dlq herstel --topic berichttype --offset 5 --zet-terug",
)
def herstel_(
    topic: Topic = None,
    partitie: Partitie = None,
    offset: Offset = None,
    zet_terug: Annotated[
        bool,
        typer.Option("--zet-terug", help="Of a leverancier or berichttype: its last state that can be read counts."),
    ] = False,
    verwijder: Annotated[
        bool, typer.Option("--verwijder", help="Of the reference data: this thing is gone, or never was ours.")
    ] = False,
    ja: Ja = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """Offer what was set aside again, by reading it from its origin. Doing it twice changes nothing.

    Records of batch, bericht and logboek that this version can read are copied to the end of their partition; what was
    decided since stands. Decisions, results, notifications and what waits are made anew by the line itself, and are
    refused. What cannot be read of the reference data may have taken something away, so a person must say what
    became of it, one thing at a time, with --zet-terug or --verwijder: until then nothing is decided.
    Exit code 1 when any is still unreadable, gone, or refused, and when the offset named is not a dead letter.
    """
    besluit = _besluit(zet_terug=zet_terug, verwijder=verwijder)
    if besluit is not None and (topic is None or offset is None):
        raise typer.BadParameter("needs --topic and --offset: one thing at a time", param_hint=str(besluit))
    gekozen = instellingen(data)
    alles = _lees(gekozen)
    if topic is not None and offset is not None:
        alles += _genoemd(gekozen, alles, topic, offset)
    te_doen = [
        een
        for een in _kies(gekozen, alles, topic)
        if partitie in (None, een.partitie)
        and offset in (None, een.offset)
        and (not een.hersteld_op or offset is not None)
    ]
    if not te_doen and topic is not None and offset is not None:
        plaats = f"{topic}{'' if partitie is None else f'[{partitie}]'} offset {offset}"
        raise WijzigFout(f"{plaats} is not a dead letter that is still known: 'dlq toon' lists those that are")
    if te_doen and not ja:
        bevestig(_vraag(te_doen, besluit))
    gedaan = asyncio.run(_herstel(gekozen, te_doen, besluit)) if te_doen else []
    vertoon.lijst([als_rij(een) for een in gedaan], json_=json, leeg="there is nothing to offer again")
    if any(een.uitslag not in (Uitslag.AANGEBODEN, Uitslag.AL_AANGEBODEN) for een in gedaan):
        raise Mislukt


def _besluit(*, zet_terug: bool, verwijder: bool) -> Besluit | None:
    if zet_terug and verwijder:
        raise typer.BadParameter("either this or --verwijder", param_hint="--zet-terug")
    if zet_terug:
        return Besluit.ZET_TERUG
    return Besluit.VERWIJDER if verwijder else None


def _vraag(te_doen: list[Onbruikbaar], besluit: Besluit | None) -> str:
    eerste = te_doen[0]
    if besluit is Besluit.ZET_TERUG:
        return f"Does the state before {eerste.topic}@{eerste.offset} count? What that record took away comes back."
    if besluit is Besluit.VERWIJDER:
        return f"Remove the thing of {eerste.topic}@{eerste.offset}, an earlier state too?"
    return f"Offer {len(te_doen)} record(s) again, the first from {eerste.topic}?"


def _genoemd(gekozen: Instellingen, bekend: Iterable[Onbruikbaar], topic: str, offset: int) -> list[Onbruikbaar]:
    """A record of the reference data need not have been set aside yet: where all stands still, nobody does that."""
    soort = topic.removeprefix(gekozen.topic_prefix)
    wat = Onbruikbaar(gekozen.topic(soort), 0, offset, "named by hand", 0)
    is_nieuw = soort in SOORTEN and all(een.plaats != wat.plaats for een in bekend)
    return [wat] if is_nieuw else []


def _lees(gekozen: Instellingen) -> list[Onbruikbaar]:
    try:
        return asyncio.run(lees_dlq(gekozen, maak_codec(gekozen)))
    except KafkaError as fout:
        raise KafkaWeg(f"Kafka at {gekozen.kafka} does not answer: {type(fout).__name__}") from fout


def _kies(gekozen: Instellingen, alles: Iterable[Onbruikbaar], topic: str | None) -> list[Onbruikbaar]:
    return [een for een in alles if topic in (None, een.topic, een.topic.removeprefix(gekozen.topic_prefix))]


async def _herstel(gekozen: Instellingen, te_doen: list[Onbruikbaar], besluit: Besluit | None) -> list[Aanbod]:
    codec = maak_codec(gekozen)
    try:
        gedaan = [een async for een in herstel(gekozen, codec, te_doen, besluit)]
        terug = {gekozen.topic(soort) for soort in SOORTEN}
        if any(een.uitslag is Uitslag.AANGEBODEN and een.wat.topic in terug for een in gedaan):
            await _wacht_op_volgers(gekozen)
    except KafkaError as fout:
        raise KafkaWeg(f"Kafka at {gekozen.kafka} does not answer: {type(fout).__name__}") from fout
    return gedaan


async def _wacht_op_volgers(gekozen: Instellingen) -> None:
    """Returns when all running processes apply what was decided."""
    try:
        await ReferentieSchrijver(gekozen, maak_codec(gekozen)).wijzig(lambda _: Wijzigingen([]), door="")
    except ReferentieFout as fout:
        raise WijzigFout(f"it is done, but: {fout}") from fout


def _rij(een: Onbruikbaar) -> dict[str, Any]:
    return {
        "topic": een.topic,
        "partitie": een.partitie,
        "offset": een.offset,
        "reden": een.reden,
        "gezien_op": schrijf_tijd(een.gezien_op),
        "hersteld_op": schrijf_tijd(een.hersteld_op) if een.hersteld_op else None,
    }
