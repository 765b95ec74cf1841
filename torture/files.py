"""Hostile files at every door that reads foreign ones: ingest, items, convert, task, claims, params.yaml.

python -m torture files

Each case is a copy of the micro study with some files laid beside or into it, and the commands that
read them, in a process that is killed when it hangs. What it reached is counted by what happened: a
secret in an output or a record, a file written outside the study, code that ran, an escape sequence
on the screen. A traceback is a fault too: a stranger's file must be refused in one clear line.
"""

from __future__ import annotations

import functools
import os
import resource
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torture.children import Lost, outcomes
from torture.hostile_files import CANARY, Case, Laid, cases
from torture.trial import Trial

HANGS = 60.0  # seconds for one case, on a busy machine
ADDRESSES = 8 * 2**30  # bytes of address space: a bomb must not take the machine down
REFUSED, PLAIN, TRACEBACK = "refused with a clear line", "taken as plain data", "tracebacks"
ESCAPES = ("\x1b", "\x9b", "\u202e")


@dataclass(frozen=True)
class Tried:
    """What came of a case: refused, taken or a traceback; what it reached; the last words."""

    outcome: str
    reached: tuple[str, ...]
    said: str


def run(folder: Path, some: Sequence[Case] | None = None) -> Trial:
    """Try every case; reached and tracebacks must be 0."""
    import micro

    micro.study(folder / "study")
    _tables(folder / "study/reports/tables")
    tried = list(some or cases())
    found = dict(outcomes([(folder, at, one) for at, one in enumerate(tried)], attempt, HANGS))
    counts = Counter(one.outcome for one in found.values() if isinstance(one, Tried))
    failures = []
    for at, one in sorted(found.items()):
        name = tried[at].name
        if isinstance(one, Lost):
            failures.append(f"{name}: {one.why}")
            continue
        failures += [f"{name}: reached {what}" for what in one.reached]
        failures += [f"{name}: a traceback: {one.said}"] if one.outcome == TRACEBACK else []
    figures = {
        "files": len(tried),
        REFUSED: counts[REFUSED],
        PLAIN: counts[PLAIN],
        TRACEBACK: counts[TRACEBACK],
        "hung or died": sum(isinstance(one, Lost) for one in found.values()),
        "reached": sum(bool(one.reached) for one in found.values() if isinstance(one, Tried)),
    }
    return Trial("files", figures, failures)


def _tables(folder: Path) -> None:
    import duckdb

    folder.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(f"copy (select 'own' as source, 0.5 as value) to '{folder}/variant_detail.parquet'")


def attempt(given: tuple[Path, int, Case]) -> Tried:
    """Try a case in a folder of its own, which is removed afterwards."""
    trial, at, case = given
    _ready()
    root = trial / f"case-{at}"
    study, outside = root / "study", root / "outside"
    shutil.copytree(trial / "study", study)
    for folder in (outside, root / "home", root / "tmp", root / "dump"):
        folder.mkdir()
    (outside / "canary.csv").write_text(f"word\n{CANARY}\n")
    for laid in case.laid:
        _lay(root, laid)
    before = set(_names(root))
    os.environ |= {"HOME": str(root / "home"), "HF_HOME": str(root / "home/hf"), "TMPDIR": str(root / "tmp")}
    os.chdir(study)
    try:
        outcome, output, said = _commanded(case, root)
        reached = [what for what, is_so in _reached(root, before, output) if is_so]
    finally:
        os.chdir(trial)
        shutil.rmtree(root, ignore_errors=True)
    return Tried(outcome, tuple(reached), said)


@functools.cache
def _ready() -> None:
    from lem import gguf_files, mlx_runtime, prompts

    prompts.TEMPLATE_SECONDS = gguf_files.SECONDS = 1.0
    mlx_runtime.blas()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1", "MLX_DISABLE_COMPILE": "1"}
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _lay(root: Path, laid: Laid) -> None:
    """Lay one thing into a case's folder: a file, a link, a pipe or a folder."""
    path = root / laid.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file() or path.is_symlink():
        path.unlink()
    if laid.kind == "link":
        path.symlink_to(laid.content.decode().replace("{outside}", str(root / "outside")))
    elif laid.kind == "pipe":
        os.mkfifo(path)
    elif laid.kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(laid.content.replace(b"{outside}", str(root / "outside").encode()))


def _commanded(case: Case, root: Path) -> tuple[str, str, str]:
    """Return what came of a case's commands, all they wrote to the screen, and the last words."""
    from click.testing import CliRunner

    from lem.cli import main

    output = ""
    for words in case.commands:
        result = CliRunner().invoke(main, [w.replace("{root}", str(root)) for w in words], color=True)
        output += result.output
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            kind = type(result.exception).__name__
            return TRACEBACK, output, f"{words[0]}: {kind}: {result.exception}"[:300]
        if result.exit_code:
            return REFUSED, output, result.output.strip().rpartition("\n")[2][:300]
    return PLAIN, output, output.strip().rpartition("\n")[2][:300]


def _reached(root: Path, before: set[str], output: str) -> Iterator[tuple[str, bool]]:
    new = [name for name in set(_names(root)) - before if not name.startswith(("study/", "home/", "tmp/"))]
    yield "a file outside the study: " + ", ".join(sorted(new)[:3]), bool(new)
    yield "code: its marker is there", any(path.name == "ran" for path in root.rglob("ran"))
    yield "the canary in the output", CANARY in output
    yield "the canary changed", (root / "outside/canary.csv").read_text() != f"word\n{CANARY}\n"
    yield "an escape sequence on the screen", any(sign in output for sign in ESCAPES)
    held = [path for path in _regular(root / "study") if CANARY.encode() in path.read_bytes()]
    yield f"the canary in {', '.join(str(p.relative_to(root)) for p in held[:3])}", bool(held)


def _regular(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _names(root: Path) -> Iterator[str]:
    yield from (str(path.relative_to(root)) for path in root.rglob("*"))
