"""The faults of a place, made for as long as a `with` block lasts: disks, rights, remotes, clocks, locales.

with Faulty(folder).disk(place, 300) as disk: ...      # 300 MiB that run full
with remote(store, 7) as port: ...                     # an HTTP remote that goes after seven objects
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

CLOCK = "libfaketime.so.1"
STOPS = 3 * 86400
"""Seconds by which a clock jumps back."""
SITE = """\
import datetime, time
_real, _began = time.time, time.monotonic()
def _now():
    return _real() - (259200 if time.monotonic() - _began > 0.7 else 0)
class _Date(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return cls.fromtimestamp(_now(), tz)
time.time, time.time_ns, datetime.datetime = _now, lambda: int(_now() * 1e9), _Date
"""
"""What stands in for libfaketime: Python's own clocks, 0.7 s after the start."""


def unshared() -> list[str]:
    """Return the words that run a command in a mount namespace of its own; none where there is none."""
    for words in (["unshare", "-m"], ["unshare", "-rm"]):
        if shutil.which("unshare") and not subprocess.run([*words, "true"], capture_output=True).returncode:
            return words
    return []


def limited(size: int) -> Callable[[], None]:
    """Return what lets no file of a child outgrow so many bytes."""
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


class Faulty:
    """The faults that can be made on this machine, and how: `told` says so."""

    def __init__(self, folder: Path) -> None:
        self.told: dict[str, str] = {}
        self.mounts = self._mounts(folder)
        self.told["disks full by"] = "tmpfs" if self.mounts else "RLIMIT_FSIZE"
        self.forbidding: list[Callable[[Path], AbstractContextManager[list[str]]]] = [without_rights]
        if self.mounts:
            self.forbidding.append(mounted_read_only)
        self.told["read-only by"] = " and ".join(one.__name__.replace("_", " ") for one in self.forbidding)

    def _mounts(self, folder: Path) -> bool:
        try:
            with self._mounted(folder / "try", 1):
                return True
        except subprocess.CalledProcessError:
            return False

    @contextmanager
    def _mounted(self, place: Path, mib: int) -> Iterator[Path]:
        place.mkdir(exist_ok=True)
        mount("-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", str(place))
        try:
            yield place
        finally:
            subprocess.run(["umount", "-l", str(place)], check=True)

    @contextmanager
    def disk(self, place: Path, mib: int) -> Iterator[Path]:
        """Yield a folder on a disk of its own; an ordinary folder where nothing can be mounted."""
        if self.mounts:
            with self._mounted(place / "disk", mib) as disk:
                yield disk
        else:
            (place / "disk").mkdir()
            yield place / "disk"

    @contextmanager
    def full(self, disk: Path, kib: int) -> Iterator[int | None]:
        """Fill a disk but for so many KiB; yields the limit on a file's bytes where that has to stand in."""
        if not self.mounts:
            yield kib << 10
            return
        filler = disk / "filler"
        space = os.statvfs(disk)
        with filler.open("wb") as out:
            os.posix_fallocate(out.fileno(), 0, max(1, space.f_bavail * space.f_frsize - (kib << 10)))
        try:
            yield None
        finally:
            filler.unlink()

    @contextmanager
    def jumping(self, place: Path) -> Iterator[dict[str, str]]:
        """Yield the environment of a clock that jumps back while a command runs."""
        found = [*Path("/usr/lib").glob(f"*/faketime/{CLOCK}"), *Path("/usr/lib/faketime").glob(CLOCK)]
        self.told["clock by"] = "libfaketime" if found else "sitecustomize"
        if not found:
            (place / "site").mkdir(exist_ok=True)
            (place / "site/sitecustomize.py").write_text(SITE)
            yield {"PYTHONPATH": str(place / "site")}
            return
        stamp = place / "stamp"
        stamp.write_text("+0")
        timer = threading.Timer(0.7, stamp.write_text, [f"-{STOPS}"])
        timer.start()
        yield {
            "LD_PRELOAD": str(found[0]),
            "FAKETIME_TIMESTAMP_FILE": str(stamp),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        timer.join()

    def surroundings(self, place: Path) -> dict[str, dict[str, str]]:
        """Return {what: environment} of locales and time zones that this machine has or can make."""
        plain = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
        found = {"LC_ALL=C without UTF-8": plain, "TZ=Pacific/Kiritimati": {"TZ": "Pacific/Kiritimati"}}
        for name in ("tr_TR", "de_DE"):
            made = place / f"locales/{name}.UTF-8"
            made.parent.mkdir(exist_ok=True)
            words = ["localedef", "-i", name, "-f", "UTF-8", str(made)]
            if shutil.which("localedef") and not subprocess.run(words, capture_output=True).returncode:
                found[name] = {"LOCPATH": str(made.parent), "LC_ALL": made.name, "PYTHONUTF8": "0"}
        self.told["surroundings"] = ", ".join(found)
        return found


def mount(*words: str) -> None:
    """Mount in this process's own namespace."""
    subprocess.run(["mount", *words], check=True, capture_output=True)


@contextmanager
def mounted_read_only(folder: Path) -> Iterator[list[str]]:
    """Mount a folder over itself so that nobody can write there."""
    mount("--bind", str(folder), str(folder))
    mount("-o", "remount,ro,bind", str(folder))
    try:
        yield []
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def without_rights(folder: Path) -> Iterator[list[str]]:
    """Take the right to write in every folder from its owner; root's own way round that is left out too."""
    folders = [folder, *(path for path in folder.rglob("*") if path.is_dir() and not path.is_symlink())]
    for path in folders:
        path.chmod(0o555)
    try:
        less = "-dac_override,-dac_read_search,-fowner"
        yield ["setpriv", f"--bounding-set={less}"] if os.geteuid() == 0 else []
    finally:
        for path in folders:
            path.chmod(0o755)


@contextmanager
def remote(store: Path, most: int | None, port: int = 0) -> Iterator[int]:
    """Serve a DVC remote over HTTP, and be gone after so many objects; yields the port."""
    left = [most]

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if left[0] is not None:
                left[0] -= 1
                if left[0] < 0:
                    self.close_connection = True
                    threading.Thread(target=gone).start()
                    return
            super().do_GET()

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        allow_reuse_address = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass

    ended = threading.Event()

    def gone() -> None:
        if not ended.is_set():
            ended.set()
            server.shutdown()
            server.server_close()

    server = Server(("127.0.0.1", port), partial(Handler, directory=str(store)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield server.server_port
    finally:
        gone()
        time.sleep(0.05)


def emptied(folder: Path) -> None:
    """Take everything from a study that DVC can bring back, but for the weights, which it has nowhere."""
    for path in (folder / ".dvc/cache", folder / "store", folder / "reports/tables"):
        shutil.rmtree(path, ignore_errors=True)
    for path in sorted((folder / "data").rglob("*"), reverse=True):
        inside = path.relative_to(folder / "data").parts
        if inside[:2] != ("models", "micro") and path.name not in (".gitkeep", ".gitignore"):
            if path.is_dir() and not any(path.iterdir()):
                path.rmdir()
            elif not path.is_dir():
                path.unlink()


def objects(folder: Path) -> dict[str, int]:
    """Return {name: bytes} of every object of a DVC remote; what DVC had to leave unfinished is none."""
    files = (p for p in folder.rglob("*") if p.is_file() and not p.name.startswith("."))
    return {str(p.relative_to(folder)): p.stat().st_size for p in files}
