"""`lem verify`: records against another folder's and a revision's, and recorded answers asked again."""

import dataclasses
import json
import shutil
import subprocess
from pathlib import Path

import pytest

import micro
from lem import layout, rules
from lem.errors import LemError
from lem.record_files import read_json, read_jsonl, write_json, write_jsonl
from lem.records import Item, Loss, Model, Response, Run, Score, fields
from lem.verify import again, outcomes, page, pairs, places, rerun, tables, texts

SHA = "a" * 64
ANSWERS = Path("data/answers/sums/m.jsonl")
RUN = Path("data/logs/m-sums-naked.json")
PAGE = Path("reports/verify.md")
COUNTS = ("identical", "other_times", "within_tolerance", "different", "missing_there", "missing_here")


def answer(n, text="It is so.", **more):
    given = {"seed_id": f"S{n:02}", "prompt": f"What is {n}?", "response": text, "gen_time": 1.5}
    rest = {"chars": len(text), "mode": "naked", "model": "m", "prompts": "sums", "prompt_sha": SHA}
    return Response(**(given | rest | {"run_id": "1" * 16, "finish_reason": "stop"} | more))


def the_run(**more):
    known = {"run_id": "1" * 16, "source": "own", "model": "m", "prompts": "sums", "mode": "naked"}
    empty = {f.name: None for f in dataclasses.fields(Run)}
    return Run(**(empty | known | {"blas": "mkl 1", "template": "{{ a }}", "started": "then"} | more))


def score(n, value, **more):
    return Score("1" * 16, "m", "sums", f"S{n:02}", "mc2", value, **more)


def write(folder):
    """Write a little study with records of several tables."""
    (folder / "reports").mkdir(parents=True)
    (folder / "params.yaml").write_text("{}\n")
    with_logprob = answer(3, "Given.", finish_reason="given", logprob=-12.5, gen_time=None)
    write_jsonl(folder / ANSWERS, [answer(1), answer(2, "Nobody knows what it is."), with_logprob])
    write_json(folder / RUN, the_run())
    write_jsonl(folder / "data/scores/sums/m.jsonl", [score(n, n / 10) for n in range(1, 4)])
    losses = [Loss("m.s0", at, "train", 2.0 - at / 10, seconds=3.0 * at) for at in (1, 2)]
    write_jsonl(folder / "data/logs/m-train/s0.jsonl", losses)
    write_json(folder / "data/baseline/m/model.json", Model("m"))
    return folder


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A little study, the working folder; `../other` is the same."""
    write(tmp_path / "other")
    monkeypatch.chdir(write(tmp_path / "here"))
    return tmp_path / "here"


def change(file, cls, at=0, **fields):
    """Give one record of a file other fields."""
    file = Path(file)
    if file.suffix == ".json":
        write_json(file, dataclasses.replace(read_json(file, cls), **fields))
    else:
        rows = list(read_jsonl(file, cls))
        write_jsonl(file, [dataclasses.replace(r, **fields) if i == at else r for i, r in enumerate(rows)])


def told(lem, *words, code=0):
    """Return what lem verify says as JSON."""
    return json.loads(lem("verify", *words, "--format", "json", code=code).stdout)


def counts(shown, table="all"):
    row = next(row for row in shown["tables"] if row["table"] == table)
    assert row["records"] == sum(row[name] for name in COUNTS)
    return {name: row[name] for name in COUNTS if row[name]}


def test_the_same_records_are_identical(here, lem):
    shown = lem("verify", "../other")
    assert shown.stdout.splitlines() == [
        "table\trecords\tidentical\tother times\twithin tolerance\tdifferent\tmissing there\tmissing here",
        "responses\t3\t3\t0\t0\t0\t0\t0",
        "scores\t3\t3\t0\t0\t0\t0\t0",
        "runs\t1\t1\t0\t0\t0\t0\t0",
        "models\t1\t1\t0\t0\t0\t0\t0",
        "losses\t2\t2\t0\t0\t0\t0\t0",
        "all\t10\t10\t0\t0\t0\t0\t0",
    ]
    assert "| all | 10 | 10 | 0 | 0 | 0 | 0 | 0 |" in PAGE.read_text()


def test_times_make_no_difference(here, lem):
    change(ANSWERS, Response, gen_time=99.0, batch_size=7)
    later = {"started": "now", "wall_seconds": 5.0, "asked": 3, "tokens": 9, "tokens_per_second": 2.0}
    change(RUN, Run, **later, git_revision="f" * 40, responses_sha="b" * 64)
    change("data/logs/m-train/s0.jsonl", Loss, seconds=77.0)
    assert counts(told(lem, "../other")) == {"identical": 7, "other_times": 3}


def test_numbers_may_be_a_little_apart(here, lem):
    change(ANSWERS, Response, at=2, logprob=-12.5004, gen_time=3.0)
    change("data/scores/sums/m.jsonl", Score, value=0.1004)
    change("data/logs/m-train/s0.jsonl", Loss, loss=1.9004)
    assert counts(told(lem, "../other")) == {"identical": 7, "within_tolerance": 3}
    shown = told(lem, "../other", "--tolerance", "1e-4", code=1)
    assert counts(shown) == {"identical": 7, "different": 3}
    line = "responses m sums naked S03 0: different in logprob: -12.5004 here, -12.5 there"
    assert shown["examples"][0] == line, "its time is none of it"


def test_a_number_that_one_side_lacks_is_no_little_apart(here, lem):
    change("data/scores/sums/m.jsonl", Score, value=None, error="lost")
    assert counts(told(lem, "../other", code=1), "scores") == {"identical": 2, "different": 1}


def test_another_text_is_shown_where_it_parts(here, lem):
    change(ANSWERS, Response, at=1, response="Nobody knows who it is.", chars=23)
    shown = lem("verify", "../other", code=1)
    line = (
        "responses m sums naked S02 0: different in response, from character 15: "
        '"Nobody knows who it is." here, "Nobody knows what it is." there; also chars'
    )
    assert shown.stderr.splitlines() == [line, "Error: 1 different, of 10 records; all in reports/verify.md"]
    assert f"- `{line}`" in PAGE.read_text()
    assert line not in lem("verify", "../other", "--examples", "0", code=1).stderr


def test_the_place_is_a_token_where_the_model_is_there(study, tmp_path, lem):
    write(tmp_path / "other")
    for name in ("data", "reports"):
        shutil.copytree(tmp_path / "other" / name, name, dirs_exist_ok=True)
    for folder in (Path(), tmp_path / "other"):
        change(folder / ANSWERS, Response, model="micro")
    change(ANSWERS, Response, response="It is no.", chars=9)
    assert "from character 6" in lem("verify", tmp_path / "other", code=1).stderr
    lem("convert", "--model", "micro")
    encode = texts.encoder("micro")
    at = texts.first_difference(encode("It is no."), encode("It is so."))
    assert 0 < at < 6
    assert f"from token {at}: " in lem("verify", tmp_path / "other", code=1).stderr


def test_an_excerpt_is_of_the_parting_and_its_surroundings():
    one, other = "a" * 100 + "b" * 100, "a" * 100 + "c" * 5
    assert texts.parting(one, other, None) == (
        f'character 100: ..."{"a" * 20}{"b" * 40}"... here, ..."{"a" * 20}ccccc" there'
    )
    assert texts.first_difference("abc", "ab") == 2


def test_what_one_side_lacks_is_missing(here, lem):
    rows = list(read_jsonl(ANSWERS, Response))
    write_jsonl(ANSWERS, [*rows[1:], answer(9)])
    shown = told(lem, "../other", code=1)
    assert counts(shown, "responses") == {"identical": 2, "missing_there": 1, "missing_here": 1}
    assert shown["examples"] == [
        "responses m sums naked S09 0: missing there",
        "responses m sums naked S01 0: missing here",
    ]
    assert "## Missing here: 1" in PAGE.read_text()


def test_runs_of_other_settings_are_told_once_and_not_with_every_answer(here, lem):
    change(RUN, Run, run_id="2" * 16, settings_sha="c" * 64, blas="openblas", device="cpu")
    for file, cls, number in ((ANSWERS, Response, 3), ("data/scores/sums/m.jsonl", Score, 3)):
        for at in range(number):
            change(file, cls, at=at, run_id="2" * 16)
    shown = told(lem, "../other", code=1)
    assert counts(shown) == {"identical": 3, "other_times": 6, "different": 1}
    assert shown["examples"] == [
        'runs m sums naked: different in device: "cpu" here, null there; blas: "openblas" here, "mkl 1" there'
    ]
    change(ANSWERS, Response, prompt_sha="d" * 64)
    assert counts(told(lem, "../other", code=1))["different"] == 2, "its template is the same"
    change(RUN, Run, template="{{ b }}")
    assert counts(told(lem, "../other", code=1))["different"] == 1, "the run says why"


def test_an_answer_of_another_run_is_different_where_the_runs_are_the_same(here, lem):
    change(ANSWERS, Response, run_id="2" * 16)
    assert counts(told(lem, "../other", code=1), "responses") == {"identical": 2, "different": 1}


def test_an_import_that_one_side_has_is_not_compared_and_said(here, lem):
    write_jsonl(Path("data/imported/theirs/items/x.jsonl"), [Item("x", "1", "?", "1", SHA, "theirs")])
    shown = told(lem, "../other")
    assert counts(shown) == {"identical": 10}
    assert shown["not_compared"] == {"theirs": "this folder"}
    shutil.copytree("data/imported", "../other/data/imported")
    assert counts(told(lem, "../other")) == {"identical": 11}


def test_only_some_models(here, lem):
    change(ANSWERS, Response, at=1, response="?", chars=1)
    assert counts(told(lem, "../other", "--only", "m.*")) == {"identical": 2}
    ours = told(lem, "../other", "--only", "m", code=1)
    assert counts(ours) == {"identical": 9, "different": 1}, "with its seed m.s0"
    assert counts(told(lem, "../other", "--only", "no*", "--only", "m.s0")) == {"identical": 2}
    shown = lem("verify", "../other", "--only", "x*", "--only", "y", code=1)
    assert shown.stderr == "Error: no records to compare: no model is called x* or y on either side\n"


def test_nothing_to_do_is_said(here, lem):
    shown = lem("verify", "--no-compare", code=1)
    assert shown.stderr.startswith("Error: --no-compare leaves nothing to do; add --rerun N")


def test_what_strangers_wrote_is_shown_and_not_obeyed(here, lem):
    """Sequences of a terminal, in seven bits and in eight, and marks that turn the writing around."""
    signs = ("\x1b", "\x9b", "\u202e", "\x07")
    change(ANSWERS, Response, response="".join(f"{sign}[2Jgone" for sign in signs), chars=28)
    change(ANSWERS, Response, at=1, seed_id="\x9b2J\u202eS", model="\x1b]0;owned\x07")
    change("data/baseline/m/model.json", Model, licence="\u202eTIM\x9b")
    write_jsonl(Path("data/imported/\x9b2J/items/x.jsonl"), [Item("x", "1", "?", "1", SHA, "\x9b2J")])
    shown = lem("verify", "../other", "--format", "table", code=1)
    everything = [
        shown.output,
        PAGE.read_text(),
        lem("verify", "../other", "--format", "json", code=1).output,
    ]
    for text in everything:
        assert not [sign for sign in signs if sign in text]
        assert "gone" in text and "TIM" in text
    assert "the import \\x9b2J, which only this folder has" in shown.stderr
    assert json.loads(lem("verify", "../other", "--format", "json", code=1).stdout)["not_compared"] == {
        "\x9b2J": "this folder"
    }


def test_a_broken_file_is_named_with_its_line(here, lem):
    text = (Path("..") / "other" / ANSWERS).read_text()
    (Path("..") / "other" / ANSWERS).write_text(text.replace('"chars": 24', '"chars": "many"'))
    shown = lem("verify", "../other", code=1)
    assert shown.stderr == (
        'Error: ../other/data/answers/sums/m.jsonl:2: Response.chars expected int, found "many"\n'
    )


def test_no_study_and_nothing_to_compare_are_one_line(here, lem, tmp_path):
    (tmp_path / "empty/data").mkdir(parents=True)
    assert "no study: expected params.yaml and data/" in lem("verify", tmp_path / "empty", code=1).stderr
    (tmp_path / "empty/params.yaml").touch()
    assert "no records to compare" in lem("verify", tmp_path / "empty", code=1).stderr
    shown = lem("verify", "v1.0", code=1)
    assert shown.stderr.startswith("Error: v1.0: ") and len(shown.stderr.splitlines()) == 1


def a_record(cls):
    """Return a record with every field filled."""
    made = {str: "x", int: 1, float: 1.0, bool: True}
    return cls(**{name: made[kind] for name, (kind, _) in fields(cls).items()})


@pytest.mark.parametrize("table", rules.RECORDS)
def test_no_field_of_any_record_may_differ_unseen(table):
    """A field that is added to a record is compared, too: times alone are let be, and named one by one."""
    record = a_record(rules.RECORDS[table])
    assert pairs.verdict(table, record, record, 0)[0] == "identical"
    for name, value in vars(record).items():
        other = {str: "y", int: 2, float: 2.0, bool: False}[type(value)]
        found, named = pairs.verdict(table, record, dataclasses.replace(record, **{name: other}), 1e-3)
        assert (found, named) == (
            ("other times" if name in pairs.CLOCK.get(table, ()) else "different"),
            (name,),
        )


def test_of_records_with_one_key_the_equal_ones_are_pairs():
    one, other = answer(1, "one"), answer(1, "other")
    found = [pair.verdict for pair in pairs.compared("responses", [one, other], [other, one], 0)]
    assert found == ["identical", "identical"]
    found = [pair.verdict for pair in pairs.compared("responses", [one, other], [other], 0)]
    assert sorted(found) == ["identical", "missing there"]


def test_a_key_with_nothing_but_words_is_a_line(here):
    found = tables.compare(places.here(), places.Place("other", Path("../other/data")), 0)
    assert found.wrong == []
    pair = pairs.Pair("items", ("own", "sums", "S 1\n"), "missing here")
    assert list(page.lines([pair])) == ["items sums S 1: missing here"]


# A revision, through git and DVC


@pytest.fixture(scope="module")
def committed(tmp_path_factory):
    """The little study as a git and DVC repository: answers and logs with DVC, one model record in git."""
    from dvc.repo import Repo

    folder = write(tmp_path_factory.mktemp("committed") / "study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        git("init", "-q", "-b", "main")
        with Repo.init() as repo, repo.config.edit() as config:
            config["core"]["remote"] = "store"
            config["remote"]["store"] = {"url": "store"}
        with Repo() as repo:
            repo.add(["data/answers/sums/m.jsonl", "data/logs", "data/scores"])
            repo.push()
        commit("first")
        git("tag", "first")
    return folder


def git(*words):
    subprocess.run(("git", *words), check=True, capture_output=True)


def commit(message):
    git("add", "-A")
    git("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", message)


@pytest.fixture
def repository(committed, tmp_path, monkeypatch):
    """A copy of it, which is also the working folder."""
    folder = shutil.copytree(committed, tmp_path / "study", symlinks=True)
    monkeypatch.chdir(folder)
    return folder


def objects(folder):
    return [file for file in Path(folder).glob("files/md5/*/*") if file.is_file()]


def test_by_default_the_reference_is_the_run_at_head(repository, lem):
    assert counts(told(lem)) == {"identical": 10}
    change(ANSWERS, Response, response="It is otherwise.", chars=16)
    change("data/baseline/m/model.json", Model, licence="MIT")
    shown = told(lem, code=1)
    assert shown["against"] == "HEAD"
    assert counts(shown) == {"identical": 8, "different": 2}
    assert shown["examples"][1] == 'models m: different in licence: "MIT" here, null there'


def test_what_the_cache_lacks_comes_from_the_remote(repository, lem):
    shutil.rmtree(".dvc/cache")
    assert counts(told(lem, "first")) == {"identical": 10}
    assert objects(".dvc/cache"), "kept for the next time"


def test_what_is_nowhere_is_an_error_and_not_missing(repository, lem):
    of_answers = next(file for file in objects("store") if b"Nobody knows" in file.read_bytes())
    shutil.rmtree(".dvc/cache")
    of_answers.unlink()
    shown = lem("verify", code=1)
    assert "HEAD: data/answers/sums/m.jsonl: neither the DVC cache nor the remote has it" in shown.stderr
    for listing in Path("store").rglob("*.dir"):
        listing.unlink()
    shutil.rmtree(".dvc/cache", ignore_errors=True)
    assert "neither the DVC cache nor the remote has it" in lem("verify", code=1).stderr


def test_a_flipped_bit_in_the_cache_is_seen(repository, lem):
    kept = next(file for file in objects(".dvc/cache") if b"Nobody knows" in file.read_bytes())
    kept.chmod(0o644)
    kept.write_bytes(kept.read_bytes().replace(b"Nobody knows", b"Nobodi knows"))
    shown = lem("verify", code=1)
    assert "HEAD:data/answers/sums/m.jsonl: its object in the DVC cache is damaged" in shown.stderr


def test_a_broken_file_of_a_revision_goes_by_its_own_name(repository, lem):
    Path("data/baseline/m/model.json").write_text("{\n")
    commit("broken")
    write_json(Path("data/baseline/m/model.json"), Model("m"))
    assert lem("verify", code=1).stderr.startswith("Error: HEAD:data/baseline/m/model.json: not a JSON file")
    assert counts(told(lem, "first")) == {"identical": 10}


def test_a_stage_that_has_never_run_has_no_records_there(repository, lem):
    out = "data/answers/sums/later.jsonl"
    Path("dvc.yaml").write_text(f"stages:\n  later:\n    cmd: touch {out}\n    outs: [{out}]\n")
    commit("a stage")
    assert counts(told(lem)) == {"identical": 10}


def test_an_unknown_revision_is_one_line(repository, lem):
    shown = lem("verify", "nowhere", code=1)
    assert shown.stderr == (
        "Error: nowhere: unknown Git revision 'nowhere'; "
        "expected a folder, or a revision of this git repository\n"
    )


# Answers asked again

CHOOSE = (
    "  choose: {file: seeds/benchmarks/choose.jsonl, id: null, prompt: question, "
    "correct: right, incorrect: wrong, score: multiple_choice}\n"
)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """A study with sampled answers, greedy ones after worked examples, chosen ones, and lm-eval's."""
    from click.testing import CliRunner

    from lem.cli import main

    folder = micro.study(tmp_path_factory.mktemp("asked") / "study")
    micro.tasks(folder)
    questions = [{"question": q, "right": ["Yes."], "wrong": ["No.", q]} for q in micro.QUESTIONS[:4]]
    (folder / "seeds/benchmarks/choose.jsonl").write_text("".join(json.dumps(q) + "\n" for q in questions))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shots = "cluster: cluster, shots: [{question: 'What is 1?', answer: '1'}]"
        replace("params.yaml", "cluster: cluster", shots)
        Path("params.yaml").write_text(Path("params.yaml").read_text() + CHOOSE)
        generate = ("generate", "--model", "micro", "--prompts")
        for words in (
            ("convert", "--model", "micro"),
            *(("items", "--benchmark", name) for name in ("sums", "choose")),
            (*generate, "validation", "--mode", "sandwich", "--temperature", "1.2", "--samples", "2"),
            *((*generate, name) for name in ("sums", "choose")),
            *(("task", "--task", task) for task in micro.TASKS),
            *(("lm-eval", "--model", "micro", "--task", task) for task in micro.TASKS),
        ):
            done = CliRunner().invoke(main, words)
            assert done.exit_code == 0, done.output
    return folder


@pytest.fixture
def ready(asked, tmp_path, monkeypatch):
    """A copy of that study, which is also the working folder."""
    folder = shutil.copytree(asked, tmp_path / "study")
    monkeypatch.chdir(folder)
    return folder


def replace(path, old, new):
    text = Path(path).read_text(encoding="utf-8")
    assert old in text
    Path(path).write_text(text.replace(old, new, 1), encoding="utf-8")


def again_told(lem, number, *words, code=0):
    return told(lem, "--no-compare", "--rerun", number, *words, code=code)["rerun"]


SAMPLED = Path("data/baseline/micro/validation-sandwich.jsonl")


def test_answers_asked_again_are_the_same_whatever_params_say_now(ready, lem):
    """Sampled, greedy after worked examples, weighed and lm-eval's own, all of them."""
    replace("params.yaml", "max_tokens: 12, temperature: 0.0", "max_tokens: 3, temperature: 0.5")
    replace("params.yaml", ", shots: [{question: 'What is 1?', answer: '1'}]", "")
    shown = again_told(lem, 999)
    assert shown["drawn"] == shown["of"] == 24 + 10 + 12 + 36 + 12
    assert shown["identical"] + shown["within_tolerance"] == shown["drawn"]
    written = [one for one in shown["items"] if one["prompts"] in ("validation", "sums", "tell")]
    assert {one["verdict"] for one in written} == {"identical"}
    assert shown["cannot"] == []


def test_a_draw_has_a_seed_and_takes_the_runs_in_turn(ready):
    keys = [[(a.prompts, a.seed_id, a.sample) for _, a in rerun.draw(5, seed).picks] for seed in (0, 0, 1)]
    assert keys[0] == keys[1] != keys[2]
    assert {prompts for prompts, _, _ in keys[0]} == {"validation", "sums", "choose", "pick", "tell"}
    assert len({a.seed_id for _, a in rerun.draw(999, 0).picks}) > 20


def test_answers_that_come_out_otherwise_are_told_with_the_token(ready, lem):
    rows = list(read_jsonl(SAMPLED, Response))
    write_jsonl(SAMPLED, [dataclasses.replace(row, response=f"So {row.response}") for row in rows])
    change("data/answers/choose/micro.jsonl", Response, logprob=0.0)
    items = again_told(lem, 999, code=1)["items"]
    apart = {one["nats_apart"] is None for one in items if one["verdict"] == "different"}
    assert apart == {True, False}, "texts differ in no nats"
    shown = lem("verify", "--no-compare", "--rerun", 999, code=1)
    assert shown.stdout.count("\tdifferent\tdiffers from token 0: ") == len(rows) == 24
    assert shown.stdout.count("nats apart") >= 1
    assert shown.stderr.splitlines()[-1] == "Error: 25 of 94 answers asked again are not as recorded"


def test_what_would_be_sent_otherwise_is_named_and_not_asked(ready, lem):
    replace("seeds/P01-P20.json", micro.QUESTIONS[0], "Something else?")
    shown = again_told(lem, 999, code=1)
    changed = [one for one in shown["items"] if one["verdict"] == "not as recorded"]
    assert {(one["seed_id"], one["detail"]) for one in changed} == {("P01_MICRO", "changed: prompt")}
    assert shown["not_as_recorded"] == len(changed) == 2
    replace("kernel/signature.txt", "axioms", "axiom")
    details = {
        one["detail"] for one in again_told(lem, 999, code=1)["items"] if one["prompts"] == "validation"
    }
    assert details == {"changed: prompt", "changed: kernel_sha"}


def test_other_weights_are_named(ready, lem):
    replace("data/models/micro/provenance.json", '"weights_sha": "', '"weights_sha": "0')
    shown = again_told(lem, 5, code=1)
    assert {one["detail"] for one in shown["items"]} == {"changed: weights_sha"}


def test_another_machine_is_said_and_no_failure(ready, lem):
    for file in Path("data/logs").glob("*.json"):
        change(file, Run, blas="accelerate")
    shown = again_told(lem, 3)
    assert all("other blas than recorded" in one["detail"] for one in shown["items"])


def test_what_cannot_be_asked_again_is_counted_with_the_reason(ready, lem):
    write_jsonl(layout.harmony_cell("micro", "choose") / "scores.jsonl", [score(1, 1.0), score(2, 0.0)])
    (layout.lm_eval("micro", "tell") / rerun.SAMPLES).unlink()
    replace("params.yaml", "  choose: {file", "  chosen: {file")
    cannot = {one["why"]: one["records"] for one in again_told(lem, 1)["cannot"]}
    assert cannot == {
        "train before test keeps scores, neither answers nor adapters": 2,
        "params.yaml no longer names the prompt set choose": 12,
        "data/benchmarks/lm-eval/micro/tell/samples.jsonl.bz2 is missing, which holds what lm-eval asked": 12,
    }
    with pytest.raises(LemError, match="no answers of this study's own"):
        rerun.draw(1, 0, only=("nobody",))


def test_a_model_is_loaded_once_for_all_its_runs(ready, monkeypatch):
    from lem import mlx_runtime

    loads, load = [], mlx_runtime.load
    monkeypatch.setattr(mlx_runtime, "load", lambda *a, **k: loads.append(a) or load(*a, **k))
    found = again.asked(rerun.draw(5, 0).picks, 1e-3)
    assert len(loads) == 1
    assert {one.verdict for one in found} <= set(outcomes.FINE)


def test_integrity_is_wired_and_fails_on_its_own(repository, lem):
    assert lem("verify", "--integrity", "--remote", "store").exit_code == 0
    assert "Nothing is damaged" in lem("verify", "--integrity", "--offline").stderr
    kept = objects("store")[0]
    kept.chmod(0o644)
    kept.write_bytes(b"?")
    shown = lem("verify", "--integrity", "--format", "json", code=1)
    assert len(json.loads(shown.stdout)["integrity"]) == 1
    assert "tables" not in json.loads(shown.stdout), "not compared unless asked"
    assert lem("verify", "--remote", "store", code=1).stderr.startswith("Error: --remote and --offline say")
    assert "no remote" in lem("verify", "--integrity", "--offline", "--remote", "store", code=1).stderr


def test_the_trial_of_a_clone_counts_and_fails_as_it_should(monkeypatch):
    monkeypatch.syspath_prepend(str(micro.REPOSITORY))
    from torture import clone

    none = dict.fromkeys(COUNTS, 0)
    tables = [{"table": "scores", "records": 9, **none}, {"table": "all", "records": 9, **none}]
    verdicts = {"identical": 1, "within_tolerance": 0, "different": 1, "not_as_recorded": 0}
    item = {"model": "m", "prompts": "p", "seed_id": "s", "verdict": "different"}
    again = {"drawn": 2, **verdicts, "items": [item | {"detail": "1 nats apart", "nats_apart": 1.0}]}
    told = {"tables": tables, "differing": [], "not_compared": {}, "rerun": again}
    told["differing"].append({"table": "scores", "fields": ["value"], "numbers": True, "records": 1})
    assert clone.otherwise(told) == [], "a number is a figure"
    assert clone.figures(told)["asked again, different"] == 1
    again["items"].append(item | {"detail": 'differs from token 2: "nats" recorded', "nats_apart": None})
    fields = ["value", "error"]
    told["differing"].append({"table": "scores", "fields": fields, "numbers": False, "records": 3})
    told["not_compared"]["theirs"] = "HEAD"
    for row in tables:
        row |= {"missing_here": 2, "missing_there": 1}
    assert clone.otherwise(told) == [
        "1 scores missing there",
        "2 scores missing here",
        "the import theirs: only HEAD has it",
        "3 scores differ from the reference in value, error",
        'm p s: differs from token 2: "nats" recorded',
    ]


def test_what_differs_is_counted_by_its_fields(here, lem):
    change("data/scores/sums/m.jsonl", Score, value=0.9)
    change("data/scores/sums/m.jsonl", Score, at=1, value=None)
    change("data/scores/sums/m.jsonl", Score, at=2, value=0.1, error="lost")
    assert told(lem, "../other", code=1)["differing"] == [
        {"table": "scores", "fields": ["value"], "numbers": True, "records": 1},
        {"table": "scores", "fields": ["value"], "numbers": False, "records": 1},
        {"table": "scores", "fields": ["value", "error"], "numbers": False, "records": 1},
    ]
