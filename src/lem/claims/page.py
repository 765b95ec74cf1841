"""The page of claims: counts, one row a claim, and for each its reason and the query that answers it. Pure.

render(Path("seeds/published/claims.yaml"), entries)      # Markdown
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lem.claims.verdicts import VERDICTS, Answer, figure, published, span
from lem.report.words import text

if TYPE_CHECKING:
    from lem.claims import Entry

__all__ = ["published", "render", "tally"]

HEAD = ("claim", "document", "published", "ours", "n", "95 %", "repaired", "verdict")
MEANING = """\
Each verdict is computed from the tables by the query below it; nobody states one. *Reproduced*: the rows give
what was published. *Within noise*: they do, but their 95 % interval holds what would mean that nothing
happened, or the p of their test is not below 0.05. *Artefact*: they do, but no longer when a fault that the
audit found in them is repaired; where the repair leaves the value open, *repaired* has its bounds.
*Contradicted*: they give something else. *Not checkable*: the rows that would answer it are not here. Stated
figures alone can contradict a claim or show that it is within noise, but reproduce only what is claimed of
these figures themselves. Ask a query again with `lem sql "..."`."""


def render(file: Path, entries: Sequence[Entry]) -> str:
    """Return the page as Markdown; the same entries give the same bytes."""
    count = len(entries)
    counts = tally([entry.verdict for entry in entries])
    rows = [_line(HEAD), _line(["---"] * len(HEAD)), *(_line(_cells(entry)) for entry in entries)]
    parts = [
        f"# {count} claim{'' if count == 1 else 's'} of {text(file)}",
        f"**{counts}.**",
        MEANING,
        "\n".join(rows),
        *map(_section, entries),
    ]
    return "\n\n".join(parts) + "\n"


def tally(verdicts: Sequence[str]) -> str:
    """Return '3 reproduced, 1 contradicted': the verdicts there are, in their order."""
    counts = [(verdicts.count(verdict), verdict) for verdict in VERDICTS]
    return ", ".join(f"{count} {verdict}" for count, verdict in counts if count)


def _cells(entry: Entry) -> list[str]:
    claim, stored = entry.claim, entry.evidence.stored or Answer()
    repaired = entry.evidence.repaired or Answer()
    n = "" if stored.n is None else f"{stored.n:,}"
    ours = (figure(stored.value), n, span(stored), figure(repaired.value) or span(repaired))
    where = f"{text(claim.document)}, {text(claim.place)}"
    return [
        *(f"[{text(claim.claim)}](#{claim.id})", where, text(published(claim)), *ours),
        f"**{entry.verdict}**",
    ]


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _section(entry: Entry) -> str:
    claim = entry.claim
    parts = [
        f"## {claim.id}",
        f"{text(claim.claim)} ({text(claim.document)}, {text(claim.place)})",
        f"**{entry.verdict}**: {_prose(entry.reason)}",
    ]
    parts += [_fenced(claim.sql)] if claim.sql else []
    parts += [f"With {text(claim.finding)} repaired:", _fenced(claim.repaired)] if claim.repaired else []
    return "\n\n".join(parts)


def _prose(reason: str) -> str:
    """Return a reason as Markdown in which `code` stays code."""
    pieces = re.split(r"(`[^`]+`)", reason)
    return "".join(
        piece.replace("|", "\\|") if place % 2 else text(piece) for place, piece in enumerate(pieces)
    )


def _fenced(sql: str) -> str:
    """Return a query in a fence that it cannot end."""
    longest = max(map(len, re.findall("`+", sql)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}sql\n{sql}\n{fence}"
