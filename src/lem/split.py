"""`lem split`: the training, validation and test items of a task of the leaderboard, apart from each other.

Whatever would spoil a leaderboard is an error here, before a model is loaded: a task
without a training split, an item in two splits, a metric that the task does not measure.

    lem split --task arithmetic
"""

from __future__ import annotations

import click

from lem import engine, layout, params
from lem.record_files import write_json, write_jsonl


@click.command()
@click.option("--task", required=True, help="A task under harmony.tasks in params.yaml.")
def command(task: str) -> None:
    """Write the test items of a task of the leaderboard, and what its three splits are.

    \b
    Example:
        lem split --task arithmetic
    """
    from lem.harmony import tasks
    from lem.harness import items

    engine.require("split")
    study = params.load()
    with tasks.opened(study, task) as found:
        rows = items.items(found.splits.test)
        about = tasks.described(found, rows)
    folder = layout.harmony_task(task)
    write_jsonl(folder / "items.jsonl", rows)
    write_json(folder / "task.json", about)
    counts = ", ".join(f"{name} {split['items']}" for name, split in about["splits"].items())
    dropped = f", {about['dropped']} dropped as shared" if about["dropped"] else ""
    click.echo(f"{folder}: {counts}{dropped}; {about['metric']}, {about['filter']}")
