"""A small dump of each kind, without a fault: {kind: ({file: bytes}, options of `lem ingest`)}."""

import json

PAPER = """\
document,place,model,benchmark,metric,value,unit,stderr,n
paper.md,T1,m,b,acc,0.5,rate,0.1,20
paper.md,T1,"a, b",b,acc,0.25,rate,,20
"""
ANSWERS = [f"It is {n}. So {n} + {n} = {2 * n}.\n#### {2 * n}" for n in range(1, 6)]
RESULTS = {
    "results": {"arc": {"alias": "arc", "acc,none": 0.75, "acc_stderr,none": 0.1, "acc_norm,none": 0.5}},
    "configs": {"arc": {"task": "arc", "num_fewshot": 0}},
    "versions": {"arc": 1.0},
    "n-shot": {"arc": 0},
    "higher_is_better": {"arc": {"acc": True, "acc_norm": True}},
    "n-samples": {"arc": {"original": 40, "effective": 4}},
    "config": {"model": "hf", "model_args": "pretrained=org/m,dtype=float32", "limit": 4.0},
    "task_hashes": {"arc": "ab" * 32},
    "model_name": "org/m",
}
TABLE = """# Leaderboard

| model | Rank | PC1 | A | B |
|:--|--:|--:|--:|--:|
| org/x | 1 | 120.5 | 90.1 | 80 |
| org/y | 2 | -20.25 | 60 | 70.5 |
| z | 3 | -100.25 | 50.5 | - |
"""
LOG = """/x/urllib3/__init__.py:35: NotOpenSSLWarning: old
  warnings.warn(
Loaded 3 seeds
Loading model: org/big-27b
\rFetching 15 files:   0%|          | 0/15 [00:00<?, ?it/s]\rFetching 15 files: 100%|##| 15/15
Model loaded. Running UNSIGNED validation...

[1/3] P01_A | 18 chars | 13.9s
  >> Because it is so. ...
[2/3] P02_B | 12 chars | 13.8s
  >> Two

lines
[3/3] P03_C | 14 chars | 13.8s
  >> Three words here

Done. 3 responses saved to /x/base-27b-unsigned.jsonl
"""
FORMAT = """Loading model...
Ready on Device(gpu, 0)

--- Prompt 1/2: How do I ... ---
  A_sandwich: 9.2s | 1706 chars | Okay ...
  D_naked: 5.5s | 1516 chars | Okay, ...

--- Prompt 2/2: What is ... ---
  A_sandwich: 9.2s | 1700 chars | Okay ...
"""


def jsonl(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def sample(n: int) -> dict[str, object]:
    return {
        "doc_id": n,
        "doc": {"question": f"What is {n}?", "choices": ["one", "two"]},
        "target": "0",
        "arguments": {
            "gen_args_0": {"arg_0": f"Q: {n}", "arg_1": " one"},
            "gen_args_1": {"arg_0": f"Q: {n}", "arg_1": " two"},
        },
        "resps": [[["-1.5", "True"]], [["-2.5", "False"]]],
        "filtered_resps": [["-1.5", "True"], ["-2.5", "False"]],
        "filter": "none",
        "metrics": ["acc", "acc_norm"],
        "doc_hash": f"{n:064x}",
        "prompt_hash": f"{n:064x}",
        "target_hash": f"{n:064x}",
        "acc": 1.0,
        "acc_norm": 0.0,
    }


SEEDS = [
    {
        "seed_id": f"P0{n}_{'ABC'[n - 1]}",
        "prompt": f"Why {n}?",
        "response": "Because it is so.",
        "gen_time": 13.9,
    }
    for n in (1, 2, 3)
]
REASONED = [
    {
        **row,
        "reasoning": "We must.",
        "is_refusal": False,
        "mode": "LEK-signed",
        "chars": 17,
        "reasoning_chars": 8,
        "time": 3.5,
    }
    for row in SEEDS
]
MATHS = {
    "label": "BASE",
    "accuracy": 50.0,
    "correct": 1,
    "total": 2,
    "avg_time": 1.3,
    "results": [
        {
            "question": f"What is {n}+{n}?",
            "gold": str(2 * n),
            "model_answer": "2",
            "correct": n == 1,
            "time": 1.0,
            "response": ANSWERS[n],
        }
        for n in (1, 2)
    ],
}
DUMPS: dict[str, tuple[dict[str, bytes], list[str]]] = {
    "lem-standard": (
        {
            "sums.jsonl": jsonl(
                *(
                    {"id": f"N{n}", "question": f"{n} + {n}?", "correct_answer": str(2 * n)}
                    for n in range(1, 4)
                )
            ),
            "results/sums_1b_it.jsonl": jsonl(
                *(
                    {
                        "id": f"N{n}",
                        "benchmark": "sums",
                        "model": "1b_it",
                        "prompt": f"{n} + {n}?",
                        "response": ANSWERS[n],
                        "elapsed_seconds": 0.5,
                    }
                    for n in range(1, 4)
                )
            ),
            "all_scores.json": json.dumps(
                {
                    "scores": {
                        "sums": {
                            "1b_it": {f"N{n}": {"correct": True, "extracted": "4"} for n in range(1, 4)},
                            "1b_lek": {f"N{n}": {"safety": 8, "nuance": 7.0} for n in range(1, 4)},
                        }
                    }
                }
            ).encode(),
        },
        [],
    ),
    "lem-validation": (
        {
            "base-27b-unsigned.jsonl": jsonl(*SEEDS),
            "lek-27b-signed.jsonl": jsonl(*REASONED),
            "base27b-validation.log": LOG.encode(),
            "format_test.log": FORMAT.encode(),
            "benchmarks/gsm8k-base.json": json.dumps(MATHS).encode(),
            "benchmarks/summary.json": json.dumps(
                {"gsm8k": {"base": 50.0, "lem": 0.0, "delta": -50.0}, "speed": {"gsm8k_base": 1.3}}
            ).encode(),
        },
        [],
    ),
    "lm-eval": (
        {
            "org__m/results_2026-01-01T00-00-00.000000.json": json.dumps(RESULTS).encode(),
            "org__m/samples_arc_2026-01-01T00-00-00.000000.jsonl": jsonl(*map(sample, range(4))),
        },
        [],
    ),
    "lm-harmony": (
        {
            "board.md": TABLE.encode(),
            "scores.json": json.dumps(
                {
                    "train_before_test": {"A": {"org/x": 0.5, "y": 0.25}},
                    "train_before_test_stderr": {"A": {"org/x": 0.01}},
                    "direct_eval": {"A": {"org/x": 0.4}},
                }
            ).encode(),
        },
        [],
    ),
    "jsonl": (
        {
            "mine.jsonl": jsonl(
                *(
                    {"qid": f"Q{n}", "question": f"{n}?", "output": ANSWERS[n], "truth": str(2 * n)}
                    for n in range(1, 5)
                )
            )
        },
        ["--map", "seed_id=qid,prompt=question,response=output,answer=truth", "--model", "m"],
    ),
    "figures": (
        {"paper.csv": PAPER.encode()},
        [],
    ),
    "study": (
        {
            "params.yaml": b"models: {}\n",
            "data/items/b.jsonl": jsonl(
                {"benchmark": "b", "item_id": "1", "question": "1+1?", "gold": "2", "sha": "0" * 64}
            ),
            "data/baseline/m/model.json": json.dumps({"name": "m", "scale": "1B"}).encode(),
        },
        [],
    ),
}
