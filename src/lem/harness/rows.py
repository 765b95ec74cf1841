"""An evaluation of lm-eval as this study's own records: what `lem ingest lm-eval` makes of somebody else's.

kept = records(found, TaskSpec("arc_like", False), "smollm2-135m", run_id)
kept.responses, kept.scores, kept.figures
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from lem import layout
from lem.harness.results import Found
from lem.ingest.lines import Fault, Object, fitting
from lem.ingest.lines import parse as parsed
from lem.ingest.lm_eval.results import figure, rows
from lem.ingest.lm_eval.runs import Results
from lem.ingest.lm_eval.samples import sample_of
from lem.ingest.lm_eval.scores import Task
from lem.ingest.lm_eval.settings import version
from lem.records import OWN, Figure, Response, Score


@dataclass(frozen=True)
class Records:
    """The records of one model over one task, each list in the order of its file."""

    responses: list[Response]
    scores: list[Score]
    figures: list[Figure]


def records(found: Found, task: str, model: str, run_id: str) -> Records:
    """Return the answers, scores and figures of an evaluation.

    A task with several filters has a row for each in lm-eval's samples: the
    answers are the same and are kept once. Raises RuntimeError where lm-eval
    wrote what its own reader here cannot take.
    """
    results = Results(_document(model, task), _whole(found))
    shared = Task(OWN, model, task, version(results, task), run_id)
    try:
        samples = [sample_of(row, shared) for row in found.samples]
        figures = [fitting(figure(leaf, results, model, OWN)) for leaf in rows(results)]
    except Fault as fault:
        raise RuntimeError(f"{results.file}: {fault}") from fault
    answers = {(r.seed_id, r.sample): r for sample in samples for r in sample.responses}
    scores = [score for sample in samples for score in sample.scores]
    order = sorted(scores, key=lambda s: (int(s.item_id), s.metric, s.filter))
    return Records([answers[key] for key in sorted(answers, key=_by_item)], order, figures)


def _by_item(key: tuple[str, int]) -> tuple[int, int]:
    return int(key[0]), key[1]


def _document(model: str, task: str) -> str:
    return str((layout.lm_eval(model, task) / "results.json").relative_to(layout.DATA))


def _whole(found: Found) -> Object:
    """Return the results as the reader of foreign files sees them."""
    whole = parsed(json.dumps(found.results))
    if not isinstance(whole, Object):
        raise RuntimeError("lm-eval wrote results that are no JSON object")
    return whole
