"""The signs of every answer as a table of SQL, beside the answers: what `answer_signs.sql` reads.

    load(con)       # raw_signs(flags): a row for each row of raw_responses, in its order
    con.sql("from raw_responses positional join raw_signs")

`flags` holds a bit for each of quick_signs.SIGNS; two processes read the texts where
there are many, and what they say does not depend on it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from multiprocessing import get_context
from typing import TYPE_CHECKING

from lem.scoring.quick_signs import all_flags

if TYPE_CHECKING:
    import duckdb

BATCH = 4_000  # answers
MANY = 40_000  # answers, from which two processes pay
PROCESSES = 2
AHEAD = 6  # batches on their way
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
    if rows < MANY or (os.cpu_count() or 1) < PROCESSES:
        yield from map(all_flags, _batches(con))
        return
    ahead: deque[Future[bytes]] = deque()
    with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
        for texts in _batches(con):
            ahead.append(pool.submit(all_flags, texts))
            if len(ahead) >= AHEAD:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()


def _batches(con: duckdb.DuckDBPyConnection) -> Iterator[list[str | None]]:
    """Yield the texts of raw_responses in the order of its rows."""
    answers = con.cursor().execute(ANSWERS)
    while rows := answers.fetchmany(BATCH):
        yield [row[0] for row in rows]
