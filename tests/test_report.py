"""`lem report` over hand-written records: what it says first, what it never hides, and its bytes."""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lem import layout, metrics, record_files, report, sandbox, warehouse, whole_tables
from lem.errors import LemError
from lem.params_models import Training
from lem.records import (
    Distilled,
    Figure,
    Loss,
    Model,
    Response,
    Run,
    Score,
)
from lem.report import sentences, tables, words

SHA = "abcdef0123456789" * 4
DATA_SHA = "123456789abcdef0" * 4
COMPARE = ("lek > m on validation", "lek >= m - 5 on sums")
CUT = {"m": 8, "lek": 2, "chain": 2}  # of eight answers, those that were cut off
RIGHT = {"m": [1, 1, 1, 1, 1, 1, 0, 0], "lek": [1, 1, 1, 1, 1, 0, 1, None], "chain": [1] * 8}
TRAINING = Training(iters=120, learning_rate=0.0001, keys=("self_attn.q_proj", "self_attn.v_proj"))
VALID = ((0, 3.2), (40, 2.0), (80, 1.9), (120, 1.95))
PLOTS = ("accuracy", "losses", "modes", "ranks", "tasks")
PROMPTS = "prompts:\n  more: {files: [seeds/m.json]}\n"


def asked(name, role, prompts, mode, cut, n=8):
    """Write a run of n answers, the first `cut` of them cut off, and their signs."""
    run_id = hashlib.sha256(f"{name}{prompts}{mode}".encode()).hexdigest()[:16]
    run = Run(
        run_id=run_id, source="own", model=name, prompts=prompts, mode=mode, prompt_set_sha=SHA,
        kernel_sha=SHA if mode == "sandwich" else None, template="T", shots=None, weights_sha=SHA,
        adapter_sha=None, temperature=0.0, top_p=None, max_tokens=8, samples=1, batch_size=4, seed=None,
        engine="mlx 1.0, recipe 1", device="cpu", blas="mkl 1", settings_sha=SHA, responses=n,
    )  # fmt: skip
    record_files.write_json(layout.log(name, prompts, mode, "json"), run)
    answers = [
        Response(
            seed_id=f"i{i}", prompt="p", response="x" * (10 + i), gen_time=1.0, chars=10 + i, mode=mode,
            model=name, prompts=prompts, prompt_sha=SHA, run_id=run_id, tokens=3,
            finish_reason="length" if i < cut else "stop", batch_size=4,
        )
        for i in range(n)
    ]  # fmt: skip
    file = layout.answers(prompts, name) if prompts == "sums" else layout.responses(role, name, prompts, mode)
    record_files.write_jsonl(file, answers)
    return run_id


def model(card, seed=0):
    """Write a model's record, its answers and its scores."""
    tuned = card.role == "fine-tuned"
    entry = card.entry or card.name
    record_files.write_json(layout.model_record(card.role, entry, card.seed if tuned else None), card)
    for mode in ("naked", "sandwich"):
        asked(card.name, card.role, "validation", mode, min(8, CUT[entry] + seed + (mode == "sandwich")))
    run_id = asked(card.name, card.role, "sums", "naked", 0)
    scored(card.name, run_id, RIGHT[entry])


def scored(name, run_id, values):
    error = {True: "no number", False: None}
    scores = [
        Score(run_id, name, "sums", f"i{n}", "exact_match", value, error[value is None], filter=f)
        for n, value in enumerate(values)
        for f in ("flexible", "strict")
    ]  # fmt: skip
    record_files.write_jsonl(layout.scores("sums", name), scores)


def baseline():
    model(Model("m", family="f", scale="1M", origin="pypi:m==1", licence="MIT", weights_sha=SHA))


def tune(seed, entry="lek", valid=VALID, settings=TRAINING, **more):
    """Write a fine-tune of one training seed with its losses."""
    name = f"{entry}.s{seed}"
    card = Model(
        name, role="fine-tuned", family="f", scale="1M", variant="lek", base="m", origin="pypi:m==1",
        licence="MIT", weights_sha=SHA, adapter_sha=SHA, entry=entry, seed=seed, data="data/training/lek",
        data_sha=DATA_SHA, training=json.dumps(asdict(settings)),
    )  # fmt: skip
    model(replace(card, **more), seed)
    losses = [Loss(name, n, "train", 3.0 - n / 100, 1e-4, 100 * n) for n in (10, 60, 120)]
    losses += [Loss(name, n, "valid", loss) for n, loss in valid]
    record_files.write_jsonl(layout.training_log(entry, seed, "jsonl"), losses)


def distilled_losses(**by_mode):
    """Write the loss of m over what was held out of lek, by mode."""
    told = [
        Loss("m", 0, "valid", loss, mode=mode, data="data/training/lek") for mode, loss in by_mode.items()
    ]
    record_files.write_jsonl(layout.distil_losses("lek"), told)


def imported(name, **card):
    """Write an imported baseline, and a fine-tune with the very same scores: those of m."""
    theirs, run = (
        layout.imported("theirs"),
        record_files.read_json(layout.log("m", "sums", "naked", "json"), Run),
    )
    own = list(record_files.read_jsonl(layout.scores("sums", "m"), Score))
    for who, role, base in (("base", "baseline", None), (name, "fine-tuned", "base")):
        told = Model(who, source="theirs", role=role, base=base, origin="[x](y)", **card)
        record_files.write_json(theirs / role / "one" / "model.json", told)
        scores = [replace(score, model=who, source="theirs") for score in own]
        record_files.write_jsonl(theirs / f"scores/sums/{role}.jsonl", scores)
        record_files.write_json(theirs / f"logs/{role}.json", replace(run, source="theirs", model=who))
    stated = Figure("theirs", "paper.md", "T1", "base", "sums", "exact_match", 12.5, "percent", n=8)
    record_files.write_jsonl(theirs / "figures/paper.jsonl", [replace(stated, filter="flexible")])


def evaluated():
    """Write what lm-evaluation-harness says of sums, beside the scores that are there."""
    for name in ("m", "lek.s0"):
        file = layout.scores("sums", name)
        there = list(record_files.read_jsonl(file, Score))
        acc = [
            replace(s, metric="acc", filter="none", scorer="lm-eval") for s in there if s.filter == "strict"
        ]
        record_files.write_jsonl(file, [*there, *acc])
        stated = Figure("own", f"{name}.json", "results.sums", name, "sums", "acc", 0.75, "rate", n=8)
        record_files.write_jsonl(layout.figures(name), [replace(stated, settings='{"n-shot": 0}')])


BOARD = {
    "m": [(2, 6), (3, 7), (4, 8)],
    "lek.s0": [(4, 5), (3, 5), (2, 6)],
    "m-4bit": [(3, 3), (5, 4), (1, None)],
    "m-24l": [(1, 4), (2, 4), (3, 5)],
}
"""Right answers of eight before and after training, by task; null for a cell that nobody has."""
KINDS = {"adding": "math", "nouns": "language", "verbs": "language"}


def ranked():
    """Write a leaderboard of our own: m, its fine-tune, and m altered in two ways on three tasks."""
    for name in ("m-4bit", "m-24l"):
        altered = Model(name, family="f", base="m", variant="altered", weights_sha=SHA)
        record_files.write_json(layout.harmony_model(name) / "model.json", altered)
    for name, told in BOARD.items():
        for (task, kind), marks in zip(KINDS.items(), told, strict=True):
            _cell(name, task, kind, dict(zip(("direct", "train_before_test"), marks, strict=True)))


def _cell(name, task, kind, marks):
    folder, run_id = (
        layout.harmony_cell(name, task),
        hashlib.sha256(f"{name}{task}".encode()).hexdigest()[:16],
    )
    run = record_files.read_json(layout.log("m", "sums", "naked", "json"), Run)
    run = replace(run, run_id=run_id, model=name, prompts=task, responses=None)
    record_files.write_json(folder / "run.json", run)
    known = {regime: right for regime, right in marks.items() if right is not None}
    document = f"harmony/results/{name}/{task}/figures.jsonl"
    figures = [
        Figure("own", document, "test", name, task, "acc", right / 8, "rate", stderr=0.1, n=8, regime=regime,
               category=kind, higher_is_better=True)
        for regime, right in known.items()
    ]  # fmt: skip
    record_files.write_jsonl(folder / "figures.jsonl", figures)
    scores = [
        Score(run_id, name, task, f"i{n}", "acc", float(n < right), None, "harmony", regime=regime)
        for regime, right in known.items()
        for n in range(8)
    ]
    record_files.write_jsonl(folder / "scores.jsonl", scores)


def declare(*compare):
    listed = "".join(f"  - {text}\n" for text in compare)
    Path("params.yaml").write_text(
        "models:\n  baseline:\n    m: {from: 'pypi:m==1'}\n"
        "  fine-tuned:\n    lek: {tune: m, data: data/training/lek}\n"
        "prompts:\n  validation: {files: [seeds/v.json]}\n"
        "benchmarks:\n  sums: {file: seeds/sums.jsonl, prompt: q, answer: a}\n"
        f"{'compare:' if compare else ''}\n{listed}"
    )


@pytest.fixture
def bare(tmp_path, monkeypatch):
    """A folder with a baseline and nothing else."""
    monkeypatch.chdir(tmp_path)
    declare()
    baseline()
    return tmp_path


@pytest.fixture
def study(bare):
    """A baseline, a fine-tune of one training seed, a distilled training set, two declared comparisons."""
    declare(*COMPARE)
    tune(0)
    rows = [Distilled("lek", f"P{n}", 0, "train", None, 40, 30 if n < 2 else 40) for n in range(5)]
    rows += [Distilled("lek", "P5", 0, "valid", None, 40, 40), Distilled("lek", "P6", 0, None, "loop", 40, 0)]
    rows += [Distilled("lek", f"P{n}", 1, None, "refusal", 40, 0) for n in range(3)]
    record_files.write_jsonl(layout.distilled("lek"), rows)
    distilled_losses(naked=3.2, sandwich=1.2)
    return bare


@pytest.fixture
def lower(study, monkeypatch):
    """The study where fewer answers that are cut off are better, of twenty."""
    lower_is_better = replace(metrics.METRICS["cut_off"], higher_is_better=False)
    monkeypatch.setitem(metrics.METRICS, "cut_off", lower_is_better)
    for mode, cut in (("naked", 5), ("sandwich", 8)):
        asked("m", "baseline", "validation", mode, 20, 20)
        asked("lek.s0", "fine-tuned", "validation", mode, cut, 20)


def written():
    """Build the tables, and return the report made of them."""
    warehouse.export(warehouse.build(), layout.TABLES)
    with sandbox.connect(layout.TABLES) as con:
        return report.render(report.read(con))


def section(text, title):
    return text.split(f"# {title}\n")[1].split("\n#")[0]


def line(text, start):
    (found,) = [row for row in text.splitlines() if row.startswith(start)]
    return found


def test_the_declared_comparisons_come_first(study):
    text = written()
    assert text.index("lek > m on validation") < text.index("## Models and benchmarks")
    told = section(text, "What was declared, and what came of it").splitlines()
    first, second = (number for number, row in enumerate(told) if row[:1] == "-")
    assert told[first] == (
        "- **lek > m on validation**: holds in 0 of 4 primary rows, not in 0, open in 4; "
        "10 other rows, of other readings or metrics."
    )
    said = (
        "  - (cut_off, naked; neither way is better): 100.0 % -> 25.0 %, paired difference -75.0 points "
        "(95 % -100.0† to -36.3, n = 8, 1 training seed, 0 gained and 6 lost, McNemar, exact: p = 0.031): "
        "**lower**."
    )
    assert said in told[first:second] and second == first + 15
    assert told[second] == (
        "- **lek >= m - 5 on sums**: what was declared is open; 1 other row, of other readings or metrics."
    )
    assert told[second + 1] == (
        "  - (exact_match, flexible, naked): 85.7 % -> 85.7 %, paired difference 0.0 points "
        "(95 % -53.4 to +53.4, n = 7, 1 unscored, whose scores could make it 0.0 to +12.5, 1 training seed, "
        "1 gained and 1 lost, McNemar, exact: p = 1.000, after Holm p = 1.000): inconclusive "
        "(a true difference of 73.5 points would have been found with 80 % "
        "power by one test at 5 %); "
        "what was declared is open."
    )


def test_lower_is_better_where_a_metric_says_so(lower):
    told = section(written(), "What was declared, and what came of it").splitlines()
    first = next(number for number, row in enumerate(told) if row[:1] == "-")
    assert told[first] == (
        "- **lek > m on validation**: holds in 2 of 6 primary rows, not in 0, open in 4; "
        "8 other rows, of other readings or metrics."
    )
    assert told[first + 1] == (
        "  - (cut_off, naked; lower is better): 100.0 % -> 25.0 %, paired difference -75.0 points "
        "(95 % -95.8 to -54.2, n = 20, 1 training seed, 15 gained and 0 lost, McNemar, exact: p < 0.001, "
        "after Holm p < 0.001): **better**; what was declared holds."
    )


def test_the_tally_counts_every_row_and_the_tests_that_were_corrected(study):
    text = section(written(), "What was declared, and what came of it")
    assert text.startswith(
        "\n16 rows of 2 declared comparisons: 5 primary (5 inconclusive) and 11 other (1 lower, "
        "10 inconclusive); 5 tests in one family.\n"
    )
    assert "since all of them are one family of tests, p < 0.05 after Holm's correction" in text


def test_the_tally_counts_what_came_out_better(lower):
    text = section(written(), "What was declared, and what came of it")
    assert text.startswith(
        "\n16 rows of 2 declared comparisons: 7 primary (2 better, 5 inconclusive) and 9 other "
        "(9 inconclusive); 7 tests in one family.\n"
    )


def test_a_changed_score_changes_the_verdict(study):
    run_id = next(record_files.read_jsonl(layout.scores("sums", "lek.s0"), Score)).run_id
    told = "(exact_match, flexible, naked): 75.0 % -> "
    scored("lek.s0", run_id, [0.0] * 8)
    low = line(written().replace("  - ", ""), told)
    assert "-75.0 points" in low and "0 gained and 6 lost" in low and "p = 0.031" in low
    assert "after Holm p = 0.156): inconclusive" in low and "what was declared is open." in low
    declare(COMPARE[1])
    low = line(written(), "- **lek >= m - 5 on sums**:")  # one test alone
    assert "1 other row" in low and "what was declared does not hold" in low
    assert "after Holm p = 0.031): **worse**" in written()
    scored("lek.s0", run_id, [1.0] * 8)
    high = line(written().replace("  - ", ""), told)
    assert "100.0 %, paired difference +25.0 points" in high and "is open" in high and "inconclusive" in high


def test_what_is_unscored_is_counted_and_never_a_zero(study):
    text = written()
    told = line(text, "  - (exact_match, strict, naked)")
    assert "85.7 % -> 85.7 %, paired difference 0.0 points (95 % -53.4 to +53.4, n = 7, 1 unscored" in told
    assert "1 unscored, whose scores could make it 0.0 to +12.5" in told
    shown = "85.7 (48.7-97.4), n = 7, unscored 1 of 8: within 75.0-87.5"
    assert line(section(text, "Models and benchmarks"), "| lek.s0") == f"| lek.s0 | {shown} | {shown} |"
    scored("lek.s0", asked("lek.s0", "fine-tuned", "sums", "naked", 0), [None] * 8)
    text = written()
    assert (
        "unscored -> unscored, no paired difference (n = 0, 8 unscored, whose scores could make it "
        "-75.0 to +25.0, 1 training seed): inconclusive; what was declared is open."
    ) in text
    assert "| lek.s0 | unscored (n = 0 of 8: within 0.0-100.0) |" in text


def test_a_difference_without_an_interval_says_why(study):
    told = (
        "paired difference 0 characters (no interval: the same for every item, n = 8, 1 training seed, "
        "sign flips: p = 1.000)"
    )
    assert f"{told}: inconclusive." in line(written(), "  - (chars, sandwich;")


def of_validation(text):
    return section(text, "Signs of the answers").split("Prompts **validation**")[1]


def test_bold_is_only_what_was_declared_and_came_out_better(lower):
    text = written()
    signs = of_validation(text)
    assert line(signs, "| lek.s0 |").startswith("| lek.s0 | **25.0** (11.2-46.9) | **40.0** (")
    assert "**" not in line(signs, "| m |")
    assert "cut_off: lower is better; empty: lower is better;" in text and "chars: neither way" in text
    declare()
    assert line(of_validation(written()), "| lek.s0 |").startswith("| lek.s0 | 25.0 (11.2-46.9) | 40.0 (")


def test_fewer_answers_that_are_cut_off_are_no_merit(study):
    text = written()
    assert "| 25.0 (7.1-59.1) |" in of_validation(text) and "| **" not in of_validation(text)
    assert "chars: neither way is better; cut_off: neither way is better" in text


def test_a_better_benchmark_is_bold(study):
    for name, value in (("m", 0.0), ("lek.s0", 1.0)):
        run_id = next(record_files.read_jsonl(layout.scores("sums", name), Score)).run_id
        scored(name, run_id, [value] * 15 + [1 - value])
    benchmarks = section(written(), "Models and benchmarks")
    # strict came out the same, but is no primary reading
    assert line(benchmarks, "| lek.s0 |") == "| lek.s0 | **93.8** (71.7-98.9) | 93.8 (71.7-98.9) |"
    assert "**" not in line(benchmarks, "| m |")


def test_n_stands_in_the_head_where_it_is_one_and_else_in_the_cells(study):
    text = written()
    assert "| model | sums, flexible, % | sums, strict, % |" in text
    assert "| m | 75.0 (40.9-92.9), n = 8 |" in text
    assert "cut_off, naked, % (n = 8)" in text


def test_a_fine_tune_says_what_it_learned_and_where_it_was_best(study):
    assert line(written(), "- **lek.s0**: validation") == (
        "- **lek.s0**: validation loss 3.200 -> 1.950 (iterations 0 and 120), training loss 2.900 -> 1.800 "
        "(iterations 10 and 120), over 120 iterations and 12,000 answer tokens. The validation loss rose "
        "at the end: its minimum, 1.900, was at iteration 80."
    )


def test_losses_of_a_base_over_a_training_set_are_no_training(study):
    learned = section(written(), "What the fine-tunes learned")
    assert [row.split("**")[1] for row in learned.splitlines() if row[:1] == "-"] == ["lek.s0", "lek.s0"]
    with sandbox.connect(layout.TABLES) as con:
        assert {row["model"] for row in report.read(con)["losses"]} == {"lek.s0"}


ASKED = "- **lek.s0**: asked without the kernel, loss 3.200 before training and "
MANNER = "how much of that is mere manner, a loss does not say."


@pytest.mark.parametrize(
    ("after", "under", "said"),
    [
        (1.95, 1.2, f"The training brought it 62.5 % of the way there; {MANNER}"),
        (1.95, 1.95, f"The training brought it as far as the kernel does, or further; {MANNER}"),
        (1.95, 2.5, f"The training brought it as far as the kernel does, or further; {MANNER}"),
        (3.2, 1.2, "The training brought it no nearer to that."),
        (3.5, 1.2, "The training brought it no nearer to that."),
        (1.95, 3.2, "The kernel makes the base no better at them: there was nothing of it to keep."),
        (1.95, 3.4, "The kernel makes the base no better at them: there was nothing of it to keep."),
        (3.5, 3.4, "The kernel makes the base no better at them: there was nothing of it to keep."),
    ],
)
def test_what_of_the_kernel_was_kept(after, under, said):
    row = {"model": "lek.s0", "mode": "sandwich", "before": 3.2, "after": after, "under_kernel": under}
    assert sentences.kept([row]) == (
        f"{ASKED}{after:.3f} after; its base under the kernel (sandwich) has {under:.3f}. {said}"
    )


def test_what_was_kept_is_of_the_first_and_the_last_validation(study):
    tune(1, valid=((60, 2.4), (120, 3.6), (0, 3.4)))
    told = section(written(), "What the fine-tunes learned").split("What of the kernel was kept")[1]
    assert told.splitlines()[2] == (
        f"{ASKED}1.950 after; its base under the kernel (sandwich) has 1.200. "
        f"The training brought it 62.5 % of the way there; {MANNER}"
    )
    assert told.splitlines()[3] == (
        "- **lek.s1**: asked without the kernel, loss 3.400 before training and 3.600 after; "
        "its base under the kernel (sandwich) has 1.200. The training brought it no nearer to that."
    )


def test_only_a_fine_tune_on_its_own_bases_answers_has_kept_anything(study):
    tune(0, "chain", base="lek.s0")
    assert written().count("asked without the kernel") == 1
    nothing = "No fine-tune learned from answers that its own base gave under the kernel."
    for more in (
        {"data": "data/training/other"},
        {"base": "other"},
        {"settings": replace(TRAINING, mask_prompt=False)},  # its losses are of the prompts too
    ):
        tune(0, **more)
        text = written()
        assert nothing in text and "asked without the kernel" not in text
    tune(0)
    assert nothing not in written()
    distilled_losses(naked=3.2)  # distilled without the kernel
    assert nothing in written()


def test_settings_and_distillation(study):
    text = written()
    training = section(text, "Training")
    assert (
        "| model | base | data | iterations | batch | learning rate | type | rank | scale | blocks | modules "
        "| seed | data hash | adapter | command |\n"
    ) in training
    assert line(training, "| lek.s0") == (
        "| lek.s0 | m | data/training/lek | 120 | 2 | 0.0001 | lora | 8 | 20.0 | 16 "
        "| self_attn.q_proj self_attn.v_proj | 0 | 123456789abc | abcdef012345 | lem train --model lek.s0 |"
    )
    assert line(text, "- **lek**: 10 ") == (
        "- **lek**: 10 answers: 5 kept to train on, 1 to validate, 4 dropped; 2 of the kept were trimmed, "
        "by 20 characters in all."
    )
    assert "| lek | dropped | refusal | 3 | 0 | 0 |" in text


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        (Training(fine_tune_type="full"), "| full | - | - | 16 | - |"),
        (Training(fine_tune_type="full", keys=("a.b",), num_layers=-1), "| full | - | - | -1 | - |"),
        (Training(), "| lora | 8 | 20.0 | 16 | all linear |"),
        (Training(fine_tune_type="dora", rank=4, keys=("a.b",)), "| dora | 4 | 20.0 | 16 | a.b |"),
    ],
)
def test_settings_that_a_training_does_not_have_are_not_shown(study, settings, shown):
    tune(0, settings=settings)
    told = line(section(written(), "Training"), "| lek.s0")
    assert f" 0.00001 {shown} 0 | 123456789abc | abcdef012345 |" in told


def test_a_fine_tune_without_settings_is_listed(study):
    tune(0, training=None)
    told = line(section(written(), "Training"), "| lek.s0")
    assert told.startswith("| lek.s0 | m | data/training/lek |" + " - |" * 8 + " 0 | 123456789abc |")


SCALES = "Multi-scale: fine-tuned minus baseline"
OTHER_ITEMS = "An interval is about other items, not about another training"


def test_modes_and_scales(study):
    text = written()
    modes = section(text, "What the wrapping does")
    assert (
        "| validation | cut_off | lek | sandwich | 25.0 | 37.5 | +12.5 (-17.1 to +42.1) | points | 8 | 1 |"
        in modes
    )
    scales = section(text, SCALES)
    assert "| family | scale | fine-tune | minus | training seeds | source |" in scales
    (told,) = [row for row in scales.splitlines() if "-75.0 (-100.0† to -36.3), n = 8, lower |" in row]
    assert told.startswith("| f | 1M | lek | m | 1 | own | ")
    assert "There is one scale only, 1M" in scales and "No family has two scales" not in scales
    assert f"{OTHER_ITEMS} (one seed each)." in scales


def test_scales_tell_better_from_lower(lower):
    assert "-75.0 (-95.8 to -54.2), n = 20, better |" in section(written(), SCALES)


def test_two_seeds_are_two_and_differ(study):
    tune(1)
    text = written()
    assert "n = 8, 2 training seeds, seed sd 8.8, sign flips: p = 0.031): **lower**." in line(
        text, "  - (cut_off, naked; neither way is better): 100.0 %"
    )
    scales = section(text, SCALES)
    assert "| lek | m | 2 | own | " in scales and "| -68.8 (" in scales and "seed sd 8.8" in scales
    assert f"{OTHER_ITEMS} (the seed sd beside it is, where there are several seeds)." in scales
    assert "one seed each" not in scales
    assert "- **lek.s1**: validation loss" in text


def test_an_imported_scale_stands_next_to_our_own(study):
    imported("big", family="f", scale="2B")
    scales = section(written(), SCALES)
    (sums,) = [part for part in scales.split("Prompts **")[1:] if part.startswith("sums**")]
    _, head, _, mine, theirs, *_ = [row for row in sums.splitlines() if row]
    assert head == (
        "| family | scale | fine-tune | minus | training seeds | source | empty, naked, points "
        "| exact_match, flexible, naked, points | exact_match, strict, naked, points | loop, naked, points "
        "| chars, naked, characters | cut_off, naked, points | first_person, naked, points "
        "| formulaic_opening, naked, points | refusal, naked, points |"
    )
    same = "0.0 (no interval), n = 8, inconclusive"
    assert mine.startswith(
        f"| f | 1M | lek | m | 1 | own | {same} | 0.0 (-53.4 to +53.4), n = 7 (1 unscored)"
    )
    assert theirs == f"| f | 2B | big | base | 1 | theirs | - | {same} | {same} |" + " - |" * 6
    assert scales.count("Prompts **sums**") == 1 and "Source theirs (scale 2B) was imported" in scales
    assert "one scale only" not in scales and "No family has two scales" not in scales
    imported("big", family="g", scale="2B")
    assert "No family has two scales: family, variant and" in section(written(), SCALES)


@pytest.mark.parametrize(
    ("found", "notes"),
    [
        ([], []),
        ([("f", "1M")], ["There is one scale only, 1M"]),
        ([("f", "1M"), ("g", "1M")], ["There is one scale only, 1M"]),
        ([("f", "1M"), ("f", "2M"), ("g", "3M")], []),
        ([("f", "1M"), ("g", "2M"), ("f", "1M")], ["No family has two scales"]),
        ([("f", "1M"), ("f", None), ("g", "2M")], ["A scale shown as -", "No family has two scales"]),
        ([(None, "1M"), (None, "2M")], ["No family has two scales"]),
        ([("f", None)], ["A scale shown as -"]),
    ],
)
def test_what_the_multi_scale_tables_cannot_say(found, notes):
    rows = [{"source": "own", "family": family, "scale": scale, "seeds": 1} for family, scale in found]
    told = sentences.scale_notes(rows)
    expected = notes + ([f"{OTHER_ITEMS} (one seed each)."] if found else [])
    assert len(told) == len(expected)
    assert all(note.startswith(start) for note, start in zip(told, expected, strict=True))


def test_nothing_declared(study):
    declare()
    text = written()
    assert text.splitlines()[4].startswith("No comparison is declared") and "compare:\n  - my-tune" in text


def test_a_baseline_alone_has_its_report_and_its_plots(bare, lem):
    lem("doctor", "--pin")
    lem("warehouse")
    assert lem("report").output.splitlines()[-1] == "reports/report.md"
    text = (layout.REPORTS / "report.md").read_text()
    for said in (
        "No comparison is declared",
        "No fine-tune has been trained",
        "No fine-tune learned from answers that its own base gave under the kernel.",
        "No fine-tune and its baseline",
        "No training set was distilled",
        "No leaderboard has been made (`lem harmony`) or imported yet.",
        "No model of our own was tested before and after training.",
        "| m | 75.0 (40.9-92.9) |",
    ):
        assert said in text
    plots = {file.stem: file.read_text() for file in (layout.REPORTS / "plots").glob("*.svg")}
    assert set(plots) == set(PLOTS) and "No fine-tune has been trained yet." in plots["losses"]
    for name in ("ranks", "tasks"):
        assert "No leaderboard has been made or imported yet." in plots[name]


def test_no_record_at_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = written()
    assert "No benchmark has been scored yet." in text and "No prompt has been answered yet." in text
    assert "There is no model yet." in text and "There is no run yet." in text and "None" not in text


def test_a_foreign_name_cannot_break_a_table_or_a_sentence(study):
    name = "a|b*c_<i>"
    imported(name, scale="2B")
    text = written()
    same = "0.0 (no interval), n = 8, inconclusive |"
    assert rf"| - | 2B | a\|b\*c\_\<i> | base | 1 | theirs | - | {same}" in text
    assert r"| \[x\](y) |" in text and name not in text
    assert "Source theirs (scale 2B) was imported" in text and "one scale only" not in text
    assert "No family has two scales" in text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("a|b", r"a\|b"),
        ("smollm2-135m_lek", "smollm2-135m_lek"),
        ("_x_", r"\_x\_"),
        ("a\nb", "a<br>b"),
        ("<b>&amp;", r"\<b>\&amp;"),
        ("\\|", r"\\\|"),
    ],
)
def test_text_is_shown_as_it_is(value, shown):
    assert words.text(value) == shown


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [
        (-0.04, "points", "0.0"),
        (3.25, "points", "+3.2"),
        (None, "percent", "unscored"),
        (-163.4, "characters", "-163"),
        (1234.5, "characters", "+1,234"),
        (0.064, "points 1-10", "+0.06"),
        (0.5, "as given", "+0.500"),
    ],
)
def test_numbers_have_their_units_decimals_and_no_negative_zero(value, unit, shown):
    assert words.number(value, unit, sign=True) == shown


ROW = {
    "declared": "a > b", "candidate": "a", "prompts": "p", "mode": "naked", "metric": "safety",
    "filter": "none", "scorer": "judge", "regime": "direct", "baseline_value": 8.74, "candidate_value": 8.58,
    "difference": -0.16, "low": -0.5, "high": 0.18, "unit": "points 1-10", "n": 50, "unscored": 0, "seeds": 1,
    "seed_sd": None, "verdict": "inconclusive", "holds": "open", "is_primary": True, "differs": None,
    "clusters": None, "gained": None, "lost": None, "test": "sign flips", "p": 0.31, "p_holm": 0.62,
    "detectable": 0.48, "margin": 0.0, "worst": -0.16, "best": -0.16,
}  # fmt: skip
DECLARED = {"declared": "a > b", "prompts": None}


def test_one_row_is_one_sentence():
    assert sentences.declared([DECLARED], [ROW], set()) == (
        "- **a > b** (safety, naked, p): 8.74 -> 8.58, paired difference -0.16 points of 1-10 "
        "(95 % -0.50 to +0.18, n = 50, sign flips: p = 0.310, after Holm p = 0.620): inconclusive "
        "(a true difference of 0.48 points of 1-10 would have been found with 80 % "
        "power by one test at 5 %); "
        "what was declared is open."
    )


def test_a_reason_not_to_compare_is_said_once():
    nothing = dict.fromkeys(("difference", "p", "p_holm"))
    refused = {**ROW, **nothing, "verdict": "refused", "differs": "items, kernel"}
    rows = [refused, {**refused, "metric": "nuance"}]
    why = "not compared, the two were not asked alike: they differ in items, kernel"
    assert sentences.declared([DECLARED], rows, set()) == f"- **a > b** (p, naked: {why})"
    assert sentences.declared([DECLARED], [*rows, {**ROW, "prompts": "q"}], set()).splitlines()[:2] == [
        "- **a > b**: holds in 0 of 3 primary rows, not in 0, open in 3.",
        f"  - (p, naked: {why})",
    ]
    assert sentences.tally([DECLARED], [*rows, ROW]) == (
        "3 rows of 1 declared comparison: 3 primary (1 inconclusive, 2 refused); 1 test in one family."
    )


def test_two_that_were_not_asked_alike_are_not_compared(study):
    for mode in ("naked", "sandwich"):
        log = layout.log("lek.s0", "validation", mode, "json")
        record_files.write_json(log, replace(record_files.read_json(log, Run), template="other"))
    text = written()
    told = section(text, "What was declared, and what came of it")
    assert "5 primary (1 inconclusive, 4 refused)" in told and "1 test in one family" in told
    for mode in ("naked", "sandwich"):
        why = "not compared, the two were not asked alike: they differ in template"
        assert told.count(f"  - (validation, {mode}: {why})") == 1
    (scales,) = [part for part in section(text, SCALES).split("Prompts **")[1:] if "validation**" in part]
    assert line(scales, "| f | 1M |").count("| not compared: they differ in template |") > 0
    assert "unscored" not in line(scales, "| f | 1M |")
    assert "**" not in of_validation(text).split("\n", 1)[1]


def test_what_was_decided_stands_before_what_was_not_and_the_unfavourable_stays():
    of_chars = {"metric": "chars", "unit": "characters", "is_primary": False, "p_holm": None}
    chars = {**ROW, **of_chars, "verdict": "higher"}
    worse = {**ROW, "metric": "truthful", "verdict": "worse", "holds": "no"}
    head, *told = sentences.declared([DECLARED], [ROW, chars, worse], set()).splitlines()
    assert head == (
        "- **a > b**: holds in 0 of 2 primary rows, not in 1, open in 1; "
        "1 other row, of other readings or metrics."
    )
    assert [row.split(",")[0] for row in told] == ["  - (truthful", "  - (safety", "  - (chars"]
    assert "**worse**; what was declared does not hold." in told[0]
    assert told[2].endswith("n = 50, sign flips: p = 0.310): **higher**.")
    assert "neither way is better" in told[2]


def test_what_was_declared_stands_in_the_order_of_params_and_names_what_is_not_measured(study):
    declare("lek >= m - 5 on sums", "lek > m on validation", "lek > m on more")
    Path("params.yaml").write_text(Path("params.yaml").read_text().replace("prompts:\n", PROMPTS))
    text = section(written(), "What was declared, and what came of it")
    assert [row.split("**")[1] for row in text.splitlines() if row[:4] == "- **"] == [
        "lek >= m - 5 on sums",
        "lek > m on validation",
        "lek > m on more",
    ]
    assert "- **lek > m on more** is not measured yet: no rows of both on more.\n" in text
    assert text.startswith(
        "\n16 rows of 3 declared comparisons, 1 of them not measured yet: 5 primary (5 inc"
    )


def test_nothing_of_what_was_declared_is_measured_yet(bare):
    declare("lek > m", "lek > m on sums")
    text = section(written(), "What was declared, and what came of it")
    assert text.startswith(
        "\n- **lek > m** is not measured yet: no rows of both.\n"
        "- **lek > m on sums** is not measured yet: no rows of both on sums.\n"
    )
    assert "Holm" not in text and "None" not in text


def test_an_interval_is_shown_up_to_where_a_rate_ends_and_says_so(study):
    text = written()
    for title in ("What was declared, and what came of it", "Multi-scale: fine-tuned minus baseline"):
        assert "-100.0† to -36.3" in section(text, title) and words.NOTE in section(text, title)
    assert "†" not in section(text, "What the wrapping does") + section(text, "Models and benchmarks")
    assert "-113.7" not in text
    with sandbox.connect(layout.TABLES) as con:
        assert con.execute("select min(low) from comparisons").fetchone()[0] < -113


@pytest.mark.parametrize(
    ("low", "high", "unit", "shown"),
    [
        (-113.7, 36.3, "points", "-100.0† to +36.3"),
        (-36.3, 113.7, "points", "-36.3 to +100.0†"),
        (-100.01, 100.0, "points", "-100.0 to +100.0"),
        (-2.0, 104.0, "percent", "0.0† to +100.0†"),
        (-163.0, 1234.0, "characters", "-163 to +1,234"),
        (None, None, "points", None),
    ],
)
def test_an_interval_is_cut_only_where_its_unit_ends(low, high, unit, shown):
    assert words.span({"low": low, "high": high, "unit": unit}, sign=True) == shown


def test_a_plot_shows_an_interval_up_to_where_a_rate_ends():
    row = {**ROW, "model": "m", "unit": "points", "low": -113.7, "high": None}
    (point,) = tables.mode_points([row])
    assert (point["low"], point["high"]) == (-100, None)


def test_better_than_one_and_worse_than_another_is_not_bold():
    model = {"source": "own", "model": "a", "entry": "a"}
    better, worse = ({**ROW, "verdict": verdict} for verdict in ("better", "worse"))
    assert tables.better({"comparisons": [better], "models": [model]}) == {
        ("a", "p", "naked", "safety", "none", "judge", "direct")
    }
    assert tables.better({"comparisons": [better, worse], "models": [model]}) == set()
    strict = {**better, "filter": "strict", "is_primary": False}
    assert tables.better({"comparisons": [strict], "models": [model]}) == set()


def test_scales_are_sorted_by_size():
    found = ["27B", None, "0.5B", "135M", "1B", "huge", "."]
    assert sorted(found, key=words.size)[:4] == ["135M", "0.5B", "1B", "27B"]


def test_a_curve_of_one_point_or_none():
    once = {"split": "valid", "iteration": 5, "loss": 1.0, "trained_tokens": None}
    assert sentences.learned([once]) == (
        "validation loss 1.000 (at iteration 5 only), no training loss, over 5 iterations "
        "(answer tokens not recorded)."
    )
    assert sentences.learned([]) == "no losses were recorded."


def test_the_report_says_what_is_wrong_and_what_it_does_to_a_number(study):
    imported("lek-1b")
    audit = section(written(), "What is wrong with it")
    assert "| error | figure_against_rows | theirs | 1 | 1 |" in audit
    rate = "figure_against_rows | exact_match | flexible | 0 | 8 | 12.5 | 75.0 |"
    assert f"| theirs | base | sums | naked | {rate}" in audit
    assert audit.index("| error |") < audit.index("| warning |")


def test_a_report_without_a_finding_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    audit = section(written(), "What is wrong with it")
    assert "The audit found nothing." in audit and "No rate that is stated is moved by a fault." in audit


BOARD_SECTION = "Train before test"


def test_our_own_leaderboard_has_its_section(study):
    ranked()
    text = written()
    told = section(text, BOARD_SECTION)
    assert text.index("# lm-eval results") < text.index(f"# {BOARD_SECTION}") < text.index("# Signs of the")
    order = "5 of the 6 pairs of models are not told apart: their order may be chance; first is **m**, in "
    assert line(told, f"- **train_before_test**: 4 models on 3 tasks; {order}")
    few = "4 models are in both regimes, 5 are needed: lek.s0, m, m-24l, m-4bit."
    assert line(told, "- **What training changes**") == f"- **What training changes** is not told: {few}"
    assert "- m-4bit has no score on verbs, train_before_test: not there.\n" in told
    # language stands before math
    assert line(told, "| rank | model |").endswith("| tasks scored | nouns, % | verbs, % | adding, % |")
    rows = [row.split(" | ") for row in told.splitlines() if row.startswith("| ") and "±" in row]
    assert [row[1] for row in rows] == ["m", "lek.s0", "m-24l", "m-4bit"]
    assert [row[0].split(" -> ")[1] for row in rows] == ["1", "2", "3", "-"]
    assert [row[-2] for row in rows] == [
        "50.0 ± 10.0 -> 100.0 ± 10.0",
        "25.0 ± 10.0 -> 75.0 ± 10.0",
        "37.5 ± 10.0 -> 62.5 ± 10.0",
        "12.5 ± 10.0 -> missing",
    ]
    changed = section(text, "What training on a task changed")
    assert "Of 11 differences, " in changed
    assert line(changed, "| m |").count(" (") == 3 and line(changed, "| m-4bit |").endswith(" | - |")


def test_the_leaderboard_is_none_of_the_benchmarks(study):
    titles = ("Models and benchmarks", "lm-eval results", "Signs of the answers", "What the wrapping does")
    before = written()
    con = warehouse.build()
    told = warehouse.overview(con), warehouse.accuracies(con)
    ranked()
    after = written()
    for title in titles:
        assert section(after, title) == section(before, title)
    con = warehouse.build()
    assert (warehouse.overview(con), warehouse.accuracies(con)) == told
    assert con.execute("select count(*) from variant_detail where scorer = 'harmony'").fetchone()[0] == 23


def test_a_fine_tune_is_compared_in_both_regimes_and_an_altered_model_is_none(study):
    ranked()
    scales = section(written(), SCALES)
    (adding,) = [part for part in scales.split("Prompts **")[1:] if part.startswith("adding**")]
    head = "acc, naked, harmony, points | acc, naked, harmony, train_before_test, points |"
    assert line(adding, "| family |").endswith(head)
    assert "+25.0 (" in line(adding, "| f | 1M | lek | m | 1 | own |")
    assert "m-4bit" not in scales


def test_every_query_of_the_report_can_be_asked(study):
    imported("lek-1b")
    evaluated()
    ranked()
    blocks = re.findall(r"```sql\n(.*?)```", written(), re.S)
    assert len(blocks) == len(report.queries())
    with sandbox.connect(layout.TABLES) as con:
        for sql in blocks:
            sandbox.admit(con, sql)
            assert con.execute(sql).fetchall()


def test_the_same_tables_give_the_same_bytes_in_another_process(study, lem):
    tune(1)
    lem("doctor", "--pin")
    lem("warehouse")
    lem("report")
    files = [layout.REPORTS / "report.md", *(layout.REPORTS / f"plots/{name}.svg" for name in PLOTS)]
    first = [file.read_bytes() for file in files]
    elsewhere = {**os.environ, "LC_ALL": "de_DE.UTF-8", "TZ": "Asia/Tokyo", "PYTHONHASHSEED": "7"}
    subprocess.run(
        [sys.executable, "-m", "lem", "report"], check=True, env=elsewhere, stdout=subprocess.DEVNULL
    )
    assert [file.read_bytes() for file in files] == first
    for file in files[1:]:
        ElementTree.fromstring(file.read_bytes())
        assert not re.search(rb"20\d\d-\d\d|file:|/tmp", file.read_bytes())


def test_tables_that_are_missing_or_older(study, lem):
    lem("doctor", "--pin")
    assert "no tables yet" in lem("report", code=1).output
    written()
    old = "copy (select 'm' as name) to 'reports/tables/models.parquet' (format parquet)"
    __import__("duckdb").sql(old)
    whole_tables.seal(layout.TABLES)
    assert "run `lem warehouse`" in lem("report", code=1).output
    (layout.TABLES / "comparisons.parquet").unlink()
    whole_tables.seal(layout.TABLES)
    with (
        sandbox.connect(layout.TABLES) as con,
        pytest.raises(LemError, match=r"comparisons does not exist.*: .* `lem ware"),
    ):
        report.read(con)
