"""The examples a model learns a task from: what the test asks, with the right answer behind it, as tokens.

    examples(task, lm)      # [([12, 7, ...], 9), ...]: token ids, where the answer begins

The texts come from lm-eval's own requests, so a model is trained on exactly what it
will be asked; of several right answers the first is learned.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from lem.errors import LemError
from lem.harness.tasks import told
from lem.mlx_training import Tokens

if TYPE_CHECKING:
    from lem.harmony.tasks import Task
    from lem.harness.model import Model
    from lem.params_harmony import HarmonyTraining


def examples(task: Task, lm: Model, how: HarmonyTraining) -> tuple[list[Tokens], int]:
    """Return the training split as tokens, and how many examples lost their beginning.

    An answer that is written, not chosen, ends with
    the token that ends a text. Raises LemError for an example without a right answer,
    or with an answer longer than the limit.
    """
    found, cut, limit = [], 0, how.max_seq_length
    end = end_of(lm) if task.whole.task.OUTPUT_TYPE == "generate_until" else []
    for place, (context, answer) in enumerate(pairs(task, lm)):
        prompt, rest = lm.given(context, answer)
        rest = [*rest, *end]
        if (over := len(prompt) + len(rest) - limit) > 0:
            cut += 1
        if over >= len(prompt):
            raise LemError(
                f"{task.whole.name}: example {place} of train: its answer has {len(rest)} tokens; "
                f"raise harmony.train.max_seq_length in params.yaml, which is {limit}"
            )
        prompt = prompt[max(over, 0) :]
        found.append(([*prompt, *rest], len(prompt) if how.mask_prompt else 1))
    return found, cut


def pairs(task: Task, lm: Model) -> Iterator[tuple[str, str]]:
    """Yield (what is asked, the right answer as it goes on from it) of each training example."""
    whole, split = task.whole, task.splits.train.task
    with told(whole):
        templated = whole.spec.chat_template
        split.build_all_requests(
            limit=None,
            rank=0,
            world_size=1,
            apply_chat_template=templated,
            chat_template=lm.apply_chat_template if templated else None,
        )
        asked: dict[int, list[Any]] = {}
        for request in split.instances:
            asked.setdefault(request.doc_id, []).append(request)
        yield from (_pair(task, requests) for requests in asked.values())


def _pair(task: Task, requests: list[Any]) -> tuple[str, str]:
    lm_eval, doc = task.whole.task, requests[0].doc
    if lm_eval.OUTPUT_TYPE != "multiple_choice":
        context = requests[0].args[0]
        if isinstance(requests[0].args[1], str):
            return context, requests[0].args[1]
        right = _first(lm_eval.doc_to_target(doc))
        if isinstance(right, int) and lm_eval.config.doc_to_choice is not None:
            right = lm_eval.doc_to_choice(doc)[right]  # as lm-eval scores it
        return context, f"{_delimiter(task)}{right}"
    gold = _first(lm_eval.doc_to_text(doc) if lm_eval.multiple_input else lm_eval.doc_to_target(doc))
    choices = list(lm_eval.doc_to_choice(doc))
    place = choices.index(gold) if isinstance(gold, str) else int(gold)
    if not 0 <= place < len(choices):
        raise LemError(f"{task.whole.name}: doc_to_target: {gold!r} is none of {len(choices)} choices")
    context, answer = requests[place].args[:2]
    return context, answer


def _delimiter(task: Task) -> str:
    """Return what stands before an answer: behind a chat template nothing, as lm-eval has it of choices."""
    config = task.whole.task.config
    is_begun = config.gen_prefix and not str(config.gen_prefix)[-1].isspace()
    return str(config.target_delimiter) if is_begun or not task.whole.spec.chat_template else ""


def _first(right: Any) -> Any:  # noqa: ANN401 (a task's target is text, a number or a list of either)
    return right[0] if isinstance(right, list) else right


def end_of(lm: Model) -> list[int]:
    """Return the token that ends an answer."""
    from lem.training_data import end_token

    tokenizer = lm.loaded.tokenizer
    return [end_token(tokenizer) if lm.templated else int(tokenizer.eos_token_id)]
