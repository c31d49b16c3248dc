"""Which settings of TLS, certificates and passwords go together, and which belong to what runs elsewhere."""

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from streams.settings import Instellingen

V: Final = "BERICHTENSTROOM_"

UIT: Final[dict[str, dict[str, object]]] = {
    "kafka": {
        "kafka_protocol": "PLAINTEXT",
        "kafka_ca": None,
        "kafka_certificaat": None,
        "kafka_sleutel": None,
        "kafka_sasl_mechanisme": None,
        "kafka_gebruiker": "",
        "kafka_wachtwoord": None,
        "kafka_wachtwoord_bestand": None,
    },
    "clickhouse": {"clickhouse_ca": None, "clickhouse_certificaat": None, "clickhouse_sleutel": None},
    "profielservice": {
        "profielservice_ca": None,
        "profielservice_certificaat": None,
        "profielservice_sleutel": None,
    },
    "aanlevering": {
        "aanlevering_certificaat": None,
        "aanlevering_sleutel": None,
        "aanlevering_ca": None,
        "aanlevering_crl": None,
    },
}
"""By address: what the embedded stack, on loopback, does without. Its ClickHouse does take the password that is set."""


def tegenstrijdig(instellingen: "Instellingen") -> list[str]:
    """What cannot be so together, a line each; no value is quoted, since a password may stand in any of them."""
    return [*_kafka(instellingen), *_clickhouse(instellingen), *_profielservice(instellingen)]


def _kafka(een: "Instellingen") -> list[str]:
    tls, sasl = een.kafka_protocol.endswith("SSL"), een.kafka_protocol.startswith("SASL_")
    fouten = _tls("kafka", een, tls=tls, nodig=f"{V}KAFKA_PROTOCOL SSL or SASL_SSL")
    namen = {
        "KAFKA_SASL_MECHANISME": een.kafka_sasl_mechanisme is not None,
        "KAFKA_GEBRUIKER": bool(een.kafka_gebruiker),
        "KAFKA_WACHTWOORD (or …_BESTAND)": _wachtwoorden("kafka", een) > 0,
    }
    for naam, gegeven in namen.items():
        if sasl and not gegeven:
            fouten.append(f"{V}KAFKA_PROTOCOL {een.kafka_protocol} needs {V}{naam}")
        if gegeven and not sasl:
            fouten.append(f"{V}{naam} needs {V}KAFKA_PROTOCOL SASL_SSL or SASL_PLAINTEXT")
    return fouten + _een_wachtwoord("kafka", een)


def _clickhouse(een: "Instellingen") -> list[str]:
    try:
        url = urlsplit(een.clickhouse)
        goed = url.scheme in ("http", "https") and bool(url.hostname) and (url.port is None or url.port > 0)
    except ValueError:
        goed = False
    if not goed:
        return [
            f"{V}CLICKHOUSE is not a URL such as https://user@host:8443 (in a password in it, / # ? @ % are written "
            f"as %2F %23 %3F %40 %25; or set {V}CLICKHOUSE_WACHTWOORD)"
        ]
    fouten = _tls("clickhouse", een, tls=url.scheme == "https", nodig=f"{V}CLICKHOUSE with https://")
    if url.password and _wachtwoorden("clickhouse", een):
        fouten.append(f"a password stands both in {V}CLICKHOUSE and in {V}CLICKHOUSE_WACHTWOORD or …_BESTAND")
    return fouten + _een_wachtwoord("clickhouse", een)


def _profielservice(een: "Instellingen") -> list[str]:
    tls = een.profielservice.startswith("https://")
    return _tls("profielservice", een, tls=tls, nodig=f"{V}PROFIELSERVICE with https://")


def _tls(deel: str, een: "Instellingen", *, tls: bool, nodig: str) -> list[str]:
    gegeven = [wat for wat in ("ca", "certificaat", "sleutel") if getattr(een, f"{deel}_{wat}") is not None]
    namen = " and ".join(f"{V}{deel}_{wat}".upper() for wat in gegeven)
    if gegeven and not tls:
        return [f"{namen} needs {nodig}"]
    if "sleutel" in gegeven and "certificaat" not in gegeven:
        return [f"{V}{deel.upper()}_SLEUTEL needs {V}{deel.upper()}_CERTIFICAAT"]
    return []


def _wachtwoorden(deel: str, een: "Instellingen") -> int:
    return sum(getattr(een, f"{deel}_{wat}") is not None for wat in ("wachtwoord", "wachtwoord_bestand"))


def _een_wachtwoord(deel: str, een: "Instellingen") -> list[str]:
    dubbel = _wachtwoorden(deel, een) > 1
    naam = f"{V}{deel.upper()}_WACHTWOORD"
    return [f"give {naam} or {naam}_BESTAND, not both"] if dubbel else []
