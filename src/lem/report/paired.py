"""A paired difference in words, for the report and for `lem compare`. Pure.

    evidence(row)      # ['95 % -11.7 to +3.7', 'n = 150', '13 gained and 19 lost', ...]
    sentence(row)      # 'On gsm8k (exact_match, flexible, naked), a has 40.0 % and b 44.0 %: ...'

Rows are those of `differences`, or of the tables made of it.
"""

from __future__ import annotations

from lem.report.words import Row, count, label, number, span, text, unit_of


def difference(row: Row, is_tuned: bool = False) -> str:
    """Return 'paired difference -4.0 points (95 % ..., n = ..., ...)'; is_tuned: training seeds are told."""
    told = ", ".join(evidence(row, is_tuned))
    if row["difference"] is None:
        return f"no paired difference ({told})"
    size = number(row["difference"], row["unit"], sign=True) + unit_of(row).difference
    return f"paired difference {size} ({told})"


def evidence(row: Row, is_tuned: bool = False) -> list[str]:
    """Return what a difference rests on: interval, n, what was unscored, seeds, flips, p values."""
    told = [] if row["difference"] is None else [_interval(row)]
    told += [f"n = {row['n']:,}{' (limited)' if row.get('limited') else ''}"]
    told += [f"{row['clusters']:,} clusters"] if _clustered(row) else []
    told += [_unscored(row)] if row["unscored"] else []
    told += [count(row["seeds"], "training seed")] if is_tuned or row["seeds"] > 1 else []
    told += [f"seed sd {number(row['seed_sd'], row['unit'])}"] if row["seed_sd"] is not None else []
    told += [f"{row['gained']:,} gained and {row['lost']:,} lost"] if row["gained"] is not None else []
    told += [f"{row['test']}: {probability(row['p'])}"] if row["p"] is not None else []
    told += [f"after Holm {probability(row['p_holm'])}"] if row["p_holm"] is not None else []
    return told


def _interval(row: Row) -> str:
    if found := span(row, sign=True):
        return f"95 % {found}"
    return "no interval: the same for every item" if row["n"] > 1 else "no interval"


def _clustered(row: Row) -> bool:
    return row["clusters"] is not None and row["clusters"] < row["n"]


def _unscored(row: Row) -> str:
    told = f"{row['unscored']:,} unscored"
    if row["worst"] is None or row["best"] is None:
        return told
    ends = (number(row[side], row["unit"], sign=True) for side in ("worst", "best"))
    return f"{told}, whose scores could make it {' to '.join(ends)}"


def probability(p: float) -> str:
    """Return a p value with three decimals: 'p = 0.038', 'p < 0.001'."""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def verdict(row: Row) -> str:
    """Return the verdict, with the margin it needs or with what this n could have shown."""
    if row["verdict"] == "equivalent":
        return f"**equivalent** within {row['margin']:g}{unit_of(row).difference}"
    if row["verdict"] != "inconclusive":
        return f"**{row['verdict']}**"
    if row["detectable"] is None:
        return "inconclusive"
    size = number(row["detectable"], row["unit"]) + unit_of(row).difference
    return (
        f"inconclusive (a true difference of {size} would have been found with 80 % power by one test at 5 %)"
    )


def refusal(row: Row) -> str:
    """Return why two models are not compared."""
    where = f"{text(row['prompts'])}, {text(row['mode'])}"
    return f"{where}: not compared, the two were not asked alike: they differ in {row['differs']}"


def sentence(row: Row) -> str:
    """Return one comparison as a sentence for a paper, in plain text."""
    unit = unit_of(row)
    sides = (row["candidate_value"], row["baseline_value"])
    mine, theirs = ("no score" if v is None else number(v, row["unit"]) + unit.value for v in sides)
    said = f"On {row['prompts']} ({label(row, shown=str)}), {row['candidate']} has {mine} and "
    said += f"{row['baseline']} {theirs}: {difference(row)}: {verdict(row).replace('**', '')}."
    return said
