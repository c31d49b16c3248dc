"""Remembering what the profile service answered, for a short while and without BSNs."""

import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

from profielservice.client import Profielservice, unieke_bsns

ZEVEN_DAGEN_S = 7 * 24 * 3600.0
"""Seconds that an answer may be used (Domain: Profile service)."""


class CachendeProfielservice:
    """A profile service that asks another one only what it does not remember.

    An answer lives `geldig_s` seconds from when its question was put, at most seven days, on the clock `nu` (seconds);
    at most `hoogstens` answers are kept, the oldest gives way. What was asked is known by an HMAC-SHA256 under a key
    that exists in this process alone. Yes and no are both kept; errors are not.
    """

    def __init__(
        self,
        binnen: Profielservice,
        *,
        geldig_s: float = 300.0,
        hoogstens: int = 200_000,
        nu: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 < geldig_s <= ZEVEN_DAGEN_S:
            raise ValueError(f"an answer lives more than 0 and at most {ZEVEN_DAGEN_S} seconds, not {geldig_s}")
        if hoogstens < 1:
            raise ValueError(f"at least one answer is kept, not {hoogstens}")
        self._binnen = binnen
        self._geldig_s = geldig_s
        self._hoogstens = hoogstens
        self._nu = nu
        self._sleutel = secrets.token_bytes(32)
        # A plain dict looks for its oldest key past all that were removed before it.
        self._bekend: OrderedDict[bytes, tuple[float, bool]] = OrderedDict()

    async def mag_versturen(self, leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
        """See Profielservice."""
        gevraagd_op = self._nu()
        wie = {bsn: self._pseudoniem(leverancier, berichttype, bsn) for bsn in unieke_bsns(bsns)}
        antwoord: dict[str, bool] = {}
        for bsn, pseudoniem in wie.items():
            vervalt_op, mag = self._bekend.get(pseudoniem, (gevraagd_op, False))
            if gevraagd_op < vervalt_op:
                antwoord[bsn] = mag
        onbekend = [bsn for bsn in wie if bsn not in antwoord]
        if onbekend:
            nieuw = await self._binnen.mag_versturen(leverancier, berichttype, onbekend)
            for bsn, mag in nieuw.items():
                self._bekend.pop(wie[bsn], None)
                self._bekend[wie[bsn]] = (gevraagd_op + self._geldig_s, mag)
            self._ruim_op()
            antwoord |= nieuw
        return antwoord

    async def close(self) -> None:
        """Forget everything and close the service behind."""
        self._bekend.clear()
        await self._binnen.close()

    def __len__(self) -> int:
        """How many answers are kept now."""
        return len(self._bekend)

    def _pseudoniem(self, leverancier: str, berichttype: str, bsn: str) -> bytes:
        wat = f"{len(leverancier)}:{leverancier}{berichttype}{bsn}"
        return hmac.digest(self._sleutel, wat.encode(), "sha256")

    def _ruim_op(self) -> None:
        # Every answer lives equally long, so the order in which they came is the order in which they go.
        nu = self._nu()
        while self._bekend:
            vervalt_op, _ = self._bekend[next(iter(self._bekend))]
            if len(self._bekend) <= self._hoogstens and nu < vervalt_op:
                return
            self._bekend.popitem(last=False)
