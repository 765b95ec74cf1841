"""The verdict of a claim, from what the rows answer and nothing else. Pure.

    judged(claim, Evidence(Answer(34.6, 50, 8.3, 62.1), findings=0, is_there=True))
    # ('reproduced', 'The rows give 34.6 percent (95 % 8.3 to 62.1, n = 50), as published.')

In this order: what cannot be asked is not checkable; what the stored rows do not give is contradicted;
what they give only by a fault is an artefact; what chance gives as well is within noise.
"""

from __future__ import annotations

from dataclasses import dataclass

from lem.claims.files import Claim, Relation
from lem.stats import SIGNIFICANCE

REPRODUCED = "reproduced"
NOISE = "reproduced but within noise"
ARTEFACT = "artefact"
CONTRADICTED = "contradicted"
NOT_CHECKABLE = "not checkable"
FIGURES = "published"
"""The import that holds what the documents state, and no rows of what they state it of."""
VERDICTS = (REPRODUCED, NOISE, ARTEFACT, CONTRADICTED, NOT_CHECKABLE)


@dataclass(frozen=True)
class Answer:
    """The row of a claim's query: a value in its unit, its 95 % interval, or what is missing.

    `p` is of a test of no effect. Bounds without a value are where the value lies anyway.
    """

    value: float | None = None
    n: int | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    missing: str | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends; None where one is not known."""
        return None if self.low is None or self.high is None else (self.low, self.high)


@dataclass(frozen=True)
class Evidence:
    """What the tables say to a claim: as stored, repaired, and how often the audit found the fault."""

    stored: Answer | None = None
    repaired: Answer | None = None  # None where the audit found no fault
    findings: int = 0
    is_there: bool = True  # whether its source has rows at all
    is_stated: bool = False  # whether its query reads stated figures only, and no rows
    reads: bool = True  # whether its query reads any table


def judged(claim: Claim, found: Evidence) -> tuple[str, str]:
    """Return (verdict, one or two sentences that say why)."""
    stored = found.stored
    if not (found.is_there and found.reads) or stored is None or stored.value is None:
        return NOT_CHECKABLE, _missing(claim, found)
    gives = f"The {'stated figures' if found.is_stated else 'rows'} give {told(stored, claim.unit)}"
    if not claim.holds(stored.value):
        return CONTRADICTED, f"{gives}; claimed is {published(claim)}{_apart(claim, stored)}."
    if reason := _repair_changes(claim, found):
        return ARTEFACT, f"{gives}, as published; {reason}."
    after = _repair_kept(claim, found)
    if noise := _noise(claim, stored):
        return NOISE, f"{gives}, as published, but {noise}.{after}"
    if found.is_stated and not claim.of_figures:
        needs = (claim.needs or "the answers and their scores").rstrip(".")
        return NOT_CHECKABLE, f"{gives}, as published, but their rows are not here. Needed: {needs}."
    alone = (
        ""
        if stored.interval or claim.of_figures or not _is_of_effect(claim)
        else "; without an interval nobody can tell it from noise"
    )
    return REPRODUCED, f"{gives}, as published{alone}.{after}"


def _missing(claim: Claim, found: Evidence) -> str:
    """Return what is missing to answer a claim, and how to bring it in."""
    needs = f" Needed: {claim.needs.rstrip('.')}." if claim.needs else ""
    if not found.is_there:
        return (
            f"There are no rows of source {claim.source}; bring them in with {_ingest(claim.source)}.{needs}"
        )
    if claim.sql is None:
        return f"No query can answer it.{needs}"
    if not found.reads:
        return f"The query reads no table, so nothing answers it.{needs}"
    if found.stored is None:
        return f"The rows of source {claim.source} do not answer it: the query gives no row.{needs}"
    said = found.stored.missing
    return (
        f"{said.rstrip('.')}.{needs}" if said else f"The rows of source {claim.source} give no value.{needs}"
    )


def _ingest(source: str) -> str:
    from lem.ingest.kinds import KINDS

    if source == "own":
        return "`dvc repro`"
    if source == FIGURES:
        return "`lem ingest --import published`"
    return f"`lem ingest {source} PATH`" if source in KINDS else f"`lem ingest auto PATH --as {source}`"


def _apart(claim: Claim, stored: Answer) -> str:
    """Return whether what was published may be the same thing measured again."""
    if isinstance(claim.expected, Relation):
        if any(map(claim.expected.holds, stored.interval or ())):
            return ", though the interval holds values that would agree: it is within noise"
        return f", though {open_p}: it is within noise" if (open_p := _p_leaves_open(stored)) else ""
    if not stored.interval:
        return ""
    low, high = stored.interval
    inside = low <= claim.expected <= high
    return f", {'inside' if inside else 'outside'} that interval"


def _repair_changes(claim: Claim, found: Evidence) -> str | None:
    """Return why the repaired rows no longer say what the stored ones do; None where they do."""
    repaired = found.repaired
    if not found.findings or repaired is None or not (repaired.interval or repaired.value is not None):
        return None
    times = "once" if found.findings == 1 else f"{found.findings:,} times"
    said = f"the audit finds {claim.finding} {times} in {claim.source}, and with it repaired"
    if repaired.value is None:
        inside = all(map(claim.holds, repaired.interval or ()))
        return None if inside else f"{said} {anywhere(repaired, claim.unit)}"
    if not claim.holds(repaired.value):
        return f"{said} they give {told(repaired, claim.unit)}"
    stored_noise = found.stored is not None and _noise(claim, found.stored)
    if not stored_noise and (noise := _noise(claim, repaired)):
        return f"{said} they give {told(repaired, claim.unit)}: {noise}"
    return None


def _repair_kept(claim: Claim, found: Evidence) -> str:
    """Return what a repair that leaves the claim standing says of it."""
    if claim.repaired is None:
        return ""
    if not found.findings:
        return f" The audit finds no {claim.finding} here, so nothing was repaired."
    said = f" With {claim.finding} repaired"
    if found.repaired is None or found.repaired.value is None:
        bounds = found.repaired is not None and found.repaired.interval
        return f"{said} {anywhere(found.repaired, claim.unit) if bounds else 'there is no value'}."
    return f"{said} they give {told(found.repaired, claim.unit)}."


def _noise(claim: Claim, answer: Answer) -> str | None:
    """Return how the interval, or p, leaves it open that nothing happened; None where neither does."""
    low, high = answer.interval or (None, None)
    expected = claim.expected
    if low is not None and high is not None:
        if isinstance(expected, Relation):
            if not (expected.holds(low) and expected.holds(high)):
                return f"the interval holds values that are not {published(claim)}"
        elif claim.within is not None and max(expected - low, high - expected) > claim.within:
            return f"the interval reaches further than {figure(claim.within)} from it"
        if claim.no_effect is not None and low <= claim.no_effect <= high:
            return f"the interval holds {figure(claim.no_effect)}, no effect"
    return _p_leaves_open(answer) if _is_of_effect(claim) else None


def _p_leaves_open(answer: Answer) -> str | None:
    """Return that p is too great to tell an effect from chance; None where it is not, or there is none."""
    if answer.p is None or answer.p < SIGNIFICANCE:
        return None
    return f"p is {figure(answer.p)}, not below {SIGNIFICANCE:g}"


def _is_of_effect(claim: Claim) -> bool:
    return claim.no_effect is not None or isinstance(claim.expected, Relation)


def published(claim: Claim) -> str:
    """Return what a claim expects: '34.6 ± 0.05 percent', '> 0 points'."""
    expected = claim.expected
    if isinstance(expected, Relation):
        return f"{expected.sign} {figure(expected.bound)} {claim.unit}"
    within = f" ± {figure(claim.tolerance)}" if claim.tolerance else ""
    return f"{figure(expected)}{within} {claim.unit}"


def told(answer: Answer, unit: str) -> str:
    """Return '34.6 percent (95 % 8.3 to 62.1, n = 50)'."""
    low_high = [f"95 % {span(answer)}"] if answer.interval else []
    n = [f"n = {answer.n:,}"] if answer.n is not None else []
    p = [f"p = {figure(answer.p)}"] if answer.p is not None else []
    rests = ", ".join([*low_high, *n, *p])
    return f"{figure(answer.value)} {unit}" + (f" ({rests})" if rests else "")


def anywhere(answer: Answer | None, unit: str) -> str:
    """Return what bounds without a value say: 'the figure lies anywhere from 0 to 100 percent'."""
    return f"the figure lies anywhere from {span(answer or Answer())} {unit}"


def span(answer: Answer) -> str:
    """Return '8.3 to 62.1'; '' where there is no interval."""
    return " to ".join(map(figure, answer.interval)) if answer.interval else ""


def figure(value: float | None) -> str:
    """Return a number with four digits, or all those before the point; '' for none."""
    if value is None:
        return ""
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return "0" if shown == "-0" else shown
