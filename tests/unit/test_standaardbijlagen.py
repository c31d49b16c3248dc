"""The PDFs of a berichttype: how many, how big, in which order, until when (Domain: Berichttypes), where they go."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.store_message import plaats
from avro.codec import Codec
from domain.batch import MAX_INT, Berichten
from domain.beslissing import Bekend, beslis
from domain.levensloop import NietToegestaan, nieuw_berichttype, wissel_status
from domain.referentie import Berichttype, BerichttypeStatus, Notificatiekenmerk, Referentie, Standaardbijlage
from domain.standaardbijlagen import verplaats_bijlage, verwijder_bijlage, voeg_bijlage_toe
from sinks.objecten import Objecten
from streams.sleutels import lees_sleutels, maak_sleutels
from tests.regels import regel
from tests.slices import BSNS, TYPE, maak_slice, referentie

OIN = "00000099000000001000"
MB = 1_000_000
KOLOMMEN = ("bijlage_groottes", "bijlage_omschrijvingen", "bijlage_volgordes")


def pdf(naam: str = "a.pdf", grootte: int = 10, inhoud: int = 0) -> Standaardbijlage:
    return Standaardbijlage(naam, bytes([inhoud]) * 32, grootte)


def berichttype(*bijlagen: Standaardbijlage, status: BerichttypeStatus = BerichttypeStatus.NIEUW) -> Berichttype:
    een = nieuw_berichttype(OIN, "A", "x", Notificatiekenmerk.BETALEN)
    for bijlage in bijlagen:
        een = voeg_bijlage_toe(een, bijlage)
    return replace(een, status=status)


def namen(een: Berichttype) -> list[str]:
    return [bijlage.naam for bijlage in een.standaardbijlagen]


@regel("up to 3 PDFs")
def test_a_fourth_is_refused() -> None:
    drie = berichttype(pdf("a.pdf"), pdf("b.pdf"), pdf("c.pdf"))
    assert namen(drie) == ["a.pdf", "b.pdf", "c.pdf"]
    with pytest.raises(NietToegestaan, match="up to 3 standaardbijlagen"):
        voeg_bijlage_toe(drie, pdf("d.pdf"))


@regel("together up to 2 MB")
def test_together_they_weigh_up_to_two_mb() -> None:
    precies = berichttype(pdf("a.pdf", MB), pdf("b.pdf", MB))
    assert len(precies.standaardbijlagen) == 2
    with pytest.raises(NietToegestaan, match="together up to 2 MB"):
        voeg_bijlage_toe(precies, pdf("c.pdf", 1))


@regel("file names up to 128 characters")
def test_a_file_name_has_up_to_128_characters() -> None:
    assert berichttype(pdf("é" * 128)).standaardbijlagen
    for naam in ("é" * 129, "", " ", "a\n.pdf", "\ud800"):
        with pytest.raises(NietToegestaan):
            berichttype(pdf(naam))


def test_a_name_is_there_once_and_the_same_file_again_changes_nothing() -> None:
    een = berichttype(pdf("a.pdf", inhoud=1))
    assert voeg_bijlage_toe(een, pdf("a.pdf", inhoud=1)) is een
    with pytest.raises(NietToegestaan, match="another bijlage of that name"):
        voeg_bijlage_toe(een, pdf("a.pdf", inhoud=2))
    assert namen(voeg_bijlage_toe(een, pdf("b.pdf", inhoud=1))) == ["a.pdf", "b.pdf"]


@regel("ordered; changed only while Nieuw")
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([-1, 1]))))
def test_moving_up_and_down_is_what_a_list_does(stappen: list[tuple[str, int]]) -> None:
    een, model = berichttype(pdf("a"), pdf("b"), pdf("c")), ["a", "b", "c"]
    for naam, stap in stappen:
        van = model.index(naam)
        naar = van + stap
        if 0 <= naar < 3:
            model[van], model[naar] = model[naar], model[van]
            een = verplaats_bijlage(een, naam, stap)
        else:
            assert verplaats_bijlage(een, naam, stap) is een
        assert namen(een) == model


def test_what_is_removed_is_gone_and_what_is_not_there_cannot_be_named() -> None:
    een = berichttype(pdf("a"), pdf("b"), pdf("c"))
    assert namen(verwijder_bijlage(een, "b")) == ["a", "c"]
    for doe in (lambda: verwijder_bijlage(een, "B"), lambda: verplaats_bijlage(een, "d", 1)):
        with pytest.raises(NietToegestaan, match="no bijlage of that name"):
            doe()


@regel("ordered; changed only while Nieuw", "nothing in Archief")
@pytest.mark.parametrize("status", [een for een in BerichttypeStatus if een is not BerichttypeStatus.NIEUW])
def test_they_change_only_while_nieuw(status: BerichttypeStatus) -> None:
    een = berichttype(pdf("a"), pdf("b"), status=status)
    for doe in (
        lambda: voeg_bijlage_toe(een, pdf("c")),
        lambda: verwijder_bijlage(een, "a"),
        lambda: verplaats_bijlage(een, "a", 1),
    ):
        with pytest.raises(NietToegestaan, match=f"only while Nieuw, and this one is {status}"):
            doe()


def test_a_change_of_status_keeps_them() -> None:
    een = berichttype(pdf("a"), pdf("b"))
    assert wissel_status(een, BerichttypeStatus.ACTIEF).standaardbijlagen == een.standaardbijlagen


def bijlagen(berichten: Berichten) -> list[tuple[int, str, int, int, bytes]]:
    """Row, omschrijving, volgorde, size and sum of every bijlage."""
    return [
        (
            rij,
            berichten.bijlage_omschrijvingen[i],
            berichten.bijlage_volgordes[i],
            berichten.bijlage_groottes[i],
            berichten.sha256(i),
        )
        for i, rij in enumerate(berichten.bijlage_rijen)
    ]


def eigen(volgorde: int = 7) -> Berichten:
    """Three messages of two berichttypes; the second has two bijlagen of its own."""
    return replace(
        maak_slice(ids=["a", "b", "c"], types=["A", "A", "B"]).berichten,
        bijlage_rijen=[1, 1],
        bijlage_sha256=b"x" * 32 + b"y" * 32,
        bijlage_groottes=[5, 6],
        bijlage_omschrijvingen=["brief", "bijsluiter"],
        bijlage_volgordes=[volgorde, 3],
    )


@regel("they go with every message of the berichttype")
def test_they_stand_behind_the_bijlagen_of_every_message_of_the_berichttype() -> None:
    met = eigen().met_standaardbijlagen({"A": [pdf("een", 10, 1), pdf("twee", 20, 2)], "C": [pdf("nee")]})
    assert bijlagen(met) == [
        (0, "een", 1, 10, b"\x01" * 32),
        (0, "twee", 2, 20, b"\x02" * 32),
        (1, "brief", 7, 5, b"x" * 32),
        (1, "bijsluiter", 3, 6, b"y" * 32),
        (1, "een", 8, 10, b"\x01" * 32),
        (1, "twee", 9, 20, b"\x02" * 32),
    ]
    zonder: dict[str, Any] = {"bijlage_rijen": [], "bijlage_sha256": b""} | {naam: [] for naam in KOLOMMEN}
    assert replace(met, **zonder) == replace(eigen(), **zonder), "nothing else of the messages changes"


def test_a_berichttype_without_any_leaves_messages_as_they_are() -> None:
    berichten = eigen()
    assert berichten.met_standaardbijlagen({}) is berichten
    assert berichten.met_standaardbijlagen({"C": [pdf()]}) is berichten


def test_the_highest_volgorde_a_sender_can_give_still_leaves_a_record_that_can_be_written() -> None:
    met = eigen(MAX_INT).met_standaardbijlagen({"A": [pdf("een"), pdf("twee")]})
    assert [regel[2] for regel in bijlagen(met)][-2:] == [MAX_INT, MAX_INT]
    slice_ = maak_slice(ids=["a", "b", "c"])
    assert Codec().schrijf_batch(replace(slice_, berichten=met))


@regel("they go with every message of the berichttype")
def test_the_stored_object_has_them(tmp_path: Path) -> None:
    maak_sleutels(tmp_path / "sleutels.json")
    sleutels = lees_sleutels(tmp_path / "sleutels.json")
    objecten, codec = Objecten(f"file://{tmp_path}/opslag", sleutels), Codec()
    staat = referentie()
    oud = staat.berichttypes[f"{OIN}/{TYPE}"]
    staat.zet([replace(oud, standaardbijlagen=(pdf("brochure.pdf"),))])
    slice_ = maak_slice(ids=["a", "b"])
    uitkomst = beslis(slice_, staat, Bekend(), dict.fromkeys([(TYPE, bsn) for bsn in BSNS], True), 1)

    async def geplaatst(staat: Referentie) -> Berichten:
        naam = await plaats(slice_, uitkomst, staat, 0, codec, objecten, sleutels)
        return codec.lees_batch(await objecten.lees(naam), "bericht").berichten

    zonder, met = asyncio.run(geplaatst(Referentie())), asyncio.run(geplaatst(staat))
    assert met == zonder.met_standaardbijlagen({TYPE: [pdf("brochure.pdf")]})
    assert met.bijlage_omschrijvingen.count("brochure.pdf") == 2
