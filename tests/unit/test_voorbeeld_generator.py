"""The sample: deterministic, of the promised size, and with every answer in it."""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.codes import Verwerkingscode
from voorbeeld import gevallen
from voorbeeld.generator import MIN_BATCHES, MIN_BERICHTEN, maak_voorbeeld
from voorbeeld.gevallen import FOUTE_GEVALLEN, GOEDE_GEVALLEN
from voorbeeld.globe import schrijf
from voorbeeld.levering import Groep, Voorbeeld
from voorbeeld.verwachting import verwacht

NU = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


def klein(zaad: int = 1, ronde: int = 1) -> Voorbeeld:
    return maak_voorbeeld(zaad, ronde, NU, MIN_BATCHES, MIN_BERICHTEN)


def guids(voorbeeld: Voorbeeld) -> set[str]:
    return {str(levering.batch_id) for levering in voorbeeld.leveringen} | {
        str(bericht.bericht_id) for levering in voorbeeld.leveringen for bericht in levering.berichten
    }


def als_bytes(voorbeeld: Voorbeeld, bestand: Path) -> list[bytes]:
    inhoud = []
    for levering in voorbeeld.leveringen:
        schrijf(voorbeeld, levering, bestand)
        inhoud.append(bestand.read_bytes())
    return inhoud


def antwoorden(voorbeeld: Voorbeeld) -> list[list[gevallen.Antwoord]]:
    return [[bericht.antwoord for bericht in levering.berichten] for levering in voorbeeld.leveringen]


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    assert als_bytes(klein(), tmp_path / "a.xml") == als_bytes(klein(), tmp_path / "b.xml")


def test_another_seed_gives_other_messages() -> None:
    assert antwoorden(klein(zaad=1)) != antwoorden(klein(zaad=2))


def test_a_second_round_shares_no_guid_and_expects_the_same() -> None:
    eerste, tweede = klein(ronde=1), klein(ronde=2)
    assert guids(eerste).isdisjoint(guids(tweede))
    assert antwoorden(eerste) == antwoorden(tweede)


def test_the_sample_has_20_000_messages_in_100_batches_of_many_sizes() -> None:
    voorbeeld = maak_voorbeeld(1, 1, NU)
    groottes = [len(levering.berichten) for levering in voorbeeld.leveringen if levering.run == 1]
    assert len(groottes) == len({levering.batch_id for levering in voorbeeld.leveringen}) == 100
    assert sum(groottes) == 20_000
    assert (min(groottes), max(groottes)) == (1, 1000)
    assert len(set(groottes)) > 50


def test_one_message_in_ten_carries_bijlagen() -> None:
    voorbeeld = maak_voorbeeld(1, 1, NU)
    met = Counter(
        ontwerp.bijlagen is not None for levering in voorbeeld.leveringen for ontwerp in voorbeeld.ontwerpen(levering)
    )
    assert 0.09 < met[True] / met.total() < 0.13


@pytest.mark.parametrize("zaad", range(1, 21))
def test_every_code_and_every_kind_occurs_in_the_smallest_sample(zaad: int) -> None:
    voorbeeld = klein(zaad)
    verwachting = verwacht(voorbeeld.leveringen)
    codes = {antwoord.code for antwoord in verwachting.fouten()}
    assert codes == set(Verwerkingscode) - {Verwerkingscode.VERWERKT}
    soorten = {bericht.geval for levering in voorbeeld.leveringen for bericht in levering.berichten}
    verbonden = {
        gevallen.DUBBEL,
        gevallen.TWEEDE_KANS,
        gevallen.ZELFDE_ID_ELDERS,
        gevallen.CAMPAGNE_ACTIEF,
        gevallen.CAMPAGNE_INACTIEF,
    }
    assert soorten >= {gevallen.GOED, *GOEDE_GEVALLEN, *FOUTE_GEVALLEN, *verbonden}


def test_the_outage_is_delivered_last_in_one_batch_of_five() -> None:
    leveringen = maak_voorbeeld(1, 1, NU).leveringen
    assert [levering.groep is Groep.STORING for levering in leveringen].index(True) == len(leveringen) - 1
    assert len(leveringen[-1].berichten) == 5


def test_a_resend_keeps_its_guids_and_corrects_messages() -> None:
    leveringen = maak_voorbeeld(1, 1, NU).leveringen
    (later,) = [levering for levering in leveringen if levering.run == 2]
    (eerder,) = [levering for levering in leveringen if levering.batch_id == later.batch_id and levering.run == 1]
    assert [bericht.bericht_id for bericht in eerder.berichten] == [bericht.bericht_id for bericht in later.berichten]
    overgangen = {
        (voor.antwoord.code, na.antwoord.code) for voor, na in zip(eerder.berichten, later.berichten, strict=True)
    }
    assert ("Verwerkt", "BerichtBestaatAl") in overgangen
    assert ("XmlValidatieTegenXsdValtNegatiefUit", "Verwerkt") in overgangen
    assert ("XmlValidatieTegenXsdValtNegatiefUit", "XmlValidatieTegenXsdValtNegatiefUit") in overgangen


@pytest.mark.parametrize(("batches", "berichten"), [(15, 400), (16, 399), (16, 7_001)])
def test_a_sample_that_cannot_be_made_is_refused(batches: int, berichten: int) -> None:
    with pytest.raises(ValueError, match="batches"):
        maak_voorbeeld(1, 1, NU, batches, berichten)


@pytest.mark.parametrize(("batches", "berichten"), [(16, 400), (16, 7_000), (37, 3_333), (250, 50_000)])
def test_a_sample_has_exactly_the_size_that_was_asked(batches: int, berichten: int) -> None:
    eerste_runs = [
        levering for levering in maak_voorbeeld(3, 1, NU, batches, berichten).leveringen if levering.run == 1
    ]
    assert len(eerste_runs) == batches
    assert sum(len(levering.berichten) for levering in eerste_runs) == berichten
    assert all(1 <= len(levering.berichten) <= 1000 for levering in eerste_runs)
