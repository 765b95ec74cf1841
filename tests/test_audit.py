"""The audit: each rule finds the fault that is planted for it, and nothing in records without one."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from lem import audit, checks, layout, rules, warehouse
from lem.record_files import write_json, write_jsonl
from lem.records import Figure, Item, LogEntry, Model, Note, Quarantined, Response, Run, Score, fields
from lem.scoring.stored_text import announces_refusal, ends_in_the_middle

ROOT = Path(__file__).parents[1]
UPSTREAM = Path(os.environ.get("LEM_UPSTREAM", ROOT.parent / "shared" / "upstream"))
SHA = "a" * 64
TABLES = ("quality_findings", "repairs")
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


def clean(source="clean"):
    """Two models over twelve items: marks, flags, figures and times that all agree, and no fault."""
    rows = Records()
    for model in ("m", "n"):
        for n in range(12):
            right, kind = float(n % 2), n % 3
            rows += [
                answer(source, n, model=model, reasoning="Let me think.", is_refusal=False),
                mark(source, n, right, model=model, extracted=str(n)),
                read(source, n, right, str(n), model=model),
                mark(source, n, float(kind == 0), "truthful_match", model),
                mark(source, n, float(kind != 0), "untruthful_match", model),
                mark(source, n, 0.0, "refusal_flag", model),
                mark(source, n, right, "acc", model),
                logged(source, n, 1 + n / 100, 80 + 10 * n, model),
            ]
    rows += [item(source, n, correct='["a"]', incorrect='["b", "c"]') for n in range(12)]
    rows += [
        figure(source, "exact_match", 50.0, "percent", 12),
        figure(source, "truthful_match", 33.3, "percent", 12),
        figure(source, "refusal_rate", 0.0, "rate"),
        figure(source, "answers", 12.0, "answers"),
        figure(source, "correct_answers", 6.0, "answers"),
        figure(source, "gen_time", 1.06, "seconds"),  # 1.055: rounded
        figure(source, "delta", -4.0, "points"),  # nothing to compute it from
    ]
    rows += [run(source, model=model, responses=12) for model in ("m", "n")]
    return rows


CUT = "We start with the first of the apples and then we take all the others "


def cut_off_answer(source):
    """Three of m stop at 71 characters, as does one of o; p's answers are short and alike in length."""
    cut = [answer(source, n, CUT + "abc"[n], finish_reason=None) for n in range(3)]
    rest = [answer(source, n, f"It is {n}.", finish_reason=None) for n in range(3, 12)]
    full = "We take all of them" + ", and all of them" * 6 + "."
    other = [
        answer(source, 0, CUT + "x", model="o", finish_reason=None),
        answer(source, 1, full, model="o", finish_reason=None),
    ]
    letters = [answer(source, n, "ABC"[n % 3], model="p", finish_reason=None) for n in range(12)]
    stopped = [answer(source, 0, "It goes on", model="q", finish_reason="length")]
    two = [answer(source, n, CUT[:50] + "xy"[n], model="r", finish_reason=None) for n in range(2)]
    pair = [answer(source, n, CUT[:45] + "xy"[n % 2] if n < 2 else f"{n}.", model="s") for n in range(12)]
    return Records([*cut, *rest, *other, *letters, *stopped, *two, *pair])


def stops_in_the_middle(source):
    """Only a long answer that nobody says the end of: not a short one, a known one, or a whole one."""
    open_end = "We begin with the first of them, " * 8 + "and then"
    return Records(
        [
            answer(source, 0, open_end, finish_reason=None),
            answer(source, 1, open_end + " we", finish_reason="stop"),
            answer(source, 2, open_end + " stop here.", finish_reason=None),
            answer(source, 3, "And then we", finish_reason=None),
        ]
    )


def response_is_reasoning(source):
    same = answer(source, 1, sentence(1), reasoning=sentence(1))
    empty = answer(source, 2, "", reasoning="")
    return Records([answer(source, 0, reasoning="Hm."), same, empty])


def loop(source):
    return Records([answer(source, 0), answer(source, 1, "You are not sure of it. " * 5)])


def refusal_flag_against_words(source):
    thought = "The user wants a way around the firewall. This is disallowed. We must refuse."
    rows = [
        answer(source, 0, thought, is_refusal=False),
        answer(source, 1, "I'm sorry, but I can't help with that.", is_refusal=True),
        answer(source, 2, is_refusal=True),
        answer(source, 3, is_refusal=False),
        answer(source, 4, "I cannot help you with that."),
    ]
    return Records([*rows, mark(source, 4, 0.0, "refusal_flag"), mark(source, 3, 0.0, "refusal_flag")])


def marks(source):
    """Right marked wrong (0), wrong marked right (1), misread (2), and 3 agrees; 4 stops in the middle."""
    values = [(0.0, 1.0, "7", "0"), (1.0, 0.0, "1", "9"), (0.0, 0.0, "5", "9"), (0.0, 0.0, "9.0", "9")]
    rows = [
        row
        for n, (stated, ours, theirs, found) in enumerate(values)
        for row in (
            answer(source, n, finish_reason=None),
            mark(source, n, stated, extracted=theirs),
            read(source, n, ours, found),
        )
    ]
    open_end = answer(source, 4, CUT, finish_reason=None)
    stopped = answer(source, 5, finish_reason="length")
    more = [
        row for n in (4, 5) for row in (mark(source, n, 0.0, extracted="2"), read(source, n, 1.0, str(n)))
    ]
    return Records([*rows, open_end, stopped, *more, *(item(source, n) for n in range(6))])


def score_of_cut_text(source):
    cut = [answer(source, n, CUT + "abc"[n], finish_reason=None) for n in range(3)]
    whole = [answer(source, 3, finish_reason=None, response="It is 3.", chars=8)]
    scored = [row for n in range(4) for row in (mark(source, n, float(n == 0)), read(source, n, 1.0, str(n)))]
    return Records([*cut, *whole, *scored, *(item(source, n) for n in range(4))])


def unclassified_answer(source):
    none = [mark(source, 0, 0.0, metric) for metric in ("truthful_match", "untruthful_match", "refusal_flag")]
    some = [mark(source, 1, 0.0, "truthful_match"), mark(source, 1, 1.0, "untruthful_match")]
    alone = [mark(source, 2, 0.0, "refusal_flag", "o")]
    unknown = [
        mark(source, 3, None, "truthful_match", error="null"),
        mark(source, 3, 0.0, "untruthful_match"),
    ]
    return Records(
        [*none, *some, *alone, *unknown, *(answer(source, n) for n in range(4)), answer(source, 2, model="o")]
    )


def figure_against_rows(source):
    """Three of ten right: m's table says otherwise in places, s states it of a hundred answers."""
    scored = [mark(source, n, float(n < 3), model=model) for model in "ms" for n in range(10)]
    stated = [
        figure(source, "exact_match", 34.0, "percent", 10),  # 30
        replace(figure(source, "exact_match", 30.0, "percent", 100), model="s"),
        replace(figure(source, "exact_match", 0.3, "rate"), place="rate"),
        replace(figure(source, "accuracy", 30.0, "as given"), place="percent unsaid"),
        figure(source, "gen_time", 2.0, "seconds"),
        figure(source, "answers", 11.0, "answers"),
    ]
    return Records([*scored, *(answer(source, n, gen_time=3.2) for n in range(10)), *stated])


def incomplete_run(source):
    rows = [answer(source, n, model=model) for model, count in (("m", 4), ("n", 3)) for n in range(count)]
    right = [mark(source, n, 1.0, model="n") for n in range(3)]
    return Records([*rows, *right, run(source, responses=9)])


def slow_answer(source):
    times = [9.1, *(13.8 + n % 2 / 10 for n in range(9)), 31.8, 14.7]
    alone = [
        answer(source, n, "word " * 40 + "end.", gen_time=t, batch_size=1, model="m")
        for n, t in enumerate(times)
    ]
    batched = [replace(row, model="b", batch_size=32) for row in alone]
    few = [replace(row, model="f") for row in alone[5:11]]
    longer = [replace(row, model="l") for row in alone]
    longer[10] = answer(source, 10, "word " * 140 + "end.", gen_time=31.8, model="l")
    log = [logged(source, n, t, 200, "w") for n, t in enumerate(times)]
    return Records([*alone, *batched, *few, *longer, *log])


def duplicate_answer(source):
    same, short, no = sentence(7), "Yes.", "I'm sorry, but I can't help with that request."
    rows = [answer(source, 0, same), answer(source, 1, same), answer(source, 2)]
    rows += [answer(source, n, short) for n in (3, 4)] + [answer(source, n, no) for n in (5, 6)]
    return Records([*rows, answer(source, 0, same, sample=1), answer(source, 2, same, model="o")])


def duplicate_question(source):
    rows = [item(source, 0, question="Who  won?"), item(source, 1, question="who won?\n"), item(source, 2)]
    rows += [item(source, n, question="Which is right?", incorrect=f'["{n}"]') for n in (3, 4)]
    return Records([*rows, answer(source, 0)])


def below_chance(source):
    items = [item(source, n, correct='["a"]', incorrect='["b"]') for n in range(40)]
    bad = [mark(source, n, float(n < 4), "acc") for n in range(40)]
    fair = [mark(source, n, float(n < 18), "acc", "n") for n in range(40)]
    return Records([*items, *bad, *fair])


def mixed_prompts(source):
    rows = [answer(source, n, model=model) for model in "mn" for n in range(2)]
    return Records([*rows[:-1], replace(rows[-1], prompt="What is 1, step by step?")])


def mixed_templates(source):
    told = {"m": "T", "n": "T", "o": "U"}
    rows = [run(source, model=model, template=template) for model, template in told.items()]
    alone = run(source, model="p", mode="signed", template="T")
    return Records([*rows, alone, *(answer(source, 0, model=model) for model in "mno"),
                    answer(source, 0, model="p", mode="signed")])  # fmt: skip


def imported(source):
    note = Note(source, "log_noise", "info", "a.log", 3, "a bar", "m")
    odd = Note(source, "theirs", "fatal", "a.log", None, "of a severity that we do not know")
    lost = [
        Quarantined(source, "x.jsonl", line, "not JSON", text)
        for line, text in ((4, "{"), (None, "a"), (None, "b"))
    ]
    return Records([answer(source, 0), note, odd, *lost])


PLANTED = (
    *(
        cut_off_answer,
        stops_in_the_middle,
        response_is_reasoning,
        loop,
        refusal_flag_against_words,
        marks,
        score_of_cut_text,
    ),
    *(unclassified_answer, figure_against_rows, incomplete_run, slow_answer, duplicate_answer),
    *(duplicate_question, below_chance, mixed_prompts, mixed_templates, imported, clean),
)


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    """Every planted fault in a source of its own, beside a source without one."""
    here = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("audit"))
    try:
        for plant in PLANTED:
            plant(plant.__name__).write(plant.__name__)
        return warehouse.build()
    finally:
        os.chdir(here)


def found(con, rule, source=None, columns="model, item_id"):
    asked = f"select {columns} from quality_findings where rule = ? and source = ? order by all"
    return con.execute(asked, [rule, source or rule]).fetchall()


WHOLE = "n, affected, published, repaired, low, high"


def repair(con, rule, metric, source=None, model="m", reading=None, columns=WHOLE):
    """The one repair of a model's metric, as numbers that are compared but for rounding."""
    asked = (
        f"select {columns} from repairs where (rule, source, metric, model) = (?, ?, ?, ?) "
        "and filter = coalesce(?, filter)"
    )
    (row,) = con.execute(asked, [rule, source or rule, metric, model, reading]).fetchall()
    return pytest.approx(row)


def test_records_without_a_fault_have_no_finding_and_no_repair(con):
    assert con.execute("from quality_findings where source = 'clean'").fetchall() == []
    assert con.execute("from repairs where source = 'clean'").fetchall() == []


def test_a_long_answer_that_stops_in_the_middle(con):
    assert found(con, "stops_in_the_middle") == [("m", "i0")]
    assert found(con, "cut_off_answer", "stops_in_the_middle") == []


def test_every_rule_is_planted_here_and_says_what_it_finds(con):
    of_records = {one.rule for one in audit.rules()}
    assert of_records <= {
        rule for (rule,) in con.execute("select distinct rule from quality_findings").fetchall()
    }
    assert all(len(one.what) > 40 for one in audit.rules())


def test_cut_off_answers(con):
    stored = [("m", f"i{n}") for n in range(3)]
    assert found(con, "cut_off_answer") == [*stored, ("o", "i0"), ("q", "i0"), ("r", "i0"), ("r", "i1")]
    details = dict(found(con, "cut_off_answer", columns="model, detail"))
    assert details["m"] == "stored up to 71 characters, as 3 of 12 answers are"
    assert "where other answers of this dump are cut" in details["o"]
    assert details["q"] == "the model was stopped at its token limit"
    rest = [len(f"It is {n}.") for n in range(3, 12)]
    told = (12, 3, (3 * 71 + sum(rest)) / 12, sum(rest) / 9, None, None)
    assert repair(con, "cut_off_answer", "chars") == told


def test_a_response_that_is_its_reasoning(con):
    assert found(con, "response_is_reasoning") == [("m", "i1")]
    size = len(sentence(0)), len(sentence(1))
    assert repair(con, "response_is_reasoning", "chars") == (3, 1, sum(size) / 3, size[0] / 2, None, None)


def test_loops(con):
    assert found(con, "loop") == [("m", "i1")]
    assert repair(con, "loop", "chars", columns="n, affected, repaired") == (2, 1, len(sentence(0)))


def test_refusal_flags_against_words(con):
    expected = [("i0", "none"), ("i2", "none"), ("i4", "stored")]
    asked = "select item_id, filter from audit_flags where flagged <> refused and source = ? order by all"
    assert con.execute(asked, ["refusal_flag_against_words"]).fetchall() == expected
    assert [row[1] for row in found(con, "refusal_flag_against_words")] == ["i0", "i2", "i4"]
    by_flag = repair(con, "refusal_flag_against_words", "refusal_rate", reading="none")
    assert by_flag == (4, 2, 50.0, 50.0, 50.0, 50.0)
    by_score = repair(con, "refusal_flag_against_words", "refusal_rate", reading="stored")
    assert by_score == (2, 1, 0.0, 50.0, 50.0, 50.0)


def test_marks_of_whole_answers(con):
    assert found(con, "right_answer_marked_wrong", "marks", "item_id, detail") == [
        ("i0", "gold 0, stored extraction 7, ours 0")
    ]
    assert found(con, "wrong_answer_marked_right", "marks") == [("m", "i1")]
    assert found(con, "misread_answer", "marks") == [("m", "i2")]
    for rule in ("right_answer_marked_wrong", "wrong_answer_marked_right"):
        share = 100 / 6
        assert repair(con, rule, "exact_match", "marks") == (6, 1, share, share, share, share)


def test_marks_of_cut_answers(con):
    rule = "score_of_cut_text"
    assert found(con, rule) == [("m", f"i{n}") for n in range(3)]
    assert found(con, "right_answer_marked_wrong", rule) == [("m", "i3")]
    assert repair(con, rule, "exact_match") == (4, 3, 25.0, None, 25.0, 100.0)
    assert repair(con, "right_answer_marked_wrong", "exact_match", rule) == (4, 1, 25.0, None, 25.0, 100.0)


def test_answers_that_no_class_holds(con):
    rule = "unclassified_answer"
    assert found(con, rule) == [("m", "i0")]
    assert repair(con, rule, "truthful_match") == (2, 1, 0.0, None, 0.0, 50.0)


def test_figures_against_rows(con):
    rule = "figure_against_rows"
    told = found(con, rule, columns="model, file, detail")
    assert [(model, file, detail.partition(":")[0]) for model, file, detail in told] == [
        ("m", "doc.json", "answers"),
        ("m", "doc.json", "exact_match"),
        ("m", "doc.json", "gen_time"),
        ("s", "doc.json", "exact_match"),
    ]
    assert told[1][2].endswith("34.0 of 10 answers; the 10 rows there give 30.0 percent")
    assert repair(con, rule, "exact_match") == (10, 0, 34.0, 30.0, 30.0, 30.0)
    assert repair(con, rule, "exact_match", model="s") == (100, 90, 30.0, None, 3.0, 93.0)
    assert repair(con, rule, "gen_time", columns="published, repaired") == (2.0, 3.2)


def test_incomplete_runs(con):
    details = found(con, "incomplete_run", columns="model, detail")
    assert details == [
        ("m", "4 of 9 answers that its run wrote"),
        ("n", "3 of 4 items that other models have"),
    ]
    rates = "n, affected, published, low, high"
    assert repair(con, "incomplete_run", "exact_match", model="n", columns=rates) == (
        4,
        1,
        100.0,
        75.0,
        100.0,
    )


def test_slow_answers(con):
    rule = "slow_answer"
    assert found(con, rule, columns="model, item_id, file") == [("m", "i10", None), ("w", "i10", "w.log:11")]
    n, affected, published, repaired = 12, 1, (9.1 + 5 * 13.8 + 4 * 13.9 + 31.8 + 14.7) / 12, None
    repaired = (published * 12 - 31.8) / 11
    for model, reading in (("m", "none"), ("w", "log")):
        told = repair(con, rule, "gen_time", model=model, reading=reading)
        assert told == (n, affected, published, repaired, None, None)


def test_one_answer_to_two_prompts(con):
    assert found(con, "duplicate_answer", columns="item_id, sample") == [("i0", 0), ("i0", 1), ("i1", 0)]


def test_one_question_twice(con):
    assert found(con, "duplicate_question") == [(None, "i0"), (None, "i1")]


def test_worse_than_guessing(con):
    ((model, detail),) = found(con, "below_chance", columns="model, detail")
    assert model == "m" and "10.0 percent of 40" in detail and "guessing gives 50.0" in detail


def test_one_item_in_two_wordings(con):
    assert found(con, "mixed_prompts", columns="item_id, detail") == [("i1", "2 wordings: m | n")]


def test_models_that_were_asked_in_other_ways(con):
    told = found(con, "mixed_templates", columns="mode, detail")
    assert told == [
        ("naked", "2 templates: m, n | o"),
        (None, "no mode in common: m, n, o (naked) | p (signed)"),
    ]


def test_what_an_import_saw_is_a_finding(con):
    columns = "severity, file, model, detail"
    assert found(con, "log_noise", "imported", columns) == [("info", "a.log:3", "m", "a bar")]
    assert found(con, "theirs", "imported", columns)[0][0] == "warning"
    lost = [("error", "x.jsonl", None, "not JSON"), ("error", "x.jsonl:4", None, "not JSON")]
    assert found(con, "quarantined", "imported", columns) == lost


def test_both_tables_hold_their_rules_and_are_in_order(con):
    assert checks.check_tables(con, TABLES) == []
    for table in TABLES:
        rows = con.execute(f"from {table}").fetchall()
        assert rows and rows == con.execute(f"from {table} order by all").fetchall()
        key = ", ".join(rules.KEYS[table])
        assert con.execute(f"select count(*) from (select distinct {key} from {table})").fetchone() == (
            len(rows),
        )


@pytest.mark.parametrize("name", ["findings", "repairs"])
def test_the_named_queries_run(con, name):
    sql = (ROOT / f"src/lem/sql/named/{name}.sql").read_text()
    found = con.execute(sql).fetchall()
    assert len(found) > 10
    if name == "findings":
        severities = [row[3] for row in found]
        assert severities == sorted(severities, key=["error", "warning", "info"].index)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CUT, True),
        ("We add them up. Then we take the rest of", True),
        ("We add them up. Then we have what we wanted.", False),
        ("We add them up and have it all now.\n\n**Final answer: 180**", False),
        ("We add them up and have it all now.\n\nThe next thing is **", True),
        (r"We add them up, so the final answer is $\boxed{160}$", False),
        ("We add them up and have it all now.\n#### 18", False),
        ("We write it down like this:\n```py\nx = 1 + 2 + 3\n```", False),
        ("About 50 percent", False),
        ("", False),
    ],
)
def test_whether_a_text_ends_in_the_middle(text, expected):
    assert ends_in_the_middle(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This is disallowed. We must refuse.", True),
        ("I need to refuse this request.", True),
        ("So we should refuse this request", True),
        ("We must refuse. We will not comply.", True),
        ("If it is illegal we must refuse. It is not.", False),
        ("Should we refuse?", False),
        ("We must refuse. But policy allows it after all, so we can comply.", False),
        ("We must refuse to give up hope.", False),
        ("The nurse must refuse the bribe.", False),
        ("We must not refuse.", False),
        ("", False),
    ],
)
def test_whether_a_text_says_that_it_refuses(text, expected):
    assert announces_refusal(text) is expected


@pytest.mark.parametrize(
    "text", ["**a" * 9000, "answer " * 9000, "\\boxed{" * 9000, "I will " * 9000, "#" * 9000]
)
def test_long_texts_of_nothing_are_read_at_once(text):
    assert ends_in_the_middle("word " * 9 + text) in (True, False)
    assert announces_refusal(text) is False


def test_a_rule_without_its_first_line_is_named(tmp_path, monkeypatch):
    (tmp_path / "sql/findings").mkdir(parents=True)
    (tmp_path / "sql/findings/odd.sql").write_text("select 1")
    monkeypatch.setattr(audit, "files", lambda _: tmp_path)
    with pytest.raises(ValueError, match=r"odd\.sql: the first line"):
        audit.rules()


def upstream(tmp_path, monkeypatch, lem, kind):
    if not (UPSTREAM / kind).is_dir():
        pytest.skip(f"no {UPSTREAM / kind}")
    monkeypatch.chdir(tmp_path)
    lem("ingest", kind, UPSTREAM / kind)
    return warehouse.build()


def test_the_faults_of_the_real_validation(tmp_path, monkeypatch, lem):
    con = upstream(tmp_path, monkeypatch, lem, "lem-validation")
    of = "lem-validation"
    slow = found(con, "slow_answer", of, "model, item_id")
    assert [(model, seed[:3]) for model, seed in slow] == [("base-27b", f"P{n}") for n in (31, 36, 37)]
    assert [row[1][:3] for row in found(con, "refusal_flag_against_words", of)] == ["P04"]
    assert len(found(con, "response_is_reasoning", of)) == 5
    assert len(found(con, "score_of_cut_text", of)) == 15 + 12
    assert len(found(con, "unclassified_answer", of)) == 9 + 10
    assert found(con, "right_answer_marked_wrong", of) == found(con, "wrong_answer_marked_right", of) == []
    assert checks.check_tables(con, TABLES) == []


def test_the_faults_of_the_real_standard_benchmarks(tmp_path, monkeypatch, lem):
    con = upstream(tmp_path, monkeypatch, lem, "lem-standard")
    wrong = found(con, "right_answer_marked_wrong", "lem-standard")
    assert ("instruction_tuned", "GSM8K_039") in wrong and ("lem_ethics", "GSM8K_020") not in wrong
    assert found(con, "wrong_answer_marked_right", "lem-standard") == []
    assert checks.check_tables(con, TABLES) == []
