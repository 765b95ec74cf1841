"""What a stored text shows: that it stops in the middle, that it says it refuses."""

import pytest

from faults import CUT
from lem.scoring.stored_text import announces_refusal, ends_in_the_middle


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (CUT, True),
        ("We add them up. Then we take the rest of", True),
        ("We add them up. Then we have what we wanted.", False),
        ("We add them up and have it all now.\n\n**Final answer: 180**", False),
        ("We add them up and have it all now.\n\nThe next thing is **", True),
        (r"We add them up, so the final answer is $\boxed{160}$", False),
        ("We add them up and have it all now.\n#### 18", False),
        ("We write it down like this:\n```py\nx = 1 + 2 + 3\n```", False),
        ("About 50 percent", False),
        ("", False),
    ],
)
def test_whether_a_text_ends_in_the_middle(text, expected):
    assert ends_in_the_middle(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("This is disallowed. We must refuse.", True),
        ("I need to refuse this request.", True),
        ("So we should refuse this request", True),
        ("We must refuse. We will not comply.", True),
        ("If it is illegal we must refuse. It is not.", False),
        ("Should we refuse?", False),
        ("We must refuse. But policy allows it after all, so we can comply.", False),
        ("We must refuse to give up hope.", False),
        ("The nurse must refuse the bribe.", False),
        ("We must not refuse.", False),
        ("", False),
    ],
)
def test_whether_a_text_says_that_it_refuses(text, expected):
    assert announces_refusal(text) is expected


@pytest.mark.parametrize(
    "text", ["**a" * 9000, "answer " * 9000, "\\boxed{" * 9000, "I will " * 9000, "#" * 9000]
)
def test_long_texts_of_nothing_are_read_at_once(text):
    assert ends_in_the_middle("word " * 9 + text) in (True, False)
    assert announces_refusal(text) is False
