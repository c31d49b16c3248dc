"""A TCP proxy on loopback whose connections can be cut, held up, and refused."""

import asyncio
import threading

_STUK = 256 * 1024


class Doorgeefluik:
    """Passes on what comes to `poort` to `naar`, another port; everything is called from any thread."""

    def __init__(self, poort: int, naar: int) -> None:
        self.poort = poort
        self._naar = naar
        self._traag_s = 0.0
        self._dicht = False
        self._schrijvers: set[asyncio.StreamWriter] = set()
        self._taken: set[asyncio.Task[None]] = set()
        self._lus = asyncio.new_event_loop()
        self._klaar = threading.Event()
        self._draad = threading.Thread(target=self._draai, daemon=True, name=f"doorgeefluik-{poort}")

    def start(self) -> None:
        """Returns when it listens."""
        self._draad.start()
        if not self._klaar.wait(10):
            raise OSError(f"the proxy does not listen on port {self.poort}")

    def stop(self) -> None:
        """Cuts all, and listens no more."""
        self._lus.call_soon_threadsafe(self._lus.stop)
        self._draad.join(10)

    def knip(self) -> int:
        """Cuts every connection at once, in the middle of what it was saying; how many there were."""
        aantal = len(self._schrijvers) // 2
        self._lus.call_soon_threadsafe(self._knip)
        return aantal

    def zet(self, *, traag_s: float = 0.0, dicht: bool = False) -> None:
        """From now on hold up each piece so long, and cut new connections at once."""
        self._traag_s, self._dicht = traag_s, dicht

    def _knip(self) -> None:
        for schrijver in self._schrijvers:
            schrijver.transport.abort()

    def _draai(self) -> None:
        asyncio.set_event_loop(self._lus)

        async def luister() -> None:
            await asyncio.start_server(self._verbind, "127.0.0.1", self.poort, limit=_STUK)
            self._klaar.set()

        self._lus.run_until_complete(luister())
        self._lus.run_forever()
        self._knip()

    async def _verbind(self, lezer: asyncio.StreamReader, schrijver: asyncio.StreamWriter) -> None:
        if self._dicht:
            schrijver.transport.abort()
            return
        try:
            naar_lezer, naar_schrijver = await asyncio.open_connection("127.0.0.1", self._naar, limit=_STUK)
        except OSError:
            schrijver.transport.abort()
            return
        paar = {schrijver, naar_schrijver}
        self._schrijvers |= paar
        try:
            await asyncio.gather(self._geef_door(lezer, naar_schrijver), self._geef_door(naar_lezer, schrijver))
        finally:
            self._schrijvers -= paar
            for een in paar:
                een.transport.abort()

    async def _geef_door(self, lezer: asyncio.StreamReader, schrijver: asyncio.StreamWriter) -> None:
        try:
            while stuk := await lezer.read(_STUK):
                if self._traag_s:
                    await asyncio.sleep(self._traag_s)
                schrijver.write(stuk)
                await schrijver.drain()
            schrijver.write_eof()
        except OSError:  # broken off on one side, so on the other: else that one would wait for ever
            schrijver.transport.abort()
