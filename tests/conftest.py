"""What tests share: one real broker and one real ClickHouse engine for the whole run, topics and tables for each."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
from clickhouse_connect.driver.client import Client

from sinks.database import maak_client
from sinks.embedded.proces import EmbeddedClickHouse
from sinks.migreer import migreer
from streams.broker import Broker
from streams.settings import Instellingen
from streams.topics import maak_topics

hypothesis.settings.register_profile("gedeeld", deadline=None)  # a busy machine is slow, which is no failure
hypothesis.settings.load_profile("gedeeld")


def pytest_configure(config: pytest.Config) -> None:
    """Names the mark of tests/regels.py."""
    config.addinivalue_line("markers", "regel(*quotes): holds these rules of the domain (tests/regels.py)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that share a whole stack come late, and together: once started, it takes its part of the machine."""
    delen = {
        item.path
        for item in items
        if isinstance(item, pytest.Function) and item.path.parent.name == "lijn" and "lijn" in item.fixturenames
    }
    items.sort(key=lambda item: (item.path.parent.name == "unit", item.path in delen))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A broker that all tests use and none stops; who must stop one starts his own."""
    with Broker(tmp_path_factory.mktemp("kafka")) as running:
        yield running


@pytest.fixture(scope="session")
def clickhouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedClickHouse]:
    """A ClickHouse that all tests use and none stops."""
    with EmbeddedClickHouse(tmp_path_factory.mktemp("clickhouse")) as running:
        yield running


@pytest.fixture
def kern(broker: Broker, tmp_path: Path) -> Instellingen:
    """Settings with topics of their own on the shared broker: 1 partition of `batch`, 2 of `bericht`."""
    instellingen = Instellingen(
        data=tmp_path,
        kafka=broker.adres,
        topic_prefix=f"t{uuid4().hex[:12]}.",
        database=f"t{uuid4().hex[:12]}",
        partities_batch=1,
        partities_bericht=2,
        sink_wacht_s=0.05,
    )
    maak_topics(instellingen)
    return instellingen


@pytest.fixture
def lijn(kern: Instellingen, clickhouse: EmbeddedClickHouse) -> Instellingen:
    """The same, and a database of its own on the shared ClickHouse."""
    instellingen = kern.model_copy(update={"clickhouse": clickhouse.url})
    client = maak_client(instellingen.clickhouse)
    migreer(client, instellingen.database)
    client.close()
    return instellingen


@pytest.fixture
def database(lijn: Instellingen) -> Iterator[Client]:
    """A client in the test's own database, which is dropped afterwards."""
    client = maak_client(lijn.clickhouse, lijn.database)
    yield client
    client.command(f"DROP DATABASE {lijn.database}")
    client.close()
