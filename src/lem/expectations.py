"""The only door to Great Expectations: the rules as its objects, the rows they name.

Importing it takes seconds, so every import is inside a function, and it sends
no usage statistics. It is given DataFrames only, with Python's own values in
them (dtype object), so that nothing is cast on the way.

    offending(rules.of("scores"), frame, {"runs": {("own", "1f2e...")}})
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any

from lem.rule_sql import Rule

if TYPE_CHECKING:
    import pandas as pd
    from great_expectations.expectations.expectation import Expectation

Known = Mapping[str, Set[tuple[Any, ...]]]
"""The keys that a table has, by the table's name: what `known` rules look up."""


def expectation(rule: Rule) -> Expectation:
    """Return the rule as a Great Expectations object, over a frame that has its `helper` column."""
    import great_expectations.expectations as gxe

    column, either = rule.columns[0], {"ignore_row_if": "either_value_is_missing"}
    more = {"row_condition": _row_condition(rule), "meta": {"rule": rule.name, "why": rule.why}}
    match rule.kind:
        case "not_null":
            return gxe.ExpectColumnValuesToNotBeNull(column=column, **more)
        case "null":
            return gxe.ExpectColumnValuesToBeNull(column=column, **more)
        case "in_set":
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(rule.accepted), **more)
        case "between":
            bounds = {"min_value": rule.low, "max_value": rule.high}
            return gxe.ExpectColumnValuesToBeBetween(column=column, **bounds, **more)
        case "matches":
            return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=rf"^(?:{rule.pattern})\Z", **more)
        case "at_most":
            pair = {"column_A": rule.columns[1], "column_B": column, "or_equal": True}
            return gxe.ExpectColumnPairValuesAToBeGreaterThanB(**pair, **either, **more)
        case "length":
            pair = {"column_A": column, "column_B": helper(rule)}
            return gxe.ExpectColumnPairValuesToBeEqual(**pair, **either, **more)
        case "unique":
            key = list(rule.columns)
            return gxe.ExpectCompoundColumnsToBeUnique(column_list=key, ignore_row_if="never", **more)
        case "known":
            return gxe.ExpectColumnValuesToBeInSet(column=helper(rule), value_set=[True], **more)


def _row_condition(rule: Rule) -> Any:  # noqa: ANN401
    from great_expectations.expectations.row_conditions import Column

    if rule.where is None:
        return None
    column = Column(rule.where.column)
    if rule.where.holds == "equal":
        return column == rule.where.value
    return column.is_null() if rule.where.holds == "null" else column.is_not_null()


def helper(rule: Rule) -> str | None:
    """Return the column that the frame needs beside the table's own, or None.

    A length rule's is the number of characters (Unicode code points) of the
    text; a known rule's is whether the other table has the row.
    """
    if rule.kind == "length":
        return f"length({rule.columns[1]})"
    return f"in {rule.other}" if rule.kind == "known" else None


def prepared(frame: pd.DataFrame, rules: Sequence[Rule], known: Known) -> pd.DataFrame:
    """Return the frame with the helper columns of these rules; null where they have nothing to say."""
    extra: dict[str, list[int | bool | None]] = {}
    for rule in rules:
        if rule.kind == "length":
            texts = frame[rule.columns[1]]
            extra[f"{helper(rule)}"] = [len(text) if isinstance(text, str) else None for text in texts]
        elif rule.kind == "known":
            keys = zip(*(frame[c] for c in rule.columns), strict=True)
            there = known[rule.other]
            extra[f"{helper(rule)}"] = [
                key in there if all(isinstance(part, str) for part in key) else None for key in keys
            ]
    return frame.assign(**{name: _column(frame, values) for name, values in extra.items()})


def _column(frame: pd.DataFrame, values: Sequence[object]) -> pd.Series[Any]:
    import pandas as pd

    return pd.Series(values, index=frame.index, dtype=object)


def offending(rules: Sequence[Rule], frame: pd.DataFrame, known: Known) -> dict[str, set[int]]:
    """Return {rule name: index labels of the rows that break it}, as Great Expectations finds them.

    Raises RuntimeError when it could not apply a rule at all.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    suite = gx.ExpectationSuite("rules", expectations=[expectation(rule) for rule in rules])
    asset = _context().data_sources.add_pandas("frames").add_dataframe_asset("frame")
    whole = asset.add_batch_definition_whole_dataframe("whole")
    batch = whole.get_batch({"dataframe": prepared(frame, rules, known)})
    outcome = batch.validate(suite, result_format={"result_format": "COMPLETE"})
    found = {result.expectation_config.meta["rule"]: _unexpected(result) for result in outcome.results}
    if set(found) != {rule.name for rule in rules}:
        raise RuntimeError(f"Great Expectations was given {len(rules)} rules and applied {sorted(found)}")
    return found


def _context() -> Any:  # noqa: ANN401
    """Return a context in memory, without progress bars and without a folder for its web pages."""
    import great_expectations as gx
    from great_expectations.data_context.types.base import (
        DataContextConfig,
        InMemoryStoreBackendDefaults,
        ProgressBarsConfig,
    )

    config = DataContextConfig(
        store_backend_defaults=InMemoryStoreBackendDefaults(),
        progress_bars=ProgressBarsConfig(globally=False),
    )
    return gx.get_context(mode="ephemeral", project_config=config)


def _unexpected(result: Any) -> set[int]:  # noqa: ANN401
    rows = result.result.get("unexpected_index_list") or []
    if result.success is bool(rows):  # it raised inside: no success, and no row to show for it
        raise RuntimeError(f"Great Expectations did not apply a rule: {result}")
    return set(rows)
