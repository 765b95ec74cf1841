"""Figures of lm-evaluation-harness in the form of an lm-eval report: metrics and stderr side by side. Pure.

    metrics_table(rows, ["base", "tuned"])     # '| Task | Metric | base | tuned | ...'

Rows are those of `lm_eval_metrics`, or figures that a document states.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lem import layout
from lem.records import OWN
from lem.report.tables import ordered, table
from lem.report.words import Row, label, noted, number, span, text

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
    heads = [f"{model if mark else model.removesuffix(' model')} stderr" for model in models]
    return _table(rows, models, heads, "stderr", mark)


def _table(rows: Sequence[Row], models: Sequence[str], heads: Sequence[str], field: str, mark: bool) -> str:
    cells: dict[tuple[tuple[str, str], str], list[str]] = {}
    for row in rows:
        cells.setdefault((_key(row, mark), row["model"]), []).append(_value(row, field))
    lines = [["Task", "Metric", *map(text, heads)]]
    for key in dict.fromkeys(key for key, _ in cells):
        lines.append([*key, *("; ".join(cells.get((key, model), ["-"])) for model in models)])
    rule = "|---|---|" + "---:|" * len(models)
    shown = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([shown[0], rule, *shown[1:]])


def _key(row: Row, mark: bool) -> tuple[str, str]:
    metric = row["metric"] if row["filter"] in (None, "none") else f"{row['metric']}, {row['filter']}"
    task = text(row["task"])
    if mark and row["limited"]:
        task += f" ({LIMITED}, n = {row['n']:,})" if row["n"] is not None else f" ({LIMITED})"
    return task, text(metric)


def _value(row: Row, field: str) -> str:
    if row[field] is not None:
        return f"{row[field]:.4f}"
    return text(row["error"] or "not stated") if field == "value" else "-"


def tables(rows: Sequence[Row], models: Sequence[str], mark: bool = True) -> str:
    """Return both tables under their headings."""
    parts = (METRICS, metrics_table(rows, models, mark), STDERR, stderr_table(rows, models, mark))
    return "\n\n".join(parts)


def limits(rows: Sequence[Row]) -> str:
    """Return of which tasks only the first items were asked, and of which nobody states it."""
    parts = [row for row in rows if row["limited"]]
    asked = [f"{task} ({' and '.join(map(_items, n))} items)" for task, n in _by_task(parts, "n").items()]
    told = [f"Limited runs, only the first items of a task: {', '.join(asked)}."] if asked else []
    silent = _by_task((row for row in rows if row["limited"] is None), "limited")
    told += [f"Not stated whether every item was asked: {', '.join(silent)}."] if silent else []
    return " ".join(told) or "Every item of each task was asked."


def _items(n: int | None) -> str:
    return "an unknown number of" if n is None else f"{n:,}"


def _by_task(rows: Iterable[Row], field: str) -> dict[str, list[Any]]:
    """Return what is stated of each task, in order, null last."""
    found: dict[str, dict[Any, None]] = {}
    for row in rows:
        found.setdefault(text(row["task"]), {})[row[field]] = None
    return {task: sorted(said, key=lambda value: (value is None, value)) for task, said in found.items()}


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
    what = [text(row["prompts"]), label({**row, "scorer": None}, mode=False), names]
    if row["differs"]:
        return [*what, "-", "-", "-", f"refused: they differ in {row['differs']}"]
    flips = ["-" if row[name] is None else f"{row[name]:,}" for name in ("gained", "lost")]
    interval = f" ({found})" if (found := span(row, sign=True)) else ""
    size = "-" if row["difference"] is None else number(row["difference"], row["unit"], sign=True) + interval
    n = f"n = {row['n']:,}" + (f" ({LIMITED})" if row["limited"] else "")
    return [*what, f"{size}, {n}", *flips, row["verdict"]]


def notes(rows: Sequence[Row], sides: Sequence[Row]) -> str:
    """Return what a reader of the tables has to know, as a list."""
    said = [limits(rows)]
    said += [
        f"{text(row['baseline'])} -> {text(row['candidate'])} on {text(row['prompts'])}: {answers(row)}."
        for row in sides
    ]
    for task, versions in _by_task(rows, "task_version").items():
        if len(versions) > 1:
            told = ", ".join(text(version or "not stated") for version in versions)
            said.append(f"{task} was evaluated at versions {told}: those are not compared.")
    return "\n".join(f"- {line}" for line in said)


def setup(rows: Sequence[Row], runs: Sequence[Row]) -> str:
    """Return what all evaluations of a source share, and what differs, as a list."""
    lines = [
        (
            "Evaluator",
            _coded(version and f"lm_eval {version}" for version in _of_each(rows, "lm_eval_version")),
        ),
        ("Backend", _coded(_of_each(rows, "backend"))),
        ("Engine and device", _coded(map(_engine, runs))),
        ("Tasks", [code(",".join(_of_each(rows, "task")))]),
        ("Limit", [limits(rows)]),
        ("Batch size", _coded(_of_each(rows, "batch_size"))),
        ("Worked examples", _shots(rows)),
        (
            "Chat template",
            [code(sha[:12]) if sha else "not applied" for sha in _of_each(rows, "chat_template_sha")],
        ),
        (f"Seeds ({SEEDS})", _coded(_of_each(rows, "seeds"))),
    ]
    return "\n".join(f"- {name}: {'; '.join(said)}" for name, said in lines if said)


def _of_each(rows: Iterable[Row], field: str) -> list[Any]:
    return list(dict.fromkeys(row[field] for row in rows))


def _coded(values: Iterable[str | None]) -> list[str]:
    return [code(value) for value in dict.fromkeys(values) if value]


def code(value: str) -> str:
    """Return a value as code in one line of Markdown, whatever signs it has."""
    said = " ".join(value.split())
    fence = "`" * (1 + max(map(len, re.findall("`+", said)), default=0))
    return f"{fence} {said} {fence}" if len(fence) > 1 else f"`{said}`"


def _shots(rows: Sequence[Row]) -> list[str]:
    found = _by_task((row for row in rows if row["shots"] is not None), "shots")
    return [f"{' and '.join(map(text, shots))} for {task}" for task, shots in found.items()]


def _engine(run: Row) -> str:
    return ", ".join(str(run[name]) for name in ("engine", "device", "blas") if run[name])


def commands(rows: Sequence[Row], is_own: bool) -> str:
    """Return the command of each evaluation: ours, or what a results file states of somebody else's."""
    if is_own:
        return "\n".join(dict.fromkeys(map(_own_call, rows)))
    tasks: dict[tuple[tuple[str, str | None], ...], dict[str, None]] = {}
    for row in rows:
        key = tuple((name, row[name]) for name in CALLED)
        tasks.setdefault((*key, ("limit", _limit(row))), {})[row["task"]] = None
    return "\n".join(_call(dict(key), ",".join(of)) for key, of in tasks.items())


def _own_call(row: Row) -> str:
    parts = [f"lem lm-eval --model {row['model']} --task {row['task']}"]
    parts += [_limit(row), *_option("shots", row["shots"]), *_option("batch-size", row["batch_size"])]
    parts += ["--chat-template" if row["chat_template_sha"] else "--no-chat-template"]
    return " ".join(part for part in parts if part)


CALLED = ("backend", "model_args", "batch_size", "chat_template_sha")


def _call(stated: Mapping[str, str | None], tasks: str) -> str:
    parts = ["lm_eval", *_option("model", stated["backend"])]
    parts += _option("model_args", stated["model_args"] and _arguments(stated["model_args"]))
    parts += [*_option("tasks", tasks), stated["limit"] or "", *_option("batch_size", stated["batch_size"])]
    parts += ["--apply_chat_template" if stated["chat_template_sha"] else ""]
    return " ".join(part for part in parts if part)


def _option(name: str, value: str | None) -> list[str]:
    """Return an option as a shell reads it, in one line; nothing where its value is not stated."""
    return [f"--{name} {shlex.quote(' '.join(value.split()))}"] if value else []


def _limit(stated: Row) -> str:
    return f"--limit {stated['n']}" if stated["limited"] and stated["n"] is not None else ""


def _arguments(stated: str) -> str:
    try:
        parts = json.loads(stated)
    except ValueError:
        return stated
    return ",".join(f"{k}={v}" for k, v in parts.items()) if isinstance(parts, dict) else stated


def artifacts(rows: Iterable[Row]) -> str:
    """Return the results file of each model and task, as a list."""
    files = dict.fromkeys((row["model"], f"{_folder(row['source'])}/{row['document']}") for row in rows)
    return "\n".join(f"- {text(model)}: {code(document)}" for model, document in files)


def _folder(source: str) -> str:
    """Return the folder that a document's name is relative to."""
    return str(layout.DATA if source == OWN else layout.imported(source) / "raw")


def answers(row: Row) -> str:
    """Return what the answers themselves tell of two models, whatever the metrics say."""
    same, of = row["same"], f"{row['answers']:,}"
    what, alike = (
        ("log-probabilities", "equal to the last bit")
        if row["given"]
        else ("written answers", "the same text")
    )
    if same == row["answers"]:
        return f"all {of} {what} are {alike}"
    told = [f"{same:,} of {of} {what} are {alike}"]
    if row["largest"]:
        told.append(f"the largest difference is {row['largest']:.3g} nats ({_place(row)})")
    if row["unknown"]:
        told.append(f"{row['unknown']:,} have no finite number on at least one side")
    return ", ".join(told)


def _place(row: Row) -> str:
    return f"item {text(row['item_id'])}, answer {row['sample']}"
