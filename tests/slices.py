"""Builds what the core works on: frames, slices and reference data, all of them good unless told otherwise."""

from collections.abc import Sequence
from itertools import islice
from uuid import UUID, uuid5

from domain import bsn
from domain.batch import Batch, Berichten, Kader
from domain.referentie import (
    Berichttype,
    BerichttypeStatus,
    Dienst,
    DienstStatus,
    Koppeling,
    Leverancier,
    Notificatiekenmerk,
    Referentie,
)
from domain.tijd import UUR_MS

T0 = 1_790_000_000_000
"""A moment in September 2026, in milliseconds: when batches are delivered."""
A, B = "00000099000000001000", "00000099000000002000"
"""Two leveranciers."""
TYPE = "AANSLAG"
RUN, ANDERE_RUN = UUID(int=0xA), UUID(int=0xB)
BSNS = list(islice((str(n) for n in range(999_990_000, 1_000_000_000) if bsn.elfproef(str(n))), 20))
"""Nine digits that pass the elfproef, of the series that is never given to anybody."""
FOUTE_BSN = str(int(BSNS[0]) + 1)


def guid(naam: object) -> bytes:
    """The 16 bytes of a BerichtID, another one for each name."""
    return uuid5(UUID(int=1), str(naam)).bytes


def kader(
    *,
    run: UUID = RUN,
    leverancier: str = A,
    door: str | None = None,
    aanmaakdatum: int = T0 - UUR_MS,
    aangeleverd_op: int = T0,
    totaal: int = 1,
    batch: UUID | None = None,
) -> Kader:
    """The frame of a run."""
    return Kader(
        proceskenmerk=run,
        batch_id=batch or UUID(bytes=guid("batch")),
        leverancier=leverancier,
        aangeleverd_door=leverancier if door is None else door,
        aanmaakdatum=aanmaakdatum,
        aangeleverd_op=aangeleverd_op,
        totaal=totaal,
    )


def maak_slice(
    *,
    ids: Sequence[object] = ("een",),
    van: Kader | None = None,
    nummers: Sequence[int] | None = None,
    types: Sequence[str] | None = None,
    bsns: Sequence[str] | None = None,
    publicatiedatums: Sequence[int] | None = None,
    fouten: Sequence[str] | None = None,
    bijlagen: Sequence[tuple[int, int]] = (),
) -> Batch:
    """One message for each of `ids` (a name, or the 16 bytes themselves); `bijlagen` are (row, bytes)."""
    n = len(ids)
    berichten = Berichten(
        nummers=list(nummers or range(1, n + 1)),
        bericht_ids=b"".join(een if isinstance(een, bytes) else guid(een) for een in ids),
        berichttypes=list(types or [TYPE] * n),
        gebruikers="".join(bsns or [BSNS[0]] * n).encode(),
        onderwerpen=[f"onderwerp {i}" for i in range(n)],
        teksten=[f"tekst {i}" for i in range(n)],
        referenties=[""] * n,
        publicatiedatums=list(publicatiedatums or [0] * n),
        einddatums=[0] * n,
        schema_fouten=list(fouten or [""] * n),
        bijlage_rijen=[rij for rij, _ in bijlagen],
        bijlage_sha256=bytes(32 * len(bijlagen)),
        bijlage_groottes=[grootte for _, grootte in bijlagen],
        bijlage_omschrijvingen=["bijlage"] * len(bijlagen),
        bijlage_volgordes=[1] * len(bijlagen),
    )
    return Batch(van or kader(totaal=n), berichten)


def berichttype(code: str = TYPE, status: BerichttypeStatus = BerichttypeStatus.ACTIEF, oin: str = A) -> Berichttype:
    """A berichttype in a status."""
    return Berichttype(oin, code, "omschrijving", Notificatiekenmerk.BETALEN, status)


def dienst(naam: str, *codes: str, status: DienstStatus = DienstStatus.ACTIEF, tot: int | None = None) -> Dienst:
    """A dienst linked to berichttypes, with an end when `tot` is given."""
    return Dienst(A, naam, "omschrijving", status, tuple(Koppeling(code, 1, tot) for code in codes))


def referentie(*meer: Berichttype | Dienst | Leverancier) -> Referentie:
    """Leveranciers A and B, both with an active berichttype; A has the dienst 'Belastingen' for it."""
    gevuld = Referentie()
    gevuld.zet(
        [
            Leverancier(A, "Gemeente A"),
            Leverancier(B, "Gemeente B"),
            berichttype(),
            berichttype(oin=B),
            dienst("Belastingen", TYPE),
            *meer,
        ]
    )
    return gevuld
