"""Samples files of lm-evaluation-harness, whole: every row once, and whether they are what their results say.

found = Found()
read_samples(dump, samples, evaluation, "gpt-oss-120b", found)
found.scores["piqa", "gpt-oss-120b"]
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from lem import layout
from lem.ingest.dump import Dump, Items, Pair, run_id
from lem.ingest.lines import Fault, Line, read_lines
from lem.ingest.lm_eval.runs import Evaluation, Results, Samples
from lem.ingest.lm_eval.samples import Sample, sample_of
from lem.ingest.lm_eval.scores import Task
from lem.ingest.lm_eval.settings import version
from lem.records import Response, Score

HASHES = ("doc_hash", "prompt_hash", "target_hash")


@dataclass
class Found:
    """What the samples files hold, by what it is written under."""

    items: Items = field(default_factory=dict)
    of_file: dict[str, str] = field(default_factory=dict)  # benchmark: the file its items are from
    answers: dict[Pair, dict[str, tuple[Response, ...]]] = field(default_factory=dict)
    scores: dict[Pair, dict[tuple[str, str], tuple[Score, ...]]] = field(default_factory=dict)


def read_samples(dump: Dump, samples: Samples, evaluation: Evaluation, model: str, found: Found) -> None:
    """Add the rows of a samples file to what was found."""
    results, name, file = evaluation.results, samples.task, samples.file
    stated = version(results, name) if results else None
    refused = no_task(dump, samples, results)
    task = Task(dump.source, model, name, stated, "" if refused else run_id(dump.source, model, name))
    others: list[str] = []
    for line in dump.lines("samples", file):
        with dump.row(line):
            if refused:
                raise Fault(refused)
            sample = sample_of(row_of(line), task)
            if add(sample, found, (name, model)):
                others.append(sample.item.item_id)
            found.of_file.setdefault(name, file)
            for rule, detail in sample.doubts.items():
                dump.note(rule, "warning", file, line.number, detail, model, name, sample.item.item_id)
    if others:
        detail = f"{len(others)} docs are not those of {found.of_file[name]}, from doc {others[0]} on"
        dump.note("items_differ", "warning", file, None, detail, model, name)
    if (name, model) in found.answers and (results is None or name not in results.part("results")):
        detail = f"no results file beside it has figures of {name}"
        dump.note("samples_without_results", "info", file, None, detail, model, name)


def row_of(line: Line) -> dict[str, Any]:
    """Return the object of a line, NaN and Infinity in it; raises Fault for a key that stands twice."""
    row = line.object()
    if row.repeated:
        raise Fault(f"key {row.repeated[0][0]!r:.80} stands twice")
    return row


def add(sample: Sample, found: Found, pair: Pair) -> bool:
    """Add a row; return whether its doc is another than the one known by its id.

    Raises Fault for a row that is there already, or contradicts one.
    """
    name, item = pair[0], sample.item
    answers = found.answers.get(pair, {}).get(item.item_id, sample.responses)
    if (item.item_id, sample.reading) in found.scores.get(pair, {}):
        raise Fault(
            f"doc {item.item_id!r:.80} stands twice with filter {sample.reading!r:.80}; the first is kept"
        )
    if answers != sample.responses:
        raise Fault(f"doc {item.item_id!r:.80}: other answers than with its other filter; the first are kept")
    found.answers.setdefault(pair, {})[item.item_id] = sample.responses
    found.scores.setdefault(pair, {})[item.item_id, sample.reading] = sample.scores
    known = found.items.setdefault(name, {}).setdefault(item.item_id, item)
    return known.sha != item.sha


def no_task(dump: Dump, samples: Samples, results: Results | None) -> str | None:
    """Return why none of a file's rows can be of the task in its name, or None.

    lm_eval hashes a task's rows in their order (task_hashes): the hash may be
    another task's. One that is no task's at all is noted: rows were added,
    dropped or changed since.
    """
    name, stated = samples.task, results.part("task_hashes") if results else {}
    if not layout.NAME.fullmatch(name):
        return f"task {name!r:.80} cannot be a file name of ours"
    found = hash_of(dump, samples.file) if name in stated else None
    if results is None or found in (None, stated.get(name)):
        return None
    if other := next((task for task, sha in stated.items() if sha == found), None):
        return f"by its hash this file holds the samples of task {other!r:.80}"
    detail = f"the hash of these rows is not the task hash of {name} in {results.file}"
    dump.note("samples_hash", "warning", samples.file, None, detail, None, name)
    return None


def hash_of(dump: Dump, file: str) -> str | None:
    """Return lm_eval's hash over the rows of a samples file; null where a row has none."""
    digest = hashlib.sha256()
    for line in read_lines(dump.root / "raw" / file, file):
        try:
            row = line.object()
            digest.update("".join(row[key] for key in HASHES).encode())
        except (Fault, KeyError, TypeError, UnicodeEncodeError):
            return None
    return digest.hexdigest()
