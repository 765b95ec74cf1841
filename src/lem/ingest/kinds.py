"""Every kind of dump by its name; a new kind is one more module here, and `auto` asks each of them.

kind_of(Path("their-results"), {})      # 'lm-eval'
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from lem import layout
from lem.errors import LemError
from lem.ingest import figures, jsonl, lem_standard, lem_validation, lm_eval, lm_harmony, study
from lem.ingest.dump import Kind
from lem.ingest.places import places, walk
from lem.params_imports import ImportSpec

AUTO = "auto"
KINDS: dict[str, Kind] = {
    "lem-standard": lem_standard.KIND,
    "lem-validation": lem_validation.KIND,
    "lm-eval": lm_eval.KIND,
    "lm-harmony": lm_harmony.KIND,
    "figures": figures.KIND,
    "study": study.KIND,
    "jsonl": jsonl.KIND,
}


def named(spec: ImportSpec) -> Kind:
    """Return the kind of an import; LemError names the ones there are."""
    if spec.kind not in KINDS:
        raise LemError(f"import {spec.name}: no kind {spec.kind!r:.80}; there are: {', '.join(KINDS)}")
    return KINDS[spec.kind]


def kind_of(path: Path, fields: Mapping[str, str]) -> str:
    """Return the one kind that a dump looks like; LemError where it is none, or more than one."""
    if fields:
        return "jsonl"
    files = _files(path)
    found = [name for name, kind in KINDS.items() if kind.knows(path, files)]
    if len(found) == 1:
        return found[0]
    if found:
        raise LemError(f"{path}: looks like {' and like '.join(found)}; name the one it is instead of auto")
    raise LemError(
        f"{path}: looks like no kind that is known: {', '.join(KINDS)} (known by its --map); "
        "lem ingest --help says what each reads"
    )


def _files(path: Path) -> list[str]:
    """Return the names of the files below a folder, relative to it, or of the one file.

    What this study has imported is left out. Raises LemError where there is
    nothing or it cannot be read.
    """
    if path.is_file():
        return [path.name]
    if not path.is_dir():
        raise LemError(f"{path}: no such file or folder")
    own = places([layout.DATA / "imported"])
    return sorted((top / name).as_posix() for top, _, names in walk(path, own) for name in names)
