"""`lem report` over hand-written records: what it says first, what it never hides, and its bytes."""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lem import layout, records, report, sandbox, warehouse
from lem.errors import LemError
from lem.records import Distilled, Loss, Model, Response, Run, Score
from lem.report import sentences, tables, words

SHA = "abcdef0123456789" * 4
COMPARE = ("lek > m on validation", "lek >= m - 5 on sums")
CUT = {"m": 8, "lek": 2}  # of eight answers, those that were cut off
RIGHT = {"m": [1, 1, 1, 1, 1, 1, 0, 0], "lek": [1, 1, 1, 1, 1, 0, 1, None]}
TRAINING = json.dumps({"iters": 120, "batch_size": 2, "learning_rate": 0.0001, "rank": 8})
PLOTS = ("accuracy", "losses", "modes")
PROMPTS = "prompts:\n  more: {files: [seeds/m.json]}\n"


def asked(name, role, prompts, mode, cut):
    """Write a run of eight answers, the first `cut` of them cut off."""
    run_id = hashlib.sha256(f"{name}{prompts}{mode}".encode()).hexdigest()[:16]
    run = Run(
        run_id=run_id, source="own", model=name, prompts=prompts, mode=mode, prompt_set_sha=SHA,
        kernel_sha=SHA if mode == "sandwich" else None, template="T", shots=None, weights_sha=SHA,
        adapter_sha=None, temperature=0.0, top_p=None, max_tokens=8, samples=1, batch_size=4, seed=None,
        engine="mlx 1.0, recipe 1", device="cpu", blas="mkl 1", settings_sha=SHA, responses=8,
    )  # fmt: skip
    records.write_json(layout.log(name, prompts, mode, "json"), run)
    answers = [
        Response(
            seed_id=f"i{n}", prompt="p", response="x" * (10 + n), gen_time=1.0, chars=10 + n, mode=mode,
            model=name, prompts=prompts, prompt_sha=SHA, run_id=run_id, tokens=3,
            finish_reason="length" if n < cut else "stop", batch_size=4,
        )
        for n in range(8)
    ]  # fmt: skip
    file = layout.answers(prompts, name) if prompts == "sums" else layout.responses(role, name, prompts, mode)
    records.write_jsonl(file, answers)
    return run_id


def model(card, seed=0):
    """Write a model's record, its answers and its scores."""
    tuned = card.role == "fine-tuned"
    entry = card.entry or card.name
    records.write_json(layout.model_record(card.role, entry, card.seed if tuned else None), card)
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
    records.write_jsonl(layout.scores("sums", name), scores)


def baseline():
    model(Model("m", family="f", scale="1M", origin="pypi:m==1", licence="MIT", weights_sha=SHA))


def tune(seed):
    """Write a fine-tune of one training seed with its losses."""
    model(
        Model(
            f"lek.s{seed}", role="fine-tuned", family="f", scale="1M", variant="lek", base="m",
            origin="pypi:m==1", licence="MIT", weights_sha=SHA, adapter_sha=SHA, entry="lek", seed=seed,
            data="data/training/lek", data_sha=SHA, training=TRAINING,
        ),
        seed,
    )  # fmt: skip
    losses = [Loss(f"lek.s{seed}", n, "train", 3.0 - n / 100, 1e-4, 100 * n) for n in (10, 60, 120)]
    losses += [
        Loss(f"lek.s{seed}", n, "valid", loss) for n, loss in ((0, 3.2), (40, 2.0), (80, 1.9), (120, 1.95))
    ]
    records.write_jsonl(layout.training_log("lek", seed, "jsonl"), losses)


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
    records.write_jsonl(layout.distilled("lek"), rows)
    return bare


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
    first = [
        row for row in section(text, "What was declared, and what came of it").splitlines() if row[:1] == "-"
    ]
    assert first[0] == (
        "- **lek > m on validation**: holds in 2 of 2 rows, not in 0, open in 0; "
        "2 more rows of metrics without a better direction."
    )
    said = (
        "  - (cut_off, naked; lower is better): 100.0 % -> 25.0 %, paired difference -75.0 points "
        "(95 % -100.0† to -36.3, n = 8, 1 training seed): **better**; what was declared holds."
    )
    assert text.splitlines()[text.splitlines().index(first[0]) + 1] == said


def test_the_tally_counts_every_row_and_says_they_are_not_corrected(study):
    text = section(written(), "What was declared, and what came of it")
    assert text.startswith(
        "\n8 rows of 2 declared comparisons: 5 of metrics with a better direction (2 better, 0 worse, "
        "0 equivalent, 3 inconclusive) and 3 of metrics without a better direction (0 higher, 0 lower, "
    )
    assert "These intervals are not corrected for their number" in text


def test_a_changed_score_changes_the_verdict(study):
    run_id = next(records.read_jsonl(layout.scores("sums", "lek.s0"), Score)).run_id
    told = "(exact_match, flexible, naked): 75.0 % -> "
    scored("lek.s0", run_id, [0.0] * 8)
    low = line(written().replace("  - ", ""), told)
    assert "-75.0 points" in low and "**worse**; what was declared does not hold." in low
    scored("lek.s0", run_id, [1.0] * 8)
    high = line(written().replace("  - ", ""), told)
    assert "100.0 %, paired difference +25.0 points" in high and "is open" in high and "inconclusive" in high


def test_what_is_unscored_is_counted_and_never_a_zero(study):
    text = written()
    told = line(text, "  - (exact_match, strict, naked)")
    assert "85.7 % -> 85.7 %, paired difference 0.0 points (95 % -53.4 to +53.4, n = 7, 1 unscored" in told
    assert line(section(text, "Models and benchmarks"), "| lek.s0").count(", 1 unscored") == 2
    scored("lek.s0", asked("lek.s0", "fine-tuned", "sums", "naked", 0), [None] * 8)
    text = written()
    assert "unscored -> unscored, no paired difference (n = 0, 8 unscored, 1 training seed)" in text
    assert "| lek.s0 | unscored (n = 0 of 8) |" in text


def test_a_difference_without_an_interval_says_why(study):
    told = "paired difference 0 characters (no interval: the same for every item, n = 8, 1 training seed)"
    assert f"{told}: inconclusive." in line(written(), "  - (chars, sandwich;")


def test_bold_is_only_what_was_declared_and_came_out_better(study):
    signs = section(written(), "Signs of the answers")
    assert line(signs, "| lek.s0 | **25.0** (7.1-59.1) |")
    assert "**" not in line(signs, "| m | 100.0")
    declare()
    assert "| lek.s0 | 25.0 (7.1-59.1) |" in written()


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


def test_settings_and_distillation(study):
    text = written()
    assert "| lek.s0 | m | data/training/lek | 120 | 2 | 0.0001 | 8 | 0 | abcdef012345 |" in text
    assert line(text, "- **lek**: 10 ") == (
        "- **lek**: 10 answers: 5 kept to train on, 1 to validate, 4 dropped; 2 of the kept were trimmed, "
        "by 20 characters in all."
    )
    assert "| lek | dropped | refusal | 3 | 0 | 0 |" in text


def test_modes_and_scales(study):
    text = written()
    modes = section(text, "What the wrapping does")
    assert (
        "| validation | cut_off | lek | sandwich | 25.0 | 37.5 | +12.5 (-17.1 to +42.1) | points | 8 | 1 |"
        in modes
    )
    scales = section(text, "Multi-scale: fine-tuned minus baseline")
    assert "| f | 1M | lek | m | 1 | -75.0 (-100.0† to -36.3), n = 8, better |" in scales
    assert "There is one scale only, 1M" in scales and "one training seed" in scales


def test_two_seeds_are_two_and_differ(study):
    tune(1)
    text = written()
    assert "n = 8, 2 training seeds, seed sd 8.8): **better**" in line(
        text, "  - (cut_off, naked; lower is better): 100.0 %"
    )
    scales = section(text, "Multi-scale: fine-tuned minus baseline")
    assert (
        "| lek | m | 2 | -68.8 (" in scales and "seed sd 8.8" in scales and "one training seed" not in scales
    )
    assert "- **lek.s1**: validation loss" in text


def test_nothing_declared(study):
    declare()
    text = written()
    assert text.splitlines()[4].startswith("No comparison is declared") and "compare:\n  - my-tune" in text


def test_a_baseline_alone_has_its_report_and_its_three_plots(bare, lem):
    lem("doctor", "--pin")
    lem("warehouse")
    assert lem("report").output.splitlines()[-1] == "reports/report.md"
    text = (layout.REPORTS / "report.md").read_text()
    for said in (
        "No comparison is declared",
        "No fine-tune has been trained",
        "No fine-tune and its baseline",
        "No training set was distilled",
        "| m | 75.0 (40.9-92.9) |",
    ):
        assert said in text
    plots = {file.stem: file.read_text() for file in (layout.REPORTS / "plots").glob("*.svg")}
    assert set(plots) == set(PLOTS) and "No fine-tune has been trained yet." in plots["losses"]


def test_no_record_at_all(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = written()
    assert "No benchmark has been scored yet." in text and "No prompt has been answered yet." in text
    assert "There is no model yet." in text and "There is no run yet." in text and "None" not in text


def test_a_foreign_name_cannot_break_a_table_or_a_sentence(study):
    theirs, name = layout.imported("theirs"), "a|b*c_<i>"
    run = records.read_json(layout.log("m", "sums", "naked", "json"), Run)
    for who, role, base in (("base", "baseline", None), (name, "fine-tuned", "base")):
        card = Model(who, source="theirs", role=role, base=base, scale="2B", origin="[x](y)")
        records.write_json(theirs / role / who.replace("|", "-") / "model.json", card)
        own = records.read_jsonl(layout.scores("sums", "m"), Score)
        scores = [replace(score, model=who, source="theirs") for score in own]
        records.write_jsonl(theirs / f"scores/sums/{role}.jsonl", scores)
        records.write_json(
            theirs / f"logs/{role}.json", replace(run, source="theirs", run_id=run.run_id, model=who)
        )
        (theirs / "logs/baseline.json").unlink(missing_ok=True)
    text = written()
    assert r"| 2B | a\|b\*c\_\<i> | base | 1 | 0.0 (no interval), n = 8, inconclusive |" in text
    assert r"| \[x\](y) |" in text and name not in text
    assert "Source theirs (scale 2B) was imported" in text and "one scale only" not in text


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
    "seed_sd": None, "verdict": "inconclusive", "holds": "open",
}  # fmt: skip
DECLARED = {"declared": "a > b", "prompts": None}


def test_one_row_is_one_sentence():
    assert sentences.declared([DECLARED], [ROW], set()) == (
        "- **a > b** (safety, naked, p): 8.74 -> 8.58, paired difference -0.16 points of 1-10 "
        "(95 % -0.50 to +0.18, n = 50): inconclusive; what was declared is open."
    )


def test_what_was_decided_stands_before_what_was_not_and_the_unfavourable_stays():
    chars = {**ROW, "metric": "chars", "unit": "characters", "verdict": "higher"}
    worse = {**ROW, "metric": "truthful", "verdict": "worse", "holds": "no"}
    head, *told = sentences.declared([DECLARED], [ROW, chars, worse], set()).splitlines()
    assert head == (
        "- **a > b**: holds in 0 of 2 rows, not in 1, open in 1; "
        "1 more row of metrics without a better direction."
    )
    assert [row.split(",")[0] for row in told] == ["  - (truthful", "  - (safety", "  - (chars"]
    assert "**worse**; what was declared does not hold." in told[0]
    assert told[2].endswith("n = 50): **higher**.") and "neither way is better" in told[2]


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
        "\n8 rows of 3 declared comparisons, 1 of them not measured yet: 5 of metrics with"
    )


def test_nothing_of_what_was_declared_is_measured_yet(bare):
    declare("lek > m", "lek > m on sums")
    text = section(written(), "What was declared, and what came of it")
    assert text.startswith(
        "\n- **lek > m** is not measured yet: no rows of both.\n"
        "- **lek > m on sums** is not measured yet: no rows of both on sums.\n"
    )
    assert "not corrected" not in text and "None" not in text


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
        ("a", "p", "naked", "safety", "none")
    }
    assert tables.better({"comparisons": [better, worse], "models": [model]}) == set()


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


def test_every_query_of_the_report_can_be_asked(study):
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
    assert "run `lem warehouse`" in lem("report", code=1).output
    (layout.TABLES / "comparisons.parquet").unlink()
    with (
        sandbox.connect(layout.TABLES) as con,
        pytest.raises(LemError, match=r"comparisons does not exist.*: .* `lem ware"),
    ):
        report.read(con)
