"""Prints every setting as Markdown: the second half of docs/settings.md (`make docs` writes it)."""

from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr

from streams.settings import Instellingen

_SOORTEN = {
    str: "text",
    int: "whole number",
    float: "number",
    Path: "path",
    bool: "true or false",
    SecretStr: "text, secret",
}


def beschrijf() -> str:
    """A table of the environment variables: kind, default, and what each is for."""
    voorvoegsel = Instellingen.model_config["env_prefix"]
    regels = ["| variable | kind | default | what it is |", "| --- | --- | --- | --- |"]
    for naam, veld in Instellingen.model_fields.items():
        cellen = (f"`{voorvoegsel}{naam.upper()}`", _soort(veld.annotation), _waarde(veld.default), veld.description)
        regels.append(f"| {' | '.join(map(str, cellen))} |")
    return "\n".join(regels) + "\n"


def _soort(annotatie: Any) -> str:
    soorten = get_args(annotatie) if get_origin(annotatie) in (Union, UnionType) else (annotatie,)
    return " or ".join(_naam(soort) for soort in soorten if soort is not type(None))


def _naam(soort: Any) -> str:
    if get_origin(soort) is Literal:
        return f"one of {', '.join(f'`{keuze}`' for keuze in get_args(soort))}"
    return _SOORTEN[soort]


def _waarde(waarde: object) -> str:
    return "none" if waarde in (None, "") else f"`{waarde}`"


if __name__ == "__main__":
    print(beschrijf(), end="")
