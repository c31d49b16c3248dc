"""Who may deliver to Kafka: all while it confirms what it gets, and one at a time when it did not.

The bijlagen of a batch are stored before its record is sent, and stay when that is not confirmed. Kafka can tell of its
topics and take no records all the same, so only a record that is confirmed shows that it does. Whoever leaves nothing
in the store needs no turn, and his record shows it as well.

No trial keeps others out for long: it may hang on what is not Kafka, or on a part of Kafka that others do not need.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from aanlevering.uitgever import STIL_S, KafkaWeg

_BEURT_S = 5.0
"""Seconds after which another may try beside the one that does, and that a question to Kafka may take."""
_PAUZES_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds until the next may try, after each failure in a row."""
_VRAAG_S = 1.0
"""Seconds until Kafka is asked again when it did not answer."""


class Proef:
    """Lets batches through, and learns from what becomes of them."""

    def __init__(self, klok: Callable[[], float] = time.monotonic, stil_s: float = STIL_S) -> None:
        """`klok`: seconds that never go back; `stil_s`: who stops waiting sooner for Kafka, says nothing of it."""
        self._klok = klok
        self._stil_s = stil_s
        self._mislukt = 0
        """Failures in a row."""
        self._bevestigd = 0
        """Records, ever."""
        self._beurten = 0
        self._vanaf = 0.0
        """When the next may try."""
        self._dicht_tot = 0.0
        """Until then it is Kafka that is waited for: never longer than half a minute from now, whatever comes."""

    def controleer(self) -> None:
        """For who has not been received yet. Raises KafkaWeg when he would surely come too soon.

        It takes no turn, and lets all through as soon as there may be one: what a batch needs is not known yet.
        """
        if self._mislukt and self._klok() < self._dicht_tot:
            raise KafkaWeg("nothing is confirmed")

    @contextmanager
    def beurt(self) -> Iterator[bool]:
        """For who leaves something in the store; True when it is the one that tries. Raises KafkaWeg for others."""
        if not self._mislukt:
            yield False
            return
        if self._klok() < self._vanaf:
            raise KafkaWeg("another tries, or did a moment ago")
        self._beurten += 1
        stand = self._beurten, self._mislukt
        self._vanaf = self._klok() + max(_BEURT_S, self._pauze())
        try:
            yield True
        finally:
            if stand == (self._beurten, self._mislukt):  # it did not come to an end in Kafka: it is no reason to wait
                self._vanaf = self._klok()

    @contextmanager
    def vraag(self) -> Iterator[None]:
        """Around a question to Kafka by who may try: others need not be received until it is answered."""
        self._dicht_tot = self._klok() + _BEURT_S
        try:
            yield
        except (KafkaWeg, asyncio.CancelledError):
            self._dicht_tot = self._klok() + _VRAAG_S
            raise
        self._dicht_tot = self._klok()

    @contextmanager
    def meet(self, is_proef: bool) -> Iterator[None]:
        """Around the sending of a record. Who came before the last success, or was let through before the first
        failure, tells only that it is over."""
        begin, bevestigd, beurten = self._klok(), self._bevestigd, self._beurten
        if is_proef:
            self._dicht_tot = self._vanaf
        try:
            yield
        except BaseException as fout:
            te_kort = self._klok() - begin < self._stil_s
            zwijgt = isinstance(fout, KafkaWeg) or (isinstance(fout, asyncio.CancelledError) and not te_kort)
            if zwijgt and bevestigd == self._bevestigd and (is_proef or not self._mislukt):
                straks = self._klok() + self._pauze()
                self._vanaf = straks if beurten == self._beurten else max(self._vanaf, straks)
                self._dicht_tot = self._vanaf
                self._mislukt += 1
            elif is_proef:
                self._dicht_tot = self._klok()
            raise
        self._bevestigd += 1
        self._mislukt = 0

    def _pauze(self) -> float:
        return _PAUZES_S[min(self._mislukt, len(_PAUZES_S) - 1)]
