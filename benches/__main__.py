"""Run the benchmarks, print a table, write reports/bench.json.

A ratio above 1 says ours is better. Where both sides answer the same prompts
greedily, the number of equal texts stands beside the ratio.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from benches import ingest, lora, weigh
from lem.record_files import write_json


@dataclass(frozen=True)
class Contest:
    """Ours against a peer: who runs what, on how many prompts each, how often in turn."""

    name: str
    prompts: str
    peer: str  # a way of benches.ask
    peer_blas: str
    peer_name: str
    peer_n: int
    runs: int
    goal: float


CONTESTS = (
    Contest(
        *("generate-batch16-vs-stock-mlx", "naked", "batch", "stock"),
        *("mlx_lm.batch_generate, MLX as shipped", 16, 2, 8),
    ),
    Contest(
        *("sandwich16-vs-loop", "sandwich", "loop", "own"),
        *("mlx_lm.generate in a loop, our BLAS", 16, 2, 5),
    ),
    Contest(
        *("sandwich16-vs-stock-loop", "sandwich", "loop", "stock"),
        *("mlx_lm.generate in a loop, MLX as shipped", 2, 1, 30),
    ),
)
OURS_N = 16


def ask(way: str, prompts: str, n: int, blas: str) -> dict[str, Any]:
    """Return what benches.ask measured in a process of its own."""
    env = os.environ | ({"LEM_BLAS": "stock"} if blas == "stock" else {})
    call = [sys.executable, "-m", "benches.ask", way, "--prompts", prompts, "--n", str(n)]
    done = subprocess.run(call, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(call[2:])} failed:\n{done.stderr}")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def run(contest: Contest) -> dict[str, Any]:
    """Return one row: medians of answers a second, both sides in turn, and how many texts were equal."""
    ours, peer = [], []
    for _ in range(contest.runs):
        ours.append(ask("ours", contest.prompts, OURS_N, "own"))
        peer.append(ask(contest.peer, contest.prompts, contest.peer_n, contest.peer_blas))
    ours_rates = [OURS_N / one["seconds"] for one in ours]
    peer_rates = [contest.peer_n / one["seconds"] for one in peer]
    rates = median(ours_rates), median(peer_rates)
    pairs = list(zip(ours[0]["texts"], peer[0]["texts"], strict=False))
    return {
        "name": contest.name,
        "unit": "answers of up to 48 tokens per second",
        "ours": round(rates[0], 4),
        "peer": round(rates[1], 4),
        "peer_name": f"{contest.peer_name} (BLAS: {peer[0]['blas']})",
        "ratio": round(rates[0] / rates[1], 2),
        "n": OURS_N,
        "peer_n": contest.peer_n,
        "runs": contest.runs,
        "ours_range": [round(min(ours_rates), 4), round(max(ours_rates), 4)],
        "peer_range": [round(min(peer_rates), 4), round(max(peer_rates), 4)],
        "equal_texts": sum(a == b for a, b in pairs),
        "goal": contest.goal,
    }


FILE = Path("reports/bench.json")
TRAINED = tuple(shape.name for shape in lora.SHAPES)
ORDER = (*(contest.name for contest in CONTESTS), weigh.NAME, *TRAINED, ingest.NAME)


def _kept(now: set[str]) -> list[dict[str, Any]]:
    """Return the rows of the last runs of what was not run now."""
    last: list[dict[str, Any]] = json.loads(FILE.read_text()) if FILE.is_file() else []
    return [row for row in last if row["name"] in ORDER and row["name"] not in now]


def is_wanted(name: str, words: list[str]) -> bool:
    """Return whether a row is asked for: by its whole name, by a word in it, or by no word at all."""
    return not words or any(word == name or (word in name and word not in ORDER) for word in words)


def _is_wanted(name: str) -> bool:
    return is_wanted(name, sys.argv[1:])


def trained() -> tuple[list[dict[str, Any]], str]:
    """Return the rows of benches.lora that are wanted, or why they were skipped."""
    wanted = [shape for shape in lora.SHAPES if _is_wanted(shape.name)]
    if wanted and (reason := lora.missing()):
        return [], f"skipped: {', '.join(shape.name for shape in wanted)}: {reason}"
    return [lora.row(shape) for shape in wanted], ""


def main() -> None:
    """Run what the arguments select, or everything."""
    wanted = [c for c in CONTESTS if _is_wanted(c.name)]
    asks_model = wanted or any(map(_is_wanted, (weigh.NAME, *TRAINED)))
    if asks_model and not Path("data/models/smollm2-135m/config.json").is_file():
        subprocess.run(["lem", "convert", "--model", "smollm2-135m"], check=True)
    rows = []
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        for contest in progress.track(wanted, description="benchmarks"):
            rows.append(run(contest))
    if _is_wanted(weigh.NAME):
        rows.append(weigh.row())
    learned, skipped = trained()
    rows += learned
    if _is_wanted(ingest.NAME):
        rows.append(ingest.row())
    rows = sorted([*rows, *_kept({row["name"] for row in rows})], key=lambda row: ORDER.index(row["name"]))
    write_json(FILE, rows)
    table = Table("name", "ours", "peer", "ratio", "goal", "runs", "equal texts", "unit", "peer is")
    for r in rows:
        texts = f"{r['equal_texts']} of {r['peer_n']}"
        table.add_row(
            r["name"], f"{r['ours']:.3f}", f"{r['peer']:.3f}", f"{r['ratio']:.1f}x", f"{r['goal']:g}x",
            str(r["runs"]), texts, r["unit"], r["peer_name"],
        )  # fmt: skip
    Console(width=200 if not sys.stdout.isatty() else None).print(table)
    if skipped:
        print(skipped, file=sys.stderr)  # after the table, where it is seen


if __name__ == "__main__":
    main()
