"""Bad places to work in: a full disk, a read-only folder, a remote that goes, odd clocks, locales and paths.

Each time a stage ends well or in one clear line, leaves no half of a file, and ends
well once the fault is gone, with the records that it has anywhere else.

    python -m torture places       # mounts need `unshare` (util-linux); without it limits stand in for them
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from torture import faulty, outcomes
from torture.faulty import Faulty
from torture.outcomes import Kept
from torture.stages import STAGES, THEIRS, Stage, copy
from torture.trial import REPOSITORY, Trial, environment, study

ROOMS = {
    "generate validation naked": (0, 4, 8, 12, 20),
    "generate format kernel-only": (0, 8),
    "distil": (0, 16, 40),
    "train": (0, 4, 16),
    "convert": (0, 100, 600),
    "fuse": (0, 300),
    "ingest": (0, 8, 40),
    "check": (0,),
    "warehouse": (0, 40, 160),
    "report": (0, 60),
}
"""KiB that a full disk has left, for each stage."""
PUSHES = (0, 40, 400)
"""KiB that the disk of a remote has left."""
OBJECTS = (0, 7, 40)
"""Objects that a remote hands out before it goes."""
READ_ONLY = ("generate validation naked", "train", "ingest", "warehouse", "report", "convert")
ODD = "-an odd 'place' \"für\" 你好 🙂 $HOME;#"
BY_NAME = {stage.name: stage for stage in STAGES} | {
    "ingest": Stage("ingest", THEIRS, ("data/imported/theirs",)),
}
Commands = Callable[[tuple[str, ...]], list[str]]


@dataclass
class Tally:
    """What came of the places so far."""

    tried: int = 0
    succeeded: int = 0
    clear: int = 0
    half_written: int = 0
    kinds: dict[str, int] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def met(self, kind: str, where: str, done: subprocess.CompletedProcess[str]) -> None:
        """Count how a command ended in a bad place."""
        self.tried += 1
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        if done.returncode == 0:
            self.succeeded += 1
        elif is_clear(done):
            self.clear += 1
        else:
            self.fails(f"{where}: no clear error, exit code {done.returncode}: {last(done)}")

    def fails(self, line: str) -> None:
        """Keep a line for what went wrong."""
        self.failures.append(line)

    def whole(self, where: str, folder: Path) -> None:
        """Count the files that a reader would take and that are not whole."""
        for line in outcomes.broken(folder):
            self.half_written += 1
            self.fails(f"{where}: {line}")


def is_clear(done: subprocess.CompletedProcess[str]) -> bool:
    """Return whether a command that failed said so in one clear line."""
    told = [line for line in done.stderr.splitlines() if line.startswith(("Error: ", "ERROR: "))]
    one = len(told) == 1 or done.args[0] == "dvc"  # which tells of each file, and of the stage that failed
    return "Traceback" not in done.stderr and one and done.returncode in (1, 255)


def last(done: subprocess.CompletedProcess[str]) -> str:
    """Return the last line that was printed."""
    return next((line for line in reversed((done.stdout + done.stderr).splitlines()) if line.strip()), "")[
        :300
    ]


def lem(words: tuple[str, ...]) -> list[str]:
    """Return a command as a process is started with it."""
    return [sys.executable, "-m", "lem", *words]


def call(
    folder: Path, words: list[str], more: Mapping[str, str] | None = None, limit: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command in a study; `limit`: bytes that no file may outgrow."""
    return subprocess.run(
        words,
        cwd=folder,
        env=environment(folder) | dict(more or {}),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        timeout=600,
        preexec_fn=faulty.limited(limit) if limit is not None else None,
    )


def run(folder: Path) -> Trial:
    """Run every check, in a mount namespace of its own where there is one."""
    inside = [sys.executable, "-m", "torture.places", str(folder)]
    words = [*faulty.unshared(), *inside]
    done = subprocess.run(words, cwd=REPOSITORY, stdout=subprocess.PIPE, encoding="utf-8")
    if done.returncode:
        return Trial("places", {}, [f"the trial itself ended with exit code {done.returncode}"])
    told = json.loads(done.stdout.splitlines()[-1])
    return Trial("places", told["figures"], told["failures"])


def checked(folder: Path) -> Trial:
    """Write the study, run it whole, and take it to each bad place."""
    tally, whole = Tally(), reference(folder / "plain/study")
    kept = outcomes.held(whole, ["data"])
    how = Faulty(folder)
    for check in (full_disks, full_remotes, read_only, gone_remotes, odd_clocks, odd_words, odd_path):
        place = folder / check.__name__
        place.mkdir()
        check(tally, how, whole, kept, place)
        shutil.rmtree(place, ignore_errors=True)
    figures: dict[str, int | float | str] = {
        "places": tally.tried,
        **tally.kinds,
        "succeeded": tally.succeeded,
        "ended in a clear error": tally.clear,
        "half-written files": tally.half_written,
        **how.told,
    }
    return Trial("places", figures, tally.failures)


def reference(folder: Path) -> Path:
    """Write the micro study, run it whole through DVC, push it, and return its folder."""
    study(folder)
    rows = [{"key": f"Q{n}", "question": f"What is {n}?", "output": f"It is {n}. " * 20} for n in range(200)]
    (folder / "dump.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    must(call(folder, lem(THEIRS)))
    must(call(folder, ["dvc", "repro", "-q"]))
    must(call(folder, ["dvc", "push", "-q"]))
    must(call(folder, lem(("fuse", "--model", "micro-lek"))))
    return folder


def must(done: subprocess.CompletedProcess[str]) -> None:
    """Stop the trial where the study fails in a good place already."""
    assert done.returncode == 0, f"{done.args}: {done.stderr[-2000:]}{done.stdout[-500:]}"


def mended(tally: Tally, where: str, whole: Path, folder: Path, stage: Stage, fault: Commands) -> None:
    """Run a stage without the fault: its records must be those of the study, and nothing else lie there."""
    done = call(folder, fault(stage.words))
    if done.returncode:
        return tally.fails(f"{where}: does not go on when the fault is gone: {last(done)}")
    outs = [out for out in stage.outs if not out.startswith("reports")]
    if found := outcomes.difference(outcomes.held(whole, outs), outcomes.held(folder, outs)).told():
        tally.fails(f"{where}: its records differ: {found}")
    if more := sorted(outcomes.tree(folder) ^ outcomes.tree(whole)):
        tally.fails(f"{where}: left behind or missing: {', '.join(more[:5])}")
    return None


def forget(folder: Path, stage: Stage) -> None:
    """Remove what a stage wrote; the tables stay, to be replaced."""
    for out in stage.outs:
        path = folder / out
        if not out.startswith("reports"):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


def full_disks(tally: Tally, how: Faulty, whole: Path, kept: Kept, place: Path) -> None:
    """Let the disk run full at several moments of each stage that writes much."""
    with how.disk(place, 300) as disk:
        for name, rooms in ROOMS.items():
            stage = BY_NAME[name]
            for room in rooms:
                folder, where = copy(whole, disk / "it/study"), f"{name}, {room} KiB left"
                forget(folder, stage)
                with how.full(disk, room) as limit:
                    tally.met("a full disk", where, call(folder, lem(stage.words), limit=limit))
                    tally.whole(where, folder)
                mended(tally, where, whole, folder, stage, lem)
                shutil.rmtree(disk / "it")


def full_remotes(tally: Tally, how: Faulty, whole: Path, kept: Kept, place: Path) -> None:
    """Push to a remote whose disk runs full, and again when there is room."""
    folder = copy(whole, place / "it/study")
    with how.disk(place, 300) as disk:
        for room in PUSHES:
            remote, where = disk / f"remote{room}", f"dvc push, {room} KiB left"
            remote.mkdir()
            call(folder, ["dvc", "remote", "add", "-f", "small", str(remote)])
            with how.full(disk, room) as limit:
                tally.met("a full remote", where, call(folder, ["dvc", "push", "-r", "small"], limit=limit))
            done = call(folder, ["dvc", "push", "-r", "small"])
            there, pushed = faulty.objects(remote), faulty.objects(whole / "store")
            if done.returncode or there != pushed:
                tally.fails(f"{where}: the next push leaves another store: {last(done)}")
            shutil.rmtree(remote)


def read_only(tally: Tally, how: Faulty, whole: Path, kept: Kept, place: Path) -> None:
    """Run stages in a folder that nobody may write: mounted so, and without the rights to it."""
    for fault in how.forbidding:
        folder = copy(whole, place / "it/study")
        for name in READ_ONLY:
            stage, where = BY_NAME[name], f"{name}, {fault.__name__.replace('_', ' ')}"
            forget(folder, stage)
            before = outcomes.tree(folder)
            with fault(folder) as prefix:
                tally.met("a read-only folder", where, call(folder, [*prefix, *lem(stage.words)]))
            if outcomes.tree(folder) != before:
                tally.fails(f"{where}: it wrote there all the same")
            mended(tally, where, whole, folder, stage, lem)
        shutil.rmtree(place / "it")


def gone_remotes(tally: Tally, how: Faulty, whole: Path, kept: Kept, place: Path) -> None:
    """Pull from an HTTP remote that goes after so many objects, and again when it is back."""
    for words, counts in ((["dvc", "pull"], OBJECTS), (["dvc", "repro", "--pull", "-q"], OBJECTS[1:2])):
        for most in counts:
            where = f"{' '.join(words[:3])}, the remote gone after {most} objects"
            folder = copy(whole, place / "it/study")
            faulty.emptied(folder)
            with faulty.remote(whole / "store", most) as port:
                call(folder, ["dvc", "remote", "add", "-f", "-d", "gone", f"http://127.0.0.1:{port}"])
                tally.met("a remote that goes", where, call(folder, words))
            tally.whole(where, folder)
            with faulty.remote(whole / "store", None, port):
                done = call(folder, words)
            bytes_now = {f: v for f, v in outcomes.held(folder, ["data"]).items() if f in kept}
            pulled = {
                f: v for f, v in kept.items() if f in bytes_now or not f.startswith("data/models/micro/")
            }
            pulled = {
                f: v for f, v in pulled.items() if not f.startswith(("data/fused", "data/imported/theirs"))
            }
            bytes_now = {f: v for f, v in bytes_now.items() if f in pulled}
            if done.returncode or (found := outcomes.difference(pulled, bytes_now).told()):
                tally.fails(
                    f"{where}: the next one does not mend it: {last(done) if done.returncode else found}"
                )
            shutil.rmtree(place / "it")


def odd_clocks(tally: Tally, how: Faulty, whole: Path, kept: Kept, place: Path) -> None:
    """Let the clock jump back by three days while stages run."""
    stage = BY_NAME["generate validation naked"]
    repro = ["dvc", "repro", "-q", "-f", "-s", "--no-run-cache", "generate@micro-sandwich"]
    for words in (lem(stage.words), repro, lem(("warehouse",)), lem(("train", "--model", "micro-lek"))):
        folder, where = copy(whole, place / "it/study"), f"the clock jumps back in {' '.join(words[-3:])}"
        forget(folder, stage if words[-1] != "micro-lek" else BY_NAME["train"])
        if words is repro:
            must(call(folder, lem(stage.words)))
        with how.jumping(place) as clock:
            tally.met("a clock that jumps back", where, call(folder, words, clock))
        tally.whole(where, folder)
        again = stage if words[-1] != "micro-lek" else BY_NAME["train"]
        mended(tally, where, whole, folder, again, lem)
        shutil.rmtree(place / "it")


def odd_words(tally: Tally, how: Faulty, whole: Path, kept: Kept, place: Path) -> None:
    """Run stages under other locales and in another time zone: the same records, byte for byte."""
    names = ("generate validation naked", "generate sums naked", "ingest", "warehouse", "check", "report")
    for what, env in how.surroundings(place).items():
        folder = copy(whole, place / "it/study")
        for name in names:
            stage, where = BY_NAME[name], f"{name}, {what}"
            forget(folder, stage)
            done = call(folder, lem(stage.words), env)
            tally.met("a locale or time zone", where, done)
            if done.returncode:
                tally.fails(f"{where}: {last(done)}")
            else:
                mended(tally, where, whole, folder, stage, lem)
        done = call(
            folder, lem(("sql", "select prompt from responses where prompt like '%你好%' limit 1")), env
        )
        tally.met("a locale or time zone", f"sql, {what}", done)
        shutil.rmtree(place / "it")


def odd_path(tally: Tally, how: Faulty, whole: Path, kept: Kept, place: Path) -> None:
    """Run the whole study in a folder whose name is hostile to shells, and compare its records."""
    folder = study(place / ODD)
    shutil.copy2(whole / "dump.jsonl", folder)
    done = call(folder, lem(THEIRS))
    tally.met("an odd path", "lem ingest in an odd path", done)
    done = call(folder, ["dvc", "repro", "-q"])
    tally.met("an odd path", "dvc repro in an odd path", done)
    done = call(folder, lem(("fuse", "--model", "micro-lek")))
    tally.met("an odd path", "lem fuse in an odd path", done)
    found = outcomes.difference(kept, outcomes.held(folder, ["data"])).told()
    if done.returncode or found:
        tally.fails(f"dvc repro in an odd path: {found or last(done)}")
    tally.whole("an odd path", folder)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what helpers print away from the one line that the parent reads."""
    out = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(out, 1)


if __name__ == "__main__":
    with _quiet():
        trial = checked(Path(sys.argv[1]))
    print(json.dumps({"figures": trial.figures, "failures": trial.failures}))
