"""What analysts, ops and the portal ask: Totalen, Berichtverwerking, the errors behind a number, results, the norm.

Lists of dictionaries in the shapes that the command line prints as JSON: GUIDs in lower case, times in ISO 8601 with Z.
A message that has no outcome yet has null for code, stadium and verwerkt_op.
"""
# ruff: noqa: S608 (only constants of this file are put together into SQL; values go as parameters)

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args
from uuid import UUID

from domain.batch import Kader
from domain.codes import Verwerkingscode
from domain.resultaat import Resultaat
from domain.tijd import NORM_MS, schrijf_tijd
from sinks.cursor import NA_CURSOR, lees_cursor, schrijf_cursor
from sinks.stroomvragen import KADER, PER_VRAAG, NietAfgerond, stukken
from sinks.tellingen import NU, Tellingen, al_geteld, binnen, van_batches

Op = Literal["ontvangst", "verwerking"]
Status = Literal["verwerkt", "waarschuwing", "niet_verwerkt", "in_behandeling"]
Rij = dict[str, Any]

_PERIODE_OVER = {"ontvangst": "ontvangen_op", "verwerking": "verwerkt_op"}
_VOLGORDE = "ontvangen_op, batch_id, leverancier"
_PER_RUN = "berichtverwerking_per_run"


class Dubbelzinnig(Exception):
    """A BatchID is known for several leveranciers, which the text names."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which batches and messages to look at. Periods in milliseconds: van <= t < tot; None: open at that end."""

    op: Op = "ontvangst"
    """Whether the period is over ontvangen_op, or over verwerkt_op (what has none is then in no period)."""
    van: int | None = None
    tot: int | None = None
    leverancier: str | None = None
    batch: UUID | None = None
    afgerond: bool | None = None
    """Only batches that are, or are not, afgerond."""
    status: Status | None = None
    """Only batches with at least one such message."""
    runs: bool = False
    """Every run apart, with its own outcomes, instead of the batch over all its runs."""

    @property
    def parameters(self) -> dict[str, object]:
        """What the conditions below refer to."""
        gegeven = {
            "van": self.van,
            "tot": self.tot,
            "leverancier": self.leverancier,
            "batch": None if self.batch is None else str(self.batch),
        }
        return {naam: waarde for naam, waarde in gegeven.items() if waarde is not None}

    def over(self) -> list[str]:
        """Conditions that hold for a batch and for each of its messages alike."""
        voorwaarden = periode(_PERIODE_OVER[self.op], self.van, self.tot)
        if self.op == "verwerking":
            voorwaarden.append("isNotNull(verwerkt_op)")
        return [*voorwaarden, *self.over_sleutel()]

    def over_sleutel(self) -> list[str]:
        """Those of them that hold for whatever is known of a batch."""
        voorwaarden = []
        if self.leverancier is not None:
            voorwaarden.append("leverancier = {leverancier:String}")
        if self.batch is not None:
            voorwaarden.append("batch_id = {batch:UUID}")
        return voorwaarden

    def over_berichten(self) -> list[str]:
        """As `over`, for tables of messages: their keys begin with the leverancier."""
        if self.batch is None:
            return self.over()
        return [*self.over(), "leverancier IN (SELECT leverancier FROM eerste_runs WHERE batch_id = {batch:UUID})"]

    def over_batch(self) -> list[str]:
        """Conditions on what is counted over a whole batch."""
        voorwaarden = []
        if self.afgerond is not None:
            voorwaarden.append("afgerond" if self.afgerond else "NOT afgerond")
        if self.status is not None:
            if self.status not in get_args(Status):
                raise ValueError(f"no status: {self.status}")
            voorwaarden.append(f"{self.status} > 0")
        return voorwaarden


def periode(kolom: str, van: int | None, tot: int | None) -> list[str]:
    """Conditions for van <= column < tot, on parameters of those names."""
    grenzen = (("van", van, ">="), ("tot", tot, "<"))
    return [
        f"{kolom} {teken} fromUnixTimestamp64Milli({{{naam}:Int64}}, 'UTC')"
        for naam, grens, teken in grenzen
        if grens is not None
    ]


_VAN_VREEMDE = " + ".join(
    f"per_code['{code}']" for code in (Verwerkingscode.XML_VALIDATIE, Verwerkingscode.OIN_KOMT_NIET_OVEREEN)
)
"""How many messages of a run got no further than the check of who delivers for whom."""


class Vragen(Tellingen):
    """All questions: those below, and the stream's own. Raises DatabaseWeg when asking again later may help."""

    def totalen(self, op: Op = "ontvangst", van: int | None = None, tot: int | None = None) -> list[Rij]:
        """What each leverancier sent, and what became of it (Domain: What the views show)."""
        filter_ = Filter(op, van, tot)
        bron, parameters = self.geteld(filter_.over_sleutel(), filter_.parameters)
        if op == "ontvangst":
            sommen = ["totaal", "verwerkt", "waarschuwing", "niet_verwerkt", "in_behandeling"]
            bron += f" {_waar(filter_.over())}"
        else:
            # Messages, each with its own verwerkt_op: one that has none is in no period.
            sommen = ["aantal", "verwerkt", "waarschuwing", "aantal - verwerkt", "toUInt64(0)"]
            bron = f"(SELECT leverancier, {binnen(periode('moment', van, tot))} FROM {bron}) WHERE aantal > 0"
        sql = f"""SELECT leverancier, count(), {", ".join(f"sum({een})" for een in sommen)} FROM {bron}
                  GROUP BY leverancier ORDER BY leverancier"""
        namen = "leverancier batches berichten verwerkt waarschuwing niet_verwerkt in_behandeling"
        return _als_rijen(namen, self._rijen(sql, **parameters))

    def berichtverwerking(
        self,
        filter_: Filter | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        berichten: bool = False,
    ) -> tuple[list[Rij], str | None]:
        """Batches, or with `runs` their runs, in order of ontvangen_op, and the cursor of the next page (None: none).

        A page holds at most `limit` of them, 1 or more; batches that come in meanwhile move none to another page. With
        `berichten` each has its messages. Raises OngeldigeCursor.
        """
        if limit is not None and limit < 1:
            raise ValueError("a page holds at least one")
        filter_ = filter_ or Filter()
        rijen: Sequence[Sequence[Any]] = []
        if filter_.batch is not None and not filter_.runs:
            rijen = self._batches(al_geteld(filter_.over_sleutel()), filter_.parameters, filter_, limit, cursor)
        if not rijen:
            bron, parameters = _PER_RUN, filter_.parameters
            if not filter_.runs:
                bron, parameters = self.geteld(filter_.over_sleutel(), filter_.parameters)
            rijen = self._batches(bron, parameters, filter_, limit, cursor)
        meer = limit is not None and len(rijen) > limit
        pagina = rijen[:limit] if meer else rijen
        namen = (
            "leverancier aangeleverd_door batch_id proceskenmerk ontvangen_op aangeleverd_op verwerkt_op "
            "totaal verwerkt waarschuwing niet_verwerkt in_behandeling afgerond"
        )
        batches = _als_rijen(namen, pagina)
        if berichten:
            self._voeg_berichten_toe(batches, filter_.runs)
        return batches, schrijf_cursor(pagina[-1][4], pagina[-1][2], pagina[-1][0], pagina[-1][13]) if meer else None

    def _batches(
        self, bron: str, parameters: dict[str, object], filter_: Filter, limit: int | None, cursor: str | None
    ) -> Sequence[Sequence[Any]]:
        """Rows of a page out of this source, and one more when there is a next."""
        run = "run" if filter_.runs else "toUInt64(0)"
        over_frame = filter_.over_berichten() if filter_.runs else filter_.over()
        over_batch = filter_.over_batch()
        voorwaarden = [*over_frame, *over_batch]
        if cursor is not None:
            parameters |= lees_cursor(cursor)
            voorwaarden.append(f"({_VOLGORDE}, {run}) > ({NA_CURSOR}, {{cursor_run:UInt64}})")
            over_frame.append(f"({_VOLGORDE}) >= ({NA_CURSOR})")
        grens = ""
        if limit is not None:
            parameters["limit"] = limit + 1
            grens = "LIMIT {limit:UInt64}"
            if bron in (_PER_RUN, NU) and filter_.op == "ontvangst" and not over_batch:
                # These batches hold the page: nothing else needs counting.
                voorwaarden.append(
                    f"""(leverancier, batch_id) IN (SELECT leverancier, batch_id FROM leveringen {_waar(over_frame)}
                        GROUP BY {_VOLGORDE} ORDER BY {_VOLGORDE} LIMIT {{limit:UInt64}} + 1)"""
                )
        return self._rijen(
            f"""
            SELECT leverancier, aangeleverd_door, batch_id, proceskenmerk, toUnixTimestamp64Milli(ontvangen_op),
                toUnixTimestamp64Milli(aangeleverd_op), toUnixTimestamp64Milli(verwerkt_op),
                totaal, verwerkt, waarschuwing, niet_verwerkt, in_behandeling, afgerond, {run}
            FROM {bron} {_waar(voorwaarden)}
            ORDER BY {_VOLGORDE}, {run} {grens}
            """,
            **parameters,
        )

    def fouten(self, filter_: Filter | None = None, code: str | None = None) -> list[Rij]:
        """Why messages were not placed: codes with counts, the most frequent first; with a code, its messages."""
        return self._achter("status = 'niet_verwerkt'", "", "code", filter_ or Filter(), code)

    def waarschuwingen(self, filter_: Filter | None = None, code: str | None = None) -> list[Rij]:
        """Which warnings placed messages have, with counts, the most frequent first; with a code, its messages."""
        uitgeklapt = "ARRAY JOIN arrayDistinct(waarschuwingen) AS waarschuwing"
        return self._achter("status = 'waarschuwing'", uitgeklapt, "waarschuwing", filter_ or Filter(), code)

    def resultaat(
        self,
        batch_id: UUID,
        leverancier: str | None = None,
        proceskenmerk: UUID | None = None,
        wie: str | None = None,
    ) -> Resultaat | None:
        """The result of the latest run over a batch, or of the run named; None until it is finished and answered.

        With `wie` only runs count that he delivered himself or that bear his name. His own deliveries go before those
        of others, and among these the ones of who had any message accepted: a stranger, who is refused, can so not put
        a result of his in the place of theirs.
        Raises Dubbelzinnig when several leveranciers used this BatchID and none is named.
        """
        voorwaarden, parameters = ["batch_id = {batch:UUID}"], {"batch": str(batch_id)}
        if leverancier is not None:
            voorwaarden.append("leverancier = {leverancier:String}")
            parameters["leverancier"] = leverancier
        if wie is not None:
            voorwaarden.append("(aangeleverd_door = {wie:String} OR leverancier = {wie:String})")
            parameters["wie"] = wie
        if proceskenmerk is not None:
            voorwaarden.append("proceskenmerk = {proceskenmerk:UUID}")
            parameters["proceskenmerk"] = str(proceskenmerk)
        beantwoord = "SELECT leverancier, batch_id, proceskenmerk FROM resultaten WHERE batch_id = {batch:UUID}"
        sql = f"""
            SELECT {KADER}, (leverancier, batch_id, proceskenmerk) IN ({beantwoord}),
                (leverancier, batch_id, proceskenmerk) IN
                    ({beantwoord} AND {_VAN_VREEMDE} < totaal)
            FROM eerste_runs FINAL {_waar(voorwaarden)}
            ORDER BY volgorde DESC
        """
        rijen = self._rijen(sql, **parameters)
        runs = [(Kader(*rij[:-2]), rij[-2]) for rij in rijen]
        leveranciers = sorted({kader.leverancier for kader, _ in runs})
        if len(leveranciers) > 1:
            raise Dubbelzinnig(f"batch {batch_id} is known for {', '.join(leveranciers)}: name the leverancier")
        if wie is not None:
            mocht = {kader.aangeleverd_door for (kader, _), rij in zip(runs, rijen, strict=True) if rij[-1]}
            runs.sort(key=lambda run: (run[0].aangeleverd_door != wie, run[0].aangeleverd_door not in mocht))
        if not runs or not runs[0][1]:
            return None
        try:
            return self.uitkomsten_van(runs[0][0])
        except NietAfgerond:  # the result came before the rows it was made from: another replica, or a table refilled
            return None

    def ontvangen_op(self, leverancier: str, batch_id: UUID, wie: str | None = None) -> int | None:
        """When a batch was first at the door, in milliseconds; None when it is not known. `wie`: as in `resultaat`."""
        sql = """SELECT toUnixTimestamp64Milli(min(aangeleverd_op)), count() FROM runs
                 WHERE leverancier = {leverancier:String} AND batch_id = {batch:UUID}
                     AND ({wie:String} IN ('', leverancier, aangeleverd_door))"""
        ((eerste, aantal),) = self._rijen(sql, leverancier=leverancier, batch=str(batch_id), wie=wie or "")
        return int(eerste) if aantal else None

    def sla(self, nu: int, van: int | None = None, tot: int | None = None) -> list[Rij]:
        """The norm for each leverancier, over messages whose run was at the door in the period, as it stands at `nu`.

        binnen_norm is the share of messages on time among those decided or overdue; shares and seconds are null where
        there is nothing to judge (Domain: The 24-hour norm).
        """
        # As view sla_over, which looks at every message.
        bron, parameters = self.geteld([], {})
        sql = f"""
            WITH
                moment.aantal AS aantal,
                isNotNull(moment.verwerkt_op) AS besloten,
                ifNull(toUnixTimestamp64Milli(moment.verwerkt_op), {{nu:Int64}})
                    - toUnixTimestamp64Milli(moment.aangeleverd_op) AS duur_ms,
                arrayMap(
                    duur -> duur / 1000, quantilesExactWeightedIf(0.5, 0.95, 0.99)(duur_ms, aantal, besloten)
                ) AS percentielen,
                sumIf(aantal, duur_ms > {NORM_MS}) AS te_laat,
                sumIf(aantal, besloten AND duur_ms <= {NORM_MS}) AS op_tijd,
                sumIf(aantal, NOT besloten) AS open,
                sum(aantal) AS berichten
            SELECT leverancier, berichten, if(op_tijd + te_laat = 0, NULL, op_tijd / (op_tijd + te_laat)),
                if(open = berichten, NULL, percentielen[1]), if(open = berichten, NULL, percentielen[2]),
                if(open = berichten, NULL, percentielen[3]),
                if(open = berichten, NULL, maxIf(duur_ms, besloten) / 1000),
                te_laat, open, if(open = 0, NULL, maxIf(duur_ms, NOT besloten) / 1000)
            FROM {bron} ARRAY JOIN momenten AS moment
            {_waar(periode("moment.aangeleverd_op", van, tot))}
            GROUP BY leverancier ORDER BY leverancier"""
        namen = "leverancier berichten binnen_norm p50_s p95_s p99_s max_s overschreden open oudste_open_s"
        grenzen = Filter(van=van, tot=tot).parameters
        return _als_rijen(namen, self._rijen(sql, nu=nu, **parameters, **grenzen))

    def overschreden(
        self,
        nu: int,
        van: int | None = None,
        tot: int | None = None,
        leverancier: str | None = None,
        limit: int | None = None,
    ) -> list[Rij]:
        """The breaches that `sla` counts, by name: messages that took longer than the norm, or are open for longer at
        `nu`, the longest first; at most `limit` of them."""
        duur = "(ifNull(toUnixTimestamp64Milli(verwerkt_op), {nu:Int64}) - toUnixTimestamp64Milli(aangeleverd_op))"
        voorwaarden = [f"{duur} > {NORM_MS}", *periode("aangeleverd_op", van, tot)]
        if leverancier is not None:
            voorwaarden.append("leverancier = {leverancier:String}")
        sql = f"""SELECT leverancier, batch_id, bericht_id, nummer, toUnixTimestamp64Milli(aangeleverd_op),
                      toUnixTimestamp64Milli(verwerkt_op), {duur} / 1000 AS duur_s
                  FROM berichten {_waar(voorwaarden)}
                  ORDER BY duur_s DESC, leverancier, batch_id, nummer, bericht_id
                  {"" if limit is None else "LIMIT {limit:UInt64}"}"""
        gegeven = {"van": van, "tot": tot, "leverancier": leverancier, "limit": limit}
        rijen = self._rijen(sql, nu=nu, **{naam: waarde for naam, waarde in gegeven.items() if waarde is not None})
        return _als_rijen("leverancier batch_id bericht_id nummer aangeleverd_op verwerkt_op duur_s", rijen)

    def _voeg_berichten_toe(self, batches: list[Rij], per_run: bool) -> None:
        bron, sleutel = ("berichten_per_run", "proceskenmerk") if per_run else ("berichten", "batch_id")
        rijen: list[Sequence[Any]] = []
        # A batch stands there once for each of its runs, and those may be far apart.
        for deel in stukken(sorted({(een["leverancier"], UUID(een["batch_id"])) for een in batches}), PER_VRAAG):
            voorwaarde, parameters = van_batches(deel)
            rijen += self._rijen(
                f"""
                SELECT leverancier, {sleutel}, nummer, bericht_id, berichttype, nullIf(code, ''), nullIf(stadium, ''),
                    waarschuwingen, diensten, toUnixTimestamp64Milli(ontvangen_op), toUnixTimestamp64Milli(verwerkt_op)
                FROM {bron} WHERE {voorwaarde} ORDER BY nummer, bericht_id
                """,
                **parameters,
            )
        namen = "nummer bericht_id berichttype code stadium waarschuwingen diensten ontvangen_op verwerkt_op"
        per_batch: dict[tuple[str, str], list[Sequence[Any]]] = {}
        for rij in rijen:
            per_batch.setdefault((rij[0], str(rij[1])), []).append(rij[2:])
        for batch in batches:
            batch["berichten"] = _als_rijen(namen, per_batch.get((batch["leverancier"], batch[sleutel]), []))

    def _achter(self, soort: str, uitgeklapt: str, kolom: str, filter_: Filter, code: str | None) -> list[Rij]:
        """What stands behind a number: codes with counts, or the messages of one code."""
        voorwaarden = [soort, *filter_.over_berichten()]
        if filter_.over_batch():
            sleutel = "leverancier, batch_id, proceskenmerk" if filter_.runs else "leverancier, batch_id"
            batches = f"SELECT {sleutel} FROM {_bron('berichtverwerking', filter_)} {_waar(filter_.over_batch())}"
            voorwaarden.append(f"({sleutel}) IN ({batches})")
        bron = f"{_bron('berichten', filter_)} {uitgeklapt}"
        if code is None:
            sql = f"""SELECT {kolom}, stadium, count() AS aantal FROM {bron} {_waar(voorwaarden)}
                      GROUP BY {kolom}, stadium ORDER BY aantal DESC, {kolom}, stadium"""
            return _als_rijen("code stadium aantal", self._rijen(sql, **filter_.parameters))
        sql = f"""SELECT leverancier, batch_id, bericht_id, nummer FROM {bron}
                  {_waar([*voorwaarden, f"{kolom} = {{code:String}}"])}
                  ORDER BY {_VOLGORDE}, nummer, bericht_id"""
        rijen = self._rijen(sql, **filter_.parameters, code=code)
        return _als_rijen("leverancier batch_id bericht_id nummer", rijen)


def _bron(naam: str, filter_: Filter) -> str:
    return f"{naam}_per_run" if filter_.runs else naam


def _waar(voorwaarden: Sequence[str]) -> str:
    return f"WHERE {' AND '.join(voorwaarden)}" if voorwaarden else ""


def _als_rijen(namen: str, rijen: Iterable[Sequence[Any]]) -> list[Rij]:
    """Rows under their names; a column that ends in `_op` holds milliseconds and becomes ISO 8601."""
    kolommen = namen.split()
    return [{naam: _waarde(naam, waarde) for naam, waarde in zip(kolommen, rij, strict=False)} for rij in rijen]


def _waarde(naam: str, waarde: Any) -> Any:
    if isinstance(waarde, UUID):
        return str(waarde)
    if naam.endswith("_op") and waarde is not None:
        return schrijf_tijd(waarde)
    if naam == "afgerond":
        return bool(waarde)  # an engine can answer with a number
    return waarde
