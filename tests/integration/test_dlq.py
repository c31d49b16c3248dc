"""Dead letters on a real broker: once each, limits that outlast a restart, and what is offered again."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from typer.testing import CliRunner

from agents.eigendom import Eigendom
from agents.splitsen import Splitser
from agents.wachtkamer import sleutel_van
from avro.codec import Codec, soort_van
from cli.main import app
from cli.wijzigen import WijzigFout
from domain.batch import Batch, splits
from domain.beslissing import Bekend, beslis
from domain.levensloop import nieuwe_dienst
from domain.referentie import BerichttypeStatus, Gegeven
from sinks.vragen import Vragen
from streams.dlq import Onbruikbaar, Terzijde, TeVeelOnleesbaar, lees_dlq
from streams.herstel import Besluit, Uitslag, herstel
from streams.producer import maak_producer
from streams.referentie import ReferentieFout, lees_referentie
from streams.settings import Instellingen
from tests.kafka import lees_alles, trim
from tests.slices import BSNS, T0, TYPE, A, berichttype, guid, kader, maak_slice, referentie

pytestmark = pytest.mark.integration

CODEC = Codec()


class Opstelling:
    """Topics, and who writes what in them."""

    def __init__(self, instellingen: Instellingen, producer: AIOKafkaProducer) -> None:
        self.instellingen = instellingen
        self.producer = producer

    def terzijde(self, **anders: Any) -> Terzijde:
        """Of a process that was just started."""
        return Terzijde(self.instellingen.model_copy(update=anders), CODEC, self.producer)

    async def zet(self, onderwerp: str, waarde: bytes | None, key: bytes = b"k", partitie: int = 0) -> int:
        topic = self.instellingen.topic(onderwerp)
        return int((await self.producer.send_and_wait(topic, waarde, key, partition=partitie)).offset)

    async def leg_weg(self, onderwerp: str, offset: int, partitie: int = 0) -> None:
        """Sets a record aside, as by a version that cannot read it."""
        terzijde = self.terzijde()
        await terzijde.zet(self.instellingen.topic(onderwerp), partitie, offset, "unknown schema id 99")
        await terzijde.duurzaam()

    async def dlq(self) -> list[Onbruikbaar]:
        return await lees_dlq(self.instellingen, CODEC)

    async def aantal(self) -> int:
        """How many entries `dlq` holds, repeats included."""
        return len(await lees_alles(self.instellingen, "dlq", 0))

    async def herstel(self, *offsets: int, **opties: Any) -> list[tuple[int, Uitslag, str]]:
        gekozen = [een for een in await self.dlq() if not offsets or een.offset in offsets]
        return [
            (een.wat.offset, een.uitslag, een.uitleg)
            async for een in herstel(self.instellingen, CODEC, gekozen, **opties)
        ]


@pytest.fixture
async def op(kern: Instellingen) -> AsyncIterator[Opstelling]:
    async with maak_producer(kern) as producer:
        yield Opstelling(kern, producer)


def batch() -> Batch:
    return maak_slice(ids=range(8), bsns=BSNS[:8], van=kader(totaal=8))


def slice_van(partitie: int) -> bytes:
    return CODEC.schrijf_batch(splits(batch(), 2)[partitie], "bericht")


# -- once each


async def test_a_record_is_set_aside_once_however_often_it_comes(op: Opstelling) -> None:
    """A replay, by the same process or by one that was started since, or that took the partition over."""
    for _ in range(2):
        terzijde = op.terzijde()
        for _ in range(2):
            for offset in (3, 5):
                await terzijde.zet("t.bericht", 1, offset, "damaged")
        await terzijde.duurzaam()
    assert await op.aantal() == 2
    assert [een.plaats for een in await op.dlq()] == [("t.bericht", 1, 3), ("t.bericht", 1, 5)]


async def test_what_did_not_reach_dlq_is_set_aside_when_it_comes_again(
    op: Opstelling, monkeypatch: pytest.MonkeyPatch
) -> None:
    terzijde = op.terzijde()

    async def weg(*woorden: object) -> None:
        raise KafkaError("away")

    with monkeypatch.context() as patch:
        patch.setattr(op.producer, "send", weg)
        with pytest.raises(KafkaError):
            await terzijde.zet("t.bericht", 1, 3, "damaged")
    await terzijde.zet("t.bericht", 1, 3, "damaged")
    await terzijde.duurzaam()
    assert await op.aantal() == 1


async def test_an_entry_that_was_written_twice_is_one_dead_letter(op: Opstelling) -> None:
    een, ander = op.terzijde(), op.terzijde()
    await asyncio.gather(een.zet("t.wacht", 0, 1, "damaged"), ander.zet("t.wacht", 0, 1, "damaged"))
    await asyncio.gather(een.duurzaam(), ander.duurzaam())
    assert len(await op.dlq()) == 1


async def test_of_a_batch_the_splitter_makes_no_second_entry(op: Opstelling) -> None:
    """The sink sets it aside: what the sink passes over for good, the splitter need not."""
    splitser = Splitser(op.instellingen, CODEC, op.producer, op.terzijde())
    await splitser.splits(op.instellingen.topic("batch"), 0, 0, b"GEHEIM")
    assert await op.aantal() == 0


class GeenVoortgang(Vragen):
    """A ClickHouse that has seen nothing yet."""

    def __init__(self) -> None:
        pass

    def voortgang(self, topic_id: str) -> dict[int, int]:
        return {}


async def test_what_waits_and_cannot_be_read_is_set_aside_once_and_the_rest_waits_on(op: Opstelling) -> None:
    slices = splits(batch(), 2)
    goed = CODEC.schrijf_batch(slices[0], "wacht")
    slecht = [
        await op.zet("wacht", b"GEHEIM", b"x/1"),
        await op.zet("wacht", goed[:-3], b"x/2"),
        await op.zet("wacht", goed, b"the key of something else"),
        await op.zet("wacht", slice_van(0), b"x/3"),
    ]
    await op.zet("wacht", goed, sleutel_van(slices[0]))
    for _ in range(2):
        eigendom = Eigendom(op.instellingen, CODEC, GeenVoortgang(), "id", op.terzijde())
        (eigen,) = (await eigendom.neem({0: 1})).values()
        assert list(eigen.wachtkamer.runs()) == [slices[0].kader.proceskenmerk]
        await eigendom.stop()
    assert [een.plaats for een in await op.dlq()] == [(op.instellingen.topic("wacht"), 0, o) for o in slecht]
    assert await op.aantal() == len(slecht)


# -- limits


async def lees(terzijde: Terzijde, offsets: Iterable[int], slecht: Callable[[int], bool]) -> None:
    """Reads these records of one partition, of which some are unreadable."""
    for offset in offsets:
        if slecht(offset):
            await terzijde.zet("batch", 0, offset, "unknown schema id 99")
        else:
            terzijde.leesbaar("batch", 0, offset)
    await terzijde.duurzaam()


async def test_a_restart_passes_over_no_more_of_a_row(op: Opstelling) -> None:
    """The line stopped at the fourth. Whoever starts again counts on from what stands in `dlq`."""
    for begin in (0, 3, 3):  # what was committed does not come again
        nieuw = op.terzijde(dlq_max_op_rij=3)
        with pytest.raises(TeVeelOnleesbaar, match=r"^4 unreadable records in a row .*DLQ_MAX_OP_RIJ.*batch\[0\]@3"):
            await lees(nieuw, range(begin, 10), lambda _: True)
        assert await op.aantal() == 3
    await lees(op.terzijde(dlq_max_op_rij=5), range(3, 5), lambda _: True)
    assert await op.aantal() == 5, "a higher limit lets it go on"
    await lees(op.terzijde(dlq_max_op_rij=3), range(5, 8), lambda offset: offset > 5)
    assert await op.aantal() == 7, "a version that reads it ends the row"


async def test_a_share_stops_the_line_where_no_row_does(op: Opstelling) -> None:
    """Every third record: the rows are short, and yet it is we who are broken. A restart does not forget."""
    for begin in (0, 60):
        nieuw = op.terzijde(dlq_max_op_rij=2, dlq_max_aandeel=0.02)
        with pytest.raises(TeVeelOnleesbaar, match=r"^21 of the last 1000 records unr.*DLQ_MAX_AANDEEL.*batch\[0\]@60"):
            await lees(nieuw, range(begin, 3000), lambda offset: offset % 3 == 0)
        assert await op.aantal() == 20


async def test_partitions_and_topics_have_rows_of_their_own(op: Opstelling) -> None:
    terzijde = op.terzijde(dlq_max_op_rij=1)
    for topic, partitie in (("batch", 0), ("batch", 1), ("bericht", 0)):
        await terzijde.zet(topic, partitie, 0, "damaged")
    await terzijde.duurzaam()
    assert await op.aantal() == 3


async def test_the_splitter_stops_as_well_and_after_a_restart_where_the_sink_was(op: Opstelling) -> None:
    topic = op.instellingen.topic("batch")
    splitser = Splitser(op.instellingen, CODEC, op.producer, op.terzijde(dlq_max_op_rij=2))
    for offset in range(2):
        await splitser.splits(topic, 0, offset, b"GEHEIM")
    with pytest.raises(TeVeelOnleesbaar):
        await splitser.splits(topic, 0, 2, b"GEHEIM")
    for offset in range(2):
        await op.leg_weg("batch", offset)
    opnieuw = Splitser(op.instellingen, CODEC, op.producer, op.terzijde(dlq_max_op_rij=2))
    with pytest.raises(TeVeelOnleesbaar):
        await opnieuw.splits(topic, 0, 2, b"GEHEIM")


async def test_an_entry_of_dlq_that_cannot_be_read_hides_no_other(op: Opstelling) -> None:
    await op.zet("dlq", b"GEHEIM")
    await op.leg_weg("batch", 7)
    await op.zet("dlq", None)
    assert [een.offset for een in await op.dlq()] == [7]
    await op.leg_weg("batch", 7)
    assert await op.aantal() == 3


# -- offering again


async def test_a_batch_and_a_slice_are_offered_again_once(op: Opstelling) -> None:
    """A copy at the end of the same partition, under the same key; a second offer makes no second one."""
    rommel = await op.zet("batch", b"GEHEIM")
    goed = await op.zet("batch", CODEC.schrijf_batch(batch()), b"sleutel")
    plaats = await op.zet("bericht", slice_van(1), b"sleutel", 1)
    await op.zet("batch", b"later")
    await op.leg_weg("batch", rommel)
    await op.leg_weg("batch", goed)
    await op.leg_weg("bericht", plaats, 1)
    assert await op.herstel() == [
        (rommel, Uitslag.ONLEESBAAR, "does not start with the zero byte of Confluent's format"),
        (goed, Uitslag.AANGEBODEN, "a copy stands at offset 3"),
        (plaats, Uitslag.AANGEBODEN, "a copy stands at offset 1"),
    ]
    kopie = (await lees_alles(op.instellingen, "batch", 0))[3]
    assert (kopie.key, CODEC.lees_batch(kopie.waarde)) == (b"sleutel", batch())
    assert (await lees_alles(op.instellingen, "bericht", 1))[1].waarde == slice_van(1)
    opnieuw = await op.herstel()
    assert [uitslag for _, uitslag, _ in opnieuw] == [
        Uitslag.ONLEESBAAR,
        Uitslag.AL_AANGEBODEN,
        Uitslag.AL_AANGEBODEN,
    ]
    assert len(await lees_alles(op.instellingen, "batch", 0)) == 4
    assert [bool(een.hersteld_op) for een in await op.dlq()] == [False, True, True]


async def test_what_is_gone_or_in_the_wrong_partition_is_not_offered(op: Opstelling) -> None:
    weg = await op.zet("batch", CODEC.schrijf_batch(batch()))
    verkeerd = await op.zet("bericht", slice_van(1), b"k", 0)
    await op.zet("batch", b"later")
    await op.leg_weg("batch", weg)
    await op.leg_weg("bericht", verkeerd)
    trim(op.instellingen, "batch", 1)
    assert [(uitslag, uitleg) for _, uitslag, uitleg in await op.herstel()] == [
        (Uitslag.VERDWENEN, "its topic no longer holds it: it must be delivered anew"),
        (Uitslag.ONLEESBAAR, "a message that belongs in another partition"),
    ]


@pytest.mark.parametrize("onderwerp", ["validatie", "wacht", "resultaat", "notificatie", "vreemd"])
async def test_what_the_line_makes_anew_by_itself_is_refused(op: Opstelling, onderwerp: str) -> None:
    """A copy of an old decision could place a message that was placed from another run since."""
    uitkomst = beslis(batch(), referentie(), Bekend(), {(TYPE, bsn): True for bsn in BSNS[:8]}, T0 + 1)
    if onderwerp == "validatie":
        await op.zet(onderwerp, CODEC.schrijf_uitkomst(uitkomst))
    await op.leg_weg(onderwerp, 0)
    ((_, uitslag, uitleg),) = await op.herstel()
    assert uitslag is Uitslag.GEWEIGERD
    assert uitleg
    if onderwerp == "validatie":
        assert len(await lees_alles(op.instellingen, onderwerp, 0)) == 1


async def gegeven(op: Opstelling, een: Gegeven) -> int:
    return await op.zet(soort_van(een), CODEC.schrijf_gegeven(een), een.sleutel.encode())


async def test_a_thing_that_went_dark_gets_back_what_stood_there_when_a_person_says_so(op: Opstelling) -> None:
    """The record that cannot be read may have archived it: archived is final."""
    goed = berichttype(TYPE)
    await gegeven(op, berichttype(TYPE, BerichttypeStatus.NIEUW))
    await gegeven(op, goed)
    await gegeven(op, berichttype("ANDER"))
    duister = await op.zet("berichttype", b"GEHEIM", goed.sleutel.encode())
    with pytest.raises(ReferentieFout, match="offset 3"):
        await lees_referentie(op.instellingen, CODEC)
    await op.leg_weg("berichttype", duister)
    ((_, uitslag, uitleg),) = await op.herstel()
    assert uitslag is Uitslag.GEWEIGERD
    assert "--zet-terug puts back what stood at offset 1" in uitleg
    assert '"Actief"' in uitleg
    with pytest.raises(ReferentieFout):
        await lees_referentie(op.instellingen, CODEC)
    gedaan = await op.herstel(besluit=Besluit.ZET_TERUG)
    assert gedaan == [(duister, Uitslag.AANGEBODEN, "what stood at offset 1 was put back")]
    assert (await lees_referentie(op.instellingen, CODEC)).berichttypes[goed.sleutel] == goed
    ((_, uitslag, uitleg),) = await op.herstel()
    assert uitslag is Uitslag.GEWEIGERD
    assert "has the same key and took its place" in uitleg


async def test_who_may_read_is_never_put_back_on_a_guess(op: Opstelling) -> None:
    """The record that cannot be read may be the one that ended it: too wide is a privacy breach."""
    dienst = nieuwe_dienst(A, "Belastingen", "Proef")
    await gegeven(op, dienst)
    duister = await op.zet("dienst", b"GEHEIM", dienst.sleutel.encode())
    await op.leg_weg("dienst", duister)
    for besluit in (None, Besluit.ZET_TERUG):
        ((_, uitslag, uitleg),) = await op.herstel(besluit=besluit)
        assert uitslag is Uitslag.GEWEIGERD
        assert "--verwijder removes this dienst" in uitleg
    with pytest.raises(ReferentieFout):
        await lees_referentie(op.instellingen, CODEC)
    assert await op.herstel(besluit=Besluit.VERWIJDER) == [(duister, Uitslag.AANGEBODEN, "removed")]
    assert not (await lees_referentie(op.instellingen, CODEC)).diensten


async def test_a_thing_of_which_nothing_is_known_is_removed_only_when_that_is_asked(op: Opstelling) -> None:
    """Never silently on other data: a berichttype that is gone refuses messages."""
    await gegeven(op, berichttype("ANDER"))
    duister = await op.zet("berichttype", CODEC.schrijf_gegeven(berichttype("ANDER")), f"{A}/VREEMD".encode())
    await op.leg_weg("berichttype", duister)
    ((_, uitslag, uitleg),) = await op.herstel()
    assert uitslag is Uitslag.GEWEIGERD
    assert "--verwijder" in uitleg
    with pytest.raises(ReferentieFout):
        await lees_referentie(op.instellingen, CODEC)
    assert await op.herstel(besluit=Besluit.VERWIJDER) == [(duister, Uitslag.AANGEBODEN, "removed")]
    assert set((await lees_referentie(op.instellingen, CODEC)).berichttypes) == {f"{A}/ANDER"}


# -- the command


def opdracht(instellingen: Instellingen, *woorden: str, code: int = 0) -> str:
    omgeving = {
        "BERICHTENSTROOM_KAFKA": instellingen.kafka,
        "BERICHTENSTROOM_TOPIC_PREFIX": instellingen.topic_prefix,
        "BERICHTENSTROOM_DATA": str(instellingen.data),
        "COLUMNS": "200",
    }
    gedaan = CliRunner().invoke(app, ["dlq", *woorden], env=omgeving)
    assert gedaan.exit_code == code or (code and gedaan.exception), gedaan.output
    return gedaan.stdout


async def test_the_command_takes_a_decision_on_one_thing_at_a_time(op: Opstelling) -> None:
    weg, stil = berichttype("WEG"), berichttype("STIL")
    for woorden in (["--verwijder"], ["--verwijder", "--topic", "berichttype"], ["--zet-terug", "--verwijder"]):
        await asyncio.to_thread(opdracht, op.instellingen, "herstel", "--ja", *woorden, code=2)
    for een, besluit in ((weg, "--verwijder"), (stil, "--zet-terug")):
        await gegeven(op, een)
        offset = await op.zet("berichttype", b"GEHEIM", een.sleutel.encode())
        woorden = ["herstel", "--topic", "berichttype", "--offset", str(offset), "--ja", "--json"]
        gezegd = await asyncio.to_thread(opdracht, op.instellingen, *woorden, code=1)
        assert "--zet-terug puts back what stood" in gezegd
        gezegd += await asyncio.to_thread(opdracht, op.instellingen, *woorden, besluit)
        assert "GEHEIM" not in gezegd
    assert set((await lees_referentie(op.instellingen, CODEC)).berichttypes) == {stil.sleutel}


async def test_an_offset_that_never_was_a_dead_letter_is_told_so(op: Opstelling) -> None:
    """Unlike a dead letter whose record is gone."""
    weg = 500
    await op.leg_weg("leverancier", weg)  # compaction has taken its record since

    async def doe(topic: str, offset: int) -> Any:
        woorden = ("herstel", "--topic", topic, "--offset", str(offset), "--ja", "--json")
        return json.loads(await asyncio.to_thread(opdracht, op.instellingen, *woorden, code=1))

    assert [een["uitslag"] for een in await doe("leverancier", weg)] == ["verdwenen"]
    ((wat,),) = [await doe("leverancier", 999)]
    assert (wat["uitslag"], wat["offset"]) == ("geen dead letter", 999)
    assert wat["uitleg"].startswith("not a dead letter")
    instellingen = op.instellingen
    omgeving = {
        "BERICHTENSTROOM_KAFKA": instellingen.kafka,
        "BERICHTENSTROOM_TOPIC_PREFIX": instellingen.topic_prefix,
        "BERICHTENSTROOM_DATA": str(instellingen.data),
    }
    woorden = ["dlq", "herstel", "--topic", "batch", "--partitie", "1", "--offset", "7", "--ja"]
    gedaan = await asyncio.to_thread(CliRunner().invoke, app, woorden, env=omgeving)
    assert isinstance(gedaan.exception, WijzigFout)
    assert "batch[1] offset 7 is not a dead letter" in str(gedaan.exception)


async def test_the_command_shows_and_offers_again(op: Opstelling) -> None:
    topic = op.instellingen.topic("batch")
    for _ in range(2):
        await op.leg_weg("batch", await op.zet("batch", CODEC.schrijf_batch(batch())))
    await op.leg_weg("bericht", await op.zet("bericht", guid("x")), 0)

    async def doe(*woorden: str, code: int = 0) -> Any:
        return json.loads(await asyncio.to_thread(opdracht, op.instellingen, *woorden, "--json", code=code))

    alles = await doe("toon")
    assert [(een["topic"], een["partitie"], een["offset"]) for een in alles][:2] == [(topic, 0, 0), (topic, 0, 1)]
    assert set(alles[0]) == {"topic", "partitie", "offset", "reden", "gezien_op", "hersteld_op"}
    assert alles[0]["gezien_op"].endswith("Z")
    assert len(await doe("toon", "--topic", "batch")) == len(await doe("toon", "--topic", topic)) == 2
    assert await doe("toon", "--limit", "1") == alles[-1:]
    assert await doe("toon", "--topic", "resultaat") == []
    await asyncio.to_thread(opdracht, op.instellingen, "herstel", code=1)  # nobody is there to confirm
    assert [een["uitslag"] for een in await doe("herstel", "--topic", "batch", "--offset", "1", "--ja")] == [
        "aangeboden"
    ]
    gedaan = await doe("herstel", "--ja", code=1)
    assert [(een["offset"], een["uitslag"]) for een in gedaan] == [(0, "aangeboden"), (0, "onleesbaar")]
    assert [een["hersteld_op"] is not None for een in await doe("toon")] == [True, True, False]
    assert [een["uitslag"] for een in await doe("herstel", "--topic", "batch", "--offset", "1", "--ja")] == [
        "al aangeboden"
    ]
    tabel = await asyncio.to_thread(opdracht, op.instellingen, "toon")
    assert "unknown schema id 99" in tabel
