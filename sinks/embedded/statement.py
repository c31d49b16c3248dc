"""What a statement is to the engine's own parser: its verb, its FORMAT, and where the data of an INSERT begins."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from sinks.embedded.errors import (
    INTO_OUTFILE_NOT_ALLOWED,
    NOT_IMPLEMENTED,
    SYNTAX_ERROR,
    UNKNOWN_TYPE_OF_QUERY,
    ClickHouseError,
)

Render = Callable[[bytes], str]
"""The engine's rendering of one statement: one line, no comments, no data. Raises ClickHouseError."""

_READS = ("SELECT", "WITH", "SHOW", "DESCRIBE", "EXPLAIN", "EXISTS", "CHECK")
_STATE = ("SET", "USE")
# Formats whose pieces, one a block, put after each other are the whole: no header, footer or brackets.
_PIECEWISE = {"native", "tabseparated", "tsv", "tabseparatedraw", "tsvraw", "csv", "rowbinary", "jsoneachrow", "ndjson"}
_PIECEWISE |= {"jsoncompacteachrow", "jsonstringseachrow", "jsoncompactstringseachrow", "rawblob"}

_SPACE = rb"(?:\s|/\*.*?\*/|--[^\n]*\n|#[ !][^\n]*\n)"
_MAY_INSERT = re.compile(rb"%s*(?:INSERT|WITH)\b" % _SPACE, re.IGNORECASE | re.DOTALL)
_DATA_MARK = re.compile(rb"\bVALUES\b|\bFORMAT%s+([`\"]?)(\w+)\1" % _SPACE, re.IGNORECASE | re.DOTALL)
_MOST_MARKS = 50
_DATA_START = re.compile(rb"[ \t\f]*\r?\n?")

_QUOTED = re.compile(r"'[^'\\]*(?:\\.[^'\\]*)*'|`[^`\\]*(?:\\.[^`\\]*)*`", re.DOTALL)
_FORMAT = re.compile(r" FORMAT `?(\w+)`?(?: SETTINGS .*)?$", re.DOTALL)
_INSERT_DATA = re.compile(r"INSERT INTO (?:(?! SELECT ).)*? FORMAT `?(\w+)`?$", re.DOTALL)


DATA_FILE = "{data file}"
"""Stands in an INSERT for the file with its data."""


@dataclass(frozen=True)
class Statement:
    """One statement. `sql` runs as it is; that of an INSERT with data reads it from `DATA_FILE`, and `data` are its
    first bytes."""

    sql: bytes
    verb: str
    format: str | None
    data: bytes | None = None
    in_pieces: bool = False
    reads: bool = False
    changes_session: bool = False
    makes_temporary: bool = False


def starts_insert(text: bytes) -> bool:
    """Whether `text` may be an INSERT, so that only its head need be read before it starts."""
    return _MAY_INSERT.match(text) is not None


def insert_with_data(text: bytes, render: Render) -> Statement | None:
    """The INSERT that `text` (its first 64 kB are enough) starts with, if its data follows it.

    Every place where data could begin is offered to the parser, first one first; a FORMAT inside quotes or comments
    gives no INSERT that parses. None when there is no such place.
    """
    for count, mark in enumerate(_DATA_MARK.finditer(text)):
        if count == _MOST_MARKS:
            break
        try:
            rendered = render(text[: mark.end()])
        except ClickHouseError as error:
            if error.code != SYNTAX_ERROR:
                raise
            continue
        outline = _outline(rendered)
        found = _INSERT_DATA.match(outline)
        if found is None:
            continue
        _refuse_files(outline)
        start = mark.end()
        if mark[2] is not None:
            if text[start : start + 1] == b";":
                raise ClickHouseError(SYNTAX_ERROR, "You have excessive ';' symbol before data for INSERT.")
            start = _DATA_START.match(text, start).end()  # type: ignore[union-attr]  # it matches the empty text too
        return Statement(_from_file(rendered), "INSERT", found[1], data=text[start:])
    return None


def _from_file(rendered: str) -> bytes:
    """The rendering of an INSERT with data, as one that reads them from `DATA_FILE`."""
    masked = _QUOTED.sub(lambda quoted: "'" * len(quoted[0]), rendered)
    place = min(at for at in (masked.find(" SETTINGS "), masked.rfind(" FORMAT ")) if at >= 0)
    return f"{rendered[:place]} FROM INFILE '{DATA_FILE}' COMPRESSION 'none'{rendered[place:]}".encode()


def whole_statement(text: bytes, render: Render) -> Statement:
    """The one statement that `text` is. Raises SYNTAX_ERROR for none or several; refuses what would touch our files."""
    outline = _outline(render(text))
    _refuse_files(outline)
    verb = outline.split(" ", 1)[0]
    inserts = outline.startswith("INSERT ")
    if inserts and " FORMAT " in outline and "input(" in outline:
        raise ClickHouseError(NOT_IMPLEMENTED, "The embedded ClickHouse has no INSERT ... SELECT FROM input()")
    if inserts and _INSERT_DATA.match(outline):
        raise ClickHouseError(SYNTAX_ERROR, "Cannot find where the data of this INSERT begins")
    form = _FORMAT.search(outline)
    return Statement(
        sql=text,
        verb=verb,
        format=None if form is None else form[1],
        in_pieces=verb in ("SELECT", "WITH") and " WITH TOTALS" not in outline and " extremes = " not in outline,
        reads=verb in _READS,
        changes_session=verb in _STATE,
        makes_temporary=outline.startswith(("CREATE TEMPORARY ", "CREATE OR REPLACE TEMPORARY ")),
    )


def comes_in_pieces(form: str) -> bool:
    """Whether a result in this format may be sent block by block."""
    return form.lower() in _PIECEWISE


def _outline(rendered: str) -> str:
    """The rendering with its literals and odd names emptied, so that words in it are the statement's own."""
    return _QUOTED.sub(lambda quoted: quoted[0] if re.fullmatch(r"`\w+`", quoted[0]) else quoted[0][0] * 2, rendered)


def _refuse_files(outline: str) -> None:
    if " INTO OUTFILE ''" in outline:
        raise ClickHouseError(INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE is not allowed")
    if " FROM INFILE ''" in outline:
        raise ClickHouseError(UNKNOWN_TYPE_OF_QUERY, "FROM INFILE is read by a client, and this is a server")
