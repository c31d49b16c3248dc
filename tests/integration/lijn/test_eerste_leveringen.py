"""The first deliveries of a process come at once: none of them may spoil the rest of its life."""

import subprocess
import sys

import pytest

from tests.integration.lijn.stapel import WORTEL

pytestmark = pytest.mark.integration

PROCESSEN = 150
_TEGELIJK = """
import os, signal, sys, threading, uuid
import aanlevering.server
from aanlevering.lezer import lees
from tests.globe import maak_xml
xml = maak_xml()

def lever():
    lees([xml], proceskenmerk=uuid.uuid4(), aangeleverd_op=1, aangeleverd_door=None, bewaar=lambda *_: None)

def nieuw_proces():
    tegelijk = threading.Barrier(2)
    draden = [threading.Thread(target=lambda: (tegelijk.wait(), lever())) for _ in range(2)]
    threading.excepthook = lambda _: None
    [draad.start() for draad in draden]
    [draad.join() for draad in draden]
    lever()

bedorven = 0
for _ in range(int(sys.argv[1])):
    kind = os.fork()
    if kind == 0:
        signal.alarm(20)  # it can also go round for ever
        try:
            nieuw_proces()
        except BaseException:
            os._exit(1)
        os._exit(0)
    bedorven += os.waitpid(kind, 0)[1] != 0
print(bedorven, end='')
"""


def test_batches_that_are_the_first_of_a_process_may_be_read_at_the_same_time() -> None:
    """libxml2 makes its schema types at their first use, and not safely between threads: when that goes wrong, every
    later schema of the process fails, so that the door answers 500 to all until it is started again, or loops."""
    gedaan = subprocess.run(
        [sys.executable, "-c", _TEGELIJK, str(PROCESSEN)],
        cwd=WORTEL,
        capture_output=True,
        check=True,
        encoding="utf-8",
        timeout=240,
    )
    assert gedaan.stdout == "0", f"{gedaan.stdout} of {PROCESSEN} processes can read no batch any more"
