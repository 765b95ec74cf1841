"""Files that can be read to their end: no pipe that is waited for, no device that never ends.

must_end(Path("seeds/benchmarks/gsm8k.jsonl"))
tree = unfolded(yaml.safe_load(text), path)     # no aliases of aliases of aliases
"""

from __future__ import annotations

from pathlib import Path

from lem.errors import LemError

MOST = 1_000_000  # values of a YAML file with each alias written out


def must_end(path: Path) -> None:
    """Raise LemError for a pipe, a device or a ring of links; what is missing, and a folder, pass."""
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise LemError(f"{path}: expected a file, found a pipe or a device")
        path.stat()
    except FileNotFoundError:
        return
    except OSError as err:  # a ring of links
        raise LemError(f"{path}: {err.strerror}; expected a file") from err


def unfolded(value: object, path: Path) -> object:
    """Return what YAML gave; LemError where its aliases unfold to more than MOST values, or for ever."""
    if _size(value, {}, path) > MOST:
        raise LemError(f"{path}: its aliases unfold to more than {MOST:,} values; write them out, or fewer")
    return value


def _size(value: object, known: dict[int, int], path: Path) -> int:
    """Return how many values there are with each alias written out; `known` are those counted, 0 begun."""
    if not isinstance(value, dict | list):
        return 1
    if known.get(id(value)) == 0:
        raise LemError(f"{path}: an alias in it holds itself; write it out")
    if id(value) not in known:
        known[id(value)] = 0
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_size(one, known, path) for one in inner)
    return known[id(value)]
