"""Small rules of the domain that stand on their own: names, codes, the forms of an OIN."""

import importlib
import pkgutil
from uuid import UUID

import pytest

import domain
from avro.codec import Codec
from domain.beslissing import Bekend, beslis
from domain.codes import Verwerkingscode
from domain.levensloop import (
    activeer_dienst,
    nieuw_berichttype,
    nieuwe_dienst,
    wijzig_berichttype,
    wissel_status,
)
from domain.notificatie import TeNotificeren, maak
from domain.oin import is_oin
from domain.referentie import BerichttypeStatus, DienstStatus, Notificatiekenmerk, Referentie
from tests.regels import regel
from tests.slices import RUN, T0, TYPE, maak_slice, referentie

A, B = "00000099000000001000", "00000099000000002000"
ACTIEF = BerichttypeStatus.ACTIEF


@regel("Betalen", "Informatie geven", "Informatie krijgen", "Reactie ontvangen", "Vernieuwen nodig")
def test_the_notificatiekenmerken_are_these_five() -> None:
    assert [str(kenmerk) for kenmerk in Notificatiekenmerk] == [
        "Betalen",
        "Informatie geven",
        "Informatie krijgen",
        "Reactie ontvangen",
        "Vernieuwen nodig",
    ]


@regel("case-sensitive, unique per afnemer, fixed once made")
def test_a_code_is_one_berichttype_of_one_afnemer_and_case_matters() -> None:
    data = Referentie()
    for oin, code in ((A, "AANSLAG"), (A, "Aanslag"), (B, "AANSLAG")):
        data.zet([nieuw_berichttype(oin, code, f"{oin}/{code}", Notificatiekenmerk.BETALEN, ACTIEF)])
    assert [een.omschrijving for een in data.berichttypes.values()] == [
        f"{A}/AANSLAG",
        f"{A}/Aanslag",
        f"{B}/AANSLAG",
    ]
    data.zet([nieuw_berichttype(A, "AANSLAG", "opnieuw", Notificatiekenmerk.BETALEN)])
    assert len(data.berichttypes) == 3
    assert [data.ondersteunt(*wie) for wie in ((A, "AANSLAG"), (A, "Aanslag"), (A, "aanslag"))] == [
        False,
        True,
        False,
    ]


@regel("case-sensitive, unique per afnemer, fixed once made")
def test_no_change_gives_a_berichttype_another_code() -> None:
    oud = nieuw_berichttype(A, "AANSLAG", "x", Notificatiekenmerk.BETALEN)
    for nieuw in (wijzig_berichttype(oud, "y", Notificatiekenmerk.INFORMATIE_GEVEN), wissel_status(oud, ACTIEF)):
        assert nieuw != oud
        assert (nieuw.oin, nieuw.code, nieuw.sleutel) == (oud.oin, oud.code, oud.sleutel)


@regel("is Actief at once")
def test_a_dienst_is_actief_at_once() -> None:
    dienst = nieuwe_dienst(A, "Belastingen", "x")
    assert (dienst.status, dienst.koppelingen, dienst.gedeactiveerd_op) == (DienstStatus.ACTIEF, (), None)
    assert activeer_dienst(dienst) is dienst


@regel(
    "`…000` after a 9-position number",
    "`…0000` after an 8-position one",
    "20 positions = 8-position prefix + number + closing zeros",
)
@pytest.mark.parametrize(
    "oin",
    ["00000001823288444000", "00000003123456780000", "00000003HRN456780000", "00000004000000A10000"],
)
def test_a_number_of_nine_or_eight_positions_is_closed_with_zeros(oin: str) -> None:
    assert is_oin(oin)
    assert not is_oin(oin[:-1])
    assert not is_oin(f"{oin}0")


@regel("the domain's nouns stay Dutch, in code too, spelled as below")
def test_the_nouns_of_the_domain_are_spelled_so_in_code() -> None:
    modules = [importlib.import_module(f"domain.{module.name}") for module in pkgutil.iter_modules(domain.__path__)]
    namen = {naam for module in modules for naam, wat in vars(module).items() if isinstance(wat, type)}
    assert {
        "Berichttype",
        "Batch",
        "Berichten",
        "Leverancier",
        "Dienst",
        "Machtiging",
        "Stadium",
        "Verwerkingscode",
    } <= namen
    vreemd = {"MessageType", "Message", "Messages", "Supplier", "Service", "Mandate", "Attachment", "Stage", "Status"}
    assert not {naam for naam in namen if naam in vreemd}


@regel("never shown to the burger")
def test_the_omschrijving_of_a_berichttype_goes_to_no_citizen() -> None:
    """Not with the message as it is placed, and not with the notification of it."""
    geheim = "Alleen voor eigen gebruik"
    data = referentie(nieuw_berichttype(A, TYPE, geheim, Notificatiekenmerk.BETALEN, ACTIEF))
    slice_ = maak_slice()
    uitkomst = beslis(slice_, data, Bekend(), {(TYPE, slice_.berichten.gebruiker(0)): True}, T0)
    assert uitkomst.codes == [Verwerkingscode.VERWERKT]
    te_melden = TeNotificeren(T0, RUN, 1, UUID(int=1), UUID(int=2), A, TYPE, "k1:ab", 0)
    notificatie = maak(te_melden, data, T0)
    assert notificatie is not None
    codec = Codec()
    for wat in (
        codec.schrijf_batch(slice_, "bericht"),
        codec.schrijf_uitkomst(uitkomst),
        codec.schrijf_notificatie(notificatie),
    ):
        assert geheim.encode() not in wat
