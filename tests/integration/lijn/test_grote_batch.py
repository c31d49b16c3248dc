"""The largest batches pass through the whole stack, in bounded memory."""

from pathlib import Path
from random import Random
from uuid import UUID

import pytest

from tests.globe import maak_bericht, maak_bijlage, maak_xml
from tests.integration.lijn.stapel import Stapel
from tests.integration.lijn.zending import ACTIEF, ZAAD, leverancier, nieuwe_oin, tijd

pytestmark = pytest.mark.integration

MIB = 1024 * 1024
AANLEVERING_MIB = 300
"""What the door may hold at most, all of the process counted. A batch is spooled to disk and
read in pieces: of 100 MB of bijlagen 16 MB stand in memory, and of texts the event of 16 MB. Measured: 122 and 205."""
WORKER_MIB = 450
"""The same for a worker. An event of 16 MB stands in memory as bytes, columns and slices at once. Measured:
208 and 282."""
BERICHTEN = 1000
RUIMTE = 900_000
"""Bytes of 100 MB that are XML and no bijlagen."""


def _guid(willekeur: Random) -> str:
    return str(UUID(int=willekeur.getrandbits(128), version=4))


def _met_bijlagen(oin: str, willekeur: Random) -> tuple[str, bytes]:
    """1000 messages, each with a bijlage that no other has: together as near to 100 MB as whole triplets allow."""
    batch_id = _guid(willekeur)
    per_stuk = (100_000_000 - RUIMTE) // BERICHTEN * 3 // 4 // 3 * 3
    berichten = [
        maak_bericht(
            BatchID=batch_id,
            BerichtID=_guid(willekeur),
            BerichtType="GOED",
            GebruikerID=willekeur.choice(ACTIEF),
            bijlagen=[maak_bijlage(b"%PDF-1.7\n" + willekeur.randbytes(per_stuk - 9))],
        )
        for _ in range(BERICHTEN)
    ]
    xml = maak_xml(batch_id=batch_id, aanmaakdatum=tijd(), leverancier=oin, berichten=berichten)
    assert 99_000_000 < len(xml) <= 100_000_000, len(xml)
    return batch_id, xml


def _met_teksten(oin: str, willekeur: Random) -> tuple[str, bytes]:
    """1000 messages of 4000 characters that take four bytes each."""
    batch_id = _guid(willekeur)
    berichten = [
        maak_bericht(
            BatchID=batch_id,
            BerichtID=_guid(willekeur),
            BerichtType="GOED",
            GebruikerID=willekeur.choice(ACTIEF),
            BerichtTekst="".join(chr(0x1F300 + willekeur.randrange(512)) for _ in range(40)) * 100,
        )
        for _ in range(BERICHTEN)
    ]
    xml = maak_xml(batch_id=batch_id, aanmaakdatum=tijd(), leverancier=oin, berichten=berichten)
    assert len(xml) > 16_000_000
    return batch_id, xml


def _piek_mib(pid: int) -> float:
    [regel] = [r for r in Path(f"/proc/{pid}/status").read_text().splitlines() if r.startswith("VmHWM:")]
    return int(regel.split()[1]) / 1024


def _delen(lijn: Stapel) -> dict[str, int]:
    pids = lijn.pids
    return {"aanlevering": pids["aanlevering"]} | {f"worker-{i}": pid for i, pid in enumerate(pids["workers"], 1)}


@pytest.mark.parametrize("soort", ["bijlagen", "teksten"])
def test_a_batch_of_the_largest_kind_is_verwerkt_in_bounded_memory(lijn: Stapel, soort: str, tmp_path: Path) -> None:
    oin = nieuwe_oin()
    lijn.laad(leverancier(oin))
    willekeur = Random(f"{ZAAD}/{oin}")
    batch_id, xml = (_met_bijlagen if soort == "bijlagen" else _met_teksten)(oin, willekeur)
    bestand = tmp_path / "groot.xml"
    bestand.write_bytes(xml)
    del xml
    delen = _delen(lijn)
    for pid in delen.values():
        Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    assert lijn.vraag("aanleveren", bestand) == {"aangeleverd": 1, "geweigerd": []}
    bestand.unlink()
    lijn.wacht(240)
    [rij] = lijn.vraag("berichtverwerking", "--batch", batch_id)
    assert (rij["totaal"], rij["verwerkt"], rij["afgerond"]) == (BERICHTEN, BERICHTEN, True)
    assert _delen(lijn) == delen, "a part died of it"
    gemeten = {naam: _piek_mib(pid) for naam, pid in delen.items()}
    print({naam: round(mib) for naam, mib in gemeten.items()})
    assert gemeten["aanlevering"] < AANLEVERING_MIB
    assert max(gemeten["worker-1"], gemeten["worker-2"]) < WORKER_MIB
