"""Cutting batches: side by side, and those of one partition one after another."""

from types import SimpleNamespace
from typing import cast

from agents.splitsen import per_partitie
from streams.app import Event


def event(partitie: int, offset: int) -> Event:
    return cast(Event, SimpleNamespace(message=SimpleNamespace(tp=("batch", partitie), offset=offset)))


def test_batches_of_one_partition_stay_in_their_order() -> None:
    """Of two deliveries with the same BerichtID the first in the log is decided first."""
    genomen = [event(0, 7), event(1, 3), event(0, 8), event(1, 4), event(0, 9)]
    assert [[een.message.offset for een in groep] for groep in per_partitie(genomen)] == [[7, 8, 9], [3, 4]]
    assert list(per_partitie([])) == []
