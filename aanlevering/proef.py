"""Who may deliver to Kafka: all while it confirms what it gets, and one at a time when it did not.

The bijlagen of a batch are stored before its record is sent, and stay when that is not confirmed. Kafka can tell of its
topics and take no records all the same, so only a record that is confirmed shows that it does.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aanlevering.uitgever import KafkaWeg

_PAUZES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds until the next may try, after each failure in a row."""


class Proef:
    """Lets batches through, and learns from what becomes of them."""

    def __init__(self, klok: Callable[[], float] = time.monotonic) -> None:
        """`klok`: seconds that never go back."""
        self._klok = klok
        self._mislukt = 0
        """Failures in a row."""
        self._vanaf = 0.0
        self._bezig = False

    @contextmanager
    def beurt(self) -> Iterator[bool]:
        """For as long as a batch is made durable; True when it is the one that tries. Raises KafkaWeg for others."""
        if not self._mislukt:
            yield False
            return
        if self._bezig or self._klok() < self._vanaf:
            raise KafkaWeg("another tries, or did a moment ago")
        self._bezig = True
        try:
            yield True
        finally:
            self._bezig = False

    @contextmanager
    def meet(self, is_proef: bool) -> Iterator[None]:
        """Around the sending of a record. Who was let through before the first failure tells only that it is over."""
        try:
            yield
        except (KafkaWeg, asyncio.CancelledError):
            if is_proef or not self._mislukt:
                self._vanaf = self._klok() + _PAUZES_S[min(self._mislukt, len(_PAUZES_S) - 1)]
                self._mislukt += 1
            raise
        self._mislukt = 0
