"""The work of the bench's line: the messages, what must come of them, and the records that bring them to a peer.

Every contestant gets the same messages. The line gets them as batches in columns, as aanlevering writes them; a peer as
slices of Avro records, or as one JSON document a message, which is what Python reads fastest.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from uuid import UUID

from bench.taak import GEBRUIKER_FOUT, SLICE, SLICE_IN, TYPE_FOUT, TYPEN, VERWERKT, Record, schrijf
from domain.batch import Batch, Berichten, Kader, partitie
from voorbeeld import personen

LEVERANCIER = "00000099000000001000"
INACTIEF = "PAUZE"
LIJN_PARTITIES = 2
"""Of the line's `bericht`, one for each core here: a batch of 500 becomes slices of 250, as the peers have."""
PARTITIES = 8
"""Of a peer's topics."""
_BATCH = 500
_TEKST = 300
"""Characters of a message's text."""
_TEKSTEN = 997


@dataclass(frozen=True)
class Burgers:
    """Whom messages are sent to; nobody has these BSNs. One always gets the same berichttype, in every batch."""

    goed: Sequence[str]
    niet: Sequence[str]
    """Pass the elfproef, and are not subscribed or not known."""
    fout: Sequence[str]
    """Fail the elfproef."""

    @cached_property
    def typen(self) -> Mapping[str, str]:
        """The berichttype that each gets."""
        return {bsn: TYPEN[i % len(TYPEN)] for i, bsn in enumerate((*self.goed, *self.niet, *self.fout))}


def burgers(aantal: int) -> Burgers:
    """At most so many that may be written to (there are 6000), and a tenth of that of the others."""
    niet = [*personen.niet_geabonneerd(), *personen.onbekend()]
    tiende = max(3, aantal // 10)
    return Burgers(personen.actief()[:aantal], niet[:tiende], personen.elfproef_faalt()[:tiende])


@dataclass(frozen=True)
class Werk:
    """Batches with the code that each message must get."""

    batches: Sequence[Batch]
    codes: Sequence[Sequence[str]]

    def __len__(self) -> int:
        return sum(map(len, self.codes))

    @property
    def verwacht(self) -> Counter[str]:
        """How many messages get each code."""
        return Counter(code for codes in self.codes for code in codes)

    def eerste(self, berichten: int) -> "Werk":
        """The first batches, so many messages at least."""
        batches = -(-berichten // _BATCH)
        return Werk(self.batches[:batches], self.codes[:batches])


def maak_werk(aantal: int, wie: Burgers, zaad: int) -> Werk:
    """So many messages: 2% of a type that is not Actief, 2% to who may not be written to, 1% with a wrong BSN."""
    willekeur = random.Random(zaad)
    soorten = willekeur.choices(range(4), (95, 2, 2, 1), k=aantal)
    lijsten = (wie.goed, wie.goed, wie.niet, wie.fout)
    berichten = []
    for soort in soorten:
        bsn = willekeur.choice(lijsten[soort])
        code = (VERWERKT, TYPE_FOUT, GEBRUIKER_FOUT, GEBRUIKER_FOUT)[soort]
        berichten.append((willekeur.randbytes(16), INACTIEF if soort == 1 else wie.typen[bsn], bsn, code))
    return _in_batches(berichten, willekeur)


def maak_opwarming(wie: Burgers, zaad: int) -> Werk:
    """Every citizen once in every partition: whichever worker has a partition then knows everyone."""
    willekeur = random.Random(zaad)
    berichten = []
    for nummer in range(PARTITIES):
        for bsn, code in (*((bsn, VERWERKT) for bsn in wie.goed), *((bsn, GEBRUIKER_FOUT) for bsn in wie.niet)):
            while partitie(bericht_id := willekeur.randbytes(16), PARTITIES) != nummer:
                continue
            berichten.append((bericht_id, wie.typen[bsn], bsn, code))
    return _in_batches(berichten, willekeur)


def _in_batches(berichten: Sequence[tuple[bytes, str, str, str]], willekeur: random.Random) -> Werk:
    letters = "abcdefghijklmnopqrstuvwxyz      "
    teksten = ["".join(willekeur.choices(letters, k=_TEKST)) for _ in range(_TEKSTEN)]
    nu = time.time_ns() // 1_000_000
    batches, codes = [], []
    for begin in range(0, len(berichten), _BATCH):
        deel = berichten[begin : begin + _BATCH]
        kader = Kader(
            proceskenmerk=UUID(bytes=willekeur.randbytes(16)),
            batch_id=UUID(bytes=willekeur.randbytes(16)),
            leverancier=LEVERANCIER,
            aangeleverd_door=LEVERANCIER,
            aanmaakdatum=nu,
            aangeleverd_op=nu,
            totaal=len(deel),
        )
        kolommen = Berichten(
            nummers=list(range(1, len(deel) + 1)),
            bericht_ids=b"".join(een[0] for een in deel),
            berichttypes=[een[1] for een in deel],
            gebruikers="".join(een[2] for een in deel).encode(),
            onderwerpen=[f"Uw aanslag {begin + i}" for i in range(len(deel))],
            teksten=[teksten[(begin * 7 + i) % _TEKSTEN] for i in range(len(deel))],
            referenties=[f"kenmerk-{begin + i}" for i in range(len(deel))],
            publicatiedatums=[0] * len(deel),
            einddatums=[0] * len(deel),
            schema_fouten=[""] * len(deel),
        )
        batches.append(Batch(kader, kolommen))
        codes.append([een[3] for een in deel])
    return Werk(batches, codes)


# -- for a peer


def als_slices(batch: Batch) -> Iterator[bytes]:
    """A batch as slices of Avro records."""
    for slice_ in _als_slices(batch):
        yield schrijf(SLICE_IN, slice_)


def als_json_slices(batch: Batch) -> Iterator[bytes]:
    """The same slices as JSON documents."""
    for slice_ in _als_slices(batch):
        berichten = [_zonder_bytes(bericht) for bericht in slice_.pop("berichten")]
        yield _json(_zonder_bytes(slice_) | {"berichten": berichten})


def als_json(batch: Batch) -> Iterator[bytes]:
    """A batch as one JSON document a message."""
    for slice_ in _als_slices(batch):
        for bericht in slice_.pop("berichten"):
            yield _json(_zonder_bytes(slice_ | bericht))


def _json(document: Record) -> bytes:
    return json.dumps(document, separators=(",", ":")).encode()


def _zonder_bytes(document: Record) -> Record:
    """GUIDs as hexadecimal digits."""
    return {naam: waarde.hex() if isinstance(waarde, bytes) else waarde for naam, waarde in document.items()}


def _als_slices(batch: Batch) -> Iterator[Record]:
    kader, kolommen = batch.kader, batch.berichten
    velden = {
        "proceskenmerk": kader.proceskenmerk.bytes,
        "batch_id": kader.batch_id.bytes,
        "leverancier": kader.leverancier,
        "aangeleverd_door": kader.aangeleverd_door,
        "aangeleverd_op": kader.aangeleverd_op,
        "aanmaakdatum": kader.aanmaakdatum,
        "totaal": kader.totaal,
    }
    berichten = [
        {
            "nummer": kolommen.nummers[rij],
            "bericht_id": kolommen.bericht_id(rij),
            "berichttype": kolommen.berichttypes[rij],
            "gebruiker": kolommen.gebruiker(rij),
            "onderwerp": kolommen.onderwerpen[rij],
            "tekst": kolommen.teksten[rij],
            "referentie": kolommen.referenties[rij],
            "publicatiedatum": kolommen.publicatiedatums[rij],
            "einddatum": kolommen.einddatums[rij],
        }
        for rij in range(len(kolommen))
    ]
    for begin in range(0, len(berichten), SLICE):
        yield velden | {"berichten": berichten[begin : begin + SLICE]}
