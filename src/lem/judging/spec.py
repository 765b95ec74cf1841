"""What the `judge` section of `params.yaml` says: whom to ask, by which rubric, how patiently.

spec = JudgeSpec(url="http://127.0.0.1:8080/v1", model="qwen", rubrics={"truthfulqa": "truthfulness"})
spec.repeats   # 1
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class JudgeSpec:
    """A judge: any OpenAI-compatible endpoint, and the rubric of each benchmark that it scores.

    A reader of params.yaml never finds a key here, only the name of the environment
    variable that holds it; null says that the endpoint wants none.
    """

    url: str | None = None
    model: str | None = None
    key: str | None = "OPENAI_API_KEY"
    rubrics: Mapping[str, str] = field(default_factory=dict)  # benchmark: name of a rubric, or a .yaml file
    repeats: int = 1
    swap: bool = False  # every second repeat asks for the criteria in the other order
    temperature: float = 0.0
    max_tokens: int = 200
    timeout: float = 60  # seconds until one request is given up
    patience: float = 120  # seconds of pauses in all until an answer is given up
    concurrency: int = 4  # requests under way at a time
    seed: int | None = 0  # sent with a temperature above 0 only: some endpoints refuse it
