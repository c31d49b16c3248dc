"""Errors as ClickHouse tells them: a numbered code, its name, and the HTTP status that goes with it."""

import re
from typing import Self

UNKNOWN_SETTING = 115
BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
UNKNOWN_TYPE_OF_QUERY = 78
UNKNOWN_COMPRESSION_METHOD = 89
TOO_MANY_SIMULTANEOUS_QUERIES = 202
SOCKET_TIMEOUT = 209
NETWORK_ERROR = 210
QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING = 216
QUERY_IS_TOO_LARGE = 229
ABORTED = 236
CANNOT_DECOMPRESS = 271
INTO_OUTFILE_NOT_ALLOWED = 358
SESSION_NOT_FOUND = 372
AUTHENTICATION_FAILED = 516
STD_EXCEPTION = 1001

_NAMES = {
    value: name for name, value in list(globals().items()) if name.isupper() and isinstance(value, int)
}  # of the codes that the front itself raises; the engine names its own

_STATUS = {
    400: {6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676},
    401: {194},
    403: {192, 193, 497, 512, 516},
    404: {46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511},
    408: {159},
    413: {229},
    415: {779},
    501: {48},
    503: {76, 209, 236, 439},
}  # as a server answers them, and 503 when stopping (236); every other code is 500
_STATUS_OF_CODE = {code: status for status, codes in _STATUS.items() for code in codes}

_ENGINE_TEXT = re.compile(r"Code: (\d+)\. DB::")


class ClickHouseError(Exception):
    """An error for the client. `code` is ClickHouse's error number, `text` the whole body without the version."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.text = (
            message if _ENGINE_TEXT.match(message) else f"Code: {code}. DB::Exception: {message} ({_NAMES[code]})"
        )

    @classmethod
    def from_engine(cls, error: Exception) -> Self:
        """Reads the code out of what chDB raised; a text without one becomes STD_EXCEPTION.

        Where the engine quotes bytes that are no UTF-8, chDB's own error is that it cannot decode its message.
        """
        inner = error if isinstance(error, UnicodeDecodeError) else error.__cause__
        text = inner.object.decode(errors="replace") if isinstance(inner, UnicodeDecodeError) else str(error)
        found = _ENGINE_TEXT.search(text)
        if found is None:
            return cls(STD_EXCEPTION, text)
        return cls(int(found[1]), text[found.start() :].partition(" (version ")[0].rstrip())

    @property
    def status(self) -> int:
        """The HTTP status for the code."""
        return _STATUS_OF_CODE.get(self.code, 500)
