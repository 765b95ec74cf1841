"""One timed way to ask the reference model, in a process of its own; prints JSON.

Three ways: `ours` (lem.mlx_runtime), `batch` (mlx_lm.batch_generate) and `loop`
(mlx_lm.generate, one prompt after the other, the whole prompt read each time).
With LEM_BLAS=stock MLX keeps the BLAS it is shipped with.

    python -m benches.ask loop --prompts sandwich --n 4 --max-tokens 48
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from lem import mlx_runtime, params, questions
from lem.prompts import Kernel, messages, render

MODEL = Path("data/models/smollm2-135m")
LONG_KERNEL = Path("kernel/lek-1-narrative.txt")  # 3,900 characters, so that reading it once pays


def rendered(tokenizer: Any, mode: str, n: int) -> list[list[int]]:  # noqa: ANN401
    """Return the token ids of the first n validation prompts in a mode."""
    kernel = (
        None if mode == "naked" else Kernel(LONG_KERNEL.read_text().strip(), questions.kernel().signature)
    )
    prompts = questions.prompts(params.load().prompt_set("validation"))[:n]
    texts = [render(tokenizer, messages(mode, kernel, prompt.text)) for prompt in prompts]
    return [mlx_runtime.encode(tokenizer, text) for text in texts]


def ours(loaded: mlx_runtime.Loaded, prompts: list[list[int]], most: int) -> list[str]:
    """Return the answers by our own runtime, in the prompts' order."""
    sampling = mlx_runtime.Sampling(max_tokens=most, batch_size=16)
    done = {d.index: d.text for d in mlx_runtime.generate(loaded, prompts, sampling)}
    return [done[i] for i in range(len(prompts))]


def batch(loaded: mlx_runtime.Loaded, prompts: list[list[int]], most: int) -> list[str]:
    """Return the answers by mlx_lm.batch_generate with its defaults."""
    from mlx_lm import batch_generate

    return list(batch_generate(loaded.model, loaded.tokenizer, prompts, max_tokens=most).texts)


def loop(loaded: mlx_runtime.Loaded, prompts: list[list[int]], most: int) -> list[str]:
    """Return the answers by mlx_lm.generate, one prompt at a time."""
    from mlx_lm import generate

    return [generate(loaded.model, loaded.tokenizer, p, max_tokens=most) for p in prompts]


WAYS = {"ours": ours, "batch": batch, "loop": loop}


def main() -> None:
    """Load, warm up, time one pass, print {'seconds', 'tokens', 'texts', 'blas'}."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("way", choices=WAYS)
    parser.add_argument("--prompts", choices=["naked", "sandwich"], default="naked")
    parser.add_argument("--n", type=int, default=16)
    parser.add_argument("--max-tokens", type=int, default=48)
    asked = parser.parse_args()
    loaded = mlx_runtime.load(MODEL)
    prompts = rendered(loaded.tokenizer, asked.prompts, asked.n)
    WAYS[asked.way](loaded, [prompts[0][-8:]], 2)
    began = time.perf_counter()
    texts = WAYS[asked.way](loaded, prompts, asked.max_tokens)
    seconds = time.perf_counter() - began
    tokens = sum(len(loaded.tokenizer.encode(text, add_special_tokens=False)) for text in texts)
    print(json.dumps({"seconds": seconds, "tokens": tokens, "texts": texts, "blas": loaded.blas}))


if __name__ == "__main__":
    main()
