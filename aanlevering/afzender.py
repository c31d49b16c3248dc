"""Who is at the door (Domain: Who is who): by client certificate, or over plain HTTP by a header."""

import datetime
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from aiohttp import web
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from aanlevering.kop import OIN_HEADER
from aanlevering.weigering import Weigercode, weiger
from domain.oin import is_oin

Afzender = Callable[[web.Request], str | None]
"""The OIN of who asks; None when he does not say. Raises Geweigerd, and Later when he must connect anew."""


def volgens_kop(verzoek: web.Request) -> str | None:
    """The OIN in the header, which anybody can write there. Raises Geweigerd."""
    oins = verzoek.headers.getall(OIN_HEADER, [])
    if len(oins) > 1 or not all(map(is_oin, oins)):
        raise weiger(Weigercode.OIN_ONLEESBAAR)
    return oins[0] if oins else None


def volgens_certificaat(verzoek: web.Request) -> str:
    """The OIN in the client certificate that the TLS handshake let in; a header may repeat it. Raises Geweigerd."""
    verbinding = None if verzoek.transport is None else verzoek.transport.get_extra_info("ssl_object")
    certificaat = None if verbinding is None else verbinding.getpeercert(binary_form=True)
    if certificaat is None:
        raise weiger(Weigercode.CERTIFICAAT_ONBRUIKBAAR)
    oin = oin_van(certificaat, datetime.datetime.now(datetime.UTC))
    if volgens_kop(verzoek) not in (None, oin):
        raise weiger(Weigercode.OIN_NIET_VAN_CERTIFICAAT)
    return oin


def oin_van(certificaat: bytes, nu: datetime.datetime) -> str:
    """The OIN in Subject.serialNumber of a certificate (DER), where PKIoverheid puts it.

    The certificate says that it is for clients and is valid `nu`, also on a connection that was made when it still was.
    Raises Geweigerd.
    """
    gelezen = _lees(certificaat)
    if not (gelezen.voor_clients and gelezen.van <= nu <= gelezen.tot):
        raise weiger(Weigercode.CERTIFICAAT_ONBRUIKBAAR)
    if len(gelezen.serienummers) != 1 or not is_oin(gelezen.serienummers[0]):
        raise weiger(Weigercode.CERTIFICAAT_ZONDER_OIN)
    return gelezen.serienummers[0]


@dataclass(frozen=True, slots=True)
class _Gelezen:
    serienummers: tuple[str, ...]
    voor_clients: bool
    van: datetime.datetime
    tot: datetime.datetime


@lru_cache(1024)
def _lees(der: bytes) -> _Gelezen:
    try:
        certificaat = x509.load_der_x509_certificate(der)
        namen = certificaat.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
        gebruik = certificaat.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):  # OpenSSL reads more than this library takes
        raise weiger(Weigercode.CERTIFICAAT_ONBRUIKBAAR) from None
    return _Gelezen(
        serienummers=tuple(str(naam.value) for naam in namen),
        voor_clients=ExtendedKeyUsageOID.CLIENT_AUTH in gebruik,
        van=certificaat.not_valid_before_utc,
        tot=certificaat.not_valid_after_utc,
    )
