"""Every kind of dump by its name; a new kind is one more module here, and `auto` asks each of them.

kind_of(Path("their-results"), {})      # 'lm-eval'
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from lem.errors import LemError
from lem.ingest import figures, jsonl, lem_standard, lem_validation, lm_eval, lm_harmony, study
from lem.ingest.dump import Kind
from lem.params_imports import ImportSpec

AUTO = "auto"
KINDS: dict[str, Kind] = {
    "lem-standard": lem_standard.KIND,
    "lem-validation": lem_validation.KIND,
    "lm-eval": lm_eval.KIND,
    "lm-harmony": lm_harmony.KIND,
    "figures": figures.KIND,
    "jsonl": jsonl.KIND,
    "study": study.KIND,
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
    expected = "; ".join(f"{name}: {kind.expects}" for name, kind in KINDS.items())
    raise LemError(f"{path}: looks like no kind that is known. {expected}")


def _files(path: Path) -> list[str]:
    """Return the names of the files below a folder, relative to it, or of the one file."""
    if path.is_file():
        return [path.name]
    found = (Path(where, name) for where, _, names in os.walk(path) for name in names)
    return sorted(file.relative_to(path).as_posix() for file in found)
