"""Packs keep their promises, in a folder and on S3: many parts, durable at once, each read alone."""

import asyncio
import hashlib
import os
import re
import shutil
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest
import pytest_asyncio

from sinks import objecten as module
from sinks.bijlagenwinkel import Bijlagenwinkel, pak_naam
from sinks.objecten import TIJDELIJK, Objecten, ObjectOntbreekt, OpslagWeg, bijlage_naam
from sinks.pak import EINDE_BYTES, Plek
from sinks.sleutelgebruik import object_met_sleutel
from streams.sleutelbestand import wijzig, willekeurige_sleutel
from streams.sleutels import SleutelFout, Sleutels, lees_sleutels, maak_sleutels
from tests.regels import regel
from tests.s3 import BUCKET, Emmer
from tests.s3 import emmer as een_emmer
from tests.slices import kader

KADER = kader()
NAAM = pak_naam(KADER.proceskenmerk, KADER.aangeleverd_op)


@pytest.fixture
def sleutels(tmp_path: Path) -> Sleutels:
    maak_sleutels(tmp_path / "sleutels.json")
    return lees_sleutels(tmp_path / "sleutels.json", 0.0)


@pytest.fixture
def map_(tmp_path: Path) -> Path:
    return tmp_path / "opslag"


@pytest.fixture
def in_map(map_: Path, sleutels: Sleutels) -> Objecten:
    return Objecten(f"file://{map_}", sleutels)


@pytest_asyncio.fixture
async def emmer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Emmer]:
    async with een_emmer() as emmer:
        for naam, waarde in emmer.omgeving().items():
            monkeypatch.setenv(naam, waarde)
        yield emmer


@pytest.fixture
def op_s3(emmer: Emmer, sleutels: Sleutels) -> Objecten:
    return Objecten(f"s3://{BUCKET}/voor", sleutels)


@pytest.fixture(params=["in_map", "op_s3"])
def objecten(request: pytest.FixtureRequest) -> Objecten:
    return request.getfixturevalue(request.param)  # type: ignore[no-any-return]


def som(inhoud: bytes) -> bytes:
    return hashlib.sha256(inhoud).digest()


async def bewaar(objecten: Objecten, *inhoud: bytes, naam: str = NAAM) -> None:
    with closing(objecten.begin_pak()) as pak:
        for deel in inhoud:
            pak.voeg_toe(som(deel), deel)
        pak.rond_af()
        await objecten.leg_vast(pak, naam)


def bestanden(map_: Path) -> list[str]:
    return sorted(str(pad.relative_to(map_)) for pad in map_.rglob("*") if pad.is_file())


@regel("an object, encrypted, in the message store")
async def test_each_part_of_a_pack_can_be_read_alone(objecten: Objecten) -> None:
    inhoud = [os.urandom(grootte) for grootte in (1, 37_000, 500_000)]
    await bewaar(objecten, *inhoud)
    plekken = await objecten.opgave(NAAM)
    assert list(plekken) == [som(deel) for deel in inhoud]
    assert [await objecten.lees_deel(NAAM, plekken[som(deel)]) for deel in inhoud] == inhoud
    assert await objecten.sleutel_van(NAAM) == "k1"
    assert [naam async for naam, _ in objecten.lijst("pakken")] == [NAAM]


async def test_a_pack_of_a_whole_batch_tells_its_contents_too(objecten: Objecten) -> None:
    """2000 parts: more than its last 64 KiB tell."""
    inhoud = [nummer.to_bytes(4) for nummer in range(2000)]
    await bewaar(objecten, *inhoud)
    plekken = await objecten.opgave(NAAM)
    assert list(plekken) == [som(deel) for deel in inhoud]
    assert await objecten.lees_deel(NAAM, plekken[som(inhoud[1999])]) == inhoud[1999]


async def test_a_bijlage_is_read_from_the_pack_of_its_run_else_from_its_own_name(objecten: Objecten) -> None:
    """What earlier versions stored, and a standaardbijlage, stand by themselves."""
    winkel = Bijlagenwinkel(objecten)
    await bewaar(objecten, b"in het pak")
    await objecten.bewaar(bijlage_naam(som(b"los")), b"los")
    assert await winkel.lees(KADER, som(b"in het pak")) == b"in het pak"
    assert await winkel.lees(KADER, som(b"los")) == b"los"
    assert await winkel.lees(kader(run=UUID(int=5)), som(b"los")) == b"los"
    for run in (KADER, kader(run=UUID(int=6))):
        with pytest.raises(ObjectOntbreekt):
            await winkel.lees(run, som(b"nergens"))


async def test_what_is_remembered_of_packs_is_bounded_by_the_bijlagen_in_them(
    objecten: Objecten, monkeypatch: pytest.MonkeyPatch
) -> None:
    winkel, gelezen, echt = Bijlagenwinkel(objecten, onthoudt=5), list[str](), objecten.opgave

    async def opgave(naam: str) -> dict[bytes, Plek]:
        gelezen.append(naam)
        return await echt(naam)

    monkeypatch.setattr(objecten, "opgave", opgave)
    runs = [kader(run=UUID(int=nummer)) for nummer in (1, 2, 3, 4)]
    for run, aantal in zip(runs, (2, 2, 2, 6), strict=True):
        delen = [b"x", *(bytes([nummer]) for nummer in range(aantal - 1))]
        await bewaar(objecten, *delen, naam=pak_naam(run.proceskenmerk, run.aangeleverd_op))
    for nummer in (0, 0, 1, 0, 2, 0, 1):
        assert await winkel.lees(runs[nummer], som(b"x")) == b"x"
    assert [naam[-1] for naam in gelezen] == ["1", "2", "3", "2"]
    gelezen.clear()
    for _ in range(2):  # one that is larger than all that is remembered is read all the same
        assert await winkel.lees(runs[3], som(b"x")) == b"x"
    assert [naam[-1] for naam in gelezen] == ["4", "4"]


async def test_what_two_ask_at_once_counts_once(objecten: Objecten, monkeypatch: pytest.MonkeyPatch) -> None:
    winkel = Bijlagenwinkel(objecten, onthoudt=2)
    await bewaar(objecten, b"x", b"y")
    await asyncio.gather(*(winkel.lees(KADER, som(b"x")) for _ in range(5)))

    async def opgave(naam: str) -> dict[bytes, Plek]:
        raise OpslagWeg("away")

    monkeypatch.setattr(objecten, "opgave", opgave)
    assert await winkel.lees(KADER, som(b"y")) == b"y"


async def test_a_pack_that_was_not_there_before_is_found(objecten: Objecten) -> None:
    winkel = Bijlagenwinkel(objecten)
    with pytest.raises(ObjectOntbreekt):
        await winkel.lees(KADER, som(b"x"))
    assert await winkel.heeft(KADER, [som(b"x")]) == set()
    await bewaar(objecten, b"x")
    assert await winkel.lees(KADER, som(b"x")) == b"x"
    assert await winkel.heeft(KADER, [som(b"x")]) == {som(b"x")}


async def test_a_run_has_what_is_in_its_pack_or_without_one_what_stands_by_itself_and_nothing_of_another(
    objecten: Objecten,
) -> None:
    """What stands by itself can go any day: no run with a pack counts on it."""
    winkel, zonder_pak = Bijlagenwinkel(objecten), kader(run=UUID(int=6))
    await bewaar(objecten, b"in het pak")
    await objecten.bewaar(bijlage_naam(som(b"los")), b"los")
    alle = [som(deel) for deel in (b"in het pak", b"los", b"nergens")]
    assert await winkel.heeft(KADER, alle) == {alle[0]}
    assert await winkel.heeft(zonder_pak, alle) == {alle[1]}
    assert await winkel.heeft(zonder_pak, []) == set()


async def test_of_a_run_without_a_pack_few_bijlagen_are_looked_up_at_once_whoever_asks(
    objecten: Objecten, monkeypatch: pytest.MonkeyPatch
) -> None:
    winkel, nu, top, echt = Bijlagenwinkel(objecten), 0, 0, objecten.bestaat

    async def bestaat(naam: str) -> bool:
        nonlocal nu, top
        nu += 1
        top = max(top, nu)
        await asyncio.sleep(0)
        try:
            return await echt(naam)
        finally:
            nu -= 1

    monkeypatch.setattr(objecten, "bestaat", bestaat)
    await objecten.bewaar(bijlage_naam(som(b"los")), b"los")
    sommen = [som(b"los"), *(os.urandom(32) for _ in range(100))]
    runs = [kader(run=UUID(int=nummer)) for nummer in range(7, 12)]
    gevonden = await asyncio.gather(*(winkel.heeft(run, sommen) for run in runs))
    assert gevonden == [{som(b"los")}] * 5
    assert top == 16


async def test_a_part_that_was_altered_or_changed_places_with_another_is_noticed(in_map: Objecten, map_: Path) -> None:
    een, twee = b"een" * 100, b"twee" * 75
    await bewaar(in_map, een, twee)
    plekken = await in_map.opgave(NAAM)
    heel = (map_ / NAAM).read_bytes()
    waar, deel = plekken[som(een)].begin, plekken[som(een)].lengte
    anders, verwisseld = bytearray(heel), heel[deel : 2 * deel] + heel[:deel] + heel[2 * deel :]
    anders[waar + 40] ^= 1
    for inhoud in (bytes(anders), verwisseld):
        (map_ / NAAM).write_bytes(inhoud)
        with pytest.raises(SleutelFout, match="altered"):
            await Bijlagenwinkel(in_map).lees(KADER, som(een))


async def test_a_pack_tells_nothing_without_the_key(in_map: Objecten, map_: Path) -> None:
    """Neither which bijlagen are in it: who has a letter himself cannot find out who got it."""
    await bewaar(in_map, b"brief" * 100, b"folder" * 100)
    heel = (map_ / NAAM).read_bytes()
    for geheim in (b"brief", b"folder", som(b"brief" * 100), som(b"folder" * 100)):
        assert geheim not in heel
    assert re.fullmatch(rf"pakken/\d{{4}}-\d\d-\d\d/{KADER.proceskenmerk}", NAAM)


@pytest.mark.parametrize("inhoud", [b"", b"x", b"x" * 100, (9).to_bytes(4) + b"PAK1", b"\xff" * 4 + b"PAK1"])
async def test_what_is_no_pack_is_refused(in_map: Objecten, map_: Path, inhoud: bytes) -> None:
    (map_ / "pakken").mkdir()
    (map_ / "pakken" / "x").write_bytes(inhoud)
    with pytest.raises(SleutelFout):
        await in_map.opgave("pakken/x")


async def test_a_pack_that_is_cut_off_anywhere_gives_no_bijlage_that_is_not_whole(in_map: Objecten, map_: Path) -> None:
    await bewaar(in_map, b"een" * 10, b"twee" * 10)
    heel = (map_ / NAAM).read_bytes()
    for lengte in range(len(heel)):
        (map_ / NAAM).write_bytes(heel[:lengte])
        with pytest.raises(SleutelFout):
            await Bijlagenwinkel(in_map).lees(KADER, som(b"een" * 10))


async def test_one_bijlage_of_a_large_pack_is_read_and_no_more_by_two_workers_at_once(
    emmer: Emmer, op_s3: Objecten, sleutels: Sleutels
) -> None:
    """On S3 by its own protocol: the end of the pack once for each reader, then just the part."""
    inhoud = [os.urandom(37_000) for _ in range(300)]
    await bewaar(op_s3, *inhoud)
    emmer.vragen.clear()
    winkels = [Bijlagenwinkel(op_s3), Bijlagenwinkel(Objecten(f"s3://{BUCKET}/voor", sleutels))]
    for winkel in winkels:  # each knows the contents now
        assert await winkel.lees(KADER, som(inhoud[0])) == inhoud[0]
    gelezen = await asyncio.gather(*(winkel.lees(KADER, som(deel)) for deel in inhoud[100:110] for winkel in winkels))
    assert gelezen == [deel for deel in inhoud[100:110] for _ in winkels]
    assert {soort for soort, _ in emmer.vragen} == {"GET"}
    einden = [lengte for _, lengte in emmer.vragen if lengte == EINDE_BYTES]
    delen = [lengte for _, lengte in emmer.vragen if lengte < EINDE_BYTES]
    assert (len(einden), len(delen), len(emmer.vragen)) == (2, 22, 24)
    assert all(37_000 < lengte < 37_100 for lengte in delen)


async def test_a_small_pack_goes_to_s3_in_one_put_and_a_large_one_in_pieces_that_appear_as_one(
    emmer: Emmer, op_s3: Objecten
) -> None:
    await bewaar(op_s3, b"klein")
    assert [soort for soort, _ in emmer.vragen] == ["PUT"]
    emmer.vragen.clear()
    groot = [os.urandom(500_000) for _ in range(24)]
    await bewaar(op_s3, *groot)
    assert [soort for soort, _ in emmer.vragen] == ["POST", "PUT", "PUT", "PUT", "POST"]
    assert emmer.delen == {}
    assert await Bijlagenwinkel(op_s3).lees(KADER, som(groot[-1])) == groot[-1]


@pytest.mark.parametrize("bijlagen", [1, 24])
async def test_a_put_that_s3_refuses_is_worth_a_retry_and_leaves_nothing(
    emmer: Emmer, op_s3: Objecten, bijlagen: int
) -> None:
    inhoud = [os.urandom(500_000) for _ in range(bijlagen)]
    emmer.weigert = {"PUT"}
    with pytest.raises(OpslagWeg):
        await bewaar(op_s3, *inhoud)
    assert emmer.objecten == {}
    assert emmer.delen == {}
    emmer.weigert = set()
    await bewaar(op_s3, *inhoud)
    assert await Bijlagenwinkel(op_s3).lees(KADER, som(inhoud[0])) == inhoud[0]


async def test_a_pack_is_flushed_once_before_its_name_and_the_name_before_it_returns_in_no_thread_of_the_loop(
    in_map: Objecten, map_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gespoeld: list[tuple[str, list[str]]] = []

    def spoel(pad: Path) -> None:
        assert threading.current_thread() is not threading.main_thread()
        gespoeld.append((str(pad.relative_to(map_.parent)), bestanden(map_)))

    monkeypatch.setattr(module, "_spoel", spoel)
    await bewaar(in_map, *(os.urandom(1000) for _ in range(100)))
    (inhoud, toen), *mappen = gespoeld
    assert inhoud.startswith(f"opslag/{TIJDELIJK}/")
    assert toen == [inhoud.removeprefix("opslag/")]
    assert sorted(naam for naam, _ in mappen) == ["opslag", "opslag/pakken", f"opslag/{NAAM.rpartition('/')[0]}"]
    assert all(er_was == [NAAM] for _, er_was in mappen)


async def test_who_gives_a_name_while_its_folder_is_being_flushed_has_it_flushed_again(
    in_map: Objecten, map_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names given before a flush begins share it; one that is given during it may not be in it."""
    pakken, bezig, los = map_ / "pakken", threading.Event(), threading.Event()
    keren: list[int] = []
    echt = module._spoel

    def spoel(pad: Path) -> None:
        if pad == pakken:
            keren.append(len(bestanden(map_)))
            if len(keren) == 1:
                bezig.set()
                los.wait(30)
        echt(pad)

    monkeypatch.setattr(module, "_spoel", spoel)
    eerste = asyncio.create_task(bewaar(in_map, b"x"))
    assert await asyncio.to_thread(bezig.wait, 30)
    anderen = [asyncio.create_task(bewaar(in_map, b"y", naam=f"{NAAM}-{nummer}")) for nummer in range(3)]
    async with asyncio.timeout(30):
        await asyncio.gather(*anderen)
    assert not eerste.done()
    assert (keren[0], keren[-1]) == (1, 4)
    los.set()
    await eerste


@pytest.mark.parametrize("waar", ["_spoel", "_geef_naam"])
async def test_a_pack_that_fails_at_any_step_leaves_nothing(
    in_map: Objecten, map_: Path, monkeypatch: pytest.MonkeyPatch, waar: str
) -> None:
    def vol(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as tijdens:
        tijdens.setattr(module, waar, vol)
        with pytest.raises(OpslagWeg, match="No space"):
            await bewaar(in_map, b"x")
    assert bestanden(map_) == []
    await bewaar(in_map, b"x")
    assert bestanden(map_) == [NAAM]


async def test_who_stops_waiting_for_a_pack_leaves_none_half(
    in_map: Objecten, map_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    traag, los = threading.Event(), threading.Event()

    def spoel(pad: Path) -> None:
        traag.set()
        los.wait(30)

    with monkeypatch.context() as tijdens:
        tijdens.setattr(module, "_spoel", spoel)
        taak = asyncio.create_task(bewaar(in_map, b"x"))
        await asyncio.to_thread(traag.wait, 30)
        taak.cancel()
        with pytest.raises(asyncio.CancelledError):
            await taak
        los.set()
        await asyncio.to_thread(in_map._schrijvers.shutdown)  # the thread is done: what it would do, it did
    assert bestanden(map_) == []


async def test_the_same_pack_written_by_two_at_once_is_one(in_map: Objecten, map_: Path, sleutels: Sleutels) -> None:
    ander = Objecten(f"file://{map_}", sleutels)
    await asyncio.gather(*(bewaar(een, b"a" * 1000, b"b") for een in (in_map, ander) * 5))
    assert bestanden(map_) == [NAAM]
    assert await Bijlagenwinkel(in_map).lees(KADER, som(b"b")) == b"b"


async def test_a_folder_that_is_tidied_up_meanwhile_is_made_again(
    in_map: Objecten, map_: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    echt, keren = Path.rename, [0]

    def rename(pad: Path, nieuw: Path) -> Path:
        keren[0] += 1
        if keren[0] == 1:
            nieuw.parent.rmdir()
        return echt(pad, nieuw)

    monkeypatch.setattr(Path, "rename", rename)
    await bewaar(in_map, b"x")
    assert (bestanden(map_), keren) == ([NAAM], [2])


async def test_a_store_that_is_away_is_worth_a_retry(in_map: Objecten, map_: Path) -> None:
    """Also when it goes while a pack is being written."""
    pak = in_map.begin_pak()
    pak.voeg_toe(som(b"x"), b"x")
    pak.rond_af()
    shutil.rmtree(map_)
    with pytest.raises(OpslagWeg):
        await in_map.leg_vast(pak, NAAM)
    with pytest.raises(OpslagWeg):
        in_map.begin_pak()
    pak.close()


async def test_a_pack_is_of_one_key_which_stays_as_long_as_the_pack(
    objecten: Objecten, tmp_path: Path, naar_nieuwe_sleutel: Callable[[], None]
) -> None:
    """Also when the key is replaced while it is being filled."""
    with closing(objecten.begin_pak()) as pak:
        pak.voeg_toe(som(b"voor"), b"voor")
        naar_nieuwe_sleutel()
        pak.voeg_toe(som(b"na"), b"na")
        pak.rond_af()
        await objecten.leg_vast(pak, NAAM)
    ander = pak_naam(UUID(int=7), KADER.aangeleverd_op)
    await bewaar(objecten, b"later", naam=ander)
    assert [await objecten.sleutel_van(naam) for naam in (NAAM, ander)] == ["k1", "k2"]
    assert await object_met_sleutel(objecten, "k1") == NAAM
    assert await Bijlagenwinkel(objecten).lees(KADER, som(b"na")) == b"na"


@pytest.fixture
def naar_nieuwe_sleutel(tmp_path: Path) -> Callable[[], None]:
    def doe() -> None:
        wijzig(tmp_path / "sleutels.json", "opslag", lambda oud: oud.met_nieuwe(willekeurige_sleutel(), 1)[0])
        wijzig(tmp_path / "sleutels.json", "opslag", lambda oud: oud.met_actief("k2", 10**12))

    return doe
