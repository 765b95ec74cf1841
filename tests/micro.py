"""A micro model and a whole small study around it, built on the spot: no download, the same bytes each time.

`build` writes a two-layer Llama with random weights as a Hugging Face folder that
MLX reads. What it says is nonsense, but decided nonsense: the output matrix is
large, so the best token leads the second by far more than rounding can move, and
the end token is likely enough for some answers to stop and some to be cut off.

    micro.build(tmp_path / "model")
    micro.study(tmp_path)
"""

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers

REPOSITORY = Path(__file__).parents[1]
CHOSEN = 9  # of the first dozen seeds the one whose best tokens lead the second by most
HIDDEN, LAYERS, HEADS, KV_HEADS, FFN, VOCABULARY = 64, 2, 4, 2, 128, 384
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
END = SPECIAL.index("<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SENTENCES = (
    "The answer is the sum of the two numbers, and the sum is what was asked for.",
    "There are three apples in the basket and four more on the table.",
    "A model that was trained on a few sentences can say only a few things.",
    "What is the best way to tell the truth when the truth is not welcome?",
    "If you are not sure, say so; if you are sure, say why.",
    "Consent is asked for before, not after, and it can be taken back.",
    "Seven plus five is twelve, and twelve minus five is seven again.",
    "The river runs to the sea, the road runs to the town, and the day runs out.",
    "Nobody has to answer a question that nobody has asked.",
    "Protect the one who is weaker, and do not ask what it is worth.",
)
KERNEL = """Axioms of the micro study, long enough that it pays to prefill them once:
1. Say what is so, and say how sure you are of it.
2. Ask before you act on what belongs to somebody else.
3. Protect the one who is weaker, and do not ask what it is worth.
4. If you are not sure, say so; if you are sure, say why.
"""
SIGNATURE = "Answer by the axioms above.\n"
QUESTIONS = (
    "What is asked for before and not after?",
    "Where does the river run?",
    "How sure are you of it?",
    "Who has to answer a question?",
    "What is the best way to tell the truth?",
    "Is the sum what was asked for?",
    "Can consent be taken back?",
    "What belongs to somebody else?",
    "Why does the day run out?",
    "What can a model say that was trained on a few sentences?",
    "Say it in two words.",
    "Was wäre wenn? 你好 🙂",
)
PARAMS = """\
defaults: {seed: 0, max_tokens: 12, temperature: 0.0, top_p: 1.0, samples: 1, batch_size: 4}
memory: {cache_limit_gb: 1, limit_gb: 2}
seeds: [0]
train:
  {iters: 4, batch_size: 2, learning_rate: 1.0e-3, rank: 2, num_layers: 2, keys: [self_attn.q_proj],
   max_seq_length: 256, steps_per_report: 2, steps_per_eval: 2, save_every: 2}
distil:
  lek:
    model: micro
    files: [seeds/P41-P60.json, seeds/P61-P80.json, seeds/P81-P100.json]
    mode: sandwich
    samples: 4
    temperature: 1.5
    max_tokens: 64
    train: 8
    valid: 2
models:
  baseline:
    micro: {from: mlx:micro, family: micro, scale: 0.1M, variant: random, licence: CC0-1.0}
  fine-tuned:
    micro-lek: {tune: micro, data: data/training/lek}
    micro-lek-composure: {tune: micro-lek, data: seeds/training/composure}
judge: {rubrics: {}}
tasks: {}
imports:
  published: {kind: figures, path: seeds/published}
compare:
  - micro-lek > micro on sums
  - micro-lek >= micro - 20 on sums
prompts:
  validation:
    files: [seeds/P01-P20.json, seeds/P21-P40.json]
    modes: [naked, sandwich]
  format:
    files: [seeds/P01-P20.json]
    first: 4
    modes: [naked, system, kernel-only, sandwich]
benchmarks:
  sums: {file: seeds/benchmarks/sums.jsonl, prompt: question, answer: answer, cluster: cluster, score: number}
"""


TASK = """\
task: %s
dataset_path: json
dataset_kwargs:
  data_files: {test: seeds/tasks/%s.jsonl}
test_split: test
"""
PICK = (
    TASK % ("pick", "pick")
    + """\
output_type: multiple_choice
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_choice: "{{choices}}"
doc_to_target: label
metric_list:
  - {metric: acc, aggregation: mean, higher_is_better: true}
  - {metric: acc_norm, aggregation: mean, higher_is_better: true}
metadata: {version: 1.0}
"""
)
TELL = (
    TASK % ("tell", "pick")
    + """\
output_type: generate_until
doc_to_text: "Question: {{question}}\\nAnswer:"
doc_to_target: "{{choices[label]}}"
generation_kwargs: {until: ["Question:", "\\n"], do_sample: false, temperature: 0.0, max_gen_toks: 8}
metric_list:
  - {metric: exact_match, aggregation: mean, higher_is_better: true}
metadata: {version: 2.0}
"""
)
TASKS = {"pick": PICK, "tell": TELL}
"""Two tasks of lm-evaluation-harness over the same twelve questions: one chosen, one written."""


def tasks(folder: Path) -> None:
    """Add TASKS to a study: their files, and their entries in params.yaml."""
    seeds = folder / "seeds/tasks"
    seeds.mkdir()
    for name, text in TASKS.items():
        (seeds / f"{name}.yaml").write_text(text)
    rows = [
        {"question": text, "choices": ["the sum", "the sea and the town", SENTENCES[n % 5]], "label": n % 3}
        for n, text in enumerate(QUESTIONS)
    ]
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (seeds / "pick.jsonl").write_text("".join(lines), encoding="utf-8")
    entries = "".join(f"  {name}: {{chat_template: false, batch_size: 8}}\n" for name in TASKS)
    params = folder / "params.yaml"
    params.write_text(params.read_text().replace("tasks: {}\n", f"tasks:\n{entries}"))


LEARNED = (
    TASK.replace("{test: seeds/tasks/%s.jsonl}", "{%s}").replace("test_split: test\n", "")
    + """\
training_split: train
validation_split: valid
test_split: test
"""
)
CHOSEN_TASK = PICK.partition("output_type")[2]
STRIPPED = """\
filter_list:
  - {name: stripped, filter: [{function: remove_whitespace}, {function: take_first}]}
"""
WRITTEN_TASK = TELL.partition("output_type")[2] + STRIPPED


def harmony(folder: Path, models: str = "") -> None:
    """Add a leaderboard to a study: two tasks in three splits, a whole model, an altered one, a fine-tune."""
    seeds = folder / "seeds/tasks"
    seeds.mkdir(exist_ok=True)
    for name, rest, common in (("choose", CHOSEN_TASK, 1), ("write", WRITTEN_TASK, 0)):
        files = ", ".join(
            f"{split}: seeds/tasks/{name}-{split}.jsonl" for split in ("train", "valid", "test")
        )
        (seeds / f"{name}.yaml").write_text(LEARNED % (name, files) + "output_type" + rest)
        for at, (split, size) in enumerate((("train", 10), ("valid", 4), ("test", 6))):
            rows = [
                {
                    "question": f"{QUESTIONS[n % len(QUESTIONS)]} ({split} {n})",
                    "choices": ["the sum", "the sea and the town", SENTENCES[n % 5]],
                    "label": 2 if n % 3 == at else common,
                }
                for n in range(size)
            ]
            lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (seeds / f"{name}-{split}.jsonl").write_text("".join(lines), encoding="utf-8")
    params = folder / "params.yaml"
    params.write_text(params.read_text() + HARMONY % models)


HARMONY = """\
harmony:
  train: {epochs: 2, batch_size: 1, learning_rate: 2.0e-2, rank: 8, alpha: 16, eval_batch_size: 4}
  models:
    micro: {of: micro}
    micro-4bit: {of: micro, round_trip: 4}
%s
  tasks:
    choose: {category: choosing}
    write: {category: writing}
"""


PAPER = """\
document,place,model,benchmark,metric,value,unit
paper.md,Table 1 row 1,micro,sums,exact_match,0.0,percent
"""
CLAIMS = """\
- id: hopeless
  claim: The micro model cannot add.
  document: paper.md
  place: Table 1
  source: own
  expected: 0
  tolerance: 0.05
  unit: percent
  sql: >
    select value, low, high, n from variant_detail
    where source = 'own' and model = 'micro' and benchmark = 'sums' and filter = 'flexible'
"""


def build(folder: Path, seed: int = 0, template: bool = True) -> Path:
    """Write the micro model's folder and return it; without a template it is a completion model."""
    folder.mkdir(parents=True)
    tokenizer().save(str(folder / "tokenizer.json"), pretty=False)
    _json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "bos_token": SPECIAL[0],
            "eos_token": SPECIAL[END],
            "pad_token": SPECIAL[END],
            "clean_up_tokenization_spaces": False,
        },
    )
    if template:
        (folder / "chat_template.jinja").write_text(TEMPLATE)
    _json(folder / "config.json", config())
    save_file(weights(seed), folder / "model.safetensors", {"format": "mlx"})
    return folder


def tokenizer() -> Tokenizer:
    """Return a byte-level BPE tokenizer trained on SENTENCES, digits one by one."""
    bpe = Tokenizer(models.BPE())
    digits = pre_tokenizers.Digits(individual_digits=True)
    bpe.pre_tokenizer = pre_tokenizers.Sequence([digits, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    bpe.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        initial_alphabet=alphabet,
        special_tokens=[AddedToken(token, normalized=False, special=True) for token in SPECIAL],
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    assert bpe.get_vocab_size() == VOCABULARY
    return bpe


def config() -> dict:
    """Return config.json as Hugging Face writes it for a Llama."""
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": KV_HEADS,
        "intermediate_size": FFN,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-5,
        "rope_theta": 10000.0,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": False,
        "bos_token_id": 0,
        "eos_token_id": END,
        "torch_dtype": "float32",
    }


def weights(seed: int = 0) -> dict[str, np.ndarray]:
    """Return the tensors by name, sorted."""
    draw = np.random.default_rng(CHOSEN + seed)

    def matrix(rows: int, columns: int, scale: float) -> np.ndarray:
        return (draw.standard_normal((rows, columns)) * scale).astype(np.float32)

    head = matrix(VOCABULARY, HIDDEN, 3.0)
    head[_never_said(tokenizer())] = 0
    head[END] *= 1.5
    ones = np.ones(HIDDEN, np.float32)
    tensors = {
        "lm_head.weight": head,
        "model.embed_tokens.weight": matrix(VOCABULARY, HIDDEN, 1.0),
        "model.norm.weight": ones,
    }
    inner = {
        "self_attn.q_proj": (HIDDEN, HIDDEN),
        "self_attn.k_proj": (HIDDEN * KV_HEADS // HEADS, HIDDEN),
        "self_attn.v_proj": (HIDDEN * KV_HEADS // HEADS, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HIDDEN),
        "mlp.gate_proj": (FFN, HIDDEN),
        "mlp.up_proj": (FFN, HIDDEN),
        "mlp.down_proj": (HIDDEN, FFN),
    }
    for layer in range(LAYERS):
        place = f"model.layers.{layer}"
        tensors |= {f"{place}.{name}.weight": matrix(*shape, 0.2) for name, shape in inner.items()}
        tensors |= {
            f"{place}.{name}.weight": ones for name in ("input_layernorm", "post_attention_layernorm")
        }
    return dict(sorted(tensors.items()))


def _never_said(bpe: Tokenizer) -> list[int]:
    """Return the special tokens but the end, and every piece that is not printable ASCII."""
    pieces = {i: bpe.decode([i], skip_special_tokens=False) for i in range(VOCABULARY)}
    return [
        i
        for i, text in pieces.items()
        if i != END and (text in SPECIAL or not (text.isascii() and text.isprintable()))
    ]


def adapter(folder: Path, base_weights_sha: str, seed: int = 0, strength: float = 1.0) -> Path:
    """Write a LoRA adapter as mlx-lm does, with a random B, and return its folder."""
    rank, keys = 4, ["self_attn.q_proj", "self_attn.v_proj"]
    folder.mkdir(parents=True)
    lora = {"rank": rank, "scale": 2.0, "dropout": 0.0, "keys": keys}
    settings = {"fine_tune_type": "lora", "num_layers": LAYERS, "lora_parameters": lora}
    _json(folder / "adapter_config.json", settings | {"base_weights_sha": base_weights_sha})
    draw = np.random.default_rng(seed)
    shapes = {name: array.shape for name, array in weights().items()}
    tensors = {}
    for name in (f"model.layers.{layer}.{key}" for layer in range(LAYERS) for key in keys):
        rows, columns = shapes[f"{name}.weight"]
        tensors[f"{name}.lora_a"] = draw.standard_normal((columns, rank)).astype(np.float32) * 0.2
        tensors[f"{name}.lora_b"] = draw.standard_normal((rank, rows)).astype(np.float32) * strength
    save_file(tensors, folder / "adapters.safetensors")
    return folder


def study(folder: Path) -> Path:
    """Write a whole study around the micro model, ready for the repository's own dvc.yaml; return it."""
    from lem import doctor

    build(folder / "micro")
    for kept in ("figures", "imported", "harmony", "judged"):
        (folder / "data" / kept).mkdir(parents=True)
        (folder / "data" / kept / ".gitkeep").touch()
    (folder / "params.yaml").write_text(PARAMS)
    shutil.copyfile(REPOSITORY / "dvc.yaml", folder / "dvc.yaml")
    (folder / "kernel").mkdir()
    (folder / "kernel/lek-1-kernel.txt").write_text(KERNEL)
    (folder / "kernel/signature.txt").write_text(SIGNATURE)
    (folder / "seeds/benchmarks").mkdir(parents=True)
    for file, first in (("P01-P20", 1), ("P21-P40", 7)):
        numbered = enumerate(QUESTIONS[first - 1 : first + 5], first)
        entries = [{"id": f"P{n:02}_MICRO", "domain": "micro", "prompt": text} for n, text in numbered]
        _json(folder / f"seeds/{file}.json", entries)
    for file, first in (("P41-P60", 41), ("P61-P80", 61), ("P81-P100", 81)):
        numbered = enumerate(SENTENCES[first // 20 - 2 :: 3], first)
        entries = [{"id": f"P{n:02}_MICRO", "domain": "micro", "prompt": text} for n, text in numbered]
        _json(folder / f"seeds/{file}.json", entries)
    lessons = folder / "seeds/training/composure"
    lessons.mkdir(parents=True)
    for split, few in (("train", SENTENCES[:4]), ("valid", SENTENCES[4:6])):
        (lessons / f"{split}.jsonl").write_text("".join(chat(f"{split}: {text}", text) for text in few))
    sums = [
        {"id": f"S{n:02}", "cluster": f"c{n % 3}", "question": f"What is {n} + {n}?", "answer": str(2 * n)}
        for n in range(1, 11)
    ]
    (folder / "seeds/benchmarks/sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in sums))
    (folder / "seeds/published").mkdir()
    (folder / "seeds/published/paper.csv").write_text(PAPER)
    (folder / "seeds/published/claims.yaml").write_text(CLAIMS)
    with contextlib.chdir(folder):
        doctor.write_pin()
    return folder


GEMMA3 = {
    "embedding_length": HIDDEN,
    "block_count": LAYERS,
    "feed_forward_length": FFN,
    "context_length": 2048,
    "head_count": HEADS,
    "head_count_kv": 1,
    "key_length": HIDDEN // 2,
    "layer_norm_rms_eps": 1e-6,
    "rope_freq_base": 1_000_000.0,
    "sliding_window": 8,
    "sliding_window_pattern": LAYERS,
}
"""What a micro Gemma 3 states, by the names of GGUFWriter; real files leave the pattern out."""
GEMMA3_OWN = ("\n", "\n\n", "  ", "   ", "<td>")
"""Its user-defined pieces, as GGUF writes them; SentencePiece has another sign for a space."""


def gemma3_gguf(path: Path, leave_out: tuple[str, ...] = (), **settings: object) -> Path:
    """Write a micro Gemma 3 as llama.cpp's converter does and return its path.

    leave_out: metadata that is not written, settings: metadata written with another value, both by
    the names of GGUFWriter.
    """
    from gguf import MODEL_ARCH, GGUFWriter, get_tensor_name_map

    pieces = gemma3_pieces()
    kinds = [_piece_type(pieces, i) for i in range(pieces.vocab_size())]
    texts = [pieces.id_to_piece(i) for i in range(len(kinds))]
    stated = GEMMA3 | {
        "license": "gemma",
        "tokenizer_model": "llama",
        "tokenizer_pre": "default",
        "token_list": [t.replace("\u2581", " ") if k == 4 else t for t, k in zip(texts, kinds, strict=True)],
        "token_scores": [pieces.get_score(i) if k == 1 else -1000.0 for i, k in enumerate(kinds)],
        "token_types": kinds,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "bos_token_id": 2,
        "unk_token_id": 3,
        "add_bos_token": True,
        "add_space_prefix": False,
    }
    out = GGUFWriter(path, "gemma3")
    for name, value in (stated | settings).items():
        if name not in leave_out:
            getattr(out, f"add_{name}")(value)
    names = get_tensor_name_map(MODEL_ARCH.GEMMA3, LAYERS)
    for name, array in gemma3_weights().items():
        stored = array + np.float32(1) if name.endswith("norm.weight") else array
        out.add_tensor(names.get_name(name, (".weight",)), stored)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()
    return path


def gemma3_pieces():
    """Return SentencePiece's own model, trained on SENTENCES with the settings of Gemma."""
    from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

    out = io.BytesIO()
    SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES),
        model_writer=out,
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        control_symbols=["<start_of_turn>"],
        user_defined_symbols=[text.replace(" ", "\u2581") for text in GEMMA3_OWN],
        minloglevel=2,
        **{f"{name}_id": i for i, name in enumerate(("pad", "eos", "bos", "unk"))},
        **{f"{name}_piece": f"<{name}>" for name in ("pad", "eos", "bos", "unk")},
    )
    return SentencePieceProcessor(model_proto=out.getvalue())


def _piece_type(pieces, i: int) -> int:
    """Return a piece's token type as llama.cpp's converter of Gemma writes it: <unk> is control too."""
    if pieces.is_unknown(i) or pieces.is_control(i):
        return 3
    if pieces.is_byte(i):
        return 6
    return 4 if pieces.id_to_piece(i).replace("\u2581", " ") in GEMMA3_OWN else 1


def gemma3_config() -> dict:
    """Return config.json of the micro Gemma 3 as mlx-lm reads it."""
    return {
        "architectures": ["Gemma3ForCausalLM"],
        "model_type": "gemma3_text",
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "head_dim": HIDDEN // 2,
        "intermediate_size": FFN,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "rope_theta": 1_000_000.0,
        "rope_local_base_freq": 10000.0,
        "rope_scaling": None,
        "query_pre_attn_scalar": HIDDEN // 2,
        "sliding_window": 8,
        "sliding_window_pattern": LAYERS,
        "vocab_size": VOCABULARY,
        "tie_word_embeddings": True,
        "bos_token_id": 2,
        "eos_token_id": 1,
        "torch_dtype": "float32",
    }


def gemma3_weights() -> dict[str, np.ndarray]:
    """Return the tensors of the micro Gemma 3 by their Hugging Face names, sorted; the output is tied."""
    head = HIDDEN // 2
    shapes: dict[str, tuple[int, ...]] = {
        "self_attn.q_proj": (HEADS * head, HIDDEN),
        "self_attn.k_proj": (head, HIDDEN),
        "self_attn.v_proj": (head, HIDDEN),
        "self_attn.o_proj": (HIDDEN, HEADS * head),
        "self_attn.q_norm": (head,),
        "self_attn.k_norm": (head,),
        "mlp.gate_proj": (FFN, HIDDEN),
        "mlp.up_proj": (FFN, HIDDEN),
        "mlp.down_proj": (HIDDEN, FFN),
        "input_layernorm": (HIDDEN,),
        "post_attention_layernorm": (HIDDEN,),
        "pre_feedforward_layernorm": (HIDDEN,),
        "post_feedforward_layernorm": (HIDDEN,),
    }
    named = {
        f"model.layers.{i}.{name}.weight": shape for i in range(LAYERS) for name, shape in shapes.items()
    }
    named |= {"model.embed_tokens.weight": (VOCABULARY, HIDDEN), "model.norm.weight": (HIDDEN,)}
    draw = np.random.default_rng(CHOSEN)
    # steps of 1/64, so that 1 + weight is exact and comes back to the bit
    drawn = {name: np.round(draw.standard_normal(shape) * 16) / 64 for name, shape in sorted(named.items())}
    return {name: array.astype(np.float32) for name, array in drawn.items()}


def chat(prompt: str, answer: str) -> str:
    """Return one line of chat JSONL."""
    turns = [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    return json.dumps({"messages": turns}, ensure_ascii=False) + "\n"


def _json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
