"""A short run of the chaos suite; `make chaos` runs long ones."""

import os
import re
import subprocess
import sys
import time

import pytest

from tests.integration.lijn.stapel import WORTEL

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

MINUTEN = float(os.environ.get("CHAOS_MINUTEN", "0.8"))
ZAAD = os.environ.get("PROEF_ZAAD") or str(time.time_ns() % 1_000_000)


@pytest.mark.timeout(1200)
def test_whatever_dies_nothing_is_lost_or_doubled_or_wrong() -> None:
    opdracht = [sys.executable, "-m", "tests.chaos", "--seed", ZAAD, "--minutes", str(MINUTEN), "--rate", "100"]
    gedaan = subprocess.run(opdracht, cwd=WORTEL, capture_output=True, encoding="utf-8", check=False, timeout=1100)
    print(gedaan.stdout, gedaan.stderr)
    assert gedaan.returncode == 0, gedaan.stdout + gedaan.stderr
    for naam in ("lost", "double", "wrong", "places with a BSN"):
        assert re.search(rf"^│ {naam} +│ 0 +│$", gedaan.stdout, re.MULTILINE), naam
    for naam in ("kills in all", "messages shown"):
        [aantal] = re.findall(rf"^│ {naam} +│ (\d+) +│$", gedaan.stdout, re.MULTILINE)
        assert int(aantal) > 0, f"nothing was tried: {naam}"
