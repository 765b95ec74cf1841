"""What the disk refuses (no room, no right to write, a name too long) is the user's to mend, in one line.

try:
    write()
except OSError as err:
    raise refusal(err) or err      # Error: data/x.jsonl: No space left on device; make room and ...
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lem.errors import LemError

ROOM = "make room and start again: what is finished is kept"
RIGHTS = "it has to be writable, and what is read readable, for whoever runs this"
REFUSALS = {
    errno.ENOSPC: ROOM,
    errno.EDQUOT: ROOM,
    errno.EFBIG: "raise the limit on the size of a file (ulimit -f) and start again",
    errno.EROFS: "mount it writable, or work in a copy of the folder",
    errno.EACCES: RIGHTS,
    errno.EPERM: RIGHTS,
    errno.ENAMETOOLONG: "take shorter names, or a folder nearer to the root",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.EIO: "the disk or its driver failed; see the system's log",
}
"""What an operating system refuses for reasons outside of this program, and how to mend it."""
FULL = ("No space left on device", "[write] Unable to write")
"""What libraries that write for themselves say of a full disk; the second is MLX's, a RuntimeError."""


def refusal(err: Exception) -> LemError | None:
    """Return the one line for an error of the disk, however a library says it; None for any other error."""
    if isinstance(err, OSError) and err.errno in REFUSALS:
        named = err.filename2 or err.filename  # of a copy or a rename the second is what was to be written
        return LemError(f"{f'{named}: ' if named else ''}{err.strerror}; {REFUSALS[err.errno]}")
    told = " ".join(str(err).split())
    full = any(words in told for words in FULL)
    if full and (isinstance(err, RuntimeError) or _is_of(err, "safetensors", "SafetensorError")):
        return LemError(f"weights could not be written: {told}; {ROOM}")
    if _is_of(err, "duckdb", "IOException"):
        return LemError(f"{told}; {ROOM}" if full else told)
    return None


def _is_of(err: Exception, module: str, name: str) -> bool:
    """Return whether an error is of a library's class; what is not imported cannot have raised anything."""
    return module in sys.modules and isinstance(err, getattr(sys.modules[module], name))


@contextmanager
def naming(path: Path, aside: Path | None = None) -> Iterator[None]:
    """Name the file in an OSError that does not: a full disk is noticed by a write, which knows no path.

    aside: where the file is written before it is renamed; a name that tells nobody anything.
    """
    try:
        yield
    except OSError as err:
        err.filename = str(path) if err.filename in (None, str(aside)) else err.filename
        raise
