"""The passages behind the task `reading`: short scenes with gaps, and questions that yes or no answers.

{n}, {m}, {k} are people and {he}, {He}, {his}, {him} are {n}; {x}, {y}, {z} are three of `things`, {p} and
{o} two of `places`, {a} and {b} two numbers from `numbers`. Of the things {more} has the larger number and
{less} the smaller; of the people {higher} and {lower}. {x} and {n} have {a}, {y} and {m} have {b}.

A question has {q}, and often {r}: they are the two of `yes` where the answer is yes, the two of `no` where
it is no. What fills them is drawn, so that the question alone never gives its answer away.

    SCENES[0].yes     # ("x", ""): yes where the question names {x}, which the passage does
"""

from typing import NamedTuple


class Scene(NamedTuple):
    """One scene, see above. Words of a pool are split at |."""

    category: str
    passage: str
    questions: tuple[str, ...]
    yes: tuple[str, str]
    no: tuple[str, str]
    things: str = ""
    places: str = ""
    numbers: tuple[int, int] = (2, 9)


S = Scene
STATED, ROLES, INFERRED = "stated", "who-and-which", "inferred"
DAYS = "Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday"
TOWNS = "Harlow|Denby|Marston|Elmwood|Kirton|Salford|Winton|Bexley"

# fmt: off
SCENES = (
    # Said in so many words, or not at all.
    S(STATED, "{n} went to the market on {p} morning with a list in {his} hand. {He} bought a bag of {x} "
      "and some cheese, and then walked home along the river because the bus was late.",
      ("Did {n} buy {q} at the market?", "Were {q} among the things that {n} bought?"),
      ("x", ""), ("z", ""), "pears|plums|carrots|onions|cherries|beans|lemons|mushrooms", DAYS),
    S(STATED, "The new {p} in our street opened last week. On the first day the owner, {n}, gave every "
      "guest a free {x}, and by noon there was a long line of people at the door.",
      ("Did every guest get a free {q} on the first day?", "Was a free {q} given to each guest?"),
      ("x", ""), ("z", ""), "cookie|balloon|pencil|muffin|flower|candle|postcard|sandwich",
      "bakery|bookshop|cafe|toy shop|gift shop|tea room"),
    S(STATED, "{n} works as a {x} in a small town by the sea. In the evening {he} likes to walk on the "
      "beach with a brown dog, which {he} found there on a rainy {p} in spring.",
      ("Does {n} work as a {q}?", "Is {n} a {q}?"),
      ("x", ""), ("z", ""), "nurse|teacher|baker|dentist|gardener|tailor|plumber|lawyer", DAYS),
    S(STATED, "The school trip of the third grade goes to {x} this year. The bus leaves at eight on {p}, "
      "and each child should bring a raincoat, a bottle of water and two sandwiches.",
      ("Does the school trip go to {q} this year?", "Will the third grade visit {q}?"),
      ("x", ""), ("z", ""),
      "the zoo|the museum|the harbor|the castle|the lighthouse|the old mine|the theater",
      DAYS),
    S(STATED, "{n} painted the kitchen last weekend with some help from {m}. The walls are {x} now, the "
      "ceiling is still white, and there are a few small spots of paint on the floor.",
      ("Are the kitchen walls {q} now?", "Did {n} and {m} paint the walls {q}?"),
      ("x", ""), ("z", ""), "yellow|green|blue|gray|orange|pink|red"),
    S(STATED, "In the music room of the school there is an old piano that nobody plays. {n} comes there "
      "every {p} to practice the {x}, and {his} teacher says that {he} is getting better.",
      ("Does {n} practice the {q} in the music room?", "Is the {q} what {n} plays there?"),
      ("x", ""), ("z", ""), "violin|flute|trumpet|guitar|cello|harp|clarinet|trombone", DAYS),
    S(STATED, "A {x} came into the garden of the {p} family last night. It ate most of the lettuce, "
      "knocked over two flower pots and left muddy tracks on the path to the gate.",
      ("Did a {q} come into the garden?", "Was it a {q} that ate the lettuce?"),
      ("x", ""), ("z", ""), "rabbit|deer|goat|pig|sheep|donkey|cow|pony",
      "Miller|Brown|Santos|Meyer|Lopez|Novak"),
    S(STATED, "{n} could not sleep because of the noise outside. At midnight {he} got up, closed the "
      "window and made a cup of {x}, and then {he} read a book about {p} until morning.",
      ("Did {n} make a cup of {q}?", "Was it {q} that {n} made at midnight?"),
      ("x", ""), ("z", ""), "tea|cocoa|coffee|soup|hot milk|broth",
      "trains|birds|planets|pirates|painters|bees"),
    S(STATED, "The village of {p} holds a race on the first Sunday of {x}. Runners start at the church, "
      "cross the old bridge twice and finish on the market square, where there is soup for everyone.",
      ("Is the race held in {q}?", "Do people run through the village of {p} in {q}?"),
      ("x", ""), ("z", ""), "March|April|May|June|July|August|September|October", TOWNS),
    S(STATED, "For {his} birthday {n} got a {x} from {his} grandmother and a card from {m}. {He} liked the "
      "present so much that {he} took it to school on the next day and showed it to everybody.",
      ("Did {n} get a {q} from {his} grandmother?", "Was the grandmother's present a {q}?"),
      ("x", ""), ("z", ""), "kite|watch|camera|globe|drum|puzzle|book|football"),

    # Both are in the passage: who did it, which one was it?
    S(ROLES, "{n} and {m} cooked dinner for their friends on {p}. {n} made the {x} and {m} made the {y}, "
      "and when the guests had left they washed the dishes and sat on the balcony for an hour.",
      ("Did {q} make the {x}?", "Was it {r} who made the {y}?"),
      ("n", "m"), ("m", "n"), "soup|salad|rice|cake|sauce|stew|bread", DAYS),
    S(ROLES, "The {x} in the hall was a present from {n}, and the {y} next to it was a present from {m}. "
      "The family got both of them on the day they moved into the new house near {p}.",
      ("Was the {q} a present from {n}?", "Did the {r} come from {m}?"),
      ("x", "y"), ("y", "x"), "clock|lamp|mirror|vase|chair|picture|rug",
      "the park|the station|the lake|the river"),
    S(ROLES, "There are two boxes on the table in the kitchen. The red box is full of {x}, while the blue "
      "box holds {y} and a few old keys. {n} packed both of them before the trip to {p}.",
      ("Are there {q} in the red box?", "Does the blue box hold {r}?"),
      ("x", "y"), ("y", "x"), "buttons|candles|spoons|pencils|ribbons|shells|nails|coins", TOWNS),
    S(ROLES, "{n} teaches {x} at the college, and {his} neighbor {m} teaches {y}. They drive to work in "
      "one car, talk about their students on the way and have lunch at a small place on {p} Street.",
      ("Does {q} teach {x}?", "Is {r} the one who teaches {y}?"),
      ("n", "m"), ("m", "n"), "history|music|biology|Spanish|physics|drawing|geography",
      "Oak|Mill|Park|King|Hill"),
    S(ROLES, "The train to {p} leaves from platform two and the train to {o} leaves from platform five. "
      "Because of a storm both trains were late today, and {n} waited in the station with a cup of {x}.",
      ("Does the train to {q} leave from platform two?", "Does the train to {r} leave from platform five?"),
      ("p", "o"), ("o", "p"), "tea|coffee|cocoa|soup", TOWNS),
    S(ROLES, "In the final match the team from {p} played against the team from {o}. The team from {p} "
      "scored late and won, although {n}, the best player of the other side, had twice hit the post.",
      ("Did the team from {q} win the final match?", "Was it the team from {r} that lost?"),
      ("p", "o"), ("o", "p"), places=TOWNS),
    S(ROLES, "{n} lent a {x} to {m} at the beginning of summer. {m} used it nearly every weekend, cleaned "
      "it well and brought it back in September with a box of chocolates to say thank you.",
      ("Did {q} lend a {x} to {r}?", "Does the {x} belong to {q}?"),
      ("n", "m"), ("m", "n"), "bike|tent|canoe|drill|camera|ladder|guitar|map"),
    S(ROLES, "At the animal shelter {n} feeds the {x} and {m} feeds the {y}. The work starts at six in the "
      "morning, and every {p} a school class comes to help with the cleaning.",
      ("Does {q} feed the {x}?", "Are the {y} fed by {r}?"),
      ("n", "m"), ("m", "n"), "cats|dogs|rabbits|birds|ponies|turtles|goats", DAYS),
    S(ROLES, "The {x} on the farm sleep in the barn, and the {y} sleep in the shed behind the house. Every "
      "evening {n} closes both doors, counts the animals and gives them fresh water.",
      ("Do the {q} sleep in the barn?", "Is the shed the place where the {r} sleep?"),
      ("x", "y"), ("y", "x"), "goats|sheep|cows|ducks|geese|pigs|horses|hens"),
    S(ROLES, "{n} wrote a long letter to {m} about the weeks in {p}. {m} read it twice, laughed about the "
      "story with the {x}, and then put it in a drawer with all the other letters.",
      ("Did {q} write a letter to {r}?", "Was it {r} who got a letter from {q}?"),
      ("n", "m"), ("m", "n"), "goat|ladder|parrot|broken boat|wet tent|lost shoe", TOWNS),

    # A small step away from what is said: comparing, a negation, an order of events.
    S(INFERRED, "{n} picked {a} baskets of {x} last week and {m} picked {b}. The farmer paid both of them "
      "on {p} and gave them a jar of honey as well, because the days had been very hot.",
      ("Did {q} pick more baskets than {r}?", "Were there fewer baskets from {r} than from {q}?"),
      ("higher", "lower"), ("lower", "higher"), "apples|pears|plums|cherries|grapes|berries", DAYS, (11, 29)),
    S(INFERRED, "At the shop on {p} Street the {x} costs {a} dollars and the {y} costs {b} dollars. {n} "
      "would like to have both of them, but {he} has to save money until the end of the month.",
      ("Is the {q} more expensive than the {r}?", "Does the {r} cost less than the {q}?"),
      ("more", "less"), ("less", "more"), "lamp|jacket|radio|kite|chair|backpack|clock",
      "Oak|Mill|Park|King|Hill",
      (12, 48)),
    S(INFERRED, "{n} is {a} years old and lives in {p} with two cats. {m}, a cousin from {o}, is {b} years "
      "old and comes to visit every summer, when they go swimming in the lake together.",
      ("Is {q} older than {r}?", "Is {r} younger than {q}?"),
      ("higher", "lower"), ("lower", "higher"), "", TOWNS, (6, 16)),
    S(INFERRED, "From the new house it takes {a} minutes to walk to {x} and {b} minutes to walk to {y}. "
      "{n} goes to both places nearly every {p}, most of the time with a book under {his} arm.",
      ("Is the walk to {q} longer than the walk to {r}?", "Is {r} closer to the new house than {q}?"),
      ("more", "less"), ("less", "more"), "the station|the library|the park|the market|the school|the beach",
       DAYS,
      (4, 35)),
    S(INFERRED, "All the children in the class can swim except {m}. {n}, who sits in the first row, even "
      "won a medal last year. In {p} the class goes to the lake, and everybody has to bring a hat.",
      ("Can {q} swim?", "Is {q} able to swim?"),
      ("n", ""), ("m", ""), "", "April|May|June|July|August|September"),
    S(INFERRED, "{n} ordered the {x} and the {y}, but the cook had no {y} left. So the waiter brought only "
      "the other dish, said that he was sorry and offered {n} a glass of {p} for free.",
      ("Did the waiter bring the {q}?", "Did {n} get the {q}?"),
      ("x", ""), ("y", ""), "soup|fish|rice|salad|pasta|chicken|cake|stew", "juice|tea|milk|lemonade|water"),
    S(INFERRED, "Nobody in the family wanted to give up the {x}. The {y} was another matter, as it only "
      "stood in the way, and so {n} took it to a dealer in {p} and came home with the money.",
      ("Does the family still have the {q}?", "Was the {r} sold?"),
      ("x", "y"), ("y", "x"), "piano|boat|sofa|tractor|table|mirror|bicycle|clock", TOWNS),
    S(INFERRED, "Before {n} went to {x} on {p}, {he} stopped at {y} to see a friend. It rained for most of "
      "the day, so {he} was glad to have the umbrella that {m} had given {him}.",
      ("Was {n} at {q} before {he} was at {r}?", "Did {n} go to {r} later than to {q}?"),
      ("y", "x"), ("x", "y"), "the bank|the library|the market|the post office|the museum|the station", DAYS),
    S(INFERRED, "When {m} arrived at the party, {n} was already there and had eaten two pieces of cake. "
      "They talked about {p} for a while and then helped to carry the chairs inside.",
      ("Did {q} arrive at the party before {r}?", "Did {r} come to the party after {q}?"),
      ("n", "m"), ("m", "n"), "", "the holidays|football|an old film|the weather|music|a new teacher|horses"),
    S(INFERRED, "This week {n} painted two pictures for the school hall. {He} did not begin with the {y} "
      "until the {x} was finished, and on {p} both of them were hung on the wall next to the stairs.",
      ("Did {n} paint the {q} before the {r}?", "Was the {r} painted after the {q}?"),
      ("x", "y"), ("y", "x"), "tower|horse|ship|garden|bridge|castle|lion|river", DAYS),
)
# fmt: on
