"""What a batch does to memory: measured in a process of its own, as growth of its peak."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from streams.sleutels import maak_sleutels
from tests.s3 import BUCKET, emmer

pytestmark = pytest.mark.integration

_METING = """
import asyncio, os, re, sys
from contextlib import closing
from pathlib import Path
from uuid import UUID
from aanlevering.bijlagen import Bijlagen
from aanlevering.lezer import lees
from aanlevering.weigering import Geweigerd
from sinks.objecten import Objecten
from streams.sleutels import lees_sleutels
from tests.globe import maak_bericht, maak_bijlage, maak_xml

def piek():
    # Of this program alone: ru_maxrss begins at what its parent took.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

objecten = Objecten(sys.argv[2], lees_sleutels(Path(sys.argv[3])))

async def lees_alles(stukken, pak):
    with closing(Bijlagen(objecten)) as bijlagen:
        try:
            batch = lees(
                stukken, proceskenmerk=UUID(int=1), aangeleverd_op=1, aangeleverd_door=None, bewaar=bijlagen.bewaar
            )
        except Geweigerd as fout:
            return fout.code
        bijlagen.rond_af()
        await bijlagen.leg_vast(pak)
    aantal = len(await objecten.opgave(pak)) if await objecten.bestaat(pak) else 0
    return f"{len(batch.berichten)} {aantal} {sum(map(bool, batch.berichten.schema_fouten))}"

begin, _, einde = maak_xml(berichten=["SPLITS"]).partition(b"SPLITS")

def in_stukken(midden):
    yield begin
    yield from midden
    yield einde

def herhaal(voor, stuk, na):
    yield voor
    for _ in range(99_000_000 // len(stuk)):
        yield stuk
    yield na

def bijlagen():
    for nummer in range(1000):
        yield maak_bericht(nummer, bijlagen=[maak_bijlage(os.urandom(73_500))]).encode()

voor, _, na = maak_bericht(Onderwerp="SPLITS").encode().partition(b"SPLITS")
kop, _, rest = maak_bericht(bijlagen=[maak_bijlage(tekst="SPLITS")]).encode().partition(b"SPLITS")
GEVALLEN = {
    "bijlagen": bijlagen(),
    "onderwerp": herhaal(voor, b"a" * 65536, na),
    "tekens": herhaal(voor, b"&#65;" * 10000, na),
    "regels": herhaal(voor, b"a\\r\\n" * 20000, na),
    "bijlage": herhaal(kop, b"AAAA" * 16384, rest),
    "elementen": herhaal(b"", b"<a/>" * 10000, b""),
    "attributen": herhaal(b"<a", b" a='1'" * 10000, b"/>"),
    "namen": herhaal(b"", b"".join(b"<a%d/>" % i for i in range(10000)), b""),
}
midden = GEVALLEN[sys.argv[1]]
klein = [maak_xml(berichten=[maak_bericht(bijlagen=[maak_bijlage(b"%PDF")])])]
asyncio.run(lees_alles(klein, "pakken/klein"))
eerst = piek()
uitkomst = asyncio.run(lees_alles(in_stukken(midden), "pakken/groot"))
print(piek() - eerst, uitkomst)
"""


@pytest.mark.parametrize(
    ("geval", "verwacht"),
    [
        ("bijlagen", "1000 1000 0"),
        ("onderwerp", "1 0 1"),
        ("tekens", "1 0 1"),
        ("regels", "1 0 1"),
        ("bijlage", "1 0 0"),
        ("elementen", "XmlVijandig"),
        ("attributen", "XmlVijandig"),
        ("namen", "XmlVijandig"),
    ],
)
async def test_100_mb_of_anything_takes_less_than_60_mb(tmp_path: Path, geval: str, verwacht: str) -> None:
    groei, uitkomst = await meet(tmp_path, geval, f"file://{tmp_path / 'opslag'}", {})
    assert uitkomst == verwacht
    assert groei < 60_000_000


async def test_neither_do_bijlagen_that_go_to_s3(tmp_path: Path) -> None:
    """75 MB in one object, from a file without a name."""
    async with emmer() as s3:
        groei, uitkomst = await meet(tmp_path, "bijlagen", f"s3://{BUCKET}/voor", s3.omgeving())
        assert len(s3.objecten["voor/pakken/groot"]) > 73_500_000
    assert uitkomst == "1000 1000 0"
    assert groei < 60_000_000


async def meet(tmp_path: Path, geval: str, url: str, omgeving: dict[str, str]) -> tuple[int, str]:
    """Growth of the peak in bytes, and what became of the batch."""
    maak_sleutels(tmp_path / "sleutels.json")
    proces = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _METING,
        geval,
        url,
        str(tmp_path / "sleutels.json"),
        env=os.environ | omgeving,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    gezegd, fouten = await asyncio.wait_for(proces.communicate(), 300)
    assert proces.returncode == 0, fouten.decode()
    groei, _, uitkomst = gezegd.decode().strip().partition(" ")
    return int(groei), uitkomst
