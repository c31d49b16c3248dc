"""What a citizen is told of a new message, and from when; and the event that says so."""

import zlib
from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avro.codec import Codec, Onleesbaar
from domain.notificatie import TEKSTEN, Notificatie, TeNotificeren, afzender, maak, partitie, tekst, zichtbaar_op
from domain.referentie import Berichttype, BerichttypeStatus, Leverancier, Notificatiekenmerk
from tests.regels import regel
from tests.slices import BSNS, RUN, T0, TYPE, A, berichttype, referentie

CODEC = Codec()
ONTVANGER = "k1:" + "ab" * 32
BERICHT = TeNotificeren(T0 + 5, RUN, 3, UUID(int=2), UUID(int=3), A, TYPE, ONTVANGER, T0 + 5)
K = Notificatiekenmerk


def van(kenmerk: Notificatiekenmerk, status: BerichttypeStatus = BerichttypeStatus.ACTIEF) -> Berichttype:
    return replace(berichttype(status=status), notificatiekenmerk=kenmerk)


@regel("Betalen", "each with its own text to the burger", "(in the seed, chapter 4, with `{Afzender}`)")
def test_the_text_of_betalen() -> None:
    assert tekst(K.BETALEN, "Gemeente A") == (
        "U heeft een bericht van Gemeente A ontvangen over een betaling of automatische incasso.\n"
        "\n"
        "Log in op MijnOverheid om het bericht te bekijken. Mogelijk moet u iets betalen. Lees het bericht daarom op "
        "tijd en voorkom een eventuele boete."
    )


@regel("Informatie geven", "each with its own text to the burger", "(in the seed, chapter 4, with `{Afzender}`)")
def test_the_text_of_informatie_geven() -> None:
    assert tekst(K.INFORMATIE_GEVEN, "Gemeente A") == (
        "Gemeente A heeft informatie van u nodig.\n"
        "\n"
        "Log in op MijnOverheid om het bericht te bekijken. Lever deze informatie op tijd. Doet u dit niet, dan kan "
        "dit vervelende gevolgen hebben. Bijvoorbeeld vertraging als u iets moet regelen of een boete."
    )


@regel("Informatie krijgen", "each with its own text to the burger", "(in the seed, chapter 4, with `{Afzender}`)")
def test_the_text_of_informatie_krijgen() -> None:
    assert tekst(K.INFORMATIE_KRIJGEN, "Gemeente A") == (
        "Er staat een document in uw Berichtenbox van Gemeente A.\n"
        "\n"
        "Log in op MijnOverheid om het bericht te bekijken. Mogelijk moet u naar aanleiding van dit bericht actie "
        "ondernemen. Lees het daarom op tijd."
    )


@regel("Reactie ontvangen", "each with its own text to the burger", "(in the seed, chapter 4, with `{Afzender}`)")
def test_the_text_of_reactie_ontvangen() -> None:
    assert tekst(K.REACTIE_ONTVANGEN, "Gemeente A") == (
        "U heeft een reactie ontvangen op een aanvraag of wijziging bij Gemeente A.\n"
        "\n"
        "Log in op MijnOverheid om het bericht te bekijken. Mogelijk moet u naar aanleiding van dit bericht actie "
        "ondernemen. Lees het daarom op tijd."
    )


@regel("Vernieuwen nodig", "each with its own text to the burger", "(in the seed, chapter 4, with `{Afzender}`)")
def test_the_text_of_vernieuwen_nodig() -> None:
    assert tekst(K.VERNIEUWEN_NODIG, "Gemeente A") == (
        "Gemeente A heeft u een bericht gestuurd met informatie over het vernieuwen van een document.\n"
        "\n"
        "Log in op MijnOverheid om het bericht te bekijken. Vernieuw op tijd. Als u niet op tijd vernieuwt, kan dit "
        "vervelende gevolgen hebben."
    )


def test_every_notificatiekenmerk_has_a_text_that_names_the_sender_once() -> None:
    assert TEKSTEN.keys() == set(K)
    assert len({tekst(kenmerk, "X") for kenmerk in K}) == len(K)
    assert all("".join(alineas).count("{Afzender}") == 1 for alineas in TEKSTEN.values())


@pytest.mark.parametrize("naam", ["{Afzender}", "{0} & {naam}", "100% %s", "Gemeente\\1", "Müller & Zn."])
def test_a_name_is_repeated_as_it_is(naam: str) -> None:
    assert tekst(K.INFORMATIE_GEVEN, naam).startswith(f"{naam} heeft informatie van u nodig.")


@pytest.mark.parametrize("naam", ["", "  "])
def test_a_sender_without_a_name_is_called_by_its_oin(naam: str) -> None:
    assert afzender(A, referentie(Leverancier(A, naam))) == A


def test_a_sender_is_called_by_its_name() -> None:
    assert afzender(A, referentie()) == "Gemeente A"
    assert afzender("00000099000000009000", referentie()) == "00000099000000009000"


@regel("A message is visible to the burger from its PublicatieDatum")
@pytest.mark.parametrize(
    ("publicatiedatum", "verwerkt_op", "verwacht"), [(0, T0, T0), (T0 - 1, T0, T0), (T0, T0, T0), (T0 + 1, T0, T0 + 1)]
)
def test_a_notification_is_due_when_the_message_can_be_seen(
    publicatiedatum: int, verwerkt_op: int, verwacht: int
) -> None:
    assert zichtbaar_op(publicatiedatum, verwerkt_op) == verwacht


@pytest.mark.parametrize("status", BerichttypeStatus)
def test_a_placed_message_is_told_of_whatever_became_of_its_berichttype(status: BerichttypeStatus) -> None:
    gemaakt = maak(BERICHT, referentie(van(K.REACTIE_ONTVANGEN, status)), T0 + 9)
    assert gemaakt is not None
    assert gemaakt.notificatiekenmerk is K.REACTIE_ONTVANGEN
    assert gemaakt.afzender == "Gemeente A"
    assert gemaakt.tekst == tekst(K.REACTIE_ONTVANGEN, "Gemeente A")
    assert (gemaakt.plaats, gemaakt.gemaakt_op) == (BERICHT.plaats, T0 + 9)


def test_nothing_is_made_up_for_a_berichttype_that_is_not_there() -> None:
    assert maak(BERICHT._replace(berichttype="GEEN"), referentie(), T0) is None


def test_a_notification_comes_back_from_its_event_and_names_no_bsn() -> None:
    gemaakt = maak(BERICHT, referentie(), T0 + 9)
    assert gemaakt is not None
    geschreven = CODEC.schrijf_notificatie(gemaakt)
    assert CODEC.lees_notificatie(geschreven) == gemaakt
    assert geschreven[:5] == b"\0" + (14).to_bytes(4, "big")
    assert not [bsn for bsn in BSNS if bsn.encode() in geschreven]


@pytest.mark.parametrize(
    ("anders", "reden"),
    [
        ({"proceskenmerk": "geen guid"}, "does not know"),
        ({"notificatiekenmerk": "Feliciteren"}, "does not know"),
        ({"nummer": 0}, "in no batch"),
        ({"nummer": 70_000}, "in no batch"),
    ],
)
def test_an_event_that_makes_no_sense_is_unreadable(anders: dict[str, object], reden: str) -> None:
    gemaakt = maak(BERICHT, referentie(), T0)
    assert isinstance(gemaakt, Notificatie)
    waarde = CODEC.lees("notificatie", CODEC.schrijf_notificatie(gemaakt))
    with pytest.raises(Onleesbaar, match=reden):
        CODEC.lees_notificatie(CODEC.schrijf("notificatie", waarde | anders))


@given(st.text(), st.integers(1, 64))
def test_a_citizen_has_one_partition(ontvanger: str, aantal: int) -> None:
    assert partitie(ontvanger, aantal) == zlib.crc32(ontvanger.encode()) % aantal
