"""The row of LoRA steps: what both sides are given, what counts as the same work, and a run of each side."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))

from benches import __main__ as bench
from benches import lora, peft_peer

from lem import mlx_runtime
from lem.mlx_training import mean_loss

SHAPE = lora.Shape("a-row", length=12, asked=3)
RUN = {
    "seconds": 6.0,
    "losses": [3.5, 3.0],
    "trained_tokens": 24,
    "parameters": 640,
    "weight_decay": 0.01,
    "engine": "this",
}
TOGETHER = f"{lora.SHAPES[0].name}, {lora.SHAPES[1].name}"


def examples(count):
    """Examples of SHAPE whose token ids differ from one to the next."""
    return lora.pieces([at % 379 + 3 for at in range(12 * count)], SHAPE, count)


def test_examples_are_cut_one_after_the_other_and_the_stream_begins_anew():
    shape = lora.Shape("a-row", length=4, asked=1)
    assert lora.pieces([5, 6, 7, 8, 9, 4], shape, 3) == [
        ([5, 6, 7, 8], 3),
        ([9, 4, 5, 6], 3),
        ([7, 8, 9, 4], 3),
    ]


def test_the_classic_shape_learns_all_but_the_first_and_the_other_the_last_four():
    classic, answers = (lora.pieces(range(3, 300), shape, 1)[0] for shape in lora.SHAPES)
    assert (len(classic[0]), classic[1]) == (128, 1) and (len(answers[0]), answers[1]) == (64, 60)


def test_batches_are_told_as_they_were_fed_without_the_last_token_and_padded():
    given = examples(4)
    padded = [[*tokens[:-1], 0] for tokens, _ in given]
    assert lora.as_fed([[padded[2], padded[0]], [padded[3], padded[1]]], given) == [
        [given[2], given[0]],
        [given[3], given[1]],
    ]


def test_the_peer_learns_nothing_but_what_is_asked():
    assert peft_peer.labels([7, 8, 9, 4], 2) == [-100, -100, 9, 4]
    assert peft_peer.asked([[([7, 8, 9, 4], 2)], [([7, 8, 9, 4], 3)]]) == 3
    assert peft_peer.asked([[([7, 8, 9, 4], 0)]]) == 3  # nothing predicts the first


def test_the_same_work_is_the_same_tokens_parameters_decay_and_first_loss():
    assert lora.unlike(RUN, RUN | {"losses": [3.5009, 2.0], "seconds": 9.0}) == []
    assert lora.unlike(RUN, RUN | {"trained_tokens": 25, "parameters": 641}) == [
        "trained_tokens is 24 of ours, 25 of the peer's",
        "parameters is 640 of ours, 641 of the peer's",
    ]
    assert lora.unlike(RUN, RUN | {"losses": [3.5011, 3.0]}) == [
        "the first loss is 3.500000 of ours, 3.501100 of the peer's"
    ]
    assert len(lora.unlike(RUN, RUN | {"losses": [float("nan")]})) == 1


def test_a_row_holds_medians_of_tokens_a_second():
    mine = [RUN | {"seconds": seconds} for seconds in (6.0, 4.0, 5.0)]
    theirs = [RUN | {"seconds": seconds, "engine": "that"} for seconds in (12.0, 10.0, 9.0)]
    row = lora.told(SHAPE, {"ours": mine, "peer": theirs})
    n = lora.HOW.batch_size * lora.STEPS
    assert (row["ours"], row["peer"], row["ratio"]) == (n * 12 / 5, n * 12 / 10, 2.0)
    assert row["ours_range"] == [n * 12 / 6, n * 12 / 4] and row["runs"] == 3
    assert (row["n"], row["peer_n"], row["equal_texts"], row["goal"]) == (n, n, n, 1.2)
    assert (row["engine"], row["peer_name"]) == ("this", "that")


def test_unlike_work_is_no_row():
    other = RUN | {"parameters": 641}
    with pytest.raises(SystemExit, match="a-row: not the same work: parameters is 640 of ours, 641"):
        lora.told(SHAPE, {"ours": [RUN], "peer": [other]})


def test_without_its_environment_the_peer_is_missing_and_the_reason_says_what_builds_it(tmp_path):
    told = lora.missing(tmp_path / "bin/python")
    assert told == f"{tmp_path} is not there; make hf-check builds it (torch, 1.8 GB)"
    bare = tmp_path / "bare/bin/python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "bare"], check=True)
    assert lora.missing(bare) == f"{tmp_path / 'bare'} has no peft; make hf-check builds it (torch, 1.8 GB)"


def test_rows_whose_peer_is_missing_are_skipped_aloud(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benches", "lora"])
    monkeypatch.setattr(lora, "missing", lambda: "no peer")
    assert bench.trained() == ([], f"skipped: {TOGETHER}: no peer")
    monkeypatch.setattr(sys, "argv", ["benches", "sandwich"])
    assert bench.trained() == ([], "")


def test_a_whole_name_is_one_row_and_a_word_every_row_that_holds_it():
    def rows(*words):
        return [name for name in bench.ORDER if bench.is_wanted(name, list(words))]

    assert rows("lora-step-vs-peft") == ["lora-step-vs-peft"]
    assert rows("lora") == rows("peft") == ["lora-step-vs-peft", "lora-step-vs-peft-answers"]
    assert rows() == list(bench.ORDER) and rows("nothing") == []


@pytest.fixture(scope="module")
def mine(micro_folder):
    return lora.ours(micro_folder, examples(24), warm_up=1)


def test_ours_trains_on_every_example_and_tells_of_every_step(mine):
    assert len(mine["losses"]) == 3 and mine["trained_tokens"] == 24 * 3 and mine["seconds"] > 0
    fed = [one for batch in mine["batches"] for one in batch]
    assert sorted(fed) == sorted(examples(24)) and [len(batch) for batch in mine["batches"]] == [8, 8, 8]
    assert mine["parameters"] == 2 * 8 * ((64 + 64) + (64 + 32))  # two blocks; q_proj and v_proj, rank 8


def test_the_first_loss_is_that_of_the_untouched_model(mine, micro_folder):
    untouched = mlx_runtime.load(micro_folder).model
    assert mine["losses"][0] == pytest.approx(mean_loss(untouched, mine["batches"][0]), abs=1e-3)


def test_both_sides_do_the_same_work_on_the_micro_model(mine, micro_folder):
    if reason := lora.missing():
        pytest.skip(reason)
    theirs = lora.peer(micro_folder, json.loads(json.dumps(mine["batches"])), warm_up=1)
    assert lora.unlike(mine, theirs) == [] and len(theirs["losses"]) == 3 and theirs["seconds"] > 0
    shifted = [[(tokens, begins - 1) for tokens, begins in batch] for batch in mine["batches"]]
    asked_more = dict(theirs, trained_tokens=peft_peer.asked(shifted))
    assert lora.unlike(mine, asked_more) == ["trained_tokens is 72 of ours, 96 of the peer's"]


def test_a_side_that_fails_ends_the_program_with_what_it_said(tmp_path, monkeypatch):
    monkeypatch.setattr(lora, "PYTHON", sys.executable)
    with pytest.raises(SystemExit, match=r"(?s)peft_peer.py .*job.json failed:\n.*Traceback"):
        lora.peer(tmp_path / "nothing", [], warm_up=1)
