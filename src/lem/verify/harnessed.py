"""Answers of lm-evaluation-harness asked again, as its own samples say that they were asked.

The records keep the prompt but not the blank in front of a given answer, nor where an
answer ends; both stand in `samples.jsonl.bz2`, written beside the records.

    for outcome in asked(study, run, answers, loaded, tolerance=1e-3):
        print(outcome.verdict)
"""

from __future__ import annotations

import bz2
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from lem import convert, engine, layout
from lem.adapters import adapter_sha
from lem.errors import LemError
from lem.journal import Journal
from lem.params import Study
from lem.record_files import sha256
from lem.records import Response, Run
from lem.verify.outcomes import CHANGED, WEIGHTS, Outcome, Terms, held, surroundings, weighed
from lem.verify.rerun import SAMPLES

if TYPE_CHECKING:
    from lem.mlx_runtime import Loaded

Asked = list[tuple[Response, Any]]


def asked(
    study: Study, run: Run, answers: list[Response], loaded: Loaded, tolerance: float
) -> Iterator[Outcome]:
    """Yield what came of each answer; LemError where the samples are broken."""
    requests, stale = _requests(run), _stale(study, run)
    ready: Asked = []
    for answer in answers:
        request = requests.get((answer.seed_id, answer.sample))
        fits = request is not None and sha256(request.args[0]) == answer.prompt_sha
        if stale or not fits:
            names = [*stale, *([] if fits else ["lm-eval's samples, which do not hold this prompt"])]
            yield Outcome(answer, CHANGED, f"changed: {', '.join(names)}")
        else:
            ready.append((answer, request))
    here = {"engine": engine.describe("lm-eval"), "device": loaded.device, "blas": loaded.blas}
    yield from _again(run, ready, Terms(tolerance, loaded, surroundings(here, run)))


def _stale(study: Study, run: Run) -> list[str]:
    """Return which hashes of the weights are not those of the run."""
    folder, adapter = study.weights(study.model(run.model))
    shas = convert.weights_sha(folder), adapter_sha(adapter) if adapter else None
    return [name for name, sha in zip(WEIGHTS, shas, strict=True) if sha != getattr(run, name)]


def _again(run: Run, ready: Asked, terms: Terms) -> Iterator[Outcome]:
    """Yield what came of requests, sent the way the evaluation sends them."""
    from lem.harness.model import Answers, Model

    given = [(answer, request) for answer, request in ready if answer.finish_reason == "given"]
    written = [(answer, request) for answer, request in ready if answer.finish_reason != "given"]
    with tempfile.TemporaryDirectory() as aside, Journal(Path(aside) / "again.jsonl") as journal:
        lm = Model(terms.loaded, Answers(journal, run.run_id), run.batch_size or 1, run.seed or 0, run.model)
        lm.templated = run.template is not None
        if given:
            found = lm.loglikelihood([request for _, request in given])
            for (answer, _), (nats, _) in zip(given, found, strict=True):
                yield weighed(answer, nats, terms)
        if written:
            texts = lm.generate_until([request for _, request in written])
            for (answer, _), text in zip(written, texts, strict=True):
                yield held(answer, (text, None), terms)


def _requests(run: Run) -> dict[tuple[str, int], Any]:
    """Return {(item, sample): request} of what lm-eval's own samples say was asked."""
    from lem.ingest.lines import Fault
    from lem.ingest.lm_eval.samples import arguments

    file = layout.lm_eval(run.model, run.prompts) / SAMPLES
    found: dict[tuple[str, int], Any] = {}
    try:
        with bz2.open(file, "rt", encoding="utf-8") as lines:
            for line in lines:
                row = json.loads(line)
                for place, args in enumerate(arguments(row)):
                    key = str(row.get("doc_id")), place
                    found.setdefault(key, SimpleNamespace(args=args, idx=place))
    except (OSError, EOFError, ValueError, Fault) as err:
        mend = f"evaluate again: lem lm-eval --model {run.model} --task {run.prompts}"
        raise LemError(f"{file}: not lm-eval's samples: {err}; {mend}") from err
    return found
