"""Merging a file with reference data: checked as a whole, citizens to the profile service, the rest to the topics."""

import json
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from avro.codec import SOORTEN, soort_van
from domain.laadbestand import BestandFout, GebruikerRegel, lees_laadbestand
from domain.levensloop import NietToegestaan
from domain.referentie import Referentie
from domain.samenvoegen import samenvoegen
from domain.wijzigingen import Wijzigingen
from streams.codec import maak_codec
from streams.referentie import ReferentieFout
from streams.referentieschrijver import ReferentieSchrijver
from streams.settings import Instellingen
from streams.sleutels import SleutelFout, lees_sleutels
from streams.verbinding import tls_context

PER_KEER = 5000
"""Citizens that go to the profile service in one request."""

TIMEOUT_S = 60.0
"""Seconds that one of these may take."""

_ONGEMOEID = "nothing in the topics is changed"


class LaadFout(Exception):
    """The file was not merged; the text is for the operator, and holds no BSN."""


@dataclass(frozen=True, slots=True)
class Verslag:
    """What a file changed."""

    nieuw: dict[str, int]
    """By kind: how many things are new."""
    gewijzigd: dict[str, int]
    """By kind: how many things that were there are changed."""
    wijzigingen: list[str]
    """Every change in words."""
    opmerkingen: list[str]
    """What was allowed, but may be a mistake."""
    gebruikers: dict[str, int] = field(default_factory=dict)
    """How many citizens the profile service found new, changed, and as they were; nothing when the file has none."""

    def json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "nieuw": self.nieuw,
            "gewijzigd": self.gewijzigd,
            "gebruikers": self.gebruikers,
            "wijzigingen": self.wijzigingen,
            "opmerkingen": self.opmerkingen,
        }


async def laad(instellingen: Instellingen, bestand: Path, door: str) -> Verslag:
    """Merges the file in the name of `door`; returns when all running processes apply it.

    All is checked first; then the citizens go to the profile service, where doing it again is harmless; then the rest
    goes to the topics in one transaction. Raises LaadFout.
    """
    try:
        inhoud = lees_laadbestand(lees_json(bestand))
        pseudoniemen = lees_sleutels(instellingen.sleutelbestand).pseudoniemen
        nu = time.time_ns() // 1_000_000
        telling: Counter[str] = Counter()

        def voeg_samen(referentie: Referentie) -> Wijzigingen:
            return samenvoegen(referentie, inhoud, nu, pseudoniemen)

        async def vul_profielservice(_: Wijzigingen) -> None:
            telling.update(await zet_gebruikers(instellingen, inhoud.gebruikers))

        schrijver = ReferentieSchrijver(instellingen, maak_codec(instellingen))
        wijzigingen = await schrijver.wijzig(voeg_samen, vooraf=vul_profielservice, door=door)
    except (BestandFout, NietToegestaan) as fout:
        raise LaadFout(f"{bestand}: nothing is changed: {fout}") from fout
    except (ReferentieFout, SleutelFout) as fout:
        raise LaadFout(str(fout)) from fout
    return _verslag(wijzigingen, telling)


def lees_json(bestand: Path) -> object:
    """The parsed document in a file. Raises LaadFout, also for a key that stands twice in one object."""
    try:
        return json.loads(bestand.read_bytes(), object_pairs_hook=_eenmalig)
    except OSError as fout:
        raise LaadFout(f"{bestand} cannot be read: {fout.strerror}") from fout
    except json.JSONDecodeError as fout:
        raise LaadFout(f"{bestand} is not JSON: {fout.msg} (line {fout.lineno}, column {fout.colno})") from None
    except UnicodeDecodeError:
        raise LaadFout(f"{bestand} is not JSON: it is not UTF-8") from None
    except RecursionError:
        raise LaadFout(f"{bestand} is nested too deep") from None
    except _Dubbel:
        raise LaadFout(f"{bestand}: a key stands twice in one object") from None


async def zet_gebruikers(instellingen: Instellingen, gebruikers: tuple[GebruikerRegel, ...]) -> Counter[str]:
    """Merges citizens into the reference profile service (only that one has this side). Raises LaadFout."""
    import httpx  # only who has citizens to load asks over HTTP

    telling: Counter[str] = Counter()
    url, tls = instellingen.profielservice, tls_context("profielservice", instellingen)
    async with httpx.AsyncClient(base_url=url, verify=tls, timeout=TIMEOUT_S, trust_env=False) as client:
        for begin in range(0, len(gebruikers), PER_KEER):
            groep = [gebruiker.model_dump() for gebruiker in gebruikers[begin : begin + PER_KEER]]
            try:
                antwoord = await client.put("/gebruikers", json={"gebruikers": groep})
                antwoord.raise_for_status()
                telling.update(antwoord.json())
            except httpx.HTTPStatusError as fout:
                raise LaadFout(f"the profile service answered {fout.response.status_code}; {_ONGEMOEID}") from None
            except (httpx.HTTPError, httpx.InvalidURL) as fout:
                raise LaadFout(f"the profile service does not answer ({type(fout).__name__}); {_ONGEMOEID}") from None
            except ValueError:
                raise LaadFout(f"the profile service did not answer with counts; {_ONGEMOEID}") from None
    return telling


def _verslag(wijzigingen: Wijzigingen, telling: Counter[str]) -> Verslag:
    nieuw, gewijzigd = Counter(dict.fromkeys(SOORTEN, 0)), Counter(dict.fromkeys(SOORTEN, 0))
    for wijziging in wijzigingen.lijst:
        (nieuw if wijziging.nieuw else gewijzigd)[soort_van(wijziging.gegeven)] += 1
    return Verslag(dict(nieuw), dict(gewijzigd), wijzigingen.teksten, wijzigingen.opmerkingen, dict(telling))


class _Dubbel(Exception):
    """A key stands twice."""


def _eenmalig(paren: list[tuple[str, object]]) -> dict[str, object]:
    if len(paren) != len(eenmalig := dict(paren)):
        raise _Dubbel
    return eenmalig
