"""The lem-standard dump: question sets, one answer file a benchmark and variant, stored scores.

    <benchmark>.jsonl                      id, question or prompt, correct_answer or best_answer, ...
    results/<benchmark>_<variant>.jsonl    id, benchmark, model, prompt, response, elapsed_seconds
    *.json                                 {"scores": {benchmark: {variant: {id: {...}}}}}

Each of the three may be absent. Without its question set a benchmark's item ids
are taken as they stand; with one, an id that it lacks is refused.

A field that no record holds stays in `raw/`. `prompt_sha` hashes the prompt as
stated, since a dump does not tell the template; settings it does not state are
null. Stored scores are read by `lem.ingest.lem_standard.scores`, names of
variants by `lem.ingest.lem_standard.models`. Answers to questions whose answer
is a number are scored by ours too, so that `filter` tells the readings apart.

    lem ingest lem-standard ~/benchmarks/standard
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lem import layout
from lem.ingest.answers import fine_tuned, rescored, write_run
from lem.ingest.dump import Dump, Items, Kind, Pair, nameable, run_id
from lem.ingest.lem_standard.models import write_models
from lem.ingest.lem_standard.scores import asked, read_scores, score_entries, scores_in
from lem.ingest.lines import Fault, amount, first, fitting, stated
from lem.ingest.peek import json_object
from lem.params_imports import ImportSpec
from lem.record_files import sha256, write_jsonl
from lem.records import FINISH_REASONS, Item, Response

QUESTIONS = re.compile(rf"({layout.NAME.pattern})\.jsonl")
ANSWERS = re.compile(r"results/([A-Za-z0-9][A-Za-z0-9._-]*)\.jsonl")
SCORES = re.compile(r"[^./][^/]*\.json")  # of any name; what is in it decides

TIMES = ("gen_time", "elapsed_seconds", "time")  # seconds


def reads(file: str) -> bool:
    """Return whether this kind reads a file, named relative to the dump."""
    return file.isprintable() and any(p.fullmatch(file) for p in (QUESTIONS, ANSWERS, SCORES))


def knows(path: Path, files: Sequence[str]) -> bool:
    """Return whether a dump has a scores file, or answers named after one of its question sets."""
    sets = [match[1] for match in map(QUESTIONS.fullmatch, files) if match]
    answers = [match[1] for match in map(ANSWERS.fullmatch, files) if match]
    if any(stem.startswith(f"{name}_") for stem in answers for name in sets):
        return True
    return any(scores_in(json_object(path, file)) for file in files if SCORES.fullmatch(file))


def convert(dump: Dump, spec: ImportSpec) -> None:
    """Write the dump's items, answers, runs, models and scores below `dump.root`."""
    items = read_items(dump)
    scored = [entry for file, _ in _matching(dump, SCORES) for entry in score_entries(dump, file)]
    answers = read_answers(dump, items, {*items, *(entry.keys[0] for entry in scored if entry.keys)})
    scores = read_scores(dump, items, scored)
    for pair, values in rescored(items, answers).items():
        scores.setdefault(pair, []).extend(values)
    for benchmark, rows in items.items():
        if rows:
            write_jsonl(dump.place(layout.DATA / "items" / f"{benchmark}.jsonl"), rows.values())
    for (benchmark, variant), responses in answers.items():
        write_jsonl(dump.place(layout.answers(benchmark, variant)), responses.values())
    for (benchmark, variant), values in scores.items():
        write_jsonl(dump.place(layout.scores(benchmark, variant)), values)
    pairs = sorted({*answers, *scores})
    for pair in pairs:
        write_run(dump, pair[1], pair[0], "naked", responses=len(answers.get(pair, ())))
    variants = sorted({variant for _, variant in pairs})
    write_models(dump, variants, fine_tuned(spec, variants, what="variant"))


def read_items(dump: Dump) -> Items:
    """Return {benchmark: {item id: Item}} of the question sets."""
    found: Items = {}
    for file, benchmark in _matching(dump, QUESTIONS):
        kept = found.setdefault(benchmark, {})
        for line in dump.lines("items", file):
            with dump.row(line):
                item = fitting(item_of(line.row(), benchmark, dump.source, line.sha))
                _once(item.item_id, kept)
                kept[item.item_id] = item
    return found


def _matching(dump: Dump, pattern: re.Pattern[str]) -> Iterator[tuple[str, str]]:
    for file in dump.files:
        if match := pattern.fullmatch(file):
            yield file, match.group(match.lastindex or 0)


def _once(item_id: str, kept: Container[str]) -> None:
    if item_id in kept:
        raise Fault(f"id {item_id!r:.80} stands twice; the first is kept")


def item_of(row: dict[str, Any], benchmark: str, source: str, sha: str) -> Item:
    """Return the Item of a question row; raises Fault."""
    if (own := first(row, "benchmark")) not in (None, benchmark):
        raise Fault(f"benchmark {own!r:.80} contradicts the file name")
    return Item(
        benchmark=benchmark,
        item_id=stated(row, "id"),
        question=stated(row, "question", "prompt"),
        gold=first(row, "correct_answer", "best_answer"),
        sha=sha,
        source=source,
        category=first(row, "category", "risk_area", "target_group"),
    )


def read_answers(dump: Dump, items: Items, benchmarks: set[str]) -> dict[Pair, dict[str, Response]]:
    """Return {(benchmark, variant): {item id: Response}} of the files in results/."""
    found: dict[Pair, dict[str, Response]] = {}
    for file, stem in _matching(dump, ANSWERS):
        for line in dump.lines("answers", file):
            with dump.row(line):
                row = line.row()
                benchmark, variant = identity(row, stem, benchmarks)
                answer = fitting(answer_of(row, benchmark, variant, dump.source))
                asked(answer.seed_id, benchmark, items)
                _once(answer.seed_id, found.get((benchmark, variant), ()))
                found.setdefault((benchmark, variant), {})[answer.seed_id] = answer
    return found


def identity(row: dict[str, Any], stem: str, benchmarks: Iterable[str]) -> Pair:
    """Return (benchmark, variant): the row's own where stated, else what the file name says.

    Benchmark names contain underscores, so a file name is read by the longest
    known one. Raises Fault when row and name contradict each other.
    """
    longest = max((name for name in benchmarks if stem.startswith(f"{name}_")), key=len, default="")
    benchmark = first(row, "benchmark") or longest
    variant = first(row, "model") or stem[len(longest) + 1 :]
    if not benchmark:
        raise Fault("no benchmark stated, and the file name begins with none that is known")
    if stem not in (f"{benchmark}_{variant}", f"{benchmark}_{nameable(variant)}"):
        raise Fault(f"benchmark {benchmark!r:.80}, model {variant!r:.80} contradict the file name")
    return benchmark, nameable(variant)


def answer_of(row: dict[str, Any], benchmark: str, variant: str, source: str) -> Response:
    """Return the Response of a result row; an empty response is an answer, a missing one a Fault."""
    prompt, response = stated(row, "prompt"), row.get("response")
    if not isinstance(prompt, str) or not isinstance(response, str):
        raise Fault("prompt and response must be text")
    if (reason := row.get("finish_reason")) not in (None, *FINISH_REASONS):
        raise Fault(f"finish_reason {reason!r:.80} is none of {', '.join(FINISH_REASONS)}")
    return Response(
        seed_id=stated(row, "id"),
        prompt=prompt,
        response=response,
        gen_time=amount(row, *TIMES),
        chars=len(response),
        mode="naked",
        model=variant,
        prompts=benchmark,
        prompt_sha=sha256(prompt.encode("utf-8", "surrogatepass")),
        run_id=run_id(source, variant, benchmark),
        source=source,
        tokens=None if amount(row, "tokens") is None else row["tokens"],
        finish_reason=reason,
    )


KIND = Kind(
    expects="<benchmark>.jsonl, results/<benchmark>_<variant>.jsonl "
    'or a *.json of {"scores": {benchmark: {variant: {item id: {...}}}}}',
    reads=reads,
    keeps=reads,
    convert=convert,
    takes=("fine_tuned",),
    knows=knows,
)
