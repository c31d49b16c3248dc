"""The points at which a process can die between reading and committing, by name: what each wraps, and what must hold.

A point is a call of production code and a moment: just before it, or just after it returned. `sterf` wraps it from
outside; the production code knows of no points.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

from aiokafka.protocol.transaction import EndTxnRequest

from sinks.objecten import TIJDELIJK

Woorden = tuple[Any, ...]
Namen = dict[str, Any]


Bij = Callable[[Woorden, Namen], bool]


def _altijd(woorden: Woorden, namen: Namen) -> bool:
    return True


class Moment(Enum):
    """When the process dies."""

    VOOR = "before"
    NA = "after"
    DUURZAAM = "after what it promised is durable"


class Soort(Enum):
    """Which process dies."""

    WORKER = "worker"
    DEUR = "aanlevering"


@dataclass(frozen=True)
class Punt:
    """One point of death."""

    naam: str
    doel: str
    """Module and name of what is called, with a colon between."""
    moment: Moment
    belofte: str
    """What must hold afterwards, beside all that always holds."""
    bij: Bij = _altijd
    """Whether a call, by its arguments, is one that counts."""
    soort: Soort = Soort.WORKER
    storing: bool = False
    """Whether one citizen makes the profile service fault meanwhile, so that his messages wait."""
    rebalance: str = ""
    """The group that must lose partitions to a second worker for it."""
    keer: int = 1
    """At which call that counts it dies."""
    sinds: str = ""
    """A call at which the counting starts anew."""


def _onderwerp(naam: str, plaats: int = 1) -> Bij:
    """The topic that stands at this place among the arguments."""
    return lambda woorden, namen: str(woorden[plaats]).rpartition(".")[2] == naam


def _eigen(onderwerp: str) -> Bij:
    """The owner or the reader of this topic, with something to write or to commit."""
    return lambda woorden, namen: bool(woorden[1]) and str(woorden[0]._topic).rpartition(".")[2] == onderwerp


def _transactie(onderwerp: str) -> Bij:
    """The producer of a topic's partition."""
    return lambda woorden, namen: f"-{onderwerp}-" in str(woorden[0]._txn_manager.transactional_id)


def _commit(onderwerp: str) -> Bij:
    def bij(woorden: Woorden, namen: Namen) -> bool:
        vraag = woorden[1]
        return (
            isinstance(vraag, EndTxnRequest)
            and vraag._transaction_result
            and f"-{onderwerp}-" in str(vraag._transactional_id)
        )

    return bij


def _naast(gewist: bool) -> Bij:
    """A transaction that brings something to `wacht`, or takes it from there."""

    def bij(woorden: Woorden, namen: Namen) -> bool:
        naast = namen.get("naast", ())
        return any((waarde is None) == gewist for *_, waarde in naast)

    return bij


def _wacht(gewist: bool) -> Bij:
    """What goes to `wacht`: tombstones, which are keys alone, or slices."""

    def bij(woorden: Woorden, namen: Namen) -> bool:
        stapel = woorden[1]
        per_record = stapel.size() / stapel.record_count()
        return _onderwerp("wacht", 2)(woorden, namen) and (per_record < _TOMBSTONE_BYTES) == gewist

    return bij


def _tabel(*tabellen: str) -> Bij:
    return lambda woorden, namen: woorden[1].tabel in tabellen


def _voortgang(notificatie: bool) -> Bij:
    """The progress of the sink, or that of the notifications."""
    return lambda woorden, namen: all((rij[0].rpartition(".")[2] == "notificatie") == notificatie for rij in woorden[1])


def _tijdelijk(woorden: Woorden, namen: Namen) -> bool:
    return TIJDELIJK in woorden[0].parts


def _niet_leeg(plaats: int) -> Bij:
    return lambda woorden, namen: bool(woorden[plaats])


def _van_deur(naam: str, doel: str, moment: Moment, belofte: str, bij: Bij = _altijd) -> Punt:
    return Punt(naam, doel, moment, belofte, bij, soort=Soort.DEUR)


_TOMBSTONE_BYTES = 200
"""A tombstone is smaller, and a slice larger."""
V, N, D = Moment.VOOR, Moment.NA, Moment.DUURZAAM
_SEND = "aiokafka.producer.producer:AIOKafkaProducer.send"
_SEND_BATCH = "aiokafka.producer.producer:AIOKafkaProducer.send_batch"
_COMMIT = "aiokafka.producer.producer:AIOKafkaProducer.commit_transaction"
_VERSTUUR = "aiokafka.conn:AIOKafkaConnection.send"
_SCHRIJF = "streams.fence:EigenPartitie.schrijf"
_OPEN = "streams.fence:lees_tot_eind"
_BEVESTIG = "streams.lezer:Lezer.bevestig"
_TABEL = "sinks.schrijver:Schrijver.schrijf_tabel"
_VOORTGANG = "sinks.schrijver:Schrijver.schrijf_voortgang"

SPLITSEN = (
    Punt("splitser-voor-slices", "agents.splitsen:schrijf_slices", V, "the batch is cut by the next", storing=True),
    Punt("splitser-eerste-slice", _SEND, D, "slices that stand there twice are decided once", _onderwerp("bericht")),
    Punt("splitser-na-slices", "agents.splitsen:schrijf_slices", N, "all slices come again, and change nothing"),
    Punt("splitser-voor-ack", _BEVESTIG, V, "the same, with a batch that is cut and not committed", _eigen("batch")),
    Punt("splitser-na-ack", _BEVESTIG, N, "the batch is not cut again", _eigen("batch")),
)
BESLISSEN = (
    Punt("beslisser-toegewezen", "faust.app.base:App._on_partitions_assigned", N, "who comes next gets them all"),
    Punt("beslisser-omheind", _OPEN, V, "a fence alone changes nothing", _onderwerp("validatie")),
    Punt("beslisser-gelezen", _OPEN, N, "what was only read is read again", _onderwerp("validatie")),
    Punt("beslisser-opent", "agents.eigendom:Eigendom._neem", N, "an owner that did nothing leaves nothing"),
    Punt("beslisser-opgezocht", "agents.beslisser:Beslisser._zoek_op", N, "nothing is decided", _niet_leeg(1)),
    Punt("beslisser-gevraagd", "agents.validate_gebruiker:ValidateGebruiker.vul_aan", N, "answers are asked again"),
    Punt("beslisser-voor-opslag", "agents.beslisser:plaats", V, "no object, no decision"),
    Punt("opslag-halverwege", "sinks.objecten:_spoel", V, "half an object has no name, and no decision", _tijdelijk),
    Punt("beslisser-na-opslag", "agents.beslisser:plaats", N, "an object that no decision names is seen by nobody"),
    Punt("beslisser-voor-transactie", _SCHRIJF, V, "decisions in memory are none", _eigen("validatie")),
    Punt(
        "beslisser-in-transactie", _SEND_BATCH, D, "what is not committed is read by nobody", _onderwerp("validatie", 2)
    ),
    Punt("beslisser-voor-commit", _COMMIT, V, "the open transaction ends when it is fenced", _transactie("validatie")),
    Punt("beslisser-commit-onderweg", _VERSTUUR, N, "all of it counts, or nothing", _commit("validatie")),
    Punt("beslisser-na-commit", _SCHRIJF, N, "the decisions stand, the slices come again", _eigen("validatie")),
    Punt("beslisser-voor-ack", _BEVESTIG, V, "the same, with the decisions in memory", _eigen("bericht")),
    Punt("beslisser-na-ack", _BEVESTIG, N, "the slices do not come again", _eigen("bericht")),
    Punt(
        "beslisser-ingetrokken",
        "faust.app.base:App._on_partitions_revoked",
        V,
        "partitions that change hands are decided once",
        _niet_leeg(1),
        rebalance="worker",
    ),
)
WACHTEN = (
    Punt("wacht-in-transactie", _SEND_BATCH, D, "neither waits nor is decided", _wacht(gewist=False), storing=True),
    Punt("wacht-na-commit", _SCHRIJF, N, "it waits, once", _naast(gewist=False), storing=True),
    Punt("herkansing-gelezen", "agents.herkansing:Herkansing._lees", N, "it still waits"),
    Punt(
        "herkansing-besloten",
        "agents.beslisser:Beslisser.ronde",
        N,
        "it is decided and still waits: the next finds it decided",
        lambda woorden, namen: bool(namen.get("uit_wacht")),
    ),
    Punt("herkansing-voor-wissen", _SCHRIJF, V, "what waits is decided, and is not decided again", _naast(gewist=True)),
    Punt("herkansing-in-wissen", _SEND_BATCH, D, "the tombstone is not there", _wacht(gewist=True)),
    Punt("herkansing-gewist", _SCHRIJF, N, "it is gone, and its decision stays", _naast(gewist=True)),
)
KEUREN = (
    Punt("keuring-voor", "bijlagen.proces:Keurders.keur", V, "the PDF is checked by the next"),
    Punt("keuring-oordeel", "bijlagen.oordelen:Oordelen.bewaar", V, "a verdict that is not kept is not given out"),
    Punt("keuring-bewaard", "bijlagen.oordelen:Oordelen.bewaar", N, "the verdict that is kept is the one that counts"),
)
AUDITOR = (
    Punt("auditor-voor-aanbod", "agents.auditor:schrijf_slices", V, "nothing is offered", storing=True),
    Punt("auditor-na-aanbod", "agents.auditor:schrijf_slices", N, "an offer too many changes nothing", storing=True),
)
SINK = (
    Punt("sink-toegewezen", "sinks.sink:Sink._zoek_plaats", V, "nothing is read without a place"),
    Punt("sink-plaats-gevonden", "sinks.sink:Sink._zoek_plaats", N, "the next finds the same place"),
    Punt("sink-voor-rijen", _TABEL, V, "what was read is read again", _tabel("runs")),
    Punt("sink-na-runs", _TABEL, N, "rows without progress come again", _tabel("runs")),
    Punt(
        "sink-tussen-tabellen",
        _TABEL,
        V,
        "one table without the other is made whole",
        _tabel("runs", "uitkomsten", "resultaten"),
        keer=2,
        sinds=_VOORTGANG,
    ),
    Punt("sink-na-uitkomsten", _TABEL, N, "decisions that come again are the same rows", _tabel("uitkomsten")),
    Punt("sink-na-resultaten", _TABEL, N, "results that come again are the same rows", _tabel("resultaten")),
    Punt("sink-voor-voortgang", _VOORTGANG, V, "all rows come again, and nobody sees it", _voortgang(False)),
    Punt("sink-na-voortgang", _VOORTGANG, N, "the next goes on there, wherever Kafka's commit is", _voortgang(False)),
    Punt("sink-na-kafka-commit", "sinks.sink:Sink._leg_vast", N, "nothing comes again", _niet_leeg(1)),
    Punt(
        "sink-ingetrokken",
        "sinks.sink:_Toewijzing.on_partitions_revoked",
        V,
        "partitions that change hands are read once or the same",
        _niet_leeg(1),
        rebalance="sink",
    ),
)
RESULTATEN = (
    Punt("resultaten-omheind", _OPEN, V, "a fence alone changes nothing", _onderwerp("resultaat")),
    Punt("resultaten-geopend", "agents.veger:Veger._open", N, "who opened and did nothing leaves nothing"),
    Punt("resultaten-gekeken", "agents.resultaten:Resultaten._resultaten", N, "a result in memory is none"),
    Punt(
        "resultaten-in-transactie",
        _SEND_BATCH,
        D,
        "what is not committed is read by nobody",
        _onderwerp("resultaat", 2),
    ),
    Punt("resultaten-voor-commit", _COMMIT, V, "the open transaction ends when it is fenced", _transactie("resultaat")),
    Punt("resultaten-commit-onderweg", _VERSTUUR, N, "all of it counts, or nothing", _commit("resultaat")),
    Punt("resultaten-na-commit", _SCHRIJF, N, "the next finds them in the log", _eigen("resultaat")),
    Punt("resultaten-voor-vergeten", "sinks.vragen:Vragen.vergeet_beantwoorde_runs", V, "the work list stays right"),
    Punt("resultaten-vergeten", "sinks.vragen:Vragen.vergeet_beantwoorde_runs", N, "what is forgotten is answered"),
    Punt(
        "veger-ingetrokken",
        "agents.veger:_Toewijzing.on_partitions_revoked",
        V,
        "a sweep that loses its partition writes nothing there",
        _niet_leeg(1),
        rebalance="resultaat",
    ),
)
NOTIFICEREN = (
    Punt("notificeren-omheind", _OPEN, V, "a fence alone changes nothing", _onderwerp("notificatie")),
    Punt("notificeren-gekeken", "agents.notificeren:Notificeren._pagina", N, "nobody is told"),
    Punt(
        "notificeren-in-transactie", _SEND_BATCH, D, "what is not committed tells nobody", _onderwerp("notificatie", 2)
    ),
    Punt("notificeren-voor-commit", _COMMIT, V, "nobody is told", _transactie("notificatie")),
    Punt("notificeren-commit-onderweg", _VERSTUUR, N, "all are told, or nobody", _commit("notificatie")),
    Punt("notificeren-na-commit", _SCHRIJF, N, "told and not marked: the next marks them", _eigen("notificatie")),
    Punt("notificeren-geopend", "agents.notificeren:Notificeren.geopend", N, "marked from the log", _niet_leeg(2)),
    Punt("notificeren-gemerkt", _TABEL, N, "marked and no progress: they are read again", _tabel("genotificeerd")),
    Punt("notificeren-na-voortgang", _VOORTGANG, N, "done, and not told again", _voortgang(True)),
    Punt(
        "notificeren-vergeten",
        "sinks.notificatievragen:Notificatievragen.vergeet_genotificeerde",
        N,
        "what is forgotten is told",
    ),
)
DEUR = (
    _van_deur("deur-ontvangen", "aanlevering.deur:Deur._ontvang", N, "no 202, so the sender delivers again"),
    _van_deur("deur-pak-begonnen", "sinks.pak:Pak.voeg_toe", N, "a pack without a name is nobody's"),
    _van_deur("deur-voor-bijlagen", "sinks.objecten:_spoel", V, "the same, with all of it written", _tijdelijk),
    _van_deur("deur-pak-gespoeld", "sinks.objecten:_spoel", N, "the same, with all of it flushed", _tijdelijk),
    _van_deur("deur-pak-genoemd", "sinks.objecten:_geef_naam", N, "a pack without a batch: no harm"),
    _van_deur("deur-na-bijlagen", "aanlevering.uitgever:Uitgever.publiceer", V, "the same, with its name flushed"),
    _van_deur("deur-onderweg", _SEND, N, "the batch is there or it is not, and comes again", _onderwerp("batch")),
    _van_deur("deur-na-kafka", "aanlevering.uitgever:Uitgever.publiceer", N, "two runs of a batch that counts once"),
)

KETENS: dict[str, tuple[Punt, ...]] = {
    "deur en splitsen": DEUR + SPLITSEN,
    "beslissen": BESLISSEN[:9],
    "vastleggen": BESLISSEN[9:],
    "wachten": WACHTEN + KEUREN + AUDITOR,
    "sink": SINK,
    "resultaten": RESULTATEN,
    "notificeren": NOTIFICEREN,
}
"""Chains: of each, every process takes over from the one that died before it."""
PUNTEN = {punt.naam: punt for keten in KETENS.values() for punt in keten}
