"""The house: what holds for the repository as a whole."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
import typer.main

import avro.beschrijf
import streams.beschrijf
from cli.main import app
from streams.settings import Instellingen
from streams.topics import DAG_MS, topics

REPO = Path(__file__).parents[2]
REQUIREMENTS = ("requirements.txt", "requirements-dev.txt", "bench/requirements.txt", "bench/requirements-quix.txt")
MAX_LINES = 400
MAX_TEST_LINES = 700
COMMANDS = ("demo", "up", "test", "test-unit", "test-long", "chaos", "lint", "bench", "docs", "lock", "clean")
ELSEWHERE = {
    "a registry's host": r"pypi\.org|pythonhosted|npmjs\.(org|com)|repo1?\.maven|docker\.io|hub\.docker|ghcr\.io",
    "a path of some machine": r"(?<![\w.$}*])/(work|root|home/\w+)/",
    "a folder beside the checkout": r"\.\./" + "shared",
}


def files(*suffixes: str) -> list[Path]:
    """What git has, or would take."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=REPO, capture_output=True, text=True, check=True).stdout.split("\0")
    found = [REPO / name for name in listed if name and (REPO / name).is_file()]
    return [file for file in found if not suffixes or file.suffix in suffixes]


def pages() -> list[Path]:
    return files(".md")


def shell_lines() -> list[tuple[str, str]]:
    """Every line of shell that a page shows, with the page's name; continued lines are one."""
    blocks = [
        (page.name, block)
        for page in pages()
        for block in re.findall(r"```(?:sh|text)\n(.*?)```", page.read_text(), re.S)
    ]
    return [(page, line.strip()) for page, block in blocks for line in block.replace("\\\n", " ").splitlines()]


def test_no_file_names_what_is_only_here() -> None:
    found = []
    for file in files():
        if file == Path(__file__):
            continue
        text = file.read_text(errors="replace")
        found += [
            f"{file.relative_to(REPO)}: {what}" for what, pattern in ELSEWHERE.items() if re.search(pattern, text)
        ]
    assert found == []


def test_every_requirement_is_pinned_with_hashes() -> None:
    for name in REQUIREMENTS:
        requirements = (REPO / name).read_text().replace("\\\n", " ").splitlines()
        assert len(requirements) > 20
        loose = [
            line
            for line in requirements
            if not re.match(r"^[\w.-]+(\[[\w,]+\])?==\S+ .*--hash=sha256:[0-9a-f]{64}", line)
        ]
        assert loose == [], name


@pytest.mark.parametrize("elsewhere", ["requirements-dev.txt", "bench/requirements.txt"])
def test_what_runs_is_pinned_the_same_for_development_and_for_the_bench(elsewhere: str) -> None:
    runs, there = (
        set(re.findall(r"^\S+==\S+", (REPO / name).read_text(), re.M)) for name in ("requirements.txt", elsewhere)
    )
    assert runs - there == set()


def test_python_files_fit_on_a_few_screens() -> None:
    lengths = {str(file.relative_to(REPO)): len(file.read_text().splitlines()) for file in files(".py")}
    limits = {name: MAX_TEST_LINES if name.startswith("tests/") else MAX_LINES for name in lengths}
    assert {name: lines for name, lines in lengths.items() if lines > limits[name]} == {}


def test_the_generated_pages_are_up_to_date() -> None:
    for name, expected in (("events", avro.beschrijf.beschrijf()), ("settings", streams.beschrijf.beschrijf())):
        _, _, generated = (REPO / "docs" / f"{name}.md").read_text().partition("writes it again -->\n\n")
        assert generated == expected, f"docs/{name}.md: run 'make docs'"


def test_every_column_of_every_event_has_a_doc() -> None:
    rows = [line for line in avro.beschrijf.beschrijf().splitlines() if line.startswith("| `")]
    assert len(rows) > 50
    assert [row for row in rows if not re.fullmatch(r"\| `[\w.]+` \| .+ \| \S.+ \|", row)] == []


def test_events_page_tells_of_every_topic_how_long_it_is_kept() -> None:
    text, _, _ = (REPO / "docs" / "events.md").read_text().partition("## Wire format")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    for topic in topics(Instellingen()):
        (row,) = [row for row in rows if f"`{topic.naam}`" in row.split("|")[1]]
        kept = topic.instellingen.get("retention.ms")
        assert (f"{int(kept) // DAG_MS} days" if kept else "compacted") in row


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs make as from a shell, also when these tests run under make themselves."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    return subprocess.run(["make", *words], cwd=folder, env=outside, capture_output=True, text=True, check=False)


def test_make_alone_lists_the_commands() -> None:
    listed = re.findall(r"^make (\S+) +\S", make(REPO).stdout, re.MULTILINE)
    assert set(COMMANDS) <= set(listed)


def test_make_works_in_a_folder_with_spaces_in_its_name(tmp_path: Path) -> None:
    folder = tmp_path / "een map met spaties"
    folder.mkdir()
    (folder / "Makefile").write_text((REPO / "Makefile").read_text())
    assert "make demo" in make(folder).stdout
    planned = make(folder, "-n", "up", "DATA=de data")
    assert "pyproject.toml" in planned.stderr  # all that this folder lacks
    assert str(folder) not in planned.stdout


def test_links_in_the_pages_lead_somewhere() -> None:
    broken = []
    for page in pages():
        for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
            target = link.partition("#")[0]
            if not re.match(r"https?://", link) and not (page.parent / target).exists():
                broken.append(f"{page.name}: {link}")
    assert broken == []


def test_the_commands_that_the_pages_show_exist() -> None:
    shown = [(page, line) for page, line in shell_lines() if ".venv/bin/berichtenstroom " in line]
    assert len(shown) > 10
    for page, line in shown:
        words = shlex.split(line.partition(".venv/bin/berichtenstroom ")[2])
        command = typer.main.get_command(app)
        while subcommands := getattr(command, "commands", {}):  # a group, such as `dienst`
            if words[0] == "--help":
                break
            assert words[0] in subcommands, f"{page}: {line}"
            command = subcommands[words.pop(0)]
        options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("--")} <= options, f"{page}: {line}"


def test_the_make_commands_that_the_pages_show_exist() -> None:
    shown = {line.split()[1] for _, line in shell_lines() if line.startswith("make ")}
    inline = {name for page in pages() for name in re.findall(r"`make ([a-z-]+)", page.read_text())}
    assert shown
    assert shown | inline <= set(COMMANDS)


def test_continuous_integration_runs_the_test_command_of_the_readme() -> None:
    assert "make test\n" in (REPO / "README.md").read_text()
    assert "\nmake test\n" in (REPO / ".ci" / "run").read_text()


def test_the_licence_is_named_the_same_everywhere() -> None:
    assert "SPDX-License-Identifier: EUPL-1.2" in (REPO / "LICENSE").read_text()
    assert 'license = "EUPL-1.2"' in (REPO / "pyproject.toml").read_text()
    assert "EUPL-1.2" in (REPO / "README.md").read_text()
