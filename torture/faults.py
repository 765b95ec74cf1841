"""Five hundred flipped bits and cut-off files, in the cache, in a remote that is a folder, in one on S3.

Each is planted, must be named by `examine` (that object in that place and nothing else), and is then
used: the workspace loses what it had, and `lem remote pull` must bring the right bytes from another
copy or end in an error that names the object. Wrong bytes in the workspace are what must never happen.

    python -m torture faults
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torture.trial import Trial

COUNT = 500
PLACES = ("cache", "remote store", "remote cloud")
BUCKET = "study"
AWS = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True)
class Fault:
    """What is planted: which object, where, what becomes of its bytes, and whether another copy is left."""

    place: str
    oid: str
    text: bytes
    damage: bytes
    alone: bool


@dataclass
class Bench:
    """The study under test, its right bytes, and a client of the S3 server."""

    folder: Path
    kept: Path
    objects: dict[str, bytes]
    right: dict[str, bytes]
    client: Any

    def write(self, place: str, oid: str, text: bytes) -> None:
        """Put bytes in the place of an object, whatever its mode."""
        key = f"files/md5/{oid[:2]}/{oid[2:]}"
        if place == "remote cloud":
            self.client.put_object(Bucket=BUCKET, Key=key, Body=text)
            return
        path = self.folder / (".dvc/cache" if place == "cache" else "store") / key
        path.chmod(0o644)
        path.write_bytes(text)
        path.chmod(0o444)

    def remotes(self, *names: str) -> None:
        """Leave only these remotes in use: the others point to where nothing is."""
        where = {"store": "store", "cloud": f"s3://{BUCKET}"}
        urls = {name: where[name] if name in names else f"{where[name]}/nowhere" for name in where}
        cloud = f"    endpointurl = {self.client.meta.endpoint_url}\n"
        text = "".join(f"['remote \"{name}\"']\n    url = {url}\n" for name, url in urls.items()) + cloud
        (self.folder / ".dvc/config.local").write_text(text.replace("url = store", "url = ../store"))

    def restore(self) -> None:
        """Bring back workspace, cache and settings as they were."""
        for path in ("data", ".dvc/cache", ".lem"):
            shutil.rmtree(self.folder / path, ignore_errors=True)
        shutil.copytree(self.kept / "data", self.folder / "data")
        shutil.copytree(self.kept / ".dvc/cache", self.folder / ".dvc/cache")
        self.remotes("store", "cloud")


def run(folder: Path, count: int = COUNT) -> Trial:
    """Plant the faults one by one; return how many were named, used, restored."""
    os.environ |= {"DVC_SITE_CACHE_DIR": str(folder / "site"), "DVC_NO_ANALYTICS": "1", "TQDM_DISABLE": "1"}
    tally: Counter[str] = Counter()
    failures: list[str] = []
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as err:
        return Trial(
            "faults", {"faults": 0}, [f"no fault was planted: {err}; pip install 'moto[s3]' flask flask-cors"]
        )
    with serving(ThreadedMotoServer("127.0.0.1", 0, verbose=False)) as client, built(folder, client) as bench:
        for number, fault in enumerate(drawn(bench, count), 1):
            tally["faults"] += 1
            tally[f"in the {fault.place.removeprefix('remote ')}"] += 1
            for line in trial(bench, fault, tally):
                failures.append(f"fault {number}, {fault.place}, {fault.oid}: {line}")
    names = (
        "in the cache",
        "in the store",
        "in the cloud",
        "named",
        "restored",
        "refused by name",
        "silently used",
    )
    return Trial("faults", {name: tally[name] for name in ("faults", *names)}, failures)


@contextlib.contextmanager
def serving(server: Any) -> Iterator[Any]:  # noqa: ANN401
    """Start an S3 server on loopback; yield a client of it, its bucket made."""
    from botocore.session import get_session

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line a request
    server.start()
    os.environ |= AWS
    try:
        address = "http://{}:{}".format(*server.get_host_and_port())
        client = get_session().create_client("s3", endpoint_url=address)
        client.create_bucket(Bucket=BUCKET)
        yield client
    finally:
        server.stop()


@contextlib.contextmanager
def built(folder: Path, client: Any) -> Iterator[Bench]:  # noqa: ANN401
    """Build a study whose outputs DVC made: files, a folder, a stage's output, and a model's weights."""
    from dvc.repo import Repo

    import micro
    import shared_data

    home = shared_data.build(folder / "study")
    micro.build(home / "data/model")
    with contextlib.chdir(home):
        with contextlib.redirect_stdout(io.StringIO()), Repo() as repo:
            with repo.config.edit("repo") as settings:
                settings["remote"]["cloud"] = {"url": f"s3://{BUCKET}", "verify": "true"}
            repo.add(["data/model"])
        names = {path.parent.name + path.name: path for path in Path(".dvc/cache/files/md5").glob("??/*")}
        objects = {name: path.read_bytes() for name, path in sorted(names.items())}
        right = {p.as_posix(): p.read_bytes() for p in Path("data").rglob("*") if tracked(p)}
        bench = Bench(home, folder / "kept", objects, right, client)
        for path in ("data", ".dvc/cache"):
            shutil.copytree(path, bench.kept / path)
        bench.remotes("store", "cloud")
        for name in ("store", "cloud"):
            shared_data.mend(f"lem remote push {name} --dirty")
        yield bench


def tracked(path: Path) -> bool:
    """Return whether a file of the workspace is an output that the cache holds."""
    return path.is_file() and path.suffix != ".dvc" and path.name not in (".gitignore", "count.txt")


def drawn(bench: Bench, count: int) -> Iterator[Fault]:
    """Yield the faults: places and objects in turn, bits and lengths at random, the same each time."""
    draw = random.Random(0)
    oids = list(bench.objects)
    for n in range(count):
        oid = oids[n // len(PLACES) % len(oids)]
        text = bench.objects[oid]
        damage = bytearray(text)
        if draw.random() < 0.5:
            bit = draw.randrange(len(text) * 8)
            damage[bit // 8] ^= 1 << bit % 8
        else:
            del damage[draw.randrange(len(text)) :]
        yield Fault(PLACES[n % len(PLACES)], oid, text, bytes(damage), draw.random() < 0.5)


def trial(bench: Bench, fault: Fault, tally: Counter[str]) -> Iterator[str]:
    """Plant a fault, look, use, undo; yield what went wrong. S3 is asked only where its objects are meant."""
    from lem.verify.integrity import examine

    cloud = fault.place == "remote cloud"
    bench.write(fault.place, fault.oid, fault.damage)
    try:
        found = [(one.place, one.object) for one in examine(["store", "cloud"] if cloud else ["store"])]
        tally["named"] += found == [(fault.place, fault.oid)]
        if found != [(fault.place, fault.oid)]:
            yield f"named were {found}"
        yield from used(bench, fault, tally)
    finally:
        bench.restore()
        if fault.place != "cache":
            bench.write(fault.place, fault.oid, fault.text)


def used(bench: Bench, fault: Fault, tally: Counter[str]) -> Iterator[str]:
    """Take away what the workspace has, pull, and hold every file against its right bytes."""
    from click.testing import CliRunner

    from lem.remote import command

    damaged, other = ("cloud", "store") if fault.place == "remote cloud" else ("store", "cloud")
    if fault.place == "cache":
        bench.remotes(*([] if fault.alone else ["store"]))
    else:
        shutil.rmtree(bench.folder / ".dvc/cache")
        bench.remotes(damaged, *([] if fault.alone else [other]))
    for path in bench.right:
        (bench.folder / path).unlink()
    done = CliRunner().invoke(command, ["pull"])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        yield f"pull broke: {done.exception!r}"
    here = {
        path: (bench.folder / path).read_bytes() for path in bench.right if (bench.folder / path).is_file()
    }
    wrong = [path for path, text in here.items() if text != bench.right[path]]
    tally["silently used"] += bool(wrong)
    if wrong:
        yield f"wrong bytes in the workspace: {wrong}"
    elif done.exit_code == 0 and len(here) == len(bench.right):
        tally["restored"] += 1
        if fault.alone:
            yield "restored although no other copy was left"
    elif done.exit_code == 1 and fault.oid in done.output and fault.alone:
        tally["refused by name"] += 1
    else:
        yield f"exit code {done.exit_code}, {len(here)} of {len(bench.right)} files: {done.output[-300:]}"
