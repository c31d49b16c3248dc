"""The object store of bijlagen and placed messages: encrypted, durable when it says so, and safe to write twice.

A folder (`file:///dir`) or S3 (`s3://bucket/prefix`, with the AWS_… variables that obstore reads). An object gets its
final name only when it is whole: on S3 by nature, in a folder by writing it under `.tijdelijk`, flushing it to disk and
then renaming it. So what is there is whole, and writing it again within a day needs no more than flushing the folders
that hold it: another writer may have renamed it a moment ago, and lost power takes such a name away.

What is written together stands together, in a pack (`sinks.pak`): one object, flushed once, whose parts are read alone.
"""

import asyncio
import os
import re
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from obstore.store import LocalStore, ObjectStore, from_url

from domain.batch import SHA256_BYTES
from sinks.opslagfouten import ObjectOntbreekt, OpslagWeg, als_opslag_weg
from sinks.pak import EINDE_BYTES, Pak, Plek, lees_opgave, opgave_bytes
from streams.sleutels import KOP_BYTES, Sleutels, sleutelnaam

if TYPE_CHECKING:
    from obstore import GetOptions

__all__ = ["TIJDELIJK", "VERS_S", "ObjectOntbreekt", "Objecten", "OpslagWeg", "bijlage_naam"]

TIJDELIJK = ".tijdelijk"
_TEGELIJK = 16
"""Objects of one call that are under way at the same time."""
_DEEL_BYTES = 5 * 1024 * 1024
_DELEN = 2
"""A pack larger than this goes to S3 in pieces of this size, so many at once: no more of it is in memory."""
_SCHRIJVERS = 8
"""Threads that write to a folder and flush: a disk commits what several ask for in one go."""
_WEES_NA_S = 24 * 3600
"""Age in seconds at which an unfinished object is surely left over from a crash."""
VERS_S = 24 * 3600
"""An object that is stored again at a higher age is written anew: how old it is tells when it was last asked for."""
_DEEL = r"[A-Za-z0-9][A-Za-z0-9._=-]{0,127}"
_NAAM = re.compile(rf"{_DEEL}(/{_DEEL}){{0,15}}")


def bijlage_naam(sha256: bytes) -> str:
    """The name of a bijlage: by its content, so that the same bijlage is stored once. `bijlagen/ab/cdef…`."""
    if len(sha256) != SHA256_BYTES:
        raise ValueError("a SHA-256 has 32 bytes")
    tekst = sha256.hex()
    return f"bijlagen/{tekst[:2]}/{tekst[2:]}"


class Objecten:
    """Encrypted objects by name. Raises OpslagWeg from every call when the store does not answer."""

    def __init__(self, url: str, sleutels: Sleutels) -> None:
        """Opens a store; a folder is made when it is missing. Raises ValueError for a URL of another kind."""
        self._sleutels = sleutels
        self._map: Path | None = None
        self._store: ObjectStore
        delen = urlsplit(url)
        if delen.scheme == "file" and delen.netloc in ("", "localhost") and delen.path.startswith("/"):
            self._map = Path(unquote(delen.path))
            with als_opslag_weg():
                nieuw = not self._map.exists()
                (self._map / TIJDELIJK).mkdir(parents=True, exist_ok=True)
                if nieuw:
                    _spoel(self._map.parent)
                self._store = LocalStore(self._map)
            self._ruim_wezen_op(self._map / TIJDELIJK)
        elif delen.scheme == "s3" and delen.netloc:
            self._store = from_url(url)
        else:
            raise ValueError("the object store is file:///folder or s3://bucket/prefix")
        self._schrijvers = ThreadPoolExecutor(_SCHRIJVERS, thread_name_prefix="opslag")
        self._te_spoelen: dict[Path, asyncio.Task[None]] = {}
        """Folders whose flushing has not begun: who gave a name in one before that need not ask for another."""

    async def bewaar(self, naam: str, inhoud: bytes) -> None:
        """Stores one object; returns when it is durable. An object that is there already stays as it is.

        Raises OpslagWeg, and ValueError for a name that is not letters, digits and `._=-` between slashes.
        """
        await self.bewaar_alle([(naam, inhoud)])

    async def bewaar_alle(self, items: Iterable[tuple[str, bytes]]) -> None:
        """Stores several objects; returns when all are durable. Raises as `bewaar` does; some may then be stored."""
        alle = {_toegestaan(naam): inhoud for naam, inhoud in items}
        with als_opslag_weg():
            poort = asyncio.Semaphore(_TEGELIJK)
            await _alle(self._schrijf(poort, naam, inhoud) for naam, inhoud in alle.items())
            await self._spoel_mappen(alle)

    def begin_pak(self) -> Pak:
        """A pack to fill, in a thread; nobody sees it before `leg_vast`. Raises OpslagWeg."""
        with als_opslag_weg():
            pad = None if self._map is None else self._map / TIJDELIJK / secrets.token_hex(16)
            bestand = tempfile.TemporaryFile() if pad is None else pad.open("xb")  # noqa: SIM115 (the pack closes it)
        return Pak(bestand, pad, self._sleutels.versleutelaar())

    async def leg_vast(self, pak: Pak, naam: str) -> None:
        """Gives a pack that is closed its name; returns when it is durable, and it may then be left.

        A pack of that name that is there already is replaced: it had the same content. Who stops waiting for a large
        one can leave pieces in S3, which a rule of the bucket takes away. Raises OpslagWeg.
        """
        _toegestaan(naam)
        with als_opslag_weg():
            if self._map is None or pak.pad is None:
                pak.bestand.seek(0)
                # Given the file itself, obstore holds far more of it.
                stukken = iter(partial(pak.bestand.read, _DEEL_BYTES), b"")
                in_delen = pak.grootte > _DEEL_BYTES
                await self._store.put_async(naam, stukken, use_multipart=in_delen, max_concurrency=_DELEN)
                return
            await self._in_thread(_geef_naam, pak.pad, self._map / naam)
            await self._spoel_mappen([naam])

    async def opgave(self, naam: str) -> dict[bytes, Plek]:
        """What is in a pack, by its marks. Raises ObjectOntbreekt, OpslagWeg, and SleutelFout for what is no pack."""
        einde = await self._haal(naam, {"range": {"suffix": EINDE_BYTES}})
        if (nodig := opgave_bytes(einde)) > len(einde):
            einde = await self._haal(naam, {"range": {"suffix": nodig}})
        return lees_opgave(einde, self._sleutels.ontsleutel)

    async def lees_deel(self, naam: str, plek: Plek) -> bytes:
        """One part of a pack, and no more is read. Raises as `lees` does."""
        begin, lengte = plek
        return await self._ontsleutel(await self._haal(naam, {"range": (begin, begin + lengte)}))

    async def lees(self, naam: str) -> bytes:
        """The content. Raises ObjectOntbreekt, OpslagWeg, and SleutelFout when it was altered."""
        return await self._ontsleutel(await self._haal(naam))

    async def bestaat(self, naam: str) -> bool:
        """Whether there is an object of that name."""
        with als_opslag_weg():
            try:
                await self._store.head_async(_toegestaan(naam))
            except FileNotFoundError:
                return False
            return True

    async def sleutel_van(self, naam: str) -> str | None:
        """The name of the key that an object is encrypted with; None when it is gone. Raises OpslagWeg, SleutelFout."""
        with als_opslag_weg():
            try:
                kop = await self._store.get_range_async(_toegestaan(naam), start=0, length=KOP_BYTES)
            except FileNotFoundError:
                return None
        return sleutelnaam(bytes(kop))

    async def lijst(self, map_: str) -> AsyncIterator[tuple[str, int]]:
        """The names of all objects in a folder, with when each was last written, in milliseconds since 1970."""
        with als_opslag_weg():
            async for deel in self._store.list(prefix=_toegestaan(map_)):
                for een in deel:
                    yield een["path"], int(een["last_modified"].timestamp() * 1000)

    async def verplaats(self, naam: str, nieuw: str) -> None:
        """Gives an object another name; the one that had it goes. One that is not there is left so."""
        with als_opslag_weg(), suppress(FileNotFoundError):
            await self._store.rename_async(_toegestaan(naam), _toegestaan(nieuw))

    async def verwijder(self, naam: str) -> None:
        """Deletes an object, and its folder when that is empty then. One that is not there is left so."""
        with als_opslag_weg(), suppress(FileNotFoundError):
            await self._store.delete_async(_toegestaan(naam))
        if self._map is not None:
            with suppress(OSError):  # it holds others
                (self._map / naam).parent.rmdir()

    async def controleer(self) -> None:
        """Writes, reads and removes a small object. Raises OpslagWeg when the store cannot be used."""
        naam = f"{TIJDELIJK}/proef-{secrets.token_hex(16)}"
        with als_opslag_weg():
            await self._store.put_async(naam, b"proef")
            await self._store.get_async(naam)
            await self._store.delete_async(naam)

    async def nu(self) -> int:
        """The time by the clock that dates what is stored, in milliseconds since 1970. Raises OpslagWeg."""
        naam = f"{TIJDELIJK}/proef-{secrets.token_hex(16)}"
        with als_opslag_weg():
            await self._store.put_async(naam, b"proef")
            gevonden = await self._store.head_async(naam)
            await self._store.delete_async(naam)
        return int(gevonden["last_modified"].timestamp() * 1000)

    async def _schrijf(self, poort: asyncio.Semaphore, naam: str, inhoud: bytes) -> None:
        async with poort:
            if self._map is not None:
                await self._in_thread(self._leg_neer, self._map, naam, inhoud)
            elif not await self._is_vers(naam):
                versleuteld = await asyncio.to_thread(self._sleutels.versleutel, inhoud)
                await self._store.put_async(naam, versleuteld)

    def _leg_neer(self, map_: Path, naam: str, inhoud: bytes) -> None:
        """Writes a file, in one thread from beginning to end: going back and forth costs more than the writing."""
        pad = map_ / naam
        with suppress(FileNotFoundError):
            if time.time() - pad.stat().st_mtime < VERS_S:
                return
        tijdelijk = map_ / TIJDELIJK / secrets.token_hex(16)
        try:
            tijdelijk.write_bytes(self._sleutels.versleutel(inhoud))
            _geef_naam(tijdelijk, pad)
        except OSError:
            tijdelijk.unlink(missing_ok=True)
            raise

    async def _is_vers(self, naam: str) -> bool:
        """Whether an object is there that is not to be written anew."""
        try:
            gevonden = await self._store.head_async(naam)
        except FileNotFoundError:
            return False
        return time.time() - gevonden["last_modified"].timestamp() < VERS_S

    async def _haal(self, naam: str, welk: "GetOptions | None" = None) -> bytes:
        """An object as it is stored, or a part of it."""
        with als_opslag_weg():
            try:
                antwoord = await self._store.get_async(_toegestaan(naam), options=welk)
                return bytes(await antwoord.bytes_async())
            except FileNotFoundError:
                raise ObjectOntbreekt(naam) from None

    async def _ontsleutel(self, versleuteld: bytes) -> bytes:
        return await asyncio.to_thread(self._sleutels.ontsleutel, versleuteld)

    async def _spoel_mappen(self, namen: Iterable[str]) -> None:
        """Makes the names of objects durable, all the way up; on S3 they are."""
        if self._map is not None:
            mappen = {map_ for naam in namen for map_ in _mappen(self._map, naam)}
            await _alle(self._spoel_map(map_) for map_ in mappen)

    async def _spoel_map(self, map_: Path) -> None:
        taak = self._te_spoelen.get(map_)
        if taak is None or taak.done():
            taak = self._te_spoelen[map_] = asyncio.create_task(self._in_thread(self._spoel_samen, map_))
        await asyncio.shield(taak)

    def _spoel_samen(self, map_: Path) -> None:
        self._te_spoelen.pop(map_, None)  # who comes from here on is not certain to be in time
        _spoel(map_)

    async def _in_thread(self, doe: Callable[..., None], *woorden: object) -> None:
        await asyncio.get_running_loop().run_in_executor(self._schrijvers, doe, *woorden)

    @staticmethod
    def _ruim_wezen_op(map_: Path) -> None:
        grens = time.time() - _WEES_NA_S
        for pad in map_.iterdir():
            try:
                if pad.stat().st_mtime < grens:
                    pad.unlink()
            except FileNotFoundError:
                continue  # another process tidied it up


async def _alle(werk: Iterable[Coroutine[Any, Any, None]]) -> None:
    """All at once; when one fails the others are ended before its error goes on."""
    try:
        async with asyncio.TaskGroup() as groep:
            for deel in werk:
                groep.create_task(deel)
    except BaseExceptionGroup as fouten:
        raise fouten.exceptions[0] from None


def _toegestaan(naam: str) -> str:
    if not _NAAM.fullmatch(naam):
        raise ValueError("not a name for an object")
    return naam


def _mappen(wortel: Path, naam: str) -> list[Path]:
    """The folders that hold an object, up to and including the root."""
    return [ouder for ouder in (wortel / naam).parents if ouder == wortel or wortel in ouder.parents]


def _spoel(pad: Path) -> None:
    descriptor = os.open(pad, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _geef_naam(tijdelijk: Path, pad: Path) -> None:
    """Flushes a file, and gives it its name then. Its folders are not flushed yet."""
    _spoel(tijdelijk)
    try:
        tijdelijk.rename(pad)
    except FileNotFoundError:  # it is the first in its folder
        pad.parent.mkdir(parents=True, exist_ok=True)
        tijdelijk.rename(pad)
