"""The sender's side, for the command line: which files, checking them, and delivering them."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_delay, wait_random_exponential

from aanlevering.kop import OIN_HEADER
from aanlevering.lezer import lees
from aanlevering.stroom import uitgepakt
from aanlevering.weigering import Geweigerd, NietAangeleverd
from domain.codes import NUL_GUID

_STUK_BYTES = 256 * 1024
_VERBINDING = (httpx.TransportError, ssl.SSLError)
"""What a connection can fail with; httpx lets errors of TLS pass as they are."""
_TIMEOUT = httpx.Timeout(120, connect=10)
"""Seconds; the door may take a minute to make a batch durable."""


def maak_kring(certificaat: Path | None, sleutel: Path | None, ca: Path | None) -> ssl.SSLContext:
    """TLS towards the door: a client certificate and its key (None: without), and whom to trust (None: as the system).

    Raises NietAangeleverd when the files cannot be used.
    """
    try:
        kring = ssl.create_default_context(cafile=None if ca is None else str(ca))
        if certificaat is not None:
            kring.load_cert_chain(certificaat, sleutel)
    except OSError as fout:
        raise NietAangeleverd(f"the client certificate, its key or the CA cannot be used: {fout}") from None
    return kring


@dataclass(frozen=True, slots=True)
class Aangeleverd:
    """A delivery that was taken: a 202."""

    bestand: Path
    batch_id: UUID
    proceskenmerk: UUID


@dataclass(frozen=True, slots=True)
class Weigering:
    """A delivery that was refused: a 4xx, or by `controleer`."""

    bestand: Path
    code: str
    reden: str
    batch_id: UUID | None


@dataclass(frozen=True, slots=True)
class Bevinding:
    """A message that breaks the schema; it would be answered with XmlValidatieTegenXsdValtNegatiefUit."""

    bestand: Path
    nummer: int
    """Its place in the file, from 1."""
    bericht_id: UUID | None
    reden: str
    """As 'element: rule'; holds no value."""


def bestanden(paden: Iterable[Path]) -> list[Path]:
    """The files themselves, and all `*.xml` and `*.xml.gz` in folders and their folders, each once, in order of path.

    Raises FileNotFoundError for a path that is not there, and for a folder without such a file.
    """
    gevonden: set[Path] = set()
    for pad in paden:
        if pad.is_dir():
            in_map = {bestand for bestand in pad.rglob("*") if bestand.is_file() and _is_batch(bestand)}
            if not in_map:
                raise FileNotFoundError(f"no *.xml or *.xml.gz in {pad}")
            gevonden |= in_map
        elif pad.exists():
            gevonden.add(pad)
        else:
            raise FileNotFoundError(f"no such file or folder: {pad}")
    return sorted(gevonden)


def controleer(bestand: Path) -> list[Bevinding | Weigering]:
    """What the door would say of a file, without delivering it; an empty list when all is well. Raises OSError."""
    try:
        with bestand.open("rb") as bron:
            stukken = _stukken(bron)
            batch = lees(
                uitgepakt(stukken) if _is_gzip(bestand) else stukken,
                proceskenmerk=uuid4(),
                aangeleverd_op=0,
                aangeleverd_door=None,
                bewaar=lambda sha256, inhoud: None,
            )
    except Geweigerd as fout:
        return [Weigering(bestand, fout.code, fout.reden, fout.batch_id)]
    berichten = batch.berichten
    return [
        Bevinding(bestand, nummer, _of_geen(UUID(bytes=berichten.bericht_id(rij))), fout)
        for rij, (nummer, fout) in enumerate(zip(berichten.nummers, berichten.schema_fouten, strict=True))
        if fout
    ]


async def lever_aan(
    url: str, bestand: Path, oin: str | None, client: httpx.AsyncClient, *, deadline_s: float = 600.0
) -> Aangeleverd | Weigering:
    """Delivers one file, streaming it; tries again on 503 and on lost connections.

    `url` is the door's, `oin` who delivers (None: as in the file, or the certificate). Raises NietAangeleverd after
    `deadline_s` seconds, at once when TLS says that one side does not trust the other, and OSError when the file cannot
    be read.
    """
    pogingen = AsyncRetrying(
        retry=retry_if_exception(_is_voorbijgaand),
        wait=_wacht,
        stop=stop_after_delay(deadline_s),
        reraise=True,
    )
    try:
        return await pogingen(_lever_een_keer, url, bestand, oin, client)
    except _Later as later:
        raise NietAangeleverd(f"{bestand}: the door says 'later' (HTTP {later.status})") from None
    except _VERBINDING as fout:
        raise NietAangeleverd(
            f"{bestand}: {url} cannot be reached ({_tls_fout(fout) or type(fout).__name__})"
        ) from None


class _Later(Exception):
    def __init__(self, status: int, na_s: float) -> None:
        super().__init__(status)
        self.status = status
        self.na_s = na_s


def _is_voorbijgaand(fout: BaseException) -> bool:
    return isinstance(fout, _Later) or (isinstance(fout, _VERBINDING) and not _tls_fout(fout))


def _tls_fout(fout: BaseException) -> str:
    """Why TLS says no, in OpenSSL's words; empty when it is something else."""
    oorzaak: BaseException | None = fout
    while oorzaak is not None:
        if isinstance(oorzaak, ssl.SSLCertVerificationError):
            return f"TLS: {oorzaak.verify_message}"
        if isinstance(oorzaak, ssl.SSLError) and "ALERT" in (oorzaak.reason or ""):
            return f"TLS: {oorzaak.reason}"
        oorzaak = oorzaak.__cause__ or oorzaak.__context__
    return ""


_TERUGLOOP = wait_random_exponential(multiplier=0.5, max=30)


def _wacht(stand: RetryCallState) -> float:
    """Seconds until the next try: what the door asks for and a little more, so that not all come at once."""
    fout = stand.outcome.exception() if stand.outcome else None
    return (fout.na_s if isinstance(fout, _Later) else 0) + _TERUGLOOP(stand)


async def _lever_een_keer(
    url: str, bestand: Path, oin: str | None, client: httpx.AsyncClient
) -> Aangeleverd | Weigering:
    grootte = (await asyncio.to_thread(bestand.stat)).st_size
    kop = {"Content-Type": "application/xml", "Content-Length": str(grootte)}
    if _is_gzip(bestand):
        kop["Content-Encoding"] = "gzip"
    if oin is not None:
        kop[OIN_HEADER] = oin
    antwoord = await client.post(
        f"{url.rstrip('/')}/v1/batches", content=_lichaam(bestand), headers=kop, timeout=_TIMEOUT
    )
    if antwoord.status_code == httpx.codes.ACCEPTED:
        inhoud = antwoord.json()
        return Aangeleverd(bestand, UUID(inhoud["batch_id"]), UUID(inhoud["proceskenmerk"]))
    if antwoord.is_client_error and antwoord.status_code != httpx.codes.TOO_MANY_REQUESTS:
        return _weigering(bestand, antwoord)
    na = antwoord.headers.get("Retry-After", "")
    raise _Later(antwoord.status_code, float(na) if na.isdecimal() else 0.0)


def _weigering(bestand: Path, antwoord: httpx.Response) -> Weigering:
    """The refusal in a 4xx; one that is not ours, of something between us and the door, is named by its status."""
    try:
        inhoud = antwoord.json()
        batch_id = inhoud["batch_id"]
        return Weigering(bestand, inhoud["code"], inhoud["reden"], UUID(batch_id) if batch_id else None)
    except (ValueError, KeyError, TypeError):
        return Weigering(bestand, f"Http{antwoord.status_code}", "De aanlevering weigert zonder uitleg.", None)


async def _lichaam(bestand: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(bestand.open, "rb") as bron:
        while stuk := await asyncio.to_thread(bron.read, _STUK_BYTES):
            yield stuk


def _stukken(bron: IO[bytes]) -> Iterator[bytes]:
    while stuk := bron.read(_STUK_BYTES):
        yield stuk


def _is_batch(bestand: Path) -> bool:
    return bestand.name.endswith((".xml", ".xml.gz"))


def _is_gzip(bestand: Path) -> bool:
    return bestand.name.endswith(".gz")


def _of_geen(bericht_id: UUID) -> UUID | None:
    return None if bericht_id == NUL_GUID else bericht_id
