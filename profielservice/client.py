"""Asking the profile service whether messages may be sent to citizens (Domain: Profile service)."""

import asyncio
import re
import ssl
from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Final, Literal, Protocol

import aiohttp
import zeep
from lxml import etree

from profielservice.envelop import GROEP, HOOGSTENS, SOAP, WSDL, OnleesbareXml, S, T, V, lees_xml

Soort = Literal[
    "ApplicationFault", "DependentServiceFault", "OnbekendeFout", "AntwoordOnvolledig", "AntwoordTegenstrijdig"
]

_BSN = re.compile(r"[0-9]{9}")
_NIEMAND = "000000000"
_SJABLONEN = 1000
"""Envelopes that are kept, each of a leverancier and a berichttype."""
_WAARHEID: Final = {"true": True, "1": True, "false": False, "0": False}


class ProfielserviceWeg(Exception):
    """The whole service is away: refused, timed out, an error without a SOAP fault, or an answer that cannot be read.

    Worth asking again later; never a reason to refuse a message. The text never holds a BSN.
    """


class ProfielserviceFout(Exception):
    """The service answered this question with a SOAP fault of this `soort`; another question may well succeed.

    The text never holds a BSN: the fault's own message may quote one, and is dropped.
    """

    def __init__(self, soort: Soort) -> None:
        super().__init__(f"the profile service answered with {soort}")
        self.soort = soort


class AntwoordOnvolledig(ProfielserviceFout):
    """The answer left out `ontbrekend` of the citizens that were asked about."""

    def __init__(self, ontbrekend: int) -> None:
        super().__init__("AntwoordOnvolledig")
        self.ontbrekend = ontbrekend


class Profielservice(Protocol):
    """Knows whether a citizen exists, has an active box and is subscribed to a leverancier."""

    async def mag_versturen(self, leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
        """Whether a message of this leverancier (OIN) and berichttype may be sent to each of these citizens.

        Every BSN asked about, nine digits each, is a key of the answer; repeats are asked once. Raises
        ProfielserviceWeg, ProfielserviceFout, and ValueError for what is not nine digits; an answer is whole or absent.
        """
        ...

    async def close(self) -> None:
        """Give up the connections."""
        ...


def unieke_bsns(bsns: Sequence[str]) -> list[str]:
    """The different BSNs, in the order given. Raises ValueError when one is not nine digits 0–9."""
    uniek = list(dict.fromkeys(bsns))
    onjuist = sum(_BSN.fullmatch(bsn) is None for bsn in uniek)
    if onjuist:
        raise ValueError(f"{onjuist} of {len(uniek)} keys are not nine digits")
    return uniek


class SoapProfielservice:
    """The profile service over SOAP.

    `timeout_s` bounds a call from its first byte to its last, in seconds, also when the answer goes wrong halfway;
    `groep` citizens go in a call, at most 250;
    `gelijktijdig` calls run at once, over all questions together. `tls` holds the client certificate where the service
    asks for one. A question holds BSNs: bodies are never logged, and proxies that the environment names are not used.

    zeep knows the interface and makes the envelope, once for each berichttype of a leverancier. Citizens are put in as
    text, and the answer goes through lxml: zeep's objects cost many times as much.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float = 30.0,
        soap_action: str = "",
        gelijktijdig: int = 2,
        groep: int = GROEP,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not 1 <= groep <= GROEP:
            raise ValueError(f"a call names 1 to {GROEP} citizens, not {groep}")
        if gelijktijdig < 1:
            raise ValueError(f"at least one call runs at once, not {gelijktijdig}")
        settings = zeep.Settings(strict=True, forbid_dtd=True, forbid_entities=True, forbid_external=True)
        self._zeep = zeep.Client(str(WSDL), settings=settings)  # type: ignore[no-untyped-call]
        self._url = url
        self._timeout_s = timeout_s
        self._groep = groep
        self._beurt = asyncio.Semaphore(gelijktijdig)
        self._headers = {
            "Content-Type": "text/xml; charset=utf-8",
            "SOAPAction": f'"{soap_action}"',
            "Accept-Encoding": "identity",
        }
        self._tls = tls or True
        self._gelijktijdig = gelijktijdig
        self._sessie: aiohttp.ClientSession | None = None
        self._sjabloon = lru_cache(_SJABLONEN)(self._maak_sjabloon)

    async def mag_versturen(self, leverancier: str, berichttype: str, bsns: Sequence[str]) -> dict[str, bool]:
        """See Profielservice. The first call that fails ends the others."""
        uniek = unieke_bsns(bsns)
        groepen = [uniek[begin : begin + self._groep] for begin in range(0, len(uniek), self._groep)]
        try:
            async with asyncio.TaskGroup() as samen:
                taken = [samen.create_task(self._vraag(leverancier, berichttype, groep)) for groep in groepen]
        except ExceptionGroup as fouten:
            raise fouten.exceptions[0] from None
        return {bsn: mag for taak in taken for bsn, mag in taak.result().items()}

    async def close(self) -> None:
        """Close the connections."""
        if self._sessie is not None:
            await self._sessie.close()

    async def _vraag(self, leverancier: str, berichttype: str, bsns: list[str]) -> dict[str, bool]:
        async with self._beurt:
            status, inhoud = await self._post(self._envelop(leverancier, berichttype, bsns))
        return _lees_antwoord(status, inhoud, bsns)

    def _envelop(self, leverancier: str, berichttype: str, bsns: list[str]) -> bytes:
        kop, klant, staart = self._sjabloon(leverancier, berichttype)
        return (kop + "".join([klant.replace(_NIEMAND, bsn) for bsn in bsns]) + staart).encode()

    def _maak_sjabloon(self, leverancier: str, berichttype: str) -> tuple[str, str, str]:
        """What stands before the citizens, what says who one is, and what stands behind them."""
        aanvraag = {
            "berichtleverancierCode": leverancier,
            "berichtTypeCode": berichttype,
            "klanten": {"Klant": [{"Key": _NIEMAND, "Rol": "Burger"}]},
        }
        envelop: etree._Element = self._zeep.create_message(  # type: ignore[no-untyped-call]
            self._zeep.service, "ValidateAbonnementen", validateAbonnementenAanvraag=aanvraag
        )
        etree.cleanup_namespaces(envelop, top_nsmap={"V": V, "T": T, "S": S})
        tekst = etree.tostring(envelop, xml_declaration=True, encoding="utf-8").decode()
        begin, einde = tekst.index("<S:Klant>"), tekst.index("</T:klanten>")
        return tekst[:begin], tekst[begin:einde], tekst[einde:]

    def _verbonden(self) -> aiohttp.ClientSession:
        if self._sessie is None:  # not before there is a loop
            self._sessie = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=self._gelijktijdig, ssl=self._tls),
                timeout=aiohttp.ClientTimeout(total=None),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._sessie

    async def _post(self, vraag: bytes) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self._timeout_s):
                try:
                    return await self._stuur(vraag)
                except aiohttp.ClientConnectorError:
                    raise
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # Perhaps it had closed a connection that stood idle. A question changes nothing: it may come twice.
                    return await self._stuur(vraag)
        except (aiohttp.ClientError, OSError) as fout:
            raise ProfielserviceWeg(f"no answer: {type(fout).__name__}") from None

    async def _stuur(self, vraag: bytes) -> tuple[int, bytes]:
        inhoud = bytearray()
        async with self._verbonden().post(
            self._url, data=vraag, headers=self._headers, allow_redirects=False
        ) as antwoord:
            async for stuk in antwoord.content.iter_any():
                inhoud += stuk
                if len(inhoud) > HOOGSTENS:
                    raise ProfielserviceWeg(f"answer of more than {HOOGSTENS} bytes")
            return antwoord.status, bytes(inhoud)


def _lees_antwoord(status: int, inhoud: bytes, bsns: list[str]) -> dict[str, bool]:
    try:
        envelop = lees_xml(inhoud)
    except OnleesbareXml as fout:
        raise ProfielserviceWeg(f"HTTP {status}, answer that cannot be read: {fout}") from None
    if (
        envelop.tag == f"{{{SOAP}}}Envelope"
        and (soap_fout := envelop.find(f"{{{SOAP}}}Body/{{{SOAP}}}Fault")) is not None
    ):
        raise ProfielserviceFout(_soort(soap_fout))
    resultaat = envelop.find(f"{{{SOAP}}}Body/{{{V}}}ValidateAbonnementenResponse/{{{V}}}ValidateAbonnementenResult")
    if status != HTTPStatus.OK or envelop.tag != f"{{{SOAP}}}Envelope" or resultaat is None:
        raise ProfielserviceWeg(f"HTTP {status}, no SOAP answer to the question")
    gevraagd = set(bsns)
    antwoord: dict[str, bool] = {}
    for abonnement in resultaat.iterfind(f"{{{T}}}Abonnement"):
        bsn = abonnement.findtext(f"{{{T}}}klant/{{{S}}}Key")
        mag = _WAARHEID.get((abonnement.findtext(f"{{{T}}}isBerichtSturen") or "").strip())
        if bsn is None or mag is None:
            raise ProfielserviceWeg("an Abonnement without a key or without a truth value")
        if bsn in gevraagd and antwoord.setdefault(bsn, mag) is not mag:
            raise ProfielserviceFout("AntwoordTegenstrijdig")
    if len(antwoord) < len(gevraagd):
        raise AntwoordOnvolledig(len(gevraagd) - len(antwoord))
    return antwoord


def _soort(soap_fout: etree._Element) -> Soort:
    detail = soap_fout.find("detail")
    if detail is not None and detail.find(f"{{{S}}}ApplicationFault") is not None:
        return "ApplicationFault"
    if detail is not None and detail.find(f"{{{S}}}DependentServiceFault") is not None:
        return "DependentServiceFault"
    return "OnbekendeFout"
