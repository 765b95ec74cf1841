"""The door to MLX: BLAS before it, limits before weights, answers that depend on nothing but their prompt."""

import json
import os
import platform
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

import micro
from lem import convert, mlx_runtime, sources
from lem.errors import LemError
from lem.mlx_runtime import SHORTEST_PREFIX, Sampling
from lem.prompts import Kernel, messages, render

KERNEL = Kernel(micro.KERNEL.strip(), micro.SIGNATURE.strip())
HOT = 15.0  # a temperature at which the micro model's answers differ; its logits are some 24 apart
GREEDY = Sampling(max_tokens=12)

x86_linux = pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="MKL is there on Linux x86_64 only"
)


def fresh(code, **env):
    """Return the completed run of a few lines in a new process."""
    head = "import sys\nfrom lem import mlx_runtime\nfrom lem.params import Memory\n"
    words = [sys.executable, "-c", head + code]
    done = subprocess.run(words, env=os.environ | env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done


MULTIPLY = """
used = mlx_runtime.blas()
mapped = lambda name: any(name in line for line in open("/proc/self/maps"))
assert "mlx.core" not in sys.modules and not mapped("libmlx"), "BLAS first"
mx = mlx_runtime.core()
mx.eval(mx.ones((256, 256)) @ mx.ones((256, 256)))
print(used, mapped("libmkl_rt"), mapped("libmkl_core"))
"""


@x86_linux
def test_matrix_products_go_through_mkl():
    """libmkl_rt is what we load; it maps libmkl_core itself when the first product reaches it."""
    used, version, loaded, working = fresh(MULTIPLY).stdout.split()
    assert (used, loaded, working) == ("mkl", "True", "True")
    assert version[0].isdigit()


@x86_linux
def test_stock_blas_on_request():
    assert fresh(MULTIPLY, LEM_BLAS="stock").stdout.split() == ["stock", "False", "False"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MLX has a fast BLAS")
def test_without_any_blas_it_says_so():
    code = (
        "import ctypes.util\nctypes.util.find_library = lambda name: None\nmlx_runtime._mkl = lambda: None\n"
    )
    done = fresh(code + "print(mlx_runtime.blas())")
    assert done.stdout == "stock\n"
    assert done.stderr.startswith("Warning: no optimised BLAS found") and done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MLX has a fast BLAS")
def test_too_late_is_an_error():
    code = "import mlx.core\ntry: mlx_runtime.blas()\nexcept RuntimeError as err: print('slow' in str(err))"
    assert fresh(code).stdout == "True\n"


def test_limits_are_set_before_the_weights_are_read_and_stay(micro_folder):
    code = f"""
from pathlib import Path
mx = mlx_runtime.core()
import mlx_lm.utils
real = mlx_lm.utils.load
def limits():
    old = mx.set_memory_limit(1), mx.set_cache_limit(1)
    mx.set_memory_limit(old[0]), mx.set_cache_limit(old[1])
    return [n / 2**20 for n in old]
def load(*args, **kwargs):
    print(limits())
    return real(*args, **kwargs)
mlx_lm.utils.load = load
loaded = mlx_runtime.load(Path({str(micro_folder)!r}), memory=Memory(cache_limit_gb=0.25, limit_gb=1.5))
print(limits())
list(mlx_runtime.generate(loaded, [[1, 2, 3]], mlx_runtime.Sampling(max_tokens=1)))
print(limits())
"""
    assert fresh(code).stdout.splitlines() == ["[1536.0, 256.0]"] * 3


@pytest.fixture(scope="module")
def loaded(micro_folder):
    return mlx_runtime.load(micro_folder)


def prompts(loaded, mode="naked", questions=micro.QUESTIONS, kernel=KERNEL):
    texts = (render(loaded.tokenizer, messages(mode, kernel, q)) for q in questions)
    return [mlx_runtime.encode(loaded.tokenizer, text) for text in texts]


def answers(loaded, asked, sampling=GREEDY, seeds=None):
    """Return [(text, tokens, finish_reason)] in the prompts' order."""
    done = {d.index: d for d in mlx_runtime.generate(loaded, asked, sampling, seeds)}
    assert sorted(done) == list(range(len(asked)))
    return [(done[i].text, done[i].tokens, done[i].finish_reason) for i in range(len(asked))]


def plainly(loaded, asked, most=12):
    """Return greedy answers by the shortest code there is: one prompt after the other, read whole."""
    from mlx_lm.models.cache import make_prompt_cache

    mx, out = mlx_runtime.core(), []
    for prompt in asked:
        cache, ids, reason = make_prompt_cache(loaded.model), [], "length"
        unread = prompt
        while len(ids) < most:
            token = int(mx.argmax(loaded.model(mx.array([unread]), cache=cache)[0, -1]))
            if token == micro.END:
                reason = "stop"
                break
            ids.append(token)
            unread = [token]
        out.append((loaded.tokenizer.decode(ids), len(ids), reason))
    return out


def test_the_micro_model_is_decided(loaded):
    """What the other tests rest on: no near-ties, no constant token, some answers stop and some do not."""
    mx, gaps, said = mlx_runtime.core(), [], set()
    asked = prompts(loaded) + prompts(loaded, "sandwich")
    for prompt, (text, _, _) in zip(asked, answers(loaded, asked), strict=True):
        ids = loaded.tokenizer.encode(text, add_special_tokens=False)
        logits = np.array(loaded.model(mx.array([prompt + ids]))[0, len(prompt) - 1 :])
        best = np.sort(logits)[:, -2:]
        gaps.append(float((best[:, 1] - best[:, 0]).min()))
        said |= set(ids)
    assert min(gaps) > 0.005, "rounding moves a logit by some 0.0001"
    assert len(said) > 50
    assert {reason for _, _, reason in answers(loaded, asked)} == {"stop", "length"}


def test_the_micro_model_is_the_same_bytes_each_time(tmp_path):
    first, second = micro.build(tmp_path / "a"), micro.build(tmp_path / "b")
    assert [p.read_bytes() for p in sorted(first.iterdir())] == [
        p.read_bytes() for p in sorted(second.iterdir())
    ]
    other = micro.build(tmp_path / "c", seed=1)
    assert (other / "model.safetensors").read_bytes() != (first / "model.safetensors").read_bytes()


@pytest.mark.parametrize("batch_size", [1, 2, 8])
@pytest.mark.parametrize("mode", ["naked", "sandwich"])
def test_greedy_text_is_the_same_in_any_batch(loaded, mode, batch_size):
    asked = prompts(loaded, mode)
    sampling = Sampling(max_tokens=12, batch_size=batch_size)
    assert answers(loaded, asked, sampling) == plainly(loaded, asked)


@pytest.mark.parametrize("repeats", [1, 3], ids=["short kernel", "kernel over two prefill steps"])
def test_a_shared_prefix_changes_nothing(loaded, monkeypatch, repeats):
    kernel = Kernel("\n".join([KERNEL.text] * repeats), KERNEL.signature)
    asked = prompts(loaded, "sandwich", micro.QUESTIONS[:7], kernel)
    prefix = mlx_runtime.shared_prefix(asked)
    assert prefix > (SHORTEST_PREFIX if repeats == 1 else mlx_runtime.PREFILL_STEP)
    sampling = Sampling(max_tokens=12, batch_size=5)
    with_prefix = answers(loaded, asked, sampling)
    monkeypatch.setattr(mlx_runtime, "shared_prefix", lambda prompts: 0)
    assert with_prefix == answers(loaded, asked, sampling) == plainly(loaded, asked)


def test_prompts_of_very_different_lengths(loaded):
    words = ["Yes.", " ".join(micro.SENTENCES * 4), "Why?", " ".join(micro.SENTENCES)]
    asked = prompts(loaded, questions=words)
    assert max(map(len, asked)) > 2 * mlx_runtime.PREFILL_STEP
    assert answers(loaded, asked) == plainly(loaded, asked)


def test_a_prompt_that_all_others_begin_with(loaded):
    """The shortest keeps one token of its own; so do prompts that are all the same."""
    (first,) = prompts(loaded, "kernel-only", questions=[micro.QUESTIONS[0]])
    asked = [first, [*first, 40, 41], first]
    assert mlx_runtime.shared_prefix(asked) == len(first) - 1
    assert answers(loaded, asked) == plainly(loaded, asked)


def test_text_holds_no_end_token_and_counts_are_right(loaded):
    for text, tokens, reason in answers(loaded, prompts(loaded)):
        assert "<|" not in text
        assert tokens == 12 if reason == "length" else tokens < 12


def test_an_end_on_the_last_token_is_an_end(loaded):
    asked = prompts(loaded)
    short = [(i, tokens) for i, (_, tokens, reason) in enumerate(answers(loaded, asked)) if reason == "stop"]
    for i, tokens in short:
        assert answers(loaded, [asked[i]], Sampling(max_tokens=tokens + 1))[0][2] == "stop"
        assert answers(loaded, [asked[i]], Sampling(max_tokens=tokens))[0][2] == "length"
    assert short


def test_several_end_tokens(micro_folder, tmp_path, loaded):
    """config.json may list more than one; the tokenizer knows only its own."""
    asked = prompts(loaded)
    text, tokens, reason = answers(loaded, asked[:1])[0]
    assert (tokens, reason) == (12, "length")
    ids = loaded.tokenizer.encode(text, add_special_tokens=False)
    folder = copy_of(micro_folder, tmp_path / "m", eos_token_id=[micro.END, ids[5]])
    text, tokens, reason = answers(mlx_runtime.load(folder), asked[:1])[0]
    assert (tokens, reason) == (ids.index(ids[5]), "stop")


def copy_of(folder, to, **config):
    to.mkdir()
    for file in folder.iterdir():
        (to / file.name).write_bytes(file.read_bytes())
    changed = json.loads((to / "config.json").read_text()) | config
    (to / "config.json").write_text(json.dumps(changed))
    return to


def test_batches_are_taken_in_order_and_timed(loaded):
    asked = prompts(loaded)[:7]
    done = list(mlx_runtime.generate(loaded, asked, Sampling(max_tokens=12, batch_size=3)))
    assert sorted(d.index for d in done[:3]) == [0, 1, 2]
    assert sorted(d.index for d in done[3:6]) == [3, 4, 5]
    assert [d.batch_size for d in sorted(done, key=lambda d: d.index)] == [3, 3, 3, 3, 3, 3, 1]
    for batch in (done[:3], done[3:6], done[6:]):
        times = [d.gen_time for d in batch]
        assert times == sorted(times) and times[0] > 0


TOKENS = st.lists(st.integers(0, 1), min_size=1, max_size=6)


@given(st.lists(st.integers(0, 9), min_size=28, max_size=40), st.lists(TOKENS, min_size=1, max_size=5))
@example([0] * 40, [[1, 0], [0, 0], [1, 0]])
def test_shared_prefix(common, tails):
    asked = [common + tail for tail in tails]
    length = mlx_runtime.shared_prefix(asked)
    longest = max(n for n in range(min(map(len, asked))) if all(p[:n] == asked[0][:n] for p in asked))
    assert length == (longest if longest >= SHORTEST_PREFIX and len(asked) > 1 else 0)
    assert all(len(p) > length for p in asked)


def hot(batch_size=32, **settings):
    return Sampling(max_tokens=12, temperature=HOT, batch_size=batch_size, **settings)


@pytest.mark.parametrize("top_p", [1.0, 0.8])
def test_the_same_seed_draws_the_same_in_any_batch(loaded, top_p):
    asked = prompts(loaded, "sandwich")
    seeds = [2**62 + i for i in range(len(asked))]
    whole = answers(loaded, asked, hot(top_p=top_p), seeds)
    for batch_size in (1, 2, 8):
        assert answers(loaded, asked, hot(batch_size, top_p=top_p), seeds) == whole
    backwards = answers(loaded, asked[::-1], hot(5, top_p=top_p), seeds[::-1])
    assert backwards[::-1] == whole
    assert answers(loaded, asked[3:4], hot(top_p=top_p), seeds[3:4]) == whole[3:4]


def test_another_seed_draws_otherwise(loaded):
    asked = prompts(loaded)[:1] * 8
    drawn = answers(loaded, asked, hot(), list(range(8)))
    assert len(set(drawn)) == 8
    assert answers(loaded, asked, hot(), [5] * 8) == drawn[5:6] * 8


def test_top_p_near_zero_is_greedy(loaded):
    asked = prompts(loaded)
    assert answers(loaded, asked, hot(top_p=1e-9), list(range(len(asked)))) == answers(loaded, asked)


def test_draws_follow_the_models_own_probabilities(loaded):
    """First tokens of 600 draws against softmax(logits / temperature); chi-squared over the likely ones."""
    mx, draws = mlx_runtime.core(), 600
    prompt = prompts(loaded)[0]
    logits = np.array(loaded.model(mx.array([prompt]))[0, -1], np.float64) / HOT
    chance = np.exp(logits - logits.max())
    chance /= chance.sum()
    sampling = Sampling(max_tokens=1, temperature=HOT, batch_size=200)
    done = answers(loaded, [prompt] * draws, sampling, list(range(draws)))
    pieces = [loaded.tokenizer.decode([i]) for i in range(len(chance))]
    likely = [i for i in np.argsort(-chance)[:8] if pieces.count(pieces[i]) == 1 and i != micro.END]
    expected = draws * chance[likely]
    counted = np.array([sum(text == pieces[i] for text, _, _ in done) for i in likely])
    assert expected.min() > 10
    assert ((counted - expected) ** 2 / expected).sum() < 30  # 8 degrees of freedom: p < 0.0003


def test_a_temperature_needs_seeds(loaded):
    with pytest.raises(ValueError, match="needs a seed a prompt"):
        answers(loaded, prompts(loaded), hot())


def test_nothing_to_ask(loaded):
    assert list(mlx_runtime.generate(loaded, [], GREEDY)) == []


@pytest.fixture
def base(micro_folder, tmp_path):
    """The micro model as `lem convert` leaves it, with provenance."""
    convert.convert(sources.resolve(str(micro_folder)), tmp_path / "base")
    return tmp_path / "base"


def test_an_adapter_changes_what_the_base_says(base, tmp_path):
    sha = convert.weights_sha(base)
    plain, idle, tuned = (
        mlx_runtime.load(base, adapter)
        for adapter in (
            None,
            micro.adapter(tmp_path / "idle", sha, strength=0),
            micro.adapter(tmp_path / "tuned", sha),
        )
    )
    asked = prompts(plain, "sandwich")
    assert answers(idle, asked) == answers(plain, asked)
    assert sum(a != b for a, b in zip(answers(tuned, asked), answers(plain, asked), strict=True)) > 6


def test_base_and_adapter_say_what_the_merged_weights_say(base, tmp_path, micro_folder):
    adapter = micro.adapter(tmp_path / "tuned", convert.weights_sha(base))
    merged, parts = load_file(base / "model.safetensors"), load_file(adapter / "adapters.safetensors")
    scale = json.loads((adapter / "adapter_config.json").read_text())["lora_parameters"]["scale"]
    for name in {part.rpartition(".")[0] for part in parts}:
        merged[f"{name}.weight"] += scale * (parts[f"{name}.lora_a"] @ parts[f"{name}.lora_b"]).T
    folder = copy_of(micro_folder, tmp_path / "merged")
    save_file(merged, folder / "model.safetensors", {"format": "mlx"})
    tuned, fused = mlx_runtime.load(base, adapter), mlx_runtime.load(folder)
    asked = prompts(tuned)
    assert answers(tuned, asked) == answers(fused, asked)


def test_an_adapter_of_other_weights_is_refused(base, tmp_path):
    adapter = micro.adapter(tmp_path / "a", "0" * 64)
    with pytest.raises(
        LemError, match=f"trained on weights {'0' * 12}, but .* holds {convert.weights_sha(base)[:12]}"
    ):
        mlx_runtime.load(base, adapter)


def test_an_adapter_of_another_shape_is_refused(base, tmp_path):
    adapter = micro.adapter(tmp_path / "a", convert.weights_sha(base))
    file = adapter / "adapters.safetensors"
    save_file({name.replace("v_proj", "o_proj"): array for name, array in load_file(file).items()}, file)
    with pytest.raises(LemError, match=r"mlx-lm cannot load it: .*o_proj") as caught:
        mlx_runtime.load(base, adapter)
    assert "\n" not in caught.value.message


def test_missing_folders_name_the_stage_that_writes_them(base, tmp_path):
    with pytest.raises(LemError, match=r"none/config\.json: no such file; it is written by: lem convert"):
        mlx_runtime.load(tmp_path / "none")
    with pytest.raises(
        LemError, match=r"none/adapters\.safetensors: no such file; it is written by: lem train"
    ):
        mlx_runtime.load(base, tmp_path / "none")


def test_an_architecture_that_mlx_lm_lacks(micro_folder, tmp_path):
    folder = copy_of(micro_folder, tmp_path / "m", model_type="perceptron")
    with pytest.raises(LemError, match="mlx-lm cannot load it: Model type perceptron not supported"):
        mlx_runtime.load(folder)


def test_a_completion_model_is_sent_plain_text(tmp_path):
    completing = mlx_runtime.load(micro.build(tmp_path / "m", template=False))
    text = render(completing.tokenizer, messages("sandwich", KERNEL, "Why?"))
    assert text == f"{KERNEL.text}\n\nWhy?\n\n{KERNEL.signature}\n\n"
    ids = mlx_runtime.encode(completing.tokenizer, text)
    assert ids == micro.tokenizer().encode(text).ids
    assert answers(completing, [ids]) == plainly(completing, [ids])


def test_a_chat_prompt_is_encoded_as_rendered(loaded):
    text = render(loaded.tokenizer, messages("naked", None, "Why?"))
    ids = mlx_runtime.encode(loaded.tokenizer, text)
    assert text == "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    assert ids.count(micro.SPECIAL.index("<|im_start|>")) == 2
    assert micro.tokenizer().decode(ids, skip_special_tokens=False) == text


def test_device_and_blas_are_stated(loaded):
    assert loaded.device in ("cpu", "metal", "cuda")
    assert loaded.blas == mlx_runtime.blas()


def test_paths_may_be_relative(micro_folder, monkeypatch):
    monkeypatch.chdir(micro_folder.parent)
    assert mlx_runtime.load(Path(micro_folder.name)).model
