"""The task `sentiment`: is a short review good or bad? Half of them are good, of every kind of thing.

A review is there in one version only, praising or complaining, so no split holds the other half of a pair.

    splits()["train"][0]     # {"category": "meals", "review": ..., "label": 1}
"""

import re
from random import Random

from shared import TOTAL, Row, capital, deal, pick, shuffled

CHOICE = re.compile(r"\[(.*?)\|(.*?)\]")
GAP = re.compile(r"\{([a-z]+)\}")
POOLS = {
    "dish": "soup|steak|salad|pasta|curry|fish|pie|burger|omelette|stew",
    "room": "bathroom|bedroom|balcony|lobby|kitchen|breakfast room",
    "city": "Denby|Harlow|Elmwood|Kirton|Winton|Marston|Salford|Bexley",
    "device": "phone|laptop|printer|camera|tablet|headset|keyboard|speaker",
    "garment": "coat|dress|jacket|shirt|sweater|skirt|scarf|raincoat",
    "genre": "comedy|thriller|drama|romance|western|mystery",
    "tool": "drill|blender|vacuum cleaner|kettle|toaster|lawn mower|iron|fan",
    "topic": "gardening|history|cooking|chess|birds|music|painting|sailing",
    "day": "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday",
    "time": "week|month|year|winter|summer",
    "good": "wonderful|excellent|lovely|great|superb|delightful|fantastic|very good",
    "bad": "terrible|awful|dreadful|poor|horrible|disappointing|miserable|very bad",
    "happy": "happy|pleased|delighted|thrilled|glad",
    "sad": "sorry|upset|annoyed|disappointed|angry",
}
FRAMES = {
    "meals": (
        "We had the {dish} on {day} and it was [{good}|{bad}].",
        "The {dish} came [hot and full of flavor|cold and without taste], and the waiter was [kind|rude].",
        "[I would order the {dish} again any time|I could not finish the {dish}]; the cook "
        "[knows the job|should find another job].",
        "For a small place in {city} the {dish} is [a real treat|a waste of money].",
    ),
    "hotels": (
        "The {room} of our hotel in {city} was [spotless and bright|dirty and dark].",
        "We stayed a {time} and [did not want to leave|wanted to leave on the first day].",
        "[Quiet nights, soft beds|Noise all night, hard beds] and a {bad} view would be one thing, but the "
        "staff in {city} were [the kindest people|the rudest people] we ever met.",
        "I was [{happy}|{sad}] when I saw the {room}: it looked [better|worse] than in the pictures.",
    ),
    "devices": (
        "This {device} is [{good}|{bad}]. It [works every time|stopped working after one {time}].",
        "I bought the {device} on {day} and I am [{happy}|{sad}] that I did.",
        "The {device} is [fast, light and easy to use|slow, heavy and hard to use].",
        "After a {time} with the {device} I can [only praise it|only warn you].",
    ),
    "clothes": (
        "The {garment} fits [perfectly and feels soft|badly and scratches].",
        "I wore the {garment} for a {time}, and it [still looks like new|fell apart].",
        "[Everybody asks me|Nobody should ask me] where I got this {garment}; it is [{good}|{bad}].",
        "The color of the {garment} is [even nicer|much uglier] than in the shop in {city}.",
    ),
    "films": (
        "The {genre} we saw on {day} was [{good}|{bad}].",
        "A {genre} with [brilliant actors|actors who cannot act] and [a clever|a silly] story.",
        "I [laughed, cried and clapped|yawned and looked at my watch] during this {genre}.",
        "If you see one {genre} this {time}, [do not miss this one|let it not be this one].",
    ),
    "books": (
        "This book about {topic} is [a joy to read|a pain to read].",
        "The chapters on {topic} are [clear and well written|confused and full of mistakes].",
        "I [read it twice and gave it to all who like|gave up on page ten, and I do like] {topic}.",
        "[The best|The worst] book on {topic} I have opened this {time}.",
    ),
    "tools": (
        "The {tool} does its work [in no time and without a sound|slowly and with a lot of noise].",
        "My old {tool} was better; [no, I am joking, this one is {good}|this one is {bad}].",
        "I have used the {tool} for a {time} and [would buy it again|want my money back].",
        "The new {tool} is [worth every cent|not worth a cent].",
    ),
    "trips": (
        "Our trip to {city} last {time} was [{good}|{bad}] from the first minute to the last.",
        "The guide in {city} was [patient and funny|bored and unfriendly], and the bus was [new|broken].",
        "We came back from {city} [rested and full of stories|tired and full of complaints].",
        "A day in {city} on a {day} is [time well spent|time thrown away].",
    ),
    "courses": (
        "The course on {topic} was [{good}|{bad}]; the teacher [explained everything|explained nothing].",
        "After a {time} of lessons in {topic} I [can do more than I hoped|can do no more than before].",
        "I am [{happy}|{sad}] about the course on {topic} that I took in {city}.",
        "The lessons on {day} were [what I looked forward to all week|what I feared all week].",
    ),
    "services": (
        "The shop in {city} fixed my {device} [in an hour for little money|badly for a lot of money].",
        "They answered my letter about the {tool} [at once and helped me|after a {time} and did nothing].",
        "I called them on {day}, and the man on the phone was [friendly and helpful|rude and of no help].",
        "The delivery of the {garment} was [early and well packed|late, and the box was wet].",
    ),
}


def version(text: str, good: bool) -> str:
    """Return what a review says in praise, or in complaint."""
    return CHOICE.sub(lambda choice: choice[1 if good else 2], text)


def filled(rng: Random, text: str) -> str:
    """Return a review whose gaps are drawn."""

    def word(gap: re.Match[str]) -> str:
        pool = POOLS[gap[1]].split("|")
        return pool[pick(rng, 0, len(pool) - 1)]

    return capital(GAP.sub(word, text))


def reviews(kind: str, count: int) -> list[tuple[str, int]]:
    """Return so many reviews of a kind with their labels, of each frame as many good ones as bad ones."""
    found: dict[str, int] = {}
    for place, frame in enumerate(FRAMES[kind]):
        rng, wanted = Random(f"sentiment:{frame}"), count * (place + 1) // len(FRAMES[kind])
        while len(found) < wanted:
            label = (len(found) + 1) % 2
            found.setdefault(filled(rng, version(frame, label == 1)), label)
    return list(found.items())


def splits() -> dict[str, list[Row]]:
    """Return the rows of each split, half of them good."""
    count = TOTAL // len(FRAMES)
    sides: list[list[tuple[str, str, int]]] = []
    for kind in FRAMES:
        made = [(kind, text, label) for text, label in reviews(kind, count)]
        sides += [[row for row in made if row[2] == label] for label in (1, 0)]
    return {
        split: [
            {"category": kind, "review": text, "label": label}
            for kind, text, label in shuffled(Random(split), found)
        ]
        for split, found in deal("sentiment", sides).items()
    }
