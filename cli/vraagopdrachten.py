"""The commands that ask: Totalen, Berichtverwerking, errors and warnings, results, the norm, the lag."""

import sys
import time
from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import typer

from cli import vertoon
from cli.hulp import Opdrachten
from cli.lag import lag
from cli.opties import (
    Afgerond,
    BatchOptie,
    Data,
    Json,
    LeverancierOptie,
    Mislukt,
    OpOptie,
    Runs,
    StatusOptie,
    Tot,
    Van,
    guid,
    instellingen,
    maak_filter,
    tijd,
    vragen,
)
from sinks.antwoord import maak_antwoord, resultaat_json
from sinks.cursor import OngeldigeCursor
from sinks.vragen import Filter, Vragen

app = Opdrachten()


@app.command(epilog="Example: berichtenstroom totalen --op verwerking --van 2026-01-01T00:00:00Z")
def totalen(op: OpOptie = "ontvangst", van: Van = None, tot: Tot = None, data: Data = None, json: Json = False) -> None:
    """What each leverancier sent, and what became of it."""
    filter_ = maak_filter(op, van, tot)
    with vragen(data) as naslag:
        vertoon.lijst(
            naslag.totalen(filter_.op, filter_.van, filter_.tot), json_=json, leeg="no batches in this period"
        )


@app.command(epilog="Example: berichtenstroom berichtverwerking --afgerond nee --limit 20")
def berichtverwerking(
    op: OpOptie = "ontvangst",
    van: Van = None,
    tot: Tot = None,
    leverancier: LeverancierOptie = None,
    batch: BatchOptie = None,
    afgerond: Afgerond = None,
    status: StatusOptie = None,
    runs: Runs = False,
    berichten: Annotated[bool, typer.Option("--berichten", help="With every message of each batch.")] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many batches.")] = None,
    cursor: Annotated[
        str | None, typer.Option(help="Where the page before ended; it is printed on standard error.")
    ] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """Batches with their counts, one line each."""
    filter_ = maak_filter(op, van, tot, leverancier, batch, afgerond, status, runs=runs)
    with vragen(data) as naslag:
        try:
            rijen, volgende = naslag.berichtverwerking(filter_, limit, cursor, berichten)
        except OngeldigeCursor:
            raise typer.BadParameter("not a cursor that a page printed", param_hint="--cursor") from None
    vertoon.lijst(rijen, json_=json, leeg="no batches for these filters")
    if volgende is not None:
        vertoon.fout.print(f"next page: --cursor {volgende}", highlight=False, soft_wrap=True)


Vraag = Callable[[Vragen, Filter, str | None], list[dict[str, Any]]]


def _achter_een_getal(vraag: Vraag, leeg: str) -> Callable[..., None]:
    """The command that asks this: both of them take the same."""

    def opdracht(
        op: OpOptie = "ontvangst",
        van: Van = None,
        tot: Tot = None,
        leverancier: LeverancierOptie = None,
        batch: BatchOptie = None,
        afgerond: Afgerond = None,
        status: StatusOptie = None,
        runs: Runs = False,
        code: Annotated[str | None, typer.Option("--code", help="The messages behind this code.")] = None,
        data: Data = None,
        json: Json = False,
    ) -> None:
        filter_ = maak_filter(op, van, tot, leverancier, batch, afgerond, status, runs=runs)
        with vragen(data) as naslag:
            vertoon.lijst(vraag(naslag, filter_, code), json_=json, leeg=leeg)

    return opdracht


_VAN_WIE = (
    "\n\nAn operator's view, whoever delivered: also what a stranger sent in a leverancier's name. --leverancier and "
    "--batch narrow it; `berichtverwerking --runs` tells who delivered each run (aangeleverd_door)."
)

app.command(
    "fouten",
    help=f"Why messages were not placed: codes with counts, or with --code the messages.{_VAN_WIE}",
    epilog="Example: berichtenstroom fouten --code BerichtTypeNietOndersteund",
)(_achter_een_getal(Vragen.fouten, "no errors"))
app.command(
    "waarschuwingen",
    help=f"Which warnings placed messages have: codes with counts, or with --code the messages.{_VAN_WIE}",
    epilog="Example: berichtenstroom waarschuwingen --van 2026-01-01T00:00:00Z",
)(_achter_een_getal(Vragen.waarschuwingen, "no warnings"))


@app.command(epilog="Example: berichtenstroom resultaat 0d3c8f0e-9d0e-4b6e-8d3c-2f1f6c5b7a10 --xml")
def resultaat(
    batch_id: Annotated[str, typer.Argument(metavar="BATCHID")],
    leverancier: LeverancierOptie = None,
    proceskenmerk: Annotated[str | None, typer.Option(help="This run (default: the latest).")] = None,
    xml: Annotated[bool, typer.Option("--xml", help="As the BerichtVerwerkResponse.")] = False,
    data: Data = None,
    json: Json = False,
) -> None:
    """The result of a batch; exit code 1 as long as there is none.

    An operator's view: of all runs over the batch the latest counts, whoever delivered it, a stranger who was refused
    included. --proceskenmerk names another; `berichtverwerking --batch BATCHID --runs` lists them, each with its
    aangeleverd_door. --leverancier names one of several that used this BATCHID.
    """
    if xml and json:
        raise typer.BadParameter("choose one of --xml and --json", param_hint="--json")
    batch = guid(batch_id, "BATCHID")
    run = None if proceskenmerk is None else guid(proceskenmerk, "--proceskenmerk")
    with vragen(data) as naslag:
        gevonden = naslag.resultaat(batch, leverancier, run)
        if gevonden is None:
            runs, _ = naslag.berichtverwerking(Filter(leverancier=leverancier, batch=batch, runs=True))
            vertoon.meld(_waarom_geen(batch, run, {str(een["proceskenmerk"]) for een in runs}))
            raise Mislukt
        eerste = naslag.ontvangen_op(gevonden.kader.leverancier, batch)
    ontvangen_op = gevonden.kader.aangeleverd_op if eerste is None else eerste
    if xml:
        # A file or a pipe gets what the door answers, byte for byte.
        sys.stdout.buffer.write(maak_antwoord(gevonden, ontvangen_op) + (b"\n" if sys.stdout.isatty() else b""))
        return
    document = resultaat_json(gevonden, ontvangen_op)
    if json:
        vertoon.als_json(document)
    else:
        vertoon.lijst([document], json_=False)


def _waarom_geen(batch: UUID, run: UUID | None, runs: set[str]) -> str:
    if not runs:
        return f"no batch {batch} is known, at least not yet: what was just delivered is visible a moment later"
    if run is not None and str(run) not in runs:
        return f"batch {batch} is known, but has no run {run}, at least not yet"
    return f"there is no result for batch {batch} yet"


@app.command(epilog="Example: berichtenstroom sla --van 2026-01-01T00:00:00Z --json")
def sla(
    van: Van = None,
    tot: Tot = None,
    overschreden: Annotated[
        bool, typer.Option("--overschreden", help="Instead, every message over 24 hours or open for longer.")
    ] = False,
    leverancier: LeverancierOptie = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many messages, the longest first.")] = None,
    data: Data = None,
    json: Json = False,
) -> None:
    """The 24-hour norm for each leverancier, with what is still open; --overschreden names the breaches."""
    if not overschreden and (leverancier, limit) != (None, None):
        raise typer.BadParameter("goes with --overschreden", param_hint="--leverancier, --limit")
    nu, begin, einde = time.time_ns() // 1_000_000, tijd(van, "van"), tijd(tot, "tot")
    with vragen(data) as naslag:
        if overschreden:
            rijen = naslag.overschreden(nu, begin, einde, leverancier, limit)
            vertoon.lijst(rijen, json_=json, leeg="no message took longer than the norm")
        else:
            vertoon.lijst(naslag.sla(nu, begin, einde), json_=json, leeg="no messages in this period")


@app.command("lag", epilog="Example: berichtenstroom lag --json")
def lag_(data: Data = None, json: Json = False) -> None:
    """How far each consumer group is behind, from committed offsets and end offsets."""
    vertoon.lijst(lag(instellingen(data)), json_=json)
