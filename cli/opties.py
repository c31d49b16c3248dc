"""Options that commands share, and what they make of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, get_args
from uuid import UUID

import typer

from domain.tijd import lees_tijd
from sinks.database import verbind
from sinks.vragen import Filter, Op, Status, Vragen
from streams.settings import Instellingen


class Mislukt(Exception):
    """A command that ran and has to report failure; what went wrong is printed already."""


JaNee = Literal["ja", "nee"]

Data = Annotated[
    Path | None, typer.Option("--data", help="Folder of the embedded stack (default: .data, or BERICHTENSTROOM_DATA).")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, and nothing else there.")]
Van = Annotated[str | None, typer.Option("--van", help="From this time on: ISO 8601 with a zone.")]
Tot = Annotated[str | None, typer.Option("--tot", help="Until this time, not included.")]
OpOptie = Annotated[str, typer.Option("--op", help="The period is over: ontvangst or verwerking.")]
LeverancierOptie = Annotated[str | None, typer.Option("--leverancier", help="Only of this leverancier (OIN).")]
BatchOptie = Annotated[str | None, typer.Option("--batch", help="Only this BatchID.")]
Afgerond = Annotated[
    str | None, typer.Option("--afgerond", help="Only batches that are (ja) or are not (nee) afgerond.")
]
StatusOptie = Annotated[
    str | None,
    typer.Option(
        "--status", help="Only batches with such messages: verwerkt, waarschuwing, niet_verwerkt, in_behandeling."
    ),
]
Runs = Annotated[bool, typer.Option("--runs", help="Every run apart, instead of the batch over its runs.")]


def instellingen(data: Path | None) -> Instellingen:
    """The settings of this call."""
    return Instellingen.laad(data)


@contextmanager
def vragen(data: Path | None) -> Iterator[Vragen]:
    """ClickHouse, to be asked."""
    gekozen = instellingen(data)
    client = verbind(gekozen)
    try:
        yield Vragen(client)
    finally:
        client.close()


def tijd(tekst: str | None, naam: str) -> int | None:
    """Milliseconds of a time that was given. Raises BadParameter."""
    if tekst is None:
        return None
    try:
        return lees_tijd(tekst)
    except ValueError:
        raise typer.BadParameter(
            "not a time with a zone, such as 2026-01-31T12:00:00Z", param_hint=f"--{naam}"
        ) from None


def guid(tekst: str, naam: str) -> UUID:
    """A GUID that was given. Raises BadParameter."""
    try:
        return UUID(tekst)
    except ValueError:
        raise typer.BadParameter("not a GUID", param_hint=naam) from None


def _een_van(tekst: str | None, keuzes: tuple[str, ...], naam: str) -> None:
    if tekst is not None and tekst not in keuzes:
        raise typer.BadParameter(f"choose one of {', '.join(keuzes)}", param_hint=f"--{naam}")


def maak_filter(
    op: str,
    van: str | None,
    tot: str | None,
    leverancier: str | None = None,
    batch: str | None = None,
    afgerond: str | None = None,
    status: str | None = None,
    *,
    runs: bool = False,
) -> Filter:
    """The filter that the options ask for. Raises BadParameter."""
    _een_van(op, get_args(Op), "op")
    _een_van(afgerond, get_args(JaNee), "afgerond")
    _een_van(status, get_args(Status), "status")
    return Filter(
        op=op,  # type: ignore[arg-type]
        van=tijd(van, "van"),
        tot=tijd(tot, "tot"),
        leverancier=leverancier,
        batch=None if batch is None else guid(batch, "--batch"),
        afgerond=None if afgerond is None else afgerond == "ja",
        status=status,  # type: ignore[arg-type]
        runs=runs,
    )
