"""The logs of a validation dump as records, each checked against the answers of the same run.

    for file in dump.files:
        if run := read_log(dump, file, answers):
            check_log(dump, run, answers)

A run is the same where model and mode are: a log tells them by the file that it
says its answers were saved to, else by its own name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from lem.ingest.dump import Dump
from lem.ingest.lem_validation import agreement
from lem.ingest.lem_validation import logs as validation_logs
from lem.ingest.lem_validation import names as validation_names
from lem.ingest.lem_validation.answers import PROMPTS, Answers
from lem.ingest.lines import Fault, Line, decode, fitting, read_lines
from lem.records import LogEntry


@dataclass
class RunLog:
    """What one log file holds, and which run it is of."""

    file: str
    model: str
    mode: str
    log: validation_logs.Log
    is_model: bool  # whether `model` names one: of a file of answers, in the dump or said to be saved
    entries: list[LogEntry] = field(default_factory=list)


class LogLine(NamedTuple):
    """A line of a log, as `dump.row` takes it."""

    file: str
    number: int | None
    text: str


def read_log(dump: Dump, file: str, answers: Sequence[Answers]) -> RunLog | None:
    """Return what a log file holds; None for one without an entry (quarantined), or that is no log."""
    match = validation_names.LOG.fullmatch(file)
    if match is None:
        return None
    log = validation_logs.parse(_lines(read_lines(dump.root / "raw" / file, file)))
    if not log.entries and not log.torn:
        for whole in dump.document("log", file):
            dump.refuse(file, None, "no entry of a validation or a format test in it", whole.text)
        return None
    dump.tally("log", file).rows = len(log.entries) + len(log.torn)
    for torn in log.torn:
        dump.refuse(file, torn.line, torn.reason, torn.text)
    run = identified(file, match[1], log, answers)
    for entry in log.entries:
        with dump.row(LogLine(file, entry.line, entry.text)):
            run.entries.append(fitting(record_of(entry, run, dump.source)))
    note_log(dump, run)
    return run if run.entries else None


def _lines(lines: Iterable[Line]) -> Iterator[tuple[int, str, str | None]]:
    """Yield (number, text, why it cannot be read or None) of each line."""
    for line in lines:
        text, reason = line.text, None
        try:
            line.within_limit()
            text = decode(line.raw.removesuffix(b"\n"))
        except Fault as fault:
            reason = str(fault)
        yield line.number or 0, text, reason


def identified(file: str, stem: str, log: validation_logs.Log, answers: Sequence[Answers]) -> RunLog:
    """Return the run of a log, without entries yet.

    Its mode is the one that all answers of that run have, else the word that
    the log has for it.
    """
    saved = validation_names.answers_of(log.saved_to or "")
    model = saved[0] if saved else validation_names.logged_model(stem)
    word = saved[1] if saved else log.word
    of_model = [here for here in answers if here.model == model]
    modes = {row.mode for here in of_model if word in (None, here.word) for row in here.rows}
    mode = modes.pop() if len(modes) == 1 else word or "unstated"
    return RunLog(file, model, mode, log, is_model=bool(saved or of_model))


def record_of(entry: validation_logs.Entry, run: RunLog, source: str) -> LogEntry:
    """Return the LogEntry of an entry."""
    return LogEntry(
        source=source,
        file=run.file,
        line=entry.line,
        model=run.model,
        prompts=entry.prompts,
        mode=entry.mode or run.mode,
        seed_id=entry.seed_id,
        place=entry.place,
        announced=entry.announced,
        chars=entry.chars,
        seconds=entry.seconds,
        preview=entry.preview,
    )


def note_log(dump: Dump, run: RunLog) -> None:
    """Note what stands in a log besides its entries, and a run that stopped before its end."""
    if noise := validation_logs.noise(run.log):
        dump.note("log_noise", "info", run.file, None, noise)
    for prompts, detail in validation_logs.shortfalls(run.log):
        dump.note("incomplete_run", "error", run.file, None, detail, run.model, prompts)


def check_log(dump: Dump, run: RunLog, answers: Sequence[Answers]) -> None:
    """Note where the log and the answers of a run differ, or one has what the other lacks."""
    logged = [entry for entry in run.log.entries if entry.prompts == PROMPTS]
    of_model = [here for here in answers if here.model == run.model]
    rows = {row.seed_id: row for here in of_model for row in here.rows if row.mode == run.mode}
    if not logged or not (rows or run.log.saved_to):
        return
    for entry, detail in agreement.disagreements(logged, rows):
        about = run.model, PROMPTS, entry.seed_id
        dump.note("log_disagrees", "warning", run.file, entry.line, detail, *about)
    told = {entry.seed_id for entry in logged}
    where = ", ".join(here.file for here in of_model if any(row.mode == run.mode for row in here.rows))
    where = where or f"the dump, which has no answer saved to {run.log.saved_to}"
    if missing := len(told - set(rows)):
        detail = f"{missing} of {len(told)} logged answers are not in {where}"
        dump.note("rows_missing", "error", run.file, None, detail, run.model, PROMPTS)
    if unlogged := len(set(rows) - told):
        detail = f"{unlogged} of {len(rows)} answers in {where} are not in the log"
        dump.note("rows_not_logged", "warning", run.file, None, detail, run.model, PROMPTS)
