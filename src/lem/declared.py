"""What `compare:` of params.yaml declares: who should be better than whom, on what, by which margin. Pure.

    parse("lek > base on gsm8k")              # better
    parse("lek >= base - 2 on gsm8k")         # not worse by 2 points (of 100 for a rate) or more

Declared before the run, so that no comparison is picked afterwards because it came out well.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lem.errors import LemError
from lem.layout import NAME

DECLARED = re.compile(
    rf"(?P<candidate>{NAME.pattern}) +(?P<relation>>=|>) +(?P<baseline>{NAME.pattern})"
    rf"(?: +- +(?P<margin>[0-9]+(?:\.[0-9]+)?))?(?: +on +(?P<on>{NAME.pattern}))?"
)


@dataclass(frozen=True)
class Comparison:
    """A declared comparison of two models or entries; `on` None is every benchmark and prompt set.

    margin: points, in the unit a table shows (percent for a rate); 0 for `>`.
    """

    text: str
    candidate: str
    baseline: str
    margin: float = 0.0
    on: str | None = None


def parse(text: str, where: str = "compare") -> Comparison:
    """Return a declared comparison; LemError says what was expected."""
    text = " ".join(text.split())
    found = DECLARED.fullmatch(text)
    if not found:
        expected = "'A > B', 'A >= B - 2' or either with 'on BENCHMARK' behind it"
        raise LemError(f"{where}: expected {expected}, found {text!r}"[:300])
    parts = found.groupdict()
    if (parts["relation"] == ">=") != (parts["margin"] is not None):
        raise LemError(f"{where}: a margin goes with >=, and >= with a margin, found {text!r}"[:300])
    if parts["candidate"] == parts["baseline"]:
        raise LemError(f"{where}: a model is not compared with itself, found {text!r}"[:300])
    margin = float(parts["margin"] or 0)
    return Comparison(text, parts["candidate"], parts["baseline"], margin, parts["on"])
