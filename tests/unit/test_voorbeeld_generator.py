"""The sample: deterministic, of the promised size, and with every answer in it."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.codes import Verwerkingscode
from domain.waarschuwing import Waarschuwing
from voorbeeld import gevallen, personen
from voorbeeld.generator import MIN_BATCHES, MIN_BERICHTEN, maak_voorbeeld
from voorbeeld.geplaatst import geplaatst
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
        *gevallen.VOOR_BELANGHEBBENDE,
    }
    assert soorten >= {gevallen.GOED, *GOEDE_GEVALLEN, *FOUTE_GEVALLEN, *verbonden}


def test_the_outage_is_delivered_first_so_that_it_lasts_while_all_else_goes_on() -> None:
    leveringen = maak_voorbeeld(1, 1, NU).leveringen
    assert [levering.groep is Groep.STORING for levering in leveringen].index(True) == 0
    assert [levering.groep for levering in leveringen].count(Groep.STORING) == 1
    assert len(leveringen[0].berichten) == 5


@pytest.mark.parametrize("zaad", range(1, 6))
def test_every_warning_occurs_alone_and_some_together(zaad: int) -> None:
    verwachting = verwacht(klein(zaad).leveringen)
    per_bericht = {antwoord.waarschuwingen for batch in verwachting.batches.values() for antwoord in batch.getoond}
    assert {(code,) for code in Waarschuwing} < per_bericht
    assert any(len(codes) == 2 for codes in per_bericht)
    assert set(verwachting.waarschuwingen()) == set(Waarschuwing)


def test_a_resend_keeps_the_warnings_of_what_was_placed() -> None:
    batches = verwacht(klein().leveringen).batches.values()
    (batch,) = [batch for batch in batches if len(batch.runs) > 1]
    met_waarschuwing = [plaats for plaats, antwoord in enumerate(batch.runs[0]) if antwoord.waarschuwingen]
    assert [batch.runs[1][plaats] for plaats in met_waarschuwing] == [gevallen.BESTAAT_AL]
    assert [batch.getoond[plaats].waarschuwingen for plaats in met_waarschuwing] == [(Waarschuwing.NIET_GETAGD,)]
    assert batch.rij()["waarschuwing"] == 1


def test_one_bijlage_is_that_of_many_messages_of_one_run_only() -> None:
    def gebruik(nu: datetime) -> Counter[bytes]:
        alle = geplaatst(maak_voorbeeld(1, 1, nu, 40, 4_000))
        return Counter(bijlage for bericht in alle for bijlage in bericht.bijlagen)

    ((folder, keer), (_, anders)) = gebruik(NU).most_common(2)
    assert keer > 200
    assert anders == 1
    assert folder not in gebruik(NU + timedelta(seconds=1))


def test_only_what_is_published_by_now_can_be_seen() -> None:
    voorbeeld = klein()
    alle = list(geplaatst(voorbeeld))
    zijne = {
        bericht.bericht_id: bericht.zichtbaar for bericht in alle if bericht.gebruiker == personen.belanghebbende()
    }
    bedoeld = {
        bericht.bericht_id: "later" not in bericht.geval.naam
        for levering in voorbeeld.leveringen
        for bericht in levering.berichten
        if bericht.geval in gevallen.VOOR_BELANGHEBBENDE
    }
    assert zijne == bedoeld
    assert len({(bericht.batch_id, bericht.nummer) for bericht in alle}) == len(alle)
    assert len(alle) == sum(int(rij["verwerkt"]) for rij in verwacht(voorbeeld.leveringen).totalen().values())


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


@pytest.mark.parametrize(("batches", "berichten"), [(15, 400), (16, 399), (16, 6_001)])
def test_a_sample_that_cannot_be_made_is_refused(batches: int, berichten: int) -> None:
    with pytest.raises(ValueError, match="batches"):
        maak_voorbeeld(1, 1, NU, batches, berichten)


@pytest.mark.parametrize(("batches", "berichten"), [(16, 400), (16, 6_000), (37, 3_333), (250, 50_000)])
def test_a_sample_has_exactly_the_size_that_was_asked(batches: int, berichten: int) -> None:
    eerste_runs = [
        levering for levering in maak_voorbeeld(3, 1, NU, batches, berichten).leveringen if levering.run == 1
    ]
    assert len(eerste_runs) == batches
    assert sum(len(levering.berichten) for levering in eerste_runs) == berichten
    assert all(1 <= len(levering.berichten) <= 1000 for levering in eerste_runs)
