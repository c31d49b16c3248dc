"""What a batch does to memory: measured in a process of its own, as growth of its peak."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

_METING = """
import os, resource, sys
from uuid import UUID
from aanlevering.lezer import lees
from aanlevering.weigering import Geweigerd
from tests.globe import maak_bericht, maak_bijlage, maak_xml

def piek():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024

def lees_alles(stukken):
    aantal = 0
    def bewaar(sha256, inhoud):
        nonlocal aantal
        aantal += 1
    try:
        batch = lees(stukken, proceskenmerk=UUID(int=1), aangeleverd_op=1, aangeleverd_door=None, bewaar=bewaar)
    except Geweigerd as fout:
        return fout.code
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
lees_alles([maak_xml()])
eerst = piek()
uitkomst = lees_alles(in_stukken(midden))
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
def test_100_mb_of_anything_takes_less_than_60_mb(geval: str, verwacht: str) -> None:
    klaar = subprocess.run(
        [sys.executable, "-c", _METING, geval], capture_output=True, text=True, check=False, timeout=300
    )
    assert klaar.returncode == 0, klaar.stderr
    groei, _, uitkomst = klaar.stdout.strip().partition(" ")
    assert uitkomst == verwacht
    assert int(groei) < 60_000_000
