"""Topics on a real broker: made once, checked, brought in line, and never given another number of partitions."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    ResourceType,
)
from confluent_kafka.cimpl import NewTopic

from streams.broker import Broker
from streams.settings import MAX_RECORD_BYTES, Instellingen
from streams.topics import TopicFout, controleer, maak_topics, topic_ids

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    with Broker(tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(scope="module")
def admin(broker: Broker) -> AdminClient:
    return AdminClient({"bootstrap.servers": broker.adres})


@pytest.fixture
def instellingen(broker: Broker, tmp_path: Path) -> Instellingen:
    return Instellingen.laad(tmp_path, kafka=broker.adres, topic_prefix=f"{uuid4()}.")


def wacht_tot(zo: Callable[[], bool]) -> None:
    """Brokers hear a little later what the controller has decided."""
    deadline = time.monotonic() + 30
    while not zo():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def waarden(admin: AdminClient, instellingen: Instellingen, naam: str) -> dict[str, str]:
    bron = ConfigResource(ResourceType.TOPIC, instellingen.topic(naam))
    gelezen = admin.describe_configs([bron])[bron].result(30)
    return {naam: regel.value for naam, regel in gelezen.items()}


def verzet(admin: AdminClient, instellingen: Instellingen, naam: str, instelling: str, waarde: str) -> None:
    regel = ConfigEntry(instelling, waarde, incremental_operation=AlterConfigOpType.SET)
    bron = ConfigResource(ResourceType.TOPIC, instellingen.topic(naam), incremental_configs=[regel])
    admin.incremental_alter_configs([bron])[bron].result(30)
    wacht_tot(lambda: waarden(admin, instellingen, naam)[instelling] == waarde)


def test_all_topics_are_made_once(instellingen: Instellingen) -> None:
    with pytest.raises(TopicFout, match="bericht: missing"):
        controleer(instellingen)
    assert {regel.split(": ")[1].split(",")[0] for regel in maak_topics(instellingen)} == {"made"}
    controleer(instellingen)
    assert {regel.split(": ")[1] for regel in maak_topics(instellingen)} == {"as it should be"}


def test_topics_have_the_partitions_and_retention_of_the_architecture(
    admin: AdminClient, instellingen: Instellingen
) -> None:
    maak_topics(instellingen)
    metadata = admin.list_topics(timeout=30).topics
    aantallen = {
        naam.removeprefix(instellingen.topic_prefix): len(topic.partitions)
        for naam, topic in metadata.items()
        if naam.startswith(instellingen.topic_prefix)
    }
    een = dict.fromkeys(("leverancier", "berichttype", "dienst", "machtiging", "dlq"), 1)
    assert aantallen == een | dict.fromkeys(("batch", "resultaat", "notificatie"), 4) | dict.fromkeys(
        ("bericht", "validatie", "wacht", "logboek"), 8
    )
    dag = 86_400_000
    for naam, dagen in {
        "batch": 30,
        "bericht": 14,
        "validatie": 14,
        "logboek": 14,
        "resultaat": 14,
        "notificatie": 14,
        "dlq": 30,
    }.items():
        assert (
            waarden(admin, instellingen, naam)["cleanup.policy"],
            waarden(admin, instellingen, naam)["retention.ms"],
        ) == (
            "delete",
            str(dagen * dag),
        )
    for naam in ("leverancier", "berichttype", "dienst", "machtiging"):
        assert waarden(admin, instellingen, naam)["cleanup.policy"] == "compact"
    assert waarden(admin, instellingen, "wacht")["cleanup.policy"] == "compact,delete"
    assert waarden(admin, instellingen, "wacht")["retention.ms"] == str(14 * dag)
    for naam in ("leverancier", "berichttype", "dienst", "machtiging"):  # so that the sink sees every state of a week
        assert waarden(admin, instellingen, naam)["min.compaction.lag.ms"] == str(7 * dag)
    for naam in ("batch", "bericht", "validatie", "resultaat", "wacht"):
        assert int(waarden(admin, instellingen, naam)["max.message.bytes"]) > MAX_RECORD_BYTES
    assert {waarden(admin, instellingen, naam)["message.timestamp.type"] for naam in aantallen} == {"LogAppendTime"}


def test_a_setting_that_was_changed_is_brought_in_line(admin: AdminClient, instellingen: Instellingen) -> None:
    maak_topics(instellingen)
    verzet(admin, instellingen, "batch", "retention.ms", "1000")
    verzet(admin, instellingen, "batch", "flush.messages", "7")
    with pytest.raises(TopicFout, match=r"batch: retention\.ms 1000 instead of 2592000000"):
        controleer(instellingen)
    gedaan = maak_topics(instellingen)
    assert [regel for regel in gedaan if "brought in line" in regel] == [
        f"{instellingen.topic('batch')}: brought in line: retention.ms 1000 instead of 2592000000"
    ]
    controleer(instellingen)
    assert waarden(admin, instellingen, "batch")["flush.messages"] == "7", "what we do not name is the operator's"


def test_another_number_of_partitions_is_refused_and_nothing_is_touched(
    admin: AdminClient, instellingen: Instellingen
) -> None:
    namen = {naam: instellingen.topic(naam) for naam in ("bericht", "batch")}
    beloften = admin.create_topics([NewTopic(namen["bericht"], 3, 1), NewTopic(namen["batch"], 9, 1)])
    for belofte in beloften.values():
        belofte.result(30)
    with pytest.raises(TopicFout) as fout:
        maak_topics(instellingen)
    assert f"{namen['bericht']}: has 3 partitions, the settings say 8" in str(fout.value)
    assert f"{namen['batch']}: has 9 partitions, the settings say 4" in str(fout.value)
    assert "\n" not in str(fout.value)
    bestaand = admin.list_topics(timeout=30).topics
    assert {naam for naam in bestaand if naam.startswith(instellingen.topic_prefix)} == set(namen.values())


def test_fewer_replicas_than_asked_is_refused(instellingen: Instellingen) -> None:
    maak_topics(instellingen)
    with pytest.raises(TopicFout, match="has 1 replicas, the settings say 3"):
        maak_topics(instellingen.model_copy(update={"replicatie": 3}))


def test_a_topic_made_anew_has_another_id(admin: AdminClient, instellingen: Instellingen) -> None:
    maak_topics(instellingen)
    eerst = topic_ids(instellingen, ["batch", "dlq"])
    assert eerst == topic_ids(instellingen, ["batch", "dlq"])
    assert len(set(eerst.values())) == 2
    batch = instellingen.topic("batch")
    admin.delete_topics([batch], operation_timeout=30)[batch].result(30)
    wacht_tot(lambda: batch not in admin.list_topics(timeout=30).topics)
    maak_topics(instellingen)
    daarna = topic_ids(instellingen, ["batch", "dlq"])
    assert daarna["dlq"] == eerst["dlq"]
    assert daarna["batch"] != eerst["batch"]


def test_the_id_of_a_missing_topic_is_a_clear_error(instellingen: Instellingen) -> None:
    with pytest.raises(TopicFout, match="batch"):
        topic_ids(instellingen, ["batch"])


def test_a_broker_that_is_away_is_a_clear_error(instellingen: Instellingen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.topics.TIMEOUT_S", 1.0)
    with pytest.raises(TopicFout, match="Kafka does not answer"):
        maak_topics(instellingen.model_copy(update={"kafka": "127.0.0.1:1"}))


def test_the_id_is_a_uuid(instellingen: Instellingen) -> None:
    maak_topics(instellingen)
    assert UUID(topic_ids(instellingen, ["bericht"])["bericht"]).int != 0
