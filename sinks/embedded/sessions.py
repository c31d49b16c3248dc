"""What a `session_id` remembers: the SET and USE statements that succeeded, to be repeated at its next request."""

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field

from sinks.embedded.errors import BAD_ARGUMENTS, SESSION_NOT_FOUND, ClickHouseError

MOST_SESSIONS = 1000
MOST_STATEMENTS = 100
LONGEST_TIMEOUT = 3600.0
"""Seconds that a session may stay idle at most, as on a server."""


@dataclass
class _Session:
    timeout: float
    last_used: float
    statements: list[bytes] = field(default_factory=list)


class Sessions:
    """The sessions by id, the one used least recently first. Safe to use from any thread."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, _Session] = OrderedDict()
        self._lock = threading.Lock()

    def recall(self, session_id: str, timeout: float = 60.0, must_exist: bool = False) -> tuple[bytes, ...]:
        """The session's statements, in order. A session idle for longer than its `timeout` (seconds) starts empty.

        Raises SESSION_NOT_FOUND when it `must_exist` and does not.
        """
        if not 0 < timeout <= LONGEST_TIMEOUT:
            raise ClickHouseError(BAD_ARGUMENTS, f"session_timeout must be above 0 and at most {LONGEST_TIMEOUT:.0f}")
        with self._lock:
            now = time.monotonic()
            session = self._sessions.pop(session_id, None)
            if session is None or now - session.last_used > session.timeout:
                if must_exist:
                    raise ClickHouseError(SESSION_NOT_FOUND, "Session not found")
                session = _Session(timeout, now)
            session.timeout, session.last_used = timeout, now
            self._sessions[session_id] = session
            if len(self._sessions) > MOST_SESSIONS:
                self._sessions.popitem(last=False)
            return tuple(session.statements)

    def remember(self, session_id: str, statement: bytes) -> None:
        """Adds a statement that succeeded; one that is repeated counts from its last place."""
        with self._lock:
            session = self._sessions.get(session_id)
            if session is None:
                return
            if statement in session.statements:
                session.statements.remove(statement)
            elif len(session.statements) >= MOST_STATEMENTS:
                raise ClickHouseError(BAD_ARGUMENTS, f"A session holds at most {MOST_STATEMENTS} statements")
            session.statements.append(statement)
