"""The slices of one partition that wait for an outage: what is known of them while they stand in topic `wacht`.

Their messages stay in the topic, so that memory holds a few numbers for each slice, however many wait.
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from uuid import UUID

from avro.codec import Codec, Onleesbaar
from domain.batch import Batch

_PAUZES_S = (1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Seconds until a slice that could not be decided is tried again."""


@dataclass(slots=True)
class Wachtende:
    """A slice that waits. Times for trying are of a monotonic clock, in seconds."""

    offset: int
    """Where it stands in `wacht`."""
    sleutel: bytes
    leverancier: str
    aangeleverd_op: int
    sinds: int
    """Since when it waits, in milliseconds since 1970."""
    poging_op: float = 0.0
    pogingen: int = 0
    klaar_bij: int | None = None
    """All is decided, and the decisions stand below this offset of `validatie`."""


def sleutel_van(slice_: Batch) -> bytes:
    """The key in `wacht`: the Proceskenmerk, and the first number of the slice."""
    return f"{slice_.kader.proceskenmerk}/{slice_.berichten.nummers[0]}".encode()


def lees_wachtende(codec: Codec, sleutel: bytes, inhoud: bytes | None) -> Batch:
    """What waits under this key. Raises Onleesbaar, also for what would be deleted with something else."""
    slice_ = codec.lees_batch(inhoud, "wacht")
    if not len(slice_.berichten) or sleutel_van(slice_) != sleutel:
        raise Onleesbaar("the key of something else")
    return slice_


def _run_van(sleutel: bytes) -> UUID | None:
    try:
        return UUID(sleutel.partition(b"/")[0].decode())
    except ValueError:  # a key that is none of ours
        return None


@dataclass(slots=True)
class Wachtkamer:
    """What waits in one partition, by run: a run has one slice in a partition."""

    _wachtenden: dict[UUID, Wachtende] = field(default_factory=dict)

    def __len__(self) -> int:
        """How many slices wait."""
        return len(self._wachtenden)

    def __contains__(self, run: object) -> bool:
        """Whether the slice of this run waits here, so that it need not be looked at when it is offered again."""
        return run in self._wachtenden

    def zet(self, slice_: Batch, offset: int, sleutel: bytes, sinds: int, poging_op: float = 0.0) -> None:
        """A slice waits, whose messages stand at this offset; of two records the later one counts."""
        kader = slice_.kader
        self._wachtenden[kader.proceskenmerk] = Wachtende(
            offset, sleutel, kader.leverancier, kader.aangeleverd_op, sinds, poging_op
        )

    def verwijder(self, sleutel: bytes) -> None:
        """What waited under this key is gone."""
        run = _run_van(sleutel)
        if run in self._wachtenden and self._wachtenden[run].sleutel == sleutel:
            del self._wachtenden[run]

    def vergeet(self, run: UUID) -> None:
        """The slice of this run waits no more."""
        self._wachtenden.pop(run, None)

    def runs(self) -> Collection[UUID]:
        """The runs that have a slice here."""
        return self._wachtenden.keys()

    def op_te_geven(self, nu_ms: int, geduld_ms: float) -> Collection[UUID]:
        """The runs that have waited long enough: delivered `geduld_ms` ago, and here for a twentieth of that.

        The second, so that what comes late because all was down is tried for a while, and not refused at first sight.
        """
        return {
            run
            for run, een in self._wachtenden.items()
            if nu_ms - een.aangeleverd_op >= geduld_ms and nu_ms - een.sinds >= geduld_ms / 20
        }

    def aan_de_beurt(
        self, nu: float, op_te_geven: Collection[UUID], mag: Callable[[str], bool]
    ) -> Iterator[tuple[float, int, UUID]]:
        """What can be tried now, in no order: since when, the offset in `wacht`, the run.

        Those whose leverancier may be asked about, and those `op_te_geven`, which are decided whatever is away.
        """
        return (
            (een.poging_op, een.offset, run)
            for run, een in self._wachtenden.items()
            if een.klaar_bij is None and een.poging_op <= nu and (run in op_te_geven or mag(een.leverancier))
        )

    def stel_uit(self, run: UUID, nu: float) -> None:
        """It could not be decided: later again."""
        een = self._wachtenden[run]
        een.poging_op = nu + _PAUZES_S[min(een.pogingen, len(_PAUZES_S) - 1)]
        een.pogingen += 1

    def vordert(self, run: UUID) -> None:
        """Nothing is away for it: what it waits for is on its way, so its pauses do not grow."""
        if run in self._wachtenden:
            self._wachtenden[run].pogingen = 0

    def wek(self, leverancier: str) -> None:
        """What waits for this leverancier can be tried at once."""
        for een in self._wachtenden.values():
            if een.leverancier == leverancier:
                een.poging_op, een.pogingen = 0.0, 0

    def klaar(self, run: UUID, besloten_tot: int) -> None:
        """All its messages are decided, below this offset of `validatie`."""
        self._wachtenden[run].klaar_bij = besloten_tot

    def heeft_besloten(self) -> bool:
        """Whether `te_wissen` may find something."""
        return any(een.klaar_bij is not None for een in self._wachtenden.values())

    def te_wissen(self, zichtbaar_tot: int) -> list[bytes]:
        """The keys of slices whose decisions ClickHouse shows: nobody needs their messages any more."""
        return [
            een.sleutel
            for een in self._wachtenden.values()
            if een.klaar_bij is not None and een.klaar_bij <= zichtbaar_tot
        ]
