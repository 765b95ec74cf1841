"""What a stage has left: whether each file parses whole, and how its rows differ from an unbroken run's.

broken(Path("study"))                    # ["data/x.jsonl: ends in the middle of a line"]
difference(whole, held(stage.outs))      # Difference(lost=0, doubled=0, mixed=0, unlike=0)
"""

from __future__ import annotations

import bz2
import json
import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMES = {
    *("gen_time", "batch_size", "seconds", "started", "wall_seconds", "asked", "tokens_per_second"),
    *("git_revision", "git_hash", "date", "start_time", "end_time", "total_evaluation_time_seconds"),
    *("responses_sha", "pretty_env_info", "upper_git_hash", "avg_time", "speed"),
}
"""Fields that hold a time, what follows from one, or the hash of a file that holds some."""
TIMED = {"results", "log", "responses", "samples"}
"""Names in `files` of about.json whose files hold times."""
KEYS = (
    *("source", "model", "prompts", "benchmark", "task", "mode", "seed_id", "item_id", "sample", "metric"),
    *("filter", "repeat", "place", "regime", "split", "iteration", "file", "line", "id"),
)
"""Fields that together name a row, of whatever shape."""
Kept = dict[str, Any]
Marks = dict[str, tuple[int, int]]


@dataclass(frozen=True)
class Difference:
    """How the rows of a stage differ from those of an unbroken run."""

    lost: int = 0
    doubled: int = 0
    mixed: int = 0
    unlike: int = 0
    rows: int = 0
    where: str = ""  # the first file that differs

    def told(self) -> str:
        """Return what is wrong, empty where nothing is."""
        wrong = [f"{count} {name}" for name, count in self.counts().items() if count and name != "rows"]
        return f"{', '.join(wrong)}: {self.where}" if wrong else ""

    def counts(self) -> dict[str, int]:
        """Return the numbers by name."""
        return {name: count for name, count in vars(self).items() if name != "where"}


def below(folder: Path, outs: Iterable[str]) -> Iterator[Path]:
    """Yield the files of outputs, sorted; names that begin with a dot too."""
    for out in outs:
        path = folder / out
        yield from sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def held(folder: Path, outs: Iterable[str]) -> Kept:
    """Return {file: what must be the same in every run}: rows without times, JSON without times, or bytes."""
    return {str(p.relative_to(folder)): _content(p) for p in below(folder, outs) if p.is_file()}


def _content(path: Path) -> object:
    if path.suffix == ".log" or path.name == "log.txt":
        return "a log, which tells times"
    if path.suffix in (".jsonl", ".bz2"):
        raw = bz2.decompress(path.read_bytes()) if path.suffix == ".bz2" else path.read_bytes()
        return [timeless(json.loads(line)) for line in raw.splitlines()]
    if path.suffix != ".json":
        return path.read_bytes()
    content = timeless(json.loads(path.read_bytes()))
    if isinstance(content, dict) and "run_id" in content:
        content.pop("tokens", None)  # of a run: of those answers that its last start asked
    return content


def timeless(value: object) -> object:
    """Return a JSON value without times, at any depth."""
    if isinstance(value, list):
        return [timeless(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: timeless(one) for name, one in value.items() if name not in TIMES}
    if isinstance(files := kept.get("files"), dict):
        kept["files"] = {name: sha for name, sha in files.items() if name not in TIMED}
    return kept


def difference(whole: Kept, now: Kept) -> Difference:
    """Compare what a stage has left with an unbroken run's."""
    found = {file: _of_file(whole.get(file), now.get(file)) for file in sorted(whole.keys() | now.keys())}
    sums = Counter[str]()
    for one in found.values():
        sums.update(one.counts())
    return Difference(**sums, where=next((file for file, one in found.items() if one.told()), ""))


def _of_file(before: object, after: object) -> Difference:
    """Compare one file; what holds no rows is alike or not."""
    if not isinstance(before, list) or not isinstance(after, list):
        return Difference(unlike=int(before != after))
    old, new = Counter(map(named, before)), Counter(map(named, after))
    runs = {row.get("run_id") for row in before}
    return Difference(
        lost=sum((old - new).values()),
        doubled=sum(count - old[name] for name, count in new.items() if count > max(1, old[name])),
        mixed=sum(row.get("run_id") not in runs for row in after),
        unlike=sum(one != other for one, other in zip(before, after, strict=False)),
        rows=len(after),
    )


def named(row: dict[str, Any]) -> str:
    """Return what names a row among those of its file; the whole row where no field of KEYS is there."""
    return json.dumps({key: row[key] for key in KEYS if key in row} or row, sort_keys=True)


def marks(folder: Path, outs: Iterable[str]) -> Marks:
    """Return {file: time and size} of outputs and of what lies unfinished beside them."""
    found: Marks = {}
    for out in map(folder.joinpath, outs):
        beside = out.parent.iterdir() if out.parent.is_dir() else ()
        tops = [out, *(p for p in beside if p.name.startswith(f".{out.name}"))]
        for path in (p for top in tops for p in (top, *(top.rglob("*") if top.is_dir() else ()))):
            try:
                info = path.stat()
            except FileNotFoundError:
                continue
            found[str(path)] = (info.st_mtime_ns, info.st_size)
    return found


def broken(folder: Path) -> list[str]:
    """Return a line for each file below data/ and reports/ that a reader would take and that is not whole.

    Names that begin with a dot are nobody's, and are passed over as `layout.files` does.
    """
    found = []
    for top in ("data", "reports"):
        for path in sorted((folder / top).rglob("*")):
            parts = path.relative_to(folder).parts
            hidden = any(part.startswith(".") for part in parts)
            if path.is_file() and not hidden and (why := fault(path)):
                found.append(f"{path.relative_to(folder)}: {why}")
    return found


def fault(path: Path) -> str | None:
    """Return why a file is not whole, or None."""
    try:
        if path.suffix == ".jsonl":
            content = path.read_bytes()
            for line in content.splitlines():
                json.loads(line)
            return None if content[-1:] in (b"", b"\n") else "ends in the middle of a line"
        if path.suffix == ".json":
            return _incomplete(path, json.loads(path.read_bytes()))
        if path.suffix == ".bz2":
            bz2.decompress(path.read_bytes())
        if path.suffix == ".parquet" and path.read_bytes()[-4:] != b"PAR1":
            return "no end of a Parquet file"
        if path.suffix == ".safetensors":
            return _cut(path)
        if path.suffix == ".svg" and not path.read_text().rstrip().endswith("</svg>"):
            return "no end of an SVG"
    except (ValueError, EOFError, OSError) as err:
        return f"{type(err).__name__}: {err}"
    return None


def _incomplete(path: Path, content: object) -> str | None:
    """Return what a folder lacks that says of itself what is in it."""
    if path.name == "provenance.json" and isinstance(content, dict):
        lacks = [name for name in content["files"] if not (path.parent / name).is_file()]
        return f"its folder lacks {', '.join(lacks)}" if lacks else None
    if path.name == "adapter_config.json" and not (path.parent / "adapters.safetensors").is_file():
        return "its folder lacks the adapter"
    return None


def _cut(path: Path) -> str | None:
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    ends = max(place["data_offsets"][1] for name, place in header.items() if name != "__metadata__")
    return None if path.stat().st_size == 8 + length + ends else "shorter than its header says"


def tree(folder: Path) -> set[str]:
    """Return every file of a study but those of git and DVC: what must be the same after any run."""
    left_out = {".git", ".dvc", "dvc.lock", ".gitignore", "__pycache__"}
    names = (p.relative_to(folder) for p in folder.rglob("*") if not p.is_dir())
    return {str(name) for name in names if not left_out & set(name.parts)}
