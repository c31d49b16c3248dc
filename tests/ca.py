"""A certificate authority of the tests' own: servers, clients, in PEM files."""

import datetime
import ipaddress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_DAG = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Certificaat:
    """PEM files of one party."""

    certificaat: Path
    sleutel: Path


class CA:
    """Signs what it is asked to; `pad` is what the other side must trust."""

    def __init__(self, map_: Path, naam: str = "ca") -> None:
        map_.mkdir(parents=True, exist_ok=True)
        self._map, self.naam = map_, naam
        self._sleutel = ec.generate_private_key(ec.SECP256R1())
        self._certificaat = (
            self._bouwer(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Proef {naam}")]), self._sleutel)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(_gebruik(ca=True), critical=True)
            .sign(self._sleutel, hashes.SHA256())
        )
        self.pad = map_ / f"{naam}.pem"
        self.pad.write_bytes(self._certificaat.public_bytes(serialization.Encoding.PEM))

    def server(self, naam: str = "server") -> Certificaat:
        """For 127.0.0.1 and localhost."""
        namen: list[x509.GeneralName] = [
            x509.DNSName("localhost"),
            x509.IPAddress(ipaddress.ip_address("127.0.0.1")),
        ]
        return self._geef_uit(naam, x509.SubjectAlternativeName(namen), ExtendedKeyUsageOID.SERVER_AUTH)

    def client(self, naam: str = "client", serienummer: str = "") -> Certificaat:
        """`serienummer`: Subject.serialNumber, where an OIN stands."""
        return self._geef_uit(naam, None, ExtendedKeyUsageOID.CLIENT_AUTH, serienummer)

    def _geef_uit(
        self,
        naam: str,
        namen: x509.SubjectAlternativeName | None,
        waarvoor: x509.ObjectIdentifier,
        serienummer: str = "",
    ) -> Certificaat:
        sleutel = ec.generate_private_key(ec.SECP256R1())
        delen = [x509.NameAttribute(NameOID.COMMON_NAME, naam)]
        if serienummer:
            delen.append(x509.NameAttribute(NameOID.SERIAL_NUMBER, serienummer))
        bouwer = (
            self._bouwer(x509.Name(delen), sleutel)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_gebruik(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([waarvoor]), critical=False)
        )
        if namen is not None:
            bouwer = bouwer.add_extension(namen, critical=False)
        paar = Certificaat(self._map / f"{self.naam}-{naam}.pem", self._map / f"{self.naam}-{naam}.key")
        paar.certificaat.write_bytes(
            bouwer.sign(self._sleutel, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )
        paar.sleutel.write_bytes(
            sleutel.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return paar

    def _bouwer(self, wie: x509.Name, sleutel: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        nu = datetime.datetime.now(datetime.UTC)
        uitgever = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Proef {self.naam}")])
        return (
            x509.CertificateBuilder()
            .subject_name(wie)
            .issuer_name(uitgever)
            .public_key(sleutel.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(nu - _DAG)
            .not_valid_after(nu + _DAG)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(sleutel.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._sleutel.public_key()), critical=False
            )
        )


def _gebruik(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=ca,
        crl_sign=ca,
        encipher_only=False,
        decipher_only=False,
    )
