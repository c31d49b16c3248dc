"""What can go wrong with the object store."""

from collections.abc import Iterator
from contextlib import contextmanager

from obstore.exceptions import BaseError


class OpslagWeg(Exception):
    """The store is away or full. Worth a retry later."""


class ObjectOntbreekt(Exception):
    """There is no object of that name."""


@contextmanager
def als_opslag_weg() -> Iterator[None]:
    """Errors of the store and of the file system as OpslagWeg, without their texts' content beyond the first line."""
    try:
        yield
    except (BaseError, OSError) as fout:
        raise OpslagWeg(f"object store: {type(fout).__name__}: {str(fout).partition(chr(10))[0]}") from fout
