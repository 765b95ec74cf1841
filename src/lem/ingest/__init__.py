"""Bring somebody else's results into the same records: `data/imported/<name>/`.

The dump is copied untouched to `raw/`, its rows become our records in our own
layout beside it, and what cannot be one goes to `quarantine.jsonl` with the
reason. Rows in = rows imported + rows quarantined, for every file.

    lem ingest lem-standard ~/benchmarks/standard --as lem-1b
    lem ingest auto ~/downloads/their-results
    lem ingest --import their-study      # an entry of `imports` in params.yaml: the stage
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from lem import engine, layout, params
from lem.errors import LemError
from lem.ingest import kinds
from lem.ingest.dump import Dump, Kind, Tally, suited, summed
from lem.ingest.lines import read_lines
from lem.ingest.places import Survey, beside, copy_raw, same_kind, survey, swap
from lem.params_imports import ImportSpec
from lem.records import OWN

NAMED_FILES = 20  # of those not read; the others are counted


@click.command("ingest")
@click.argument("kind", required=False, type=click.Choice([*kinds.KINDS, kinds.AUTO]))
@click.argument("path", required=False, type=click.Path(path_type=Path))
@click.option("--as", "name", metavar="NAME", help="Source name of the records; the kind's name by default.")
@click.option("--import", "entry", metavar="NAME", help="An entry of `imports` in params.yaml, and no more.")
@click.option(
    "--map",
    "fields",
    metavar="OURS=THEIRS,...",
    help="jsonl: which of their fields is our seed_id, prompt, response, answer, model, prompts, "
    "category, cluster, gen_time, tokens, finish_reason, reasoning, sample or mode.",
)
@click.option("--model", help="jsonl: the model that answered, where no field says so.")
@click.option("--benchmark", help="jsonl: the name of the prompts or questions; their file's by default.")
@click.option(
    "--score",
    metavar="NAME",
    multiple=True,
    help="jsonl: a scorer, number or refusal; default: number where every answer is one.",
)
@click.option(
    "--fine-tuned",
    metavar="NAME",
    multiple=True,
    help="A model that is fine-tuned; given once or more, all others are baselines.",
)
def command(kind: str | None, path: Path | None, name: str | None, entry: str | None, **more: Any) -> None:  # noqa: ANN401
    """Import the results in PATH, a folder or a file, of a known KIND, to data/imported/NAME.

    Links in it are never followed. Running it again changes nothing; an import
    of the same kind that lies there already is replaced, one of another kind is
    an error.

    \b
    Kinds:
        lem-validation  LEM's flat validation dump: JSONL, run logs, benchmark JSON
        lem-standard    question sets, answers, any scores file {scores: {benchmark: {variant: ...}}}
        lm-eval         results and samples of lm-evaluation-harness 0.4
        lm-harmony      scores {train_before_test, direct_eval}, or the leaderboard in Markdown
        jsonl           anybody's answers, with --map
        figures         published figures as CSV
        study           another checkout of this layout: its own records, NAME as their source
        auto            whichever of these it looks like; jsonl where --map is given

    \b
    Example:
        lem ingest lem-standard ~/benchmarks/standard --as lem-1b
        lem ingest auto ~/downloads/their-results
        lem ingest jsonl out.jsonl --map prompt=question,response=output --model their-7b
        lem ingest study ../study-1b --as study-1b
        lem ingest --import their-study
    """
    stated = [word for word in (kind, path, name, *more.values()) if word]
    if entry is not None:
        if stated:
            raise LemError("--import stands alone: params.yaml says the rest")
        engine.require("ingest")
        spec = params.load().imported(entry)
    elif kind is None or path is None:
        raise LemError("expected KIND and PATH, or --import NAME; see: lem ingest --help")
    else:
        spec = by_hand(kind, path, name, **more)
    if layout.confined(spec.name, "--as") == OWN:
        raise LemError(f"--as {OWN}: that is the source of this study's own records; take another name")
    bring(spec)


def by_hand(kind: str, path: Path, name: str | None, **more: Any) -> ImportSpec:  # noqa: ANN401
    """Return an import as the command line states it."""
    fields = dict(_pair(pair) for pair in (more["fields"] or "").split(",") if pair)
    if kind == kinds.AUTO:
        with one_line(path):
            kind = kinds.kind_of(path, fields)
    score, fine_tuned = tuple(more["score"]), tuple(more["fine_tuned"])
    about = more["model"], more["benchmark"]
    return ImportSpec(kind if name is None else name, kind, str(path), fine_tuned, fields, *about, score)


def _pair(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (ours and equals and theirs):
        raise LemError(f"--map: expected OURS=THEIRS,..., as in prompt=question, found {text!r:.80}")
    return ours.strip(), theirs.strip()


def bring(spec: ImportSpec) -> None:
    """Import what an entry names, and print what became of its rows."""
    path = Path(spec.path)
    with one_line(path):
        found, tallies, what = ingest(kinds.named(spec), path, spec)
    click.echo(table(tallies))
    for line in [*left_out(path, found), *not_read(found)]:
        click.echo(line)
    click.echo(f"{layout.imported(spec.name)}: {spec.kind}, {what}")


@contextmanager
def one_line(path: Path) -> Iterator[None]:
    """Raise LemError for what the disk does not let us do with a dump."""
    try:
        yield
    except OSError as err:
        named = str(err.filename or path)
        raise LemError(f"{shown(named)}: {err.strerror or err}") from err


def ingest(kind: Kind, path: Path, spec: ImportSpec) -> tuple[Survey, list[Tally], str]:
    """Return what was found, the row counts a file, and what `swap` says became of data/imported/<name>.

    Raises LemError, and writes nothing, when another kind of import lies there or no row could be imported.
    """
    suited(kind, spec)
    kind.admits(path)
    target = layout.imported(spec.name)
    found = survey(path, kind, target)
    with beside(target) as root:
        same_kind(target, spec.kind)
        dump = Dump(spec.name, root, found.read)
        dump.hashes = copy_raw(path if path.is_dir() else path.parent, root, [*found.read, *found.kept])
        kind.convert(dump, spec)
        if not dump.total().rows:
            raise LemError(f"{path}: not one row in {len(found.read)} files; expected {kind.expects}")
        if not dump.total().imported:
            raise LemError(f"{path}: not one row could be imported: {why_not(dump)}")
        for file in found.refused:
            dump.tally("files", file).rows = 1
            why = "not a regular file" if file.isprintable() else "its name cannot be printed"
            dump.refuse(file, None, f"{why}: neither followed nor read", "")
        dump.state(spec)
        dump.finish(kind.keeps)
        return found, list(dump.tallies.values()), swap(root, target)


def why_not(dump: Dump) -> str:
    """Return how many rows of a dump were quarantined, and the reason of the first."""
    first = dump.quarantined[0]
    place = first.file if first.line is None else f"{first.file}:{first.line}"
    return f"{dump.total().quarantined} quarantined, the first in {shown(place)}: {shown(first.reason):.200}"


def shown(file: str) -> str:
    """Return a foreign file name as a terminal may show it."""
    return file if file.isprintable() else repr(file)[1:-1]


def table(tallies: list[Tally]) -> str:
    """Return the row counts as text: kind, file, rows, imported, quarantined, and their sum."""
    total = summed(tallies)
    kinds = max(len(tally.kind) for tally in [*tallies, Tally("kind", "")]) + 2
    files = max(len(shown(tally.file)) for tally in [*tallies, total]) + 2
    lines = [f"{'kind':<{kinds}}{'file':<{files}}{'rows':>8}{'imported':>10}{'quarantined':>13}"]
    for t in [*tallies, total]:
        counts = f"{t.rows:>8}{t.imported:>10}{t.quarantined:>13}"
        lines.append(f"{t.kind:<{kinds}}{shown(t.file):<{files}}{counts}")
    return "\n".join(lines)


def left_out(folder: Path, found: Survey) -> list[str]:
    """Return a line for each folder of rows that the kind leaves out: how many, in how many files."""
    lines = []
    for top, files in found.left_out.items():
        rows = sum(rows_in(folder / file) for file in files)
        lines.append(f"left out: {rows} rows in {len(files)} files of {shown(top)}; import them on their own")
    return lines


def rows_in(file: Path) -> int:
    """Return the rows of a file that is not imported: one of a JSON document, else its lines."""
    return 1 if file.suffix == ".json" else sum(1 for _ in read_lines(file, file.name))


def not_read(found: Survey) -> list[str]:
    """Return a line for each file that the kind does not read, a count for the many."""
    lines = [f"not read: {shown(file)}" for file in found.not_read[:NAMED_FILES]]
    more = len(found.not_read) - NAMED_FILES
    return [*lines, f"not read: {more} more"] if more > 0 else lines
