"""What a model is asked in each mode, and what of its words is reasoning and what is the answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import micro
from lem import mlx_runtime
from lem.errors import LemError
from lem.prompts import Kernel, Shot, messages, render, split_reasoning, turn_end
from lem.records import MODES

KERNEL = Kernel("Be kind.", "Answer now.")
SHOTS = (Shot("1 + 1?", "2"), Shot("2 + 2?", "4"))
TURNS = [
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "2 + 2?"},
    {"role": "assistant", "content": "4"},
]


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def test_each_mode_wraps_the_prompt_in_its_way():
    assert messages("naked", KERNEL, "Why?") == [user("Why?")]
    system = {"role": "system", "content": "Be kind."}
    assert messages("system", KERNEL, "Why?") == [system, user("Why?")]
    assert messages("kernel-only", KERNEL, "Why?") == [user("Be kind.\n\nWhy?")]
    assert messages("sandwich", KERNEL, "Why?") == [user("Be kind.\n\nWhy?\n\nAnswer now.")]


@pytest.mark.parametrize("mode", MODES)
def test_shots_stand_before_the_question_and_behind_the_system_message(mode):
    asked = messages(mode, KERNEL, "Why?", SHOTS)
    at = 1 if mode == "system" else 0
    assert asked[at : at + 4] == TURNS
    assert asked[:at] + asked[at + 4 :] == messages(mode, KERNEL, "Why?")


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_but_naked_needs_the_kernel(mode):
    if mode == "naked":
        assert messages(mode, None, "Why?") == [user("Why?")]
    else:
        with pytest.raises(LemError, match=rf"mode {mode} needs kernel/lek-1-kernel\.txt"):
            messages(mode, None, "Why?")


@given(st.text(), st.sampled_from(MODES))
def test_a_prompt_is_sent_as_it_stands(text, mode):
    assert text in messages(mode, KERNEL, text)[-1]["content"]


def test_a_chat_model_is_sent_its_template_with_room_for_the_answer(micro_folder):
    tokenizer = mlx_runtime.load_tokenizer(micro_folder)
    assert render(tokenizer, messages("system", KERNEL, "Why?", SHOTS[:1])) == (
        "<|im_start|>system\nBe kind.<|im_end|>\n"
        "<|im_start|>user\n1 + 1?<|im_end|>\n<|im_start|>assistant\n2<|im_end|>\n"
        "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    )


def test_a_completion_model_is_sent_plain_text(tmp_path):
    tokenizer = mlx_runtime.load_tokenizer(micro.build(tmp_path / "plain", template=False))
    assert render(tokenizer, messages("sandwich", KERNEL, "Why?")) == "Be kind.\n\nWhy?\n\nAnswer now.\n\n"
    assert render(tokenizer, messages("naked", None, "Why?", SHOTS)) == (
        "1 + 1?\n\n2\n\n2 + 2?\n\n4\n\nWhy?\n\n"
    )


ANALYSIS, FINAL = "<|channel|>analysis<|message|>", "<|channel|>final<|message|>"
NEXT = "<|end|><|start|>assistant"


@pytest.mark.parametrize(
    ("text", "reasoning", "answer"),
    [
        ("<think>Two and two.</think>Four.", "Two and two.", "Four."),
        ("\n<think>\nTwo.\n\nTwo.\n</think>\n\nFour.\n", "Two.\n\nTwo.", "Four."),
        ("<think>\n\n</think>\n\nFour.", "", "Four."),
        ("<think>a</think>b</think>c", "a", "b</think>c"),
        ("<think>Two and", "Two and", ""),
        ("<think>Two and two.</think>", "Two and two.", ""),
        (f"{ANALYSIS}Two.{NEXT}{FINAL}Four.<|return|>", "Two.", "Four."),
        (f"<|start|>assistant{ANALYSIS}Two.{NEXT}{FINAL}Four.", "Two.", "Four."),
        (f"{ANALYSIS}Two.\nTwo.{FINAL}Four.\n\nOr so.", "Two.\nTwo.", "Four.\n\nOr so."),
        (f"{ANALYSIS}Two.{NEXT}{ANALYSIS}Two again.{NEXT}{FINAL}Four.", "Two.\n\nTwo again.", "Four."),
        (f"{ANALYSIS}Two.{NEXT}<|channel|>commentary<|message|>Hm.{NEXT}{FINAL}Four.", "Two.", "Four."),
        (f"{ANALYSIS}Two.{NEXT}{FINAL}Four.{NEXT}{FINAL}Or five.", "Two.", "Four.\n\nOr five."),
        (f"{ANALYSIS}Two and", "Two and", ""),
        (f"{ANALYSIS}Two.<|end|>", "Two.", ""),
        (f"{ANALYSIS}Two.{NEXT}", "Two.", ""),
        (f"{ANALYSIS}Two.{NEXT}<|channel|>final", "Two.", ""),
        (f"{ANALYSIS}Two.{NEXT}{FINAL}", "Two.", ""),
        (f"{FINAL}Four.<|return|>", None, "Four."),
        ("Four.", None, "Four."),
        ("  Four.<|end|>\n", None, "Four."),
        ("The tag <think>x</think> is a tag.", None, "The tag <think>x</think> is a tag."),
        ("", None, ""),
    ],
)
def test_reasoning_is_split_from_the_answer(text, reasoning, answer):
    assert split_reasoning(text) == (reasoning, answer)


PLAIN = st.text(st.characters(exclude_characters="<|>"))


@given(PLAIN)
def test_a_text_without_marks_is_the_answer(text):
    assert split_reasoning(text) == (None, text.strip())


@given(PLAIN, PLAIN)
def test_both_forms_of_marks_give_back_what_was_put_in(thought, said):
    expected = (thought.strip(), said.strip())
    assert split_reasoning(f"<think>{thought}</think>{said}") == expected
    assert split_reasoning(f"{ANALYSIS}{thought}{NEXT}{FINAL}{said}<|return|>") == expected


@given(PLAIN, st.data())
def test_a_reasoning_cut_off_anywhere_is_no_answer(thought, data):
    header = f"{ANALYSIS}{thought}{NEXT}{FINAL}"
    cut = data.draw(st.integers(len(ANALYSIS), len(header)))
    assert split_reasoning(header[:cut])[1] == ""


class Plain:
    """A tokenizer without a chat template, as of a completion model."""

    chat_template = None


class Chat:
    chat_template = "{{ messages }}"


def test_a_completion_model_ends_an_answer_as_its_examples_end():
    shots = (Shot("1 + 1?", "2"),)
    assert turn_end(Plain, shots) == "\n\n"
    assert render(Plain, messages("naked", None, "2 + 2?", shots)) == "1 + 1?\n\n2\n\n2 + 2?\n\n"


def test_only_a_completion_model_with_examples_has_such_an_end():
    assert turn_end(Plain, ()) is None, "without examples nothing says that a paragraph is all"
    assert turn_end(Chat, (Shot("1 + 1?", "2"),)) is None, "a template has its own end token"
