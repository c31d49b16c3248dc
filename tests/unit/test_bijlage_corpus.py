"""The verdicts on PDFs that nobody of this project made; every one was looked at by hand."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.bijlage import Waarschuwing
from tests.pdf import WAAR, Keur, keurder

REPO = Path(__file__).parents[2]
CORPUS = REPO.parent / "shared" / "corpus" / "pdf"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the outside PDFs are not beside this checkout")

GEWOON = {"PdfGeenPdfA", "PdfNietGetagd"}
"""What nearly every program gives when nobody asks it for more."""
KAAL = GEWOON | {"PdfLettertypeNietIngesloten"}
"""With text in one of the fonts that every viewer has."""
LEEG = GEWOON | {"PdfGeenPaginas"}
ONLEESBAAR = {"PdfNietLeesbaar"}

VAN_PROGRAMMAS = {
    "005": {"PdfVersleuteld"},
    "007-imagemagick-images__imagemagick-images": KAAL,
    "008": KAAL,
    "010": GEWOON | {"PdfStartActie"},
    "012": KAAL,
    "013": KAAL,
    "020": KAAL,
    "021": {"PdfNietGetagd"},
    "024": KAAL,
    "025": GEWOON | {"PdfIngeslotenBestanden"},
}
"""Of files by common programs (by the begin of their names) what is not GEWOON."""

MET_OPZET = {
    "T01_004": ONLEESBAAR,  # no '%PDF-' anywhere near the begin, and so in the three below
    "T01_005": ONLEESBAAR,
    "T01_006": ONLEESBAAR,
    "T01_007": ONLEESBAAR,
    "T02-01_001": ONLEESBAAR,  # no catalog
    "T02-01_003": LEEG,  # the catalog names no page tree
    "T02-01_004": LEEG,  # or something else
    "T02-02_001": LEEG,
    "T02-02_002": LEEG,  # the page tree holds nothing but itself
    "T02-02_004": LEEG,  # or an object that is not there
    "T02-02_005": LEEG,  # or nothing
    "T02-03_006": LEEG,
    "T02-03_007": GEWOON,  # its resources are no resources, so it names no font
    "T02-03_012": GEWOON,
    "T02-05-01_014": ONLEESBAAR,  # a stream that does not end
    "T02-05-01_015": ONLEESBAAR,  # a stream whose length is no whole number
    "T04_002": ONLEESBAAR,  # cut off, for all that a reader can know
    "T04_004": ONLEESBAAR,
    "T04_007": ONLEESBAAR,
    "T04_008": ONLEESBAAR,  # no trailer, so no catalog
    "T04_009": ONLEESBAAR,
    "T04_010": ONLEESBAAR,
    "T04_017": ONLEESBAAR,  # nothing says where the table is
    "T04_018": ONLEESBAAR,
    "minimal": ONLEESBAAR,
}
"""Of files that were damaged on purpose what is not KAAL: what a forgiving reader can mend."""


@pytest.fixture(scope="module", params=WAAR)
def keur(request: pytest.FixtureRequest) -> Iterator[Keur]:
    with keurder(request.param) as een:
        yield een


def verwacht(naam: str) -> set[str]:
    van_programma = naam[:3].isdigit()
    uitzonderingen = VAN_PROGRAMMAS if van_programma else MET_OPZET
    gevonden = [codes for begin, codes in uitzonderingen.items() if naam.startswith(begin)]
    return gevonden[0] if gevonden else GEWOON if van_programma else KAAL


def test_the_verdict_on_every_file_is_the_one_that_was_found_right_by_hand(keur: Keur) -> None:
    bestanden = sorted(CORPUS.glob("*.pdf"))
    assert len(bestanden) > 100
    anders = {}
    for bestand in bestanden:
        oordeel = keur(bestand.read_bytes())
        if set(oordeel) != verwacht(bestand.stem):
            anders[bestand.name] = [Waarschuwing(code).value for code in oordeel]
    assert anders == {}
