"""One thing that `lem doctor` looked at: how it is, what was found, how to mend it. Pure.

warning("disk", "2.0 GiB free, about 4.5 GiB needed", "free some space")
print(lines([ok("python", "3.11.9")], "tsv"))
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

OK, WARNING, FAULT = "ok", "warning", "fault"
FORMATS = ("table", "tsv", "json")


@dataclass(frozen=True)
class Finding:
    """What was looked at, and what came of it; `mend` is empty where nothing is to be done."""

    status: str  # ok | warning | fault
    what: str
    finding: str
    mend: str = ""


def ok(what: str, finding: str) -> Finding:
    """Return that something is as it should be."""
    return Finding(OK, what, finding)


def warning(what: str, finding: str, mend: str) -> Finding:
    """Return that something may cost time or trust, but stops nothing."""
    return Finding(WARNING, what, finding, mend)


def fault(what: str, finding: str, mend: str) -> Finding:
    """Return that something keeps a stage from running, or its results from being what they say."""
    return Finding(FAULT, what, finding, mend)


def plain(text: str) -> str:
    """Return a text as one line that a terminal may show: file names and messages can hold anything."""
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))


def lines(findings: Sequence[Finding], fmt: str) -> str:
    """Return findings as text: a table for people, tab-separated values, or a JSON array of objects."""
    if fmt == "json":
        return json.dumps([asdict(one) for one in findings], indent=2, ensure_ascii=False) + "\n"
    rows = [[plain(text) for text in (f.status, f.what, f.finding, f.mend)] for f in findings]
    if fmt == "tsv":
        return "".join("\t".join(row) + "\n" for row in rows)
    widths = [max(len(row[place]) for row in rows) for place in (0, 1)]
    return "".join(
        f"{status:<{widths[0]}}  {what:<{widths[1]}}  {found}\n"
        + (f"{'':<{sum(widths) + 4}}{mend}\n" if mend else "")
        for status, what, found, mend in rows
    )
