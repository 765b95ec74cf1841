"""What kinds of dump share about models and their answers: role, run, our own scores of numbers.

tuned = fine_tuned(spec, ["base", "lem_one"])       # the names of --fine-tuned, each one of these
role("lem_one", tuned)                              # 'fine-tuned'
write_run(dump, "lem_one", "gsm8k", "naked", responses=50)
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from pathlib import Path
from typing import Any

from lem import layout
from lem.errors import LemError
from lem.ingest.dump import Dump, Items, Pair, run_id
from lem.ingest.lines import fitting
from lem.params_imports import ImportSpec
from lem.record_files import sha256, write_json
from lem.records import Response, Run, Score, fields
from lem.scoring import numbers, scorers

SCALED = re.compile(r"([0-9]+(?:\.[0-9]+)?[bm])[_-](.+)", re.IGNORECASE)


def scaled(variant: str) -> tuple[str | None, str]:
    """Return (scale, the rest of the name) of <scale>_<rest>; the scale is null where none leads the name."""
    match = SCALED.fullmatch(variant)
    return (match[1].upper(), match[2]) if match else (None, variant)


def role(variant: str, fine_tuned: Container[str]) -> str:
    """Return a variant's role: exactly the names in `fine_tuned`, or a rule when there are none.

    The rule, for the name without its scale: fine-tuned when it begins with
    "lem_" or "lek", or has "lek" or "ethics" in it; otherwise baseline. Upper
    and lower case are one.
    """
    name = scaled(variant)[1].lower()
    by_name = name.startswith("lem_") or "lek" in name or "ethics" in name
    return "fine-tuned" if (variant in fine_tuned if fine_tuned else by_name) else "baseline"


def joined(name: str) -> str:
    """Return a model's name as `nameable` writes it: org/name becomes org__name."""
    return name.replace("/", "__")


def fine_tuned(
    spec: ImportSpec, models: Iterable[str], named: Callable[[str], str] = joined, what: str = "model"
) -> frozenset[str]:
    """Return the names that --fine-tuned gives, as the kind writes them; LemError for one of no model."""
    known = sorted(models)
    for name in sorted(spec.fine_tuned):
        if named(name) not in known:
            there = ", ".join(known) or "none"
            raise LemError(f"--fine-tuned {name}: no such {what}; there are {there}")
    return frozenset(map(named, spec.fine_tuned))


def write_run(dump: Dump, model: str, prompts: str, mode: str, **told: Any) -> None:  # noqa: ANN401
    """Write the Run of a model over prompts in a mode: settings are null but for those `told`.

    Raises Fault, and writes nothing, when what is told cannot be a Run.
    """
    unknown: dict[str, Any] = dict.fromkeys(fields(Run))
    plain = {"run_id": run_id(dump.source, model, prompts), "source": dump.source}
    plain |= {"model": model, "prompts": prompts, "mode": mode}
    run = fitting(Run(**{**unknown, **plain, **told}))
    write_json(free_log(dump, model, prompts, mode), run)


def free_log(dump: Dump, model: str, prompts: str, mode: str) -> Path:
    """Return where the log of a run lies: a name that another run has already is told apart by a hash.

    Model a on b-c and model a-b on c would share one. Raises LemError as `Dump.place` does.
    """
    plain = layout.log(model, prompts, mode, "json")
    if (dump.root / plain.relative_to(layout.DATA)).exists():
        told_apart = sha256(repr((model, prompts, mode)))[:8]
        return dump.place(layout.log(model, prompts, f"{mode}-{told_apart}", "json"))
    return dump.place(plain)


def rescored(items: Items, answers: dict[Pair, dict[str, Response]]) -> dict[Pair, list[Score]]:
    """Return our own scores of the answers to questions whose answer is a number, one a reading."""
    found: dict[Pair, list[Score]] = {}
    for (benchmark, variant), responses in answers.items():
        questions = items.get(benchmark, {})
        numeric = (item.gold is not None and numbers.normalise(item.gold) for item in questions.values())
        if questions and all(numeric):
            rows = (scorers.number(questions[name], [answer]) for name, answer in responses.items())
            found[benchmark, variant] = [row for rows_of in rows for row in rows_of]
    return found
