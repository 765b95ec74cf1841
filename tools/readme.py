"""The parts of README.md that can be computed: stages, commands, tree, results, speed.

Each stands between `<!-- begin NAME -->` and `<!-- end NAME -->`. A test holds
them against the code and against the reference run's tables.

    make docs                        # write them
    python tools/readme.py --check   # exit 1 and name the parts that differ
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
RESULTS = """
select model, prompts, mode, metric, filter, n, if(limited, 'yes', '') as limited, unscored,
       round(value, 3) as value, round(low, 3) as low, round(high, 3) as high
from summary where source = 'own' and scorer <> 'harmony'
    and filter in ('none', 'flexible', 'flexible-extract') and (benchmark is not null
        or (prompts = 'validation' and metric in ('refusal', 'loop', 'first_person', 'cut_off')))
order by prompts, mode, metric, model
"""
LEADERBOARD = """
select rank, model, regime, round(pc1, 1) as pc1, rank_low, rank_high, round(p_best, 2) as p_best,
       not_told_apart, coverage, cells, stderrs, missing
from leaderboard where source = 'own'
order by regime, rank nulls last, model
"""
COMPARISONS = """
select declared, mode, metric, n, round(baseline_value, 1) as baseline,
       round(candidate_value, 1) as candidate, round(difference, 1) as difference,
       round(low, 1) as low, round(high, 1) as high, unit, gained, lost,
       round(p_holm, 3) as p_holm, verdict, holds
from comparisons where is_primary
order by all
"""


def stages() -> str:
    """Return the stage table of dvc.yaml."""
    trees = [yaml.safe_load((ROOT / file).read_text())["stages"] for file in ("dvc.yaml", "harmony/dvc.yaml")]
    rows = [(name, stage.get("do", stage)) for tree in trees for name, stage in tree.items()]
    lines = ["| stage | what it does | command |", "|---|---|---|"]
    return "\n".join([*lines, *(f"| `{name}` | {s['desc']} | `{_plain(s['cmd'])}` |" for name, s in rows)])


def _plain(command: str) -> str:
    """Return a command with its matrix variables as capitals: ${item.model} -> MODEL."""
    return re.sub(r"\$\{(?:item\.)?(\w+)}", lambda m: {"key": "NAME"}.get(m[1], m[1].upper()), command)


def commands() -> str:
    """Return the command list of the click group."""
    from lem.cli import COMMANDS

    return "\n".join(
        ["| command | what it is for |", "|---|---|"]
        + [f"| `lem {n}` | {text} |" for n, (_, text) in COMMANDS.items()]
    )


def modules() -> str:
    """Return one line a module, from the first line of its docstring."""
    lines = []
    for file in sorted((ROOT / "src/lem").rglob("*.py")):
        first = re.search(r'"""(.*?)(?:"""|\n)', file.read_text())
        name = file.relative_to(ROOT / "src").as_posix()
        lines.append(f"{name:38} {first[1] if first else ''}".rstrip())
    return "\n".join(["```", *lines, "```"])


def results() -> str:
    """Return the reference run's summary as Markdown."""
    return ask(RESULTS)


def comparisons() -> str:
    """Return the reference run's declared comparisons as Markdown."""
    return ask(COMPARISONS)


def leaderboard() -> str:
    """Return the reference run's leaderboard as Markdown, both regimes."""
    return ask(LEADERBOARD)


def ask(query: str) -> str:
    """Return the answer of `lem sql` as Markdown."""
    call = [sys.executable, "-m", "lem", "sql", "--format", "markdown", query]
    return subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def speed() -> str:
    """Return the last `make bench` as Markdown."""
    rows = json.loads((ROOT / "reports/bench.json").read_text())
    head = ["benchmark", "ours", "peer", "ratio", "goal", "runs", "equal texts", "peer is"]
    lines = [f"| {' | '.join(head)} |", "|---|--:|--:|--:|--:|--:|--:|---|"]
    lines += [
        f"| {r['name']} | {_range(r, 'ours')} | {_range(r, 'peer')} | {r['ratio']:.1f} | {r['goal']:g} "
        f"| {r['runs']} | {r['equal_texts']} of {r['peer_n']} | {r['peer_name']} |"
        for r in rows
    ]
    return "\n".join(lines)


def torture() -> str:
    """Return the last figures of `make torture` as Markdown."""
    trials = json.loads((ROOT / "reports/torture.json").read_text())
    lines = ["| trial | what came of it | went wrong | seconds |", "|---|---|--:|--:|"]
    for name, told in trials.items():
        figures = {key: value for key, value in told.items() if key not in ("went wrong", "seconds")}
        said = ", ".join(f"{key} **{value}**" for key, value in figures.items())
        lines.append(f"| {name} | {said} | {told['went wrong']} | {told['seconds']} |")
    return "\n".join(lines)


def _range(row: dict[str, Any], side: str) -> str:
    low, high = row[f"{side}_range"]
    return f"{row[side]:.3f}" if low == high else f"{row[side]:.3f} ({low:.3f}-{high:.3f})"


PARTS: dict[str, Callable[[], str]] = {
    "stages": stages,
    "commands": commands,
    "modules": modules,
    "results": results,
    "comparisons": comparisons,
    "leaderboard": leaderboard,
    "speed": speed,
    "torture": torture,
}


MEASURED = {"speed": "reports/bench.json", "torture": "reports/torture.json"}
"""Parts that are measured here, in no repository: where a file is missing its part stays as it is."""


def part(text: str, name: str) -> str:
    """Return what stands between the marks of a part."""
    found = re.search(rf"<!-- begin {name} -->\n(.*?)\n?<!-- end {name} -->", text, re.S)
    if not found:
        raise SystemExit(f"README.md: the marks of '{name}' are missing")
    return found[1]


def main() -> None:
    """Write the parts, or name those that differ."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], help="default: all")
    parser.add_argument("--check", action="store_true", help="change nothing, exit 1 if a part differs")
    asked = parser.parse_args()
    text = README.read_text()
    stale = []
    measured = {name for name, file in MEASURED.items() if not (ROOT / file).is_file()}
    for name in asked.parts or [name for name in PARTS if name not in measured]:
        old, new = part(text, name), PARTS[name]()
        if old != new:
            stale.append(name)
            head, tail = f"<!-- begin {name} -->\n", f"<!-- end {name} -->"
            text = text.replace(text[text.index(head) : text.index(tail)], f"{head}{new}\n", 1)
    if asked.check and stale:
        raise SystemExit(f"README.md: {', '.join(stale)} differ; write them with: make docs")
    README.write_text(text)


if __name__ == "__main__":
    main()
