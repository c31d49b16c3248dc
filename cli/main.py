"""The command line `berichtenstroom`: what each command takes and prints. What they do stands in the other files."""

import asyncio
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from clickhouse_connect.driver.exceptions import Error as ClickHouseError
from pydantic import ValidationError

from aanlevering.weigering import NietAangeleverd
from cli import (
    berichttype,
    bijlage,
    dienst,
    dlq,
    inzage,
    leverancier,
    logboek,
    machtiging,
    opruimen,
    sleutels,
    stapel,
    vertoon,
    verzoek,
    vraagopdrachten,
    wachten,
)
from cli.hulp import Opdrachten
from cli.laad import LaadFout, laad
from cli.lag import KafkaWeg
from cli.opties import (
    Data,
    Json,
    Mislukt,
    instellingen,
    vragen,
)
from cli.wijzigen import Door, WijzigFout
from domain.oin import is_oin
from sinks.bewaren import termijnen, zet_termijnen
from sinks.database import DatabaseWeg, verbind
from sinks.migreer import MigratieGeweigerd, TabellenOntbreken, migreer
from sinks.objecten import OpslagWeg
from sinks.stroomvragen import Teruggezet
from sinks.vragen import Dubbelzinnig
from streams import topics
from streams.broker import BrokerError
from streams.fence import LogVerdwenen
from streams.logboeksleutels import Verminkt
from streams.settings import ENDPOINTS, Instellingen, wat_is_er_mis
from streams.sleutels import SleutelFout
from streams.topics import TopicFout
from streams.verbinding import VerbindingFout

app = Opdrachten(
    name="berichtenstroom",
    help="The line from a delivered batch of government messages to Totalen.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)

BEKENDE_FOUTEN = (
    BrokerError,
    ClickHouseError,
    DatabaseWeg,
    Dubbelzinnig,
    KafkaWeg,
    LaadFout,
    LogVerdwenen,
    MigratieGeweigerd,
    OpslagWeg,
    SleutelFout,
    TabellenOntbreken,
    Teruggezet,
    TopicFout,
    Verminkt,
    VerbindingFout,
    WijzigFout,
    NietAangeleverd,
    stapel.StapelFout,
    verzoek.VerzoekFout,
    OSError,
)
"""Errors whose text is for the user: one line, exit code 1."""


app.add_typer(vraagopdrachten.app)
app.add_typer(bijlage.app)
app.add_typer(berichttype.app, name="berichttype")
app.add_typer(leverancier.app, name="leverancier")
app.add_typer(sleutels.app, name="sleutels")
app.add_typer(dienst.app, name="dienst")
app.add_typer(machtiging.app, name="machtiging")
app.add_typer(inzage.app)
app.add_typer(logboek.app)
app.add_typer(opruimen.app)
app.add_typer(dlq.app, name="dlq")


@app.command(epilog="Example: berichtenstroom up --workers 2")
def up(
    data: Data = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="How many worker processes (default: 1). Asked of the stack, if it runs."),
    ] = None,
    herstart: Annotated[
        bool, typer.Option("--herstart", help="Restart the workers of the running stack, one after another.")
    ] = False,
    no_portal: Annotated[bool, typer.Option("--no-portal", help="Leave the portal out.")] = False,
) -> None:
    """Start the embedded stack (broker, ClickHouse, profile service, aanlevering, workers) and stay until Ctrl-C.

    When it runs already: with --workers it gets that many, with --herstart its workers start anew one after another.
    """
    del no_portal  # there is no portal to leave out yet
    gekozen = instellingen(data)
    gekozen = gekozen.model_copy(update={"data": gekozen.data.absolute()})
    if herstart and not stapel.draait(gekozen.data):
        raise stapel.StapelFout(f"no stack runs on {gekozen.data}: nothing to restart")
    try:
        _draai(gekozen, workers or 1)
    except stapel.DraaitAl:
        if workers is None and not herstart:
            raise
        aantal = verzoek.vraag(gekozen.data, workers, herstart=herstart, draait=lambda: stapel.draait(gekozen.data))
        vertoon.uit.print(f"workers that are ready: {aantal}", highlight=False)


def _draai(gekozen: Instellingen, workers: int) -> None:
    """The stack on this data folder, until a signal. Raises StapelFout, and DraaitAl at once."""
    stop = threading.Event()
    with stapel.alleen_wij(gekozen.data):
        _bij_signaal(stop.set, gekozen.data)
        alles = stapel.Stapel(gekozen, workers, meld=vertoon.meld, stop_gevraagd=stop)
        try:
            alles.start()
            if not stop.is_set():
                vertoon.meld(f"ready; addresses in {gekozen.data / 'endpoints.json'}; Ctrl-C stops")
            while not stop.wait(0.2):
                alles.bewaak()
        finally:
            vertoon.meld("stopping")
            alles.stop()


@app.command("worker", epilog="Example: BERICHTENSTROOM_KAFKA=kafka:9092 berichtenstroom worker")
def worker_(data: Data = None) -> None:
    """Run one worker process against given addresses, until SIGTERM."""
    from cli import worker  # Faust and all it brings: half of what every other command would take to start

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    for spraakzaam in ("httpx", "aiokafka", "faust", "mode"):
        logging.getLogger(spraakzaam).setLevel(logging.WARNING)
    raise typer.Exit(worker.main(instellingen(data)))


@app.command("laad", epilog="Example: berichtenstroom laad referentiegegevens.json")
def laad_(
    bestand: Annotated[Path, typer.Argument(metavar="FILE", help="JSON with leveranciers, berichttypes, diensten, …")],
    door: Door = "",
    data: Data = None,
    json: Json = False,
) -> None:
    """Merge FILE into the reference data; returns when all running processes apply it."""
    verslag = asyncio.run(laad(instellingen(data), bestand, door))
    if json:
        vertoon.als_json(verslag.json())
        return
    for tekst in verslag.wijzigingen:
        vertoon.uit.print(tekst, highlight=False, markup=False, soft_wrap=True)
    for tekst in verslag.opmerkingen:
        vertoon.meld(f"note: {tekst}")
    if verslag.gebruikers:
        nieuw, gewijzigd, gelijk = (verslag.gebruikers.get(wat, 0) for wat in ("nieuw", "gewijzigd", "gelijk"))
        vertoon.uit.print(f"gebruikers: {nieuw} new, {gewijzigd} changed, {gelijk} as they were", highlight=False)
    if not verslag.wijzigingen:
        vertoon.uit.print("nothing changed in the topics")


@app.command(epilog="Example: berichtenstroom aanleveren batches/ --oin 00000099000000001000")
def aanleveren(
    paden: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="GLOBE XML files (*.xml, *.xml.gz), or folders.")
    ],
    oin: Annotated[str | None, typer.Option(help="OIN of the sender (default: as in each file).")] = None,
    controleer: Annotated[bool, typer.Option("--controleer", help="Only check and tell; deliver nothing.")] = False,
    certificaat: Annotated[Path | None, typer.Option(help="Client certificate with your OIN (PEM).")] = None,
    sleutel: Annotated[Path | None, typer.Option(help="The private key that goes with it (PEM).")] = None,
    ca: Annotated[Path | None, typer.Option(help="CAs to trust the door by (PEM; default: the system's).")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Deliver batches, with a progress bar. Exit code 1 when any was refused."""
    if oin is not None and not is_oin(oin):
        raise typer.BadParameter("not an OIN: 20 positions that start with a known prefix", param_hint="--oin")
    from cli import aanleveren as opdracht  # what reads and sends batches, which no other command does

    if controleer:
        opdracht.controleer(paden, json_=json)
    else:
        gekozen = instellingen(data)
        toegang = (
            certificaat or gekozen.client_certificaat,
            sleutel or gekozen.client_sleutel,
            ca or gekozen.client_ca,
        )
        opdracht.lever_aan(paden, gekozen.aanlevering, oin, toegang, json_=json)


@app.command(epilog="Example: berichtenstroom wacht --timeout 600")
def wacht(
    timeout: Annotated[float | None, typer.Option(min=0, help="Seconds to wait at most (default: no limit).")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Return when every delivered batch is afgerond and visible; exit code 1 on time-out, saying what is open."""
    gekozen = instellingen(data)
    with vragen(data) as naslag, vertoon.fout.status("waiting") as stand:

        def meld(open_: wachten.Open) -> None:
            stand.update(f"waiting for {open_.niet_gelezen} batches to be seen and {len(open_.runs)} runs to be done")

        open_ = wachten.wacht(gekozen, naslag, timeout, meld)
    if json:
        vertoon.als_json({"klaar": not open_, "niet_gelezen": open_.niet_gelezen, "open": open_.runs})
    elif open_:
        vertoon.fout.print(f"time is up: {open_.niet_gelezen} batches not seen yet, {len(open_.runs)} runs open")
        if open_.runs:
            vertoon.lijst(open_.runs, json_=False)
    else:
        vertoon.uit.print("every delivered batch is afgerond")
    if open_:
        if reden := wachten.duisternis(gekozen):
            vertoon.meld(reden)
        raise Mislukt


@app.command("topics", epilog="Example: BERICHTENSTROOM_REPLICATIE=3 berichtenstroom topics")
def topics_(data: Data = None, json: Json = False) -> None:
    """Make the topics that are missing, and check those that exist."""
    _regels(topics.maak_topics(instellingen(data)), json_=json)


@app.command("migreer", epilog="Example: berichtenstroom migreer")
def migreer_(data: Data = None, json: Json = False) -> None:
    """Bring the tables and views of ClickHouse to what this version needs, and how long they keep rows."""
    gekozen = instellingen(data)
    client = verbind(gekozen, "")
    try:
        toegepast = [f"applied {naam}" for naam in migreer(client, gekozen.database)]
        toegepast += zet_termijnen(client, gekozen.database, termijnen(gekozen))
    finally:
        client.close()
    _regels(toegepast, json_=json)


def _regels(regels: list[str], *, json_: bool) -> None:
    if json_:
        vertoon.als_json(regels)
    else:
        for regel in regels or ["all is as it should be"]:
            vertoon.uit.print(regel, highlight=False)


def _bij_signaal(doe: Callable[[], object], data: Path) -> None:
    """At the second signal the process is gone at once, and its parts die with it."""
    gevraagd = False

    def doe_of_verlaat(signaal: int, frame: FrameType | None) -> None:
        nonlocal gevraagd
        if gevraagd:
            (data / ENDPOINTS).unlink(missing_ok=True)
            os._exit(1)
        gevraagd = True
        doe()

    for signaal in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signaal, doe_of_verlaat)


def main() -> None:
    """Runs the command line and exits: 0 done, 1 it went wrong, 2 wrong usage."""
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)  # what it logs, its errors say too
    try:
        app()
    except KeyboardInterrupt:
        vertoon.fout.print("stopped")
        sys.exit(1)
    except Mislukt:
        sys.exit(1)
    except ValidationError as fout:
        tekst = f"berichtenstroom: wrong setting: {wat_is_er_mis(fout)}"
        vertoon.fout.print(tekst, style="red", highlight=False, markup=False, soft_wrap=True)
        sys.exit(2)
    except BEKENDE_FOUTEN as fout:
        vertoon.fout.print(f"berichtenstroom: {fout}", style="red", highlight=False, markup=False, soft_wrap=True)
        if isinstance(fout, (DatabaseWeg, KafkaWeg, NietAangeleverd)):
            vertoon.fout.print(
                "Is the stack up? `berichtenstroom up` starts an embedded one; --data names its folder, or "
                "BERICHTENSTROOM_… variables give addresses.",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )
        sys.exit(1)


if __name__ == "__main__":
    main()
