"""Who exists, has an active box and is subscribed, and how a profile service may be made to fail."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

Bsn = Annotated[str, StringConstraints(pattern=r"^[0-9]{9}$")]
Oin = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z]{20}$")]

_GESLOTEN = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Gebruiker(BaseModel):
    """A citizen: whether the box is active, and to which leveranciers it is subscribed (`*` is all of them)."""

    model_config = _GESLOTEN

    bsn: Bsn = Field(repr=False)
    actief: StrictBool
    abonnementen: Literal["*"] | list[Oin]


class Gebruikers(BaseModel):
    """What is merged into the service at once; of two entries for one citizen the later counts."""

    model_config = _GESLOTEN

    gebruikers: list[Gebruiker]


class Telling(BaseModel):
    """How many citizens a merge added, changed, and found as they were."""

    nieuw: int = 0
    gewijzigd: int = 0
    gelijk: int = 0


class Storing(BaseModel):
    """How the service fails, for tests; nothing at all by default.

    `weg`: 503 at once. `traag_s`: seconds before each answer. `afbreken`: the connection breaks halfway the answer.
    `fout_bij_oin`: a DependentServiceFault for these leveranciers. `fout_bij_bsn`: an ApplicationFault for a question
    that names one of these citizens, quoting it. `laat_weg_bsn`: these citizens are missing from the answer.
    """

    model_config = _GESLOTEN

    weg: StrictBool = False
    traag_s: float = Field(default=0.0, ge=0, le=3600)
    afbreken: StrictBool = False
    fout_bij_oin: frozenset[str] = frozenset()
    fout_bij_bsn: frozenset[Bsn] = Field(default=frozenset(), repr=False)
    laat_weg_bsn: frozenset[Bsn] = Field(default=frozenset(), repr=False)
