"""Another ecosystem's client, npm's `@clickhouse/client`, on the embedded ClickHouse."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from sinks.embedded.proces import EmbeddedClickHouse

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).parent / "node_client"


def test_the_node_client_inserts_asks_and_hears_errors(tmp_path: Path) -> None:
    folder = tmp_path / "node_client"
    shutil.copytree(SCRIPT, folder)
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    installed = subprocess.run(install, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    assert installed.returncode == 0, installed.stderr
    with EmbeddedClickHouse(tmp_path / "clickhouse") as clickhouse:
        node = ["node", "client.mjs", clickhouse.url]
        ran = subprocess.run(node, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout) == {
        "ping": True,
        "inserted": "5000",
        "found": [{"k": "7", "naam": "naam 7 é'\\", "op": "2026-01-02 03:04:05.678"}],
        "streamed": 5000,
        "count": 5000,
        "error": {"code": "60", "type": "UNKNOWN_TABLE"},
    }
