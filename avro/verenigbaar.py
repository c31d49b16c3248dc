"""Whether what was written with one schema can be read with another (Avro 1.12, 'Schema Resolution').

fastavro finds this out only when it meets the data; a test must know it for every version before there is any.
"""

from collections.abc import Iterator
from typing import Any

_PROMOTIES = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
Soort = Any
"""A schema as JSON has it: a name, a list (union) or an object."""


def breuken(lezer: Soort, schrijver: Soort) -> list[str]:
    """Every reason why data of schema `schrijver` may not be readable with schema `lezer`; empty: all of it is.

    Each names the place, and what is wrong there. Defaults are taken for granted: whoever parses a schema checks them.
    """
    return list(_Vergelijking(lezer, schrijver).breuken())


class _Vergelijking:
    def __init__(self, lezer: Soort, schrijver: Soort) -> None:
        self._lezer, self._schrijver = lezer, schrijver
        self._namen_lezer, self._namen_schrijver = dict(_benoemd(lezer)), dict(_benoemd(schrijver))
        self._gezien: set[tuple[str, str]] = set()

    def breuken(self) -> Iterator[str]:
        yield from self._soort(self._lezer, self._schrijver, "")

    def _soort(self, lezer: Soort, schrijver: Soort, plaats: str) -> Iterator[str]:
        lezer, schrijver = (
            self._namen_lezer.get(_sleutel(lezer), lezer),
            self._namen_schrijver.get(_sleutel(schrijver), schrijver),
        )
        if isinstance(schrijver, list):
            for tak in schrijver:
                yield from self._soort(lezer, tak, plaats)
            return
        if isinstance(lezer, list):
            if all(list(self._soort(tak, schrijver, plaats)) for tak in lezer):
                yield f"{plaats}: {_woord(schrijver)} is in no branch of the union"
            return
        was, wordt = _woord(schrijver), _woord(lezer)
        if was != wordt:
            if wordt not in _PROMOTIES.get(was, ()):
                yield f"{plaats}: {was} became {wordt}"
            return
        if was in ("record", "enum", "fixed"):
            yield from self._benoemd(lezer, schrijver, plaats)
        elif was == "array":
            yield from self._soort(lezer["items"], schrijver["items"], f"{plaats}[]")
        elif was == "map":
            yield from self._soort(lezer["values"], schrijver["values"], f"{plaats}{{}}")

    def _benoemd(self, lezer: Soort, schrijver: Soort, plaats: str) -> Iterator[str]:
        if schrijver["name"] not in {lezer["name"], *lezer.get("aliases", ())}:
            yield f"{plaats}: {schrijver['name']} became {lezer['name']}"
        elif lezer["type"] == "fixed" and lezer["size"] != schrijver["size"]:
            yield f"{plaats}: size {schrijver['size']} became {lezer['size']}"
        elif lezer["type"] == "enum" and "default" not in lezer:
            for symbool in sorted(set(schrijver["symbols"]) - set(lezer["symbols"])):
                yield f"{plaats}: symbol {symbool} is gone, and there is no default"
        elif lezer["type"] == "record" and (lezer["name"], schrijver["name"]) not in self._gezien:
            self._gezien.add((lezer["name"], schrijver["name"]))
            yield from self._velden(lezer, schrijver, plaats)

    def _velden(self, lezer: Soort, schrijver: Soort, plaats: str) -> Iterator[str]:
        geschreven = {veld["name"]: veld for veld in schrijver["fields"]}
        for veld in lezer["fields"]:
            hier = f"{plaats}.{veld['name']}".lstrip(".")
            namen = [naam for naam in (veld["name"], *veld.get("aliases", ())) if naam in geschreven]
            if namen:
                yield from self._soort(veld["type"], geschreven[namen[0]]["type"], hier)
            elif "default" not in veld:
                yield f"{hier}: new, and without a default"


def _woord(soort: Soort) -> str:
    return str(soort["type"]) if isinstance(soort, dict) else str(soort)


def _sleutel(soort: Soort) -> str:
    return soort if isinstance(soort, str) else ""


def _benoemd(soort: Soort) -> Iterator[tuple[str, Soort]]:
    """The named types that a schema defines, by name."""
    if isinstance(soort, list):
        for tak in soort:
            yield from _benoemd(tak)
    elif isinstance(soort, dict):
        if "name" in soort:
            yield soort["name"], soort
        for deel in (soort.get("items"), soort.get("values"), *(veld["type"] for veld in soort.get("fields", ()))):
            yield from _benoemd(deel)
