"""What each planted fault does to a published number: repaired, or between its bounds."""

import pytest

import faults
from rows import sentence


@pytest.fixture(scope="module")
def con(tmp_path_factory):
    return faults.planted(tmp_path_factory.mktemp("faults"))


WHOLE = "n, affected, published, repaired, low, high"


def repair(con, rule, metric, source=None, model="m", reading=None, columns=WHOLE):
    """The one repair of a model's metric, as numbers that are compared but for rounding."""
    asked = (
        f"select {columns} from repairs where (rule, source, metric, model) = (?, ?, ?, ?) "
        "and filter = coalesce(?, filter)"
    )
    (row,) = con.execute(asked, [rule, source or rule, metric, model, reading]).fetchall()
    return pytest.approx(row)


def test_records_without_a_fault_have_no_repair(con):
    assert con.execute("from repairs where source = 'clean'").fetchall() == []


def test_the_length_without_cut_answers(con):
    rest = [len(f"It is {n}.") for n in range(3, 12)]
    told = (12, 3, (3 * 71 + sum(rest)) / 12, sum(rest) / 9, None, None)
    assert repair(con, "cut_off_answer", "chars") == told


def test_accuracy_with_cut_answers_all_wrong_or_all_right(con):
    of = "cut_off_answer", "exact_match", "score_of_cut_text"
    assert repair(con, *of, reading="stored") == (4, 3, 25.0, None, 0.0, 75.0)
    assert repair(con, *of, reading="flexible") == (4, 3, 100.0, None, 25.0, 100.0)


def test_the_length_without_answers_that_are_their_reasoning(con):
    size = [
        con.execute(
            "select length(response) from responses where source = 'response_is_reasoning' and seed_id = ?",
            [f"i{n}"],
        ).fetchone()[0]
        for n in range(4)
    ]
    told = (4, 1, sum(size) / 4, (size[0] + size[2] + size[3]) / 3, None, None)
    assert repair(con, "response_is_reasoning", "chars") == told


def test_loops_leave_the_accuracy_as_it_is(con):
    assert repair(con, "loop", "chars", columns="n, affected, repaired") == (2, 1, len(sentence(0)))
    metrics = "select distinct metric from repairs where rule in ('loop', 'response_is_reasoning')"
    assert con.execute(metrics).fetchall() == [("chars",)]


def test_refusal_rates_by_the_answers_words(con):
    by_flag = repair(con, "refusal_flag_against_words", "refusal_rate", reading="none")
    assert by_flag == (4, 2, 50.0, 50.0, 50.0, 50.0)
    by_score = repair(con, "refusal_flag_against_words", "refusal_rate", reading="stored")
    assert by_score == (2, 1, 0.0, 50.0, 50.0, 50.0)


def test_disputed_marks_of_whole_answers_are_read_and_all_disputed_ones_bound(con):
    for rule in ("right_answer_marked_wrong", "wrong_answer_marked_right"):
        share = 100 / 6
        assert repair(con, rule, "exact_match", "marks") == (6, 1, 2 * share, 2 * share, 0.0, 4 * share)


def test_marks_of_cut_answers_have_bounds_alone(con):
    for rule, affected in (("score_of_cut_text", 3), ("right_answer_marked_wrong", 1)):
        told = repair(con, rule, "exact_match", "score_of_cut_text")
        assert told == (4, affected, 25.0, None, 0.0, 100.0)


def test_rates_with_answers_of_no_class(con):
    assert repair(con, "unclassified_answer", "truthful_match") == (2, 1, 0.0, None, 0.0, 50.0)


def test_figures_against_rows(con):
    rule = "figure_against_rows"
    assert repair(con, rule, "exact_match") == (10, 0, 34.0, 30.0, 30.0, 30.0)
    assert repair(con, rule, "exact_match", model="s") == (100, 90, 30.0, None, 3.0, 93.0)
    assert repair(con, rule, "gen_time", columns="published, repaired") == (2.0, 3.2)


def test_a_figure_of_an_unknown_n_has_no_repair(con):
    rows = "select distinct rule, model from repairs where source = 'figure_of_unknown_n'"
    assert con.execute(rows).fetchall() == [("figure_against_rows", "o")]
    told = repair(con, "figure_against_rows", "exact_match", "figure_of_unknown_n", "o")
    assert told == (100, 90, 34.0, None, 3.0, 93.0)


def test_rates_of_incomplete_runs(con):
    rates = "n, affected, published, low, high"
    assert repair(con, "incomplete_run", "exact_match", model="n", columns=rates) == (
        4,
        1,
        100.0,
        75.0,
        100.0,
    )


def test_times_without_slow_answers(con):
    rule = "slow_answer"
    n, affected, published, repaired = 12, 1, (9.1 + 5 * 13.8 + 4 * 13.9 + 31.8 + 14.7) / 12, None
    repaired = (published * 12 - 31.8) / 11
    for model, reading in (("m", "none"), ("w", "log")):
        told = repair(con, rule, "gen_time", model=model, reading=reading)
        assert told == (n, affected, published, repaired, None, None)
