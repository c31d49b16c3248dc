"""What outsiders rely on: kcat, curl, a second terminal, the door's answers, and the pages of every process."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from lxml import etree

from tests.integration.lijn.stapel import OPDRACHT, WORTEL, Stapel, haal, omgeving
from tests.integration.lijn.zending import (
    GOED,
    SOORTEN,
    ZAAD,
    Zending,
    lever_alle,
    leverancier,
    maak_zending,
    nieuwe_oin,
    totalen,
)
from tests.regels import regel

pytestmark = pytest.mark.integration

TIJD = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def zending(lijn: Stapel) -> Zending:
    """One processed batch with a message of every kind, of a leverancier of its own."""
    oin = nieuwe_oin()
    lijn.laad(leverancier(oin))
    zending = maak_zending(oin, [GOED, *SOORTEN], Random(f"{ZAAD}/{oin}"), dubbel=1)
    lever_alle(lijn.adressen["aanlevering"], [zending])
    lijn.wacht(90)
    return zending


# -- kcat and a plain decoder


@pytest.fixture(scope="module")
def kcat() -> str:
    """The Debian program; on CI it must be there."""
    pad = shutil.which("kcat")
    if pad is None:
        assert not os.environ.get("CI"), "kcat must be installed on CI (Debian: apt-get install kcat)"
        pytest.skip("kcat is not installed here (Debian: apt-get install kcat); on CI it is")
    return pad


def test_kcat_lists_and_consumes_the_topics(lijn: Stapel, zending: Zending, kcat: str) -> None:
    kafka = lijn.adressen["kafka"]
    lijst = subprocess.run([kcat, "-b", kafka, "-L", "-J"], capture_output=True, check=True, timeout=60)
    gevonden = {topic["topic"]: len(topic["partitions"]) for topic in json.loads(lijst.stdout)["topics"]}
    namen = "batch bericht validatie wacht resultaat berichttype dienst machtiging leverancier notificatie dlq"
    assert set(namen.split()) <= gevonden.keys()
    assert gevonden["bericht"] == gevonden["validatie"]
    sleutels = subprocess.run(
        [kcat, "-b", kafka, "-C", "-t", "batch", "-e", "-q", "-f", "%k\n"], capture_output=True, check=True, timeout=60
    )
    assert str(zending.batch_id) in sleutels.stdout.decode().split()


_LEZER = """
import io, json, sys
import fastavro
index, waarden = sys.argv[1], sys.stdin.buffer
schemas = {s["id"]: fastavro.parse_schema(json.load(open(index.replace("index.json", s["bestand"]))))
           for s in json.load(open(index))["schemas"]}
while kop := waarden.read(4):
    waarde = waarden.read(int.from_bytes(kop, "big"))
    assert waarde[0] == 0
    schema = schemas[int.from_bytes(waarde[1:5], "big")]
    u = fastavro.schemaless_reader(io.BytesIO(waarde[5:]), schema)
    print(json.dumps([u["proceskenmerk"], u["nummers"], u["codes"], u["stadia"]]))
"""


def test_a_script_without_our_code_decodes_what_kcat_reads_from_validatie(
    lijn: Stapel, zending: Zending, kcat: str
) -> None:
    lees = [
        kcat,
        "-b",
        lijn.adressen["kafka"],
        "-C",
        "-t",
        "validatie",
        "-e",
        "-q",
        "-X",
        "isolation.level=read_committed",
    ]
    records = subprocess.run([*lees, "-f", "%R%s"], capture_output=True, check=True, timeout=60).stdout
    gelezen = subprocess.run(
        [sys.executable, "-I", "-c", _LEZER, str(WORTEL / "avro" / "index.json")],
        input=records,
        capture_output=True,
        check=True,
        timeout=60,
    )
    besloten: dict[int, tuple[str, str]] = {}
    for run, nummers, codes, stadia in map(json.loads, gelezen.stdout.splitlines()):
        if run == str(zending.proceskenmerk):
            besloten |= dict(zip(nummers, zip(codes, stadia, strict=True), strict=True))
    assert [besloten[nummer] for nummer in sorted(besloten)] == zending.verwacht


# -- curl


@regel("asks ClickHouse (and the portal) about Totalen, Berichtverwerking, SLA")
def test_curl_asks_clickhouse(lijn: Stapel, zending: Zending) -> None:
    curl = shutil.which("curl")
    assert curl, "curl must be installed"
    gegeven = subprocess.run(
        [
            curl,
            "--fail",
            "--silent",
            "--noproxy",
            "*",
            f"{lijn.adressen['clickhouse']}/?database=berichtenstroom&param_oin={zending.leverancier}",
            "--data-binary",
            "SELECT * FROM totalen WHERE leverancier = {oin:String} FORMAT JSONEachRow",
        ],
        capture_output=True,
        check=True,
        timeout=60,
    )
    rij = json.loads(gegeven.stdout)
    verwacht = totalen([zending])[zending.leverancier]
    assert {naam: waarde if naam == "leverancier" else int(waarde) for naam, waarde in rij.items()} == verwacht


@pytest.mark.parametrize("view", ["totalen", "berichtverwerking", "berichten", "fouten", "waarschuwingen", "sla"])
def test_every_view_is_documented_column_by_column(lijn: Stapel, view: str) -> None:
    kolommen = lijn.sql(
        "SELECT name, comment FROM system.columns WHERE database = 'berichtenstroom' AND table = {view:String}",
        view=view,
    )
    assert kolommen
    assert not [naam for naam, uitleg in kolommen if not uitleg]


# -- a second terminal


Vorm = Callable[[Any], bool]


def _is(*soorten: type) -> Vorm:
    def heeft(waarde: Any) -> bool:
        return isinstance(waarde, soorten) and (bool in soorten or not isinstance(waarde, bool))

    return heeft


def _past(patroon: re.Pattern[str], *, mag_leeg: bool = False) -> Vorm:
    def heeft(waarde: Any) -> bool:
        return (mag_leeg and waarde is None) or (isinstance(waarde, str) and patroon.fullmatch(waarde) is not None)

    return heeft


TEKST, GETAL, JA_NEE, LIJST, BREUK = _is(str), _is(int), _is(bool), _is(list), _is(int, float, type(None))
MOMENT, MOMENT_OF_NIETS, EEN_GUID = _past(TIJD), _past(TIJD, mag_leeg=True), _past(GUID)
VELDEN: dict[str, dict[str, Vorm]] = {
    "totalen": {
        "leverancier": TEKST,
        "batches": GETAL,
        "berichten": GETAL,
        "verwerkt": GETAL,
        "waarschuwing": GETAL,
        "niet_verwerkt": GETAL,
        "in_behandeling": GETAL,
    },
    "berichtverwerking": {
        "leverancier": TEKST,
        "aangeleverd_door": TEKST,
        "batch_id": EEN_GUID,
        "proceskenmerk": EEN_GUID,
        "ontvangen_op": MOMENT,
        "aangeleverd_op": MOMENT,
        "verwerkt_op": MOMENT_OF_NIETS,
        "totaal": GETAL,
        "verwerkt": GETAL,
        "waarschuwing": GETAL,
        "niet_verwerkt": GETAL,
        "in_behandeling": GETAL,
        "afgerond": JA_NEE,
    },
    "bericht": {
        "nummer": GETAL,
        "bericht_id": EEN_GUID,
        "berichttype": TEKST,
        "code": TEKST,
        "stadium": TEKST,
        "waarschuwingen": LIJST,
        "diensten": LIJST,
        "ontvangen_op": MOMENT,
        "verwerkt_op": MOMENT,
    },
    "fouten": {"code": TEKST, "stadium": TEKST, "aantal": GETAL},
    "fouten --code": {"leverancier": TEKST, "batch_id": EEN_GUID, "bericht_id": EEN_GUID, "nummer": GETAL},
    "resultaat": {
        "leverancier": TEKST,
        "batch_id": EEN_GUID,
        "proceskenmerk": EEN_GUID,
        "ontvangen_op": MOMENT,
        "verwerkt_op": MOMENT,
        "totaal": GETAL,
        "per_code": _is(dict),
        "berichten": LIJST,
    },
    "sla": {
        "leverancier": TEKST,
        "berichten": GETAL,
        "binnen_norm": BREUK,
        "p50_s": BREUK,
        "p95_s": BREUK,
        "p99_s": BREUK,
        "max_s": BREUK,
        "overschreden": GETAL,
        "open": GETAL,
        "oudste_open_s": BREUK,
    },
    "lag": {
        "group": TEKST,
        "topic": TEKST,
        "partition": GETAL,
        "committed": GETAL,
        "end": GETAL,
        "lag": GETAL,
        "lag_s": BREUK,
    },
}
"""The JSON of every command, as the interface has it: names, and what each may be."""


def _heeft_vorm(rijen: list[dict[str, Any]], vorm: str) -> None:
    assert rijen, f"{vorm}: nothing"
    for rij in rijen:
        assert list(rij) == list(VELDEN[vorm]), vorm
        assert not [naam for naam, waarde in rij.items() if not VELDEN[vorm][naam](waarde)], rij


@regel(
    "asks ClickHouse (and the portal) about Totalen, Berichtverwerking, SLA",
    "watches lag, throughput, errors, the 24-hour norm",
    "In Totalen 'Verwerkt' is green plus orange",
)
def test_every_question_has_the_json_of_the_interface(lijn: Stapel, zending: Zending) -> None:
    van_ons = ("--leverancier", zending.leverancier)
    rijen = lijn.vraag("totalen")
    _heeft_vorm(rijen, "totalen")
    assert [rij for rij in rijen if rij["leverancier"] == zending.leverancier] == [
        totalen([zending])[zending.leverancier]
    ]
    assert all(rij["berichten"] == rij["verwerkt"] + rij["niet_verwerkt"] + rij["in_behandeling"] for rij in rijen)
    for opties in ((), ("--runs",), ("--status", "niet_verwerkt"), ("--afgerond", "ja"), ("--op", "verwerking")):
        rijen = lijn.vraag("berichtverwerking", *van_ons, *opties)
        _heeft_vorm(rijen, "berichtverwerking")
        assert [rij["batch_id"] for rij in rijen] == [str(zending.batch_id)]
    assert lijn.vraag("berichtverwerking", *van_ons, "--afgerond", "nee") == []
    assert lijn.vraag("berichtverwerking", *van_ons, "--status", "in_behandeling") == []

    [rij] = lijn.vraag("berichtverwerking", "--batch", str(zending.batch_id).upper(), "--berichten")
    berichten = rij.pop("berichten")
    _heeft_vorm([rij], "berichtverwerking")
    _heeft_vorm(berichten, "bericht")
    assert [(b["nummer"], b["code"], b["stadium"]) for b in berichten] == [
        (nummer, *antwoord) for nummer, antwoord in enumerate(zending.verwacht, 1)
    ]

    rijen = lijn.vraag("fouten", *van_ons)
    _heeft_vorm(rijen, "fouten")
    fout = [antwoord for antwoord in zending.verwacht if antwoord[0] != "Verwerkt"]
    assert {(rij["code"], rij["stadium"]): rij["aantal"] for rij in rijen} == {a: fout.count(a) for a in fout}
    rijen = lijn.vraag("fouten", *van_ons, "--code", "BerichtTypeNietOndersteund")
    _heeft_vorm(rijen, "fouten --code")
    assert len(rijen) == sum(antwoord[0] == "BerichtTypeNietOndersteund" for antwoord in zending.verwacht)
    rijen = lijn.vraag("waarschuwingen", *van_ons)
    _heeft_vorm(rijen, "fouten")
    assert {rij["code"]: rij["aantal"] for rij in rijen} == {"PdfNietLeesbaar": zending.waarschuwingen}

    resultaat = lijn.vraag("resultaat", zending.batch_id)
    _heeft_vorm([resultaat], "resultaat")
    codes = [antwoord[0] for antwoord in zending.verwacht]
    assert resultaat["per_code"] == {code: codes.count(code) for code in codes}
    assert [bericht["code"] for bericht in resultaat["berichten"]] == codes

    rijen = lijn.vraag("sla")
    _heeft_vorm(rijen, "sla")
    [rij] = [rij for rij in rijen if rij["leverancier"] == zending.leverancier]
    assert (rij["berichten"], rij["binnen_norm"], rij["overschreden"], rij["open"]) == (len(codes), 1, 0, 0)
    assert 0 < rij["p50_s"] <= rij["p95_s"] <= rij["p99_s"] <= rij["max_s"]
    assert rij["oudste_open_s"] is None

    rijen = lijn.vraag("lag")
    _heeft_vorm(rijen, "lag")
    assert {rij["topic"] for rij in rijen} >= {"batch", "bericht", "validatie", "resultaat"}
    assert all(rij["end"] - rij["committed"] >= rij["lag"] >= 0 for rij in rijen)


def test_periods_hold_van_and_not_tot(lijn: Stapel, zending: Zending) -> None:
    [rij] = lijn.vraag("berichtverwerking", "--batch", zending.batch_id)
    op = rij["ontvangen_op"]
    later = f"{op.removesuffix('Z')}999Z" if "." in op else op.replace("Z", ".000999Z")
    for opdracht, periode, aantal in (
        ("berichtverwerking", ("--van", op), 1),
        ("berichtverwerking", ("--tot", op), 0),
        ("berichtverwerking", ("--van", later), 0),
        ("totalen", ("--van", op, "--tot", later), 1),
        ("totalen", ("--tot", op), 0),
    ):
        rijen = [r for r in lijn.vraag(opdracht, *periode) if r["leverancier"] == zending.leverancier]
        assert len(rijen) == aantal, (opdracht, periode)


def test_pages_together_are_the_whole_list(lijn: Stapel) -> None:
    oin = nieuwe_oin()
    lijn.laad(leverancier(oin))
    zendingen = [maak_zending(oin, [GOED], Random(f"{ZAAD}/{oin}/{i}")) for i in range(7)]
    lever_alle(lijn.adressen["aanlevering"], zendingen)
    lijn.wacht(120)
    alles = lijn.vraag("berichtverwerking", "--leverancier", oin)
    assert {rij["batch_id"] for rij in alles} == {str(z.batch_id) for z in zendingen}
    pagina_s, cursor = [], None
    while True:
        verder = ("--cursor", cursor) if cursor else ()
        pagina = lijn.vraag("berichtverwerking", "--leverancier", oin, "--limit", "3", *verder)
        assert len(pagina) <= 3
        pagina_s += pagina
        gevonden = re.search(r"--cursor (\S+)", lijn.uitvoer[-1][1])
        if gevonden is None:
            break
        cursor = gevonden.group(1)
    assert pagina_s == alles


OPDRACHTEN = [
    "up",
    "worker",
    "laad",
    "aanleveren",
    "wacht",
    "totalen",
    "berichtverwerking",
    "fouten",
    "waarschuwingen",
    "resultaat",
    "sla",
    "lag",
    "topics",
    "migreer",
]
"""Those that exist so far."""


def test_every_command_has_help_with_an_example() -> None:
    voorbeelden = [
        subprocess.Popen(
            [*OPDRACHT, opdracht, "--help"],
            cwd=WORTEL,
            env=omgeving(COLUMNS=200),
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        for opdracht in OPDRACHTEN
    ]
    for opdracht, proces in zip(OPDRACHTEN, voorbeelden, strict=True):
        uitvoer, _ = proces.communicate(timeout=120)
        assert proces.returncode == 0
        assert re.search(rf"Example: .*berichtenstroom {opdracht}", uitvoer), f"{opdracht}: no example in its help"


@pytest.mark.parametrize(
    "woorden",
    [
        ("totalen", "--op", "maandag"),
        ("totalen", "--van", "2026-01-01T00:00:00"),
        ("berichtverwerking", "--status", "groen"),
        ("berichtverwerking", "--limit", "0"),
        ("berichtverwerking", "--cursor", "onzin"),
        ("resultaat", "geen-guid"),
        ("up", "--workers", "0"),
        ("laad",),
        ("bestaatniet",),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(lijn: Stapel, woorden: tuple[str, ...]) -> None:
    assert lijn.opdracht(*woorden, code=2) == "", "nothing stands on standard output"
    assert lijn.uitvoer[-1][1].strip()
    assert "Traceback" not in lijn.uitvoer[-1][1]


@pytest.mark.parametrize(
    "woorden",
    [
        ("resultaat", "00000000-0000-4000-8000-000000000000", "--json"),
        ("laad", "/bestaat/niet.json", "--json"),
        ("aanleveren", "/bestaat/niet.xml", "--json"),
        ("aanleveren", "bestaat-niet", "--oin", "00000099000000001000"),
    ],
    ids=" ".join,
)
def test_what_goes_wrong_ends_with_1_and_one_line(lijn: Stapel, woorden: tuple[str, ...]) -> None:
    assert lijn.opdracht(*woorden, code=1) == ""
    assert len(lijn.uitvoer[-1][1].strip().splitlines()) == 1, lijn.uitvoer[-1][1]


def test_a_command_without_a_stack_says_so_in_a_line_and_ends_with_1(tmp_path: Path) -> None:
    alleen = Stapel(tmp_path)
    for woorden in (("totalen", "--json"), ("lag", "--json")):
        # The defaults' ports: whoever listens there is no stack of ours.
        assert alleen.opdracht(*woorden, code=1) == ""
        assert "Traceback" not in alleen.uitvoer[-1][1]


# -- the door and the pages


@regel(
    "`BerichtID`, `BerichtType`, `VerwerkingsCode`, `Stadium` (nillable, optional)",
    "Always fill BerichtType (`ONBEKEND` where it could not be read)",
    "and Stadium (`NA`): senders' software in use crashes on empty ones",
)
def test_the_doors_answer_is_that_of_the_command_and_valid(lijn: Stapel, zending: Zending) -> None:
    adres = f"{lijn.adressen['aanlevering']}/v1/batches/{zending.batch_id}/resultaat"
    antwoord = haal(adres)
    assert antwoord.status_code == 200
    assert antwoord.headers["Content-Type"].startswith("application/xml")
    assert antwoord.text == lijn.opdracht("resultaat", zending.batch_id, "--xml")
    etree.XMLSchema(etree.parse(WORTEL / "sinks" / "globe_resultaat.xsd")).assertValid(
        etree.fromstring(antwoord.content)
    )
    for nauwer in (f"?leverancier={zending.leverancier}", f"?proceskenmerk={zending.proceskenmerk}"):
        assert haal(adres + nauwer).content == antwoord.content
    for anders in ("?leverancier=00000099000000009000", "?proceskenmerk=00000000-0000-4000-8000-000000000000"):
        assert haal(adres + anders).status_code == 404
    wortel = etree.fromstring(antwoord.content)
    namen = [element.tag for element in next(wortel.iterfind("Berichten/*"))]
    assert namen == ["BerichtID", "BerichtType", "VerwerkingsCode", "Stadium"]
    assert not [e for e in wortel.iter() if len(e) == 0 and not e.text]


def test_there_is_no_answer_before_the_batch_is_done(lijn: Stapel) -> None:
    adres = f"{lijn.adressen['aanlevering']}/v1/batches/00000000-0000-4000-8000-000000000000/resultaat"
    assert haal(adres).status_code == 404
    assert haal(adres.replace("00000000-0000", "geen-guid")).status_code == 400


@regel("watches lag, throughput, errors, the 24-hour norm")
def test_every_process_tells_its_health_readiness_and_metrics(lijn: Stapel, zending: Zending) -> None:
    adressen = lijn.adressen["metrics"]
    pids = lijn.pids
    assert len(adressen) == len(set(adressen)) == len(pids["workers"]) + 3  # aanlevering, profile service, ClickHouse
    for adres in adressen:
        assert adres.endswith("/metrics")
        for pagina in ("healthz", "readyz", "metrics"):
            antwoord = haal(adres.replace("/metrics", f"/{pagina}"))
            assert antwoord.status_code == 200, f"{pagina} of {adres}: {antwoord.text}"
        assert "# TYPE" in antwoord.text, f"{adres} holds no metrics"


def test_endpoints_json_has_the_shape_of_the_interface(lijn: Stapel) -> None:
    adressen = lijn.adressen
    assert {"kafka", "clickhouse", "profielservice", "aanlevering", "portal", "metrics", "pids"} <= adressen.keys()
    assert re.fullmatch(r"127\.0\.0\.1:\d+", adressen["kafka"])
    assert all(
        adressen[naam].startswith("http://127.0.0.1:") for naam in ("clickhouse", "profielservice", "aanlevering")
    )
    pids = adressen["pids"]
    assert {"kafka", "clickhouse", "workers", "profielservice", "aanlevering"} <= pids.keys()
    verwacht = {
        "kafka": "java",
        "clickhouse": "sinks.embedded",
        "profielservice": "profielservice",
        "aanlevering": "aanlevering",
    }
    for naam, deel in verwacht.items():
        assert deel in Path(f"/proc/{pids[naam]}/cmdline").read_text()
    assert len(pids["workers"]) == 2
    for pid in pids["workers"]:
        assert "worker" in Path(f"/proc/{pid}/cmdline").read_text().split("\0")
