"""Certificates as senders have them, and as they should not have them: expired, revoked, for another use; and CRLs."""

import datetime
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID, ObjectIdentifier

from tests.ca import Certificaat

OIN_A = "00000099000000001000"
OIN_B = "00000099000000002000"
_DAG = datetime.timedelta(days=1)
_CLIENT = (ExtendedKeyUsageOID.CLIENT_AUTH,)


def nu() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)


class Uitgever:
    """A CA of senders, a root or below another, that makes any certificate and revokes it."""

    def __init__(self, map_: Path, naam: str, boven: "Uitgever | None" = None) -> None:
        self._map, self._naam = map_, naam
        self._sleutel = ec.generate_private_key(ec.SECP256R1())
        self._onderwerp = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Proef {naam}")])
        uitgever = boven or self
        bouwer = uitgever._bouwer(self._onderwerp, self._sleutel, nu() - 30 * _DAG, nu() + 30 * _DAG)
        bouwer = bouwer.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        self.certificaat = bouwer.add_extension(_gebruik("key_cert_sign", "crl_sign"), critical=True).sign(
            uitgever._sleutel, hashes.SHA256()
        )
        self.pad = map_ / f"{naam}.pem"
        self.pad.write_bytes(self.certificaat.public_bytes(serialization.Encoding.PEM))

    def client(
        self,
        naam: str,
        serienummers: Sequence[str] = (OIN_A,),
        *,
        van: datetime.datetime | None = None,
        tot: datetime.datetime | None = None,
        gebruik: Sequence[ObjectIdentifier] | None = _CLIENT,
        samen: bool = False,
        vervalst: bool = False,
    ) -> Certificaat:
        """`serienummers` stand in Subject.serialNumber, each in a part of its own or `samen` in one; `gebruik` is the
        extended key usage, None for none; `vervalst` is signed by another key. The file holds intermediates too."""
        sleutel = ec.generate_private_key(ec.SECP256R1())
        delen = [x509.RelativeDistinguishedName([x509.NameAttribute(NameOID.COMMON_NAME, naam)])]
        nummers = [x509.NameAttribute(NameOID.SERIAL_NUMBER, nummer) for nummer in serienummers]
        if samen:
            delen.append(x509.RelativeDistinguishedName(nummers))
        else:
            delen += [x509.RelativeDistinguishedName([nummer]) for nummer in nummers]
        bouwer = self._bouwer(x509.Name(delen), sleutel, van or nu() - _DAG, tot or nu() + _DAG)
        bouwer = bouwer.add_extension(_gebruik("digital_signature"), critical=True)
        if gebruik is not None:
            bouwer = bouwer.add_extension(x509.ExtendedKeyUsage(gebruik), critical=False)
        getekend = bouwer.sign(self._tekent(vervalst), hashes.SHA256())
        keten = [getekend] if self.certificaat.issuer == self._onderwerp else [getekend, self.certificaat]
        return _bewaar(self._map / f"{self._naam}-{naam}", keten, sleutel)

    def crl(
        self,
        *ingetrokken: Certificaat | x509.Certificate,
        tot: datetime.datetime | None = None,
        der: bool = False,
        vervalst: bool = False,
    ) -> bytes:
        """A CRL that names these, until `tot` (default: tomorrow)."""
        volgende = tot or nu() + _DAG
        bouwer = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._onderwerp)
            .last_update(min(nu(), volgende) - _DAG)
            .next_update(volgende)
            .add_extension(x509.CRLNumber(int(nu().timestamp() * 1000)), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._sleutel.public_key()), critical=False
            )
        )
        for een in ingetrokken:
            getekend = (
                x509.load_pem_x509_certificate(een.certificaat.read_bytes()) if isinstance(een, Certificaat) else een
            )
            bouwer = bouwer.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(getekend.serial_number)
                .revocation_date(nu() - _DAG)
                .build()
            )
        vorm = serialization.Encoding.DER if der else serialization.Encoding.PEM
        return bouwer.sign(self._tekent(vervalst), hashes.SHA256()).public_bytes(vorm)

    def _tekent(self, vervalst: bool) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(ec.SECP256R1()) if vervalst else self._sleutel

    def _bouwer(
        self, wie: x509.Name, sleutel: ec.EllipticCurvePrivateKey, van: datetime.datetime, tot: datetime.datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(wie)
            .issuer_name(self._onderwerp)
            .public_key(sleutel.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(van)
            .not_valid_after(tot)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(sleutel.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._sleutel.public_key()), critical=False
            )
        )


def zelf_getekend(map_: Path) -> Certificaat:
    """A client certificate that nobody but its owner signed."""
    sleutel = ec.generate_private_key(ec.SECP256R1())
    wie = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "zelf"), x509.NameAttribute(NameOID.SERIAL_NUMBER, OIN_A)])
    bouwer = x509.CertificateBuilder(
        wie, wie, sleutel.public_key(), x509.random_serial_number(), nu() - _DAG, nu() + _DAG
    )
    getekend = bouwer.add_extension(x509.ExtendedKeyUsage(_CLIENT), critical=False).sign(sleutel, hashes.SHA256())
    return _bewaar(map_ / "zelf", [getekend], sleutel)


def _bewaar(pad: Path, keten: Sequence[x509.Certificate], sleutel: ec.EllipticCurvePrivateKey) -> Certificaat:
    paar = Certificaat(pad.with_suffix(".pem"), pad.with_suffix(".key"))
    paar.certificaat.write_bytes(b"".join(een.public_bytes(serialization.Encoding.PEM) for een in keten))
    paar.sleutel.write_bytes(
        sleutel.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return paar


def _gebruik(*waarvoor: str) -> x509.KeyUsage:
    alle = (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
        *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    )
    return x509.KeyUsage(**{naam: naam in waarvoor for naam in alle})
