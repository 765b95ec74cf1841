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
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from lem.records import write_json


@dataclass(frozen=True)
class Contest:
    """Ours against a peer: who runs what, on how many prompts each."""

    name: str
    prompts: str
    peer: str  # a way of benches.ask
    peer_blas: str
    peer_name: str
    n: int
    peer_n: int
    goal: float


CONTESTS = (
    Contest(
        "generate-batch16-vs-stock-mlx",
        "naked",
        "batch",
        "stock",
        "mlx_lm.batch_generate, MLX as shipped",
        16,
        16,
        8,
    ),
    Contest(
        "sandwich16-vs-loop", "sandwich", "loop", "own", "mlx_lm.generate in a loop, our BLAS", 16, 16, 5
    ),
    Contest(
        "sandwich16-vs-stock-loop",
        "sandwich",
        "loop",
        "stock",
        "mlx_lm.generate in a loop, MLX as shipped",
        16,
        3,
        30,
    ),
)


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
    """Return one row: answers a second of both sides, and how many texts were equal."""
    ours = ask("ours", contest.prompts, contest.n, "own")
    peer = ask(contest.peer, contest.prompts, contest.peer_n, contest.peer_blas)
    rates = contest.n / ours["seconds"], contest.peer_n / peer["seconds"]
    pairs = list(zip(ours["texts"], peer["texts"], strict=False))
    return {
        "name": contest.name,
        "unit": "answers of up to 48 tokens per second",
        "ours": round(rates[0], 4),
        "peer": round(rates[1], 4),
        "peer_name": f"{contest.peer_name} (BLAS: {peer['blas']})",
        "ratio": round(rates[0] / rates[1], 2),
        "n": contest.peer_n,
        "equal_texts": sum(a == b for a, b in pairs),
        "goal": contest.goal,
    }


def main() -> None:
    """Run what the arguments select, or everything."""
    wanted = [c for c in CONTESTS if not sys.argv[1:] or any(word in c.name for word in sys.argv[1:])]
    if not Path("data/models/smollm2-135m/config.json").is_file():
        subprocess.run(["lem", "convert", "--model", "smollm2-135m"], check=True)
    rows = []
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        for contest in progress.track(wanted, description="benchmarks"):
            rows.append(run(contest))
    write_json(Path("reports/bench.json"), rows)
    table = Table("name", "ours", "peer", "ratio", "goal", "n", "equal texts", "unit", "peer is")
    for r in rows:
        texts = f"{r['equal_texts']} of {r['n']}"
        table.add_row(
            r["name"], f"{r['ours']:.3f}", f"{r['peer']:.3f}", f"{r['ratio']:.1f}x", f"{r['goal']:g}x",
            str(r["n"]), texts, r["unit"], r["peer_name"],
        )  # fmt: skip
    Console(width=200 if not sys.stdout.isatty() else None).print(table)


if __name__ == "__main__":
    main()
