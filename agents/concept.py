"""What a round of decisions is about to write on one partition."""

from collections.abc import Collection
from dataclasses import dataclass, field
from uuid import UUID

from agents.eigendom import Eigen
from agents.ontwerp import Ontwerp
from domain.batch import Batch
from domain.beslissing import Vooraf


@dataclass(slots=True)
class Concept:
    """A draft, and the state from which it was computed."""

    eigen: Eigen
    stand: int
    versie: int
    """Of the reference data."""
    slices: list[tuple[Batch, Vooraf]]
    """Each with what is known of it beforehand."""
    nu: int
    ontwerp: Ontwerp = field(default_factory=Ontwerp)
    op_te_geven: Collection[UUID] = ()
    opslag_weg: set[UUID] = field(default_factory=set)
    """Runs whose slices the message store does not take now."""
    objecten: dict[tuple[UUID, tuple[int, ...]], str] = field(default_factory=dict)
    """The objects that were stored, by the messages they hold."""
