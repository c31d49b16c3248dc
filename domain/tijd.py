"""Times: whole milliseconds since 1970 in UTC inside, ISO 8601 with a zone outside."""

from datetime import UTC, datetime, timedelta

UUR_MS = 3_600_000
DAG_MS = 24 * UUR_MS

NORM_MS = DAG_MS
"""A message is placed or answered within 24 hours (Domain: The 24-hour norm)."""

MARGE_MS = 13 * DAG_MS
"""How old an AanmaakDatum, and how far ahead a PublicatieDatum may be (Domain: A batch on the wire)."""

_BEGIN = datetime(1970, 1, 1, tzinfo=UTC)


def lees_tijd(tekst: str) -> int:
    """Milliseconds of an ISO 8601 time that carries a zone. Raises ValueError, also where the zone is missing, or where
    `schrijf_tijd` could not write the time: in UTC it is outside the years 1 to 9999."""
    moment = datetime.fromisoformat(tekst)
    if moment.tzinfo is None:
        raise ValueError("a time needs a zone, such as 2026-01-31T12:00:00Z")
    millis = round((moment - _BEGIN) / timedelta(milliseconds=1))
    try:
        _moment(millis)
    except OverflowError:
        raise ValueError("a time is in the years 1 to 9999 in UTC as well") from None
    return millis


def schrijf_tijd(millis: int) -> str:
    """A time in milliseconds as ISO 8601 in UTC, with `Z`."""
    return _moment(millis).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(millis: int) -> datetime:
    return _BEGIN + timedelta(milliseconds=millis)
