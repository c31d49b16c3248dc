"""What the commands that change reference data share: who changes it, whether that is confirmed, and the change."""

import asyncio
import getpass
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from aiokafka.errors import KafkaError

from cli import vertoon
from cli.lag import KafkaWeg
from cli.opties import Mislukt
from domain import levensloop
from domain.levensloop import NietToegestaan
from domain.oin import is_oin
from domain.referentie import Referentie
from domain.wijzigingen import Wijzigingen
from streams import referentie as volgen
from streams.codec import maak_codec
from streams.referentie import ReferentieFout
from streams.referentieschrijver import ReferentieSchrijver
from streams.settings import Instellingen


class WijzigFout(Exception):
    """The change was not made, or not everywhere; one line for the operator."""


def _oin(tekst: str | None) -> str | None:
    if tekst is not None and not is_oin(tekst):
        raise typer.BadParameter("not an OIN: 20 positions that start with a known prefix")
    return tekst


def _door(tekst: str) -> str:
    """Who was named, else whose account this is. Raises BadParameter."""
    try:
        return levensloop.geldige_naam(tekst or _account())
    except NietToegestaan as fout:
        raise typer.BadParameter(f"{fout}: say with --door who changes this") from None


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that no account has
        return f"uid {os.getuid()}"


Oin = Annotated[str, typer.Option("--oin", help="OIN of the afnemer.", callback=_oin)]
OinFilter = Annotated[str | None, typer.Option("--oin", help="Only of this afnemer (OIN).", callback=_oin)]
Ja = Annotated[bool, typer.Option("--ja", help="Do not ask for confirmation: for scripts.")]
Door = Annotated[
    str,
    typer.Option(
        "--door",
        envvar="BERICHTENSTROOM_DOOR",
        help="Who makes the change, for the history (default: your account).",
        callback=_door,
        show_default=False,
    ),
]
"""Give it the default `""`: what the command gets is always a name."""


def lees_referentie(instellingen: Instellingen) -> Referentie:
    """The reference data as they stand now in the topics. Raises WijzigFout, KafkaWeg."""
    try:
        return asyncio.run(volgen.lees_referentie(instellingen, maak_codec(instellingen)))
    except ReferentieFout as fout:
        raise WijzigFout(str(fout)) from fout
    except KafkaError as fout:
        raise KafkaWeg(f"Kafka at {instellingen.kafka} does not answer: {type(fout).__name__}") from fout


def bevestig(vraag: str) -> None:
    """Returns when the answer is yes. Raises Mislukt when it is no, and BadParameter where nobody can answer."""
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{vraag} Nobody can answer here: confirm with --ja", param_hint="--ja")
    if not typer.confirm(vraag, err=True):
        vertoon.fout.print("nothing is changed")
        raise Mislukt


def wijzig(
    instellingen: Instellingen,
    functie: Callable[[Referentie], Wijzigingen],
    door: str,
    *,
    vraag: Callable[[Referentie], str | None] | None = None,
    ja: bool = False,
    vooraf: Callable[[Wijzigingen], Awaitable[None]] | None = None,
) -> Wijzigingen:
    """Makes the change that `functie` makes of the state; returns when all running processes apply it.

    `vraag` says of the state before the change what must be confirmed (None: nothing); asked is only when there is a
    change. `functie` raises NietToegestaan where the rules do. `vooraf` is awaited before anything is written. Raises
    WijzigFout, KafkaWeg, and what `bevestig` and `vooraf` raise.
    """
    voorstel: Wijzigingen | None = None

    def zoals_getoond(referentie: Referentie) -> Wijzigingen:
        wijzigingen = functie(referentie)
        if voorstel is not None and wijzigingen != voorstel:
            raise NietToegestaan("somebody else changed it meanwhile: look at it again")
        return wijzigingen

    try:
        if vraag is not None and not ja:
            voor = lees_referentie(instellingen)
            voorstel = functie(voor)
            if voorstel.lijst and (tekst := vraag(voor)) is not None:
                bevestig(tekst)
        schrijver = ReferentieSchrijver(instellingen, maak_codec(instellingen))
        return asyncio.run(schrijver.wijzig(zoals_getoond, vooraf, door=door))
    except NietToegestaan as fout:
        raise WijzigFout(f"nothing is changed: {fout}") from fout
    except ReferentieFout as fout:
        raise WijzigFout(str(fout)) from fout


def meld(wijzigingen: Wijzigingen, *, json_: bool) -> None:
    """Says what changed: lines for people, or one document with `wijzigingen` and `opmerkingen`."""
    if json_:
        vertoon.als_json({"wijzigingen": wijzigingen.teksten, "opmerkingen": wijzigingen.opmerkingen})
        return
    for tekst in wijzigingen.teksten or ["nothing changed: it is so already"]:
        vertoon.uit.print(tekst, highlight=False, markup=False, soft_wrap=True)
    for tekst in wijzigingen.opmerkingen:
        vertoon.fout.print(f"note: {tekst}", highlight=False, markup=False, soft_wrap=True)
