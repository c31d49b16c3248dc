"""The key file, pseudonyms and encryption."""

import base64
import hashlib
import hmac
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from streams.sleutels import SleutelFout, lees_sleutels, maak_sleutels
from tests.regels import regel

BSN = "999990019"


@pytest.fixture
def bestand(tmp_path: Path) -> Path:
    maak_sleutels(tmp_path / "map" / "sleutels.json")
    return tmp_path / "map" / "sleutels.json"


def test_the_file_is_for_its_owner_alone_and_stays_as_it_is(bestand: Path) -> None:
    assert stat.S_IMODE(bestand.stat().st_mode) == 0o600
    inhoud = bestand.read_bytes()
    maak_sleutels(bestand)
    assert bestand.read_bytes() == inhoud
    assert [pad.name for pad in bestand.parent.iterdir()] == [bestand.name]


def test_two_processes_that_make_it_at_once_agree(tmp_path: Path) -> None:
    bestand = tmp_path / "sleutels.json"
    with ThreadPoolExecutor(8) as draden:
        list(draden.map(maak_sleutels, [bestand] * 32))
    assert [pad.name for pad in tmp_path.iterdir()] == ["sleutels.json"]
    lees_sleutels(bestand)


@regel("use a keyed HMAC with a key id, never a bare hash")
def test_a_pseudonym_is_keyed_and_names_its_key(bestand: Path) -> None:
    sleutel = base64.b64decode(json.loads(bestand.read_text())["pseudoniem"]["sleutels"]["k1"])
    verwacht = "k1:" + hmac.new(sleutel, BSN.encode(), hashlib.sha256).hexdigest()
    assert lees_sleutels(bestand).pseudoniem(BSN) == verwacht
    assert lees_sleutels(bestand).pseudoniemen(BSN) == [verwacht]


@pytest.mark.parametrize("tekst", ["", "99999001", "9999900190", "٩٩٩٩٩٠٠١٩", "99999001x"])
def test_one_person_never_gets_two_pseudonyms(bestand: Path, tekst: str) -> None:
    with pytest.raises(ValueError, match="nine digits"):
        lees_sleutels(bestand).pseudoniem(tekst)


def test_the_same_content_is_encrypted_differently_each_time(bestand: Path) -> None:
    sleutels = lees_sleutels(bestand)
    een, twee = sleutels.versleutel(b"x"), sleutels.versleutel(b"x")
    assert een != twee
    assert sleutels.ontsleutel(een) == sleutels.ontsleutel(twee) == b"x"
    assert sleutels.ontsleutel(sleutels.versleutel(b"")) == b""


def test_any_changed_byte_is_noticed(bestand: Path) -> None:
    sleutels = lees_sleutels(bestand)
    goed = sleutels.versleutel(b"inhoud")
    for plaats in range(len(goed)):
        anders = bytearray(goed)
        anders[plaats] ^= 1
        with pytest.raises(SleutelFout):
            sleutels.ontsleutel(bytes(anders))
    for lengte in range(len(goed)):
        with pytest.raises(SleutelFout):
            sleutels.ontsleutel(goed[:lengte])


def test_after_rotation_old_content_can_still_be_read(bestand: Path) -> None:
    oud = lees_sleutels(bestand)
    versleuteld, kenmerk, pseudoniem = oud.versleutel(b"oud"), oud.kenmerk(b"oud"), oud.pseudoniem(BSN)
    ringen = json.loads(bestand.read_text())
    for ring in ringen.values():
        ring["sleutels"]["k2"] = base64.b64encode(bytes(range(32))).decode()
        ring["actief"] = "k2"
    bestand.write_text(json.dumps(ringen))
    nieuw = lees_sleutels(bestand)
    assert nieuw.ontsleutel(versleuteld) == b"oud"
    assert nieuw.pseudoniem(BSN).startswith("k2:")
    assert nieuw.pseudoniem(BSN) != pseudoniem
    assert nieuw.pseudoniemen(BSN) == [nieuw.pseudoniem(BSN), pseudoniem], "the one of now comes first"
    assert nieuw.kenmerk(b"oud").startswith("k2-")
    assert nieuw.kenmerk(b"oud") != kenmerk
    for ring in ringen.values():
        del ring["sleutels"]["k1"]
    bestand.write_text(json.dumps(ringen))
    with pytest.raises(SleutelFout, match="not in the key file"):
        lees_sleutels(bestand).ontsleutel(versleuteld)


@pytest.mark.parametrize(
    ("inhoud", "wat"),
    [
        ("", "is not JSON"),
        ("[]", "'pseudoniem' needs"),
        ('{"pseudoniem": {"actief": "k1", "sleutels": {"k1": "x"}}}', "not base64"),
        ('{"pseudoniem": {"actief": "k1", "sleutels": {"k1": 5}}}', "not base64"),
        ('{"pseudoniem": {"actief": "k1", "sleutels": {"k1": "AAAA"}}}', "not 32 bytes"),
        ('{"pseudoniem": {"actief": "k1", "sleutels": {"K:": "AAAA"}}}', "lower-case"),
        ('{"pseudoniem": {"actief": "k1", "sleutels": {}}}', "active key that is not there"),
    ],
)
def test_an_unusable_file_says_what_is_wrong_and_quotes_no_key(tmp_path: Path, inhoud: str, wat: str) -> None:
    bestand = tmp_path / "sleutels.json"
    bestand.write_text(inhoud)
    with pytest.raises(SleutelFout, match=wat) as fout:
        lees_sleutels(bestand)
    assert "AAAA" not in str(fout.value)


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(SleutelFout, match="no key file"):
        lees_sleutels(tmp_path / "weg.json")


def test_keys_do_not_show_when_printed(bestand: Path) -> None:
    ringen = json.loads(bestand.read_text())
    getoond = repr(lees_sleutels(bestand))
    assert not any(sleutel in getoond for ring in ringen.values() for sleutel in ring["sleutels"].values())
