"""Rotation of keys: the rings, the file, and processes that follow it."""

import base64
import json
import logging
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from streams import sleutels as sleutelmodule
from streams.sleutelbestand import GEWENNING_S, RUST_S, Ring, SleutelFout, lees_ringen, maak_sleutels, wijzig
from streams.sleutels import Sleutels, lees_sleutels

BSN = "999990019"
LATER = 10**13
"""A moment at which every key has been there for long enough."""


@pytest.fixture
def bestand(tmp_path: Path) -> Path:
    maak_sleutels(tmp_path / "sleutels.json")
    return tmp_path / "sleutels.json"


def nieuw(bestand: Path, ring: str, nu: int = 0) -> str:
    voor = lees_ringen(bestand).get(ring)
    na = wijzig(bestand, ring, lambda oud: oud.met_nieuwe(os.urandom(32), nu)[0])
    assert voor is not None
    (naam,) = na.sleutels.keys() - voor.sleutels.keys()
    return naam


def activeer(bestand: Path, ring: str, naam: str, nu: int = LATER) -> None:
    wijzig(bestand, ring, lambda oud: oud.met_actief(naam, nu))


def verwijder(bestand: Path, ring: str, naam: str, nu: int) -> None:
    wijzig(bestand, ring, lambda oud: oud.zonder(naam, nu))


# -- the rings


class Beheerder(RuleBasedStateMachine):
    """Somebody who rotates, in any order; beside it every key that ever was."""

    def __init__(self) -> None:
        super().__init__()
        self.nu = 0
        self.ring = Ring("k1", {"k1": bytes(32)}, {"k1": 0})
        self.ooit: dict[str, bytes] = {"k1": bytes(32)}
        self.gemaakt_op = {"k1": 0}
        self.laatst_actief: dict[str, int] = {}

    @rule(duur=st.integers(0, 3 * RUST_S * 1000))
    def wacht(self, duur: int) -> None:
        self.nu += duur

    @rule(sleutel=st.binary(min_size=32, max_size=32))
    def maak(self, sleutel: bytes) -> None:
        self.ring, naam = self.ring.met_nieuwe(sleutel, self.nu)
        assert naam not in self.ooit, "a name never means two keys"
        self.ooit[naam], self.gemaakt_op[naam] = sleutel, self.nu

    @rule(nummer=st.integers(1, 8))
    def activeer(self, nummer: int) -> None:
        naam = f"k{nummer}"
        mag = naam == self.ring.actief or (
            naam in self.ring.sleutels and self.nu - self.gemaakt_op[naam] >= GEWENNING_S * 1000
        )
        if not mag:
            with pytest.raises(SleutelFout):
                self.ring.met_actief(naam, self.nu)
        else:
            self.laatst_actief[self.ring.actief] = self.nu
            self.ring = self.ring.met_actief(naam, self.nu)

    @rule(nummer=st.integers(1, 8))
    def verwijder(self, nummer: int) -> None:
        naam = f"k{nummer}"
        rust = self.nu - self.laatst_actief.get(naam, -RUST_S * 1000) >= RUST_S * 1000
        if naam in self.ring.sleutels and naam != self.ring.actief and rust:
            self.ring = self.ring.zonder(naam, self.nu)
        else:
            with pytest.raises(SleutelFout):
                self.ring.zonder(naam, self.nu)

    @precondition(lambda self: len(self.ring.sleutels) > 1)
    @invariant()
    def what_was_written_in_the_last_day_can_be_read(self) -> None:
        for naam, op in self.laatst_actief.items():
            assert naam in self.ring.sleutels or self.nu - op >= RUST_S * 1000

    @invariant()
    def the_ring_is_sound(self) -> None:
        assert self.ring.actief in self.ring.sleutels
        assert all(self.ooit[naam] == sleutel for naam, sleutel in self.ring.sleutels.items())


TestBeheerder = Beheerder.TestCase
TestBeheerder.settings = settings(max_examples=60, stateful_step_count=30)


def test_keys_do_not_show_when_a_ring_is_printed() -> None:
    assert "geheim" not in repr(Ring("k1", {"k1": b"geheim"}))


# -- the file


def test_the_file_is_replaced_as_a_whole_and_stays_its_owners(bestand: Path) -> None:
    oud = bestand.stat().st_ino
    assert nieuw(bestand, "opslag") == "k2"
    assert bestand.stat().st_ino != oud
    assert stat.S_IMODE(bestand.stat().st_mode) == 0o600
    assert [pad.name for pad in bestand.parent.iterdir()] == [bestand.name]
    bestand.chmod(0o640)
    nieuw(bestand, "opslag")
    assert stat.S_IMODE(bestand.stat().st_mode) == 0o640, "a group that could read it still can"
    bestand.chmod(0o644)
    nieuw(bestand, "opslag")
    assert stat.S_IMODE(bestand.stat().st_mode) == 0o640, "and nobody else"


def test_what_a_change_that_died_left_behind_goes_with_the_next(bestand: Path) -> None:
    (over := bestand.with_name(f".{bestand.name}.{'0' * 16}")).write_bytes(bestand.read_bytes())
    nieuw(bestand, "opslag")
    assert not over.exists()


def test_two_who_change_it_at_once_lose_no_key(bestand: Path) -> None:
    with ThreadPoolExecutor(8) as draden:
        namen = list(draden.map(lambda _: wijzig(bestand, "opslag", voeg_toe).actief, range(24)))
    assert len(namen) == 24
    assert len(lees_ringen(bestand)["opslag"].sleutels) == 25


def voeg_toe(ring: Ring) -> Ring:
    return ring.met_nieuwe(os.urandom(32), 0)[0]


def test_a_change_that_is_refused_leaves_the_file(bestand: Path) -> None:
    voor = bestand.read_bytes()
    with pytest.raises(SleutelFout, match="no key 'k7'"):
        activeer(bestand, "opslag", "k7")
    with pytest.raises(SleutelFout, match="is active"):
        verwijder(bestand, "opslag", "k1", LATER)
    with pytest.raises(SleutelFout, match="no ring"):
        nieuw(bestand, "elders")
    assert bestand.read_bytes() == voor


def test_a_new_key_is_not_active_before_every_process_has_looked(bestand: Path) -> None:
    naam = nieuw(bestand, "opslag", nu=5_000_000)
    with pytest.raises(SleutelFout, match="less than 10 s ago"):
        activeer(bestand, "opslag", naam, 5_000_000 + 9_999)
    activeer(bestand, "opslag", naam, 5_000_000 + 10_000)
    assert sleutelmodule.HERLEES_S < GEWENNING_S / 2


def test_what_we_do_not_know_in_the_file_stays(bestand: Path) -> None:
    inhoud = json.loads(bestand.read_text())
    inhoud["opslag"]["opmerking"], inhoud["van later"] = "x", {"y": 1}
    bestand.write_text(json.dumps(inhoud))
    nieuw(bestand, "opslag")
    na = json.loads(bestand.read_text())
    assert (na["opslag"]["opmerking"], na["van later"]) == ("x", {"y": 1})


def test_a_file_made_by_hand_can_be_rotated(tmp_path: Path) -> None:
    bestand = tmp_path / "sleutels.json"
    ring = {"actief": "eerste", "sleutels": {"eerste": base64.b64encode(bytes(32)).decode()}}
    bestand.write_text(json.dumps({"pseudoniem": ring, "opslag": ring}))
    naam = nieuw(bestand, "pseudoniem")
    activeer(bestand, "pseudoniem", naam)
    assert lees_ringen(bestand)["pseudoniem"].actief == naam == "k1"
    verwijder(bestand, "pseudoniem", "eerste", LATER + RUST_S * 1000)
    assert lees_sleutels(bestand).pseudoniem(BSN).startswith("k1:")


def test_a_time_that_cannot_be_read_is_told(bestand: Path) -> None:
    inhoud = json.loads(bestand.read_text())
    inhoud["opslag"]["vervangen"] = {"k1": "gisteren"}
    bestand.write_text(json.dumps(inhoud))
    with pytest.raises(SleutelFout, match="a time that cannot be read"):
        lees_ringen(bestand)


# -- processes that follow it


@pytest.fixture
def twee(bestand: Path) -> tuple[Sleutels, Sleutels]:
    """Two processes: one that looks at each use, and one that looks never by itself."""
    return lees_sleutels(bestand, herlees_s=0), lees_sleutels(bestand, herlees_s=1e9)


def test_a_running_process_follows_each_step(bestand: Path, twee: tuple[Sleutels, Sleutels]) -> None:
    volgt, _ = twee
    eerst = volgt.pseudoniem(BSN)
    naam = nieuw(bestand, "pseudoniem")
    assert volgt.pseudoniem(BSN) == eerst
    assert len(volgt.pseudoniemen(BSN)) == 2, "looked for under both from the moment that it is there"
    activeer(bestand, "pseudoniem", naam)
    assert volgt.pseudoniem(BSN).startswith(f"{naam}:")
    assert volgt.pseudoniemen(BSN)[1] == eerst
    nu = LATER + RUST_S * 1000
    verwijder(bestand, "pseudoniem", "k1", nu)
    assert volgt.pseudoniemen(BSN) == [volgt.pseudoniem(BSN)]


def test_what_another_process_wrote_with_a_new_key_is_read_at_once(
    bestand: Path, twee: tuple[Sleutels, Sleutels]
) -> None:
    vlug, traag = twee
    activeer(bestand, "opslag", nieuw(bestand, "opslag"))
    versleuteld = vlug.versleutel(b"inhoud")
    assert sleutelmodule.sleutelnaam(versleuteld[: sleutelmodule.KOP_BYTES]) == "k2"
    assert traag.kenmerk(b"x").startswith("k1-"), "it has not looked yet"
    assert traag.ontsleutel(versleuteld) == b"inhoud"
    assert traag.kenmerk(b"x").startswith("k2-")


def test_the_ring_of_the_processing_log_follows_too(bestand: Path, twee: tuple[Sleutels, Sleutels]) -> None:
    volgt, _ = twee
    assert volgt.logboek.actief == "k1"
    activeer(bestand, "logboek", nieuw(bestand, "logboek"))
    assert volgt.logboek.actief == "k2"
    assert len(volgt.logboek.zoeksleutels(BSN)) == 2


@pytest.mark.parametrize("inhoud", ["", "{", "[]", None])
def test_a_file_that_became_unusable_changes_nothing_and_is_told_once(
    bestand: Path, twee: tuple[Sleutels, Sleutels], inhoud: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    volgt, _ = twee
    eerst, goed = volgt.pseudoniem(BSN), bestand.read_text()
    if inhoud is None:
        bestand.unlink()
    else:
        bestand.write_text(inhoud)
    assert [volgt.pseudoniem(BSN) for _ in range(5)] == [eerst] * 5
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    bestand.write_text(goed)
    activeer(bestand, "pseudoniem", nieuw(bestand, "pseudoniem"))
    assert volgt.pseudoniem(BSN).startswith("k2:")


def test_another_key_by_the_same_name_is_not_taken(
    bestand: Path, twee: tuple[Sleutels, Sleutels], caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody put the file of another installation there: what is in the store would be lost in silence."""
    volgt, _ = twee
    eerst, versleuteld = volgt.pseudoniem(BSN), volgt.versleutel(b"inhoud")
    bestand.unlink()
    maak_sleutels(bestand)
    assert volgt.pseudoniem(BSN) == eerst
    assert volgt.ontsleutel(versleuteld) == b"inhoud"
    assert "pseudoniem/k1, opslag/k1, logboek/k1" in caplog.text
    geheim = json.loads(bestand.read_text())["opslag"]["sleutels"]["k1"]
    assert geheim not in caplog.text


def test_a_key_that_nobody_has_is_still_an_error(twee: tuple[Sleutels, Sleutels]) -> None:
    volgt, _ = twee
    versleuteld = bytearray(volgt.versleutel(b"x"))
    versleuteld[3] = ord("9")
    with pytest.raises(SleutelFout, match="not in the key file"):
        volgt.ontsleutel(bytes(versleuteld))
