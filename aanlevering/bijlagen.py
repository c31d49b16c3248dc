"""The bijlagen of one batch, from the thread that reads it to one pack in the object store."""

from sinks.objecten import Objecten
from sinks.pak import Pak


class Afgebroken(Exception):
    """Nobody waits for this batch any more."""


class Bijlagen:
    """Takes the bijlagen as they pass, and holds none: they go to a file that has no name until all is durable."""

    def __init__(self, objecten: Objecten) -> None:
        self._objecten = objecten
        self._pak: Pak | None = None
        self._afgebroken = False

    @property
    def leeg(self) -> bool:
        """Whether there were none: then nothing comes in the store."""
        return self._pak is None

    def bewaar(self, sha256: bytes, inhoud: bytes) -> None:
        """One more, in the thread that reads. Raises OpslagWeg."""
        if self._pak is None:
            self._pak = self._objecten.begin_pak()
        self._pak.voeg_toe(sha256, inhoud)

    def rond_af(self) -> None:
        """In the thread that reads: these were all. Raises OpslagWeg."""
        if self._pak is not None:
            self._pak.rond_af()

    async def leg_vast(self, naam: str) -> None:
        """Returns when all are durable, in a pack of this name; without bijlagen there is none. Raises OpslagWeg."""
        if self._pak is not None:
            await self._objecten.leg_vast(self._pak, naam)

    def controleer(self) -> None:
        """For the thread to ask between two pieces of the batch. Raises Afgebroken."""
        if self._afgebroken:
            raise Afgebroken

    def breek_af(self) -> None:
        """Makes the thread stop soon."""
        self._afgebroken = True

    def close(self) -> None:
        """When the thread is done: takes away what did not get its name."""
        if self._pak is not None:
            self._pak.close()
