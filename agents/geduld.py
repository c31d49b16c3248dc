"""Waiting for what is away: never a reason to lose or refuse anything (Domain: Outages wait)."""

import logging

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from streams.hartslag import slag

log = logging.getLogger(__name__)


def back_off(wat: str, *fouten: type[BaseException]) -> AsyncRetrying:
    """Tries again after these errors, without end, 0.2 to 10 seconds apart. Texts of errors are not logged."""

    def meld(staat: RetryCallState) -> None:
        slag()
        fout = staat.outcome.exception() if staat.outcome else None
        log.warning("%s is away (%s), trying again: attempt %d", wat, type(fout).__name__, staat.attempt_number)

    return AsyncRetrying(
        retry=retry_if_exception_type(fouten),
        wait=wait_exponential_jitter(multiplier=0.2, max=10, jitter=0.5),
        before_sleep=meld,
        reraise=True,
    )
