"""The line and a simple model of the rules, side by side: random batches, resends, reference changes and replays."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from sinks.embedded.proces import EmbeddedClickHouse
from streams.broker import Broker
from tests.model.lijn import Lijn
from tests.model.proef import PERIODE, Proef, speel, vergelijk
from tests.model.scenario import Geval, gevallen
from tests.regels import regel

pytestmark = pytest.mark.integration

SAMEN = 8
"""Cases that go through the line side by side, each drawn for itself."""
GEVALLEN = int(os.environ.get("BERICHTENSTROOM_GEVALLEN", "200"))
"""Cases in all."""
VERS_NA = 30
"""Goes after which the line gets new topics and tables: reading all reference data takes longer with each."""


class Lijnen:
    """The line, made anew from time to time."""

    def __init__(self, broker: Broker, clickhouse: EmbeddedClickHouse, mappen: pytest.TempPathFactory) -> None:
        self._maak = lambda: Lijn(broker.adres, clickhouse.url, mappen.mktemp("lijn"))
        self._lijn: Lijn | None = None
        self._keer = 0

    def geef(self) -> tuple[Lijn, int]:
        """The line, and where a period begins that nothing was delivered in."""
        if self._lijn is None or self._keer == VERS_NA:
            self.stop()
            self._lijn, self._keer = self._maak(), 0
        self._keer += 1
        return self._lijn, self._lijn.begonnen - self._keer * PERIODE

    def stop(self) -> None:
        """Ends it, and looks whether anything came a second time, after all had been compared."""
        if self._lijn is None:
            return
        lijn, self._lijn = self._lijn, None
        try:
            lijn.wacht_rustig()
            assert [run for run, resultaten in lijn.resultaten.items() if len(resultaten) != 1] == []
            assert [run for run, per in lijn.besluiten.items() if any(len(een) != 1 for een in per.values())] == []
        finally:
            lijn.stop()


@pytest.fixture(scope="module")
def lijnen(
    broker: Broker, clickhouse: EmbeddedClickHouse, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lijnen]:
    alle = Lijnen(broker, clickhouse, tmp_path_factory)
    yield alle
    alle.stop()


@regel(
    "schema, OIN, AanmaakDatum, PublicatieDatum, size, duplicate, berichttype, gebruiker, store",
    "the first that fails gives the code",
    "The first outcome of (Proceskenmerk, number) that is durable in the topic `validatie` stands",
    "it must not count, be answered or notify a second time",
    "a message's outcome is its Verwerkt from whichever run gave it, else that of the latest run",
    "a resend never turns green into red",
    "never counts a message twice",
    "Every change counts from the moment it is made, for messages already on their way too",
    "without holding up other senders' messages",
)
@pytest.mark.timeout(900 + 3 * GEVALLEN)  # making a failing case small takes five minutes
@pytest.mark.filterwarnings("ignore:Do not use the `random` module")  # the Kafka clients do, in another thread
@settings(
    max_examples=max(1, GEVALLEN // SAMEN),
    # New cases each time: one that fails at random has found something. The blob that is printed repeats it.
    derandomize=False,
    print_blob=True,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(samen=st.lists(gevallen(), min_size=SAMEN, max_size=SAMEN))
def test_line_and_model_agree_on_every_code_and_every_count(lijnen: Lijnen, samen: list[Geval]) -> None:
    lijn, van = lijnen.geef()
    tot = van + PERIODE
    proeven = [Proef(geval, tot - 1) for geval in samen]
    speel(lijn, proeven)
    verschillen = vergelijk(lijn, proeven, van, tot)
    assert not verschillen, "\n\n".join(
        f"{wat}\n  expected {verwacht}\n  found    {gevonden}" for wat, verwacht, gevonden in verschillen
    )
