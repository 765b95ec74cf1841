"""A small git and DVC repository whose outputs DVC really made, and faults to plant in it.

folder = build(tmp_path / "study")      # three files and a folder, pushed to store/ in the tree
flip(object_of(folder, "data/scores.csv"))
mend("rm -f x && dvc fetch -r store data/scores.csv")
"""

import contextlib
import hashlib
import io
import shlex
import shutil
import subprocess
from pathlib import Path

import click
from click.testing import CliRunner

FILES = {
    "data/scores.csv": "item,value\n" + "".join(f"S{n:02},{n * 7 % 11}\n" for n in range(40)),
    "data/answers/a.jsonl": '{"id": "a", "response": "Seven."}\n',
    "data/answers/b.jsonl": '{"id": "b", "response": "Twelve."}\n' * 20,
    "data/answers/deep/c.jsonl": '{"id": "c", "response": "To the sea."}\n',
}
STAGES = """\
stages:
  order:
    cmd: sort data/scores.csv > data/sorted.csv; wc -l < data/scores.csv > data/count.txt
    deps: [data/scores.csv]
    outs:
    - data/sorted.csv
    - data/count.txt: {cache: false}
"""
TRACKED = (*FILES, "data/sorted.csv", "data/count.txt")


def git(folder: Path, *words: str) -> str:
    call = ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *words]
    return subprocess.run(call, cwd=folder, check=True, capture_output=True, text=True).stdout


def build(folder: Path) -> Path:
    """Write the repository, run its stage, push to `store`, commit; return the folder."""
    from dvc.repo import Repo

    folder.mkdir(parents=True)
    for path, text in FILES.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    (folder / "dvc.yaml").write_text(STAGES)
    (folder / ".dvcignore").write_text(".lem\n*.tmp\n")
    (folder / ".gitignore").write_text(".lem\n")
    git(folder, "init", "-q", "-b", "main")
    with contextlib.chdir(folder), contextlib.redirect_stdout(io.StringIO()):
        repo = Repo.init()
        with repo.config.edit("repo") as settings:
            settings["core"] |= {"analytics": False, "autostage": False, "remote": "store"}
            settings["remote"]["store"] = {"url": "store", "verify": True}
        repo.add(["data/scores.csv", "data/answers"])
        repo.reproduce()
        repo.push()
        repo.close()
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "the study")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    """Return the bytes of every tracked file that is there."""
    return {path: (folder / path).read_bytes() for path in TRACKED if (folder / path).is_file()}


def oid(folder: Path, path: str) -> str:
    """Return the hash by which DVC knows a tracked file; of `data/answers/` that of its listing."""
    if path.endswith("/"):
        text = (folder / f"{path.rstrip('/')}.dvc").read_text()
        return text.split("md5: ")[1].split()[0]
    return hashlib.md5((folder / path).read_bytes()).hexdigest()


def in_cache(folder: Path, name: str) -> Path:
    return folder / ".dvc/cache/files/md5" / name[:2] / name[2:]


def in_store(folder: Path, name: str) -> Path:
    return folder / "store/files/md5" / name[:2] / name[2:]


def flip(path: Path, bit: int = 0) -> None:
    """Change one bit of a file in place, whatever its mode."""
    mode, text = path.stat().st_mode, bytearray(path.read_bytes())
    text[bit // 8 % len(text)] ^= 1 << bit % 8
    path.chmod(0o644)
    path.write_bytes(bytes(text))
    path.chmod(mode)


def mend(commands: str) -> None:
    """Run a mend as a shell would, dvc and lem in this process."""
    from dvc.cli import main as dvc

    from lem.remote import command

    for call in commands.partition("  #")[0].split(" && "):
        words = shlex.split(call)
        if words[0] == "dvc":
            assert dvc([*words[1:], "-q"]) == 0, call
        elif words[:2] == ["lem", "remote"]:
            done = CliRunner().invoke(command, words[2:])
            assert done.exit_code == 0, done.output
        else:
            subprocess.run(words, check=True)


def empty(folder: Path) -> None:
    """Remove cache and workspace: what a clone has."""
    shutil.rmtree(folder / ".dvc/cache")
    shutil.rmtree(folder / "data/answers")
    for path in ("data/scores.csv", "data/sorted.csv"):
        (folder / path).unlink()


def lem(group: click.Command, *words: str, code: int = 0) -> str:
    """Return what a command printed; fail unless it ends as expected, without a traceback."""
    result = CliRunner().invoke(group, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output
