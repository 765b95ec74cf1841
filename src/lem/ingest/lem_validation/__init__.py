"""LEM's flat validation dump: answers as JSONL, the logs of the runs, benchmark results as JSON.

    <model>-unsigned.jsonl, <model>-signed.jsonl        lem.ingest.lem_validation.answers
    <model>-validation.log, or any other *.log          lem.ingest.lem_validation.runs
    benchmarks/<benchmark>-<model>.json, summary.json   lem.ingest.lem_validation.benchmark_files

A name with ".excerpt" before its ending is the same file cut short. Where a log
and answers are of the same run, each is checked against the other. A dump does
not state the settings of its runs: they are null.

    lem ingest lem-validation ~/lem/validation
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from lem import layout
from lem.ingest.answers import fine_tuned, write_run
from lem.ingest.dump import Dump, Kind
from lem.ingest.lem_validation import benchmark_files
from lem.ingest.lem_validation import names as validation_names
from lem.ingest.lem_validation.answers import PROMPTS, Answers, note_times, read_answers
from lem.ingest.lem_validation.runs import check_log, read_log
from lem.ingest.peek import beginning
from lem.params_imports import ImportSpec
from lem.record_files import write_json, write_jsonl
from lem.records import Model, Response

PEEK = 65_536  # bytes of a JSON file that tell whether it has a label


def reads(file: str) -> bool:
    """Return whether this kind reads a file, named relative to the dump."""
    return validation_names.answers_of(file) is not None or any(
        pattern.fullmatch(file) for pattern in (validation_names.LOG, validation_names.BENCHMARK)
    )


def knows(path: Path, files: Sequence[str]) -> bool:
    """Return whether a dump has answers of this kind, a validation's log or a labelled benchmark file."""
    return any(
        validation_names.answers_of(file) is not None
        or (validation_names.LOG.fullmatch(file) and file.endswith("-validation.log"))
        or (validation_names.BENCHMARK.fullmatch(file) and b'"label"' in beginning(path, file, PEEK))
        for file in files
    )


def convert(dump: Dump, spec: ImportSpec) -> None:
    """Write the dump's answers, log entries, figures, items, scores, runs and models below `dump.root`."""
    answers = read_answers(dump)
    note_times(dump, answers)
    logs = [log for file in dump.files if (log := read_log(dump, file, answers))]
    for log in logs:
        check_log(dump, log, answers)
        write_jsonl(dump.place(layout.log_entries(log.file.removesuffix(".log"))), log.entries)
    models = {here.model for here in answers if here.rows} | {log.model for log in logs if log.is_model}
    found = benchmark_files.read(dump, models)
    known = sorted(models | found.models)
    tuned = fine_tuned(spec, known)
    roles = {name: validation_names.role(name, tuned) for name in known}
    write_responses(dump, answers, roles)
    benchmark_files.write(dump, found)
    write_models(dump, roles, {log.model: log.log.loaded for log in logs if log.log.loaded}, found.models)


def write_responses(dump: Dump, answers: Iterable[Answers], roles: Mapping[str, str]) -> None:
    """Write the answers of each model and mode, and the Run they point at."""
    runs: dict[tuple[str, str], list[Response]] = {}
    for here in answers:
        for row in here.rows:
            runs.setdefault((row.model, row.mode), []).append(row)
    for (model, mode), rows in sorted(runs.items()):
        write_jsonl(dump.place(layout.responses(roles[model], model, PROMPTS, mode)), rows)
        write_run(dump, model, PROMPTS, mode, run_id=rows[0].run_id, responses=len(rows))


def write_models(
    dump: Dump, roles: Mapping[str, str], origins: Mapping[str, str | None], labelled: set[str]
) -> None:
    """Write a Model record a name; `labelled` are those that the benchmark files set side by side."""
    scales = {
        name: validation_names.scale(name) or validation_names.scale(origins.get(name) or "")
        for name in roles
    }
    baselines = [name for name, role in roles.items() if role == "baseline"]
    compared = [name for name in baselines if name in labelled]
    for name, role in roles.items():
        base = None
        if role == "fine-tuned":
            base = validation_names.base_of(name, scales, baselines)
            base = base or (compared[0] if name in labelled and len(compared) == 1 else None)
        origin = origins.get(name)
        model = Model(name, dump.source, role, scale=scales[name], base=base, origin=origin)
        write_json(dump.place(layout.model_record(role, name)), model)


KIND = Kind(
    expects="<model>-unsigned.jsonl, <model>-signed.jsonl, *.log or benchmarks/<benchmark>-<model>.json",
    reads=reads,
    keeps=reads,
    convert=convert,
    takes=("fine_tuned",),
    knows=knows,
)
