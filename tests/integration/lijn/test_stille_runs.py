"""Batches that the agents pass over without a trace are found and done all the same."""

import os
import signal
import time
from collections.abc import Callable
from random import Random

import pytest
from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from streams.settings import Instellingen
from tests.integration.lijn.controle import controleer
from tests.integration.lijn.stapel import Stapel, haal, leeft, meting, wacht_tot
from tests.integration.lijn.zending import GOED, ZAAD, lever_alle, leverancier, maak_zending, nieuwe_oin

pytestmark = [pytest.mark.integration, pytest.mark.chaos]


def _sla_over(stapel: Stapel) -> None:
    """Commits for the agents all that stands in `batch`, as soon as the death of the last of them is noticed."""
    instellingen = Instellingen()
    beheer = AdminClient({"bootstrap.servers": stapel.adressen["kafka"]})
    tps = [TopicPartition("batch", partitie) for partitie in range(instellingen.partities_batch)]
    laatste: OffsetSpec = OffsetSpec.latest()  # type: ignore[no-untyped-call]
    einden = beheer.list_offsets(dict.fromkeys(tps, laatste))
    plaatsen = [TopicPartition("batch", tp.partition, einden[tp].result().offset) for tp in tps]
    groep = instellingen.groep("worker")
    grens = time.monotonic() + 60
    while True:
        try:
            gedaan = beheer.alter_consumer_group_offsets([ConsumerGroupTopicPartitions(groep, plaatsen)])
            assert all(tp.error is None for tp in gedaan[groep].result().topic_partitions)
            return
        except (KafkaException, AssertionError):  # the group has a member yet
            assert time.monotonic() < grens, "the dead worker stays in its group"
            time.sleep(0.5)


def test_batches_that_were_skipped_are_offered_again_and_finished(eigen: Callable[..., Stapel]) -> None:
    print(f"PROEF_ZAAD={ZAAD}")
    stapel = eigen(workers=1, auditor_s=1, auditor_na_s=2)
    oin, willekeur = nieuwe_oin(), Random(ZAAD)
    stapel.laad(leverancier(oin))
    zendingen = [maak_zending(oin, [GOED] * 30, willekeur) for _ in range(12)]
    lever_alle(stapel.adressen["aanlevering"], zendingen[:4])
    stapel.wacht()
    up, (worker,) = stapel.pids["up"], stapel.pids["workers"]
    os.kill(up, signal.SIGSTOP)  # or it would start another worker at once
    try:
        os.kill(worker, signal.SIGKILL)
        wacht_tot(lambda: not leeft(worker), 10, "the worker dies")
        lever_alle(stapel.adressen["aanlevering"], zendingen[4:8])
        _sla_over(stapel)
    finally:
        os.kill(up, signal.SIGCONT)
    lever_alle(stapel.adressen["aanlevering"], zendingen[8:])
    stapel.wacht()
    controleer(stapel, zendingen)
    wacht_tot(lambda: stapel.pids["workers"] not in ([], [worker]), 30, "endpoints.json names the new worker")
    aangeboden = sum(meting(haal(url).text, "berichtenstroom_aangeboden_total") for url in stapel.adressen["metrics"])
    assert aangeboden >= 4
