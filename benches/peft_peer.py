"""LoRA steps by transformers + peft on torch's CPU, as its user writes the loop; prints JSON.

The peer of benches.lora. It stands alone: the environment of requirements-hf.txt (`make hf-check` builds
it) holds neither this project's package nor MLX. The job is a JSON object:
{model, rank, alpha, modules, learning_rate, weight_decay, warm_up, batches}, a batch being a list of
[token ids, where the part to be learned begins], all of one length.

    .venv-hf/bin/python benches/peft_peer.py job.json
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

IGNORED = -100  # a label that transformers' loss leaves out


def labels(tokens: list[int], begins: int) -> list[int]:
    """Return a sequence's labels: its own ids where it is to be learned, IGNORED before."""
    return [IGNORED] * begins + tokens[begins:]


def asked(batches: list[list[tuple[list[int], int]]]) -> int:
    """Return how many tokens of all batches are predicted; nothing predicts a sequence's first."""
    return sum(label != IGNORED for batch in batches for one in batch for label in labels(*one)[1:])


def adapted(job: dict[str, Any]) -> Any:  # noqa: ANN401
    """Return the job's model in float32 with a new adapter, all else frozen."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_pretrained(job["model"], dtype=torch.float32)
    model.config.use_cache = False  # as transformers' own Trainer has it: no step needs the cache
    shape = LoraConfig(
        r=job["rank"],
        lora_alpha=job["alpha"],
        lora_dropout=0.0,
        target_modules=job["modules"],
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, shape)


def step(model: Any, optimizer: Any, batch: list[tuple[list[int], int]]) -> float:  # noqa: ANN401
    """Learn from one batch; return its mean loss in nats a token."""
    import torch

    ids = torch.tensor([tokens for tokens, _ in batch])
    loss = model(input_ids=ids, labels=torch.tensor([labels(*one) for one in batch])).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return float(loss.item())


def measured(job: dict[str, Any]) -> dict[str, Any]:
    """Return the seconds of the steps after the first `warm_up`, the loss of every step, and what ran."""
    import torch

    model = adapted(job)
    learned = [value for value in model.parameters() if value.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=job["learning_rate"], weight_decay=job["weight_decay"])
    model.train()
    losses, clock = [], []
    for batch in job["batches"]:
        losses.append(step(model, optimizer, batch))
        clock.append(time.perf_counter())
    versions = " + ".join(f"{name} {version(name)}" for name in ("transformers", "peft"))
    return {
        "seconds": clock[-1] - clock[job["warm_up"] - 1],
        "losses": losses,
        "trained_tokens": asked(job["batches"]),
        "parameters": sum(value.numel() for value in learned),
        "weight_decay": optimizer.param_groups[0]["weight_decay"],
        "engine": f"{versions}, torch {version('torch')}, CPU, {torch.get_num_threads()} threads",
    }


if __name__ == "__main__":
    print(json.dumps(measured(json.loads(Path(sys.argv[1]).read_text("utf-8")))))
