"""The processing log: a line for every decided message, and nobody in it to be read without the key."""

import base64
import hashlib
import hmac
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from avro.codec import Codec, Onleesbaar
from domain import bsn
from domain.batch import Batch
from domain.beslissing import Bekend, Uitkomst, beslis
from domain.logboek import BETROKKENE_BYTES, ZOEK_BYTES, Logboek, logboek_van
from sinks.rijen import KOLOMMEN, van_logboek
from streams.logboeksleutels import Logboeksleutels, Verminkt
from streams.sleutels import SleutelFout, lees_sleutels, maak_sleutels
from tests.regels import regel
from tests.slices import ANDERE_RUN, BSNS, FOUTE_BSN, RUN, T0, TYPE, kader, maak_slice, referentie

SLEUTEL = bytes(range(32))
RING = Logboeksleutels("k1", {"k1": SLEUTEL})
ACTIVITEIT = "https://register.voorbeeld.nl/verwerkingen/7"


def slice_en_uitkomst() -> tuple[Batch, Uitkomst]:
    """Placed, refused for the user, refused by the elfproef, unreadable."""
    slice_ = maak_slice(
        ids=["a", "b", "c", "d"],
        bsns=[BSNS[0], BSNS[1], FOUTE_BSN, bsn.GEEN.decode()],
        fouten=["", "", "", "GebruikerID: geen 8 of 9 cijfers"],
        van=kader(totaal=9),
        nummers=[2, 3, 5, 9],
    )
    antwoorden = {(TYPE, BSNS[0]): True, (TYPE, BSNS[1]): False}
    return slice_, beslis(slice_, referentie(), Bekend(), antwoorden, T0 + 5)


def logboek(ring: Logboeksleutels = RING) -> Logboek:
    return logboek_van(*slice_en_uitkomst(), ACTIVITEIT, ring)


def betrokkene(een: Logboek, rij: int) -> bytes:
    return een.betrokkenen[rij * BETROKKENE_BYTES : (rij + 1) * BETROKKENE_BYTES]


def zoek(een: Logboek, rij: int) -> bytes:
    return een.zoeksleutels[rij * ZOEK_BYTES : (rij + 1) * ZOEK_BYTES]


@regel("a processing log whose standard asks for the data subject: encrypted")
def test_every_decided_message_has_a_line_with_its_data_subject_encrypted() -> None:
    een = logboek()
    assert een.nummers == [2, 3, 5, 9]
    assert [str(code) for code in een.codes] == [
        "Verwerkt",
        "NietActiefOfGeabonneerd",
        "NietActiefOfGeabonneerd",
        "XmlValidatieTegenXsdValtNegatiefUit",
    ]
    assert [RING.ontsluier("k1", RUN, nummer, betrokkene(een, rij)) for rij, nummer in enumerate((2, 3, 5))] == [
        BSNS[0],
        BSNS[1],
        FOUTE_BSN,
    ]
    assert (betrokkene(een, 3), zoek(een, 3)) == (bytes(BETROKKENE_BYTES), bytes(ZOEK_BYTES)), "nobody could be read"
    assert (een.verwerkt_op, een.verwerkingsactiviteit, een.sleutel) == (T0 + 5, ACTIVITEIT, "k1")


def test_only_the_decided_messages_of_a_slice_have_a_line() -> None:
    """What waits is logged when it is decided."""
    slice_ = maak_slice(ids=["a", "b", "c"], bsns=BSNS[:3], van=kader(totaal=3))
    uitkomst = beslis(slice_, referentie(), Bekend(), {(TYPE, BSNS[2]): True}, T0)
    een = logboek_van(slice_, uitkomst, ACTIVITEIT, RING)
    assert een.nummers == [3]
    assert RING.ontsluier("k1", RUN, 3, een.betrokkenen) == BSNS[2]


def test_what_is_written_can_be_read_by_whoever_has_the_key_and_the_description() -> None:
    """AES-256-GCM and HMAC-SHA256 as they are documented, without this code."""
    een = logboek()
    van_run = hmac.new(SLEUTEL, b"betrokkene:" + RUN.bytes, hashlib.sha256).digest()
    assert AESGCM(van_run).decrypt((3).to_bytes(12, "big"), betrokkene(een, 1), None).decode() == BSNS[1]
    zoeksleutel = hmac.new(SLEUTEL, b"zoek", hashlib.sha256).digest()
    assert zoek(een, 1) == hmac.new(zoeksleutel, BSNS[1].encode(), hashlib.sha256).digest()[:16]
    assert RING.zoeksleutels(BSNS[1]) == [zoek(een, 1)]


def test_a_message_that_is_logged_again_gives_the_same_line_and_no_two_messages_look_alike() -> None:
    een, nog_eens = logboek(), logboek()
    assert een == nog_eens
    zelfde = [RING.versluier(run, [nummer], BSNS[0].encode())[0] for run in (RUN, ANDERE_RUN) for nummer in (1, 2)]
    assert len(set(zelfde)) == 4, "one person on four messages"


def test_what_was_altered_or_put_on_another_line_is_not_told_of_anybody() -> None:
    (goed,) = [RING.versluier(RUN, [2], BSNS[0].encode())[0]]
    assert RING.ontsluier("k1", RUN, 2, goed) == BSNS[0]
    for run, nummer in ((ANDERE_RUN, 2), (RUN, 3)):
        with pytest.raises(Verminkt, match="of another line"):
            RING.ontsluier("k1", run, nummer, goed)
    for plaats in range(len(goed)):
        anders = bytearray(goed)
        anders[plaats] ^= 1
        with pytest.raises(Verminkt):
            RING.ontsluier("k1", RUN, 2, bytes(anders))
    with pytest.raises(Verminkt, match="not in ring"):
        RING.ontsluier("k9", RUN, 2, goed)


def test_after_rotation_former_lines_are_found_and_read_under_the_former_key() -> None:
    oud = logboek()
    nieuw = Logboeksleutels("k2", {"k1": SLEUTEL, "k2": bytes(32)})
    assert zoek(oud, 0) in nieuw.zoeksleutels(BSNS[0])
    assert zoek(logboek(nieuw), 0) in nieuw.zoeksleutels(BSNS[0])
    assert zoek(logboek(nieuw), 0) != zoek(oud, 0)
    assert nieuw.ontsluier(oud.sleutel, RUN, 2, betrokkene(oud, 0)) == BSNS[0]


def test_no_bsn_stands_readable_in_record_or_row() -> None:
    een = logboek()
    record = Codec().schrijf_logboek(een)
    rij = van_logboek(een, 7)
    for persoon in (*BSNS[:2], FOUTE_BSN):
        for vorm in (persoon, persoon[::-1], persoon.encode().hex(), hashlib.sha256(persoon.encode()).hexdigest()):
            assert vorm.encode() not in record
            assert vorm not in repr(rij)


def test_a_record_is_read_as_it_was_written_and_torn_columns_are_not() -> None:
    codec, een = Codec(), logboek()
    assert codec.lees_logboek(codec.schrijf_logboek(een)) == replace(een, kader=replace(een.kader, aanmaakdatum=0))
    for anders in (
        replace(een, betrokkenen=een.betrokkenen[1:]),
        replace(een, zoeksleutels=een.zoeksleutels + b"x"),
        replace(een, codes=een.codes[1:]),
        replace(een, nummers=[2, 3, 5, 10]),
    ):
        with pytest.raises(Onleesbaar):
            codec.lees_logboek(codec.schrijf_logboek(anders))


def test_a_record_is_one_row_and_one_without_messages_none() -> None:
    een = logboek()
    (rij,) = zip(*van_logboek(een, 7), strict=True)
    velden = dict(zip(KOLOMMEN["logboekregels"], rij, strict=True))
    assert (velden["proceskenmerk"], velden["eerste"], velden["volgorde"]) == (RUN, 2, 7)
    assert velden["zoeksleutels"] == [zoek(een, rij) for rij in range(4)]
    assert velden["betrokkenen"] == een.betrokkenen
    leeg = replace(een, nummers=[], codes=[], betrokkenen=b"", zoeksleutels=b"")
    assert all(kolom == [] for kolom in van_logboek(leeg, 7))


def test_a_key_file_of_before_the_log_works_for_all_else_and_gets_its_ring(tmp_path: Path) -> None:
    bestand = tmp_path / "sleutels.json"
    maak_sleutels(bestand)
    ringen = json.loads(bestand.read_text())
    del ringen["logboek"]
    bestand.write_text(json.dumps(ringen))
    oud = lees_sleutels(bestand)
    naam = oud.pseudoniem(BSNS[0])
    with pytest.raises(SleutelFout, match="no ring 'logboek'"):
        _ = oud.logboek
    with ThreadPoolExecutor(8) as draden:
        list(draden.map(maak_sleutels, [bestand] * 32))
    assert [pad.name for pad in tmp_path.iterdir()] == ["sleutels.json"]
    assert bestand.stat().st_mode & 0o777 == 0o600
    nu = json.loads(bestand.read_text())
    assert {ring: nu[ring] for ring in ringen} == ringen, "what was there stays"
    assert len(base64.b64decode(nu["logboek"]["sleutels"]["k1"])) == 32
    nieuw = lees_sleutels(bestand)
    assert nieuw.pseudoniem(BSNS[0]) == naam
    maak_sleutels(bestand)
    assert lees_sleutels(bestand).logboek.zoeksleutels(BSNS[0]) == nieuw.logboek.zoeksleutels(BSNS[0])


def test_the_keys_of_the_rings_are_apart() -> None:
    """Who may look in the log can name nobody elsewhere, and the other way round."""
    zoeksleutels = [Logboeksleutels("k1", {"k1": bytes([n] * 32)}).zoeksleutels(BSNS[0]) for n in range(3)]
    assert all(een != ander for een, ander in permutations(zoeksleutels, 2))
    assert SLEUTEL.hex() not in repr(RING)
    assert RING.versluier(UUID(int=1), [], b"") == (b"", b"")
