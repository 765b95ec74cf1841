"""The signs of every answer as a table of SQL, beside the answers: what `answer_signs.sql` reads.

    load(con)       # raw_signs(flags): a row for each row of raw_responses, in its order
    con.sql("from raw_responses positional join raw_signs")

`flags` holds a bit for each of quick_signs.SIGNS; two processes read the texts where
there are many, and what they say does not depend on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lem.scoring.quick_signs import all_flags
from lem.workers import PROCESSES, in_order

if TYPE_CHECKING:
    import duckdb

BATCH = 4_000  # answers
MANY = 40_000  # answers, from which two processes pay
ANSWERS = "select if(finish_reason = 'given', null, response) from raw_responses"


def load(con: duckdb.DuckDBPyConnection) -> None:
    """Create raw_signs from raw_responses; 0 for a given answer (multiple choice), which has no signs."""
    import numpy as np

    con.execute("create table raw_signs (flags utinyint)")
    found = con.execute("select count(*) from raw_responses").fetchall()
    rows = int(found[0][0])
    if rows:
        signs = {"flags": np.frombuffer(b"".join(_read(con, rows)), dtype=np.uint8)}
        con.execute("insert into raw_signs select flags from signs")
        del signs


def _read(con: duckdb.DuckDBPyConnection, rows: int) -> Iterator[bytes]:
    """Yield the flags of all answers, in order."""
    side_by_side = rows >= MANY and (os.cpu_count() or 1) >= PROCESSES
    yield from in_order(all_flags, _batches(con), side_by_side)


def _batches(con: duckdb.DuckDBPyConnection) -> Iterator[list[str | None]]:
    """Yield the texts of raw_responses in the order of its rows."""
    answers = con.cursor().execute(ANSWERS)
    while rows := answers.fetchmany(BATCH):
        yield [row[0] for row in rows]
