"""The reader of a batch: bytes in, columns out, in one pass and with bounded memory (Domain: A batch on the wire).

Nearly all of a batch is ordinary messages, and a pattern takes each as a whole (`aanlevering.gewoon`). The rest, from
the root to whatever is odd or wrong, is read element by element (`aanlevering.elementen`): so who is judged by whom
changes how fast it goes, and nothing else.
"""

from collections.abc import Iterable
from uuid import UUID

from aanlevering.elementen import Bewaar, Elementen
from aanlevering.gewoon import TeKort, vind
from aanlevering.stroom import als_tekst, in_groepen
from aanlevering.weigering import Geweigerd
from domain.batch import Batch, Kader

_STAP = 256
"""Characters that go on element by element at least, where no message can begin: fewer than a root and its frame take.
Where a token waits for its end it is as many as have come of it, for the parser may begin it again each time."""


def lees(
    stukken: Iterable[bytes],
    *,
    proceskenmerk: UUID,
    aangeleverd_op: int,
    aangeleverd_door: str | None,
    bewaar: Bewaar,
) -> Batch:
    """The batch in a stream of bytes.

    `aangeleverd_op` is in milliseconds; `aangeleverd_door` None stands for the leverancier itself. `bewaar` gets each
    wanted bijlage once, as soon as its message has passed. Raises Geweigerd for what is refused at the door, and what
    `bewaar` raises.
    """
    elementen = Elementen(bewaar)
    try:
        rest = ""
        for stuk, laatste in in_groepen(als_tekst(stukken)):
            rest = _lees_stuk(elementen, rest + stuk, heel=laatste)
        elementen.sluit()
        batch_id, leverancier, berichten = elementen.uitkomst()
    except Geweigerd as fout:
        fout.batch_id = fout.batch_id or elementen.batch_id
        raise
    finally:
        elementen.laat_los()
    kader = Kader(
        proceskenmerk=proceskenmerk,
        batch_id=batch_id,
        leverancier=leverancier,
        aangeleverd_door=aangeleverd_door or leverancier,
        aanmaakdatum=elementen.aanmaakdatum,
        aangeleverd_op=aangeleverd_op,
        totaal=len(berichten),
    )
    return Batch(kader, berichten)


def _lees_stuk(elementen: Elementen, tekst: str, *, heel: bool) -> str:
    """Reads what can be told of a text; returns the rest, that waits for more. `heel` says that there is no more."""
    plaats = 0
    while plaats < len(tekst):
        herkenner = elementen.herkenner
        try:
            gewoon = herkenner.lees(tekst, plaats, heel=heel) if herkenner else None
        except TeKort:
            return tekst[plaats:]
        if gewoon:
            elementen.neem(gewoon, tekst, plaats)
            plaats = gewoon.einde
        else:
            einde = vind(tekst, plaats + (1 if herkenner else max(_STAP, elementen.wachtend)))
            elementen.lees(tekst[plaats:einde])
            plaats = einde
    return ""
