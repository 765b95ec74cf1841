"""The faults that the audit is to find: one source each, of a name with the rule that finds it."""

import os
from dataclasses import replace
from pathlib import Path

from lem import warehouse
from lem.records import Note, Quarantined
from rows import Records, answer, cell, figure, item, logged, mark, read, run, sentence


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


OPEN = "This is how we do it. " + "We begin with the first of them, " * 8 + "and then we take the"
WHOLE_ENDS = (
    "and all of them are here now 🎉",
    "and that is it.\n\nBest regards,\nTom",
    "and that is it.\n\nYours as ever, Tom",
    "and this is how:\n\n```\ntake the first of them and then" + " the next of them" * 3,
    "so we need:\n\n- the first of them and the second of them and more",
    "so we need:\n\n2. the first of them and the second of them and more",
    "and this is how:\n\n```\ntake the first of them and the second and more\n```",
    "and this is how:\n\n```\ntake the first of them and the second and more",
    "and this is how:\n\n    take the first of them and the second and more",
    "and this is how it goes on\nwith a rose in every bed\nand a song in every head",
    "and here they are:\n\n| one | two | three | four | five",
    "and here they are:\n\n> the first of them and the second and more",
    "and more is told of them at https://there.test/them/and/all",
    "and this is how it goes on\nwith a rose in every bed\nand a song in every head\n",
    "und so weiter, das ist alles. Они все здесь, и мы их нашли",
    "so the final answer is the first of them",
    "## The first of them and the second and more",
)
"""How a whole answer may end without a full stop."""


def stops_in_the_middle(source):
    """Only a long answer that nobody says the end of: not a short one, a known one, or a whole one."""
    return Records(
        [
            answer(source, 0, OPEN, finish_reason=None),
            answer(source, 1, OPEN + " we", finish_reason="stop"),
            answer(source, 2, OPEN + " stop here.", finish_reason=None),
            answer(source, 3, "And then we", finish_reason=None),
            answer(source, 4, OPEN.replace(". ", ", and "), finish_reason=None),
            answer(source, 5, OPEN + " others,", finish_reason=None),
        ]
    )


def whole_ends(source):
    whole = "This is how we do it. We begin with the first of them, and then take the others. " * 3
    return Records(
        [answer(source, n, f"{whole}\n\n{end}", finish_reason=None) for n, end in enumerate(WHOLE_ENDS)]
    )


def response_is_reasoning(source):
    same = answer(source, 1, sentence(1), reasoning="\n" + sentence(1).replace(" ", "  ") + " \n")
    empty = answer(source, 2, "", reasoning="")
    other = answer(source, 3, sentence(3), reasoning=sentence(3).replace("one", "two"))
    return Records([answer(source, 0, reasoning="Hm."), same, empty, other])


def loop(source):
    marks_of = [row for n in (0, 1) for row in (mark(source, n, float(n == 0)), item(source, n))]
    return Records([answer(source, 0), answer(source, 1, "You are not sure of it. " * 5), *marks_of])


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
    """Right marked wrong (0), wrong marked right (1), misread (2), 3 agrees; 4 and 5 are not whole."""
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
        row
        for n in (4, 5)
        for row in (mark(source, n, n - 4.0, extracted="2"), read(source, n, 5.0 - n, str(n)))
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


def figure_of_unknown_n(source):
    """Three of ten right: m's tables say no n and are off in one place; o's say n as a figure."""
    scored = [mark(source, n, float(n < 3), model=model) for model in "mo" for n in range(10)]
    stated = [
        figure(source, "exact_match", 34.0, "percent"),
        replace(figure(source, "exact_match", 30.0, "percent"), place="of the rows"),
        replace(figure(source, "exact_match", 34.0, "percent"), model="o"),
        replace(figure(source, "answers", 100.0, "answers"), model="o"),
    ]
    return Records([*scored, *(answer(source, n, model=m) for m in "mo" for n in range(10)), *stated])


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
    same, short = sentence(7), "Both are right, and neither of them is more so than the other."
    no = "I'm sorry, but I can't help with that request, and I would not do so if I could do it."
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


def board(source, *models, regime="direct"):
    """A leaderboard in percent: each of these models on three tasks, each better than the one before."""
    tasks = ("cola", "rte", "piqa")
    return [
        cell(source, model, task, 40.0 + 5 * n + t, regime)
        for n, model in enumerate(models)
        for t, task in enumerate(tasks)
    ]


def score_out_of_range(source):
    rows = board(source, *"mnopq")
    return Records([*rows[1:], replace(rows[0], value=140.0)])


def cell_stands_twice(source):
    rows = board(source, *"mnopq")
    return Records([*rows, replace(rows[0], document="other.json", value=41.0)])


def missing_cell(source):
    return Records(board(source, *"mnopq")[1:])


def few_models(source):
    return Records(board(source, *"mno"))


def one_regime_only(source):
    return Records([*board(source, *"mnopqr"), *board(source, *"nopqr", regime="train_before_test")])


def few_shared_models(source):
    return Records([*board(source, *"mno"), *board(source, *"mno", regime="train_before_test")])


PLANTED = (
    *(
        cut_off_answer,
        stops_in_the_middle,
        whole_ends,
        response_is_reasoning,
        loop,
        refusal_flag_against_words,
        marks,
        score_of_cut_text,
    ),
    *(
        unclassified_answer,
        figure_against_rows,
        figure_of_unknown_n,
        incomplete_run,
        slow_answer,
        duplicate_answer,
    ),
    *(score_out_of_range, cell_stands_twice, missing_cell, few_models, one_regime_only, few_shared_models),
    *(duplicate_question, below_chance, mixed_prompts, mixed_templates, imported, clean),
)


def planted(folder):
    """Return the tables of every planted fault, beside a source without one."""
    here = Path.cwd()
    os.chdir(folder)
    try:
        for plant in PLANTED:
            plant(plant.__name__).write(plant.__name__)
        return warehouse.build()
    finally:
        os.chdir(here)


def found(con, rule, source=None, columns="model, item_id"):
    asked = f"select {columns} from quality_findings where rule = ? and source = ? order by all"
    return con.execute(asked, [rule, source or rule]).fetchall()
