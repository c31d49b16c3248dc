"""docker-compose.yml and the Dockerfile: no engine runs here, so everything about them that can be held without one."""

import importlib.util
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli.main import app
from streams.settings import Instellingen

REPO = Path(__file__).parents[2]
PACKAGES = {
    naam.split(".")[0]
    for naam in tomllib.loads((REPO / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
}


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((REPO / "docker-compose.yml").read_text())
    return loaded


def dockerfile() -> list[tuple[str, str]]:
    """Its instructions: word and rest."""
    tekst = re.sub(r"\\\n", " ", (REPO / "Dockerfile").read_text())
    regels = [regel for regel in tekst.splitlines() if regel and not regel.startswith("#")]
    return [(woord, rest) for woord, _, rest in (regel.partition(" ") for regel in regels)]


def test_compose_fits_the_compose_specification() -> None:
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "docker-compose.yml",
    ]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_check_against_the_specification_can_fail(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text((REPO / "docker-compose.yml").read_text().replace("depends_on:", "depend_on:"))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong)]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 1


def test_every_image_has_a_version(compose: dict[str, Any]) -> None:
    images = {service["image"] for service in compose["services"].values()}
    images |= {rest.split()[0] for word, rest in dockerfile() if word == "FROM"}
    assert [image for image in images if not re.fullmatch(r"[a-z/-]+:\d[\w.-]*", image)] == []


def test_kafka_is_the_version_that_the_tests_run_on(compose: dict[str, Any]) -> None:
    version = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([\d.]+)<", (REPO / "pom.xml").read_text())
    assert version is not None
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{version[1]}"


@pytest.mark.integration
def test_clickhouse_is_the_version_that_the_tests_run_on(compose: dict[str, Any]) -> None:
    command = [sys.executable, "-c", "import chdb; print(chdb.query('SELECT version()', 'TSVRaw'))"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    version = ".".join(done.stdout.split(".")[:2])
    assert compose["services"]["clickhouse"]["image"] == f"clickhouse/clickhouse-server:{version}"


def test_the_settings_that_are_named_exist() -> None:
    known = {f"BERICHTENSTROOM_{naam.upper()}" for naam in Instellingen.model_fields}
    named = set(
        re.findall(
            r"BERICHTENSTROOM_\w+", (REPO / "docker-compose.yml").read_text() + (REPO / "Dockerfile").read_text()
        )
    )
    assert named
    assert named <= known


def test_the_commands_that_are_run_exist(compose: dict[str, Any]) -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    text = "\n".join(" ".join(service.get("command", [])) for service in compose["services"].values())
    modules, ours = re.findall(r"python -m (\w+)", text), re.findall(r"^\s*berichtenstroom (\w+)", text, re.MULTILINE)
    assert {"aanlevering", "profielservice"} <= set(modules)
    assert all(importlib.util.find_spec(f"{module}.__main__") for module in modules)
    assert {"topics", "migreer", "worker"} <= set(ours) <= commands


def test_what_services_depend_on_and_keep_is_declared(compose: dict[str, Any]) -> None:
    services, used = compose["services"], set()
    for service in services.values():
        for naam, condition in service.get("depends_on", {}).items():
            assert condition["condition"] != "service_healthy" or "healthcheck" in services[naam]
        used |= {volume.partition(":")[0] for volume in service.get("volumes", [])}
    assert used == set(compose["volumes"])


def test_ports_are_published_on_loopback_alone(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_dockerfile_copies_every_package_and_nothing_that_is_ignored() -> None:
    copied = {
        name for word, rest in dockerfile() if word == "COPY" and "--from" not in rest for name in rest.split()[:-1]
    }
    allowed = {line[1:] for line in (REPO / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert PACKAGES <= copied <= allowed
    assert all((REPO / name).exists() for name in copied)


def test_the_package_holds_every_file_of_the_code(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPO / name, tmp_path / name)
    for package in PACKAGES:
        shutil.copytree(REPO / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
        "--wheel-dir",
        "wiel",
        ".",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = (tmp_path / "wiel").iterdir()
    inside = set(zipfile.ZipFile(wheel).namelist())
    needed = {
        str(file.relative_to(tmp_path))
        for package in PACKAGES
        for file in (tmp_path / package).rglob("*.*")
        if file.is_file()
    }
    assert needed - inside == set()
