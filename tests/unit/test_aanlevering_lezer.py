"""Reading: what a sender wrote is what the columns hold, with every bijlage stored once."""

import dataclasses
import hashlib
from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from aanlevering.lezer import lees
from domain.batch import MAX_BIJLAGEN_BYTES, Batch
from tests.globe import BATCH_ID, BSN, OIN, Rauw, bericht_id, maak_bericht, maak_bijlage, maak_kader, maak_xml
from tests.regels import regel


def gelezen(xml: bytes) -> tuple[Batch, list[tuple[bytes, bytes]]]:
    """The batch, and what was offered to the store, in order."""
    bewaard: list[tuple[bytes, bytes]] = []
    batch = lees(
        [xml],
        proceskenmerk=UUID(int=1),
        aangeleverd_op=1,
        aangeleverd_door=None,
        bewaar=lambda sha256, inhoud: bewaard.append((sha256, inhoud)),
    )
    return batch, bewaard


def sha256(inhoud: bytes) -> bytes:
    return hashlib.sha256(inhoud).digest()


def test_a_bijlage_is_stored_once_and_referred_to_each_time() -> None:
    een, twee = b"een" * 1000, b"twee"
    xml = maak_xml(
        berichten=[
            maak_bericht(1, bijlagen=[maak_bijlage(een), maak_bijlage(twee, volgorde="2")]),
            maak_bericht(2),
            maak_bericht(3, bijlagen=[maak_bijlage(een, omschrijving="Zelfde")]),
        ]
    )
    batch, bewaard = gelezen(xml)
    assert bewaard == [(sha256(een), een), (sha256(twee), twee)]
    berichten = batch.berichten
    assert berichten.bijlage_rijen == [0, 0, 2]
    assert berichten.bijlage_sha256 == sha256(een) + sha256(twee) + sha256(een)
    assert berichten.bijlage_groottes == [3000, 4, 3000]
    assert berichten.bijlage_omschrijvingen == ["Brief", "Brief", "Zelfde"]
    assert berichten.bijlage_volgordes == [1, 2, 1]


@regel("both together at most 500 000 bytes before base64, else `BijlageTeGroot`")
def test_bijlagen_that_are_together_too_large_are_measured_and_not_stored() -> None:
    half = b"a" * (MAX_BIJLAGEN_BYTES // 2)
    passend, te_groot = [half, half[::-1] + b""], [b"b" + half, half]
    xml = maak_xml(
        berichten=[
            maak_bericht(1, bijlagen=[maak_bijlage(inhoud) for inhoud in te_groot]),
            maak_bericht(2, bijlagen=[maak_bijlage(b"c" * 20_000_000)]),
            maak_bericht(3, bijlagen=[maak_bijlage(inhoud) for inhoud in passend]),
        ]
    )
    batch, bewaard = gelezen(xml)
    assert batch.berichten.schema_fouten == [""] * 3
    assert batch.berichten.bijlage_groottes == [250_001, 250_000, 20_000_000, 250_000, 250_000]
    assert batch.berichten.bijlage_sha256[:32] == sha256(b"b" + half)
    assert bewaard == [(sha256(half), half)]


def test_bijlagen_of_a_message_that_fails_are_not_stored() -> None:
    slecht = maak_bericht(1, SoortGebruiker="X", bijlagen=[maak_bijlage(b"een")])
    ander_kader = maak_bericht(2, BatchID=bericht_id(9), bijlagen=[maak_bijlage(b"twee")])
    tweede_slecht = maak_bericht(3, bijlagen=[maak_bijlage(b"drie"), maak_bijlage(b"vier", volgorde="x")])
    _, bewaard = gelezen(maak_xml(berichten=[slecht, ander_kader, tweede_slecht]))
    assert bewaard == []


@regel("`http://schemas.rdw.nl/GEB/BerichtenProsessor/Bericht/Types/2009/01` (spelled so), elements qualified")
def test_pretty_printed_and_prefixed_xml_reads_the_same() -> None:
    dicht = maak_xml(berichten=[maak_bericht(1, bijlagen=[maak_bijlage()])])
    ruim = dicht.replace(b"><", b">\r\n\t <").replace(b"?>\r\n\t ", b"?>")
    kader = maak_kader().replace("<", "<v:").replace("<v:/", "</v:")
    prefix = (
        '<v:Berichten xmlns:v="http://schemas.rdw.nl/GEB/BerichtVerwerkService/Types/2009/01" '
        'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="a b">'
        f"{kader}{maak_bericht(1, bijlagen=[maak_bijlage()])}</v:Berichten>"
    )
    assert gelezen(ruim) == gelezen(dicht) == gelezen(prefix.encode())


@regel("…/BerichtTekst | optional, up to 4000")
def test_a_thousand_messages_of_4000_four_byte_characters() -> None:
    tekst = "😀" * 4000
    batch, _ = gelezen(maak_xml(berichten=[maak_bericht(i, BerichtTekst=tekst) for i in range(1000)]))
    assert batch.berichten.teksten == [tekst] * 1000
    assert not any(batch.berichten.schema_fouten)


_tekens = st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff")
_momenten = st.integers(31_536_000, 8_800_000_000).map(lambda seconden: datetime.fromtimestamp(seconden, UTC))
_zones = st.integers(-14 * 60, 14 * 60).map(lambda minuten: timezone(timedelta(minutes=minuten)))
_tijd = st.none() | st.builds(lambda moment, zone: moment.replace(tzinfo=zone), _momenten, _zones)


def _tekst(minst: int, meest: int) -> st.SearchStrategy[str]:
    return st.text(_tekens, min_size=minst, max_size=meest)


@dataclasses.dataclass(frozen=True)
class Geschreven:
    """A valid message as a sender means it."""

    bericht_id: UUID
    berichttype: str
    gebruiker: str
    onderwerp: str
    tekst: str | None
    referentie: str | None
    publicatiedatum: datetime | None
    einddatum: datetime | None
    bijlagen: list[tuple[bytes, str, int]]

    def xml(self) -> str:
        return maak_bericht(
            BerichtID=str(self.bericht_id).upper(),
            BerichtType=self.berichttype,
            GebruikerID=self.gebruiker,
            Onderwerp=self.onderwerp,
            BerichtTekst=self.tekst,
            Referentie=self.referentie,
            PublicatieDatum=self.publicatiedatum and self.publicatiedatum.isoformat(),
            EindDatumHandelingsTermijn=self.einddatum and self.einddatum.isoformat(),
            bijlagen=[maak_bijlage(inhoud, omschrijving=o, volgorde=str(v)) for inhoud, o, v in self.bijlagen],
        )


_geschreven = st.builds(
    Geschreven,
    bericht_id=st.uuids(),
    berichttype=_tekst(1, 8),
    gebruiker=st.from_regex(r"[0-9]{8,9}", fullmatch=True),
    onderwerp=_tekst(1, 50),
    tekst=st.none() | _tekst(0, 4000),
    referentie=st.none() | _tekst(0, 25),
    publicatiedatum=_tijd,
    einddatum=_tijd,
    bijlagen=st.lists(
        st.tuples(st.binary(min_size=1, max_size=200), _tekst(1, 128), st.integers(-(2**31), 2**31 - 1)), max_size=2
    ),
)


def _millis(moment: datetime | None) -> int:
    return (moment.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1) if moment else 0


@regel("Elements come in this order", "9 digits (8 digits: a leading zero is added) that pass the elfproef")
@settings(max_examples=150, deadline=None)
@given(geschreven=st.lists(_geschreven, min_size=1, max_size=5))
def test_a_valid_batch_reads_back_as_it_was_meant(geschreven: list[Geschreven]) -> None:
    batch, bewaard = gelezen(maak_xml(batch_id=BATCH_ID.upper(), berichten=[bericht.xml() for bericht in geschreven]))
    assert (str(batch.kader.batch_id), batch.kader.leverancier) == (BATCH_ID, OIN)
    berichten = batch.berichten
    assert berichten.schema_fouten == [""] * len(geschreven)
    assert berichten.nummers == list(range(1, len(geschreven) + 1))
    assert berichten.bericht_ids == b"".join(bericht.bericht_id.bytes for bericht in geschreven)
    assert berichten.berichttypes == [bericht.berichttype for bericht in geschreven]
    assert berichten.gebruikers == b"".join(bericht.gebruiker.zfill(9).encode() for bericht in geschreven)
    assert berichten.onderwerpen == [bericht.onderwerp for bericht in geschreven]
    assert berichten.teksten == [bericht.tekst or "" for bericht in geschreven]
    assert berichten.referenties == [bericht.referentie or "" for bericht in geschreven]
    assert berichten.publicatiedatums == [_millis(bericht.publicatiedatum) for bericht in geschreven]
    assert berichten.einddatums == [_millis(bericht.einddatum) for bericht in geschreven]
    bijlagen = [(rij, *bijlage) for rij, bericht in enumerate(geschreven) for bijlage in bericht.bijlagen]
    assert berichten.bijlage_rijen == [rij for rij, *_ in bijlagen]
    assert berichten.bijlage_sha256 == b"".join(sha256(inhoud) for _, inhoud, _, _ in bijlagen)
    assert berichten.bijlage_groottes == [len(inhoud) for _, inhoud, _, _ in bijlagen]
    assert berichten.bijlage_omschrijvingen == [omschrijving for _, _, omschrijving, _ in bijlagen]
    assert berichten.bijlage_volgordes == [volgorde for *_, volgorde in bijlagen]
    assert dict(bewaard) == {sha256(inhoud): inhoud for _, inhoud, _, _ in bijlagen}
    assert len(bewaard) == len(dict(bewaard))


def test_a_message_split_by_comments_is_one_text() -> None:
    gebruiker = Rauw(f"<GebruikerID>{BSN[:4]}<!-- x --><![CDATA[{BSN[4:]}]]></GebruikerID>")
    batch, _ = gelezen(maak_xml(berichten=[maak_bericht(GebruikerID=gebruiker)]))
    assert batch.berichten.gebruikers == BSN.encode()
