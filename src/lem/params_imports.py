"""An entry of `imports` in params.yaml: somebody else's results, and what their files do not say.

imports:
  their-study: {kind: lem-standard, path: vendor/their-study, fine_tuned: [lem_ethics]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class ImportSpec:
    """One import: a kind of dump, where it lies, and the settings that the kind takes."""

    name: str  # becomes the records' `source`
    kind: str
    path: str  # a folder or a file; `dvc import` puts somebody's repository there at a pinned revision
    fine_tuned: tuple[str, ...] = ()  # names of fine-tuned models, where their names do not tell
    map: Mapping[str, str] = field(default_factory=dict)  # our field: theirs
    model: str | None = None
    benchmark: str | None = None
    score: tuple[str, ...] = ()  # scorers, as in `benchmarks`


SETTINGS = ("fine_tuned", "map", "model", "benchmark", "score")
"""What a kind may take besides its files."""
