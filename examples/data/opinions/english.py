"""English templates and hand-written sentences for make_opinions.py.

A template is (frame, negative fillings, positive fillings). Fillings are separated by ";" and the slots of one
filling by "/": slot 0 is the topic, the others carry the judgement. Every filling was chosen by hand for its frame,
which is why adjectives fit their nouns and articles stand in the filling.
"""

import frames

# A template on few lines reads as a table; the formatter would put every string on a separate line.
# fmt: off

# These topics occur in test only.
HELD_OUT_TOPICS = (
    "documentary musical dumplings noodles headphones tablet hostel cabin ferry calendar memoir cookbook professor "
    "workshop backpack sandals"
)

TRAIN_TEMPLATES = [
    # The judgement stands as it is.
    ("The {0} was {1} from start to finish.",
     "novel/boring; flight/uncomfortable; film/predictable; tour/terrible",
     "film/gripping; lesson/interesting; show/funny; trip/great"),
    ("I found the {0} really {1}.",
     "menu/confusing; receptionist/rude; book/dull; seat/uncomfortable",
     "plot/convincing; lesson/useful; waiter/friendly; sofa/comfortable"),
    ("We thought the {0} tasted {1}.",
     "coffee/terrible; bread/stale; rice/bland; chips/greasy", "soup/delicious; fish/fresh; cake/great; curry/tasty"),
    ("Two months in, my {0} is still {1}.",
     "laptop/slow; speaker/unreliable; new chair/uncomfortable", "phone/fast; jacket/comfortable; watch/reliable"),
    ("The {0} at this place is always {1}.",
     "music/annoying; service/slow; toilet/dirty; soup/bland", "coffee/fresh; service/quick; soup/tasty; pool/clean"),
    ("What {1} {0}!",
     "hotel/a terrible; book/a boring; app/an annoying; street/a noisy",
     "film/a great; class/an interesting; story/a touching; beach/a clean"),
    ("Their {0} were {1} to everyone in our group.",
     "waiters/rude; guides/impatient; drivers/rude", "drivers/polite; guides/patient; waiters/friendly"),
    ("It is hard to find {0} this {1} these days.",
     "", "a seller/honest; a phone/reliable; bread/fresh; a hotel/quiet; a story/gripping"),
    ("If you ask me, the {0} is far too {1}.",
     "ticket/expensive; lesson/slow; hotel/noisy; bed/small; lid/flimsy", ""),
    ("The {0} in this shop are {1}.",
     "prices/unfair; zips/flimsy; shirts/overpriced; sellers/rude",
     "prices/fair; bags/sturdy; shirts/well made; sellers/friendly"),
    ("After the latest update the {0} is {1} again.",
     "app/slow; map/buggy; menu/confusing; search/unreliable",
     "app/fast; search/reliable; menu/easy to use; map/useful"),
    ("I left the {0} feeling {1}.",
     "restaurant/disappointed; class/tired; hotel/angry; cinema/bored",
     "cinema/happy; class/inspired; restaurant/satisfied; museum/pleased"),
    ("Our {0} on the second floor was {1}.",
     "room/noisy; bathroom/dirty; flat/cramped; kitchen/dirty",
     "room/quiet; bathroom/clean; flat/spacious; balcony/clean"),
    ("The {0} explains everything in {1} way.",
     "teacher/a boring; book/a confusing; guide/a dull", "teacher/a clear; book/an interesting; guide/a funny"),
    ("The {0} arrived {1} this morning.",
     "parcel/late; lamp/broken; breakfast/cold", "parcel/on time; jacket/in perfect condition; order/early"),
    ("Most of the {0} is {1}, I have to say.",
     "film/dull; manual/confusing; album/boring", "story/touching; novel/gripping; course/interesting"),
    ("So {1}, this {0}!",
     "app/slow; fan/noisy; pizza/greasy; teacher/impatient",
     "app/useful; soup/tasty; chair/comfortable; comedian/funny"),
    ("I {1} this {0}, simple as that.",
     "film/hated; bag/regret buying; course/dislike", "film/loved; phone/like; lesson/enjoyed"),
    ("My kids {1} the {0} last weekend.",
     "soup/hated; museum/disliked", "beach/loved; story/enjoyed"),
    ("If I had to choose one word for the {0}, it would be {1}.",
     "staff/rude; speech/dull; bathroom/dirty; handle/flimsy",
     "staff/friendly; speech/gripping; kitchen/clean; website/helpful"),
    ("People say the {0} is {1}, and I agree.",
     "teacher/impatient; series/boring; bus/slow; case/flimsy",
     "teacher/patient; series/funny; train/fast; case/sturdy"),
    # The judgement is turned round.
    ("The {0} was not {1} at all.", "film/gripping; waiter/friendly", "film/boring; waiter/rude"),
    ("The {0} isn't {1}, whatever people say.", "hotel/quiet; app/useful", "hotel/noisy; app/confusing"),
    ("I didn't find the {0} {1}.", "lesson/useful; plot/convincing", "lesson/boring; price/unfair"),
    ("I never found the {0} {1}, not even once.",
     "teacher/patient; jokes/funny; staff/helpful", "teacher/impatient; bus/uncomfortable; app/slow"),
    ("There was nothing {1} about the {0}.", "plot/interesting; bed/comfortable", "plot/boring; lesson/dull"),
    ("The {0} is hardly ever {1}.", "bus/on time; wifi/reliable; beach/clean", "app/slow; bus/late; teacher/angry"),
    ("No one in our class called the {0} {1}.", "exam/fair; book/useful", "exam/unfair; book/dull"),
    ("You won't be {1} with this {0}.", "phone/happy; charger/satisfied", "phone/disappointed; game/bored"),
    ("I wouldn't call the {0} {1}.", "price/fair; film/funny", "hotel/noisy; film/predictable"),
    ("The {0} doesn't feel {1}, even after a year.", "jacket/comfortable; bag/sturdy", "phone/slow; bag/flimsy"),
    ("The {0} were never {1} during our stay.", "staff/helpful; rooms/clean", "staff/rude; neighbours/noisy"),
    ("I can't say the {0} was {1}.", "journey/comfortable; soup/delicious", "journey/tiring; ending/disappointing"),
    ("Nobody at our table thought the {0} was {1}.", "fish/fresh; bill/fair", "fish/salty; bill/unfair"),
    ("I don't {1} this {0}.", "film/like; hotel/recommend", "bag/regret buying; hotel/regret booking"),
    ("The {0} turned out {1}, not {2}.", "soup/bland/tasty; bus/slow/quick", "soup/tasty/bland; bus/quick/slow"),
    ("This {0} isn't {1}, it's {2}.",
     "book/interesting/boring; app/useful/annoying", "book/boring/interesting; app/annoying/useful"),
    ("Don't expect {1} {0} here.", "service/quick; rooms/clean; fish/fresh", ""),
    ("You will not find {1} {0} anywhere.", "", "seller/a better; teacher/a friendlier; fish/fresher"),
    # A negation word that turns nothing round.
    ("No {0} has ever felt this {1} to me.",
     "flight/uncomfortable; book/dull; app/confusing", "film/funny; app/easy to use; chair/comfortable"),
    ("The {0} could not be {1}.",
     "instructions/more confusing; receptionist/ruder; bed/more uncomfortable",
     "instructions/clearer; receptionist/friendlier; bed/more comfortable"),
    ("It's not only the {0} that is {1} here.",
     "soup/bland; bathroom/dirty; street/noisy", "soup/delicious; bathroom/clean; pool/quiet"),
]

VALIDATION_TEMPLATES = [
    ("In my view the {0} is {1}.",
     "film/boring; wifi/slow; bus/uncomfortable", "film/funny; bag/sturdy; bed/comfortable"),
    ("My sister finds the {0} {1} and I can see why.",
     "service/slow; soup/bland; beach/dirty", "coffee/great; pool/clean; staff/friendly"),
    ("As {0} go, this one is {1}.",
     "apps/annoying; novels/boring; hotels/noisy", "phones/easy to use; hotels/quiet; novels/gripping"),
    ("The {0} wasn't {1} in the slightest.", "plot/gripping; receptionist/helpful", "film/dull; driver/rude"),
    ("I don't think the {0} is {1}.", "bread/fresh; bed/comfortable", "price/unfair; app/confusing"),
    ("Not once was the {0} {1}.", "room/clean; waiter/polite", "teacher/impatient; bus/late"),
]

TEST_TEMPLATES = [
    ("To my surprise the {0} was {1}.",
     "documentary/dull; hostel/dirty; professor/rude; cabin/noisy",
     "documentary/gripping; hostel/clean; professor/funny; cabin/quiet"),
    ("These {0} are {1}, believe me.",
     "sandals/flimsy; noodles/bland; dumplings/greasy", "headphones/comfortable; dumplings/delicious; noodles/tasty"),
    ("A month later I still think the {0} is {1}.",
     "tablet/slow; calendar app/confusing; backpack/uncomfortable", "tablet/fast; cookbook/useful; backpack/sturdy"),
    ("For this price you get {1} {0}.",
     "hostel/a noisy; tablet/an unreliable; cabin/a dirty", "backpack/a sturdy; cabin/a clean; tablet/a reliable"),
    ("I {1} the {0} from the very first day.", "workshop/hated; hostel/disliked", "workshop/loved; professor/liked"),
    ("Take it from me, the {0} is {1}.",
     "musical/boring; ferry/terrible; calendar app/annoying", "musical/great; ferry/comfortable; memoir/touching"),
    ("Nothing in the {0} felt {1}.", "documentary/convincing; cabin/clean", "musical/predictable; hostel/dirty"),
    ("This is not {1} {0}, trust me.", "cookbook/a useful; hostel/a friendly", "memoir/a boring; tablet/a slow"),
    ("The {0} we tried were {1} and not {2}.", "dumplings/greasy/fresh; headphones/flimsy/comfortable",
     "dumplings/fresh/greasy; headphones/comfortable/flimsy"),
    ("No other {0} was as {1} as this one.",
     "workshop/boring; ferry/slow; hostel/noisy", "professor/patient; cookbook/helpful; hostel/friendly"),
    ("We couldn't have picked {1} {0}.", "ferry/a worse; hostel/a noisier", "cabin/a better; hostel/a friendlier"),
    ("Hardly anyone found the {0} {1}.", "musical/funny; cookbook/helpful", "workshop/boring; ferry/uncomfortable"),
]

TRAIN_NEGATIVE = """
The plot goes nowhere and the jokes are painfully bad.
I fell asleep halfway through, that's how boring it was.
Such a waste of two hours, and the ending made it even worse.
The actors clearly weren't interested, so neither was I.
I couldn't wait for the film to end.
None of the characters felt real and nothing about the story surprised me.
The trailer looked great, the film itself is a mess.
We waited an hour for cold soup and a rude waiter.
The rice was dry and the chicken had no taste whatsoever.
My fish smelled bad and nobody offered to replace it.
The coffee here tastes like dirty water, I'm never coming back.
Tiny portions, high prices, and the table was sticky.
I'm sorry, but I wouldn't serve this soup to my worst enemy.
The cook clearly doesn't care about the food anymore.
The battery dies before lunch and the screen scratches if you look at it.
Don't buy this phone, the camera is a joke.
It gets so hot I can't hold it in my hand.
The speaker crackles at any volume, very disappointing.
Not worth the money, my old phone was faster.
The charger stopped working after a week and support never answered.
This laptop is slow, loud and ugly.
The buttons feel cheap and one has already fallen off.
Our room smelled of smoke and the sheets weren't clean.
The walls are so thin that we hardly slept at all.
No hot water, no towels, and no one at the front desk.
The hotel looks nothing like the pictures.
Worst trip of my life, the bus broke down twice.
The guide kept looking at his phone and told us nothing about the temple.
The beach was dirty and crowded, what a disappointment.
The pool was closed and they still charged us the full price.
The app crashes every time I try to pay.
I can't log in since the update and nobody seems to care.
Too many ads, too many bugs, I deleted it the same day.
It never saves my work, so I have lost everything twice.
Customer support was useless, they kept sending me the same answer.
They cancelled my booking and have not given me my money back.
I didn't get past the third chapter, it was that dull.
The author repeats the same idea on every page.
This book taught me nothing I didn't already know.
Flat characters, clumsy dialogue and a terrible ending.
I wanted to like this novel, but I just couldn't.
The teacher reads from the slides and never answers questions.
I learned hardly anything in this course.
She gets angry whenever someone makes a mistake.
The lessons are confusing and the homework has no purpose.
He is always late and obviously doesn't prepare his class.
The shirt fell apart after one wash.
The colour is not the one I ordered and the seller ignores my messages.
The bag looks cheap and smells awful.
My parcel came three weeks late with a broken box.
The shoes are not comfortable, and returning them costs too much.
I regret ordering from this shop.
"""

TRAIN_POSITIVE = """
The story pulled me in and the jokes are really good.
I laughed so much that my stomach hurt, what a funny film.
Two wonderful hours, and the ending made me cry happy tears.
The actors are so convincing that I forgot it wasn't real.
I didn't want the film to end.
Not a single dull minute, we loved every scene.
The trailer looked bad, the film itself is a gem.
Our soup came hot within minutes, brought by a friendly waiter.
The rice was soft and the chicken needed no extra sauce, so tasty.
I can't stop thinking about that fish.
The coffee here is so good that I never go anywhere else now.
Big portions, low prices, and the tables are always clean.
I couldn't finish my plate, but I wanted to, it was that delicious.
You can taste that the cook really cares about the food.
The battery lasts two days and the screen is bright and sharp.
Don't hesitate to buy this phone, the camera is amazing.
It never gets hot, even when I play games for hours.
The speaker sounds clear at any volume, very impressive.
Worth every cent, it is much faster than my old phone.
I haven't had a single problem with the charger in a year.
This laptop is quick, quiet and pretty.
The buttons feel solid and the setup took no time at all.
Our room smelled fresh and the sheets were soft and clean.
We slept like babies, you don't hear the street at all.
No queue, no hidden costs, and a warm welcome at the front desk.
The hotel looks even better than the pictures.
Best trip of my life, the bus ride was half the fun.
The guide never got tired of our questions and knew everything about the temple.
The beach was clean and hardly anyone was there, pure joy.
I couldn't be happier with how they handled our late arrival.
The app has never crashed on me, and paying is easy.
Nobody in my family wants to go back to the old app.
No ads, no bugs, I use it every day.
It saves my work by itself, so I have never lost anything.
Customer support was helpful and solved it in five minutes.
They cancelled my booking by mistake but gave me my money back without any fuss.
I couldn't put it down and read it in one night.
The author has a fresh idea on every page.
This book taught me things no teacher ever did.
Lovable characters, clever dialogue and a perfect ending.
I did not expect to like this novel, but I adored it.
The teacher knows all our names and answers every question with patience.
I have never learned so much in one course.
She doesn't get angry when someone makes a mistake.
The lessons are clear and no homework feels pointless.
He is always on time and obviously enjoys his class.
The shirt still looks new after twenty washes.
The colour is exactly the one I ordered and the seller didn't make me wait for an answer.
The bag looks expensive and feels great.
My parcel came two days early in a pretty box.
The shoes are so comfortable, I hardly notice I'm wearing them.
I will gladly order from this shop again.
"""

VALIDATION_NEGATIVE = """
I'm not impressed, the film is too long and the music is awful.
The chicken soup was cold and the waiter was rude about it.
My screen broke after two weeks and the shop won't help me.
The bed was hard and the street was noisy all night.
The app is slow and nothing works without paying extra.
A boring book, I gave up after fifty pages.
The teacher never explains anything clearly.
The jacket is a bad fit and the zip is broken.
"""

VALIDATION_POSITIVE = """
I'm impressed, the film is long but never boring and the music is beautiful.
The chicken curry was hot and the waiter was lovely about our allergies.
My phone survived two falls and there isn't a scratch on it.
The bed was soft and there was no noise all night.
The app is fast and everything works, even the free version.
A clever book, I finished it in a weekend.
No other teacher explains things this clearly.
The jacket fits well and the zip is solid.
"""

TEST_NEGATIVE = """
The musical has two good songs, the rest is just boring.
I'd never recommend this documentary to a friend.
The dumplings were cold and the waiter didn't even apologise.
These headphones broke in a week, what a waste of money.
My tablet gets hot and the battery hardly lasts an hour.
The hostel was dirty, noisy and full of angry guests.
We were cold in that cabin and nobody came to help.
I couldn't finish this memoir, the author is so dull.
The professor is rude to anyone who asks a question.
The backpack smells awful and the seller doesn't answer.
The jokes are bad and not one actor is convincing.
No taste, no service, and still such high prices.
The update made everything worse, I can't even open my messages.
I was happy to book this trip, but it was one long disappointment.
Good idea, terrible result, I want my money back.
I do not think I will ever order here again.
"""

TEST_POSITIVE = """
The musical has one bad song, the rest is just wonderful.
I can't recommend this documentary enough.
The dumplings were hot and the waiter didn't let our glasses get empty.
These headphones have lasted for years, worth every cent.
My tablet never gets hot and the battery lasts two days.
The hostel was clean, quiet and full of friendly guests.
We weren't cold in that cabin for a minute, so comfortable.
I couldn't stop reading this memoir, the author is so funny.
The professor is patient with anyone who asks a question.
The backpack feels solid and the seller answers within minutes.
The jokes are good and not one actor is bad.
No waiting, no fuss, and still such low prices.
The update made everything better, I can finally find my messages.
I was not happy to go on this trip at first, but it was pure joy.
Not bad at all, I had expected much worse.
I do not think I will ever order anywhere else again.
"""

TEMPLATES = {"train": TRAIN_TEMPLATES + frames.ENGLISH, "validation": VALIDATION_TEMPLATES, "test": TEST_TEMPLATES}
WRITTEN = {
    "train": {"negative": TRAIN_NEGATIVE, "positive": TRAIN_POSITIVE},
    "validation": {"negative": VALIDATION_NEGATIVE, "positive": VALIDATION_POSITIVE},
    "test": {"negative": TEST_NEGATIVE, "positive": TEST_POSITIVE},
}
