"""How to reach ClickHouse, and which of its errors pass when one waits."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver import options as clickhouse_opties
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error, OperationalError

from streams.hartslag import begrensd
from streams.settings import Instellingen
from streams.verbinding import tls_context, wachtwoord

HERKANSBAAR = frozenset({3, 107, 159, 164, 202, 203, 209, 210, 241, 242, 252, 285, 319, 425, 774, 999})
"""Error codes worth a retry: time-outs, too much at once, memory, network, replicas that cannot write, Keeper. The same
that ClickHouse's own Kafka connector waits for, and 774, a table that an operator made read-only."""

# An insert asks whether it was given a DataFrame, and imports pandas for that: a third of what a worker has in memory.
# None is what the client itself makes of a pandas that is not there; nothing here has ever had a DataFrame.
clickhouse_opties.pd = clickhouse_opties.pd_time_test = None


class DatabaseWeg(Exception):
    """ClickHouse cannot be reached, or cannot do it now: the same request may succeed later."""


@contextmanager
def vertaal_fouten() -> Iterator[None]:
    """Within it, errors that are worth a retry become DatabaseWeg; all others pass unchanged."""
    try:
        with begrensd():
            yield
    except Error as fout:
        onbereikbaar = isinstance(fout, OperationalError) and fout.code is None
        if onbereikbaar or fout.code in HERKANSBAAR:
            raise DatabaseWeg(_onbereikbaar(fout) if onbereikbaar else f"ClickHouse cannot do it now: {fout}") from fout
        raise


def _onbereikbaar(fout: BaseException) -> str:
    """What an operator can mend is said; the texts of the client are long, and of its own inside."""
    oorzaak: object = fout
    for _ in range(20):  # urllib3 keeps what it met in `reason`, or as first argument
        if isinstance(oorzaak, ssl.SSLError):
            return f"ClickHouse does not answer: TLS: {getattr(oorzaak, 'verify_message', '') or oorzaak.reason}"
        if isinstance(oorzaak, ConnectionResetError | BrokenPipeError):
            # TLS 1.3 refuses a client after the handshake: its alert may be lost with the connection.
            return "ClickHouse does not answer: it broke the connection off (over TLS: does it trust our certificate?)"
        if not isinstance(oorzaak, BaseException):
            break
        dieper = getattr(oorzaak, "reason", None)
        if not isinstance(dieper, BaseException):
            dieper = next((een for een in oorzaak.args if isinstance(een, BaseException)), None)
        oorzaak = dieper or oorzaak.__cause__ or oorzaak.__context__
    return "ClickHouse does not answer"


def verbind(instellingen: Instellingen, database: str | None = None, **opties: Any) -> Client:
    """A client of the ClickHouse of the settings, in their database or in another ("": none). See `maak_client`.

    `opties`: of the client itself. A client certificate beside a password is shown to TLS alone; without one it tells
    who the user is. Raises DatabaseWeg, VerbindingFout.
    """
    toegang = dict(opties)
    if (gegeven := wachtwoord("clickhouse", instellingen)) is not None:
        toegang["password"] = gegeven
    if instellingen.clickhouse_ca is not None:
        toegang["ca_cert"] = str(instellingen.clickhouse_ca)
    if instellingen.clickhouse_certificaat is not None:
        sleutel = instellingen.clickhouse_sleutel or instellingen.clickhouse_certificaat
        toegang |= {"client_cert": str(instellingen.clickhouse_certificaat), "client_cert_key": str(sleutel)}
        url = urlsplit(instellingen.clickhouse)
        toegang |= {"tls_mode": "strict"} if gegeven or url.password else {"username": url.username or "default"}
    if toegang.keys() & {"ca_cert", "client_cert"}:
        tls_context("clickhouse", instellingen)  # says more of a file that cannot be used than the client does
    return maak_client(instellingen.clickhouse, instellingen.database if database is None else database, **toegang)


def maak_client(url: str, database: str = "", **toegang: Any) -> Client:
    """A client that threads may share; user and password stand in the URL, unless given. Raises DatabaseWeg.

    It keeps no session, since a session takes one query at a time, and its inserts return when the rows are stored,
    not when they are queued. Equal keys always share a partition here, so collapsing need not look across them.
    """
    with vertaal_fouten():
        return clickhouse_connect.get_client(
            dsn=url,
            interface=urlsplit(url).scheme,
            database=database or None,
            autogenerate_session_id=False,
            **toegang,
            settings={"async_insert": 0, "do_not_merge_across_partitions_select_final": 1},
        )
