"""`lem generate`: ask a model a prompt set in a mode; responses, a log to read, a run record.

Batched, what all prompts share prefilled once, every finished answer journaled:
a killed run goes on where it stopped, and after an edit only the prompts whose
text as sent has changed are asked again.

    lem generate --model smollm2-135m --prompts validation --mode sandwich
    lem generate --model smollm2-135m --ask "What is the capital of France?"
"""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from lem import engine, params, questions
from lem.asking import Asking, draw_seed, sampling
from lem.errors import LemError
from lem.prompts import messages, render, split_reasoning
from lem.record_files import sha256
from lem.records import MODES
from lem.screen import visible


@click.command()
@click.option("--model", "name", required=True, help="A model of params.yaml.")
@click.option("--prompts", "prompt_set", help="A prompt set or a benchmark of params.yaml.")
@click.option("--ask", help="One prompt typed here: prints the answer, writes nothing.")
@click.option(
    "--mode", type=click.Choice(MODES), default="naked", show_default=True, help="How it is wrapped."
)
@click.option("--max-tokens", type=click.IntRange(1), help="Most tokens an answer may have.")
@click.option("--temperature", type=click.FloatRange(0), help="0 is greedy.")
@click.option(
    "--top-p", type=click.FloatRange(0, 1, min_open=True), help="Nucleus sampling, with a temperature."
)
@click.option("--seed", type=int, help="Seed of the draws, with a temperature.")
@click.option("--samples", type=click.IntRange(1), help="Answers to draw for each prompt.")
@click.option("--batch-size", type=click.IntRange(1), help="Sequences decoded together.")
def command(name: str, prompt_set: str | None, ask: str | None, mode: str, **given: Any) -> None:  # noqa: ANN401
    """Ask a model a prompt set: responses as JSONL, a log, a run record.

    Settings not given come from `defaults` in params.yaml.

    \b
    Example:
        lem generate --model smollm2-135m --prompts validation --mode sandwich
        lem generate --model smollm2-135m --ask "What is the capital of France?"
    """
    engine.require("generate")
    if (prompt_set is None) == (ask is None):
        raise LemError("say what to ask: --prompts NAME (from params.yaml) or --ask 'a question'")
    study = params.load()
    chosen = {key: value for key, value in given.items() if value is not None}
    if ask is not None:
        return answer_one(study, study.model(name), ask, mode, dataclasses.replace(study.defaults, **chosen))
    asked = study.prompt_set(str(prompt_set))
    if isinstance(asked, params.BenchmarkSpec):
        if mode != "naked":
            raise LemError(f"{asked.name} is a benchmark: its answers are kept for one mode, naked")
        if asked.is_choice:
            engine.require("weigh")
        chosen = {"max_tokens": asked.max_tokens or study.defaults.max_tokens, **chosen}
    settings = dataclasses.replace(study.defaults, **chosen)
    Asking(study, study.model(name), asked, mode, settings).run()
    return None


def answer_one(
    study: params.Study, spec: params.ModelSpec, text: str, mode: str, settings: params.Defaults
) -> None:
    """Print the answers to one prompt."""
    from lem import mlx_runtime

    text = text.encode("utf-8", "replace").decode("utf-8")  # a shell may hand over bytes that are no text
    kernel = None if mode == "naked" else questions.kernel()
    loaded = mlx_runtime.load(*study.weights(spec), memory=study.memory)
    sent = render(loaded.tokenizer, messages(mode, kernel, text))
    tokens = [mlx_runtime.encode(loaded.tokenizer, sent)] * settings.samples
    seeds = [draw_seed(settings.seed, sha256(sent), sample) for sample in range(settings.samples)]
    for done in mlx_runtime.generate(loaded, tokens, sampling(settings), seeds):
        click.echo(visible(split_reasoning(done.text)[1]))
