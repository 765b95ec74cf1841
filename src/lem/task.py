"""`lem task`: a task of lm-evaluation-harness becomes item records, and its faults one clear line.

Everything that a task's YAML says is tried on every item before a model is loaded:
data files, templates, functions. What an evaluation depends on goes to `data/tasks/`.

    lem task --task arc_like
"""

from __future__ import annotations

import json

import click

from lem import engine, layout, params
from lem.record_files import write_json, write_jsonl


@click.command()
@click.option("--task", required=True, help="A task of params.yaml.")
def command(task: str) -> None:
    """Write the item records of a task of lm-evaluation-harness, and show the first thing it asks.

    A task is seeds/tasks/NAME.yaml, or one that lm-eval comes with where its data can be reached.

    \b
    Example:
        lem task --task arc_like
    """
    from lem.harness import items, tasks

    engine.require("task")
    with tasks.opened(params.load().task(task)) as found:
        rows = items.items(found)
        about = items.described(found, rows)
        first = found.task.instances[0].args
    write_jsonl(layout.items(task), rows)
    write_json(layout.task(task), about)
    click.echo(f"{layout.items(task)}: {len(rows)} items")
    for number, argument in enumerate(first):
        shown = argument if isinstance(argument, str) else json.dumps(argument, ensure_ascii=False)
        click.echo(f"{'it is asked' if number == 0 else 'and'}: {json.dumps(shown, ensure_ascii=False)}")
