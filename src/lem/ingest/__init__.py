"""Bring somebody else's results into the same records: `data/imported/<name>/`.

The dump is copied untouched to `raw/`, its rows become our records in our own
layout beside it, and what cannot be one goes to `quarantine.jsonl` with the
reason. Rows in = rows imported + rows quarantined, for every file.

    lem ingest lem-standard ~/benchmarks/standard --as lem-1b
    lem ingest study ../study-1b --as study-1b
"""

from __future__ import annotations

from pathlib import Path

import click

from lem import layout
from lem.errors import LemError
from lem.ingest import lem_standard, study
from lem.ingest.dump import Dump, Kind, Survey, Tally, beside, copy_raw, survey, swap
from lem.ingest.lines import read_lines
from lem.records import OWN

KINDS: dict[str, Kind] = {"lem-standard": lem_standard.KIND, "study": study.KIND}
"""Every kind of dump by its name on the command line; a new kind is one more module here."""

NAMED_FILES = 20  # of those not read; the others are counted


@click.command("ingest")
@click.argument("kind", type=click.Choice(list(KINDS)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--as", "name", metavar="NAME", help="Source name of the records; the kind's name by default.")
@click.option(
    "--fine-tuned",
    metavar="NAME",
    multiple=True,
    help="A variant that is fine-tuned; given once or more, all others are baselines.",
)
def command(kind: str, path: Path, name: str | None, fine_tuned: tuple[str, ...]) -> None:
    """Import the dump in folder PATH, of a known KIND, to data/imported/NAME.

    Links in it are never followed. Running it again changes nothing.

    \b
    Kinds:
        lem-standard  a dump of LEM's standard benchmarks: questions, answers, stored scores
        study         another checkout of this layout: its own records, NAME as their source

    \b
    Example:
        lem ingest lem-standard ~/benchmarks/standard --as lem-1b
        lem ingest study ../study-1b --as study-1b
    """
    source = layout.confined(kind if name is None else name, "--as")
    if source == OWN:
        raise LemError(f"--as {OWN}: that is the source of this study's own records; take another name")
    try:
        found, tallies, changed = ingest(KINDS[kind], path, source, frozenset(fine_tuned))
    except OSError as err:
        raise LemError(f"{err.filename or path}: {err.strerror or err}") from err
    click.echo(table(tallies))
    for line in [*left_out(path, found), *not_read(found)]:
        click.echo(line)
    click.echo(f"{layout.imported(source)}: {'written' if changed else 'unchanged'}")


def ingest(
    kind: Kind, path: Path, source: str, fine_tuned: frozenset[str]
) -> tuple[Survey, list[Tally], bool]:
    """Return what was found, the row counts a file, and whether data/imported/<source> changed."""
    kind.admits(path)
    found = survey(path, kind)
    target = layout.imported(source)
    with beside(target) as root:
        dump = Dump(source, root, found.read)
        dump.hashes = copy_raw(path, root, [*found.read, *found.kept])
        kind.convert(dump, fine_tuned)
        if not any(tally.rows for tally in dump.tallies.values()):
            raise LemError(f"{path}: not one row in {len(found.read)} files; expected {kind.expects}")
        for file in found.refused:
            dump.tally("files", file).rows = 1
            dump.refuse(file, None, "not a regular file: neither followed nor read", "")
        dump.finish(kind.keeps)
        return found, list(dump.tallies.values()), swap(root, target)


def shown(file: str) -> str:
    """Return a foreign file name as a terminal may show it."""
    return file if file.isprintable() else repr(file)[1:-1]


def table(tallies: list[Tally]) -> str:
    """Return the row counts as text: kind, file, rows, imported, quarantined, and their sum."""
    total = Tally("", "total")
    for tally in tallies:
        total.rows += tally.rows
        total.imported += tally.imported
        total.quarantined += tally.quarantined
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
