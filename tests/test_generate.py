"""`lem generate` end to end on a small study: what is asked, what is kept, what a kill leaves behind."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import pytest
import yaml

import micro
from lem import adapters, convert, layout, mlx_runtime, mlx_weighing, params, questions
from lem.asking import Asking
from lem.generate import draw_seed
from lem.journal import Journal
from lem.prompts import messages, render
from lem.record_files import (
    read_json,
    read_jsonl,
    settings_sha,
    sha256,
)
from lem.records import (
    Model,
    Response,
    Run,
    Score,
)
from lem.run_log import Log

ASK = ("generate", "--model", "micro", "--prompts", "validation", "--mode", "sandwich")
RESPONSES = Path("data/baseline/micro/validation-sandwich.jsonl")
LOG = Path("data/logs/micro-validation-sandwich.log")
RUN = Path("data/logs/micro-validation-sandwich.json")
JOURNAL = Path(".lem/journal/generate-micro-validation-sandwich.jsonl")
IDS = [f"P{n:02}_MICRO" for n in range(1, 13)]
HOT = ("--temperature", "15")


@pytest.fixture
def ready(study, lem):
    """A study whose model is converted."""
    lem("convert", "--model", "micro")
    return study


def rows(file=RESPONSES):
    return list(read_jsonl(file, Response))


def said(file=RESPONSES):
    return {(r.seed_id, r.sample): r.response for r in rows(file)}


def lasting(file=RESPONSES):
    """Return the records without what depends on the hour: times, and what stood in the same batch."""
    volatile = ("gen_time", "batch_size")
    records = [json.loads(line) for line in file.read_text().splitlines()]
    return [{k: v for k, v in record.items() if k not in volatile} for record in records]


def asked(result):
    """Return how many prompts a run asked, from what it printed."""
    if "Loading model" not in result.output:
        return 0
    kept = re.search(r"^Keeping (\d+) answers, (\d+) to ask$", result.output, re.M)
    return int(kept[2]) if kept else int(re.search(r"\[\d+/(\d+)\]", result.output)[1])


def edit(path, change):
    """Rewrite a JSON file by a function of its content."""
    value = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps(change(value) or value))


def replace(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def tree(folder="."):
    return {str(p) for p in Path(folder).rglob("*") if p.is_file()}


def test_three_files_are_written_and_nothing_else(ready, lem):
    before = tree()
    lem(*ASK)
    assert tree() - before == {str(RESPONSES), str(LOG), str(RUN)}


def test_responses(ready, lem):
    lem(*ASK)
    found, record = rows(), read_json(RUN, Run)
    assert [r.seed_id for r in found] == IDS
    assert [r.prompt for r in found] == list(micro.QUESTIONS)
    for r in found:
        assert (r.model, r.prompts, r.mode, r.source, r.sample) == (
            "micro",
            "validation",
            "sandwich",
            "own",
            0,
        )
        assert (r.chars, r.run_id, r.batch_size) == (len(r.response), record.run_id, 4)
        assert r.gen_time >= 0
        assert r.finish_reason == ("length" if r.tokens == 12 else "stop")
    assert {r.finish_reason for r in found} == {"stop", "length"}


def test_a_response_leads_back_to_the_prompt_as_sent(ready, lem):
    """The record's prompt, the run's template and the study's kernel give its hash and its answer."""
    lem(*ASK)
    loaded = mlx_runtime.load(layout.model("micro"))
    kernel = questions.kernel()
    assert loaded.tokenizer.chat_template == read_json(RUN, Run).template == micro.TEMPLATE
    for r in rows():
        sent = render(loaded.tokenizer, messages("sandwich", kernel, r.prompt))
        content = f"{kernel.text}\n\n{r.prompt}\n\n{kernel.signature}"
        assert sent == f"<|im_start|>user\n{content}<|im_end|>\n<|im_start|>assistant\n"
        assert sha256(sent) == r.prompt_sha
        ids = mlx_runtime.encode(loaded.tokenizer, sent)
        (done,) = mlx_runtime.generate(loaded, [ids], mlx_runtime.Sampling(max_tokens=12))
        assert done.text.strip() == r.response


def test_run_record(ready, lem):
    lem(*ASK)
    run = read_json(RUN, Run)
    model = read_json(layout.model_record("baseline", "micro"), Model)
    assert (run.model, run.prompts, run.mode, run.source) == ("micro", "validation", "sandwich", "own")
    assert (run.weights_sha, run.adapter_sha) == (model.weights_sha, None)
    assert (run.temperature, run.top_p, run.seed, run.max_tokens) == (0.0, None, None, 12)
    assert (run.batch_size, run.samples, run.responses) == (4, 1, 12)
    assert run.kernel_sha == settings_sha(
        {"text": micro.KERNEL.strip(), "signature": micro.SIGNATURE.strip()}
    )
    assert run.responses_sha == convert.file_sha(RESPONSES)
    assert run.tokens == sum(r.tokens for r in rows())
    assert run.tokens_per_second > 0
    assert run.blas == mlx_runtime.blas()
    assert re.fullmatch(r"(?:mkl \S+, )?mlx \S+, mlx-lm \S+, .*recipe \d+", run.engine)
    assert datetime.fromisoformat(run.started).utcoffset().total_seconds() == 0


def test_log_has_the_seed_documents_form(ready, lem):
    shown = lem(*ASK).stdout
    device, blas = read_json(RUN, Run).device, mlx_runtime.blas()
    assert shown == LOG.read_text()
    head, body = shown.split("...\n\n", 1)
    assert head.splitlines() == [
        "Loaded 12 seeds",
        "Loading model: micro",
        f"Model loaded on {device} (BLAS: {blas}). Running SANDWICH validation",
    ]
    answers, done = body.split("\n\nDone. ")
    assert done == f"12 responses saved to {RESPONSES}\n"
    entries = re.findall(r"^\[(\d+)/12\] (\S+) \| (\d+) chars \| \d+\.\ds\n  >> (.*)$", answers, re.M)
    assert [int(i) for i, *_ in entries] == list(range(1, 13))
    expected = {r.seed_id: (str(r.chars), r.response) for r in rows()}
    assert {seed: (chars, text) for _, seed, chars, text in entries} == expected


def test_log_previews_long_answers(ready, lem):
    lem(*ASK, "--max-tokens", "150")
    long = next(r for r in rows() if r.chars > 200)
    preview = " ".join(long.response[:200].split())
    assert f"  >> {preview}...\n" in LOG.read_text()
    assert preview + " " not in LOG.read_text()


def test_an_answer_cannot_forge_a_line_of_the_log():
    log = Log(2)
    log.answer(Response("P1", "p", "a\n[2/2] P2 | 9 chars\x1b[2J", 1.0, 9, "naked", "m", "v", "0" * 64, "r"))
    assert log.text.splitlines() == ["[1/2] P1 | 9 chars | 1.0s", "  >> a [2/2] P2 | 9 chars?[2J"]


def test_a_second_run_asks_nothing_and_writes_the_same(ready, lem):
    lem(*ASK)
    before = RESPONSES.read_bytes(), RUN.read_bytes()
    shown = lem(*ASK)
    assert asked(shown) == 0
    assert (RESPONSES.read_bytes(), RUN.read_bytes()) == before
    assert len(re.findall(r"^\[\d+/12\]", LOG.read_text(), re.M)) == 12
    assert not JOURNAL.exists()


def test_the_same_study_elsewhere_has_the_same_run_id(ready, lem, tmp_path, monkeypatch):
    lem(*ASK)
    before = lasting()
    monkeypatch.chdir(micro.study(tmp_path / "elsewhere"))
    lem("convert", "--model", "micro")
    lem(*ASK)
    assert lasting() == before


def test_one_edited_prompt_is_the_only_one_asked(ready, lem):
    lem(*ASK)
    before, run = said(), read_json(RUN, Run)
    edit("seeds/P21-P40.json", lambda seeds: seeds[1].update(prompt="Where does the road run?"))
    assert asked(lem(*ASK)) == 1
    after = said()
    assert {k for k in after if after[k] != before[k]} == {("P08_MICRO", 0)}
    assert [r.seed_id for r in rows()] == IDS
    again = read_json(RUN, Run)
    assert again.run_id != run.run_id and again.settings_sha == run.settings_sha
    assert {r.run_id for r in rows()} == {again.run_id}


def test_removed_added_moved_and_renamed_prompts(ready, lem):
    lem(*ASK)
    before = said()
    edit("seeds/P01-P20.json", lambda seeds: seeds[1:])
    assert asked(lem(*ASK)) == 0
    assert said() == {k: v for k, v in before.items() if k[0] != "P01_MICRO"}
    edit("seeds/P01-P20.json", lambda seeds: seeds[::-1])
    assert asked(lem(*ASK)) == 0
    assert [r.seed_id for r in rows()] == [*IDS[5:0:-1], *IDS[6:]]
    edit("seeds/P01-P20.json", lambda seeds: seeds[0].update(id="P06_RENAMED"))
    assert asked(lem(*ASK)) == 0
    assert said()["P06_RENAMED", 0] == before["P06_MICRO", 0]
    first = {"id": "P01_MICRO", "prompt": micro.QUESTIONS[0]}
    edit("seeds/P01-P20.json", lambda seeds: [first, *seeds])
    assert asked(lem(*ASK)) == 1
    assert said()["P01_MICRO", 0] == before["P01_MICRO", 0]


def test_prompts_of_the_same_text_keep_their_ids(ready, lem):
    twin = {"id": "P99_TWIN", "prompt": micro.QUESTIONS[0]}
    edit("seeds/P21-P40.json", lambda seeds: [*seeds, twin])
    lem(*ASK)
    first = lasting()
    assert [r["seed_id"] for r in first] == [*IDS, "P99_TWIN"]
    assert said()["P99_TWIN", 0] == said()["P01_MICRO", 0]
    assert "P99_TWIN" in LOG.read_text()
    assert asked(lem(*ASK)) == 0
    assert lasting() == first
    assert LOG.read_text().count("P99_TWIN") == 1


def edited_template():
    replace("micro/chat_template.jinja", "assistant\n", "model\n")


def other_weights():
    file = Path("micro/model.safetensors")
    file.write_bytes(micro.build(Path("other"), seed=1).joinpath(file.name).read_bytes())


CHANGES = {
    "max_tokens": lambda: replace("params.yaml", "max_tokens: 12", "max_tokens: 13"),
    "temperature": lambda: replace("params.yaml", "temperature: 0.0", "temperature: 0.5"),
    "batch_size": lambda: replace("params.yaml", "batch_size: 4", "batch_size: 5"),
    "kernel": lambda: replace("kernel/lek-1-kernel.txt", "Say what is so", "Say what is"),
    "signature": lambda: replace("kernel/signature.txt", "axioms", "kernel"),
    "template": edited_template,
    "weights": other_weights,
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_setting_asks_all_again(ready, lem, change):
    lem(*ASK)
    before = read_json(RUN, Run)
    CHANGES[change]()
    lem("convert", "--model", "micro")
    assert asked(lem(*ASK)) == 12
    assert read_json(RUN, Run).settings_sha != before.settings_sha


SAME = {
    "the seed of a greedy run": lambda: replace("params.yaml", "seed: 0", "seed: 1"),
    "top_p of a greedy run": lambda: replace("params.yaml", "top_p: 1.0", "top_p: 0.5"),
    "0 for 0.0": lambda: replace("params.yaml", "temperature: 0.0", "temperature: 0"),
    "memory": lambda: replace("params.yaml", "limit_gb: 2", "limit_gb: 3"),
    "a comment": lambda: replace("params.yaml", "defaults", "# none\ndefaults"),
    "another model": lambda: replace("params.yaml", "baseline:\n", "baseline:\n    b: {from: mlx:b}\n"),
}


@pytest.mark.parametrize("change", SAME)
def test_what_shapes_no_answer_asks_nothing(ready, lem, change):
    lem(*ASK)
    before = RESPONSES.read_bytes()
    SAME[change]()
    assert asked(lem(*ASK)) == 0
    assert RESPONSES.read_bytes() == before


def cut_short(file=RESPONSES):
    file.write_bytes(file.read_bytes()[:-30])


def retouched():
    replace(RESPONSES, '"response": "', '"response": "I refuse. ')


DAMAGES = {
    "a torn line": cut_short,
    "an answer by hand": retouched,
    "no responses": RESPONSES.unlink,
    "no run record": RUN.unlink,
    "half a run record": lambda: cut_short(RUN),
    "an older shape": lambda: edit(RUN, lambda run: run.pop("settings_sha") and run),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_output_is_asked_again(ready, lem, damage):
    lem(*ASK)
    before = lasting()
    DAMAGES[damage]()
    assert asked(lem(*ASK)) == 12
    assert lasting() == before
    assert read_json(RUN, Run).responses_sha == convert.file_sha(RESPONSES)


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_batch_size_is_recorded_and_changes_no_answer(ready, lem, batch_size):
    lem(*ASK)
    before = said()
    lem(*ASK, "--batch-size", batch_size)
    assert said() == before
    sizes = [batch_size] * (12 // batch_size) * batch_size + [12 % batch_size] * (12 % batch_size)
    assert [r.batch_size for r in rows()] == sizes[:12]
    assert read_json(RUN, Run).batch_size == batch_size


@pytest.mark.parametrize("mode", ["naked", "system", "kernel-only", "sandwich"])
def test_modes_of_a_shorter_set(ready, lem, mode):
    lem("generate", "--model", "micro", "--prompts", "format", "--mode", mode)
    found = rows(Path(f"data/baseline/micro/format-{mode}.jsonl"))
    assert [r.seed_id for r in found] == IDS[:4]
    assert {r.mode for r in found} == {mode}
    kernel = read_json(Path(f"data/logs/micro-format-{mode}.json"), Run).kernel_sha
    assert (kernel is None) == (mode == "naked")


def test_samples_draw_differently_and_again_the_same(ready, lem):
    lem(*ASK, *HOT, "--samples", "3")
    first = said()
    assert list(first) == [(seed, sample) for seed in IDS for sample in range(3)]
    assert len(set(first.values())) > 30
    lem(*ASK, *HOT, "--samples", "3", "--batch-size", "7")
    assert said() == first
    assert asked(lem(*ASK, *HOT, "--samples", "3", "--batch-size", "7", "--seed", "1")) == 36
    assert sum(said()[key] == first[key] for key in first) < 6


def test_each_prompt_and_sample_has_draws_of_its_own():
    seeds = {draw_seed(seed, sha256(text), n) for seed in (0, 1) for text in "ab" for n in range(3)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_draw_does_not_depend_on_the_other_prompts(ready, lem):
    lem(*ASK, *HOT)
    first = said()
    edit("seeds/P01-P20.json", lambda seeds: seeds[3:])
    RESPONSES.unlink()
    assert asked(lem(*ASK, *HOT)) == 9
    assert said() == {k: v for k, v in first.items() if k[0] not in IDS[:3]}


def test_ask_prints_the_answer_and_writes_nothing(ready, lem):
    lem("generate", "--model", "micro", "--prompts", "validation")
    before = {p: Path(p).read_bytes() for p in tree()}
    shown = lem("generate", "--model", "micro", "--ask", micro.QUESTIONS[2])
    assert shown.output == rows(Path("data/baseline/micro/validation-naked.jsonl"))[2].response + "\n"
    assert {p: Path(p).read_bytes() for p in tree()} == before


def test_ask_in_a_mode_with_samples(ready, lem):
    shown = lem("generate", "--model", "micro", "--ask", "Why?", "--mode", "system", *HOT, "--samples", "3")
    assert len(set(shown.output.splitlines())) == 3


def test_a_benchmarks_questions_are_a_prompt_set(ready, lem):
    lem("items", "--benchmark", "sums")
    lem("generate", "--model", "micro", "--prompts", "sums")
    plain = rows(Path("data/answers/sums/micro.jsonl"))
    assert [r.seed_id for r in plain] == [f"S{n:02}" for n in range(1, 11)]
    assert {(r.mode, r.prompts) for r in plain} == {("naked", "sums")}
    assert read_json(Path("data/logs/micro-sums-naked.json"), Run).run_id == plain[0].run_id
    shot = 'shots: [{question: "What is 1 + 2?", answer: "3"}], '
    replace("params.yaml", "sums: {", "sums: {" + shot)
    assert asked(lem("generate", "--model", "micro", "--prompts", "sums")) == 10, (
        "worked examples are sent too"
    )


def test_a_fine_tuned_model_is_its_base_and_an_adapter(ready, lem):
    lem(*ASK)
    words = ["micro-lek.s0" if word == "micro" else word for word in ASK]
    missing = "data/models/micro-lek/s0/adapter_config.json: no such file; it is written by: lem train"
    assert missing in lem(*words, code=1).stderr
    folder = micro.adapter(layout.adapter("micro-lek", 0), convert.weights_sha(layout.model("micro")))
    lem(*words)
    file = Path("data/fine-tuned/micro-lek.s0/validation-sandwich.jsonl")
    assert {r.model for r in rows(file)} == {"micro-lek.s0"}
    assert sum(said(file)[key] == said()[key] for key in said()) < 6
    first = read_json(Path("data/logs/micro-lek.s0-validation-sandwich.json"), Run)
    assert first.adapter_sha == adapters.adapter_sha(folder)
    assert first.weights_sha == read_json(RUN, Run).weights_sha
    assert asked(lem(*words)) == 0
    words[words.index("micro-lek.s0")] = "micro-lek"
    assert asked(lem(*words)) == 0, "the entry's name is its first seed"
    micro.adapter(shutil.rmtree(folder) or folder, first.weights_sha, seed=1)
    assert asked(lem(*words)) == 12, "another adapter answers anew"


REFUSED = {
    "no weights": (
        lambda folder: (folder / "adapters.safetensors").unlink(),
        "micro-lek/s0/adapters.safetensors: no such file",
    ),
    "for another base": (
        lambda folder: edit(folder / "adapter_config.json", lambda c: c | {"base_weights_sha": "0" * 64}),
        "micro-lek/s0: trained on weights 000000000000, but data/models/micro holds ",
    ),
    "a corrupt config": (
        lambda folder: (folder / "adapter_config.json").write_text('{"num_layers"'),
        "micro-lek/s0/adapter_config.json: not JSON",
    ),
    "a config of another kind": (
        lambda folder: (folder / "adapter_config.json").write_text('{"r": 8, "lora_alpha": 16}'),
        "micro-lek/s0/adapter_config.json: fine_tune_type: expected one of lora, dora, full",
    ),
}


@pytest.mark.parametrize("refused", REFUSED)
@pytest.mark.parametrize("words", [ASK[3:], ("--ask", "Why?")], ids=["prompts", "ask"])
def test_an_adapter_that_is_refused_is_one_clear_line_before_any_weights(
    ready, lem, monkeypatch, refused, words
):
    import mlx_lm.utils

    folder = micro.adapter(layout.adapter("micro-lek", 0), convert.weights_sha(layout.model("micro")))
    breaks, expected = REFUSED[refused]
    breaks(folder)
    before = tree("data")
    monkeypatch.setattr(mlx_lm.utils, "load", lambda *a, **k: pytest.fail("the model was loaded"))
    shown = lem("generate", "--model", "micro-lek", *words, code=1)
    assert expected in shown.stderr and shown.stderr.count("\n") == 1
    assert tree("data") == before


def test_a_completion_model(study, lem):
    (study / "micro/chat_template.jinja").unlink()
    lem("convert", "--model", "micro")
    lem(*ASK)
    assert read_json(RUN, Run).template is None
    kernel = questions.kernel()
    assert rows()[0].prompt_sha == sha256(f"{kernel.text}\n\n{micro.QUESTIONS[0]}\n\n{kernel.signature}\n\n")


def without(path):
    return lambda: Path(path).unlink()


ERRORS = {
    "unknown model": (lambda: None, ("--model", "micron", "--prompts", "format"), "did you mean micro?"),
    "unknown prompts": (lambda: None, ("--model", "micro", "--prompts", "formats"), "did you mean format?"),
    "nothing to ask": (lambda: None, ("--model", "micro"), "say what to ask: --prompts NAME"),
    "two things to ask": (
        lambda: None,
        ("--model", "micro", "--prompts", "format", "--ask", "Why?"),
        "say what to ask: --prompts NAME",
    ),
    "not converted": (
        lambda: Path("data/models/micro").rename("elsewhere"),
        ASK[1:],
        "data/models/micro/config.json: no such file; it is written by: lem convert",
    ),
    "no provenance": (
        without("data/models/micro/provenance.json"),
        ASK[1:],
        "convert the model first: lem convert --model micro",
    ),
    "no kernel": (without("kernel/lek-1-kernel.txt"), ASK[1:], "kernel/lek-1-kernel.txt: no such file"),
    "no seeds": (without("seeds/P21-P40.json"), ASK[1:], "seeds/P21-P40.json: no such file"),
    "an id twice": (
        lambda: edit("seeds/P21-P40.json", lambda seeds: [*seeds, seeds[0]]),
        ASK[1:],
        "P07_MICRO is there twice",
    ),
    "no items": (
        lambda: None,
        ("--model", "micro", "--prompts", "sums"),
        "data/items/sums.jsonl: no such file",
    ),
    "a benchmark in a mode": (
        lambda: None,
        ("--model", "micro", "--prompts", "sums", "--mode", "system"),
        "sums is a benchmark",
    ),
    "another engine": (
        lambda: replace("engine.yaml", "generate: ", "generate: 9"),
        ASK[1:],
        "recipe of generate: engine.yaml says",
    ),
    "no study": (without("params.yaml"), ASK[1:], "params.yaml: no such file"),
}


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_one_clear_line_and_nothing_is_written(ready, lem, error):
    breaks, words, expected = ERRORS[error]
    breaks()
    before = tree("data")
    shown = lem("generate", *words, code=1)
    assert expected in shown.stderr
    assert shown.stderr.startswith("Error: ") and shown.stderr.count("\n") == 1
    assert tree("data") == before


SLOW = (*ASK, "--max-tokens", "80", "--batch-size", "2")
LONG = (*SLOW, "--samples", "3", "--temperature", "2")  # 36 answers: three kills fall well before the last


def started(*words):
    """Start `lem` in a process group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", "from lem.cli import main; main()", *words],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def kill(process):
    os.killpg(process.pid, signal.SIGKILL)
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL, "it ended before the kill"


def journaled():
    """Return the keys of the journal's whole lines."""
    content = JOURNAL.read_bytes()
    return [json.loads(line)["key"] for line in content.splitlines() if line.endswith(b"}}")]


def test_killed_three_times_it_goes_on_where_it_stopped(ready, lem):
    lem(*LONG)
    unbroken, run = lasting(), read_json(RUN, Run)
    for file in (RESPONSES, RUN, LOG):
        file.unlink()
    dice, kept = random.Random(), []
    for _ in range(3):
        process, more, wait = started(*LONG), dice.randint(1, 3), dice.uniform(0, 0.05)
        for line in process.stdout:
            if line.startswith("Model loaded"):
                break
        for line in process.stdout:
            more -= line.startswith("[")
            if not more:
                break
        time.sleep(wait)
        kill(process)
        assert not RESPONSES.exists() and not RUN.exists(), "whole or not at all"
        now = journaled()
        assert now[: len(kept)] == kept, "an answer that was there is gone"
        assert len(now) > len(kept)
        assert len(set(now)) == len(now), "asked twice"
        kept = now
    shown = lem(*LONG)
    assert f"Keeping {len(kept)} answers, {36 - len(kept)} to ask" in shown.output
    assert lasting() == unbroken
    assert read_json(RUN, Run).run_id == run.run_id
    assert not JOURNAL.exists()


def test_a_torn_journal_line_is_dropped(ready, lem):
    lem(*SLOW)
    unbroken = lasting()
    one_by_one = (*SLOW[:-1], "1")
    process = started(*one_by_one)
    for line in process.stdout:
        if line.startswith("[2/"):
            break
    kill(process)
    kept = len(journaled())
    with JOURNAL.open("ab") as journal:
        journal.write(b'{"key": "0123", "record": {"seed_id": "P0')
    assert asked(lem(*one_by_one)) == 12 - kept
    assert [{**r, "run_id": None} for r in lasting()] == [{**r, "run_id": None} for r in unbroken]


def test_answers_of_other_settings_are_not_taken_from_the_journal(ready, lem):
    process = started(*ASK, "--max-tokens", "80", "--batch-size", "1")
    for line in process.stdout:
        if line.startswith("[2/"):
            break
    kill(process)
    assert len(journaled()) >= 2
    assert asked(lem(*ASK)) == 12
    assert {r.tokens <= 12 for r in rows()} == {True}


def test_a_second_run_of_the_same_stage_is_told_of_the_first(ready, lem):
    process = started(*SLOW)
    try:
        for line in process.stdout:
            if line.startswith("Model loaded"):
                break
        os.killpg(process.pid, signal.SIGSTOP)  # it holds the stage for as long as this test looks
        shown = lem(*ASK, code=1)
        assert shown.stderr.startswith(f"Error: {JOURNAL}: another process is at this very stage")
        assert not RESPONSES.exists()
        lem(
            "generate", "--model", "micro", "--prompts", "validation", "--mode", "naked"
        )  # another stage may run
    finally:
        kill(process)
    lem(*ASK)
    assert len(rows()) == 12


def test_params_of_the_micro_study_match_the_pipeline(study):
    """Guards the fixture: the seed files that dvc.yaml names are the ones this study has."""
    pipeline, settings = (
        yaml.safe_load(Path("dvc.yaml").read_text()),
        yaml.safe_load(Path("params.yaml").read_text()),
    )
    for stage, name in (("generate", "validation"), ("format", "format")):
        deps = pipeline["stages"][stage]["deps"]
        assert set(settings["prompts"][name]["files"]) == {dep for dep in deps if dep.startswith("seeds/")}
    assert all(Path(file).is_file() for file in settings["prompts"]["validation"]["files"])


# Multiple choice: the answers are given, the model is asked how likely each is.

CHOOSE = ("generate", "--model", "micro", "--prompts", "choose")
CHOSEN = Path("data/answers/choose/micro.jsonl")
CHOSEN_RUN = Path("data/logs/micro-choose-naked.json")
CHOSEN_LOG = Path("data/logs/micro-choose-naked.log")
CHOSEN_JOURNAL = Path(".lem/journal/generate-micro-choose-naked.jsonl")
CHOICES = [
    ("Is the river running?", ["Yes.", "Yes, to the sea."], ["No."]),
    ("Can consent be taken back?", ["It can."], ["Never.", "Not after it was given.", "No."]),
    ("What is 7 + 5?", ["12"], ["11", "13"]),
    ("Who is weaker?", ["Nobody knows.", "Ask."], ["You are.", "Was wäre wenn? 你好 🙂"]),
]
ENTRY = (
    "  choose: {file: seeds/benchmarks/choose.jsonl, id: null, prompt: question, "
    "correct: right, incorrect: wrong, score: multiple_choice}\n"
)


def choose(lem, questions=CHOICES):
    """Write the benchmark's question file, its entry and its items."""
    lines = [
        json.dumps({"question": text, "right": right, "wrong": wrong}) for text, right, wrong in questions
    ]
    Path("seeds/benchmarks/choose.jsonl").write_text("".join(line + "\n" for line in lines))
    if ENTRY not in (text := Path("params.yaml").read_text()):
        Path("params.yaml").write_text(text + ENTRY)
    lem("items", "--benchmark", "choose")


@pytest.fixture
def choosing(ready, lem):
    """A study whose model is converted, with a multiple-choice benchmark."""
    choose(lem)
    return ready


def listed(questions=CHOICES):
    """Return (item, place, answer) of each given answer, in order."""
    return [
        (str(number), place, text)
        for number, (_, right, wrong) in enumerate(questions, 1)
        for place, text in enumerate([*right, *wrong])
    ]


def weighed():
    return {(r.seed_id, r.sample): r.logprob for r in rows(CHOSEN)}


def test_each_given_answer_has_a_row_with_its_log_probability(choosing, lem):
    before = tree()
    lem(*CHOOSE)
    assert tree() - before == {str(CHOSEN), str(CHOSEN_RUN), str(CHOSEN_LOG)}
    found = rows(CHOSEN)
    assert [(r.seed_id, r.sample, r.response) for r in found] == listed()
    loaded = mlx_runtime.load(layout.model("micro"))
    for r in found:
        sent = render(loaded.tokenizer, messages("naked", None, r.prompt))
        given = mlx_weighing.continuation(loaded.tokenizer, sent, r.response)
        assert r.logprob == pytest.approx(mlx_weighing.loglikelihoods(loaded, [given])[0], abs=2e-3)
        assert (r.prompt_sha, r.tokens, r.chars) == (sha256(sent), len(given[1]), len(r.response))
        assert (r.finish_reason, r.gen_time, r.batch_size, r.reasoning) == ("given", None, None, None)
        assert (r.mode, r.prompts, r.model) == ("naked", "choose", "micro")


def test_the_run_of_given_answers_says_what_was_asked(choosing, lem):
    lem(*CHOOSE)
    run = read_json(CHOSEN_RUN, Run)
    assert {r.run_id for r in rows(CHOSEN)} == {run.run_id}
    assert (run.responses, run.asked, run.tokens, run.tokens_per_second) == (14, 14, 0, None)
    assert run.responses_sha == convert.file_sha(CHOSEN)
    entries = re.findall(r"^\[(\d+)/14\] (\d) \| \d+ chars \| -$", CHOSEN_LOG.read_text(), re.M)
    assert [(int(place), name) for place, name in entries] == [
        (place, name) for place, (name, _, _) in enumerate(listed(), 1)
    ]


def test_given_answers_go_through_score_and_check(choosing, lem):
    lem(*CHOOSE)
    said = lem("score", "--model", "micro", "--benchmark", "choose").output
    scores = list(read_jsonl(layout.scores("choose", "micro"), Score))
    assert [(s.item_id, s.metric) for s in scores] == [
        (str(n), m) for n in range(1, 5) for m in ("mc1", "mc2")
    ]
    logprobs = weighed()
    wins = 0
    for number, (_, right, wrong) in enumerate(CHOICES, 1):
        found = [logprobs[str(number), place] for place in range(len(right) + len(wrong))]
        wins += found[0] > max(found[len(right) :])
        chances = [2.718281828459045**p for p in found]
        mc2 = next(s.value for s in scores if (s.item_id, s.metric) == (str(number), "mc2"))
        assert mc2 == pytest.approx(sum(chances[: len(right)]) / sum(chances), abs=2e-6)
    assert said.startswith(f"choose micro: {wins} of 4 correct")
    lem("check")


def test_given_answers_are_weighed_once(choosing, lem):
    lem(*CHOOSE)
    before = [file.read_bytes() for file in (CHOSEN, CHOSEN_RUN, CHOSEN_LOG)]
    shown = lem(*CHOOSE)
    assert shown.output == f"Loaded 4 seeds\nAll 14 answers hold, nothing to ask: {CHOSEN}\n"
    CHOSEN_LOG.unlink()
    assert asked(lem(*CHOOSE)) == 0
    assert [CHOSEN.read_bytes(), CHOSEN_RUN.read_bytes()] == before[:2]


EDITED = {
    "a wrong answer": (
        [*CHOICES[:1], (CHOICES[1][0], ["It can."], ["Never.", "Hardly.", "No."]), *CHOICES[2:]],
        4,
    ),
    "a right one more": (
        [*CHOICES[:1], (CHOICES[1][0], ["It can.", "Yes."], CHOICES[1][2]), *CHOICES[2:]],
        5,
    ),
    "one less, the last": ([*CHOICES[:1], (CHOICES[1][0], ["It can."], CHOICES[1][2][:2]), *CHOICES[2:]], 0),
    "another order": ([*CHOICES[:1], (CHOICES[1][0], ["It can."], CHOICES[1][2][::-1]), *CHOICES[2:]], 4),
    "the question": ([*CHOICES[:1], ("Can it?", *CHOICES[1][1:]), *CHOICES[2:]], 4),
    "a question more": ([*CHOICES, ("Why?", ["So."], ["No."])], 2),
    "a question less": (CHOICES[:3], 0),
}


@pytest.mark.parametrize("what", EDITED)
def test_after_an_edit_the_answers_of_that_question_are_weighed_anew_and_no_other(choosing, lem, what):
    questions, anew = EDITED[what]
    lem(*CHOOSE)
    first, run = CHOSEN.read_bytes(), read_json(CHOSEN_RUN, Run)
    choose(lem, questions)
    shown = lem(*CHOOSE)
    assert asked(shown) == anew
    assert [(r.seed_id, r.sample, r.response) for r in rows(CHOSEN)] == listed(questions)
    total = len(listed(questions))
    entries = re.findall(r"^\[(\d+)/(\d+)\] \d+ \| ", CHOSEN_LOG.read_text(), re.M)
    assert entries == [(str(place), str(total)) for place in range(1, total + 1)], "each once"
    again = read_json(CHOSEN_RUN, Run)
    assert again.run_id != run.run_id and again.settings_sha == run.settings_sha
    partly = lasting(CHOSEN)
    for file in (CHOSEN, CHOSEN_RUN):
        file.unlink()
    lem(*CHOOSE)
    assert lasting(CHOSEN) == partly, "as if it had been asked at once"
    choose(lem)
    lem(*CHOOSE)
    assert CHOSEN.read_bytes() == first


def test_two_questions_of_the_same_words_have_answers_of_their_own(choosing, lem):
    twins = [("Why?", ["So.", "Yes."], ["No."]), ("Why?", ["Ask.", "Yes."], ["Never."]), *CHOICES]
    choose(lem, twins)
    lem(*CHOOSE)
    assert [(r.seed_id, r.sample, r.response) for r in rows(CHOSEN)] == listed(twins)
    assert asked(lem(*CHOOSE)) == 0, "they are told apart by the answer"


def test_a_given_answer_is_never_taken_for_one_of_the_models_own(choosing, lem):
    """The settings are the same, so are the prompts: only the scorer says who wrote the answers."""
    lem(*CHOOSE)
    given = CHOSEN.read_bytes()
    replace("params.yaml", "score: multiple_choice}", "score: []}")
    assert asked(lem(*CHOOSE)) == 4
    own = rows(CHOSEN)
    assert {r.finish_reason for r in own} <= {"stop", "length"} and len(own) == 4
    assert {r.logprob for r in own} == {None}
    replace("params.yaml", "score: []}", "score: multiple_choice}")
    assert asked(lem(*CHOOSE)) == 14
    assert CHOSEN.read_bytes() == given


def test_an_answer_of_the_models_own_is_never_taken_for_a_given_one(choosing, lem):
    replace("params.yaml", "score: multiple_choice}", "score: []}")
    lem(*CHOOSE)
    said = [r.response for r in rows(CHOSEN)]
    replace("params.yaml", "score: []}", "score: multiple_choice}")
    choose(lem, [(text, [own], ["No."]) for (text, _, _), own in zip(CHOICES, said, strict=True)])
    assert asked(lem(*CHOOSE)) == 8
    assert None not in weighed().values()


def test_killed_while_it_weighs_it_goes_on_to_the_same_bytes(choosing, lem):
    many = [(f"What is {n} + {n}?", [str(2 * n)], [str(n), "None.", f"{n}{n}"]) for n in range(1, 41)]
    choose(lem, many)
    lem(*CHOOSE)
    unbroken, run = CHOSEN.read_bytes(), read_json(CHOSEN_RUN, Run)
    for file in (CHOSEN, CHOSEN_RUN, CHOSEN_LOG):
        file.unlink()
    for stop in ("[7/", "[20/"):
        process = started(*CHOOSE)
        for line in process.stdout:
            if line.startswith(stop):
                break
        kill(process)
        assert not CHOSEN.exists() and not CHOSEN_RUN.exists(), "whole or not at all"
    entries = [json.loads(line) for line in CHOSEN_JOURNAL.read_bytes().splitlines() if line.endswith(b"}}")]
    kept = len({entry["key"] for entry in entries}) // 4 * 4
    assert 16 <= kept < 160
    assert asked(lem(*CHOOSE)) == 160 - kept, "the question it was killed at is weighed whole"
    assert CHOSEN.read_bytes() == unbroken
    assert read_json(CHOSEN_RUN, Run).run_id == run.run_id
    assert not CHOSEN_JOURNAL.exists()


def test_a_journal_of_other_given_answers_is_not_taken_for_these(choosing, lem):
    lem(*CHOOSE)
    before = CHOSEN.read_bytes()
    for file in (CHOSEN, CHOSEN_RUN):
        file.unlink()
    edited = EDITED["a wrong answer"][0]
    with Journal(CHOSEN_JOURNAL) as journal:
        study = params.load()
        asking = Asking(study, study.model("micro"), study.benchmark("choose"), "naked", study.defaults)
        for question, row in zip(asking.questions, map(json.loads, before.splitlines()), strict=True):
            journal.add(question.key, row)
    choose(lem, edited)
    assert asked(lem(*CHOOSE)) == 4
    assert [(r.seed_id, r.sample, r.response) for r in rows(CHOSEN)] == listed(edited)


@pytest.mark.parametrize("damage", ["a torn line", "a value by hand"])
def test_damaged_log_probabilities_are_weighed_again(choosing, lem, damage):
    lem(*CHOOSE)
    before = CHOSEN.read_bytes()
    if damage == "a torn line":
        cut_short(CHOSEN)
    else:
        replace(CHOSEN, '"logprob": -', '"logprob": -1')
    assert asked(lem(*CHOOSE)) == 14
    assert CHOSEN.read_bytes() == before


def test_a_completion_model_and_worked_examples_weigh_given_answers(study, lem):
    (study / "micro/chat_template.jinja").unlink()
    lem("convert", "--model", "micro")
    choose(lem)
    lem(*CHOOSE)
    plain = weighed()
    replace("params.yaml", "choose: {", 'choose: {shots: [{question: "What is 1 + 2?", answer: "3"}], ')
    assert asked(lem(*CHOOSE)) == 14
    assert all(plain[key] != value for key, value in weighed().items())
    loaded = mlx_runtime.load(layout.model("micro"))
    first = rows(CHOSEN)[0]
    sent = f"What is 1 + 2?\n\n3\n\n{CHOICES[0][0]}\n\n"
    assert first.prompt_sha == sha256(sent)
    given = mlx_weighing.continuation(loaded.tokenizer, sent, first.response)
    assert first.logprob == pytest.approx(mlx_weighing.loglikelihoods(loaded, [given])[0], abs=2e-3)


def test_items_from_before_the_benchmark_became_multiple_choice_are_an_error(choosing, lem):
    lem("items", "--benchmark", "sums")
    replace("params.yaml", "score: number}", "score: multiple_choice, correct: right, incorrect: wrong}")
    before = tree("data")
    shown = lem("generate", "--model", "micro", "--prompts", "sums", code=1)
    assert shown.stderr == (
        "Error: data/items/sums.jsonl: S01 has no answers to choose from; "
        "write them again: lem items --benchmark sums\n"
    )
    assert tree("data") == before


def test_scores_of_answers_that_the_items_no_longer_have_are_null(choosing, lem):
    lem(*CHOOSE)
    choose(lem, EDITED["another order"][0])
    said = lem("score", "--model", "micro", "--benchmark", "choose").output
    assert ", 1 unscored\n  2 x what was weighed" in said
    scores = list(read_jsonl(layout.scores("choose", "micro"), Score))
    assert {s.item_id for s in scores if s.value is None} == {"2"}
