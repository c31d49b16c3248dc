"""The embedded Kafka broker: what it keeps through stops and crashes, whom it lets in, and how it refuses."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import (
    OFFSET_BEGINNING,
    TIMESTAMP_LOG_APPEND_TIME,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.broker import Broker, BrokerError, BrokerInstellingen, commando, vrije_poort, wacht_tot_klaar
from streams.kafka_jars import archief

pytestmark = pytest.mark.integration

SIZES = {"message.max.bytes": 25 * 1024 * 1024, "fetch.message.max.bytes": 25 * 1024 * 1024}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker") / "een map met spaties") as running:
        yield running


@pytest.fixture
def topic(broker: Broker) -> str:
    return make_topic(broker)


def make_topic(broker: Broker) -> str:
    name = f"topic-{uuid4()}"
    admin = AdminClient({"bootstrap.servers": broker.adres})
    admin.create_topics([NewTopic(name, 1, 1)])[name].result(30)
    return name


def send(broker: Broker, topic: str, values: list[bytes]) -> None:
    """Returns when every value is acknowledged with acks=all."""
    producer = Producer({"bootstrap.servers": broker.adres, "acks": "all", **SIZES})
    refused: list[object] = []
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: refused.append(error) if error else None)
    assert producer.flush(60) == 0
    assert refused == []


def receive(broker: Broker, topic: str, number: int) -> list[Message]:
    """The first `number` messages of the topic."""
    consumer = Consumer({"bootstrap.servers": broker.adres, "group.id": "reader", "enable.auto.commit": False, **SIZES})
    consumer.assign([TopicPartition(topic, 0, OFFSET_BEGINNING)])
    messages: list[Message] = []
    deadline = time.monotonic() + 60
    while len(messages) < number and time.monotonic() < deadline:
        messages += consumer.consume(number - len(messages), timeout=1)
    consumer.close()
    assert [message.error() for message in messages] == [None] * number
    return messages


def test_acknowledged_records_are_read_back_with_the_brokers_time(broker: Broker, topic: str) -> None:
    values = [b"%d" % number for number in range(100)]
    send(broker, topic, values)
    messages = receive(broker, topic, len(values))
    assert [message.value() for message in messages] == values
    assert {message.timestamp()[0] for message in messages} == {TIMESTAMP_LOG_APPEND_TIME}


def test_a_record_of_24_mib_passes(broker: Broker, topic: str) -> None:
    value = os.urandom(24 * 1024 * 1024)
    send(broker, topic, [value])
    assert receive(broker, topic, 1)[0].value() == value


def test_no_topic_is_made_by_asking_for_it(broker: Broker) -> None:
    admin = AdminClient({"bootstrap.servers": broker.adres})
    admin.list_topics("never-made", timeout=30)
    assert "never-made" not in admin.list_topics(timeout=30).topics


async def test_only_a_committed_transaction_is_read(broker: Broker, topic: str) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=broker.adres, transactional_id=f"writer-{topic}")
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=broker.adres, auto_offset_reset="earliest", isolation_level="read_committed"
    )
    async with producer, consumer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"aborted")
        await producer.abort_transaction()
        async with producer.transaction():
            await producer.send_and_wait(topic, b"committed")
        assert (await consumer.getone()).value == b"committed"


def commit(consumer: Consumer, place: TopicPartition) -> None:
    """Commits once the coordinator of the group is there: a broker that has just started may still load it."""
    deadline = time.monotonic() + 30
    while True:
        try:
            consumer.commit(offsets=[place], asynchronous=False)
        except KafkaException as error:
            if not error.args[0].retriable() and error.args[0].code() != KafkaError.NOT_COORDINATOR:
                raise
            assert time.monotonic() < deadline
            time.sleep(0.2)
        else:
            return


@pytest.mark.parametrize("ending", [Broker.stop, Broker.kill])
def test_records_and_committed_offsets_outlive(ending: Callable[[Broker], None], tmp_path: Path) -> None:
    values = [b"%d" % number for number in range(50)]
    with Broker(tmp_path / "data") as first:
        topic = make_topic(first)
        send(first, topic, values)
        committer = Consumer({"bootstrap.servers": first.adres, "group.id": "group"})
        commit(committer, TopicPartition(topic, 0, 20))
        committer.close()
        ending(first)
    with Broker(tmp_path / "data") as second:
        assert second.adres != first.adres
        assert [message.value() for message in receive(second, topic, len(values))] == values
        reader = Consumer({"bootstrap.servers": second.adres, "group.id": "group"})
        assert [known.offset for known in reader.committed([TopicPartition(topic, 0)], timeout=30)] == [20]
        reader.close()
        send(second, topic, [b"goes on"])


@pytest.mark.parametrize(
    "damage", [lambda whole: whole[:100_000], lambda whole: bytes(len(whole)), lambda _: b"no archive"]
)
def test_a_damaged_archive_of_classes_stops_no_broker(
    damage: Callable[[bytes], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def damaged(*given: Any) -> list[str]:
        (archive, *rest) = archief(*given)
        name, _, path = archive.partition("=")
        (tmp_path / "damaged.jsa").write_bytes(damage(Path(path).read_bytes()))
        return [f"{name}={tmp_path / 'damaged.jsa'}", *rest]

    monkeypatch.setattr("streams.broker.archief", damaged)
    with Broker(tmp_path / "data") as broker:
        send(broker, make_topic(broker), [b"taken"])


def test_a_folder_in_use_is_refused(broker: Broker) -> None:
    with pytest.raises(BrokerError, match=r"already running on .*een map met spaties"):
        Broker(broker.data).start()
    wacht_tot_klaar(broker.adres, 10)


def test_a_port_in_use_is_refused(broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=rf"port {broker.poort} .* in use"):
        Broker(tmp_path, broker.poort).start()


def test_what_the_broker_says_is_in_the_error_when_it_cannot_start(tmp_path: Path) -> None:
    commando(BrokerInstellingen(tmp_path, vrije_poort(), vrije_poort()))
    (tmp_path / "metadata" / "meta.properties").write_text("version=1\ncluster.id=x\nnode.id=7\n")
    with pytest.raises(BrokerError, match=r"has stopped: .*node id 7.*kafka\.log") as refused:
        Broker(tmp_path).start()
    assert "\n" not in str(refused.value)


def test_a_format_cut_short_is_done_again_for_the_same_cluster(tmp_path: Path) -> None:
    def cluster_ids() -> set[str]:
        commando(BrokerInstellingen(tmp_path, vrije_poort(), vrije_poort()))
        marks = [(tmp_path / name / "meta.properties").read_text() for name in ("metadata", "records")]
        return {found for mark in marks for found in re.findall(r"cluster\.id=(\S+)", mark)}

    first = cluster_ids()
    assert len(first) == 1
    (tmp_path / "metadata" / "meta.properties").unlink()
    assert cluster_ids() == first


def test_not_ready_in_time_is_an_error() -> None:
    with pytest.raises(BrokerError, match="is not ready after 1 s"):
        wacht_tot_klaar(f"127.0.0.1:{vrije_poort()}", 1)


def test_a_start_that_is_broken_off_leaves_no_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begonnen: list[int] = []
    broker = Broker(tmp_path)

    def breek_af(*_: object, **__: object) -> None:
        begonnen.append(broker.pid)
        raise KeyboardInterrupt

    monkeypatch.setattr("streams.broker.wacht_tot_klaar", breek_af)
    with pytest.raises(KeyboardInterrupt):
        broker.start()
    with pytest.raises(ProcessLookupError):
        os.kill(begonnen[0], 0)


def test_what_a_record_holds_is_not_logged(broker: Broker, topic: str) -> None:
    send(broker, topic, [b"onder-geen-beding"])
    receive(broker, topic, 1)
    written = b"".join(path.read_bytes() for path in (broker.data / "logs").iterdir())
    assert topic.encode() in written
    assert b"onder-geen-beding" not in written


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc, and only Linux kills a child with its parent")
class TestOnLinux:
    def test_both_ports_listen_on_loopback_only(self, broker: Broker) -> None:
        config = (broker.data / "server.properties").read_text()
        ports = [int(port) for port in re.findall(r"\w+://127\.0\.0\.1:(\d+)", config)]
        tables = Path("/proc/net/tcp").read_text() + Path("/proc/net/tcp6").read_text()
        listening = re.findall(r"([0-9A-F]+):([0-9A-F]{4}) [0-9A-F]+:0000 0A", tables)
        ours = {(address, int(port, 16)) for address, port in listening if int(port, 16) in ports}
        assert {port for _, port in ours} == set(ports)
        assert {address[-8:] for address, _ in ours} == {"0100007F"}

    def test_the_broker_dies_with_the_process_that_started_it(self, tmp_path: Path) -> None:
        code = (
            "import pathlib, sys, time; from streams.broker import Broker\n"
            "with Broker(pathlib.Path(sys.argv[1])) as broker: print(broker.pid, flush=True); time.sleep(600)"
        )
        with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True) as parent:
            assert parent.stdout is not None
            stat = Path("/proc", parent.stdout.readline().strip(), "stat")
            assert stat.exists()
            parent.send_signal(signal.SIGKILL)
        deadline = time.monotonic() + 30
        while stat.exists() and ") Z " not in stat.read_text() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not stat.exists() or ") Z " in stat.read_text()
