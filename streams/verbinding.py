"""How this process connects: the arguments for each kind of Kafka client, the TLS of the others, and passwords.

Every client of Kafka is made with these (tests/unit/test_verbinding.py holds that), so that TLS and SASL are the same
for all. Certificates are read when a client is made, so a renewed one is taken at a restart.
"""

import re
import ssl
import time
from collections import deque
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, TopicMetadata  # type: ignore[attr-defined]
from pydantic import SecretStr

from streams.beveiliging import V
from streams.settings import Instellingen

_ELDERS = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)
"""Who coordinates a group is starting or moving."""
_BEURT_S = 2.0
"""Seconds after which it is looked whether asking on makes sense."""


class VerbindingFout(OSError):
    """A file with a certificate, key or password cannot be used now; the text names the setting and holds no secret."""


def aiokafka(instellingen: Instellingen) -> dict[str, Any]:
    """Arguments for AIOKafkaConsumer, AIOKafkaProducer and AIOKafkaAdminClient. Raises VerbindingFout."""
    argumenten: dict[str, Any] = {
        "bootstrap_servers": instellingen.kafka,
        "security_protocol": instellingen.kafka_protocol,
        "ssl_context": _kafka_tls(instellingen),
    }
    if instellingen.kafka_sasl_mechanisme is not None:
        argumenten |= {
            "sasl_mechanism": instellingen.kafka_sasl_mechanisme,
            "sasl_plain_username": instellingen.kafka_gebruiker,
            "sasl_plain_password": _kafka_wachtwoord(instellingen),
        }
    return argumenten


def faust(instellingen: Instellingen) -> dict[str, Any]:
    """Arguments for faust.App. Raises VerbindingFout."""
    from faust import auth  # half of what every command would take to start

    tls = _kafka_tls(instellingen)
    toegang: auth.Credentials | None = None
    if instellingen.kafka_sasl_mechanisme is not None:
        toegang = auth.SASLCredentials(
            username=instellingen.kafka_gebruiker,
            password=_kafka_wachtwoord(instellingen),
            mechanism=instellingen.kafka_sasl_mechanisme,
            ssl_context=tls,
        )
    elif tls is not None:
        toegang = auth.SSLCredentials(tls)
    adressen = ";".join(f"kafka://{adres.strip()}" for adres in instellingen.kafka.split(","))
    return {"broker": adressen, "broker_credentials": toegang}


def confluent(instellingen: Instellingen) -> dict[str, Any]:
    """Settings for confluent-kafka's clients, which log nothing by themselves. Raises VerbindingFout."""
    _kafka_tls(instellingen)  # says more of a file that cannot be used than librdkafka does
    bestanden = {
        "ssl.ca.location": instellingen.kafka_ca,
        "ssl.certificate.location": instellingen.kafka_certificaat,
        "ssl.key.location": instellingen.kafka_sleutel or instellingen.kafka_certificaat,
    }
    gegeven: dict[str, Any] = {
        "bootstrap.servers": instellingen.kafka,
        "security.protocol": instellingen.kafka_protocol,
        "log_level": 0,
    }
    gegeven |= {naam: str(pad) for naam, pad in bestanden.items() if pad is not None}
    if instellingen.kafka_sasl_mechanisme is not None:
        gegeven |= {
            "sasl.mechanism": instellingen.kafka_sasl_mechanisme,
            "sasl.username": instellingen.kafka_gebruiker,
            "sasl.password": _kafka_wachtwoord(instellingen),
        }
    return gegeven


class Beheer(AdminClient):
    """An admin client that can tell why it does not get through. Keep it until its futures are done."""

    def __init__(self, instellingen: Instellingen) -> None:
        """Raises VerbindingFout."""
        gehoord: deque[KafkaError] = deque(maxlen=50)
        self._gehoord = gehoord
        try:
            super().__init__(confluent(instellingen) | {"error_cb": gehoord.append})
        except KafkaException as fout:
            raise VerbindingFout(f"Kafka's settings cannot be used: {fout.args[0].str()}") from None

    def topics(self, timeout_s: float) -> dict[str, TopicMetadata]:
        """All topics by name. Raises KafkaException: at once when a broker refuses who we are, or we who it is."""
        grens = time.monotonic() + timeout_s
        while True:
            try:
                gevonden: dict[str, TopicMetadata] = self.list_topics(timeout=min(_BEURT_S, timeout_s)).topics
            except KafkaException:
                if time.monotonic() >= grens or self._geweigerd():
                    raise
            else:
                return gevonden

    def _geweigerd(self) -> bool:
        self.poll(0)
        codes = (KafkaError._AUTHENTICATION, KafkaError._SSL)
        return any(een.code() in codes or "SSL" in een.str() for een in self._gehoord)

    def reden(self, fout: KafkaException) -> str:
        """What went wrong, in one line, and what the connection said of it."""
        wat = str(fout.args[0].str())
        self.poll(0)
        oorzaken = [een for een in self._gehoord if een.code() != KafkaError._ALL_BROKERS_DOWN]
        if fout.args[0].code() not in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT) or not oorzaken:
            return wat
        # Without the address in front and the time behind, which say nothing to who set both.
        oorzaak = re.sub(r"^\S+/\S+: | \(after \d+ms in state \w+\)", "", oorzaken[-1].str())
        return f"{wat} ({oorzaak})"


def vastgelegd(
    instellingen: Instellingen, groep: str, plaatsen: Iterable[tuple[str, int]], timeout_s: float
) -> dict[tuple[str, int], int]:
    """The offsets that a group has committed, by topic and partition; those where it has none are left out.

    Asked as a consumer of the group that takes nothing and does not join: the admin client of librdkafka 2.16 ends the
    process by a null pointer when it asks a coordinator that is just starting or moving. Raises KafkaException.
    """
    lezer = Consumer({**confluent(instellingen), "group.id": groep, "enable.auto.commit": False})
    vraag, grens = [TopicPartition(*plaats) for plaats in plaatsen], time.monotonic() + timeout_s
    try:
        while True:
            try:
                gevonden = lezer.committed(vraag, timeout=max(0.1, grens - time.monotonic()))
                if fouten := [deel.error for deel in gevonden if deel.error is not None]:
                    raise KafkaException(fouten[0])
                return {(deel.topic, deel.partition): deel.offset for deel in gevonden if deel.offset >= 0}
            except KafkaException as fout:
                if fout.args[0].code() not in _ELDERS or time.monotonic() >= grens:
                    raise
            time.sleep(0.1)
    finally:
        lezer.close()


def tls_context(deel: str, instellingen: Instellingen) -> ssl.SSLContext:
    """TLS to `deel` (kafka, clickhouse or profielservice): whom we trust, and who we say we are. Names are checked.

    Raises VerbindingFout.
    """
    ca, certificaat, sleutel = (_pad(instellingen, deel, wat) for wat in ("ca", "certificaat", "sleutel"))
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ValueError) as fout:
        raise _onbruikbaar(deel, "ca", fout) from None
    if certificaat is not None:

        def zonder_wachtwoord() -> str:
            raise VerbindingFout(f"{V}{deel}_sleutel".upper() + ": the key is encrypted; give one without a password")

        try:
            context.load_cert_chain(certificaat, sleutel, zonder_wachtwoord)
        except VerbindingFout:
            raise
        except (OSError, ValueError) as fout:
            raise _onbruikbaar(deel, "certificaat", fout) from None
    return context


def wachtwoord(deel: str, instellingen: Instellingen) -> str | None:
    """The password for `deel` (kafka or clickhouse), from its setting or file. Raises VerbindingFout."""
    gegeven: SecretStr | None = getattr(instellingen, f"{deel}_wachtwoord")
    bestand: Path | None = getattr(instellingen, f"{deel}_wachtwoord_bestand")
    if bestand is None:
        return None if gegeven is None else gegeven.get_secret_value()
    try:
        regels = bestand.read_text("utf-8").splitlines()
    except (OSError, ValueError) as fout:
        raise _onbruikbaar(deel, "wachtwoord_bestand", fout) from None
    if len(regels) != 1 or not regels[0]:
        raise VerbindingFout(f"{V}{deel}_wachtwoord_bestand".upper() + ": must hold one line, the password")
    return regels[0]


def _kafka_tls(instellingen: Instellingen) -> ssl.SSLContext | None:
    return tls_context("kafka", instellingen) if instellingen.kafka_protocol.endswith("SSL") else None


def _kafka_wachtwoord(instellingen: Instellingen) -> str:
    gegeven = wachtwoord("kafka", instellingen)
    if gegeven is None:
        raise VerbindingFout(f"SASL needs {V}KAFKA_WACHTWOORD")
    return gegeven


def _pad(instellingen: Instellingen, deel: str, wat: str) -> Path | None:
    pad: Path | None = getattr(instellingen, f"{deel}_{wat}")
    return pad


def _onbruikbaar(deel: str, wat: str, fout: Exception) -> VerbindingFout:
    if isinstance(fout, ssl.SSLError):
        reden = {
            "KEY_VALUES_MISMATCH": "the certificate and the key do not belong together",
            None: "not a PEM file with what it must hold",
        }.get(fout.reason, f"not usable ({fout.reason})")
    elif isinstance(fout, OSError):
        reden = fout.strerror or type(fout).__name__
    else:
        reden = "not text in UTF-8" if isinstance(fout, UnicodeDecodeError) else "cannot be used"
    naam = f"{V}{deel}_{wat}".upper()
    if wat == "certificaat":
        naam += f" (or {V}{deel.upper()}_SLEUTEL)"
    return VerbindingFout(f"{naam}: {reden}")
