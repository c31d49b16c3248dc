"""The writer of rows, on the real engine."""

import subprocess
import sys

import pytest

from streams.settings import Instellingen

pytestmark = pytest.mark.integration

SCHRIJF = """
import asyncio, sys
from sinks.database import maak_client
from sinks.schrijver import Schrijver

client = maak_client(*sys.argv[1:])
asyncio.run(Schrijver(client).schrijf_voortgang([("batch", "id", 0, 7)]))
((rijen,),) = client.query("SELECT count() FROM voortgang").result_rows
print(rijen, "pandas" in sys.modules, "pyarrow" in sys.modules)
"""


@pytest.mark.usefixtures("database")
def test_an_insert_does_not_load_what_it_does_not_need(lijn: Instellingen) -> None:
    """pandas, and with it pyarrow, would be a third of a worker's memory; the client asks for it at an insert."""
    woorden = [sys.executable, "-c", SCHRIJF, lijn.clickhouse, lijn.database]
    uit = subprocess.run(woorden, capture_output=True, text=True, timeout=120, check=True)
    assert uit.stdout.split() == ["1", "False", "False"]
