"""Chat JSONL: read, refused where it would spoil a training, turned into tokens as generate sends them."""

import json
from pathlib import Path

import pytest

import micro
from lem import mlx_runtime
from lem.errors import LemError
from lem.prompts import messages, render
from lem.training_data import Example, data_sha, encode, end_token, must_be_apart, read, same

GOOD = micro.chat("Why?", "So it goes.")
USER, ASSISTANT = {"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So it goes."}


@pytest.fixture
def folder(tmp_path):
    """A training set of one conversation a split."""
    (tmp_path / "train.jsonl").write_text(GOOD)
    (tmp_path / "valid.jsonl").write_text(micro.chat("Where?", "There."))
    return tmp_path


@pytest.fixture(scope="module")
def tokenizer(micro_folder):
    return mlx_runtime.load_tokenizer(micro_folder)


def lines(*turns):
    return json.dumps({"messages": list(turns)}) + "\n"


def example(prompt, answer="Yes.", place="train.jsonl:1", before=()):
    return Example(place, (*before, {"role": "user", "content": prompt}), answer)


def test_conversations_are_read_with_the_place_they_stand_at(folder):
    talk = ({"role": "system", "content": "Be brief."}, USER, ASSISTANT, {"role": "user", "content": "Só?"})
    entry = {"id": "P41#0", "messages": [*talk, {"role": "assistant", "content": "Ja. 🙂"}], "tag": 1}
    text = GOOD + "\n  \n" + json.dumps(entry, ensure_ascii=False) + "\r\n"
    (folder / "train.jsonl").write_text(text, encoding="utf-8", newline="")
    first, second = read(folder)["train"]
    assert first == Example(f"{folder}/train.jsonl:1", (USER,), "So it goes.")
    assert second == Example(f"{folder}/train.jsonl:4", talk, "Ja. 🙂")
    assert (second.prompt, second.asked) == ("Só?", ["Why?", "Só?"])


BAD = {
    "malformed": ('{"messages": [\n', "not one line of JSON"),
    "no object": ("[]\n", "messages: expected a list of at least"),
    "no messages": ('{"prompt": "Why?"}\n', "messages: expected a list of at least"),
    "messages no list": ('{"messages": {}}\n', "messages: expected a list of at least"),
    "one turn": (lines(ASSISTANT), "messages: expected a list of at least"),
    "no turn": (lines("Why?", ASSISTANT), "messages[0].role: expected one of system, user, assistant"),
    "unknown role": (
        lines({"role": "human", "content": "Why?"}, ASSISTANT),
        "messages[0].role: expected one of",
    ),
    "empty content": (
        lines(USER, {"role": "assistant", "content": " \n"}),
        "messages[1].content: expected a non",
    ),
    "content no text": (
        lines({"role": "user", "content": ["a"]}, ASSISTANT),
        "messages[0].content: expected a non",
    ),
    "half a pair": (
        lines({"role": "user", "content": "\ud83d"}, ASSISTANT),
        "messages[0].content: half a surrogate",
    ),
    "ends with the user": (lines(USER, ASSISTANT, USER), "messages: expected to end with a user's turn and"),
    "nobody asked": (lines(USER, ASSISTANT, ASSISTANT), "messages: expected to end with a user's turn and"),
}


@pytest.mark.parametrize("split", ["train", "valid"])
@pytest.mark.parametrize("fault", BAD)
def test_a_fault_is_named_with_file_and_line(folder, split, fault):
    text, expected = BAD[fault]
    (folder / f"{split}.jsonl").write_text(GOOD + text)
    with pytest.raises(LemError) as caught:
        read(folder)
    said = caught.value.message
    assert said.startswith(f"{folder}/{split}.jsonl:2: ") and expected in said
    assert "\n" not in said and len(said) < 500


def test_a_missing_an_empty_and_a_foreign_file(folder):
    (folder / "valid.jsonl").write_bytes(b"\xff\xfe" + GOOD.encode("utf-16-le"))
    with pytest.raises(LemError, match=r"valid\.jsonl: not UTF-8"):
        read(folder)
    (folder / "valid.jsonl").unlink()
    with pytest.raises(
        LemError, match=r"valid\.jsonl: no such file; 'data' names a folder with train\.jsonl"
    ):
        read(folder)
    (folder / "train.jsonl").write_text("\n\n")
    with pytest.raises(LemError, match=r"train\.jsonl: empty; expected one conversation a line"):
        read(folder)


def test_the_hash_is_of_both_files_and_of_which_is_which(folder):
    first, train, valid = data_sha(folder), folder / "train.jsonl", folder / "valid.jsonl"
    one, other = train.read_text(), valid.read_text()
    train.write_text(other), valid.write_text(one)
    assert data_sha(folder) != first
    train.write_text(one), valid.write_text(other)
    assert data_sha(folder) == first
    valid.write_text(other + "\n")
    assert data_sha(folder) != first


def test_a_prompt_belongs_to_one_split_whatever_its_case_and_marks():
    sets = {
        "train": [example("Why is it so?")],
        "valid": [example("why, is it - SO!", place="valid.jsonl:7")],
    }
    with pytest.raises(LemError, match=r"^valid\.jsonl:7: its prompt is in train\.jsonl:1 too"):
        must_be_apart(sets, {})
    must_be_apart({"train": sets["train"], "valid": [example("Why is it so now?")]}, {})


@pytest.mark.parametrize("split", ["train", "valid"])
def test_a_question_of_the_evaluation_is_not_trained_on(split):
    sets = {"train": [example("A")], "valid": [example("B")]}
    sets[split].append(example("What is 2 + 2?", place="x.jsonl:2"))
    must_be_apart(sets, {"What is 2 + 3?": "sums"})
    with pytest.raises(LemError, match=r"^x\.jsonl:2: its prompt is a question of sums; what is trained on"):
        must_be_apart(sets, {"what is 2+2": "sums"})


def test_nor_where_it_is_an_earlier_turn():
    talk = example("And then?", before=(USER, ASSISTANT))
    with pytest.raises(LemError, match="its prompt is a question of validation"):
        must_be_apart({"train": [talk], "valid": [example("B")]}, {"Why?": "validation"})


def test_texts_of_marks_alone_are_not_all_the_same():
    must_be_apart({"train": [example("🙂")], "valid": [example("???")]}, {"!!!": "validation"})
    assert same(" 🙂 ") == same("🙂") != same("???")


def test_an_example_is_the_prompt_as_generate_sends_it_and_the_answer_up_to_its_end(tokenizer):
    tokens, begin = encode(tokenizer, example("Why?", "So it goes."), 256, mask_prompt=True)
    sent = mlx_runtime.encode(tokenizer, render(tokenizer, messages("naked", None, "Why?")))
    assert tokens[:begin] == sent
    assert tokenizer.decode(tokens[begin:-1]) == "So it goes."
    assert tokens[-1] == micro.END
    assert encode(tokenizer, example("Why?", "So it goes."), 256, mask_prompt=False) == (tokens, 1)


def test_earlier_turns_are_part_of_the_prompt(tokenizer):
    talk = example("And?", "No.", before=(USER, ASSISTANT))
    tokens, begin = encode(tokenizer, talk, 256, mask_prompt=True)
    text = tokenizer.decode(tokens[:begin])
    assert text == render(tokenizer, list(talk.turns)) and "So it goes." in text


def test_a_completion_model_learns_from_plain_text(tmp_path):
    plain = mlx_runtime.load_tokenizer(micro.build(tmp_path / "m", template=False))
    tokens, begin = encode(plain, example("Why?", "So it goes."), 256, mask_prompt=True)
    assert plain.decode(tokens[:begin]) == "Why?\n\n"
    assert plain.decode(tokens[begin:-1]) == "So it goes." and tokens[-1] == micro.END


def test_a_text_over_the_limit_is_named_and_one_at_the_limit_is_not(tokenizer):
    size = len(encode(tokenizer, example("Why?"), 256, mask_prompt=True)[0])
    assert encode(tokenizer, example("Why?"), size, mask_prompt=True)
    with pytest.raises(
        LemError, match=rf"^train\.jsonl:1: {size} tokens, the limit is {size - 1}; shorten it"
    ):
        encode(tokenizer, example("Why?"), size - 1, mask_prompt=True)


def test_the_template_decides_which_end_token_ends_an_answer(tmp_path):
    """A tokenizer's own end may be that of a document, not of a turn."""
    folder = micro.build(tmp_path / "m")
    for file, changed in (
        ("tokenizer_config.json", {"eos_token": "<|endoftext|>"}),
        ("config.json", {"eos_token_id": [0, micro.END]}),
    ):
        value = json.loads((folder / file).read_text()) | changed
        (folder / file).write_text(json.dumps(value))
    found = mlx_runtime.load_tokenizer(folder)
    assert (found.eos_token_id, end_token(found)) == (0, micro.END)
    (folder / "chat_template.jinja").write_text("{{ messages[-1]['content'] }}\n")
    assert end_token(mlx_runtime.load_tokenizer(folder)) == 0, "a template without one"


def test_turns_that_the_template_refuses_are_named(tmp_path):
    folder = micro.build(tmp_path / "m")
    (folder / "chat_template.jinja").write_text("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(LemError, match=r"^train\.jsonl:1: messages: .* refuses them: roles must alternate"):
        encode(mlx_runtime.load_tokenizer(folder), example("Why?"), 256, mask_prompt=True)


def test_the_lessons_of_the_study_are_whole_and_apart():
    """What the repository trains on by hand: read, and no prompt in both splits."""
    sets = read(Path(__file__).parents[1] / "seeds/training/composure")
    must_be_apart(sets, {})
    assert {len(sets["train"]) > 0, len(sets["valid"]) > 0} == {True}
