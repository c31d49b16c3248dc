"""How the reference server keeps its citizens."""

from pathlib import Path

import pytest

from profielservice.gebruikers import Gebruiker
from profielservice.opslag import Opslag
from tests.regels import regel

OIN, ANDERE = "00000099000000001000", "00000099000000002000"
BSN, TWEEDE = "123456782", "111222333"


def gebruiker(bsn: str, *, actief: bool = True, abonnementen: str | list[str] = "*") -> Gebruiker:
    return Gebruiker.model_validate({"bsn": bsn, "actief": actief, "abonnementen": abonnementen})


def tel(opslag: Opslag, *gebruikers: Gebruiker) -> tuple[int, int, int]:
    telling = opslag.voeg_samen(gebruikers)
    return telling.nieuw, telling.gewijzigd, telling.gelijk


def test_merging_counts_new_changed_and_equal() -> None:
    opslag = Opslag(None)
    assert tel(opslag, gebruiker(BSN), gebruiker(TWEEDE)) == (2, 0, 0)
    assert tel(opslag, gebruiker(BSN), gebruiker(TWEEDE)) == (0, 0, 2)
    assert tel(opslag, gebruiker(BSN, actief=False)) == (0, 1, 0)
    assert tel(opslag, gebruiker(BSN, actief=False, abonnementen=[ANDERE, OIN, OIN])) == (0, 1, 0)
    assert tel(opslag, gebruiker(BSN, actief=False, abonnementen=[OIN, ANDERE])) == (0, 0, 1)
    assert opslag.aantal_actief() == 1


def test_of_two_entries_for_one_citizen_the_later_counts() -> None:
    opslag = Opslag(None)
    assert tel(opslag, gebruiker(BSN), gebruiker(BSN, actief=False)) == (1, 0, 0)
    assert opslag.aantal_actief() == 0


@regel("no such user, no active box, or not subscribed to this leverancier")
@pytest.mark.parametrize(
    ("actief", "abonnementen", "mag"),
    [
        (True, "*", True),
        (True, [OIN], True),
        (True, [ANDERE, OIN], True),
        (True, [ANDERE], False),
        (True, [], False),
        (False, "*", False),
        (False, [OIN], False),
    ],
)
def test_only_the_active_and_subscribed_receive(actief: bool, abonnementen: str | list[str], mag: bool) -> None:
    opslag = Opslag(None)
    opslag.voeg_samen([gebruiker(BSN, actief=actief, abonnementen=abonnementen)])
    assert set(opslag.ontvangers(OIN, [BSN, TWEEDE])) == ({BSN} if mag else set())


def test_a_part_of_an_oin_is_no_subscription() -> None:
    opslag = Opslag(None)
    opslag.voeg_samen([gebruiker(BSN, abonnementen=[OIN])])
    assert not opslag.ontvangers(OIN[:-1], [BSN])
    assert not opslag.ontvangers("*", [BSN])


def test_the_folder_holds_no_bsn_and_the_key_is_for_its_owner(tmp_path: Path) -> None:
    data = tmp_path / "profiel"
    opslag = Opslag(data)
    opslag.voeg_samen([gebruiker(BSN), gebruiker(TWEEDE)])
    inhoud = b"".join(bestand.read_bytes() for bestand in data.iterdir())
    assert len(inhoud) > 1000
    assert BSN.encode() not in inhoud
    assert TWEEDE.encode() not in inhoud
    assert (data / "sleutel").stat().st_mode & 0o777 == 0o600
    assert data.stat().st_mode & 0o777 == 0o700
    assert sorted(bestand.name.split("-")[0] for bestand in data.iterdir()) == ["gebruikers.sqlite"] * 3 + ["sleutel"]
    opslag.close()
    weer = Opslag(data)
    assert set(weer.ontvangers(OIN, [BSN, TWEEDE])) == {BSN, TWEEDE}
    weer.close()


@pytest.mark.parametrize("sleutel", [None, b"", b"kort"])
def test_citizens_without_their_key_stop_the_start(tmp_path: Path, sleutel: bytes | None) -> None:
    Opslag(tmp_path).close()
    (tmp_path / "sleutel").unlink()
    if sleutel is not None:
        (tmp_path / "sleutel").write_bytes(sleutel)
    with pytest.raises(RuntimeError, match="key"):
        Opslag(tmp_path)
