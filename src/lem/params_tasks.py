"""An entry of `tasks` in params.yaml: a task of lm-evaluation-harness, and how it is asked.

tasks:
  arc_like: {chat_template: false, shots: 0, limit: 20}
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TaskSpec:
    """One task: `seeds/tasks/NAME.yaml`, or one that lm-eval comes with; the seeds are lm-eval's four."""

    name: str
    chat_template: bool  # no default: it changes what is asked, so it is said
    shots: int | None = None  # worked examples; as the task's YAML says where it is null
    limit: int | None = None  # only the first so many items; every table says so
    batch_size: int = 32  # continuations weighed, or answers written, together
    seed: int = 0
    numpy_seed: int = 1234
    torch_seed: int = 1234
    fewshot_seed: int = 1234
