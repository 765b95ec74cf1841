"""What somebody claims, as YAML: a file of its own, or the fenced `claims` blocks of a paper in Markdown.

    - id: truthful-34-6
      claim: +34.6 % more truthful
      document: README.md
      place: Detailed results, first bullet
      source: lem-standard              # the import whose rows answer it; own for this study's
      expected: 34.6                    # or a relation: "> 0", ">= 0", "< 0", "<= 0"
      tolerance: 0.05
      unit: percent
      no_effect: 0                      # within noise where the interval holds it
      within: 1                         # of "the same": within noise where the interval reaches further off
      of_figures: true                  # a claim on the stated figures themselves, so that they answer it
      sql: select value, n, low, high from ...  # one row; value, and perhaps n, low, high, p, missing
      repaired: select ...              # the same with a fault repaired; value null: low to high
      finding: right_answer_marked_wrong            # the fault, a rule of the table quality_findings
      needs: ...                        # what would answer it, where no query can

Nobody states a verdict here: `lem claims` computes it.

    read(Path("seeds/published/claims.yaml"))      # [Claim(...), ...]
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, NoReturn

from lem.errors import LemError
from lem.plain_files import must_end

MARKDOWN = (".md", ".markdown", ".qmd")
INFO = "claims"
FENCE = re.compile(r" {0,3}(`{3,}(?=[^`]*$)|~{3,})[ \t]*(\S*)")
SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,79}")
RELATION = re.compile(r"(>=|<=|>|<)(.*)", re.S)
SIGNS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True)
class Relation:
    """What a value is claimed to be: more or less than a bound."""

    sign: str
    bound: float

    def holds(self, value: float) -> bool:
        """Return whether a value is as claimed."""
        return SIGNS[self.sign](value, self.bound)


@dataclass(frozen=True)
class Claim:
    """One sentence that somebody states, and the query that answers it."""

    id: str
    claim: str
    document: str
    place: str
    source: str
    expected: float | Relation
    unit: str
    tolerance: float | None = None  # of a number; a relation has none
    sql: str | None = None
    no_effect: float | None = None
    within: float | None = None
    of_figures: bool = False  # else stated figures alone can contradict it, but not reproduce it
    repaired: str | None = None
    finding: str | None = None
    needs: str | None = None
    where: str = ""  # file and line, for errors

    def holds(self, value: float) -> bool:
        """Return whether a value is as claimed; rounding of floats decides nothing."""
        if isinstance(self.expected, Relation):
            return self.expected.holds(value)
        rounding = 1e-9 * max(1.0, abs(self.expected), abs(value))
        return abs(value - self.expected) <= (self.tolerance or 0) + rounding


SHAPE = {field.name: field for field in fields(Claim) if field.name != "where"}
NUMBERS = ("tolerance", "no_effect", "within")


@dataclass(frozen=True)
class _Block:
    """Some YAML of a file; `above` is how many lines of the file stand above it."""

    file: Path
    above: int
    text: str

    def fail(self, line: int, said: str) -> NoReturn:
        raise LemError(f"{self.file}:{self.above + line + 1}: {said}")


def read(file: Path) -> list[Claim]:
    """Return the claims of a YAML or Markdown file; LemError names file, line, claim and key."""
    found = [claim for block in _blocks(file) for claim in _claims(block)]
    if not found:
        raise LemError(f"{file}: no claims; expected a list of them (what one is: lem claims --help)")
    first: dict[str, Claim] = {}
    for claim in found:
        if claim.id in first:
            raise LemError(
                f"{claim.where}: claim {claim.id!r}: 'id' is there twice, see {first[claim.id].where}"
            )
        first[claim.id] = claim
    return found


def _blocks(file: Path) -> list[_Block]:
    must_end(file)
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as err:
        raise LemError(f"{file}: {err.strerror}; expected a YAML or Markdown file with claims") from err
    except UnicodeDecodeError as err:
        raise LemError(f"{file}: not UTF-8: {err}") from err
    if file.suffix.lower() not in MARKDOWN:
        return [_Block(file, 0, text)]
    blocks = list(_fenced(file, text))
    if not blocks:
        raise LemError(f"{file}: no claims in it; expected a fenced block that begins with ```{INFO}")
    return blocks


def _fenced(file: Path, text: str) -> Iterator[_Block]:
    """Give each fenced block whose info string is `claims`; a block that stands in another is text."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        opening, start = FENCE.match(lines[at].rstrip("\r")), at + 1
        at = start
        if not opening:
            continue
        fence = opening[1]
        closing = re.compile(rf" {{0,3}}{re.escape(fence[0])}{{{len(fence)},}}\s*")
        while at < len(lines) and not closing.fullmatch(lines[at]):
            at += 1
        if opening[2] == INFO:
            if at == len(lines):
                raise LemError(f"{file}:{start}: the block that begins here never ends; expected {fence}")
            yield _Block(file, start, "\n".join(lines[start:at]))
        at += 1


def _claims(block: _Block) -> Iterator[Claim]:
    import yaml

    try:
        node = yaml.compose(block.text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as err:
        mark = err.problem_mark or err.context_mark
        said = " ".join(str(err.problem or err.context).split())
        block.fail(mark.line if mark else 0, f"not YAML: {said}; a text with : or # or > needs quotes")
    except yaml.YAMLError as err:
        block.fail(0, f"not YAML: {' '.join(str(err).split())}")
    except RecursionError:
        block.fail(0, "nested too deeply to be claims")
    if node is None:
        return
    if not isinstance(node, yaml.SequenceNode):
        block.fail(node.start_mark.line, "expected a list of claims, each beginning with `- id: ...`")
    for place, entry in enumerate(node.value, 1):
        if not isinstance(entry, yaml.MappingNode):
            block.fail(entry.start_mark.line, f"claim {place}: expected keys and values, as in `- id: ...`")
        yield _claim(block, entry, place)


def _claim(block: _Block, entry: Any, place: int) -> Claim:  # noqa: ANN401 (a YAML node)
    line = entry.start_mark.line
    stated: dict[str, Any] = {}
    name = next((str(value.value) for key, value in entry.value if key.value == "id"), str(place))
    said = f"claim {name!r:.90}: "
    for key, value in entry.value:
        at, shown = key.start_mark.line, f"{key.value!r:.80}"
        if key.value == "verdict":
            block.fail(at, f"{said}unknown key 'verdict': it is computed, not stated; leave it out")
        if not isinstance(key.value, str) or key.value not in SHAPE:
            block.fail(at, f"{said}unknown key {shown}; known are {', '.join(SHAPE)}")
        if key.value in stated:
            block.fail(at, f"{said}{shown} is there twice")
        try:
            stated[key.value] = _value(key.value, value)
        except ValueError as err:
            block.fail(at, f"{said}{shown}: {err}")
    for key, field in SHAPE.items():
        if field.default is MISSING and key not in stated:
            block.fail(line, f"{said}'{key}' is missing")
    claim = Claim(**stated, where=f"{block.file}:{block.above + line + 1}")
    if wrong := _misfit(claim):
        block.fail(line, said + wrong)
    return claim


def _value(key: str, node: Any) -> str | bool | float | Relation:  # noqa: ANN401 (a YAML node)
    """Return a value as its key wants it; ValueError says what was expected."""
    if not isinstance(node.value, str):
        raise ValueError("expected one value, found a list or keys")
    if key == "expected":
        found = RELATION.fullmatch(node.value.strip())
        return Relation(found[1], _number(found[2])) if found else _number(node.value)
    if key in NUMBERS:
        return _number(node.value)
    if key == "of_figures":
        if node.value not in ("true", "false"):
            raise ValueError(f"expected true or false, found {node.value!r:.60}")
        return bool(node.value == "true")
    if node.tag != "tag:yaml.org,2002:str" or not node.value.strip():
        raise ValueError(f"expected text, found {node.value!r:.60}")
    if key == "id" and not SLUG.fullmatch(node.value):
        raise ValueError("expected 1-80 of a-z 0-9 and -, beginning with a letter or digit")
    return node.value.strip()


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f'expected a number, or a relation as in "> 0", found {text!r:.60}')
    return number


def _misfit(claim: Claim) -> str | None:
    """Return what is wrong with keys that do not go together."""
    related = isinstance(claim.expected, Relation)
    if not related and claim.tolerance is None:
        return "'tolerance' is missing: how far from 'expected' a value may lie"
    if claim.tolerance is not None and (related or claim.tolerance < 0):
        return (
            "'tolerance': expected 0 or more"
            if not related
            else "'tolerance' is of a number, not of a relation"
        )
    if related and claim.no_effect is not None:
        return "'no_effect' is of a number: a relation says itself what would be nothing"
    if claim.within is not None and (related or claim.within < 0):
        return "'within' is of a number, and 0 or more: how far from it an interval may reach"
    if claim.sql is None and claim.needs is None:
        return "'sql' is missing; where no query can answer it, say in 'needs' what would"
    if (claim.repaired is None) != (claim.finding is None):
        return "'repaired' and 'finding' go together: the query without the fault, and the fault's name"
    if claim.repaired is not None and claim.sql is None:
        return "'repaired' needs 'sql': the stored rows' answer"
    return None
