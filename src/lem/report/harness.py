"""Figures of lm-evaluation-harness in the form of an lm-eval report: metrics and stderr side by side. Pure.

    metrics_table(rows, ["base", "tuned"])     # '| Task | Metric | base | tuned | ...'

Rows are those of `lm_eval_metrics`, or figures that a document states.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lem.records import OWN
from lem.report.tables import ordered, table
from lem.report.words import Row, count, label, noted, number, span, text

METRICS = "### Aggregated metrics"
STDERR = "### lm-eval stderr (reported by lm-eval)"
LIMITED = "limited"
SEEDS = "random/numpy/torch/fewshot"


def metrics_table(rows: Sequence[Row], models: Sequence[str], mark: bool = True) -> str:
    """Return the table of values, a row a task and metric, a column a model.

    mark: say behind a task that only its first items were asked, and of how many.
    """
    return _table(rows, models, models, "value", mark)


def stderr_table(rows: Sequence[Row], models: Sequence[str], mark: bool = True) -> str:
    """Return the same table of the standard errors that lm-eval reports."""
    heads = [f"{model.removesuffix(' model')} stderr" for model in models]
    return _table(rows, models, heads, "stderr", mark)


def _table(rows: Sequence[Row], models: Sequence[str], heads: Sequence[str], field: str, mark: bool) -> str:
    cells = {(_key(row, mark), row["model"]): row for row in rows}
    lines = [["Task", "Metric", *map(text, heads)]]
    for key in dict.fromkeys(key for key, _ in cells):
        found = [cells.get((key, model)) for model in models]
        lines.append([*key, *(_value(row, field) for row in found)])
    rule = "|---|---|" + "---:|" * len(models)
    shown = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([shown[0], rule, *shown[1:]])


def _key(row: Row, mark: bool) -> tuple[str, str]:
    metric = row["metric"] if row["filter"] in (None, "none") else f"{row['metric']}, {row['filter']}"
    task = text(row["task"])
    if mark and row["limited"]:
        task += f" ({LIMITED}, n = {row['n']:,})" if row["n"] is not None else f" ({LIMITED})"
    return task.replace("\\_", "_"), text(metric).replace("\\_", "_")


def _value(row: Row | None, field: str) -> str:
    if row is None or row[field] is None:
        return "-" if row is None or field != "value" else "not a number"
    return f"{row[field]:.4f}"


def tables(rows: Sequence[Row], models: Sequence[str], mark: bool = True) -> str:
    """Return both tables under their headings."""
    parts = (METRICS, metrics_table(rows, models, mark), STDERR, stderr_table(rows, models, mark))
    return "\n\n".join(parts)


def limits(rows: Iterable[Row]) -> str | None:
    """Return which tasks were asked only in part; None where none was."""
    found: dict[str, set[str]] = {}
    for row in rows:
        if row["limited"]:
            of = "an unknown number" if row["n"] is None else f"{row['n']:,}"
            found.setdefault(row["task"], set()).add(of)
    if not found:
        return None
    told = ", ".join(f"{task} ({' and '.join(sorted(n))} items)" for task, n in found.items())
    return f"Limited runs, only the first items of a task: {told}."


# The parts of a report on one source


def parts(found: Mapping[str, list[Row]], order: Sequence[str]) -> list[dict[str, str | None]]:
    """Return for each source what the template puts in its places, each Markdown."""
    rows = found["harness"]
    sources = dict.fromkeys(row["source"] for row in rows)
    return [_part(source, {name: _of(found[name], source) for name in NEEDED}, order) for source in sources]


NEEDED = ("harness", "harness_runs", "harness_pairs", "harness_answers")


def _of(rows: Iterable[Row], source: str) -> list[Row]:
    return [row for row in rows if row["source"] == source]


def _part(source: str, found: Mapping[str, list[Row]], order: Sequence[str]) -> dict[str, str | None]:
    rows = found["harness"]
    return {
        "source": text(source),
        "setup": setup(rows, found["harness_runs"]),
        "commands": commands(rows, source == OWN),
        "tables": tables(rows, ordered((row["model"] for row in rows), order)),
        "pairs": noted(pairs(found["harness_pairs"])),
        "artifacts": artifacts(rows),
        "notes": notes(rows, found["harness_answers"]),
    }


def pairs(rows: Sequence[Row]) -> str | None:
    """Return the table of paired differences; None for no row."""
    head = ("task", "metric", "baseline -> candidate", "difference", "gained", "lost", "verdict")
    return table(head, [_pair(row) for row in rows]) if rows else None


def _pair(row: Row) -> list[str]:
    names = f"{text(row['baseline'])} -> {text(row['candidate'])}"
    what = [text(row["prompts"]), label(row, mode=False).removesuffix(", lm-eval"), names]
    if row["differs"]:
        return [*what, "-", "-", "-", f"refused: they differ in {row['differs']}"]
    flips = ["-" if row[name] is None else f"{row[name]:,}" for name in ("gained", "lost")]
    interval = f" ({found})" if (found := span(row, sign=True)) else ""
    size = "-" if row["difference"] is None else number(row["difference"], row["unit"], sign=True) + interval
    return [*what, f"{size}, n = {row['n']:,}", *flips, row["verdict"]]


def notes(rows: Sequence[Row], sides: Sequence[Row]) -> str:
    """Return what a reader of the tables has to know, as a list."""
    said = [limits(rows) or "Every item of each task was asked."]
    said += [
        f"{text(row['baseline'])} -> {text(row['candidate'])} on {text(row['prompts'])}: {answers(row)}."
        for row in sides
    ]
    for task, versions in _several(rows, "task_version").items():
        said.append(f"{text(task)} was evaluated at versions {', '.join(versions)}: those are not compared.")
    return "\n".join(f"- {line}" for line in said)


def _several(rows: Iterable[Row], field: str) -> dict[str, list[str]]:
    found: dict[str, set[str]] = {}
    for row in rows:
        found.setdefault(row["task"], set()).add(str(row[field]))
    return {task: sorted(values) for task, values in found.items() if len(values) > 1}


def setup(rows: Sequence[Row], runs: Sequence[Row]) -> str:
    """Return what all evaluations of a source share, and what differs, as a list."""
    lines = [
        ("Evaluator", [f"`lm_eval {v}`" for v in _known(rows, "lm_eval_version")]),
        ("Backend", [f"`{text(v)}`" for v in dict.fromkeys(map(_backend, runs))] or _ticked(rows, "backend")),
        ("Tasks", [f"`{','.join(dict.fromkeys(row['task'] for row in rows))}`"]),
        ("Limit", [limits(rows) or "none, every item"]),
        ("Batch size", _ticked(rows, "batch_size")),
        ("Worked examples", _shots(rows)),
        ("Chat template", [f"`{sha[:12]}`" for sha in _known(rows, "chat_template_sha")] or ["not applied"]),
        (f"Seeds ({SEEDS})", _ticked(rows, "seeds")),
    ]
    return "\n".join(f"- {name}: {'; '.join(said)}" for name, said in lines if said)


def _known(rows: Iterable[Row], field: str) -> list[Any]:
    return list(dict.fromkeys(row[field] for row in rows if row[field] is not None))


def _ticked(rows: Iterable[Row], field: str) -> list[str]:
    return [f"`{value}`" for value in _known(rows, field)]


def _shots(rows: Sequence[Row]) -> list[str]:
    by_task = {row["task"]: row["shots"] for row in rows if row["shots"] is not None}
    return [f"{shots} for {task}" for task, shots in by_task.items()]


def _backend(run: Row) -> str:
    return ", ".join(str(run[name]) for name in ("engine", "device", "blas") if run[name])


def commands(rows: Sequence[Row], is_own: bool) -> str:
    """Return the command of each evaluation: ours, or what a results file states of somebody else's."""
    if is_own:
        calls = (f"lem lm-eval --model {row['model']} --task {row['task']}{_limit(row)}" for row in rows)
        return "\n".join(dict.fromkeys(calls))
    tasks: dict[tuple[Any, ...], dict[str, None]] = {}
    for row in rows:
        tasks.setdefault(tuple(row[name] for name in CALLED), {})[row["task"]] = None
    return "\n".join(_call(dict(zip(CALLED, key, strict=True)), list(of)) for key, of in tasks.items())


CALLED = ("backend", "model_args", "batch_size", "limited", "n")


def _call(stated: Row, tasks: Sequence[str]) -> str:
    parts = ["lm_eval", f"--model {stated['backend'] or '?'}"]
    parts += [f"--model_args {_arguments(stated['model_args'])}"] if stated["model_args"] else []
    parts += [f"--tasks {','.join(tasks)}"]
    parts += [f"--batch_size {stated['batch_size']}"] if stated["batch_size"] else []
    return " ".join(" ".join(part.split()) for part in parts) + _limit(stated)


def _limit(stated: Row) -> str:
    return f" --limit {stated['n']}" if stated["limited"] and stated["n"] is not None else ""


def _arguments(stated: str) -> str:
    try:
        parts = json.loads(stated)
    except ValueError:
        return stated
    return ",".join(f"{k}={v}" for k, v in parts.items()) if isinstance(parts, dict) else stated


def artifacts(rows: Iterable[Row]) -> str:
    """Return the results file of each model and task, as a list."""
    files = dict.fromkeys((row["model"], row["document"]) for row in rows)
    return "\n".join(f"- {text(model)}: `{document}`" for model, document in files)


def answers(row: Row) -> str:
    """Return what the answers themselves tell of two models, whatever the metrics say."""
    same, all_of = row["same"], row["answers"]
    if not row["given"]:
        if same == all_of:
            return f"all {count(all_of, 'written answer')} are the same text"
        return f"{same:,} of {count(all_of, 'written answer')} are the same text"
    if same == all_of:
        return f"all {count(all_of, 'log-probability').replace('ys', 'ies')} are equal to the last bit"
    where = f" (item {row['item_id']}, answer {row['sample']})" if row["item_id"] is not None else ""
    apart = "not finite" if row["largest"] is None else f"{row['largest']:.3g} nats{where}"
    equal = f"{same:,} of {all_of:,} log-probabilities are equal to the last bit"
    return f"{equal}, the largest difference is {apart}"
