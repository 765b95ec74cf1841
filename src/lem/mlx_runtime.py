"""The only door to MLX: optimised BLAS, memory limits, seeds, load base + adapter, generate.

On a Linux CPU the MLX wheel comes with the reference BLAS; an optimised CBLAS
loaded into the global symbol scope before MLX makes matrix products some
twenty times faster. Metal, CUDA or CPU is MLX's own choice.

    loaded = mlx_runtime.load(Path("data/models/smollm2-135m"), memory=Memory())
    for done in mlx_runtime.generate(loaded, prompts, Sampling(max_tokens=64)):
        print(done.index, done.text)
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import itertools
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files, version
from pathlib import Path
from typing import Any

from lem import adapters
from lem.errors import LemError
from lem.params import Memory
from lem.sources import refuse_code

SHORTEST_PREFIX = 32  # tokens; below it a shared prefill costs more than it saves
CLEAR_EVERY = 16  # steps; buffers grow with each step and shrink with the batch: old ones are of no use
PREFILL_STEP = 256  # tokens; larger steps compute more of the masked half of attention


@dataclass(frozen=True)
class Loaded:
    """A model ready to be asked, and what it runs on."""

    model: Any
    tokenizer: Any
    device: str
    blas: str


@dataclass(frozen=True)
class Sampling:
    """How answers are drawn; temperature 0 is greedy and needs no seed."""

    max_tokens: int = 224
    temperature: float = 0.0
    top_p: float = 1.0
    batch_size: int = 32
    until: tuple[str, ...] = ()  # texts that end an answer, as the end token does


@dataclass(frozen=True)
class Finished:
    """One finished sequence: position of its prompt, text, tokens, seconds since its batch began."""

    index: int
    text: str
    tokens: int
    finish_reason: str
    gen_time: float
    batch_size: int


@functools.cache
def blas() -> str:
    """Load an optimised CBLAS where MLX lacks one and return its name; warn where there is none.

    LEM_BLAS=stock leaves MLX as shipped (to measure the difference).
    """
    if sys.platform != "linux":
        return "accelerate" if sys.platform == "darwin" else "stock"
    if os.environ.get("LEM_BLAS") == "stock":
        return "stock"
    if "mlx.core" in sys.modules:
        raise RuntimeError("mlx.core was imported before lem.mlx_runtime.blas(); it keeps the slow BLAS")
    for name, library in (("mkl", _mkl()), ("openblas", ctypes.util.find_library("openblas"))):
        if library:
            os.environ.setdefault("MKL_CBWR", "AUTO,STRICT")  # same bytes whatever the memory alignment
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
            return f"{name} {version('mkl')}" if name == "mkl" else name
    print(
        "Warning: no optimised BLAS found, generation will be 3 to 10 times slower; "
        "install OpenBLAS (Debian: libopenblas0)",
        file=sys.stderr,
    )
    return "stock"


def _mkl() -> str | None:
    try:
        found = [f for f in files("mkl") or [] if f.name.startswith("libmkl_rt.so")]
    except PackageNotFoundError:
        return None
    return str(Path(str(found[0].locate())).resolve()) if found else None


@functools.cache
def core() -> Any:  # noqa: ANN401 (a module)
    """Return mlx.core, imported after BLAS; nothing else here imports it first."""
    blas()
    if sys.platform == "linux" and os.environ.get("LEM_BLAS") != "stock":
        os.environ.setdefault("MLX_DISABLE_COMPILE", "1")  # compiling calls g++ and gains nothing on a CPU
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import mlx.core as mx

    return mx


def mlx(memory: Memory) -> Any:  # noqa: ANN401 (a module)
    """Return mlx.core with its memory limits set."""
    mx = core()
    mx.set_cache_limit(int(memory.cache_limit_gb * 2**30))
    mx.set_memory_limit(int(memory.limit_gb * 2**30))
    return mx


def device(memory: Memory) -> str:
    """Return what MLX computes on: 'cpu', 'metal' or 'cuda'."""
    mx = mlx(memory)
    if "cpu" in str(mx.default_device()):
        return "cpu"
    return "metal" if mx.metal.is_available() else "cuda"


def load(folder: Path, adapter: Path | None = None, memory: Memory | None = None) -> Loaded:
    """Return a model with its tokenizer, with an adapter applied where one is given.

    Memory limits are set before the weights are read. Raises LemError when a
    folder is missing, the adapter was trained on other weights, or mlx-lm
    knows no such model.
    """
    memory = memory or Memory()
    mlx(memory)
    _must_exist(folder, "config.json", "lem convert")
    refuse_code(folder, str(folder))
    if adapter:
        _must_exist(adapter, adapters.WEIGHTS, "lem train")
        adapters.must_fit(adapter, folder)
    from mlx_lm.utils import load as mlx_load

    try:
        model, _ = mlx_load(str(folder), adapter_path=str(adapter) if adapter else None)
    except (
        Exception
    ) as err:  # no such architecture, a torn file, none: a stranger's folder may raise anything
        raise LemError(f"{adapter or folder}: mlx-lm cannot load it: {_line(err)}") from err
    return Loaded(model, load_tokenizer(folder), device(memory), blas())


def load_tokenizer(folder: Path) -> Any:  # noqa: ANN401 (mlx_lm's TokenizerWrapper)
    """Return the tokenizer of a model folder without its weights."""
    _must_exist(folder, "config.json", "lem convert")
    refuse_code(folder, str(folder))
    core()
    from mlx_lm.utils import load_tokenizer as mlx_load_tokenizer

    try:
        eos = json.loads((folder / "config.json").read_text()).get("eos_token_id")
        return mlx_load_tokenizer(folder, eos_token_ids=eos)
    except Exception as err:  # a stranger's tokenizer may raise anything
        raise LemError(f"{folder}: its tokenizer cannot be loaded: {_line(err)}") from err


def _line(err: Exception) -> str:
    said = " ".join(str(err).split())[:300]
    return said if isinstance(err, ValueError | RuntimeError | OSError) else f"{type(err).__name__}: {said}"


def _must_exist(folder: Path, file: str, stage: str) -> None:
    if not (folder / file).is_file():
        raise LemError(f"{folder}/{file}: no such file; it is written by: {stage} (or dvc repro)")


def encode(tokenizer: Any, text: str) -> list[int]:  # noqa: ANN401
    """Return the token ids of a rendered prompt; a template's text carries its own special tokens."""
    templated = tokenizer.chat_template is not None
    return list(tokenizer.encode(text, add_special_tokens=not templated))


def generate(
    loaded: Loaded,
    prompts: Sequence[list[int]],
    sampling: Sampling,
    seeds: Sequence[int] | None = None,
    on_tokens: Callable[[int], object] = lambda count: None,
) -> Iterator[Finished]:
    """Yield each answer as it finishes.

    prompts: token ids, one list a prompt, taken in batches of sampling.batch_size
    in the order given. What all of them begin with is prefilled once. With a
    temperature each prompt draws from its own seed, so an answer depends
    neither on its batch nor on what was asked before. on_tokens hears how many
    tokens each step made, for a progress bar.
    """
    mx = core()
    prefix = shared_prefix(prompts)
    cache = prefilled(loaded.model, prompts[0][:prefix]) if prefix else None
    for start in range(0, len(prompts), sampling.batch_size):
        stop = min(start + sampling.batch_size, len(prompts))
        rest = [prompt[prefix:] for prompt in prompts[start:stop]]
        samplers = _samplers(mx, sampling, seeds[start:stop] if seeds else None)
        for done in _batch(loaded, rest, cache, sampling, samplers, on_tokens):
            yield Finished(start + done[0], *done[1:], batch_size=stop - start)


def shared_prefix(prompts: Sequence[list[int]]) -> int:
    """Return how many leading tokens all prompts share, leaving each at least one of its own."""
    if len(prompts) < 2:
        return 0
    low, high = min(prompts), max(prompts)
    limit = min(len(prompt) for prompt in prompts) - 1
    length = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), limit)
    length = min(length, limit)
    return length if length >= SHORTEST_PREFIX else 0


def prefilled(model: Any, tokens: list[int]) -> list[Any]:  # noqa: ANN401
    """Return the cache of a model, a layer each, that has read some tokens."""
    from mlx_lm.models.cache import make_prompt_cache

    mx = core()
    cache: list[Any] = make_prompt_cache(model)
    for start in range(0, len(tokens), PREFILL_STEP):
        model(mx.array([tokens[start : start + PREFILL_STEP]]), cache=cache)
        mx.eval([c.state for c in cache])
    return cache


def _samplers(mx: Any, sampling: Sampling, seeds: Sequence[int] | None) -> list[Any] | None:  # noqa: ANN401
    if sampling.temperature == 0:
        return None
    if seeds is None:
        raise ValueError("sampling at a temperature needs a seed a prompt")
    return [_seeded_sampler(mx, sampling, seed) for seed in seeds]


def _seeded_sampler(mx: Any, sampling: Sampling, seed: int) -> Any:  # noqa: ANN401
    """Return a sampler with a random state of its own: the same draws in any batch."""
    from mlx_lm.sample_utils import apply_top_p

    state = [mx.random.key(seed)]

    def sample(logprobs: Any) -> Any:  # noqa: ANN401
        state[0], key = mx.random.split(state[0])
        if sampling.top_p < 1:
            logprobs = apply_top_p(logprobs, sampling.top_p)
        return mx.random.categorical(logprobs / sampling.temperature, key=key)

    return sample


def _said(tokenizer: Any, ids: list[int], until: Sequence[str]) -> bool:  # noqa: ANN401
    """Return whether the last tokens hold the text that ends an answer."""
    return any(text in tokenizer.decode(ids[-len(text) - 1 :]) for text in until)


def _before(text: str, until: Sequence[str]) -> str:
    """Return a text up to the first of those that end it."""
    return text[: min((at for end in until if (at := text.find(end)) >= 0), default=len(text))]


def _batch(
    loaded: Loaded,
    prompts: list[list[int]],
    cache: list[Any] | None,
    sampling: Sampling,
    samplers: list[Any] | None,
    on_tokens: Callable[[int], object],
) -> Iterator[tuple[int, str, int, str, float]]:
    """Yield (position in the batch, text, tokens, finish_reason, seconds) as sequences end."""
    from mlx_lm.generate import BatchGenerator

    generator = BatchGenerator(
        loaded.model,
        stop_tokens=[[token] for token in loaded.tokenizer.eos_token_ids],
        completion_batch_size=len(prompts),
        prefill_batch_size=len(prompts),
        prefill_step_size=PREFILL_STEP,
    )
    began = time.perf_counter()
    uids = generator.insert(
        prompts,
        [sampling.max_tokens] * len(prompts),
        caches=[cache] * len(prompts) if cache else None,  # merged into the batch's own, never written
        samplers=samplers,
    )
    tokens: dict[int, list[int]] = {uid: [] for uid in uids}
    try:
        for step in itertools.count(1):
            if not (responses := generator.next_generated()):
                break
            if step % CLEAR_EVERY == 0 or any(response.finish_reason for response in responses):
                core().clear_cache()
            on_tokens(len(responses))
            for response in responses:
                if response.finish_reason != "stop":
                    tokens[response.uid].append(response.token)
                ids, reason = tokens[response.uid], response.finish_reason
                if reason != "stop" and _said(loaded.tokenizer, ids, sampling.until):
                    if not reason:
                        generator.remove([response.uid])
                    reason = "stop"
                if reason:
                    text = loaded.tokenizer.decode(ids)
                    yield (
                        uids.index(response.uid),
                        _before(text, sampling.until),
                        len(ids),
                        reason,
                        time.perf_counter() - began,
                    )
    finally:
        generator.close()
