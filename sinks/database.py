"""How to reach ClickHouse, and which of its errors pass when one waits."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import Error, OperationalError

HERKANSBAAR = frozenset({3, 107, 159, 164, 202, 203, 209, 210, 241, 242, 252, 285, 319, 425, 999})
"""Error codes worth a retry: time-outs, too much at once, memory, network, replicas that cannot write, Keeper. The same
that ClickHouse's own Kafka connector waits for."""


class DatabaseWeg(Exception):
    """ClickHouse cannot be reached, or cannot do it now: the same request may succeed later."""


@contextmanager
def vertaal_fouten() -> Iterator[None]:
    """Within it, errors that are worth a retry become DatabaseWeg; all others pass unchanged."""
    try:
        yield
    except Error as fout:
        onbereikbaar = isinstance(fout, OperationalError) and fout.code is None
        if onbereikbaar or fout.code in HERKANSBAAR:
            raise DatabaseWeg(
                "ClickHouse does not answer" if onbereikbaar else f"ClickHouse cannot do it now: {fout}"
            ) from fout
        raise


def maak_client(url: str, database: str = "") -> Client:
    """A client that threads may share; user, password and TLS stand in the URL. Raises DatabaseWeg.

    It keeps no session, since a session takes one query at a time, and its inserts return when the rows are stored,
    not when they are queued. Equal keys always share a partition here, so collapsing need not look across them.
    """
    with vertaal_fouten():
        return clickhouse_connect.get_client(
            dsn=url,
            interface=urlsplit(url).scheme,
            database=database or None,
            autogenerate_session_id=False,
            settings={"async_insert": 0, "do_not_merge_across_partitions_select_final": 1},
        )
