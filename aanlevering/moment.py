"""Times of a batch that passed the schema: to milliseconds, within what every part of the line can hold."""

from domain.tijd import DAG_MS, lees_tijd

_EINDE = lees_tijd("2250-01-01T00:00:00Z")


def lees_moment(tekst: str) -> int:
    """Milliseconds since 1970 of an xs:dateTime with zone; 24:00:00 is the midnight that follows.

    Raises ValueError for what is not after 1970-01-01T00:00:00Z and before 2250: zero means 'absent' further on, and
    beyond 2250 databases and languages stop.
    """
    dag, _, tijd = tekst.strip(" \t\r\n").partition("T")
    is_einde_dag = tijd.startswith("24:")
    millis = lees_tijd(f"{dag}T00:{tijd[3:]}" if is_einde_dag else f"{dag}T{tijd}") + is_einde_dag * DAG_MS
    if not 0 < millis < _EINDE:
        raise ValueError("outside 1970 to 2250")
    return millis
