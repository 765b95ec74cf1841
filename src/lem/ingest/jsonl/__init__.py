"""Anybody's answers: JSON Lines with a field for the prompt and one for the response.

    lem ingest jsonl out.jsonl --map prompt=question,response=output.text --model their-7b
    lem ingest jsonl runs/ --map response=completion,prompts=task,answer=target --as theirs

`--map OURS=THEIRS`: OURS is one of id, prompt, response, answer (the right one),
model, prompts, category, cluster, gen_time (seconds), tokens, finish_reason, reasoning,
sample, mode; THEIRS is a field of a row, or a way into it with dots. A field that
is not mapped is looked for under our name. A row without an id has its line's number, with its
file's name before it where several files may share the prompts; a row that names no
prompts has its file's name. Rows with a right answer become items
too, and are scored: by `--score`, else as numbers where every right answer is one.

A file is read in pieces, by two processes where it is big, and written as it is read.
"""

from __future__ import annotations

import functools
import os
import re
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from lem import layout
from lem.errors import LemError
from lem.ingest.answers import fine_tuned, write_run
from lem.ingest.dump import Dump, Kind, nameable
from lem.ingest.jsonl.kept import Seen, Spool, Took, score, take
from lem.ingest.jsonl.rows import ALIASES, DEFAULTS, Done, Piece, Plan, read_piece, run_of
from lem.ingest.lines import Fault, printable
from lem.params import CHOICE
from lem.params_imports import ImportSpec
from lem.record_files import sha256, write_json
from lem.records import Model
from lem.workers import PROCESSES, in_order

PIECE = 4_000_000  # bytes
BIG = 64_000_000  # bytes of all files from which two processes pay


def reads(file: str) -> bool:
    """Return whether this kind reads a file."""
    return file.endswith(".jsonl")


def convert(dump: Dump, spec: ImportSpec) -> None:
    """Write the dump's answers, items, scores, runs and models below `dump.root`."""
    plan = plan_of(spec)
    took = Took(Spool(dump))
    known = {file: Seen() for file in dump.files}
    size = sum((dump.root / "raw" / file).stat().st_size for file in dump.files)
    for done in read_all(plan, all_pieces(dump), size):
        take(dump, took, known[done.piece.file], done)
    for file, seen in known.items():
        typos(plan, spec, file, seen)
    took.spool.flush()
    score(took, scorers_of(spec))
    took.spool.flush()
    write_runs(dump, took)
    names = sorted({group.model for group in took.keys})
    write_models(dump, names, fine_tuned(spec, names))


def plan_of(spec: ImportSpec) -> Plan:
    """Return how rows are read; LemError for a field of ours, a scorer or a name that is none."""
    mapped: dict[str, str] = {}
    for name, theirs in spec.map.items():
        ours = ALIASES.get(name, name)
        if ours not in DEFAULTS:
            raise LemError(f"--map {name}={theirs}: no field of ours; there are: {', '.join(DEFAULTS)}")
        if ours in mapped:
            raise LemError(f"--map {name}={theirs}: {ours} is mapped to {mapped[ours]} already")
        mapped[ours] = theirs
    scorers_of(spec)
    if spec.benchmark is not None:
        layout.confined(spec.benchmark, "--benchmark")
    return Plan(spec.name, mapped, spec.model and _model(spec.model), spec.benchmark, bool(spec.score))


def _model(name: str) -> str:
    try:
        return nameable(name)
    except Fault as fault:
        raise LemError(str(fault)) from fault


def scorers_of(spec: ImportSpec) -> tuple[str, ...]:
    """Return the scorers that are asked for; LemError lists the ones there are."""
    from lem.scoring.scorers import SCORERS

    usable = [name for name in SCORERS if name != CHOICE]  # a row states no wrong answers to choose from
    for name in spec.score:
        if name not in usable:
            raise LemError(f"--score {name}: no scorer of single answers; there are: {', '.join(usable)}")
    return tuple(dict.fromkeys(spec.score))


def typos(plan: Plan, spec: ImportSpec, file: str, seen: Seen) -> None:
    """Raise LemError for a field that no row of a file has: that is no fault of the rows."""
    from lem.ingest import shown  # the command's module imports every kind, so not at the top

    for ours, theirs in plan.needed if seen.objects else ():
        if theirs not in seen.found:
            there = f"its first row has: {', '.join(map(shown, seen.names[:40]))}"
            if ours in plan.map:
                raise LemError(
                    f"{shown(file)}: no row has the field {theirs!r}, mapped to our {ours}; {there}"
                )
            how = "give --model NAME or --map model=FIELD" if ours == "model" else f"give --map {ours}=FIELD"
            raise LemError(f"{shown(file)}: no row has a field {ours}; {how}; {there}")


def all_pieces(dump: Dump) -> Iterator[Piece]:
    """Yield every file in pieces, in order, with the name of its prompts where no row states one."""
    for file, prompts in names_of(dump.files).items():
        dump.tally("responses", file)
        yield from pieces(dump.root / "raw" / file, file, prompts, PIECE, alone=len(dump.files) == 1)


def names_of(files: Sequence[str]) -> dict[str, str]:
    """Return a name of ours for each file, no two alike, be it in upper or lower case.

    It is the file's own without its suffix, with its folders where several are called so. One that
    has to be changed, or is also another's, ends in 8 digits of the sha256 of the whole.
    """
    stems = Counter(PurePosixPath(file).stem for file in files)
    own, hashed = {}, {}
    for file in files:
        path = PurePosixPath(file)
        stem = path.stem if stems[path.stem] == 1 else str(path.with_suffix(""))
        hashed[file] = f"{as_name(stem)[:71]}-{sha256(printable(file))[:8]}"
        own[file] = stem if stem == as_name(stem) else hashed[file]
    taken = Counter(name.lower() for file in files for name in {own[file], hashed[file]})
    return {file: name if taken[name.lower()] == 1 else hashed[file] for file, name in own.items()}


def pieces(path: Path, file: str, prompts: str, size: int, alone: bool = True) -> Iterator[Piece]:
    """Yield a file in pieces of about `size` bytes that end where a line does, in bounded memory."""
    number, first, at = 1, 0, 0
    with path.open("rb") as bytes_in:
        while block := bytes_in.read(size):
            cut = block.rfind(b"\n") + 1
            if cut:
                yield Piece(path, file, prompts, number, first, at + cut, alone)
                number, first = number + block.count(b"\n"), at + cut
            at += len(block)
    if first < at:
        yield Piece(path, file, prompts, number, first, at, alone)


def as_name(text: str) -> str:
    """Return a text as a name of ours: other characters become a hyphen; 'answers' where nothing is left."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:80] or "answers"


def read_all(plan: Plan, todo: Iterable[Piece], size: int) -> Iterator[Done]:
    """Yield what came of each piece, in order, whether one process reads them or two; `size` is of all."""
    side_by_side = size >= BIG and (os.cpu_count() or 1) >= PROCESSES
    yield from in_order(functools.partial(read_piece, plan), todo, side_by_side)


def write_runs(dump: Dump, took: Took) -> None:
    """Write the Run that each group's answers point at; a row states none of its settings."""
    for group, keys in sorted(took.keys.items()):
        if keys:
            write_run(dump, *group, run_id=run_of(dump.source, group), responses=len(keys))


def write_models(dump: Dump, names: list[str], tuned: Container[str]) -> None:
    """Write a Model record a model."""
    for name in names:
        model = Model(name, source=dump.source, role="fine-tuned" if name in tuned else "baseline")
        write_json(dump.place(layout.model_record(model.role, name)), model)


KIND = Kind(
    expects="*.jsonl with a field for the prompt and one for the response",
    reads=reads,
    keeps=reads,
    convert=convert,
    takes=("fine_tuned", "map", "model", "benchmark", "score"),
)
