"""Where the next page of batches begins: after the last one of this page, in order of (ontvangen_op, BatchID,
leverancier, run)."""

import base64
import json
from uuid import UUID

NA_CURSOR = "fromUnixTimestamp64Milli({cursor_op:Int64}, 'UTC'), {cursor_batch:UUID}, {cursor_leverancier:String}"
"""The place of a cursor in SQL, without the run; its parameters are those of `lees_cursor`."""


class OngeldigeCursor(ValueError):
    """A cursor that no earlier page gave."""


def schrijf_cursor(ontvangen_op: int, batch_id: UUID, leverancier: str, run: int) -> str:
    """The cursor after this batch, received at so many milliseconds; `run`: 0 where runs are not listed apart."""
    return base64.urlsafe_b64encode(json.dumps([ontvangen_op, str(batch_id), leverancier, run]).encode()).decode()


def lees_cursor(cursor: str) -> dict[str, object]:
    """Its parameters in SQL. Raises OngeldigeCursor."""
    try:
        op, batch, leverancier, run = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        return {
            "cursor_op": int(op),
            "cursor_batch": str(UUID(batch)),
            "cursor_leverancier": str(leverancier),
            "cursor_run": int(run),
        }
    except (ValueError, TypeError, AttributeError):
        raise OngeldigeCursor("not a cursor that an earlier page gave") from None
