"""One stack for all tests that leave it as it is; who breaks one starts his own."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.lijn.stapel import Stapel
from tests.integration.lijn.zending import GEBRUIKERS

GEDULD_S = 45
"""Patience with a faulting profile service: only where a test lets it fault."""


@pytest.fixture(scope="session")
def lijn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stapel]:
    """The shared stack, with two workers and the citizens of these tests; leveranciers are each test's own."""
    stapel = Stapel(tmp_path_factory.mktemp("lijn"), geduld_s=GEDULD_S)
    try:
        stapel.start()
        stapel.laad({"gebruikers": GEBRUIKERS})
        yield stapel
    finally:
        stapel.ruim_op()


@pytest.fixture(scope="module")
def eigen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Stapel]]:
    """Starts stacks for the tests of one file alone, and ends them."""
    stapels: list[Stapel] = []

    def maak(workers: int = 2, **instellingen: object) -> Stapel:
        stapel = Stapel(Path(tmp_path_factory.mktemp("eigen")), workers, **instellingen)
        stapels.append(stapel)
        stapel.start()
        stapel.laad({"gebruikers": GEBRUIKERS})
        return stapel

    yield maak
    for stapel in stapels:
        stapel.ruim_op()
