"""`lem distil`: a model's own answers under the kernel become a training set without the kernel.

The prompts of a set are asked several times at a temperature, wrapped in the
kernel; refusals, loops, repetitions and answers that quote the kernel are
dropped, an answer that was cut off is trimmed to its last whole sentence, and
what is left is filed as prompt and answer alone. Whoever learns from it learns
to answer as if the kernel stood there.

    lem distil --set lek      # data/training/lek/{train,valid}.jsonl, data/distilled/lek/
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections import Counter

import click

from lem import (
    engine,
    layout,
    mlx_runtime,
    mlx_training,
    params,
    questions,
    training_data,
)
from lem.asking import Asking
from lem.errors import LemError
from lem.prompts import Kernel, messages
from lem.record_files import (
    read_jsonl,
    sha256,
    write_jsonl,
    write_whole,
)
from lem.records import (
    SPLITS,
    Distilled,
    Loss,
    Response,
)
from lem.scoring import signs

QUOTED = 8  # words in a row that stand in the kernel too: no accident any more
Key = tuple[str, int]


@click.command()
@click.option("--set", "name", required=True, help="A training set under distil in params.yaml.")
def command(name: str) -> None:
    """Ask a model under the kernel and keep its answers without it, as chat JSONL.

    \b
    Example:
        lem distil --set lek
    """
    engine.require("distil")
    study = params.load()
    spec = study.distilled(name)
    model, prompts = study.model(spec.model), params.PromptSpec(spec.name, spec.files)
    must_suffice(spec, len(questions.prompts(prompts)))
    chosen = {key: getattr(spec, key) for key in ("samples", "temperature", "top_p", "max_tokens")}
    Asking(study, model, prompts, spec.mode, dataclasses.replace(study.defaults, **chosen)).run()
    answers = list(read_jsonl(layout.responses(model.role, model.name, name, spec.mode), Response))
    kernel = None if spec.mode == "naked" else questions.kernel()
    kept, rows = select(spec, answers, kernel)
    asked = {answer.seed_id: answer.prompt for answer in answers}
    for split in SPLITS:
        lines = [chat(row, asked[row.seed_id], kept) for row in rows if row.split == split]
        write_whole(layout.training_set(name) / f"{split}.jsonl", "".join(lines))
    write_jsonl(layout.distilled(name), rows)
    losses = with_and_without(study, model, spec, kernel)
    write_jsonl(layout.distil_losses(name), losses)
    parts = ", ".join(f"{loss.mode} {loss.loss:.4f}" for loss in losses)
    click.echo(f"{model.name} on the {spec.valid} held out, in nats an answer token: {parts}")
    click.echo(told(name, rows))


def with_and_without(
    study: params.Study, model: params.ModelSpec, spec: params.DistilSpec, kernel: Kernel | None
) -> list[Loss]:
    """Return the asked model's loss over the held-out answers, each prompt naked and as it was asked.

    What a fine-tune can keep of the kernel is the way from the first to the second.
    """
    folder, _ = study.weights(model)
    tokenizer = mlx_runtime.load_tokenizer(folder)
    loaded = mlx_runtime.load(folder, memory=study.memory)
    held_out = training_data.read(layout.training_set(spec.name))["valid"]
    losses = []
    for mode in dict.fromkeys(("naked", spec.mode)):
        wrapped = [
            dataclasses.replace(example, turns=tuple(messages(mode, kernel, example.prompt)))
            for example in held_out
        ]
        tokens = [training_data.encode(tokenizer, example, sys.maxsize, True) for example in wrapped]
        loss = mlx_training.mean_loss(loaded.model, tokens)
        data = layout.training_set(spec.name).as_posix()
        losses.append(Loss(model.name, 0, "valid", loss, mode=mode, data=data))
    return losses


def must_suffice(spec: params.DistilSpec, prompts: int) -> None:
    """Raise LemError where not even all answers could fill the set, before any is asked."""
    samples = spec.samples if spec.temperature else 1  # greedy samples are all the same
    if prompts * samples < spec.train + spec.valid:
        raise LemError(
            f"distil.{spec.name}: {prompts} prompts, {samples} different answers each, are fewer than "
            f"{spec.train} to train on and {spec.valid} to validate; raise samples (with a temperature), "
            "add prompts or ask for fewer"
        )


def select(
    spec: params.DistilSpec, answers: list[Response], kernel: Kernel | None
) -> tuple[dict[Key, str], list[Distilled]]:
    """Return the kept texts by (seed_id, sample), and what became of every answer, in the answers' order.

    Whole prompts go to the validation set, picked by a hash of their id, so
    that no prompt is in both; the training set takes every prompt's first
    sample before any second one. Raises LemError when too few are left.
    """
    kept, dropped = sift(answers, kernel)
    asked = {(answer.seed_id, answer.sample): training_data.same(answer.prompt) for answer in answers}
    seeds = {asked[key]: key[0] for key in reversed(kept)}  # of a prompt; its first, where two ask the same
    order = sorted(seeds, key=lambda prompt: sha256(f"{spec.name} {seeds[prompt]}"))
    held_out: list[Key] = []
    for prompt in order:
        if len(held_out) < spec.valid:
            held_out += [key for key in kept if asked[key] == prompt]
    rest = sorted((key for key in kept if key not in held_out), key=lambda key: key[1])
    if len(held_out) < spec.valid or len(rest) < spec.train:
        raise LemError(
            f"distil.{spec.name}: {len(kept)} of {len(answers)} answers are good, {len(rest)} for "
            f"{spec.train} to train on and {len(held_out)} for {spec.valid} to validate; "
            "raise samples, add prompts or ask for fewer"
        )
    split = dict.fromkeys(rest[: spec.train], "train") | dict.fromkeys(held_out[: spec.valid], "valid")
    rows = [_row(spec.name, answer, kept, split, dropped) for answer in answers]
    return {key: kept[key] for key in split}, rows


def sift(answers: list[Response], kernel: Kernel | None) -> tuple[dict[Key, str], dict[Key, str]]:
    """Return (kept texts, reasons of those dropped) by (seed_id, sample)."""
    known = shingles(f"{kernel.text} {kernel.signature}") if kernel else set()
    kept: dict[Key, str] = {}
    dropped: dict[Key, str] = {}
    given: dict[str, set[str]] = {}  # texts already kept of a prompt
    for answer in answers:
        key = answer.seed_id, answer.sample
        siblings = given.setdefault(training_data.same(answer.prompt), set())
        cut = answer.finish_reason == "length"
        text = signs.to_last_sentence(answer.response) if cut else answer.response.strip()
        if reason := fault(text, known, siblings):
            dropped[key] = reason
        else:
            kept[key] = text
            siblings.add(text)
    return kept, dropped


def fault(text: str, known: set[str], siblings: set[str]) -> str | None:
    """Return why a text is not learned from, or None for a good one."""
    if not text:
        return "no whole sentence"
    if signs.is_refusal(text):
        return "refusal"
    if signs.is_loop(text):
        return "loop"
    if known & shingles(text):
        return "quotes the kernel"
    return "same as another sample" if text in siblings else None


def shingles(text: str) -> set[str]:
    """Return every run of QUOTED words of a text, in lower case and without marks."""
    words = training_data.same(text).split()
    return {" ".join(words[i : i + QUOTED]) for i in range(len(words) - QUOTED + 1)}


def _row(
    name: str, answer: Response, kept: dict[Key, str], split: dict[Key, str], dropped: dict[Key, str]
) -> Distilled:
    key = answer.seed_id, answer.sample
    reason = dropped.get(key, None if key in split else "surplus")
    kept_chars = len(kept[key]) if key in split else 0
    return Distilled(name, *key, split.get(key), reason, len(answer.response), kept_chars)


def chat(row: Distilled, prompt: str, kept: dict[Key, str]) -> str:
    """Return one line of chat JSONL as mlx-lm reads it, with the id of the answer in front."""
    turns = [("user", prompt), ("assistant", kept[row.seed_id, row.sample])]
    messages = [{"role": role, "content": text} for role, text in turns]
    entry = {"id": f"{row.seed_id}#{row.sample}", "messages": messages}
    return json.dumps(entry, ensure_ascii=False) + "\n"


def told(name: str, rows: list[Distilled]) -> str:
    """Return what became of the answers, for a person."""
    counts = Counter(row.split or f"dropped: {row.dropped}" for row in rows)
    trimmed = sum(1 for row in rows if row.split and row.kept_chars < row.chars)
    parts = [f"{n} {what}" for what, n in sorted(counts.items(), key=lambda c: (c[0] not in SPLITS, c[0]))]
    return f"{layout.training_set(name)}: {', '.join(parts)}; {trimmed} trimmed to their last whole sentence"
