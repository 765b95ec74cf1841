"""The benchmark results of a validation dump: a header of figures and a list of results a file.

    benchmarks/<benchmark>-<label>.json
    {"label": "BASE", "accuracy": 4.0, "correct": 4, "total": 100, "avg_time": 1.3,
     "results": [{"question": "...", "gold": "18", "model_answer": "16", "correct": false, ...}]}

The header becomes Figures, each result an Item, a Response and the Scores that it
states (filter "stored"). Where every answer is a number, our own readings stand
beside them. A file has one row for its header and one for each result.
benchmarks/summary.json is read by `lem.ingest.lem_validation.summary_file`.

    found = read(dump, models={"tuned-1b"})
    write(dump, found)
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from lem import layout
from lem.ingest.answers import rescored, write_run
from lem.ingest.documents import write_figures
from lem.ingest.dump import Dump, Items, Pair, nameable, run_id
from lem.ingest.lem_validation import names as validation_names
from lem.ingest.lem_validation import summary_file
from lem.ingest.lines import Fault, Line, Object, amount, as_text, fitting, number, stated
from lem.record_files import sha256, write_jsonl
from lem.records import Figure, Item, Response, Score

HEADER = {
    "accuracy": ("exact_match", "percent"),
    "correct": ("correct_answers", "answers"),
    "total": ("answers", "answers"),
    "avg_time": ("gen_time", "seconds"),
    "truthful_rate": ("truthful_match", "percent"),
    "untruthful_rate": ("untruthful_match", "percent"),
    "refusal_rate": ("refusal_flag", "percent"),
}
"""Key of a header: (metric, unit). Any other number keeps its name, "as given"."""

SCORES = {
    "correct": "exact_match",
    "correct_match": "truthful_match",
    "incorrect_match": "untruthful_match",
    "has_refusal": "refusal_flag",
}
GOLDS = ("gold", "best_answer", "correct_answer", "answer")
EXTRACTED = ("model_answer", "predicted")
SHOWN = 10  # places that a note names


@dataclass
class Results:
    """What the benchmark files hold; `models` are the names they compare."""

    items: Items = field(default_factory=dict)
    answers: dict[Pair, dict[str, Response]] = field(default_factory=dict)
    scores: dict[Pair, list[Score]] = field(default_factory=dict)
    figures: dict[str, list[Figure]] = field(default_factory=dict)  # by file of the dump
    models: set[str] = field(default_factory=set)


class Result(NamedTuple):
    """One element of a file's results, as `dump.row` takes it."""

    file: str
    number: int | None
    value: Any

    @property
    def text(self) -> str:
        """The result as JSON."""
        return as_text(self.value)


def read(dump: Dump, models: Collection[str]) -> Results:
    """Return what the benchmark files hold; a name of `models` is one model, in capitals or not."""
    found, summaries = Results(), []
    canonical = {name.lower(): name for name in sorted(models, reverse=True)}
    for file in dump.files:
        if (match := validation_names.BENCHMARK.fullmatch(file)) is None:
            continue
        stem = match[1].removesuffix(".excerpt")
        if stem == "summary":
            summaries.append(file)
        else:
            _read_file(dump, file, stem, canonical, found)
    for file in summaries:
        for line in dump.document("benchmarks", file):
            with dump.row(line):
                _read_summary(dump, line, canonical, found)
    for pair, scores in rescored(found.items, found.answers).items():
        found.scores.setdefault(pair, []).extend(scores)
    return found


def _read_summary(dump: Dump, line: Line, canonical: Mapping[str, str], found: Results) -> None:
    stated = summary_file.read(document(line), line.file, dump.source, found.models, {*found.items})
    figures = [fitting(_renamed(figure, canonical)) for figure in stated.figures]
    found.figures[line.file] = figures
    found.models |= {figure.model for figure in figures}
    if stated.unplaced:
        some = ", ".join(f"{place:.80}" for place in stated.unplaced[:SHOWN])
        detail = f"{len(stated.unplaced)} numbers that tell no model: {some}"
        dump.note("figure_unplaced", "info", line.file, None, detail)


def _renamed(figure: Figure, canonical: Mapping[str, str]) -> Figure:
    name = nameable(figure.model)
    return replace(figure, model=canonical.get(name, name))


def document(line: Line) -> Object:
    """Return the JSON object that a file is, NaN and all; raises Fault."""
    whole = line.object()
    if whole.repeated:
        raise Fault(f"key {whole.repeated[0][0]!r:.80} stands twice")
    return whole


def _read_file(dump: Dump, file: str, stem: str, canonical: Mapping[str, str], found: Results) -> None:
    """Read one benchmark file; its results are counted once it is known to have some."""
    names, whole, results = None, Object([]), []
    for line in dump.document("benchmarks", file):
        with dump.row(line):
            whole = document(line)
            benchmark, label = names_of(whole.get("label"), stem)
            results = results_of(whole)
            dump.tally("benchmarks", file).rows += len(results)
            names = benchmark, canonical.get(label, label)
            found.models.add(names[1])
            found.figures[file] = header_figures(whole, file, *names, dump.source)
    if names is None:
        return
    keys = [key for key in SCORES if any(isinstance(row, Object) and key in row for row in results)]
    for value in results:
        with dump.row(row := Result(file, None, value)):
            _add(found, row, names, keys, dump.source)


def names_of(label: object, stem: str) -> Pair:
    """Return (benchmark, model in lower case) of a file: its label, else its name's last word.

    Raises Fault when the label names another model than the file does.
    """
    benchmark, dash, word = stem.rpartition("-")
    if not isinstance(label, str) or not layout.NAME.fullmatch(label):
        label = word
    label = label.lower()
    if stem.lower().endswith(f"-{label}"):
        return stem[: -len(label) - 1], nameable(label)
    if not dash or word.lower() not in validation_names.parts(label):
        raise Fault(f"label {label!r:.80} contradicts the file name; expected <benchmark>-<label>.json")
    return benchmark, nameable(label)


def results_of(whole: Mapping[str, Any]) -> list[Any]:
    """Return the results of a file, none where it states none; raises Fault for what is no list."""
    results = whole.get("results", [])
    if not isinstance(results, list):
        found = "an object" if isinstance(results, Object) else type(results).__name__
        raise Fault(f"results: expected a list, found {found}")
    return results


def header_figures(
    whole: Mapping[str, Any], file: str, benchmark: str, model: str, source: str
) -> list[Figure]:
    """Return the figures of a header; `n` is the total that it states, if it does; raises Fault."""
    total = amount(dict(whole), "total")
    n = int(total) if total is not None and total.is_integer() else None
    found = []
    for key, value in whole.items():
        if key in HEADER or (isinstance(value, int | float) and not isinstance(value, bool)):
            metric, unit = HEADER.get(key, (key, "as given"))
            if isinstance(value, bool) or not key.strip():
                raise Fault(f"{key or 'a key without a name'}: expected a number and its name")
            said = None if value is None else number(key, value)
            error = None if said is not None else f"{key} is null"
            figure = Figure(source, file, key, model, benchmark, metric, said, unit, error, n=n)
            found.append(fitting(figure))
    return found


def _add(found: Results, result: Result, names: Pair, keys: Iterable[str], source: str) -> None:
    """Add the item, the answer and the stored scores of a result; raises Fault, and then adds none."""
    row = result.value
    if not isinstance(row, Object):
        raise Fault(f"expected an object, found {type(row).__name__}")
    if row.repeated:
        raise Fault(f"key {row.repeated[0][0]!r:.80} stands twice")
    item = fitting(item_of(row, names[0], source))
    answer = fitting(answer_of(row, item, names[1], source))
    scores = [fitting(score_of(row, key, answer)) for key in keys]
    kept = found.items.get(names[0], {}).get(item.item_id, item)
    if item.item_id in found.answers.get(names, ()):
        raise Fault(f"question {item.question!r:.60} stands twice; the first is kept")
    if item.gold != kept.gold:
        raise Fault(f"gold {item.gold!r:.60} contradicts {kept.gold!r:.60}, which another file has")
    found.items.setdefault(names[0], {})[item.item_id] = kept
    found.answers.setdefault(names, {})[item.item_id] = answer
    found.scores.setdefault(names, []).extend(scores)


def item_of(row: dict[str, Any], benchmark: str, source: str) -> Item:
    """Return the Item of a result: its id is "q" and the first 12 digits of its question's sha256."""
    question = stated(row, "question")
    if not isinstance(question, str):
        raise Fault("question must be text")
    gold = as_stated(row, GOLDS)
    digest = sha256(question.encode("utf-8", "surrogatepass"))
    whole = json.dumps({"question": question, "gold": gold}, sort_keys=True)
    return Item(benchmark, f"q{digest[:12]}", question, gold, sha256(whole), source=source)


def as_stated(row: Mapping[str, Any], names: Iterable[str]) -> str | None:
    """Return the first of the named fields that is not null, a number as it is written; raises Fault."""
    key, value = next(((name, row[name]) for name in names if row.get(name) is not None), ("", None))
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        raise Fault(f"{key}: expected text or a number, found bool")
    number(key, value)
    return json.dumps(value)


def answer_of(row: dict[str, Any], item: Item, model: str, source: str) -> Response:
    """Return the Response of a result; an empty one is an answer, a missing one a Fault."""
    response = row.get("response")
    if not isinstance(response, str):
        raise Fault("response must be text")
    return Response(
        seed_id=item.item_id,
        prompt=item.question,
        response=response,
        gen_time=amount(row, "time", "gen_time"),
        chars=len(response),
        mode="naked",
        model=model,
        prompts=item.benchmark,
        prompt_sha=sha256(item.question.encode("utf-8", "surrogatepass")),
        run_id=run_id(source, model, item.benchmark),
        source=source,
    )


def score_of(row: dict[str, Any], key: str, answer: Response) -> Score:
    """Return the Score that a result states; null with an error where other results of its file state one."""
    value, error = row.get(key), None
    if value is None:
        error = f"{key} is {'null' if key in row else 'missing'}"
    elif number(key, value) not in (0, 1):
        raise Fault(f"{key}: expected true or false")
    return Score(
        answer.run_id,
        answer.model,
        answer.prompts,
        answer.seed_id,
        SCORES[key],
        None if value is None else float(value),
        error,
        "stored",
        "stored",
        as_stated(row, EXTRACTED) if key == "correct" else None,
        source=answer.source,
    )


def write(dump: Dump, found: Results) -> None:
    """Write the items, answers, scores, runs and figures below `dump.root`."""
    for benchmark, items in found.items.items():
        write_jsonl(dump.place(layout.items(benchmark)), items.values())
    for pair, answers in sorted(found.answers.items()):
        write_jsonl(dump.place(layout.answers(*pair)), answers.values())
        if found.scores.get(pair):
            write_jsonl(dump.place(layout.scores(*pair)), found.scores[pair])
        write_run(dump, pair[1], pair[0], "naked", responses=len(answers))
    for file, figures in found.figures.items():
        write_figures(dump, PurePosixPath(file).name, figures)
