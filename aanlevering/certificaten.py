"""TLS at the door: its certificate, the CAs of senders, and what those revoked; loaded again when files change."""

import asyncio
import datetime
import logging
import re
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from aanlevering.afzender import volgens_certificaat
from aanlevering.deur import Later
from aanlevering.metrics import Metrics
from streams.settings import Instellingen

LOGGER = logging.getLogger("aanlevering.certificaten")

KIJK_S = 10.0
"""Seconds between two looks at the files."""
_PEM_CRL = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


class CertificaatFout(ValueError):
    """The files do not make a door; the text says which and why."""


@dataclass(frozen=True)
class Bestanden:
    """Where everything stands."""

    certificaat: Path
    sleutel: Path
    ca: Path
    crl: Path | None

    @classmethod
    def uit(cls, instellingen: Instellingen) -> "Bestanden | None":
        """As set; None for plain HTTP. Raises CertificaatFout when something is set and something else is not."""
        certificaat, sleutel, ca, crl = (
            instellingen.aanlevering_certificaat,
            instellingen.aanlevering_sleutel,
            instellingen.aanlevering_ca,
            instellingen.aanlevering_crl,
        )
        if certificaat is not None and ca is not None:
            return cls(certificaat, sleutel or certificaat, ca, crl)
        if any((certificaat, sleutel, ca, crl)):
            raise CertificaatFout(
                "for TLS set BERICHTENSTROOM_AANLEVERING_CERTIFICAAT and _CA, with _SLEUTEL where the key stands "
                "elsewhere, and better also _CRL; for plain HTTP none of them"
            )
        return None

    def crls(self) -> list[Path]:
        """The files with CRLs: the one that is set, or all that are in the folder."""
        if self.crl is None:
            return []
        return sorted(pad for pad in self.crl.iterdir() if pad.is_file()) if self.crl.is_dir() else [self.crl]

    def stand(self) -> tuple[tuple[object, ...], ...]:
        """Something that differs when a file does."""
        paden = [self.certificaat, self.sleutel, self.ca, *self.crls()]
        stats = [(pad, pad.stat()) for pad in paden]
        return tuple((pad, stat.st_mtime_ns, stat.st_size, stat.st_ino) for pad, stat in stats)


class Certificaten:
    """The SSLContext for new connections. Files that cannot be read are reported, and the former ones stand."""

    def __init__(self, bestanden: Bestanden, metrics: Metrics) -> None:
        """Raises CertificaatFout, OSError."""
        self._bestanden = bestanden
        self._metrics = metrics
        self._stand = bestanden.stand()
        self._laad()

    def _laad(self) -> None:
        self.kring, grenzen = maak_kring(self._bestanden)
        """For every connection made from now on."""
        self._verlopen = False
        self._grenzen = [grens for grens in grenzen if grens > _nu()]
        self._metrics.crl_tot.set(min(grenzen).timestamp() if grenzen else 0)

    def afzender(self, verzoek: web.Request) -> str:
        """As `volgens_certificaat`, by what is loaded now: raises Later on a connection made under other files."""
        if self._verlopen:
            raise Later("certificaten", "We kunnen nu niet nagaan of uw certificaat is ingetrokken. Probeer het later.")
        if verzoek.transport is None or verzoek.transport.get_extra_info("sslcontext") is not self.kring:
            raise Later("certificaten", "Maak opnieuw verbinding: onze lijst van certificaten is vernieuwd.")
        return volgens_certificaat(verzoek)

    async def houd_bij(self) -> None:
        """Looks at the files every `KIJK_S`, for as long as it runs."""
        while True:
            await asyncio.sleep(KIJK_S)
            await self.ververs()

    async def ververs(self) -> None:
        """Looks once. With other files, or a CRL that became too old, open connections no longer count."""
        try:
            stand = await asyncio.to_thread(self._bestanden.stand)
            if stand != self._stand or any(grens <= _nu() for grens in self._grenzen):
                await asyncio.to_thread(self._laad)
                LOGGER.info("certificates, CAs and CRLs loaded again")
            self._stand = stand
            self._metrics.certificaten.set(0)
        except Exception as fout:  # whatever a file holds: who watches must go on watching
            self._metrics.certificaten.set(1)
            self._verlopen = any(grens <= _nu() for grens in self._grenzen)
            gevolg = "a CRL is past its next update: nobody is let in" if self._verlopen else "the former ones stand"
            LOGGER.error("certificates not loaded, %s: %s", gevolg, fout)


def maak_kring(bestanden: Bestanden) -> tuple[ssl.SSLContext, list[datetime.datetime]]:
    """A server's context that lets in who shows a certificate of those CAs, and the next updates of its CRLs.

    TLS 1.2 at least. No session is resumed under other files, since a resumed one shows no certificate again.
    Raises CertificaatFout, OSError.
    """
    kring = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    kring.minimum_version = ssl.TLSVersion.TLSv1_2
    kring.verify_mode = ssl.CERT_REQUIRED
    kring.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION
    kring.num_tickets = 0
    kring.sslobject_class = _Handdruk
    try:
        kring.load_cert_chain(bestanden.certificaat, bestanden.sleutel, password=_geen_wachtwoord)
    except (ssl.SSLError, ValueError) as fout:
        raise CertificaatFout(f"{bestanden.certificaat} and {bestanden.sleutel} do not go together: {fout}") from None
    try:
        cas = x509.load_pem_x509_certificates(bestanden.ca.read_bytes())
    except (ValueError, x509.InvalidVersion) as fout:
        raise CertificaatFout(f"{bestanden.ca} holds no CA certificates in PEM: {fout}") from None
    kring.load_verify_locations(cadata="\n".join(ca.public_bytes(Encoding.PEM).decode() for ca in cas))
    return kring, _voeg_crls_toe(kring, bestanden, cas)


def _voeg_crls_toe(kring: ssl.SSLContext, bestanden: Bestanden, cas: list[x509.Certificate]) -> list[datetime.datetime]:
    if bestanden.crl is None:
        LOGGER.warning("BERICHTENSTROOM_AANLEVERING_CRL is not set: a revoked certificate is let in")
        return []
    crls = [crl for pad in bestanden.crls() for crl in _lees_crls(pad)]
    kring.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    if crls:
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:  # the ssl module takes CRLs from a file alone
            pem.write(b"".join(crl.public_bytes(Encoding.PEM) for crl in crls))
            pem.flush()
            kring.load_verify_locations(cafile=pem.name)
    uitgevers = {crl.issuer for crl in crls}
    for ca in cas:
        if ca.subject not in uitgevers:
            LOGGER.error("no CRL of %s: its senders are refused", ca.subject.rfc4514_string())
    for crl in crls:
        naam, tot = crl.issuer.rfc4514_string(), crl.next_update_utc
        if tot is not None and tot <= _nu():
            LOGGER.error("the CRL of %s is past its next update, %s: its senders are refused", naam, tot)
        else:
            LOGGER.info("CRL of %s, next update %s", naam, tot)
    return [crl.next_update_utc for crl in crls if crl.next_update_utc is not None]


def _lees_crls(pad: Path) -> Iterator[x509.CertificateRevocationList]:
    """Those in one file. Raises CertificaatFout."""
    inhoud = pad.read_bytes()
    try:
        if b"-----BEGIN" in inhoud:
            stukken = _PEM_CRL.findall(inhoud)
            if not stukken:
                raise ValueError("no X509 CRL")
            yield from map(x509.load_pem_x509_crl, stukken)
        else:
            yield x509.load_der_x509_crl(inhoud)
    except (ValueError, x509.InvalidVersion) as fout:
        raise CertificaatFout(f"{pad} holds no CRL: {fout}") from None


class _Handdruk(ssl.SSLObject):
    """Lets a refusal leave before the connection closes: asyncio sends what OpenSSL has to say when it is told to wait,
    not when the handshake failed. The next bytes, the end, or the time-out of the handshake closes it."""

    _mislukt: ssl.SSLError | None = None

    def do_handshake(self) -> None:
        if self._mislukt is not None:
            raise self._mislukt
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as fout:
            if fout.reason == "HTTP_REQUEST":  # TLS has nothing to say to who does not speak it
                raise
            self._mislukt = fout
            LOGGER.info("refused in the handshake: %s", getattr(fout, "verify_message", "") or fout.reason)
            raise ssl.SSLWantReadError from None


def _nu() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


def _geen_wachtwoord() -> str:
    """In place of OpenSSL's question on the terminal."""
    raise ValueError("the key has a password; store it without")
