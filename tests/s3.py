"""A bucket for tests, over HTTP as obstore speaks to S3: objects whole or in pieces, and ranges of them."""

import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from xml.sax.saxutils import escape

from aiohttp import web

BUCKET = "emmer"


@dataclass
class Emmer:
    """What is in it, and what was asked of it."""

    objecten: dict[str, bytes] = field(default_factory=dict)
    geschreven: dict[str, float] = field(default_factory=dict)
    """When, in seconds since 1970."""
    loopt_voor_s: float = 0.0
    """Of its clock."""
    delen: dict[str, dict[int, bytes]] = field(default_factory=dict)
    """Pieces of uploads that are not complete."""
    vragen: list[tuple[str, int]] = field(default_factory=list)
    """Method, and bytes of what was sent or answered."""
    weigert: set[str] = field(default_factory=set)
    """Methods that are refused."""
    url: str = ""

    def omgeving(self) -> dict[str, str]:
        """The variables with which obstore finds it."""
        return {
            "AWS_ENDPOINT": self.url,
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "eu-west-1",
            "AWS_ACCESS_KEY_ID": "naam",
            "AWS_SECRET_ACCESS_KEY": "geheim",
        }

    async def antwoord(self, vraag: web.Request) -> web.Response:
        """One request."""
        naam = vraag.match_info.get("naam", "")
        inhoud = await vraag.read()
        if vraag.method in self.weigert:
            return web.Response(status=403)
        match vraag.method:
            case "PUT" if "partNumber" in vraag.query:
                self.delen[vraag.query["uploadId"]][int(vraag.query["partNumber"])] = inhoud
                antwoord = web.Response(headers={"ETag": '"deel"'})
            case "PUT":
                self._zet(naam, inhoud)
                antwoord = web.Response(headers={"ETag": '"heel"'})
            case "POST" if "uploads" in vraag.query:
                nummer = secrets.token_hex(8)
                self.delen[nummer] = {}
                antwoord = _xml("InitiateMultipartUploadResult", f"<UploadId>{nummer}</UploadId>")
            case "POST" if "delete" in vraag.query:
                weg = re.findall("<Key>(.*?)</Key>", inhoud.decode())
                for een in weg:
                    self.objecten.pop(een, None)
                antwoord = _xml("DeleteResult", "".join(f"<Deleted><Key>{een}</Key></Deleted>" for een in weg))
            case "POST":
                delen = self.delen.pop(vraag.query["uploadId"])
                self._zet(naam, b"".join(inhoud for _, inhoud in sorted(delen.items())))
                antwoord = _xml("CompleteMultipartUploadResult", "<ETag>heel</ETag>")
            case "DELETE" if "uploadId" in vraag.query:
                self.delen.pop(vraag.query["uploadId"], None)
                antwoord = web.Response(status=204)
            case "GET" if "list-type" in vraag.query:
                antwoord = _xml("ListBucketResult", self._lijst(vraag.query["prefix"]))
            case _:
                antwoord = self._lees(naam, vraag.http_range)
        self.vragen.append((vraag.method, len(inhoud) or antwoord.content_length or 0))
        return antwoord

    def _zet(self, naam: str, inhoud: bytes) -> None:
        self.objecten[naam] = inhoud
        self.geschreven[naam] = time.time() + self.loopt_voor_s

    def _lees(self, naam: str, welk: slice) -> web.Response:
        if naam not in self.objecten:
            return web.Response(status=404)
        heel = self.objecten[naam]
        kop = {"ETag": '"heel"', "Last-Modified": formatdate(self.geschreven[naam], usegmt=True)}
        if welk.start is None:
            return web.Response(body=heel, headers=kop)
        begin, einde, _ = welk.indices(len(heel))
        kop["Content-Range"] = f"bytes {begin}-{einde - 1}/{len(heel)}"
        return web.Response(status=206, body=heel[begin:einde], headers=kop)

    def _lijst(self, voor: str) -> str:
        namen = sorted(naam for naam in self.objecten if naam.startswith(voor))
        return "<IsTruncated>false</IsTruncated>" + "".join(
            f"<Contents><Key>{escape(naam)}</Key><LastModified>{_iso(self.geschreven[naam])}</LastModified>"
            f"<Size>{len(self.objecten[naam])}</Size><ETag>heel</ETag></Contents>"
            for naam in namen
        )


def _iso(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}.000Z"


def _xml(soort: str, inhoud: str) -> web.Response:
    return web.Response(text=f"<{soort}>{inhoud}</{soort}>", content_type="application/xml")


@asynccontextmanager
async def emmer() -> AsyncIterator[Emmer]:
    """An empty bucket that answers until it is left."""
    een = Emmer()
    app = web.Application(client_max_size=200_000_000)
    app.router.add_route("*", f"/{BUCKET}", een.antwoord)
    app.router.add_route("*", f"/{BUCKET}/{{naam:.*}}", een.antwoord)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        een.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield een
    finally:
        await runner.cleanup()
