"""The verdict on a recorded answer that was asked again: the same text, or nats hardly apart.

held(recorded, ("Paris.", None), Terms(1e-3, loaded)).verdict      # 'identical'
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lem.records import Response, Run
from lem.verify import texts

if TYPE_CHECKING:
    from lem.mlx_runtime import Loaded

IDENTICAL, NEAR, DIFFERENT, CHANGED = "identical", "within tolerance", "different", "not as recorded"
VERDICTS = (IDENTICAL, NEAR, DIFFERENT, CHANGED)
"""CHANGED: what would be sent, or to which weights, is not what was: not asked."""
FINE = (IDENTICAL, NEAR)
WEIGHTS = ("weights_sha", "adapter_sha")
SURROUNDINGS = ("engine", "device", "blas")


@dataclass(frozen=True)
class Outcome:
    """What came of asking a recorded answer again; nats: of a given answer, how far apart, null of texts."""

    answer: Response
    verdict: str
    detail: str = ""
    nats: float | None = None


@dataclass(frozen=True)
class Terms:
    """What a verdict rests on: nats two numbers may be apart, the model, how the machine differs."""

    tolerance: float
    loaded: Loaded
    around: str = ""


def surroundings(here: Mapping[str, object], run: Run) -> str:
    """Return in what engine or machine differ from the run's; '' where they do not."""
    names = [name for name in SURROUNDINGS if here[name] != getattr(run, name)]
    return f"other {', '.join(names)} than recorded" if names else ""


def held(then: Response, now: tuple[str, str | None], terms: Terms) -> Outcome:
    """Return the verdict on a written answer; `now` is (response, reasoning)."""
    before = then.response, then.reasoning
    if before == now:
        return Outcome(then, IDENTICAL, terms.around)
    at = 0 if before[0] != now[0] else 1
    what = "" if at == 0 else "in its reasoning, "
    parts = texts.parting(
        before[at] or "", now[at] or "", texts.tokens_by(terms.loaded.tokenizer), ("recorded", "now")
    )
    return Outcome(then, DIFFERENT, _joined(f"differs {what}from {parts}", terms.around))


def weighed(then: Response, logprob: float | None, terms: Terms) -> Outcome:
    """Return the verdict on the log-probability (nats) of a given answer."""
    if logprob is None or then.logprob is None:
        return Outcome(then, DIFFERENT, f"{then.logprob} nats recorded, {logprob} now")
    apart = abs(logprob - then.logprob)
    if not apart:
        return Outcome(then, IDENTICAL, terms.around, 0.0)
    verdict = NEAR if apart <= terms.tolerance else DIFFERENT
    return Outcome(then, verdict, _joined(f"{apart:.2g} nats apart", terms.around), apart)


def _joined(*parts: str) -> str:
    return "; ".join(filter(None, parts))
