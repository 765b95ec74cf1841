"""`lem harmony`: train before test, one model on one task: scores before, after each epoch, and after.

Direct scores reward a model for having seen a benchmark's form; after training on the
task's own training split all have seen it. The models of a leaderboard, and the tasks,
stand in section `harmony` of params.yaml; a killed cell goes on where it stopped.

    lem harmony --model smollm2-135m --task arithmetic

Method: Zhang, Dominguez-Olmedo and Hardt, "Train-before-Test Harmonizes Language Model Rankings", 2025.
"""

from __future__ import annotations

import click

from lem import engine, params


@click.command()
@click.option("--model", "name", required=True, help="A model under harmony.models in params.yaml.")
@click.option("--task", required=True, help="A task under harmony.tasks in params.yaml.")
def command(name: str, task: str) -> None:
    """Test a model on a task, train it on the task's training split, and test it again.

    Described before: lem alter --model NAME, lem split --task NAME. The settings, LM-Harmony's
    by default, are harmony.train in params.yaml.

    \b
    Example:
        lem harmony --model smollm2-135m --task arithmetic
        dvc repro harmony/dvc.yaml      # every model on every task
    """
    from lem.harmony import tasks
    from lem.harmony.cell import Cell

    engine.require("harmony")
    study = params.load()
    model = study.harmony_model(name)
    with tasks.opened(study, task) as found:
        Cell(study, model, found).run()
