"""Signs of life of the parts of a process, by which `streams.waakhond` sees one that hangs.

A part gives a sign whenever it starts a round, and whenever it tries again what is away: it waits, but does not hang.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_deel: ContextVar[str] = ContextVar("deel", default="")
_slagen: dict[str, int] = {}
_begrensd: set[object] = set()


def hoort_bij(deel: str) -> None:
    """From here on what this task does, and every task and thread that it starts, is of this part."""
    _deel.set(deel)


def slag() -> None:
    """The part that this runs for goes on."""
    deel = _deel.get()
    _slagen[deel] = _slagen.get(deel, 0) + 1


def slagen(deel: str) -> int:
    """How many signs a part gave; only whether it changes says something."""
    return _slagen.get(deel, 0)


@contextmanager
def begrensd() -> Iterator[None]:
    """Within it something is asked that ends by a time limit of its own, however long that takes."""
    vraag = object()
    _begrensd.add(vraag)
    try:
        yield
    finally:
        _begrensd.discard(vraag)


def onderweg() -> frozenset[object]:
    """What is being asked within `begrensd` now, in any thread."""
    return frozenset(_begrensd)
