"""A line that tests share which say themselves what must become of their messages."""

from collections.abc import Iterator

import pytest

from sinks.embedded.proces import EmbeddedClickHouse
from streams.broker import Broker
from tests.model.lijn import Lijn
from tests.model.zaak import Zaak


@pytest.fixture(scope="module")
def proeflijn(
    broker: Broker, clickhouse: EmbeddedClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lijn]:
    """The line that the tests of a file share; it works all the time, so others must not wait beside it."""
    lijn = Lijn(broker.adres, clickhouse.url, tmp_path_factory.mktemp("proeflijn"))
    yield lijn
    lijn.stop()


@pytest.fixture
def zaak(proeflijn: Lijn) -> Zaak:
    """A world of the test's own."""
    return Zaak(proeflijn)
