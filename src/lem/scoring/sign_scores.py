"""The signs of answers as rows of SQL: a function that the warehouse's `answer_signs.sql` calls.

register(con)
con.sql("select signs_of('I cannot help with that.', 'stop').refusal")     # 1.0
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lem.scoring import signs

if TYPE_CHECKING:
    import duckdb


def register(con: duckdb.DuckDBPyConnection) -> None:
    """Give a connection `signs_of(response, finish_reason)`: a struct of `signs.readings`, a double each.

    A sign that cannot be told (whether a foreign answer was cut off) is null.
    """
    from duckdb.func import FunctionNullHandling
    from duckdb.sqltypes import DOUBLE, VARCHAR

    names = signs.readings("", None)
    con.create_function(
        "signs_of",
        signs.readings,
        [VARCHAR, VARCHAR],
        con.struct_type(dict.fromkeys(names, DOUBLE)),
        null_handling=FunctionNullHandling.SPECIAL,
    )
