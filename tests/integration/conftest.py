"""What integration tests share beside tests/conftest.py."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agents import beslisser
from streams.settings import Instellingen
from tests.integration.opstelling import Opstelling


@pytest.fixture
async def op(kern: Instellingen, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Opstelling]:
    """Workers that decide, and a played world; pauses are short."""
    monkeypatch.setattr(beslisser, "_PAUZES_S", (0.01, 0.05))
    opstelling = Opstelling(kern, tmp_path)
    yield opstelling
    for worker in opstelling.workers:
        await worker.stop()
