"""Reference data on a real broker: a change that has returned counts in every running process, whole or not at all."""

import asyncio
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import UnknownError
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)

from avro.codec import Codec
from domain.levensloop import NietToegestaan, koppel, nieuw_berichttype, nieuwe_dienst, nieuwe_leverancier
from domain.referentie import Berichttype, BerichttypeStatus, Gegeven, Leverancier, Notificatiekenmerk, Referentie
from domain.wijzigingen import Wijziging, Wijzigingen
from streams import referentie as volgen
from streams.broker import Broker
from streams.referentie import ReferentieFout, ReferentieVolger, lees_referentie
from streams.referentieschrijver import NietOveral, ReferentieSchrijver, Verdrongen
from streams.settings import Instellingen
from streams.topics import maak_topics

pytestmark = pytest.mark.integration

OIN = "00000099000000001000"
CODEC = Codec()


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture
def instellingen(broker: Broker, tmp_path: Path) -> Instellingen:
    instellingen = Instellingen.laad(tmp_path, kafka=broker.adres, topic_prefix=f"{uuid4()}.")
    maak_topics(instellingen)
    return instellingen


@pytest.fixture
def schrijver(instellingen: Instellingen) -> ReferentieSchrijver:
    return ReferentieSchrijver(instellingen, CODEC)


@asynccontextmanager
async def volgend(instellingen: Instellingen) -> AsyncIterator[ReferentieVolger]:
    fouten: list[BaseException] = []
    volger = ReferentieVolger(instellingen, CODEC, fouten.append)
    await volger.start()
    try:
        yield volger
    finally:
        await volger.stop()
    assert fouten == []


def zet(*gegevens: Gegeven) -> Callable[[Referentie], Wijzigingen]:
    return lambda _: Wijzigingen([Wijziging(gegeven, gegeven.sleutel, nieuw=True) for gegeven in gegevens])


def berichttype(code: str, status: BerichttypeStatus = BerichttypeStatus.ACTIEF) -> Berichttype:
    return nieuw_berichttype(OIN, code, "Aanslag", Notificatiekenmerk.BETALEN, status)


def tel_op(referentie: Referentie) -> Wijzigingen:
    """One more in the name of a leverancier: a lost update would show."""
    leverancier = referentie.leveranciers.get(OIN, nieuwe_leverancier(OIN, "0"))
    return zet(replace(leverancier, naam=str(int(leverancier.naam) + 1)))(referentie)


def groepen(instellingen: Instellingen) -> set[str]:
    admin = AdminClient({"bootstrap.servers": instellingen.kafka})
    gevonden = admin.list_consumer_groups(request_timeout=30).result()
    assert gevonden.errors == []
    return {g.group_id for g in gevonden.valid if g.group_id.startswith(instellingen.groep("referentie"))}


async def schrijf_rauw(instellingen: Instellingen, soort: str, key: bytes, waarde: bytes | None) -> None:
    async with AIOKafkaProducer(bootstrap_servers=instellingen.kafka) as producer:
        await producer.send_and_wait(instellingen.topic(soort), waarde, key)


async def test_a_change_is_applied_everywhere_when_it_returns(
    instellingen: Instellingen, schrijver: ReferentieSchrijver
) -> None:
    async with volgend(instellingen) as een, volgend(instellingen) as ander:
        for nummer in range(5):
            await schrijver.wijzig(zet(berichttype(f"T{nummer}")), door="tester")
            assert een.referentie.ondersteunt(OIN, f"T{nummer}")
            assert ander.referentie.ondersteunt(OIN, f"T{nummer}")
        await schrijver.wijzig(zet(berichttype("T0", BerichttypeStatus.INACTIEF)), door="tester")
        assert not een.referentie.ondersteunt(OIN, "T0")
        assert not ander.referentie.ondersteunt(OIN, "T0")
        assert een.bij
        assert ander.bij


async def test_who_starts_later_has_everything_at_once(
    instellingen: Instellingen, schrijver: ReferentieSchrijver
) -> None:
    dienst = koppel(nieuwe_dienst(OIN, " Belastingen ", "x"), berichttype("AANSLAG"), nu=5)
    await schrijver.wijzig(
        zet(berichttype("AANSLAG"), dienst, nieuwe_leverancier(OIN, "Gemeente", (OIN,))), door="tester"
    )
    async with volgend(instellingen) as volger:
        assert volger.referentie == await lees_referentie(instellingen, CODEC)
        assert volger.referentie.diensten == {dienst.sleutel: dienst}
        assert volger.referentie.diensten_van(OIN, "AANSLAG") == [" Belastingen "]
        assert volger.referentie.leveranciers[OIN].intermediair_voor == (OIN,)


async def test_a_member_that_has_not_read_everything_does_not_decide(
    instellingen: Instellingen, schrijver: ReferentieSchrijver
) -> None:
    await schrijver.wijzig(zet(berichttype("AANSLAG")), door="tester")
    fouten: list[BaseException] = []
    volger = ReferentieVolger(instellingen, CODEC, fouten.append)
    async with volger.slot:  # so that nothing can be applied
        start = asyncio.create_task(volger.start())
        await asyncio.sleep(2 * volgen.HARTSLAG_S)
        assert groepen(instellingen) == {volger.groep}
        assert not volger.bij
        assert not start.done()
    await start
    assert volger.referentie.ondersteunt(OIN, "AANSLAG")
    await volger.stop()
    assert fouten == []


async def test_a_decision_under_way_is_waited_for(instellingen: Instellingen, schrijver: ReferentieSchrijver) -> None:
    await schrijver.wijzig(zet(berichttype("AANSLAG")), door="tester")
    async with volgend(instellingen) as volger:
        async with volger.beslissing() as referentie:
            wijziging = asyncio.create_task(
                schrijver.wijzig(zet(berichttype("AANSLAG", BerichttypeStatus.ARCHIEF)), door="tester")
            )
            written = await lees_tot(instellingen, lambda r: not r.ondersteunt(OIN, "AANSLAG"))
            assert not written.ondersteunt(OIN, "AANSLAG"), "it is in the topic"
            await asyncio.sleep(0.5)
            assert not wijziging.done()
            assert referentie.ondersteunt(OIN, "AANSLAG"), "and yet it does not change what is being decided on"
            assert volger.bij
        await wijziging
        assert not volger.referentie.ondersteunt(OIN, "AANSLAG")


async def lees_tot(instellingen: Instellingen, zo: Callable[[Referentie], bool]) -> Referentie:
    async with asyncio.timeout(60):
        while not zo(referentie := await lees_referentie(instellingen, CODEC)):
            pass
    return referentie


async def test_a_change_nobody_applies_in_time_is_named_and_made(instellingen: Instellingen) -> None:
    schrijver = ReferentieSchrijver(instellingen, CODEC, wachttijd_s=3)
    async with volgend(instellingen) as volger:
        async with volger.beslissing():
            with pytest.raises(NietOveral, match=volger.groep):
                await schrijver.wijzig(zet(berichttype("AANSLAG")), door="tester")
        await schrijver.wijzig(zet(), door="tester")
        assert volger.referentie.ondersteunt(OIN, "AANSLAG"), (
            "doing it again waits, also when nothing is left to change"
        )


VOLGER = """
import asyncio, sys
from avro.codec import Codec
from streams.referentie import ReferentieVolger
from streams.settings import Instellingen

async def main():
    instellingen = Instellingen.laad(kafka=sys.argv[1], topic_prefix=sys.argv[2])
    volger = ReferentieVolger(instellingen, Codec(), lambda fout: sys.exit(1))
    await volger.start()
    print(volger.groep, flush=True)
    vorige = None
    while True:
        if (nu := sorted(volger.referentie.berichttypes)) != vorige:
            print(len(nu), flush=True)
            vorige = nu
        await asyncio.sleep(0.01)

asyncio.run(main())
"""


@pytest.fixture
def ander_proces(instellingen: Instellingen) -> Iterator[subprocess.Popen[str]]:
    opdracht = [sys.executable, "-c", VOLGER, instellingen.kafka, instellingen.topic_prefix]
    with subprocess.Popen(opdracht, stdout=subprocess.PIPE, text=True) as proces:
        yield proces
        proces.kill()


async def regel(proces: subprocess.Popen[str]) -> str:
    assert proces.stdout is not None
    return (await asyncio.wait_for(asyncio.to_thread(proces.stdout.readline), 60)).strip()


async def test_a_killed_process_is_not_waited_for_and_leaves_nothing_behind(
    instellingen: Instellingen, schrijver: ReferentieSchrijver, ander_proces: subprocess.Popen[str]
) -> None:
    async with volgend(instellingen) as volger:
        groep = await regel(ander_proces)
        assert await regel(ander_proces) == "0"
        await schrijver.wijzig(zet(berichttype("EEN")), door="tester")
        assert await regel(ander_proces) == "1"
        assert {groep, volger.groep} <= groepen(instellingen)
        ander_proces.kill()
        ander_proces.wait()
        await schrijver.wijzig(zet(berichttype("TWEE")), door="tester")
        assert volger.referentie.ondersteunt(OIN, "TWEE")
        assert groepen(instellingen) == {volger.groep}
    assert groepen(instellingen) == set()


async def test_a_process_that_stood_still_decides_again_only_when_it_has_caught_up(
    instellingen: Instellingen, schrijver: ReferentieSchrijver, monkeypatch: pytest.MonkeyPatch
) -> None:
    await schrijver.wijzig(zet(berichttype("AANSLAG")), door="tester")
    stil, weer = threading.Event(), threading.Event()
    gezien: list[tuple[bool, bool]] = []

    async def leef() -> None:
        async with volgend(instellingen) as volger:
            stil.set()
            weer.wait()  # the whole event loop of this process stands still
            gezien.append((volger.bij, volger.referentie.ondersteunt(OIN, "AANSLAG")))
            async with volger.beslissing() as referentie:
                gezien.append((volger.bij, referentie.ondersteunt(OIN, "AANSLAG")))

    draad = threading.Thread(target=asyncio.run, args=(leef(),))
    draad.start()
    try:
        await asyncio.to_thread(stil.wait, 60)
        await schrijver.wijzig(zet(berichttype("AANSLAG", BerichttypeStatus.INACTIEF)), door="tester")
    finally:
        weer.set()
        await asyncio.to_thread(draad.join, 60)
    assert gezien == [(False, True), (True, False)]


async def test_a_membership_that_was_lost_is_taken_up_again(
    instellingen: Instellingen, schrijver: ReferentieSchrijver
) -> None:
    async with volgend(instellingen) as volger:
        for nummer in range(3):
            # What the consumer does when the coordinator knows it no more.
            await volger._consumer._coordinator._maybe_leave_group()
            await schrijver.wijzig(zet(berichttype(f"T{nummer}")), door="tester")
            async with volger.beslissing() as referentie:
                assert referentie.ondersteunt(OIN, f"T{nummer}")


async def test_following_goes_on_after_the_broker_was_killed(tmp_path: Path) -> None:
    with Broker(tmp_path / "broker") as broker:
        instellingen = Instellingen.laad(tmp_path, kafka=broker.adres)
        maak_topics(instellingen)
        schrijver = ReferentieSchrijver(instellingen, CODEC)
        async with volgend(instellingen) as volger:
            await schrijver.wijzig(zet(berichttype("EEN")), door="tester")
            broker.kill()
            await asyncio.to_thread(broker.start)
            await schrijver.wijzig(zet(berichttype("TWEE")), door="tester")
            async with volger.beslissing() as referentie:
                assert referentie.ondersteunt(OIN, "EEN")
                assert referentie.ondersteunt(OIN, "TWEE")


async def test_two_writers_at_once_never_lose_an_update(instellingen: Instellingen) -> None:
    gelukt = 0

    async def schrijf() -> None:
        nonlocal gelukt
        schrijver = ReferentieSchrijver(instellingen, CODEC)
        while True:
            try:
                await schrijver.wijzig(tel_op, door="tester")
            except Verdrongen:
                continue
            gelukt += 1
            return

    async with volgend(instellingen) as volger:
        await asyncio.gather(*(schrijf() for _ in range(4)))
        assert volger.referentie.leveranciers[OIN].naam == str(gelukt) == "4"


async def test_a_commit_whose_answer_went_wrong_is_looked_up_and_counts_once(
    instellingen: Instellingen, schrijver: ReferentieSchrijver, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = AIOKafkaProducer.commit_transaction

    async def antwoord_kwijt(producer: AIOKafkaProducer) -> None:
        await commit(producer)
        raise UnknownError

    async def niet_gedaan(_: AIOKafkaProducer) -> None:
        raise UnknownError

    await schrijver.wijzig(zet(nieuwe_leverancier(OIN, "0")), door="tester")
    monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", antwoord_kwijt)
    await schrijver.wijzig(tel_op, door="tester")
    monkeypatch.setattr(AIOKafkaProducer, "commit_transaction", niet_gedaan)
    with pytest.raises(Verdrongen, match="try again"):
        await schrijver.wijzig(tel_op, door="tester")
    monkeypatch.undo()
    await schrijver.wijzig(tel_op, door="tester")
    assert (await lees_referentie(instellingen, CODEC)).leveranciers[OIN].naam == "2"


async def test_a_writer_that_was_overtaken_writes_nothing_and_says_so(
    instellingen: Instellingen, schrijver: ReferentieSchrijver
) -> None:
    async def komt_voor(_: Wijzigingen) -> None:
        await ReferentieSchrijver(instellingen, CODEC).wijzig(zet(nieuwe_leverancier(OIN, "snel")), door="tester")

    veel = [nieuwe_leverancier(f"{nummer:08d}".join(("00000099", "0000")), "traag") for nummer in range(2000)]
    with pytest.raises(Verdrongen, match="try again"):
        await schrijver.wijzig(zet(nieuwe_leverancier(OIN, "traag"), *veel), vooraf=komt_voor, door="tester")
    referentie = await lees_referentie(instellingen, CODEC)
    assert [leverancier.naam for leverancier in referentie.leveranciers.values()] == ["snel"]


async def test_a_record_that_is_refused_takes_the_whole_change_with_it(
    instellingen: Instellingen, schrijver: ReferentieSchrijver
) -> None:
    admin = AdminClient({"bootstrap.servers": instellingen.kafka})
    klein = ConfigEntry("max.message.bytes", "9000", incremental_operation=AlterConfigOpType.SET)
    bron = ConfigResource(ResourceType.TOPIC, instellingen.topic("leverancier"), incremental_configs=[klein])
    admin.incremental_alter_configs([bron])[bron].result(30)
    te_groot = Leverancier(OIN, "x" * 10_000)

    async def tot_geweigerd() -> None:
        while True:  # the broker hears a little later of the setting
            await schrijver.wijzig(zet(te_groot), door="tester")

    with pytest.raises(ReferentieFout, match="MessageSizeTooLarge"):
        await tot_geweigerd()
    with pytest.raises(ReferentieFout, match="MessageSizeTooLarge"):
        await schrijver.wijzig(zet(berichttype("AANSLAG"), te_groot), door="tester")
    await schrijver.wijzig(zet(berichttype("ANDER")), door="tester")
    referentie = await lees_referentie(instellingen, CODEC)
    assert list(referentie.berichttypes) == [f"{OIN}/ANDER"]


SCHRIJVER = """
import asyncio, sys
from avro.codec import Codec
from domain.levensloop import nieuwe_leverancier
from domain.wijzigingen import Wijziging, Wijzigingen
from streams.referentieschrijver import ReferentieSchrijver
from streams.settings import Instellingen

class Traag(Codec):
    def schrijf_gegeven(self, gegeven):
        if gegeven.naam == "laatste":
            print("half", flush=True)
            sys.stdin.read()
        return super().schrijf_gegeven(gegeven)

async def main():
    instellingen = Instellingen.laad(kafka=sys.argv[1], topic_prefix=sys.argv[2])
    namen = ["eerste"] * 20000 + ["laatste"]
    lijst = [nieuwe_leverancier("00000099" + f"{n:08d}" + "0000", naam) for n, naam in enumerate(namen)]
    def alles(_):
        return Wijzigingen([Wijziging(een, "", True) for een in lijst])
    await ReferentieSchrijver(instellingen, Traag()).wijzig(alles, door="tester")

asyncio.run(main())
"""


@pytest.fixture
def trage_schrijver(instellingen: Instellingen) -> Iterator[subprocess.Popen[str]]:
    opdracht = [sys.executable, "-c", SCHRIJVER, instellingen.kafka, instellingen.topic_prefix]
    with subprocess.Popen(opdracht, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as proces:
        yield proces
        proces.kill()


async def test_a_writer_that_is_killed_half_way_has_written_nothing(
    instellingen: Instellingen, schrijver: ReferentieSchrijver, trage_schrijver: subprocess.Popen[str]
) -> None:
    async with volgend(instellingen) as volger:
        assert await regel(trage_schrijver) == "half"
        trage_schrijver.send_signal(signal.SIGKILL)
        trage_schrijver.wait()
        assert (await lees_referentie(instellingen, CODEC)).leveranciers == {}
        async with volgend(instellingen) as later:
            assert later.referentie.leveranciers == {}, "who starts now does not wait for what hangs"
        await schrijver.wijzig(zet(nieuwe_leverancier(OIN, "heel")), door="tester")
        assert [een.naam for een in volger.referentie.leveranciers.values()] == ["heel"]
        assert [een.naam for een in (await lees_referentie(instellingen, CODEC)).leveranciers.values()] == ["heel"]


async def test_a_change_that_is_not_allowed_leaves_everything_as_it_is(
    instellingen: Instellingen, schrijver: ReferentieSchrijver
) -> None:
    def mag_niet(_: Referentie) -> Wijzigingen:
        raise NietToegestaan("no")

    async def mislukt(_: Wijzigingen) -> None:
        raise ConnectionError("away")

    await schrijver.wijzig(tel_op, door="tester")
    with pytest.raises(NietToegestaan):
        await schrijver.wijzig(mag_niet, door="tester")
    with pytest.raises(ConnectionError):
        await schrijver.wijzig(tel_op, vooraf=mislukt, door="tester")
    assert (await lees_referentie(instellingen, CODEC)).leveranciers[OIN].naam == "1"


async def test_a_tombstone_removes(instellingen: Instellingen, schrijver: ReferentieSchrijver) -> None:
    await schrijver.wijzig(zet(berichttype("EEN"), berichttype("TWEE")), door="tester")
    async with volgend(instellingen) as volger:
        await schrijf_rauw(instellingen, "berichttype", f"{OIN}/EEN".encode(), None)
        await schrijver.wijzig(zet(), door="tester")
        assert not volger.referentie.ondersteunt(OIN, "EEN")
        assert volger.referentie.ondersteunt(OIN, "TWEE")
        assert volger.referentie == await lees_referentie(instellingen, CODEC)


@pytest.mark.parametrize(
    ("key", "waarde"),
    [(b"x", b"not avro"), (b"another key", CODEC.schrijf_gegeven(berichttype("EEN")))],
    ids=["damaged", "wrong key"],
)
async def test_what_cannot_be_read_stops_who_follows_and_who_writes(
    instellingen: Instellingen, schrijver: ReferentieSchrijver, key: bytes, waarde: bytes
) -> None:
    """Nothing is decided on what stood there before; once a later record tells what it is, all goes on."""
    topic = re.escape(instellingen.topic("berichttype"))
    wat_te_doen = (
        rf"{topic}\[0\] offset 0: .*; settle it with: berichtenstroom dlq herstel --topic {topic} --partitie 0 "
        r"--offset 0 and either --zet-terug .* or --verwijder"
    )
    async with volgend(instellingen) as volger:
        await schrijf_rauw(instellingen, "berichttype", key, waarde)
        async with asyncio.timeout(60):
            while volger.bij:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        async with volgend(instellingen) as later:
            assert not later.bij, "who starts now does not decide either"
            assert re.search(f"nothing is decided: .*{wat_te_doen}", later.duisternis)
            beslissing = asyncio.create_task(beslist(later))
            with pytest.raises(ReferentieFout, match=wat_te_doen):
                await schrijver.wijzig(tel_op, door="tester")
            with pytest.raises(ReferentieFout, match=wat_te_doen):
                await lees_referentie(instellingen, CODEC)
            assert not beslissing.done()
            await schrijf_rauw(instellingen, "berichttype", key, None)
            await schrijver.wijzig(tel_op, door="tester")
            assert await beslissing == later.referentie
            assert volger.bij
            assert volger.duisternis == ""


async def beslist(volger: ReferentieVolger) -> Referentie:
    async with volger.beslissing() as referentie:
        return referentie


async def test_missing_topics_are_a_clear_error(broker: Broker, tmp_path: Path) -> None:
    instellingen = Instellingen.laad(tmp_path, kafka=broker.adres, topic_prefix=f"{uuid4()}.")
    with pytest.raises(ReferentieFout, match="berichtenstroom topics"):
        await ReferentieVolger(instellingen, CODEC, lambda _: None).start()
    with pytest.raises(ReferentieFout, match="berichtenstroom topics"):
        await ReferentieSchrijver(instellingen, CODEC).wijzig(tel_op, door="tester")


async def test_a_broker_that_is_away_is_a_clear_error(tmp_path: Path) -> None:
    instellingen = Instellingen.laad(tmp_path, kafka="127.0.0.1:1")
    with pytest.raises(ReferentieFout, match="KafkaConnectionError"):
        await ReferentieSchrijver(instellingen, CODEC).wijzig(tel_op, door="tester")


def test_a_process_stops_deciding_before_it_is_no_longer_waited_for() -> None:
    assert volgen.ZEKER_S + volgen.HARTSLAG_S < volgen.SESSIE_S
