"""Help texts: behind an option that takes no value no type is shown."""

from collections.abc import Callable
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

Functie = TypeVar("Functie", bound=Callable[..., Any])


class Opdracht(TyperCommand):
    """A command; `--help` is one of its options too."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """All that it takes."""
        return _zonder_type(super().get_params(ctx))


class Groep(TyperGroup):
    """A command that has commands."""

    def get_params(self, ctx: typer.Context) -> list[Any]:  # type: ignore[override]
        """All that it takes itself."""
        return _zonder_type(super().get_params(ctx))


class Opdrachten(typer.Typer):
    """An app whose commands are such."""

    def __init__(self, **opties: Any) -> None:
        super().__init__(cls=Groep, **opties)

    def command(self, name: str | None = None, **opties: Any) -> Callable[[Functie], Functie]:
        """As of any app."""
        return super().command(name, cls=Opdracht, **opties)


def _zonder_type(parameters: list[Any]) -> list[Any]:
    for een in parameters:
        if isinstance(een, TyperOption) and een.is_flag:
            een.metavar = ""
    return parameters
