"""The object store keeps its promises: encrypted, whole, durable, and harmless to write twice."""

import asyncio
import hashlib
import os
import time
from pathlib import Path

import pytest

from sinks import objecten as module
from sinks.objecten import TIJDELIJK, Objecten, ObjectOntbreekt, OpslagWeg, bijlage_naam
from streams.sleutels import SleutelFout, Sleutels, lees_sleutels, maak_sleutels
from tests.regels import regel


@pytest.fixture
def sleutels(tmp_path: Path) -> Sleutels:
    maak_sleutels(tmp_path / "sleutels.json")
    return lees_sleutels(tmp_path / "sleutels.json")


@pytest.fixture
def map_(tmp_path: Path) -> Path:
    return tmp_path / "opslag"


@pytest.fixture
def objecten(map_: Path, sleutels: Sleutels) -> Objecten:
    return Objecten(f"file://{map_}", sleutels)


def bestanden(map_: Path) -> list[str]:
    return sorted(str(pad.relative_to(map_)) for pad in map_.rglob("*") if pad.is_file())


@regel("an object, encrypted, in the message store")
async def test_what_is_stored_can_be_read_and_is_not_readable_on_disk(objecten: Objecten, map_: Path) -> None:
    await objecten.bewaar("berichten/a/b", b"geheim" * 100)
    assert await objecten.lees("berichten/a/b") == b"geheim" * 100
    assert await objecten.bestaat("berichten/a/b")
    assert bestanden(map_) == ["berichten/a/b"]
    assert b"geheim" not in (map_ / "berichten/a/b").read_bytes()


@regel("writing it again changes nothing")
async def test_writing_again_changes_nothing(objecten: Objecten, map_: Path) -> None:
    await objecten.bewaar("a", b"eerste")
    op_schijf = (map_ / "a").read_bytes()
    await objecten.bewaar("a", b"eerste")
    assert (map_ / "a").read_bytes() == op_schijf


async def test_an_object_that_is_not_there(objecten: Objecten) -> None:
    assert not await objecten.bestaat("a/b")
    with pytest.raises(ObjectOntbreekt):
        await objecten.lees("a/b")


@pytest.mark.parametrize(
    "naam",
    [
        "",
        "/a",
        "a/",
        "a//b",
        "..",
        "../a",
        "a/../../b",
        "a/./b",
        ".tijdelijk/a",
        "a\\b",
        "a%2fb",
        "a b",
        "a\n",
        "é",
        "a\0",
    ],
)
async def test_a_name_from_outside_does_not_escape_the_folder(objecten: Objecten, map_: Path, naam: str) -> None:
    for doe in (objecten.bewaar(naam, b"x"), objecten.lees(naam), objecten.bestaat(naam)):
        with pytest.raises(ValueError, match="not a name"):
            await doe
    assert bestanden(map_) == []


async def test_content_is_flushed_before_the_name_and_the_name_before_it_returns(
    objecten: Objecten, map_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gespoeld: list[tuple[str, list[str]]] = []
    echt = module._spoel

    def spoel(pad: Path) -> None:
        gespoeld.append((str(pad.relative_to(map_.parent)), bestanden(map_)))
        echt(pad)

    monkeypatch.setattr(module, "_spoel", spoel)
    await objecten.bewaar("a/b", b"x")
    (inhoud, toen), *mappen = gespoeld
    assert inhoud.startswith(f"opslag/{TIJDELIJK}/")
    assert "a/b" not in toen
    assert {naam for naam, _ in mappen} == {"opslag/a", "opslag"}
    assert all("a/b" in er_was for _, er_was in mappen)


async def test_an_object_that_another_writer_just_made_is_flushed_too(
    objecten: Objecten, map_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await objecten.bewaar("a/b", b"x")
    gespoeld: list[str] = []
    monkeypatch.setattr(module, "_spoel", lambda pad: gespoeld.append(str(pad.relative_to(map_))))
    await objecten.bewaar("a/b", b"x")
    assert set(gespoeld) == {"a", "."}


async def test_a_write_that_fails_half_way_leaves_nothing_under_its_name(
    objecten: Objecten, map_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vol(pad: Path) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as tijdens:
        tijdens.setattr(module, "_spoel", vol)
        with pytest.raises(OpslagWeg, match="No space"):
            await objecten.bewaar("a/b", b"x")
    assert not await objecten.bestaat("a/b")
    await objecten.bewaar("a/b", b"x")
    assert await objecten.lees("a/b") == b"x"


async def test_many_at_a_time_and_two_writers_of_the_same(objecten: Objecten, map_: Path, sleutels: Sleutels) -> None:
    inhoud = {bijlage_naam(hashlib.sha256(bytes([i])).digest()): bytes([i]) * 1000 for i in range(100)}
    ander = Objecten(f"file://{map_}", sleutels)
    await asyncio.gather(objecten.bewaar_alle(inhoud.items()), ander.bewaar_alle(inhoud.items()))
    assert {naam: await objecten.lees(naam) for naam in inhoud} == inhoud
    assert bestanden(map_) == sorted(inhoud)


async def test_unfinished_objects_of_a_crash_long_ago_are_removed(map_: Path, sleutels: Sleutels) -> None:
    (map_ / TIJDELIJK).mkdir(parents=True)
    oud, nieuw = map_ / TIJDELIJK / "oud", map_ / TIJDELIJK / "nieuw"
    oud.write_bytes(b"half")
    nieuw.write_bytes(b"half")
    os.utime(oud, (0, time.time() - 2 * 86400))
    Objecten(f"file://{map_}", sleutels)
    assert bestanden(map_) == [f"{TIJDELIJK}/nieuw"]


def _maak_onbruikbaar(map_: Path) -> None:
    (map_ / TIJDELIJK).rmdir()
    map_.rmdir()
    map_.write_bytes(b"not a folder")


async def test_a_store_that_is_away_is_worth_a_retry(objecten: Objecten, map_: Path) -> None:
    _maak_onbruikbaar(map_)
    for doe in (objecten.bewaar("a", b"x"), objecten.controleer()):
        with pytest.raises(OpslagWeg):
            await doe


async def test_an_s3_store_that_is_away_is_worth_a_retry(sleutels: Sleutels, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    s3 = Objecten("s3://bucket/prefix", sleutels)
    with pytest.raises(OpslagWeg):
        await s3.bewaar("a", b"x")


async def test_readiness_leaves_nothing_behind(objecten: Objecten, map_: Path) -> None:
    await objecten.controleer()
    assert bestanden(map_) == []


async def test_altered_content_is_noticed(objecten: Objecten, map_: Path) -> None:
    await objecten.bewaar("a", b"x" * 100)
    inhoud = bytearray((map_ / "a").read_bytes())
    inhoud[-20] ^= 1
    (map_ / "a").write_bytes(inhoud)
    with pytest.raises(SleutelFout, match="altered"):
        await objecten.lees("a")


@pytest.mark.parametrize("url", ["", "/tmp/x", "http://host/x", "s3://", "file://host/x", "file:relatief"])
def test_a_url_of_another_kind_is_refused(url: str, sleutels: Sleutels) -> None:
    with pytest.raises(ValueError, match="object store is"):
        Objecten(url, sleutels)


def test_a_bijlage_is_named_by_its_content() -> None:
    sha256 = hashlib.sha256(b"x").digest()
    assert bijlage_naam(sha256) == f"bijlagen/{sha256.hex()[:2]}/{sha256.hex()[2:]}"
    with pytest.raises(ValueError, match="32 bytes"):
        bijlage_naam(b"kort")
