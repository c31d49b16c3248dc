"""A profile service in memory, for tests of what asks it."""

import asyncio
from collections.abc import Iterable, Sequence

from profielservice.client import AntwoordOnvolledig, ProfielserviceFout, ProfielserviceWeg, unieke_bsns
from profielservice.gebruikers import Gebruiker, Storing


class GeheugenProfielservice:
    """Answers and fails as the SOAP client does against the reference server; the contract suite holds both to it.

    `storing` may be replaced at any time; slower than `timeout_s` seconds counts as away.
    """

    def __init__(self, gebruikers: Iterable[Gebruiker] = (), *, timeout_s: float = 30.0) -> None:
        self.gebruikers = {gebruiker.bsn: gebruiker for gebruiker in gebruikers}
        self.storing = Storing()
        self.aanroepen = 0
        """How often it was asked."""
        self._timeout_s = timeout_s

    async def mag_versturen(self, leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
        """See Profielservice."""
        uniek = unieke_bsns(bsns)
        self.aanroepen += 1
        storing = self.storing
        if not uniek:
            return {}
        if storing.weg or storing.afbreken:
            raise ProfielserviceWeg("away")
        await asyncio.sleep(min(storing.traag_s, self._timeout_s))
        if storing.traag_s > self._timeout_s:
            raise ProfielserviceWeg("too slow")
        if leverancier in storing.fout_bij_oin:
            raise ProfielserviceFout("DependentServiceFault")
        if not storing.fout_bij_bsn.isdisjoint(uniek):
            raise ProfielserviceFout("ApplicationFault")
        if ontbrekend := len(storing.laat_weg_bsn.intersection(uniek)):
            raise AntwoordOnvolledig(ontbrekend)
        return {bsn: self._ontvangt(bsn, leverancier) for bsn in uniek}

    async def close(self) -> None:
        """Nothing to give up."""

    def _ontvangt(self, bsn: str, leverancier: str) -> bool:
        gebruiker = self.gebruikers.get(bsn)
        if gebruiker is None or not gebruiker.actief:
            return False
        return gebruiker.abonnementen == "*" or leverancier in gebruiker.abonnementen
