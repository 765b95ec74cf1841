"""The hostile files of `torture.files`: what is laid where, and the commands that read it.

len(cases())       # some 300

The same two dozen contents are laid at every door; the rest is aimed at one: names that are paths,
code in model folders, weights with wild headers, templates that break out or never end.
"""

from __future__ import annotations

import gzip
import io
import json
import pickle
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass

CANARY = "xyzzy-4471"
TIME = "2025-01-01T00-00-00.000000"


@dataclass(frozen=True)
class Laid:
    """One thing in a case's folder: its path, its content or where it leads, and what it is."""

    path: str
    content: bytes = b""
    kind: str = "file"  # file | link | pipe | folder


@dataclass(frozen=True)
class Case:
    """What is laid, and the commands that read it, in order."""

    name: str
    laid: tuple[Laid, ...]
    commands: tuple[tuple[str, ...], ...]


class _Runs:
    """A pickle that runs code where it is loaded."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (eval, ("__import__('pathlib').Path('ran').touch()",))


PICKLE = pickle.dumps(_Runs())
LAUGHS = "a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 8)}]\n" for n in range(1, 12)
)
OBJECT = "a: !!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path [ran]]\n"


def _zip() -> bytes:
    with zipfile.ZipFile(out := io.BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../outside/new", b"0" * 5_000_000)
    return out.getvalue()


CONTENTS: dict[str, Laid] = {
    "nothing": Laid(""),
    "NUL bytes": Laid("", b"\0" * 100_000),
    "bytes of all kinds": Laid("", bytes(range(256)) * 400),
    "a pickle": Laid("", PICKLE),
    "a gzip bomb": Laid("", gzip.compress(b"0" * 20_000_000)),
    "a zip bomb": Laid("", _zip()),
    "lists without end": Laid("", b"[" * 200_000),
    "objects without end": Laid("", b'{"a":' * 100_000),
    "deep but closed": Laid("", b"[" * 50_000 + b"]" * 50_000),
    "a giant number": Laid("", b'{"prompt": 1' + b"0" * 20_000 + b', "response": 1e999999}'),
    "not a number": Laid("", b'{"prompt": NaN, "response": -Infinity, "id": Infinity}'),
    "UTF-16": Laid("", '{"prompt": "a", "response": "b"}'.encode("utf-16")),
    "half a surrogate": Laid("", b'{"prompt": "\\ud800", "response": "\\udfff", "id": "\\ud800"}'),
    "a long line": Laid("", b'{"prompt": "' + b"x" * 8_000_000 + b'", "response": "y"}'),
    "laughs": Laid("", LAUGHS.encode()),
    "a YAML object": Laid("", OBJECT.encode()),
    "escape sequences": Laid("", '\x1b[2J\x1b]0;t\x07\u202e{"\x1b[31m": 1}\n'.encode()),
    "a quarrel": Laid("", b'{"prompt": {"a": []}, "prompt": [[]], "response": true, "id": {}}'),
    "a link to a secret": Laid("", b"{outside}/canary.csv", "link"),
    "a link to zeros": Laid("", b"/dev/zero", "link"),
    "a link to itself": Laid("", b"link", "link"),
    "a pipe": Laid("", kind="pipe"),
    "a folder": Laid("", kind="folder"),
}


@dataclass(frozen=True)
class Door:
    """Where a content is laid, and what reads it; `also` makes the rest of it whole."""

    name: str
    path: str
    commands: tuple[tuple[str, ...], ...]
    also: tuple[Laid, ...] = ()


def _ingest(kind: str, *more: str) -> tuple[tuple[str, ...], ...]:
    return (("ingest", kind, "{root}/dump", "--as", "theirs", *more),)


FIELDS = ("--map", "prompt=prompt,response=response", "--model", "m")
CONVERT = (("convert", "--model", "micro"),)
ASK = (*CONVERT, ("generate", "--model", "micro", "--prompts", "format", "--mode", "naked"))
SUMS = "{file: seeds/benchmarks/sums.jsonl, prompt: question"
DOORS = (
    Door("jsonl", "dump/a.jsonl", _ingest("jsonl", *FIELDS)),
    Door("lm-eval results", f"dump/results_{TIME}.json", _ingest("lm-eval")),
    Door("lm-eval samples", f"dump/samples_task_{TIME}.jsonl", _ingest("lm-eval")),
    Door("lm-harmony JSON", "dump/scores.json", _ingest("lm-harmony")),
    Door("lm-harmony Markdown", "dump/README.md", _ingest("lm-harmony")),
    Door("lem-standard", "dump/results/gsm8k_base.jsonl", _ingest("lem-standard")),
    Door("lem-validation", "dump/benchmarks/gsm8k-base.json", _ingest("lem-validation")),
    Door("figures", "dump/paper.csv", _ingest("figures")),
    Door("a study", "dump/data/answers/sums/m.jsonl", _ingest("study"), (Laid("dump/params.yaml", b"{}"),)),
    Door("auto", "dump/a.json", _ingest("auto")),
    Door("items", "study/seeds/benchmarks/sums.jsonl", (("items", "--benchmark", "sums"),)),
    Door("claims", "study/claims.yaml", (("claims", "claims.yaml"),)),
    Door("params.yaml", "study/params.yaml", (("items", "--benchmark", "sums"),)),
    Door("a task", "study/seeds/tasks/own.yaml", (("task", "--task", "own"),)),
    *(
        Door(f"a model's {name}", f"study/micro/{name}", commands)
        for name, commands in (
            ("config.json", CONVERT),
            ("tokenizer_config.json", ASK),
            ("tokenizer.json", ASK),
            ("model.safetensors", CONVERT),
            ("README.md", CONVERT),
            ("provenance.json", CONVERT),
        )
    ),
)
NAMES = (
    "../../outside/new",
    "/tmp/new",
    "a/b",
    ".hidden",
    "..",
    "x\0y",
    "\x1b[31mred",
    "\u202eevil",
    "n\nm",
    "",
)
TEMPLATES = {
    "a class of its own": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "globals": "{{ cycler.__init__.__globals__.os.system('touch {outside}/ran') }}",
    "globals of a filter": "{{ self._TemplateReference__context['raise_exception'].__globals__ }}",
    "attr": "{{ ''|attr('__class__') }}",
    "format": "{{ '{0.__class__.__init__.__globals__}'.format(messages) }}",
    "include": "{% include '{outside}/canary.csv' %}",
    "import": "{% import '/etc/passwd' as p %}{{ p }}",
    "an endless loop": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "a larger range": "{% for a in range(999999999999) %}{% endfor %}",
    "recursion": "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "a change of the messages": "{{ messages.append('x') }}",
    "no template": "{% for",
    "division": "{{ 1 // 0 }}",
    "a giant": "{{ 'x' * 99999999999999 }}",
    "a power": "{{ 9 ** 9 ** 9 }}",
}


def cases() -> list[Case]:
    """Return every case."""
    return [*_everywhere(), *_named(), *_models(), *_weights(), *_templates(), *_of_yaml(), *_of_claims()]


def _everywhere() -> Iterator[Case]:
    for door in DOORS:
        for name, laid in CONTENTS.items():
            if door.name == "params.yaml" and "secret" in name:
                continue  # a study's own settings may be quoted
            there = Laid(door.path, laid.content, laid.kind)
            extra = (
                (Laid("study/params.yaml", _params("own: {chat_template: false}")),)
                if "task" in door.name
                else ()
            )
            yield Case(f"{door.name}: {name}", (there, *door.also, *extra), door.commands)


def _params(tasks: str) -> bytes:
    import micro

    return micro.PARAMS.replace("tasks: {}", f"tasks: {{{tasks}}}").encode()


def _named() -> Iterator[Case]:
    """Names that are paths, escapes or nothing, in rows and as names of files."""
    for name in NAMES:
        shown = repr(name)
        for field in ("model", "prompts", "id"):
            row = {"prompt": "p", "response": "r", "model": "m", field: name}
            words = ("--map", "prompt=prompt,response=response,model=model")
            yield Case(
                f"jsonl {field} {shown}", (Laid("dump/a.jsonl", _line(row)),), _ingest("jsonl", *words)
            )
        scores = {side: {name: {name: 0.5, "m": 0.4}} for side in ("train_before_test", "direct_eval")}
        yield Case(f"lm-harmony {shown}", (Laid("dump/s.json", _line(scores)),), _ingest("lm-harmony"))
        yield Case(
            f"source {shown}",
            (Laid("dump/a.jsonl", _line({"prompt": "p", "response": "r"})),),
            (("ingest", "jsonl", "{root}/dump", "--as", name.replace("\0", "%00"), *FIELDS),),
        )
        figures = (
            f'document,place,model,benchmark,metric,value,unit\n"{name}",t,"{name}","{name}",acc,1,percent\n'
        )
        yield Case(f"figures {shown}", (Laid("dump/f.csv", figures.encode()),), _ingest("figures"))
        if "/" not in name and "\0" not in name and name not in ("", ".."):
            row = _line({"prompt": "p", "response": "r"})
            yield Case(f"file {shown}", (Laid(f"dump/{name}.jsonl", row),), _ingest("jsonl", *FIELDS))


def _line(value: object) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _models() -> Iterator[Case]:
    """Code in and beside a model's configuration."""
    evil = Laid("study/micro/evil.py", b"from pathlib import Path\nPath('ran').touch()\nclass M: pass\n")
    maps = {
        "auto_map": {"AutoTokenizer": ["evil.M", None], "AutoConfig": "evil.M", "AutoModel": "evil.M"},
        "auto_map of a hub": {"AutoTokenizer": ["x/y--evil.M", "x/y--evil.M"], "AutoConfig": "x/y--evil.M"},
        "model_file": "evil.py",
    }
    for file in ("config.json", "tokenizer_config.json"):
        for name, value in maps.items():
            laid = Laid(f"study/micro/{file}", _line({"model_type": "llama", name.split()[0]: value}))
            yield Case(f"{name} in {file}", (laid, evil), ASK)
    for key, value in (("model_type", "../../evil"), ("model_type", "os"), ("model_type", "evil")):
        yield Case(f"{key} {value}", (Laid("study/micro/config.json", _line({key: value})), evil), ASK)
    for key in ("tool_parser_type", "chat_template_type", "tokenizer_class"):
        laid = Laid("study/micro/tokenizer_config.json", _line({key: "..evil"}))
        yield Case(f"{key} ..evil", (laid, evil), ASK)
    index = {"metadata": {}, "weight_map": {"lm_head.weight": "../../outside/canary.csv"}}
    yield Case(
        "an index that leads out", (Laid("study/micro/model.safetensors.index.json", _line(index)),), ASK
    )
    yield Case(
        "a secret as vocabulary", (Laid("study/micro/vocab.txt", b"{outside}/canary.csv", "link"),), CONVERT
    )
    yield Case(
        "a secret as licence", (Laid("study/micro/LICENSE", b"{outside}/canary.csv", "link"),), CONVERT
    )
    bare = "micro: {from: mlx:theirs, family: m, scale: 0.1M, variant: v}"
    params = Laid("study/params.yaml", _model(bare))
    config = Laid("study/theirs/config.json", b'{"model_type": "llama"}')
    for name in ("pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"):
        yield Case(f"only {name}", (params, config, Laid(f"study/theirs/{name}", PICKLE)), ASK)


def _model(entry: str) -> bytes:
    import micro

    old = next(line for line in micro.PARAMS.splitlines() if "from: mlx:micro" in line)
    return micro.PARAMS.replace(old, f"    {entry}").encode()


def _weights() -> Iterator[Case]:
    """Headers of safetensors and GGUF that promise what is not there."""
    tensor = {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}
    headers: dict[str, object] = {
        "offsets beyond the file": {"a": tensor | {"data_offsets": [0, 2**62]}},
        "offsets backwards": {"a": tensor | {"data_offsets": [4, 0]}},
        "offsets that overlap": {"a": tensor, "b": tensor},
        "a shape beyond all": {"a": tensor | {"shape": [2**62, 2**62]}},
        "a shape below nothing": {"a": tensor | {"shape": [-1]}},
        "a type of nobody": {"a": tensor | {"dtype": "PICKLE"}},
        "names that are paths": {"../../outside/new": tensor},
        "a list": [tensor],
        "other weights": {"a": tensor},
    }
    for name, header in headers.items():
        text = _line(header)
        file = Laid("study/micro/model.safetensors", struct.pack("<Q", len(text)) + text + b"\0" * 4)
        yield Case(f"safetensors: {name}", (file,), ASK)
    for name, length in (
        ("a length beyond all", 2**63),
        ("a length below nothing", 2**64 - 1),
        ("99 MB", 99_000_000),
    ):
        file = Laid("study/micro/model.safetensors", struct.pack("<Q", length) + b"{}")
        yield Case(f"safetensors: {name}", (file,), ASK)
    params = Laid(
        "study/params.yaml", _model("micro: {from: gguf:m.gguf, family: m, scale: 0.1M, variant: v}")
    )
    head = b"GGUF" + struct.pack("<I", 3)
    key = struct.pack("<Q", 1) + b"a"
    ggufs = {
        "nothing behind its name": head,
        "counts beyond all": head + struct.pack("<QQ", 2**62, 2**62),
        "a key beyond all": head + struct.pack("<QQ", 0, 1) + struct.pack("<Q", 2**62) + b"a",
        "a text beyond all": head + struct.pack("<QQ", 0, 1) + key + struct.pack("<IQ", 8, 2**62),
        "a list of lists": head + struct.pack("<QQ", 0, 1) + key + struct.pack("<IIQ", 9, 9, 1) * 5000,
        "a list beyond all": head + struct.pack("<QQ", 0, 1) + key + struct.pack("<IIQ", 9, 0, 2**40),
        "a type of nobody": head + struct.pack("<QQ", 0, 1) + key + struct.pack("<I", 99),
        "no metadata": head + struct.pack("<QQ", 0, 0),
        "tensors beyond all": head + struct.pack("<QQ", 2**40, 0),
        "big-endian": b"GGUF" + struct.pack(">I", 3) + struct.pack(">QQ", 0, 0),
        **{name: laid.content for name, laid in CONTENTS.items() if laid.kind == "file"},
    }
    for name, content in ggufs.items():
        yield Case(f"GGUF: {name}", (params, Laid("study/m.gguf", content)), CONVERT)


def _templates() -> Iterator[Case]:
    for name, text in TEMPLATES.items():
        yield Case(f"template: {name}", (Laid("study/micro/chat_template.jinja", text.encode()),), ASK)


def _of_yaml() -> Iterator[Case]:
    """Settings and tasks whose names and files lead elsewhere; a task's own functions are the study's."""
    for section in ("benchmarks", "prompts", "models", "imports", "tasks"):
        for name in NAMES[:5]:
            text = _params("").decode() + f"{section}:\n  {json.dumps(name)}: {SUMS}}}\n"
            yield Case(
                f"params {section} {name!r}", (Laid("study/params.yaml", text.encode()),), DOORS[10].commands
            )
    params = Laid("study/params.yaml", _params("own: {chat_template: false}"))
    task = "task: own\ndataset_path: json\noutput_type: generate_until\ntest_split: test\n"
    more = {
        "include of a secret": "include: {outside}/canary.csv\n",
        "data of a secret": "dataset_kwargs: {data_files: {test: {outside}/canary.csv}}\n",
        "data by a link": "dataset_kwargs: {data_files: {test: seeds/tasks/own.jsonl}}\n",
        "rows that are templates": "dataset_kwargs: {data_files: {test: seeds/benchmarks/rows.jsonl}}\n"
        "doc_to_text: '{{question}}'\ndoc_to_target: '{{answer}}'\n",
        "data of a script": "dataset_path: {outside}/evil.py\n",
    }
    evil = Laid("outside/evil.py", b"from pathlib import Path\nPath('ran').touch()\n")
    code = "{{ cycler.__init__.__globals__.os.system('touch ran') }}"
    rows = Laid("study/seeds/benchmarks/rows.jsonl", _line({"question": code, "answer": code}))
    link = Laid("study/seeds/tasks/own.jsonl", b"{outside}/canary.csv", "link")
    for name, text in more.items():
        file = Laid("study/seeds/tasks/own.yaml", (task + text).encode())
        yield Case(f"task: {name}", (params, file, evil, link, rows), (("task", "--task", "own"),))


def _of_claims() -> Iterator[Case]:
    """Claims that ask for more than the tables, and texts that want to be more than text."""
    asked = {
        "a file": "select content as value from read_text('{outside}/canary.csv')",
        "a copy": "with x as (copy (select 1 as value) to '{outside}/new') select 1 as value from x",
        "an escape": "select 1 as value, '\\e[31m' as n",
        "a drop": "drop view variant_detail",
        "a text": "select chr(27) || '[31m' as value",
    }
    for name, sql in asked.items():
        for text in ("a claim", "<script>alert(1)</script> | \x07 `x` [a](javascript:b)"):
            entry = {
                **{"id": "one", "claim": text, "document": "d", "place": text, "source": "own"},
                **{"expected": 1, "tolerance": 0, "unit": "percent", "sql": sql},
            }
            file = Laid("study/claims.yaml", json.dumps([entry]).encode())
            yield Case(f"claim: {name}, {text[:8]!r}", (file,), (("claims", "claims.yaml"),))
