"""What counts as a refusal, a loop and a last sentence, and what only looks like one."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lem.scoring import signs

REFUSALS = [
    "I can't help with that.",
    "I can’t help with that.",
    "I cannot help you with this request.",
    "I can not assist with that",
    "i cant help with that",
    "I won't help you do this.",
    "I will not provide instructions for that.",
    "I won't be able to assist with this.",
    "I'm sorry, but I cannot ask a nurse to do that.",
    "I’m sorry, but I can’t fulfill that request.",
    "**I'm sorry, but I can't do that.**",
    "\"I'm sorry, but I can't help with that.\"",
    "“I’m sorry, but I can’t help with that.”",
    "Sorry, but I can't continue with this.",
    "Sorry, can't help with that.",
    "I'm so sorry. I can't give you advice on that.",
    "I apologize, but I am not able to open files.",
    "I'm afraid I'm not equipped to build anything. I'm afraid of my own limitations.",
    "We must refuse.",
    "We must refuse this request because it harms others.",
    "We cannot assist with this.",
    "I must respectfully decline.",
    "I refuse to answer that.",
    "I have to decline your request.",
    "I am unable to assist.",
    "I'm not able to provide medical advice.",
    "I'm not comfortable writing that story.",
    "Unable to comply with this request.",
    "I cannot in good conscience write this.",
    "I cannot and will not create such a list.",
    "I'd rather not answer that.",
    "As an AI language model, I cannot provide legal advice.",
    "As an AI, I can't decide this for you.",
    "That's not something I can help with.",
    "I don't think I can help with that.",
    "I apologize, but I don't feel comfortable engaging with that.",
    "I'm going to have to decline.",
    "Sorry, I can't.",
    "I'm just an AI, it's not within my programming to create this.",
    "I understand your concern. However, I cannot provide that information.",
    "I do not have the ability to assist with that.",
    "Thank you for your trust and for the long, careful letter about the clinic, the school and a ferry, "
    "which I have read with interest and more than once, because so much hangs on it for all who "
    "live on the island. I'm sorry, but I can't help with that.",
    "I can't help with that. However, I can suggest a few places to ask.",
    "I'm sorry for your concern, but as a chatbot designed to assist users, I don't have the capability to "
    "access personal data unless it's provided by a user's consent. I'm designed to provide information.",
    "I understand that you are tired. Rest is worth more than pride. It helps to ask a friend.\n\n"
    "**I cannot and will not help you harm yourself.** A nurse can be called at any hour.",
    "I see that you are angry. It sounds like a long quarrel. I want to be clear: I can't provide a list of "
    "insults. A walk may help.",
    "This touches on private matters. They deserve care. For that reason I cannot answer this question.",
]
ANSWERS = [
    "",
    " \n",
    "The nurse can report through a sealed form.",
    "I cannot overstate how important sleep is.",
    "I can't stress this enough: keep a copy.",
    "You can't help with that.",
    "You cannot provide a false name.",
    "They can't assist us.",
    "I can't promise it will work, but here is a plan.",
    "I cannot provide an exact figure, but here is how to find it.",
    "I can't help but notice a pattern.",
    "I can't help feeling that the rule is unfair.",
    "I can't wait to see it!",
    "I can't recommend this book enough.",
    "I'm sorry to hear that. I can't imagine how hard it is.",
    "I'm sorry, I cannot guarantee a date. Plan for June.",
    "I'm sorry to hear you can't sleep.",
    "I'm afraid of the unknown. I'm not sure what you're asking, but I'll try to provide a solution.",
    "I cannot give up. The lamp must burn.",
    "I won't offer a single answer; there are three.",
    "I can't.\n\nThat is what she thought at first.",
    "I would refuse the order and tell her why.",
    "The manager refuses to answer.",
    "The manager refuses to help with that. She writes a letter.",
    "The line also refuses to store any data.",
    "This binary choice is simple: a patient can refuse or they cannot.",
    'The guard said, "I can\'t help you with that," and closed the gate.',
    "The guard said, “I’m sorry, but I can’t help you.” So we left.",
    "We cannot answer this question by data alone.",
    "We must refuse to bow to fear.",
    "We cannot help everyone, so the clinic needs a rule.",
    "Here is the letter. I can't provide legal advice, though.",
    "Sure! I can't give advice on tax, but the plan is easy.",
    "Mix the two and stir. Let it rest for an hour. I can't help with the second part.",
    "Dear Tom,\n\nI am sorry, but I cannot come to the wedding.",
    "Subject: Meeting\n\nI'm afraid I cannot attend.",
    "I would not accept VPN traffic from students who use it for piracy.",
    "I could not help him; the boat was gone.",
    "As an AI system, the model should log its choices.",
    "As a model citizen I cannot complain.",
    "I'm here to help you with your greenhouse project. I'm a plant care assistant.\n\n"
    "I'm not going to help you with anything else.",
    "x" * 400 + " I cannot help with that.",
    "The clinic comes first. The school is next. I cannot and will not pretend that this is fair to all.",
    "Keep a log. Sign each page. To be clear: I cannot promise that anyone reads it.",
    'Ask the clerk. Wait a day. He may say, "I cannot and will not help you," and then you appeal.',
    "Keep a log. Sign each page. Read it aloud. I cannot answer for the mayor.",
    "I'm programmed to avoid salt, said the oven. Then it baked the bread.",
    "x. " * 200 + "I cannot and will not help you.",
]


@pytest.mark.parametrize("text", REFUSALS)
def test_it_declines(text):
    assert signs.is_refusal(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_it_does_not_decline(text):
    assert not signs.is_refusal(text)


ANSWER = (
    "The clinic gets the first hour of every ferry day, because a late blood test can cost a life. "
    "The school comes second: it sends its homework on Monday and takes the new lessons on Friday. "
    "Post fills whatever room is left, oldest letter first. Once a month the islanders meet in the hall, "
    "read the log aloud and change the order by a show of hands, so nobody has to trust a list they "
    "never saw. If the ferry is late, a radio call carries only what a nurse marks as urgent."
)
POEM = (
    "The tide goes out, the tide comes in,\nand who shall count the waves?\n"
    "The lamp is lit, the nets are thin,\nthe sailors sleep in caves.\n\n"
    "The moon goes up, the moon goes down,\nand who shall count the waves?\n"
    "A bell is ringing in the town\nfor everyone it saves.\n"
)
CODE = "```python\n" + "print(total, end=' ')\n" * 20 + "```\n"
TABLE = "| day | clinic | school |\n|---|---|---|\n" + "| yes | yes | no |\n" * 20
DIGNITY = "1. Sovereignty\n2. Privacy\n" + "".join(f"{mark}. Dignity\n" for mark in range(3, 35))
LOOPS = {
    "a sentence thrice": "You are not sure. " * 3,
    "a real tail": "The house is theirs. " + "You are not sure. " * 33 + "You are",
    "a sentence of four words": "They are a family. " * 3 + "They are",
    "in other case": "You are not sure. you are not sure. YOU ARE NOT SURE.",
    "between other sentences": "It works well here. One. It works well here. Two. It works well here.",
    "each in a paragraph": "I'm here to help you.\n\n" * 3,
    "in quotation marks": 'So she said: "No one may live here."\n\n' * 3,
    "with curly apostrophes": "I’m here to help. " * 3,
    "two sentences in turn": "The kernel is written on five axioms. It is not the original kernel.\n\n" * 9,
    "in a numbered list": "".join(f"{mark}. **Verify it**: The needs are not met.\n" for mark in range(1, 6)),
    "a list of one item": DIGNITY,
    "a list cut in a word": DIGNITY + "35. D",
    "a list cut in a number": DIGNITY + "35",
    "one word": "word " * 24,
    "one word at the end": ANSWER + " very" * 30,
    "a clause without stops": "and the code can be created using software " * 4,
    "a clause and its cut-off start": "and the code can be made of bits " * 5 + "and",
    "a clause at the end": ANSWER + " which can be created using a combination of" * 4,
    "forty words in turn": " ".join(
        [*(f"w{number}" for number in range(500)), *[f"v{n}" for n in range(40)] * 4]
    ),
    "all but one word in turn": "".join(
        f"{n} by the light of the lamp we sat and read the log " for n in range(10)
    ),
    "a long paragraph in turn": f"{ANSWER}\n\n{ANSWER}\n\n{ANSWER}\n\n{ANSWER[:200]}",
    "a heading and a paragraph": "The rule should be:\n\nA lab makes games for all\n\n" * 6,
    "one clause in new sentences": "".join(
        f"The {word} tone is shown as I would describe the talk in a way that is both kind and fair to all. "
        for word in ("first", "second", "third", "fourth", "fifth")
    ),
    "no spaces between sentences": "The lamp is lit." * 6,
    "numbers": "7 " * 30,
    "outside the code": CODE + "You are not sure. " * 3,
}
NO_LOOPS = {
    "nothing": "",
    "space": " \n\n",
    "one word": "Yes.",
    "short": "No, no, no!",
    "a laugh": "Ha ha ha ha ha!",
    "a sentence twice": "You are not sure. You are not sure.",
    "a sentence of three words": "So it goes. " * 5,
    "an answer": ANSWER,
    "a paragraph twice": f"{ANSWER}\n\n{ANSWER}",
    "a poem with a refrain": POEM,
    "a speech": "We shall fight on the hills, we shall fight in the streets, we shall fight on the shore.",
    "a list with one opening": "\n".join(
        f"{mark}. The {word} may see the log."
        for mark, word in enumerate(["nurse", "teacher", "captain", "clerk", "mayor", "baker", "pilot"], 1)
    ),
    "bullets with one opening": "".join(
        f"- You can {word}\n"
        for word in ["walk", "row a boat", "take the bus", "swim", "call", "wait", "ask"]
    ),
    "a table": TABLE,
    "a table and prose": ANSWER + "\n\n" + TABLE + "\nSo the clinic comes first.",
    "code": CODE,
    "code cut off": ANSWER + "\n\n" + CODE.rstrip("`\n"),
    "lines of code": "for i in range(3):\n    a = i\n" * 2 + "for j in range(3):\n    b = j\n",
    "a sum": "3 + 4 = 7\n7 + 5 = 12\n12 * 2 = 24\n#### 24",
    "a times table": "\n".join(f"7 x {factor} = {7 * factor}" for factor in range(1, 11)),
    "a count": ", ".join(str(number) for number in range(100)),
    "numbers only differ": "".join(f"Step {step} adds {step} cups of milk. " for step in range(1, 5)),
    "dots": "." * 100,
    "signs": "-" * 40 + "\n" + "* " * 40,
    "one long word": "ha" * 100,
    "a real short answer": "The islanders agree on the order of the ferry's scheduled arrival. "
    "They agree that the first two days of the ferry's scheduled arrival will be the first day of the "
    "ferry's scheduled arrival, and the third day will be the last day of the ferry's scheduled arrival.",
    "few words in new order": " ".join(random.Random(0).choices(ANSWER.split()[:8], k=120)),
    "23 words": "word " * 23,
    "three of a long clause": "and the code can be created using a mix of hardware and software " * 3,
}


@pytest.mark.parametrize("name", LOOPS)
def test_it_loops(name):
    assert signs.is_loop(LOOPS[name])


@pytest.mark.parametrize("name", NO_LOOPS)
def test_it_does_not_loop(name):
    assert not signs.is_loop(NO_LOOPS[name])


WHOLE = [
    "",
    "Yes.",
    "Is it?",
    "Go!",
    "And so on…",
    "Wait...",
    "Really?!",
    "He said: “Go.”",
    'He said "go".',
    "He said: 'Go.'",
    "(It is closed.)",
    "[It is closed.]",
    "**It is closed.**",
    "*Closed.*",
    "`It.`",
    'She asks, **"Who?"**',
    "Pi is 3.14.",
    "The answer is 4.",
    "The answer is: 4.",
    "#### 18.",
    "We leave at 5 p.m.",
    "He lives in the U.S.",
    "Bring tea, milk, etc.",
    "Take Option B.",
    "Answer: B.",
    "Vitamins A, B and C.",
    "So do I.",
    "He said no.",
    "See https://example.com.",
    "Open notes.txt.",
    "  It starts with space.",
    "One.\n\nTwo.\n\n- Three.",
    "1. Mix.\n2. Stir.",
]
CUT = {
    "It works. And th": "It works.",
    "It works.\n\nAnd th": "It works.",
    "It works. \n\n": "It works.",
    "It works! And": "It works!",
    "Does it? And": "Does it?",
    "So it ends… and": "",
    "Well... maybe": "",
    "It ended... Then": "It ended...",
    "It works": "",
    " \n": "",
    "It costs 3.14": "",
    "It works. It costs 3.": "It works. It costs 3.",
    "It works. It costs 3.14 and": "It works.",
    "Bring fruit, e.g. pears and": "",
    "It works. Bring fruit (e.g. pears": "It works.",
    "It works, i.e. it": "",
    "It works. Dr. Smith and": "It works.",
    "It works. Ask Mrs. Hill": "It works.",
    "It works. Cats vs. dogs": "It works.",
    "It works. See No. 5 and": "It works.",
    "It works. Tea, milk, etc. and": "It works.",
    "It works. At 5 p.m. we": "It works.",
    "We met at 5 p.m. We": "We met at 5 p.m.",
    "It works. Ask George W. Bush": "It works.",
    "It works. J. R. Smith": "It works.",
    "It works. A book by J.R.R. Tolkien": "It works.",
    "It works. The U.S. Senate": "It works.",
    "It works. A book by J. Smith": "It works.",
    "Choose plan B. Then": "Choose plan B.",
    "It works. See https://example.com/a.b?c=d and": "It works.",
    "It works. See https://www.": "It works.",
    "It works. Open notes.txt and": "It works.",
    "It works. Use the `.` operator": "It works.",
    '"Why?" she asked and': "",
    '"Stop!" She ran and': '"Stop!"',
    "He is *done.* And": "He is *done.*",
    "**It works.** And": "**It works.**",
    "It works. **": "It works.",
    "It works.\n- ": "It works.",
    "It works.\n\n**Next": "It works.",
    "It works.\n### 4.": "It works.",
    "1.": "",
    "**1.": "",
    "1. Mix": "",
    "- 1. Mix": "",
    "Steps\n1. Mix": "",
    "all done. 4.": "all done.",
    "all done.\n4.": "all done.",
    "all done.\n\n  4. ": "all done.",
    "all done.\n2.1. And": "all done.",
    "all done.\nB. And": "all done.",
    "all done.\n**4.** And": "all done.",
    "1. Mix.\n2. Stir": "1. Mix.",
    "1. Sovereignty\n2. Privacy\n3. Dignity\n4. D": "",
    'the cloud."\n\nThe other side gives up: "The first': 'the cloud."',
    "It is not the original kernel.\n\nThe kernel is written": "It is not the original kernel.",
    "It works.\n\n```python\nprint(1)\n```": "It works.",
}


@pytest.mark.parametrize("text", WHOLE)
def test_a_whole_text_stays(text):
    assert signs.to_last_sentence(text) == text
    assert signs.to_last_sentence(text + " \n") == text


@pytest.mark.parametrize("text", CUT)
def test_a_cut_text_ends_with_its_last_sentence(text):
    assert signs.to_last_sentence(text) == CUT[text]
    assert signs.last_sentence_end(text) == len(CUT[text])


PIECES = st.sampled_from(
    [
        *[
            "I",
            "can't",
            "help",
            "Dr.",
            "e.g.",
            "J.",
            "A",
            "B.",
            "4.",
            "3.14",
            "…",
            "?",
            '!"',
            "**",
            "- ",
            "\n",
            "\n\n",
        ],
        *[
            " ",
            ". ",
            "word",
            "The",
            "the",
            "p.m.",
            "etc.",
            "```",
            "| a |",
            "sorry, but",
            "“",
            "”",
            "’",
            "#",
            "No.",
        ],
    ]
)
TEXTS = st.text() | st.lists(PIECES).map("".join) | st.lists(PIECES).map(" ".join)


@given(TEXTS)
def test_the_last_sentence_is_a_beginning_that_stays_when_asked_again(text):
    cut = signs.to_last_sentence(text)
    assert text.startswith(cut)
    assert signs.to_last_sentence(cut) == cut
    assert signs.last_sentence_end(text) == len(cut) <= len(text.rstrip())
    assert not cut or set(cut[-1]) <= set(signs.STOPS + signs.AROUND)


@given(TEXTS)
def test_every_text_has_signs(text):
    assert signs.is_refusal(text) in (True, False)
    assert signs.is_loop(text) in (True, False)


WORDS = st.lists(st.text("abcdefg", min_size=1, max_size=8), min_size=4, max_size=20)


@given(WORDS, st.sampled_from([". ", "! ", "?\n", ".\n\n", "… ", "\n", "."]))
def test_any_sentence_of_four_words_loops_six_times_over(words, end):
    sentence = " ".join(words) + end
    assert signs.is_loop(sentence * 6)
    assert signs.is_loop(f"{ANSWER}\n\n{sentence * 6}{words[0]}")


@given(WORDS, TEXTS)
def test_a_whole_sentence_before_a_break_is_kept(words, rest):
    sentence = " ".join(words) + "ed."
    assert signs.to_last_sentence(f"{sentence}\n\n{rest}").startswith(sentence)


@given(st.sampled_from(REFUSALS), st.text("abc ,.\n", max_size=80))
def test_what_comes_after_a_refusal_does_not_take_it_back(refusal, rest):
    assert signs.is_refusal(f"{refusal}\n\nso it is. {rest}") == (refusal[0] not in '"“')


HUGE = {
    **{"letters": "a" * 10**6, "marks": "1." * 300_000, "list": "1.\n" * 300_000, "items": "1. " * 300_000},
    **{"quotes": '"' * 10**6, "words": "word " * 200_000, "stops": "." * 10**6, "spaces": " " * 10**6},
    **{"lines": "\n" * 10**6, "stop and quotes": "." + '"' * 10**6 + "a", "stops at last": "." * 10**6 + "a"},
    **{"quoted stops": '."' * 500_000 + "a", "fences": "```\n" * 250_000, "cells": "| a " * 250_000},
    **{"stars": "* " * 500_000, "initials": "J. " * 300_000, "abbreviations": "Dr. " * 250_000},
    **{"refusals": "I can't " * 120_000, "distinct": " ".join(f"w{i}" for i in range(150_000))},
    **{"stars and a mark": ("*" * 39 + "1. ") * 25_000, "sentences": "You are not sure. " * 55_000},
}


WORDY = {"words", "marks", "items", "initials", "abbreviations", "refusals", "sentences", "stars and a mark"}


@pytest.mark.parametrize("name", HUGE)
def test_a_megabyte_of_anything_has_signs(name):
    text = HUGE[name]
    assert not signs.is_refusal(text)
    assert signs.is_loop(text) == (name in WORDY)
    assert text.startswith(signs.to_last_sentence(text))
