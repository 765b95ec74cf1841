"""Results and samples of lm-evaluation-harness 0.4: files, or a folder of them at any depth.

    results_<time>.json             aggregates: figures, one a task, metric and filter
    samples_<task>_<time>.jsonl     rows: items, answers, scores

Figures and scores use the same names of model, benchmark (the task), metric and
filter, so whether the ones follow from the others is one join. What belongs
together and how a model is named is in `lem.ingest.lm_eval.runs`.

    lem ingest lm-eval lm_eval_base
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path, PurePosixPath

from lem import layout
from lem.ingest import peek
from lem.ingest.answers import fine_tuned, role, write_run
from lem.ingest.dump import Dump, Kind, Pair
from lem.ingest.lines import Fault, Object, fitting
from lem.ingest.lm_eval.results import KIND as RESULTS
from lem.ingest.lm_eval.results import read_figures
from lem.ingest.lm_eval.runs import SAMPLES, STAMPED, Evaluation, Results, distinct, paired, weights
from lem.ingest.lm_eval.runs import made_nameable as plain
from lem.ingest.lm_eval.sample_files import Found, read_samples
from lem.ingest.lm_eval.samples import asked_sha
from lem.ingest.lm_eval.scores import MODE
from lem.ingest.lm_eval.settings import run_settings
from lem.params_imports import ImportSpec
from lem.record_files import sha256, write_json, write_jsonl
from lem.records import Model, Response


def reads(file: str) -> bool:
    """Return whether a file may be one of lm_eval's: any JSON document, and JSONL that is named samples_*.

    One whose name no line of text can hold is listed as not read.
    """
    name = PurePosixPath(file).name
    return file.isprintable() and (name.endswith(".json") or bool(SAMPLES.fullmatch(name)))


def is_named(file: str) -> bool:
    """Return whether a JSON document is called as lm_eval calls its results."""
    name = PurePosixPath(file).name
    return name.startswith("results") or bool(STAMPED.fullmatch(name))


def knows(path: Path, files: Sequence[str]) -> bool:
    """Return whether there are samples of lm_eval's, or results_*.json with results in it."""
    names = {file: PurePosixPath(file).name for file in files if reads(file)}
    return any(SAMPLES.fullmatch(name) for name in names.values()) or any(
        name.startswith("results_") and name.endswith(".json") and "results" in peek.json_object(path, file)
        for file, name in names.items()
    )


def convert(dump: Dump, spec: ImportSpec) -> None:
    """Write the dump's figures, items, answers, scores, runs and models below `dump.root`."""
    documents = list(read_results(dump))
    top = Path(spec.path)
    folder = plain((top if top.is_dir() else top.parent).resolve().name) or dump.source
    evaluations = list(distinct(paired(documents, dump.files, folder), dump))
    found, runs = Found(), dict[Pair, Evaluation]()
    for evaluation, model in evaluations:
        write_figures(dump, evaluation, model)
        for samples in evaluation.samples:
            read_samples(dump, samples, evaluation, model, found)
            runs[samples.task, model] = evaluation
    write_rows(dump, found)
    for pair in sorted({*found.answers, *found.scores}):
        write_settled(dump, runs[pair].results, *pair, [*chain(*found.answers.get(pair, {}).values())])
    write_models(dump, evaluations, spec)


def read_results(dump: Dump) -> Iterator[Results]:
    """Yield the results files; another JSON document has no row, a broken one is quarantined."""
    for file in dump.files:
        if SAMPLES.fullmatch(PurePosixPath(file).name):
            continue
        for line in dump.document(RESULTS, file):
            try:
                whole = line.object()
            except Fault as fault:
                dump.refuse(file, None, str(fault), line.text)
                continue
            if sound(whole, file):
                dump.tally(RESULTS, file).rows = 0  # its figures are the rows
                yield Results(file, whole)
            elif is_named(file):
                dump.refuse(file, None, 'expected {"results": {task: {"metric,filter": value}}}', line.text)
            else:
                dump.tally(RESULTS, file).rows = 0  # somebody's settings, say


def sound(whole: Object, file: str) -> bool:
    """Return whether a document states results, and is of lm_eval by its name or by what is beside them."""
    beside = any(key in whole for key in ("configs", "versions", "n-samples"))
    return isinstance(whole.get("results"), Object) and (beside or is_named(file))


def write_figures(dump: Dump, evaluation: Evaluation, model: str) -> None:
    """Write the figures of an evaluation's results file, where it has one."""
    if evaluation.results and (figures := read_figures(dump, evaluation.results, model)):
        file = evaluation.results.file
        name = f"{plain(PurePosixPath(file).stem)[:60] or 'results'}-{sha256(repr(file))[:8]}"
        write_jsonl(dump.place(layout.figures(name)), figures)


def write_rows(dump: Dump, found: Found) -> None:
    """Write items, answers and scores."""
    for name, items in found.items.items():
        write_jsonl(dump.place(layout.items(name)), items.values())
    for pair, answers in found.answers.items():
        write_jsonl(dump.place(layout.answers(*pair)), (row for rows in answers.values() for row in rows))
    for pair, scores in found.scores.items():
        write_jsonl(dump.place(layout.scores(*pair)), (row for rows in scores.values() for row in rows))


def write_settled(
    dump: Dump, results: Results | None, name: str, model: str, answers: Sequence[Response]
) -> None:
    """Write the Run of a model over a task: what it was asked, and what a results file states of it."""
    stated = run_settings(results, name) if results else {}
    known = {"responses": len(answers), "prompt_set_sha": asked_sha(answers) if answers else None}
    try:
        write_run(dump, model, name, MODE, **known, **stated)
    except Fault as fault:
        file = results.file if results else ""
        dump.note("settings_unreadable", "info", file, None, str(fault), model, name)
        write_run(dump, model, name, MODE, **known)


def write_models(dump: Dump, evaluations: Sequence[tuple[Evaluation, str]], spec: ImportSpec) -> None:
    """Write a Model record a model; raises LemError for a fine-tuned name that none has."""
    named = {model: evaluation for evaluation, model in evaluations}
    tuned = fine_tuned(spec, named, plain)
    for name, evaluation in sorted(named.items()):
        of = weights(evaluation.results) if evaluation.results else {}
        adapted = not tuned and ("peft" in of or "delta" in of)
        part = "fine-tuned" if adapted else role(name, tuned)
        base = plain(of.get("pretrained", "")) if adapted else None
        model = Model(name, source=dump.source, role=part, base=base if base in named else None)
        with contextlib.suppress(Fault):  # a path that is no Unicode text is in raw/ only
            model = fitting(replace(model, origin=next(iter(of.values()), None)))
        write_json(dump.place(layout.model_record(part, name)), model)


KIND = Kind(
    expects="results_<time>.json or samples_<task>_<time>.jsonl of lm-evaluation-harness 0.4",
    reads=reads,
    keeps=reads,
    convert=convert,
    takes=("fine_tuned",),
    knows=knows,
)
