"""The figures of a results file of lm-evaluation-harness 0.4, one a task, metric and filter.

    {"results": {task: {"acc,none": 0.8, "acc_stderr,none": 0.09}}, "n-samples": ..., "versions": ...}

A figure that is NaN is null with an error. What a file lacks, or holds in another
shape than 0.4's, is one line of the quarantine each, and the figures are read all the same.

    for figure in read_figures(dump, results, "gpt-oss-120b"):
        print(figure.benchmark, figure.metric, figure.value, figure.n, figure.limited)
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from lem.ingest.dump import Dump
from lem.ingest.lines import (
    AMOUNT_LIMIT,
    Fault,
    Object,
    fitting,
    number,
)
from lem.ingest.lm_eval.runs import Results
from lem.ingest.lm_eval.settings import settings, version
from lem.ingest.nested import Leaf, leaves
from lem.records import Figure

KIND = "results"
KNOWN_VERSION = "0.4."
LABELS = ("alias", "name", "samples", "sample_len", "sample_count")
"""What stands among a task's metrics and is none."""

RATES = (
    "acc",
    "acc_norm",
    "acc_bytes",
    "acc_mutual_info",
    "acc_all",
    "exact_match",
    "em",
    "mc1",
    "mc2",
    "pass@1",
)
SECTIONS = {
    "n-samples": "how many answers a figure is of is not stated",
    "versions": "of which version a task is is not stated",
}


def read_figures(dump: Dump, results: Results, model: str) -> list[Figure]:
    """Return the figures of a results file whose tally is empty, and quarantine what is none."""
    for path, value, reason in faults(results):
        refuse(dump, results.file, reason, path, value)
    found = []
    tally = dump.tally(KIND, results.file)
    for leaf in rows(results):
        tally.rows += 1
        with dump.row(leaf):
            found.append(fitting(figure(leaf, results, model, dump.source)))
    return found


def refuse(dump: Dump, file: str, reason: str, path: tuple[str, ...], value: object) -> None:
    """Count and quarantine what stands at a path of a file, as a row of its own."""
    dump.tally(KIND, file).rows += 1
    dump.refuse(file, None, reason, Leaf(file, "", path, value, False).text)


def faults(results: Results) -> Iterator[tuple[tuple[str, ...], object, str]]:
    """Yield (path, value, reason) of what is not as 0.4 writes it, figures aside."""
    version = results.whole.get("lm_eval_version")
    if version is not None and not str(version).startswith(KNOWN_VERSION):
        told = f"lm_eval_version {version!r:.80} is not known; read as {KNOWN_VERSION}x"
        yield ("lm_eval_version",), version, told
    for section, why in SECTIONS.items():
        if not results.part(section):
            yield (section,), results.whole.get(section), f"no {section}: {why}"
    for task in uncounted(results):
        entry = results.part("n-samples").get(task)
        yield ("n-samples", task), entry, f"n-samples of {task!r:.80}: expected original and effective"
    for path, value in repeated(results.whole):
        yield path, value, f"key {path[-1]!r:.80} stands twice; the first is read"


def uncounted(results: Results) -> Iterator[str]:
    """Yield the tasks with figures that n-samples lacks, or holds in another shape."""
    for task, value in results.part("results").items() if results.part("n-samples") else ():
        figures = isinstance(value, Object) and any(key not in LABELS for key in value)
        if figures and not _is_group(results, task) and None in counts(results, task):
            yield task


def repeated(whole: Object) -> Iterator[tuple[tuple[str, ...], object]]:
    """Yield (path, value) of every later one of a repeated key; those among the figures are rows."""
    stack: list[tuple[tuple[str, ...], object]] = [((), whole)]
    while stack:
        path, value = stack.pop()
        if isinstance(value, Object):
            figures = path[:1] in (("results",), ("groups",)) and len(path) < 3
            if not figures:
                yield from (((*path, key), later) for key, later in value.repeated)
            stack.extend(((*path, key), below) for key, below in reversed(value.items()))
        elif isinstance(value, list):
            stack.extend((path, below) for below in value if isinstance(below, Object | list))


def rows(results: Results) -> Iterator[Leaf]:
    """Yield every figure of a file, and whatever stands in the place of one."""
    stated = results.whole["results"]
    for leaf in leaves(results.file, stated, 2, "results"):
        if not _no_row(leaf, stated):
            yield leaf
    if isinstance(groups := results.whole.get("groups"), Object):
        for leaf in leaves(results.file, groups, 2, "groups"):
            if not _no_row(leaf, groups) and not _same(leaf, stated):
                yield leaf


def _no_row(leaf: Leaf, stated: Object) -> bool:
    """Return whether a leaf is a label, or a sound standard error of a figure that is there."""
    if len(leaf.keys) < 2 or leaf.twice:
        return False
    task, key = leaf.keys
    if key in LABELS:
        return True
    if _of_stderr(key) not in stated[task]:
        return False
    try:
        _stderr(leaf.value)
    except Fault:
        return False
    return True


def _of_stderr(key: str) -> str | None:
    """Return the key of the figure that a key is the standard error of, or None."""
    metric, comma, reading = key.partition(",")
    return metric.removesuffix("_stderr") + comma + reading if metric.endswith("_stderr") else None


def _same(leaf: Leaf, stated: Object) -> bool:
    """Return whether `results` says what a leaf of `groups` says."""
    task = stated.get(leaf.keys[0]) if len(leaf.keys) == 2 and not leaf.twice else None
    if not isinstance(task, Object) or leaf.keys[1] not in task:
        return False
    mine = task[leaf.keys[1]]
    both = isinstance(mine, float) and isinstance(leaf.value, float)
    return type(mine) is type(leaf.value) and (
        isinstance(mine, Object | list)
        or mine == leaf.value
        or (both and mine != mine and leaf.value != leaf.value)
    )


def figure(leaf: Leaf, results: Results, model: str, source: str) -> Figure:
    """Return the Figure of a row; raises Fault."""
    task, metric, reading = named(leaf, results)
    value, error = measured(leaf.value)
    counted = counts(results, task, leaf.keys[1])
    stderr = results.part(leaf.under)[task].get(f"{metric}_stderr{leaf.keys[1].removeprefix(metric)}")
    better = results.part("higher_is_better").get(task)
    better = better.get(metric) if isinstance(better, dict) else None
    return Figure(
        source,
        results.file,
        f"{leaf.under}.{task}",
        model,
        task,
        metric,
        value,
        unit="rate" if is_rate(metric, value) else "as given",
        error=error,
        stderr=_or_none(stderr),
        n=counted[1],
        limited=limited(results, task),
        filter=reading,
        higher_is_better=better if isinstance(better, bool) else None,
        task_version=version(results, task),
        settings=settings(results, task, metric),
    )


def named(leaf: Leaf, results: Results) -> tuple[str, str, str]:
    """Return (task, metric, filter) of a row; raises Fault."""
    if len(leaf.keys) < 2:
        raise Fault(f"expected an object of metrics, found {type(leaf.value).__name__}")
    task, key = leaf.keys
    if leaf.twice:
        raise Fault(f"{task!r:.80}, {key!r:.80} stands twice; the first is kept")
    if _of_stderr(key):
        _stderr(leaf.value)
        raise Fault(f"{key!r:.80} is the standard error of no figure")
    if leaf.under == "groups" and key in results.part("results").get(task, ()):
        raise Fault(f"groups says otherwise than results of {task!r:.80}, {key!r:.80}")
    metric, comma, reading = key.partition(",")
    of_old = not any("," in other for other in results.part(leaf.under)[task])
    if not metric or not (reading if comma else of_old):
        raise Fault(f"{key!r:.80}: expected metric,filter")
    return task, metric, reading or "none"


def measured(value: object) -> tuple[float | None, str | None]:
    """Return (value, error) of a number; null for NaN, Infinity, null and N/A, a Fault for anything else."""
    if value is None or value == "N/A":
        return None, "N/A" if value else "null"
    if isinstance(value, float) and not math.isfinite(value):
        return None, "NaN" if math.isnan(value) else "Infinity"
    if isinstance(value, bool):
        raise Fault("expected a number, found bool")
    return number("value", value), None


def _stderr(value: object) -> float | None:
    if value is None or value == "N/A":
        return None
    if isinstance(value, bool) or number("stderr", value) < 0:
        raise Fault(f"stderr {value} is no standard error")
    return number("stderr", value)


def _or_none(value: object) -> float | None:
    try:
        return _stderr(value)
    except Fault:
        return None  # a row of the quarantine says why


def is_rate(metric: str, value: float | None) -> bool:
    """Return whether a figure is a share of items from 0 to 1."""
    rate = metric in RATES or metric.endswith("_acc")
    return rate and value is not None and 0 <= value <= 1


def counts(results: Results, task: str, key: str = "") -> tuple[int | None, int | None]:
    """Return (original, effective) numbers of items of a task; a group has the latter at most."""
    entry = results.part("n-samples").get(task)
    if isinstance(entry, dict):
        return _count(entry.get("original")), _count(entry.get("effective"))
    below = results.part("results").get(task)
    of_group = below if isinstance(below, dict) else {}
    by_key = of_group.get("sample_count")
    return None, _count(by_key.get(key) if isinstance(by_key, dict) else of_group.get("samples"))


def _count(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < AMOUNT_LIMIT:
        return None
    return int(value) if value == int(value) else None


def _is_group(results: Results, task: str) -> bool:
    return task in results.part("groups") or bool(results.part("group_subtasks").get(task))


def limited(results: Results, task: str) -> bool | None:
    """Return whether only the first items were asked: by the counts, by the limit where none are stated."""
    pairs = [counts(results, name) for name in _leaf_tasks(results, task)]
    known = [(original, asked) for original, asked in pairs if original is not None and asked is not None]
    if known:
        return any(asked < original for original, asked in known)
    config = results.part("config")
    return config["limit"] is not None if "limit" in config else None


def _leaf_tasks(results: Results, task: str) -> list[str]:
    """Return the tasks below a group, or the task itself."""
    below, found, seen = [task], [], set()
    while below:
        name = below.pop()
        if name in seen:
            continue
        seen.add(name)
        more = results.part("group_subtasks").get(name)
        names = [each for each in more if isinstance(each, str)] if isinstance(more, list) else []
        below.extend(names)
        found.extend([] if names else [name])
    return found
