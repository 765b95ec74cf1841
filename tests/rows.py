"""Records of small made-up studies, for the tests of the audit: each in a source of its own."""

from dataclasses import replace

from lem import layout
from lem.record_files import write_json, write_jsonl
from lem.records import Figure, Item, LogEntry, Model, Note, Quarantined, Response, Run, Score, fields

SHA = "a" * 64
COLOURS = (
    "amber",
    "black",
    "coral",
    "dove",
    "ebony",
    "fawn",
    "green",
    "hazel",
    "ivory",
    "jade",
    "khaki",
    "lilac",
)


def sentence(n, words=0):
    """A whole answer of its own length: no two of them are alike."""
    return f"The {COLOURS[n % 12]} one has number {n} and is the right one" + " of them" * (n + words) + "."


def run_of(model):
    return model[0] * 16


def answer(source, n, text=None, model="m", **more):
    text = sentence(n) if text is None else text
    return Response(
        **{
            **{"seed_id": f"i{n}", "prompt": f"What is {n}?", "response": text, "gen_time": 1 + n / 100},
            **{"chars": len(text), "mode": "naked", "model": model, "prompts": "sums", "prompt_sha": SHA},
            **{"run_id": run_of(model), "source": source, "finish_reason": "stop", **more},
        }
    )


def mark(source, n, value, metric="exact_match", model="m", **more):
    score = Score(
        run_of(model), model, "sums", f"i{n}", metric, value, None, "stored", "stored", source=source
    )
    return replace(score, **more)


def read(source, n, value, extracted=None, **more):
    return mark(source, n, value, scorer="number", filter="flexible", extracted=extracted, **more)


def item(source, n, **more):
    return Item(**{"benchmark": "sums", "item_id": f"i{n}", "question": f"What is {n}?", "gold": str(n),
                   "sha": SHA, "source": source, **more})  # fmt: skip


def figure(source, metric, value, unit, n=None, **more):
    return Figure(source, "doc.json", metric, "m", "sums", metric, value, unit, n=n, **more)


def cell(source, model, task, value, regime="direct", **more):
    """A score on somebody's leaderboard, in percent."""
    told = {"unit": "percent", "regime": regime, "document": "board.json", "place": f"{regime}.{task}"}
    return Figure(**{"source": source, "model": model, "benchmark": task, "metric": "score", "value": value,
                     **told, **more})  # fmt: skip


def logged(source, n, seconds, chars, model="m"):
    return LogEntry(source, f"{model}.log", n + 1, model, "sums", "naked", f"i{n}", n + 1, 40, chars, seconds)


def run(source, model="m", **more):
    told = {"run_id": run_of(model), "source": source, "model": model, "prompts": "sums", "mode": "naked"}
    return Run(**{**dict.fromkeys(fields(Run)), **told, **more})


FILES = {
    **{Response: "answers/sums/all.jsonl", Score: "scores/sums/all.jsonl", Item: "items/sums.jsonl"},
    **{Figure: "figures/doc.jsonl", LogEntry: "logs/all.jsonl", Note: "notes.jsonl"},
    **{Quarantined: "quarantine.jsonl"},
}


class Records(list):
    """Records of a source, written in one file a shape."""

    def write(self, source):
        root = layout.imported(source)
        for shape, file in FILES.items():
            if rows := [record for record in self if isinstance(record, shape)]:
                write_jsonl(root / file, rows)
        runs = [r for r in self if isinstance(r, Run)] or [run(source)]
        for n, record in enumerate(runs):
            write_json(root / f"logs/run{n}.json", record)
        models = {r.name: r for r in self if isinstance(r, Model)}
        for name in sorted({r.model for r in self if hasattr(r, "model") and r.model}):
            record = models.get(name, Model(name, source=source))
            write_json(root / f"baseline/{name}/model.json", record)
