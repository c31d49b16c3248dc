"""Workers that stop, come, go, are replaced one by one, or hang, while batches stream: nobody waits long for it."""

import os
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable
from random import Random

import pytest
from confluent_kafka.admin import AdminClient

from streams.settings import Instellingen
from streams.verbinding import vastgelegd
from tests.integration.lijn.controle import controleer
from tests.integration.lijn.logboek import lees
from tests.integration.lijn.stapel import WORTEL, Stapel, haal, leeft, omgeving, wacht_tot
from tests.integration.lijn.zending import GOED, ZAAD, Stroom, leverancier, maak_zending, nieuwe_oin, samen

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

STOP_S = 60
"""What a worker gets to finish: much, since a busy machine is no reason to leave anything."""
GRENS_S = 8.0
"""After which a part that gives no sign hangs."""


@pytest.fixture(scope="module")
def stapel(eigen: Callable[..., Stapel]) -> Stapel:
    """A stack of its own, with two workers."""
    return eigen(workers=2, stop_s=STOP_S)


@pytest.fixture
def stroom(stapel: Stapel) -> Stroom:
    """A light load of leveranciers of the test's own, of messages that wait for nothing but the line itself."""
    print(f"PROEF_ZAAD={ZAAD}")
    oins = [nieuwe_oin() for _ in range(2)]
    willekeur = Random(f"{ZAAD}/{oins[0]}")
    stapel.laad(samen(*map(leverancier, oins)))
    return Stroom(
        lambda: stapel.adressen["aanlevering"],
        lambda: maak_zending(willekeur.choice(oins), [GOED] * willekeur.randint(1, 20), willekeur),
        per_s=4,
    )


def test_at_sigterm_all_that_was_decided_is_committed_and_nothing_else(stapel: Stapel, stroom: Stroom) -> None:
    """`up` sleeps meanwhile: what its workers leave can be looked at before others go on.

    The second worker stops when it has gone on beyond what the first left: during a rebalance nobody can commit what
    he loses by it, and the next one finds it decided.
    """
    up, log_begin = stapel.pids["up"], len(stapel.log.read_text())
    workers = stapel.pids["workers"]
    kafka = stapel.adressen["kafka"]
    with stroom:
        stroom.wacht_op(10)
        os.kill(up, signal.SIGSTOP)
        try:
            os.kill(workers[0], signal.SIGTERM)
            wacht_tot(lambda: not leeft(workers[0]), STOP_S, "the first worker ends")
            bij_vertrek = {record.partitie: record.offset + 1 for record in lees(kafka, "bericht")}
            wacht_tot(
                lambda: all(_vastgelegd(kafka)["bericht", p] >= tot for p, tot in bij_vertrek.items()),
                60,
                "the second worker goes on",
            )
            stroom.wacht_op(3)
            os.kill(workers[1], signal.SIGTERM)
            wacht_tot(lambda: not leeft(workers[1]), STOP_S, "the second worker ends")
            assert _leden(kafka) == 0, "a group waits for who is gone"
            stroom.wacht_op(3)
            _controleer_vastgelegd(kafka)
        finally:
            os.kill(up, signal.SIGCONT)
        wacht_tot(lambda: not set(stapel.pids["workers"]) & set(workers), 60, "up starts them again")
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)
    assert re.findall(r"worker-\d stopped \(exit code (\d+)\)", stapel.log.read_text()[log_begin:]) == ["0", "0"]


def _controleer_vastgelegd(kafka: str) -> None:
    """Below what the workers committed all is decided, all batches are cut; from there on nothing is."""
    vastgelegd = _vastgelegd(kafka)
    besloten = {
        (record.inhoud["proceskenmerk"], nummer)
        for record in lees(kafka, "validatie")
        for nummer in record.inhoud["nummers"]
    }
    in_slices: set[str] = set()
    for slice_ in lees(kafka, "bericht"):
        run = slice_.inhoud["proceskenmerk"]
        in_slices.add(run)
        nummers = {(run, nummer) for nummer in slice_.inhoud["nummers"]}
        onder = slice_.offset < vastgelegd["bericht", slice_.partitie]
        assert nummers & besloten == (nummers if onder else set()), f"bericht[{slice_.partitie}]@{slice_.offset}"
    open_batches = 0
    for batch in lees(kafka, "batch"):
        onder = batch.offset < vastgelegd["batch", batch.partitie]
        assert (batch.inhoud["proceskenmerk"] in in_slices) == onder, f"batch[{batch.partitie}]@{batch.offset}"
        open_batches += not onder
    assert open_batches, "everything was done: that says nothing"


def _leden(kafka: str) -> int:
    """Members of all groups together, whether they still live or not."""
    beheer = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    groepen = [groep.group_id for groep in beheer.list_consumer_groups().result(30).valid]
    assert len(groepen) >= 4
    return sum(len(belofte.result(30).members) for belofte in beheer.describe_consumer_groups(groepen).values())


def _vastgelegd(kafka: str) -> dict[tuple[str, int], int]:
    ons = Instellingen(kafka=kafka)
    plaatsen = [("batch", partitie) for partitie in range(ons.partities_batch)]
    plaatsen += [("bericht", partitie) for partitie in range(ons.partities_bericht)]
    return defaultdict(int, vastgelegd(ons, ons.groep("worker"), plaatsen, 30))


def test_what_a_stopping_worker_leaves_others_decide_within_a_session_timeout(stapel: Stapel, stroom: Stroom) -> None:
    worker = stapel.extra_worker()
    log = stapel.extra_log(0)
    wacht_tot(lambda: " works; " in log.read_text(), 120, "the third worker is ready")
    assert "own validatie" in log.read_text(), "it has nothing to leave"
    afwezigen = Afwezigen(stapel)
    with stroom:
        stroom.wacht_op(5)
        worker.terminate()
        code = worker.wait(STOP_S)
        stroom.wacht_op(20)
    assert code == 0, log.read_text()[-3000:]
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)
    assert not afwezigen.gezegd


class Afwezigen:
    """Whom the broker waited for in vain, since this was made: for a heartbeat, to join again, to end a transaction."""

    def __init__(self, stapel: Stapel) -> None:
        self._log = stapel.data / "kafka" / "logs" / "kafka.log"
        self._begin = len(self._log.read_text())

    @property
    def gezegd(self) -> list[str]:
        """What the broker says of them."""
        log = self._log.read_text()[self._begin :]
        assert "Stabilized group" in log, "the broker no longer tells of groups: whoever is missed would not be seen"
        return re.findall(r".*(?:has failed, removing it from the group|haven't joined|due to timeout).*", log)


def test_workers_are_added_and_taken_away_while_batches_stream(stapel: Stapel, stroom: Stroom) -> None:
    voor = set(stapel.pids["workers"])
    with stroom:
        stroom.wacht_op(3)
        assert "3" in stapel.opdracht("up", "--workers", 3)
        erbij = stapel.adressen
        assert len(set(erbij["pids"]["workers"])) == 3
        assert voor < set(erbij["pids"]["workers"])
        assert len(set(erbij["metrics"])) == 6
        for url in erbij["metrics"][:3]:
            assert haal(url.replace("/metrics", "/readyz")).status_code == 200
            assert "berichtenstroom_beslist" in haal(url).text
        stroom.wacht_op(5)
        stapel.opdracht("up", "--workers", 2)
        over = stapel.adressen
        assert len(over["pids"]["workers"]) == 2
        assert len(over["metrics"]) == 5
        weg = set(erbij["pids"]["workers"]) - set(over["pids"]["workers"])
        assert not [pid for pid in weg if leeft(pid)]
        stroom.wacht_op(5)
        assert stapel.pids["workers"] == over["pids"]["workers"], "who was taken away came back"
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)


def test_a_rolling_restart_keeps_no_message_waiting_for_a_session_timeout(stapel: Stapel, stroom: Stroom) -> None:
    voor = set(stapel.pids["workers"])
    afwezigen = Afwezigen(stapel)
    with stroom:
        stroom.wacht_op(5)
        assert "2" in stapel.opdracht("up", "--herstart")
        na = set(stapel.pids["workers"])
        assert len(na) == len(voor) == 2
        assert not na & voor
        assert not [pid for pid in voor if leeft(pid)]
        stroom.wacht_op(10)
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)
    assert not afwezigen.gezegd


class Vastloper:
    """A third worker, which hangs as soon as there is work for it."""

    def __init__(self, stapel: Stapel, hoe: str, **instellingen: object) -> None:
        self._log = stapel.data / f"vastloper-{hoe}.log"
        with self._log.open("wb") as uitvoer:
            self.proces = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.lijn.vastloper", hoe],
                cwd=WORTEL,
                env=omgeving(data=stapel.data, **instellingen),
                stdout=uitvoer,
                stderr=uitvoer,
            )

    def __enter__(self) -> "Vastloper":
        try:
            wacht_tot(lambda: " works; " in self.gezegd, 120, "the worker that will hang is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.proces.kill()
        self.proces.wait()

    @property
    def gezegd(self) -> str:
        """Its log."""
        return self._log.read_text()

    @property
    def url(self) -> str:
        """Where it tells how it is."""
        gevonden = re.search(r"metrics on port (\d+)", self.gezegd)
        assert gevonden
        return f"http://127.0.0.1:{gevonden[1]}"


def test_an_agent_that_hangs_is_told_of_where_it_stands_and_ends_the_worker(stapel: Stapel, stroom: Stroom) -> None:
    afwezigen = Afwezigen(stapel)
    with Vastloper(stapel, "agent", vastgelopen_s=GRENS_S) as worker:
        assert haal(f"{worker.url}/readyz").status_code == 200
        with stroom:
            wacht_tot(lambda: "no sign of beslissen" in worker.gezegd, 120, "it is suspect")
            assert haal(f"{worker.url}/readyz").status_code == 503
            assert 'berichtenstroom_vastgelopen{deel="beslissen"} 1.0' in haal(f"{worker.url}/metrics").text
            assert worker.proces.wait(120) == 3, worker.gezegd[-3000:]
            stroom.wacht_op(3)
    assert re.search(r'vastloper\.py", line \d+, in wacht_voor_altijd', worker.gezegd), worker.gezegd[-5000:]
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)
    assert afwezigen.gezegd, "who ends without a word is waited for"


def test_a_loop_that_stands_still_is_told_of_where_and_ends_the_worker(stapel: Stapel, stroom: Stroom) -> None:
    with Vastloper(stapel, "loop", vastgelopen_s=GRENS_S) as worker, stroom:
        assert worker.proces.wait(180) == 3, worker.gezegd[-3000:]
        stroom.wacht_op(3)
    assert re.search(r'vastloper\.py", line \d+ in houd_alles_op', worker.gezegd), worker.gezegd[-5000:]
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)


def test_what_a_worker_cannot_finish_before_its_deadline_others_do(stapel: Stapel, stroom: Stroom) -> None:
    with Vastloper(stapel, "agent", vastgelopen_s=0, stop_s=1) as worker, stroom:
        wacht_tot(lambda: "hangs now" in worker.gezegd, 120, "it took what it cannot finish")
        worker.proces.terminate()
        assert worker.proces.wait(60) == 1, worker.gezegd[-3000:]
        stroom.wacht_op(3)
    stapel.wacht(180)
    controleer(stapel, stroom.zendingen)
