"""The result of one run over a whole batch (Domain: The answer)."""

from dataclasses import dataclass, field

from domain.batch import Kader
from domain.codes import Stadium, Verwerkingscode


@dataclass(slots=True)
class Resultaat:
    """What became of every message of a run, in the order of the batch; a pure function of the decisions."""

    kader: Kader
    verwerkt_op: int
    """When the last message was decided, in milliseconds."""
    nummers: list[int] = field(default_factory=list)
    bericht_ids: bytes = b""
    berichttypes: list[str] = field(default_factory=list)
    codes: list[Verwerkingscode] = field(default_factory=list)
    stadia: list[Stadium] = field(default_factory=list)
