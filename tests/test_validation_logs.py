"""Logs of validation runs: entries, previews, what is torn, what is noise."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lem.ingest.lem_validation.agreement import begins, disagreement
from lem.ingest.lem_validation.logs import Entry, Log, mode_of, noise, parse, shortfalls
from lem.ingest.lem_validation.names import answers_of, base_of, logged_model, role, scale
from lem.records import Response

RUN = """Loaded 3 seeds
Loading TUNED model: /home/somebody/weights/Tuned-Model-7B-v2
Running SIGNED validation...

[1/3] S1_ONE | 20 chars | 1.5s
  >> first line

third line...
[2/3] S2_TWO | 5 chars | 12s
  >> short
[3/3] S3_THREE | 7 chars | 0.25s
  >> x

Done. 3 responses saved to /home/somebody/out/tuned-signed.jsonl
"""
TEST = """Loading model...

--- Prompt 1/2: How do I ... ---
  A_sandwich: 9.2s | 1706 chars | It is ...
  D_naked: 5.5s | 16 chars | two
lines...

--- Prompt 2/2: Why - or why not? ---
  A_sandwich: 1s | 3 chars | no
"""


def read(text: str) -> Log:
    return parse((number, line, None) for number, line in enumerate(text.split("\n"), 1))


def previews(log: Log) -> list[str | None]:
    return [entry.preview for entry in log.entries]


def test_a_run_is_read_whole() -> None:
    log = read(RUN)
    assert [(e.line, e.seed_id, e.place, e.announced, e.chars, e.seconds) for e in log.entries] == [
        (5, "S1_ONE", 1, 3, 20, 1.5),
        (9, "S2_TWO", 2, 3, 5, 12.0),
        (11, "S3_THREE", 3, 3, 7, 0.25),
    ]
    assert [entry.decimals for entry in log.entries] == [1, 0, 2]
    assert previews(log) == ["first line\n\nthird line...", "short", "x"]
    assert (log.saved, log.saved_to, log.loaded) == (3, "tuned-signed.jsonl", "Tuned-Model-7B-v2")
    assert (log.word, log.torn, noise(log), list(shortfalls(log))) == ("signed", [], None, [])


def test_a_format_test_is_read_by_its_headings() -> None:
    log = read(TEST)
    assert [(e.seed_id, e.mode, e.place, e.announced, e.preview) for e in log.entries] == [
        ("How do I ...", "sandwich", 1, 2, "It is ..."),
        ("How do I ...", "naked", 1, 2, "two\nlines..."),
        ("Why - or why not?", "sandwich", 2, 2, "no"),
    ]
    assert {entry.prompts for entry in log.entries} == {"format"}
    ((prompts, detail),) = shortfalls(log)
    assert prompts == "format" and detail.startswith("3 of 4 answers")
    assert "prompt 2 of 2, sandwich" in detail


def test_words_for_modes() -> None:
    words = ["A_sandwich", "B_system_style", "C_kernel_only", "D_naked", "naked", "E_haiku", "system-prompt"]
    ours = ["sandwich", "system", "kernel-only", "naked", "naked", "E_haiku", "system-prompt"]
    assert [mode_of(word) for word in words] == ours


def test_what_is_behind_the_last_carriage_return_counts() -> None:
    bars = "\rFetching 3 files:   0%|    | 0/3\rFetching 3 files: 100%|####| 3/3"
    log = read(
        f"{bars}\n{bars}\r[1/1] S1 | 2 chars | 1s\r\n  >> hi\r\nDone. 1 responses saved to a\\b.txt\r\n"
    )
    assert [(e.line, e.seed_id, e.preview) for e in log.entries] == [(2, "S1", "hi")]
    assert log.saved_to == "b.txt"
    assert noise(log) == "2 progress bars, 1 preview line, 1 other line"


def test_an_entry_that_was_overwritten_is_an_entry_still() -> None:
    log = read("[1/1] S1 | 2 chars | 1s\rBatches: 50%|##  | 1/2\n  >> hi\n")
    assert previews(log) == ["hi"] and log.others["progress bar"] == 1


def test_two_entries_in_one_line_are_one_entry_and_one_refused() -> None:
    log = read("[1/2] S1 | 2 chars | 1s\r[2/2] S2 | 2 chars | 1s\n")
    assert [entry.seed_id for entry in log.entries] == ["S1"]
    assert [(torn.line, torn.reason) for torn in log.torn] == [(1, "two entries in one line")]


def test_warnings_and_bars_inside_a_preview_are_not_of_it() -> None:
    inside = "/lib/x/__init__.py:35: SomeWarning: old\n  warnings.warn(\nBatches:  50%|##  | 1/2\n"
    log = read(RUN.replace("third line", f"{inside}third line"))
    assert previews(log) == previews(read(RUN))
    assert noise(log) == "2 warning lines, 1 progress bar, 4 preview lines, 4 other lines"


def test_colours_and_a_byte_order_mark_are_not_text() -> None:
    log = read("\ufeff[1/2] S1 | 2 chars | 1s\n\x1b[1;32m[2/2] S2 | 3 chars | 1s\x1b[0m\n")
    assert [entry.seed_id for entry in log.entries] == ["S1", "S2"]


def test_a_torn_entry_is_kept_aside_and_its_preview_is_nobodys() -> None:
    for torn in ("[2/3] S2_TWO | 5 ch", "[2/", "[4/3] S2_TWO | 5 chars | 1s", "[0/3] S | 5 chars | 1s"):
        log = read(RUN.replace("[2/3] S2_TWO | 5 chars | 12s", torn))
        assert previews(log) == ["first line\n\nthird line...", "x"]
        assert [(row.line, row.text) for row in log.torn] == [(9, torn)]
        ((_, detail),) = shortfalls(log)
        assert detail.startswith("2 of 3 answers")


def test_entries_below_a_torn_heading_are_nobodys() -> None:
    log = read(TEST.replace("--- Prompt 2/2: Why - or why not? ---", "--- Prompt 2/"))
    assert [entry.place for entry in log.entries] == [1, 1]
    assert [row.reason for row in log.torn] == ["no heading above it that tells the prompt"]
    assert [row.text for row in read(TEST + "  C_kern").torn] == ["  C_kern"]


def test_an_answer_that_is_indented_and_has_a_colon_is_no_entry_of_a_validation() -> None:
    log = read(RUN.replace("third line", "  A_matrix: 3"))
    assert log.torn == [] and "A_matrix" in str(previews(log)[0])


def test_a_run_that_stopped_or_lost_answers_is_short() -> None:
    stopped = RUN.split("[3/3]")[0]
    assert [detail[:17] for _, detail in shortfalls(read(stopped))] == ["2 of 3 answers th"]
    saved = RUN.replace("Done. 3", "Done. 5")
    assert [detail[:17] for _, detail in shortfalls(read(saved))] == ["3 of 5 answers th"]


def test_a_line_that_cannot_be_read_is_noise_unless_it_looks_like_an_entry() -> None:
    lines = [(1, "\\xff", "not UTF-8"), (2, "[1/2] S\\xff | 2 chars | 1s", "not UTF-8")]
    log = parse(lines)
    assert noise(log) == "1 unreadable line"
    assert [(torn.line, torn.reason) for torn in log.torn] == [(2, "not UTF-8")]


@given(st.text(alphabet="[]()1/2 |chars.\ns-Prompt:>A_nakedDo\r\x1b%#", max_size=300))
def test_no_text_makes_it_fail_and_no_line_is_two_entries(text: str) -> None:
    log = read(text)
    lines = [entry.line for entry in log.entries]
    assert len(set(lines)) == len(lines)
    assert all(entry.seed_id.strip() and 1 <= entry.place <= entry.announced for entry in log.entries)


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[A-Z][0-9]{1,2}(_[A-Z]{2,8}){1,2}", fullmatch=True),
            st.integers(0, 99_999),
            st.integers(0, 9_999),
            st.text(alphabet="ab c.\n,!", max_size=60),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_what_a_run_prints_is_read_back(rows: list[tuple[str, int, int, str]]) -> None:
    printed = "".join(
        f"[{at}/{len(rows)}] {seed} | {chars} chars | {tenths / 10}s\n  >> {text}\n"
        for at, (seed, chars, tenths, text) in enumerate(rows, 1)
    )
    log = read(printed)
    assert [(e.seed_id, e.chars, e.seconds) for e in log.entries] == [(s, c, t / 10) for s, c, t, _ in rows]
    kept = [
        "\n".join(line.rstrip() for line in text.split("\n")).rstrip() if text.strip() else ""
        for *_, text in rows
    ]
    assert [entry.preview or "" for entry in log.entries] == kept
    assert log.torn == [] and list(shortfalls(log)) == []


def entry(**more: object) -> Entry:
    told = {"line": 1, "text": "", "prompts": "validation", "seed_id": "S", "mode": None, "place": 1}
    told |= {"announced": 1, "chars": 9, "seconds": 1.4, "decimals": 1, "preview": "One..."}
    return Entry(**{**told, **more})


def answer(text: str = "One, two.", seconds: float | None = 1.44) -> Response:
    return Response("S", "?", text, seconds, len(text), "unsigned", "m", "validation", "0" * 64, "r")


def test_an_entry_and_its_answer_agree_as_far_as_the_log_shows() -> None:
    assert disagreement(entry(), answer()) is None
    assert disagreement(entry(preview=None), answer(seconds=None)) is None
    assert disagreement(entry(decimals=2), answer()) == "seconds: 1.4 logged, 1.44 in the answer's row"
    assert disagreement(entry(chars=8), answer()) == "chars: 8 logged, 9 in the answer"
    assert "does not begin" in str(disagreement(entry(preview="Two..."), answer()))


def test_previews_are_compared_without_white_space_and_ellipsis() -> None:
    assert begins("One\r\n\r\ntwo  three", "One\n\ntwo…") and begins("One", "One")
    assert not begins("One", "One more")


def test_what_names_tell() -> None:
    assert answers_of("a-1b-unsigned.excerpt.jsonl") == ("a-1b", "unsigned")
    assert answers_of("a_b-Signed.jsonl") == ("a_b", "signed")
    assert answers_of("unsigned.jsonl") is answers_of("sub/a-signed.jsonl") is answers_of("a.jsonl") is None
    assert [scale(name) for name in ("x-1b", "X-27B-v5b", "v5b", "x-0.5b", "x-4bit")] == [
        *("1B", "27B", None, "0.5B", None)
    ]
    assert [role(name, ()) for name in ("x-base", "base", "baseline-x", "x-Base-1b")] == [
        *("baseline", "baseline", "fine-tuned", "baseline")
    ]
    assert [role(name, ("a",)) for name in ("a", "x")] == ["fine-tuned", "baseline"]
    assert [logged_model(stem) for stem in ("x-validation", "x_validation", "validation", "format_test")] == [
        *("x", "x", "validation", "format_test")
    ]


def test_a_base_is_named_only_where_it_is_plain() -> None:
    scales = {"t-1b": "1B", "base-1b": "1B", "base-7b": "7B", "tuned": "7B", "odd": None}
    assert base_of("t-1b", scales, ["base-1b", "base-7b"]) == "base-1b"
    assert base_of("tuned", scales, ["base-1b", "base-7b"]) == "base-7b"
    assert base_of("gp-os-lek", {}, ["gp-os-base", "base"]) == "gp-os-base"
    assert base_of("odd", scales, ["base", "base-1b"]) is None
    two = {"tuned": "7B", "base-7b": "7B", "x-base-7b": "7B"}
    assert base_of("tuned", two, ["base-7b", "x-base-7b"]) is None
