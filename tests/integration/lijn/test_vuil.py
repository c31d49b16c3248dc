"""Ten thousand records that cannot be read, over all topics, among good ones: the line goes on as if they were not."""

import os
import signal
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from random import Random

import pytest
from confluent_kafka import Producer

from avro.codec import SOORTEN, Onleesbaar
from streams.settings import Instellingen
from tests import bsns
from tests.integration.lijn.controle import verschillen
from tests.integration.lijn.logboek import Record
from tests.integration.lijn.logboek import lees as lees_topic
from tests.integration.lijn.stapel import Stapel, wacht_tot
from tests.integration.lijn.zending import (
    GOED,
    ZAAD,
    Zending,
    lever_alle,
    leverancier,
    maak_zending,
    nieuwe_oin,
    totalen,
)
from tests.slices import BSNS
from tests.unit import test_avro_codec as voorraad
from tests.unit.test_avro_vijandig import verminkt

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

AANTAL = {"batch": 1000, "bericht": 2500, "validatie": 1500, "logboek": 1000, "resultaat": 1000, "wacht": 1000}
AANTAL |= {"notificatie": 800} | dict.fromkeys(SOORTEN, 300)
"""How many of each topic; of the reference data each is followed by a removal, which the history cannot show either."""
RONDES = 5
Plaats = tuple[str, int, int]


def _vuil(onderwerp: str, kans: Random) -> bytes | None:
    """A value that who reads this topic cannot read, of any kind; most hold a BSN and text."""
    goed, ander = (
        voorraad.GOED[onderwerp],
        voorraad.GOED[kans.choice([een for een in voorraad.GOED if een != onderwerp])],
    )
    while True:
        inhoud = kans.choice(
            [
                lambda: kans.randbytes(kans.randrange(300)),
                lambda: b"GEHEIM " + BSNS[0].encode(),
                lambda: b"\x01" + goed[1:],
                lambda: b"\0" + kans.randbytes(4) + goed[5:],
                lambda: goed[: kans.randrange(len(goed))],
                lambda: goed + kans.randbytes(kans.randrange(1, 9)),
                lambda: ander,
                lambda: goed[:5] + ander[5:],
                lambda: verminkt(kans, goed, ander),
                lambda: verminkt(kans, goed, goed),
            ]
        )()
        try:
            voorraad.lees(onderwerp, inhoud)
        except Onleesbaar:
            return inhoud


class Vervuiler:
    """Writes what cannot be read, and remembers where."""

    def __init__(self, kafka: str, kans: Random) -> None:
        self._producer = Producer({"bootstrap.servers": kafka, "linger.ms": 5, "partitioner": "random"})
        self._kans = kans
        self._nummer = 0
        self.plaatsen: set[Plaats] = set()

    def schrijf(self, onderwerp: str, aantal: int) -> None:
        """So many, spread over the partitions."""
        gekend = Instellingen()
        partities = 1 if onderwerp in (*SOORTEN, "dlq") else gekend.partities_bericht
        if onderwerp in ("batch", "resultaat", "notificatie"):
            partities = gekend.partities_batch
        for _ in range(aantal):
            self._nummer += 1
            key = f"vuil-{self._nummer}".encode()
            waarden = [_vuil(onderwerp, self._kans)]
            if onderwerp in SOORTEN:
                waarden.append(None)
            elif onderwerp not in ("wacht",) and self._kans.random() < 0.1:
                waarden = [None]
            for waarde in waarden:
                self._producer.produce(
                    onderwerp, waarde, key, partition=self._kans.randrange(partities), on_delivery=self._onthoud
                )
            self._producer.poll(0)
        assert self._producer.flush(60) == 0

    def _onthoud(self, fout: object, record: object) -> None:
        assert fout is None, fout
        self.plaatsen.add((record.topic(), record.partition(), record.offset()))  # type: ignore[attr-defined]


def _piek_mib(pid: int) -> float:
    """The most memory that a process ever had."""
    regels = dict(regel.split(":", 1) for regel in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(regels["VmHWM"].split()[0]) / 1024


def _dlq(stapel: Stapel, zonder: Collection[Plaats] = ()) -> list[Record]:
    """What stands in `dlq`, without what this test wrote there."""
    records = lees_topic(stapel.adressen["kafka"], "dlq")
    return [record for record in records if (record.topic, record.partitie, record.offset) not in zonder]


def _controleer(stapel: Stapel, oin: str, zendingen: Sequence[Zending]) -> None:
    """Every good message was placed and every batch answered, once."""
    gevonden = {rij["leverancier"]: rij for rij in stapel.vraag("totalen") if rij["leverancier"] == oin}
    verschillen("totalen", totalen(zendingen), gevonden)
    assert stapel.sql(
        "SELECT toInt32(uniqExact(proceskenmerk)), toInt32(countIf(code = 'Verwerkt')), toInt32(count()) "
        "FROM berichten WHERE leverancier = {oin:String}",
        oin=oin,
    ) == [[len(zendingen), *[sum(len(zending.verwacht) for zending in zendingen)] * 2]]
    antwoorden = Counter(record.key for record in lees_topic(stapel.adressen["kafka"], "resultaat"))
    assert {antwoorden[str(zending.batch_id).encode()] for zending in zendingen} == {1}


def test_ten_thousand_unreadable_records_are_set_aside_and_every_good_one_is_done(
    eigen: Callable[..., Stapel],
) -> None:
    print(f"PROEF_ZAAD={ZAAD}")
    stapel = eigen(workers=1, dlq_max_op_rij=5000, dlq_max_aandeel=1.0, auditor_s=5, auditor_na_s=20)
    oin, kans = nieuwe_oin(), Random(ZAAD)
    stapel.laad(leverancier(oin))
    zendingen = [maak_zending(oin, [GOED] * 20, kans) for _ in range(3 * RONDES)]
    lever_alle(stapel.adressen["aanlevering"], zendingen[:RONDES])
    stapel.wacht()
    (worker,) = stapel.pids["workers"]
    voor = _piek_mib(worker)

    vuil = Vervuiler(stapel.adressen["kafka"], kans)
    for ronde in range(1, RONDES + 1):
        for onderwerp, aantal in AANTAL.items():
            if onderwerp != "notificatie":
                vuil.schrijf(onderwerp, aantal // RONDES)
        lever_alle(stapel.adressen["aanlevering"], zendingen[ronde * 2 + RONDES - 2 : ronde * 2 + RONDES])
    stapel.laad(leverancier(nieuwe_oin()))
    stapel.wacht(300)
    _controleer(stapel, oin, zendingen)
    geplaatst = sum(len(zending.verwacht) for zending in zendingen)
    wacht_tot(
        lambda: stapel.sql("SELECT toInt32(count()) FROM genotificeerd FINAL") == [[geplaatst]], 60, "all are told"
    )
    assert stapel.pids["workers"] == [worker], "the worker went on"
    assert _piek_mib(worker) < voor + 300

    # `wacht` and `notificatie` are read by who takes a partition over; all else is read again from where it was.
    vuil.schrijf("notificatie", AANTAL["notificatie"])
    vuil.schrijf("dlq", 10)
    van_ons = {plaats for plaats in vuil.plaatsen if plaats[0] == "dlq"}
    verwacht = vuil.plaatsen - van_ons
    assert len(verwacht) >= 10_000
    os.kill(worker, signal.SIGKILL)
    wacht_tot(lambda: len(_dlq(stapel, van_ons)) >= len(verwacht), 180, "all are set aside")
    laatste = maak_zending(oin, [GOED] * 20, kans)
    lever_alle(stapel.adressen["aanlevering"], [laatste])
    stapel.wacht(120)
    _controleer(stapel, oin, [*zendingen, laatste])

    records = _dlq(stapel, van_ons)
    keer = Counter((een["topic"], een["partitie"], een["offset"]) for een in (record.inhoud for record in records))
    assert set(keer) == verwacht
    assert set(keer.values()) == {1}
    assert all(record.inhoud["reden"] and record.key is None and not record.koppen for record in records)
    assert not [record for record in records if b"GEHEIM" in (record.waarde or b"")]
    bronnen = ((str(record), record.waarde or b"") for record in records)
    assert bsns.plaatsen(bronnen, bsns.zoekbaar(BSNS)) == []
    assert len(stapel.vraag("dlq", "toon")) == len(verwacht)
