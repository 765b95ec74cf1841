"""`lem compare`: two models over the same items: paired difference, interval, flips, one verdict.

The same SQL and the same statistics as the table `comparisons`, for any two models of the tables, and
for each primary metric one sentence to paste into a paper. What was not asked alike is not compared.

    lem compare smollm2-135m-lek smollm2-135m
    lem compare --source lem-standard lem_ethics instruction_tuned --metric exact_match --format tsv
    lem compare --published lm-eval-results      # a document's own tables, from its figures

Of tasks of lm-evaluation-harness the two tables of an lm-eval report come first; then what the
answers themselves tell: equal metrics are weak evidence, equal log-probabilities are strong.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lem import compare_harness, derive, layout, sandbox
from lem.errors import LemError
from lem.records import MODES, OWN
from lem.report import harness, paired
from lem.report.words import CUT, NOTE, label, number, span
from lem.sql_command import FORMATS, render

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]
NEEDS = ("item_values", "basis", "models", "items", "responses", "lm_eval_metrics")
COLUMNS = (
    *("prompts", "mode", "metric", "filter", "scorer", "n", "unscored", "candidate_value", "baseline_value"),
    *("difference", "low", "high", "unit", "gained", "lost", "p", "p_holm", "test", "detectable", "worst"),
    *("best", "seeds", "seed_sd", "method", "verdict", "holds", "differs"),
    *("limited", "answers", "same", "unknown", "largest"),
)
SHOWN = (
    "benchmark",
    "metric",
    "n",
    "candidate",
    "baseline",
    "difference (95 %)",
    "flips",
    "p (Holm)",
    "verdict",
)


@click.command()
@click.argument("candidate", required=False)
@click.argument("baseline", required=False)
@click.option(
    "--published", help="Print the tables of a document's lm-eval figures instead, e.g. lm-eval-results."
)
@click.option("--on", "prompts", help="One benchmark or prompt set; default: all that both were asked.")
@click.option("--metric", help="One metric, e.g. exact_match.")
@click.option(
    "--margin", type=click.FloatRange(0, 1e9), default=0.0, help="Differences within it are equivalent."
)
@click.option("--source", default=OWN, show_default=True, help="Whose models: own, or an import's name.")
@click.option(
    "--format",
    "fmt",
    type=click.Choice(("text", *FORMATS)),
    default="text",
    show_default=True,
    help="For a person, or for a program with every column.",
)
def command(
    candidate: str | None,
    baseline: str | None,
    published: str | None,
    prompts: str | None,
    metric: str | None,
    margin: float,
    source: str,
    fmt: str,
) -> None:
    """Compare CANDIDATE with BASELINE, item by item, over everything that both were asked.

    A margin is in the unit shown: points of 100 for a rate. Values are percent for a rate. Comparisons
    declared before the run belong into `compare:` of params.yaml.

    \b
    Example:
        lem compare smollm2-135m-lek smollm2-135m
        lem compare smollm2-135m-lek smollm2-135m --on gsm8k --margin 5 --format json
        lem compare --published lm-eval-results
    """
    if published is not None:
        if candidate is not None or fmt != "text" or prompts or metric:
            raise click.UsageError(
                "--published prints a document's own tables, whole; give nothing beside it"
            )
        return published_tables(published)
    if candidate is None or baseline is None:
        raise click.UsageError("name two models, CANDIDATE and BASELINE, or a document with --published")
    with closing(opened(layout.TABLES)) as con:
        names = candidate, baseline = _entry(con, candidate, source), _entry(con, baseline, source)
        if candidate == baseline:
            raise LemError(f"{candidate!r} is both sides; name two models")
        found = compared(con, source, candidate, baseline, margin, prompts, metric)
        figures = compare_harness.figures(con, source, names, prompts, metric)
        if not found and not figures:
            raise LemError(_nothing(con, source, names, prompts, metric))
    refused = [row for row in found if row["differs"]]
    kept = [row for row in found if not row["differs"]]
    told, tasks = _unpaired(figures, found)
    for line in dict.fromkeys([*map(paired.refusal, refused), *told]):
        click.echo(line, err=True)
    if fmt == "text":
        tasks |= {row["prompts"] for row in kept}
        shown = [row for row in figures if row["task"] in tasks]
        click.echo(compare_harness.side_by_side(shown) + text(kept, *names), nl=False)
    else:
        click.echo(render(COLUMNS, [[row[name] for name in COLUMNS] for row in found], fmt), nl=False)
    if not kept:
        sys.exit(1)
    return None


def _unpaired(figures: Sequence[Row], found: Sequence[Row]) -> tuple[list[str], set[str]]:
    """Return what to say of tasks with figures and no pairs, and those that were asked alike."""
    pairs = {row["prompts"] for row in found}
    unlike = compare_harness.unlike(figures, pairs)
    alike = {row["task"] for row in figures} - pairs - set(unlike)
    told = [
        paired.refusal({"prompts": task, "mode": MODES[0], "differs": why}) for task, why in unlike.items()
    ]
    return told + [compare_harness.unpaired(task) for task in sorted(alike)], alike


def published_tables(name: str) -> None:
    """Print the tables of the lm-eval figures that a document states; LemError where there are none."""
    with closing(opened(layout.TABLES, ("figures",))) as con:
        tables, remark = compare_harness.of_document(con, name)
    click.echo(tables)
    click.echo(f"\n{remark}", err=True)


def opened(tables: Path, needs: Sequence[str] = NEEDS) -> duckdb.DuckDBPyConnection:
    """Return a connection with the tables that a comparison is computed from."""
    return sandbox.connect(tables, needs=needs, threads=1)


def compared(
    con: duckdb.DuckDBPyConnection,
    source: str,
    candidate: str,
    baseline: str,
    margin: float = 0.0,
    prompts: str | None = None,
    metric: str | None = None,
) -> list[Row]:
    """Return the rows of `differences` of two entries; Holm's correction is over those returned."""
    con.execute("create or replace table lineage (source varchar, entry varchar, below varchar)")
    con.execute(
        "create or replace table declared as select 0 as place, ? as source, ? as declared, ? as candidate, "
        "? as baseline, ?::double as margin, ?::varchar as prompts",
        [source, f"{candidate} and {baseline}", candidate, baseline, margin, prompts],
    )
    sql = files("lem").joinpath("sql", "marts", "pairs.sql").read_text()
    one = "kind = 'declared' and metric = coalesce(?, metric)"
    con.execute(f"create or replace table pairs as from (\n{sql}\n) where {one}", [metric])
    con.execute("drop table if exists differences")
    derive.differences(con)
    con.execute("create or replace view stg_responses as from responses")
    side = files("lem").joinpath("sql", "derived", "answer_differences.sql").read_text()
    con.execute(f"create or replace table answer_differences as {side}")
    return derive.read(con, BESIDE)


BESIDE = """
-- where some answers were given and others written, those given: a log-probability tells more than a text
with answers as (
    select distinct on (prompts, mode) prompts, mode, answers, same, unknown, largest, given, item_id, sample
    from answer_differences order by prompts, mode, given desc
)
select differences.*, answers.* exclude (prompts, mode)
from differences
left join answers on (answers.prompts, answers.mode) = (differences.prompts, differences.mode)
"""
"""The rows of `differences`, with what is known of the answers that they are of."""


def _entry(con: duckdb.DuckDBPyConnection, name: str, source: str) -> str:
    """Return the entry of a name; LemError where it is none, or one training seed of several."""
    asked = "select name, coalesce(entry, name) from models where source = ?"
    models: list[tuple[str, str]] = con.execute(asked, [source]).fetchall()
    entries = [entry for _, entry in models]
    if name in entries:
        return name
    entry = dict(models).get(name)
    if entry is None:
        there = ", ".join(dict.fromkeys(entries)) or "none"
        asked = "select distinct source from models where ? in (name, entry) order by all"
        others = [row[0] for row in con.execute(asked, [name]).fetchall()]
        hint = f"; it is there with --source {others[0]}" if others else f"; there are: {there}"
        raise LemError(f"no model {name!r} of source {source!r} in the tables{hint}")
    if entries.count(entry) > 1:
        raise LemError(f"{name!r} is one training seed; compare {entry!r}, all its seeds as one")
    return entry


def _nothing(
    con: duckdb.DuckDBPyConnection, source: str, names: Sequence[str], prompts: str | None, metric: str | None
) -> str:
    asked = "select distinct prompts from basis where source = ? and entry = ? order by all"
    found = {name: [row[0] for row in con.execute(asked, [source, name]).fetchall()] for name in names}
    sets = (f"{name} was asked {', '.join(there) or 'nothing'}" for name, there in found.items())
    wanted = "".join(f", {what} {value!r}" for what, value in (("on", prompts), ("metric", metric)) if value)
    return f"{' and '.join(names)}: nothing that both were asked and scored on{wanted}; {'; '.join(sets)}"


def text(rows: Sequence[Row], candidate: str, baseline: str) -> str:
    """Return what a person reads: a table, and a sentence for each primary metric."""
    if not rows:
        return ""
    head = [name if name not in ("candidate", "baseline") else "" for name in SHOWN]
    head[3:5] = [candidate, baseline]
    ordered = sorted(
        rows, key=lambda row: (not row["is_primary"], row["prompts"], row["mode"], row["metric"])
    )
    sentences = [paired.sentence(row) for row in ordered if row["is_primary"]]
    family = sum(row["p_holm"] is not None for row in rows)
    holm = f"\nHolm's correction is over these {family} tests.\n" if family > 1 else ""
    shown = render(head, [_cells(row) for row in ordered], "table")
    cut = f"\n{NOTE}\n" if CUT in shown else ""
    of = {_asked(row): row for row in ordered if row["answers"]}
    told = [f"On {asked}, {harness.answers(row)}." for asked, row in of.items()]
    return shown + "".join(f"\n{s}\n" for s in (*sentences, *told)) + holm + cut


def _asked(row: Row) -> str:
    return row["prompts"] if row["mode"] == MODES[0] else f"{row['prompts']} ({row['mode']})"


def _cells(row: Row) -> list[str]:
    flips = "" if row["gained"] is None else f"+{row['gained']} -{row['lost']}"
    n = f"{row['n']}" + (f" ({row['unscored']} unscored)" if row["unscored"] else "")
    n += f" ({harness.LIMITED})" if row["limited"] else ""
    sides = [number(row[name], row["unit"]) for name in ("candidate_value", "baseline_value")]
    difference = "" if row["difference"] is None else number(row["difference"], row["unit"], sign=True)
    interval = f" ({found})" if (found := span(row, sign=True)) else ""
    p, holm = (_short(row[name]) for name in ("p", "p_holm"))
    p += f" ({holm})" if holm and holm != p else ""
    return [row["prompts"], label(row, shown=str), n, *sides, difference + interval, flips, p, row["verdict"]]


def _short(p: float | None) -> str:
    return "" if p is None else paired.probability(p).removeprefix("p ").removeprefix("= ")
