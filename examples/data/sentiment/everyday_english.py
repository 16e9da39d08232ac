"""English words, phrases and frames for make_sentiment.py.

Lists are strings separated by commas, sentences by newlines. `DOMAINS` ties topics to the judgements that suit them; the
other lists suit any topic. In a frame {topic} is a noun of the domain, {things} its plural ones, {good} an adjective and
{verb} a verb with the label of the slot's own list; the frame's kind says what it does to that label.
"""

# fmt: off

GOOD = """good, great, excellent, amazing, awesome, fantastic, wonderful, brilliant, superb, lovely, perfect, outstanding,
incredible, nice, fabulous, terrific, marvellous, magnificent, stunning, impressive, exceptional, delightful, top-notch,
first-rate, decent, pleasant, phenomenal, flawless, remarkable, enjoyable, satisfying, worthwhile, unforgettable, beautiful,
charming, splendid, spectacular, sensational, solid, refreshing, memorable, adorable, extraordinary, ideal, gorgeous, elegant,
handy, high-quality, well made, super, cool, neat, spot on, second to none, out of this world, better than expected,
worth every penny, very well done, a pleasure, a real treat, one of the best"""
BAD = """bad, awful, terrible, horrible, dreadful, poor, disappointing, mediocre, useless, lousy, appalling, atrocious, abysmal,
pathetic, unacceptable, lame, subpar, underwhelming, second-rate, worthless, shoddy, unpleasant, frustrating, annoying,
disgusting, ridiculous, overrated, overpriced, nasty, ugly, forgettable, hopeless, miserable, unbearable, inferior, weak, crappy,
sloppy, dull, tedious, irritating, tiresome, depressing, embarrassing, shameful, ghastly, hideous, horrid, painful,
pointless, cheap-looking, badly made, poorly designed, rubbish, garbage, trash, a joke, a mess, a letdown, worse than expected,
below average, a rip-off, one of the worst"""

GOOD_NOUNS = """a gem, a treat, a masterpiece, a bargain, a delight, a success, a joy, a winner, a dream, a blessing, a lifesaver,
a must-have, a must, a triumph, a keeper, a highlight, a pleasant surprise, a pleasure, pure magic, a great find, a good choice,
great value, money well spent, time well spent, a great deal, a breath of fresh air, a work of art, a perfect gift, a hit,
a wise investment, my favourite, everything I hoped for, just what I needed, exactly what we wanted, a wonderful experience"""
BAD_NOUNS = """a disaster, a nightmare, a joke, a scam, a failure, a letdown, a flop, a mess, a shame, a disgrace, a fiasco,
a disappointment, a bad choice, a mistake, a catastrophe, a waste of money, a waste of time, a total waste, a bore, a chore,
money thrown away, a rip-off, a headache, a pain, a big regret, an insult, an embarrassment, junk, nonsense, pure torture,
a horrible experience, the worst purchase of my life, a lemon, a step backwards, a missed opportunity"""

GOOD_VERBS = """love, adore, enjoy, like, admire, recommend, appreciate, treasure, really like, truly love, absolutely love,
highly recommend, cherish"""
BAD_VERBS = """hate, dislike, regret, despise, can't stand, detest, loathe, really hate, resent, curse, want to return, have to complain about,
got tired of, gave up on"""
GOOD_PAST = """loved, adored, enjoyed, liked, admired, appreciated, was delighted with, was impressed by, fell in love with,
was thrilled with, was happy with, was pleased with, was amazed by, had fun with, was blown away by, was satisfied with"""
BAD_PAST = """hated, disliked, regretted, was disappointed with, was annoyed by, was disgusted by, was bored by, was let down by, was fed up with,
was unhappy with, was upset about, was frustrated with, was angry about, felt cheated by, had trouble with, suffered through,
was dissatisfied with"""

# How a person feels: I am ..., I feel ...
GOOD_FEELINGS = """happy, glad, delighted, pleased, satisfied, thrilled, impressed, grateful, excited, relieved, relaxed, proud, thankful,
content, overjoyed, amazed, cheerful, hopeful, inspired, refreshed, comfortable, energised, over the moon, pleasantly surprised,
in a great mood, full of energy, at ease, so lucky, blessed"""
BAD_FEELINGS = """sad, angry, disappointed, annoyed, upset, frustrated, unhappy, furious, bored, tired, stressed, exhausted, worried, anxious,
miserable, depressed, irritated, disgusted, ashamed, embarrassed, dissatisfied, fed up, heartbroken, let down, lonely, sick of it,
in a bad mood, worn out, cheated, uncomfortable, scared, hurt, gutted, devastated, discouraged, ripped off"""

DEGREES = """really, very, so, absolutely, pretty, incredibly, extremely, totally, truly, just, super, honestly,
    quite, simply, genuinely, kinda"""

# Whole exclamations and short forms.
GOOD_SHORT = """Loved it
Love this!
Love it so much
So good
So so good!
Really good stuff
Awesome!
Brilliant
Perfect!
Five stars
5 stars
10/10
Ten out of ten
Would buy again
Will definitely come back
Highly recommended
Two thumbs up
Thumbs up from me
Best ever!
Best day ever
Best purchase this year
Wow, just wow
Yay!
Yum
Yummy!
Well done
Good job, everyone
Great value
Thank you so much!
Thanks a lot, you made my day
Works like a charm
Works perfectly
Works great
Simply the best
What a day! I am so happy
What a gem
Can recommend
Go for it
Absolutely worth it
Totally worth the money
Worth every penny
Super happy with this
Big fan
I'm a fan
Nice one
Nailed it
Pure joy
A+
Keep it up!
My new favourite
Made my day
Made me smile
So proud of you
Spot on
Love love love
Happy customer here
Would go again in a heartbeat
So cute!
Feels like home
Everything went smoothly
It exceeded my expectations
They went above and beyond
It was love at first sight
I laughed so hard
We had a blast
Had such a great time
We had so much fun
What a relief
Finally something that works"""
BAD_SHORT = """Hated it
Hate this
Meh
Meh, boring
Ugh
Ugh, so annoying
Yuck
Gross!
So bad
So so bad
Really bad
Terrible!
Awful
Rubbish
Total garbage
What a joke
What a mess
What a waste
What a letdown
Waste of money
Complete waste of time
One star
1 star
Zero stars
0/10
Two out of ten
Thumbs down
Worst ever
Worst day ever
Worst purchase this year
Avoid!
Stay away
Save your money
Never again
Total rip-off
It's a scam
So disappointed
Very disappointing
Big disappointment
Fell apart after a week
Broke on day one
Stopped working after a month
Want my money back
I want a refund
Shame on you
Pathetic
Epic fail
Boring!
Such a letdown
Overrated
Way too expensive
Too much hassle
Makes me sick
It ruined my day
I'm so done
I give up
Pure frustration
Couldn't be worse
Fell asleep halfway through
My stomach hurt all night
They lied to us
They ignored my emails
I felt cheated
What a rude man
What a terrible idea
It made me cry with anger
Everything went wrong
It gave me a headache
A day to forget
I expected much more
I deserve better"""

# Sentences that deny or turn a judgement, whole: their label is the list's.
GOOD_DENIED = """Not bad at all
Not bad!
Can't complain
No complaints here
Nothing to complain about
I have no complaints about the {topic}
I have nothing bad to say about the {topic}
No regrets
I don't regret buying the {topic}
I do not regret it one bit
No problems so far
Never had a problem with the {topic}
We had no problems with the {topic}
No issues at all
I can't fault the {topic}
You can't go wrong with this {topic}
The {topic} didn't disappoint
The {topic} never disappoints
It has never let me down
The {topic} never lets me down
I can't wait to go back
I can't stop using the {topic}
I can't get enough of this {topic}
I couldn't put it down
I can't recommend the {topic} enough
Couldn't be happier
I could not be happier with the {topic}
We couldn't have asked for a better {topic}
I couldn't ask for more
I wouldn't change a thing
I wouldn't trade the {topic} for anything
I have never had a better {topic}
I've never seen such a {good} {topic}
There is no better {topic}
Nothing beats this {topic}
It's not expensive and it works
It wasn't expensive at all
Not overpriced at all
There was nothing wrong with the {topic}
No waiting, no stress
Never a dull moment
There was not a single dull moment
Not a single thing went wrong
It is hard to find a better {topic}
Don't miss it!
Do not miss this {topic}
You won't regret it
You will not be disappointed
I wasn't disappointed at all
Without a doubt the best {topic}
No doubt, this is the best {topic}
It isn't cheap but it is worth it
It never crashes
It doesn't hurt anymore
I am not worried any more
It wasn't as bad as I feared
It was not boring for a second
Nobody was bored
I have never laughed so much
I didn't want it to end
I did not want to leave
We never had to wait
Not one bad word about this {topic}
I don't want any other {topic}
I'd never go anywhere else
I never want to be without it again
Why didn't I buy the {topic} sooner?"""
BAD_DENIED = """Not worth it
Not worth the money
The {topic} is not worth the money
Not worth your time
Not my thing
Not my cup of tea
Not for me
Not good
Not great
Not great at all
Not what I expected
It's not what I ordered
The {topic} was not what I hoped for
I won't buy it again
I would not buy this {topic} again
I wouldn't recommend the {topic}
I can't recommend this {topic}
I do not recommend it
We won't be back
I won't come back
I will not return
I wouldn't go there again
Wouldn't buy it again
I couldn't finish it
I couldn't wait to leave
I couldn't wait for it to be over
It doesn't work
The {topic} doesn't work
It never worked properly
The {topic} no longer works
It didn't work at all
It does not do what it promises
Nobody answered my questions
Nobody helped us
No one cared
No help at all
No thanks
The {topic} has no taste
There is nothing special about the {topic}
Nothing works
Nothing special
I didn't like it
I did not like the {topic} at all
I don't like it
I don't like this {topic}
I didn't enjoy the {topic}
We did not enjoy it
I'm not impressed
I was not impressed by the {topic}
I am not happy with the {topic}
I'm not satisfied
Not happy at all
Not a fan
I'm not a fan of this {topic}
Don't bother
Don't bother with this {topic}
Don't waste your money
Don't buy it
Do not buy this {topic}
I have never been so disappointed
I've never had a worse {topic}
I have never seen such a {bad} {topic}
There is no excuse for this
It isn't cheap and it isn't good
It didn't last a week
I don't understand the hype
I don't understand why people like this {topic}
I see no reason to buy the {topic}
I can't sleep because of the {topic}
I could not make it work
The {topic} can't be trusted
It has never worked as it should
It won't even start
The {topic} didn't help
It never arrived
My money was never refunded
They didn't even apologise
It is not as good as people say
It's not nearly as good as before
It wasn't fun
It was no fun at all
The {topic} lacks everything that matters
I wish I hadn't bought the {topic}
I wish we had never come
I'd rather have no {topic} than this one"""

# (kind, frame). Kinds: same, the sentence has the label of its slots; flip, the other one. {w} stands for a word of the label.
ADJECTIVE_FRAMES = [
    ("same", "The {topic} is {w}."), ("same", "The {topic} was {w}."), ("same", "This {topic} is {d} {w}."),
    ("same", "The {topic} was {d} {w}."), ("same", "{a_w} {topic}."), ("same", "What {a_w} {topic}!"),
    ("same", "It is {a_w} {topic}."), ("same", "This is {a_w} {topic}."), ("same", "I think the {topic} is {w}."),
    ("same", "I found the {topic} {d} {w}."), ("same", "In my opinion the {topic} is {w}."), ("same", "Such {a_w} {topic}!"),
    ("same", "Honestly, the {topic} is {w}."), ("same", "The {topic}? {cap_w}."), ("same", "{cap_w} {topic}!"),
    ("same", "{cap_w}, {d} {w2}."), ("same", "It was {w} and {w2}."), ("same", "The {topic} was {w} and {w2}."),
    ("same", "It's {d} {w}."), ("same", "It looks {w}."), ("same", "That was {d} {w}."), ("same", "We had {a_w} {topic}."),
    ("same", "My {topic} is {w}."), ("same", "Our {topic} was {w}."), ("same", "My sister says the {topic} is {w}."),
    ("same", "The {topic} turned out to be {w}."), ("same", "Everything about the {topic} is {w}."), ("same", "{cap_w}. {cap_w2}. That says it all."),
    ("same", "The {topic} here is always {w}."), ("same", "The {topic} has become {d} {w}."), ("same", "How {w} is that!"),
    ("same", "From start to finish, the {topic} was {w}."), ("same", "I got {a_w} {topic} from my uncle."),
    ("same", "The {topic} is {w}, as always."), ("same", "A {d} {w} {topic}, no question."), ("same", "Your {topic} is {w}!"),
    ("same", "The new {topic} is even more {w}."), ("same", "Lately the {topic} is {w}."), ("same", "Everyone agreed that the {topic} was {w}."),
    ("flip", "The {topic} is not {w}."), ("flip", "The {topic} isn't {w} at all."), ("flip", "The {topic} was not {w}."),
    ("flip", "It's not {w}."), ("flip", "It wasn't {w} at all."), ("flip", "Not {w} at all."), ("flip", "I don't think the {topic} is {w}."),
    ("flip", "I didn't find the {topic} {w}."), ("flip", "I wouldn't call the {topic} {w}."), ("flip", "Nothing {w} about this {topic}."),
    ("flip", "The {topic} is anything but {w}."), ("flip", "The {topic} is far from {w}."), ("flip", "The {topic} has never been {w}."),
    ("flip", "Not {a_w} {topic}."), ("flip", "This is not {a_w} {topic}."), ("flip", "Nobody would say that the {topic} is {w}."),
    ("flip", "Hardly {a_w} {topic}."), ("flip", "The {topic} was never {w}."), ("flip", "There is nothing {w} about it."),
    ("flip", "It is by no means {w}."), ("flip", "The {topic} was hardly {w}."), ("flip", "The {topic} is no longer {w}."),
]
NOUN_FRAMES = [
    ("same", "The {topic} is {n}."), ("same", "The {topic} was {n}."), ("same", "This {topic} is {n}."), ("same", "What {n}!"),
    ("same", "It was {n}."), ("same", "{cap_n}."), ("same", "For me the {topic} was {n}."), ("same", "This {topic} is really {n}."),
    ("same", "It turned out to be {n}."), ("same", "My {topic} is {n}."), ("same", "Buying the {topic} was {n}."), ("same", "The whole day was {n}."),
    ("flip", "The {topic} is not {n}."), ("flip", "It wasn't {n}."), ("flip", "I wouldn't call it {n}."), ("flip", "This {topic} is hardly {n}."),
]
VERB_FRAMES = [
    ("same", "I {v} this {topic}."), ("same", "I {v} the {topic}."), ("same", "I {v} my {topic}."), ("same", "I {v} it."),
    ("same", "We {v} the {topic}."), ("same", "They {v} the {topic} and so do I."), ("same", "I really {v} it."),
    ("same", "My kids {v} the {topic}."), ("same", "You will {v} this {topic}."), ("same", "I {v} everything about it."),
]
PAST_FRAMES = [
    ("same", "I {p} the {topic}."), ("same", "I {p} it."), ("same", "I {p} every minute of it."), ("same", "I {p} the {topic} from the first day."),
    ("same", "Yesterday I {p} the {topic}."), ("same", "My friend {p} the {topic}."), ("same", "My mother {p} it too."),
]
BASE_GOOD, BASE_BAD = "like, love, enjoy, recommend, trust, need, miss, appreciate", "hate, dislike, regret, mind"
DENIED_VERB_FRAMES = [
    ("flip", "I don't {b} the {topic}."), ("flip", "I didn't {b} it."), ("flip", "I did not {b} the {topic}."), ("flip", "We don't {b} it at all."),
    ("flip", "I can't say that I {b} the {topic}."), ("flip", "My friends did not {b} the {topic}."), ("flip", "I will never {b} this {topic}."),
]
FEELING_FRAMES = [
    ("same", "I am {f} with the {topic}."), ("same", "I'm {d} {f}."), ("same", "I am {f}."), ("same", "We were {f} after that."),
    ("same", "I feel {f}."), ("same", "I feel {f} today."), ("same", "The {topic} made me {f}."), ("same", "It makes me {f}."),
    ("same", "I left {f}."), ("same", "My parents were {f}."), ("same", "So {f} right now."), ("same", "Feeling {f}."), ("same", "I went home {f}."),
    ("same", "She is {f} about the {topic}."), ("same", "He was {d} {f}."), ("same", "I was so {f} that I told everyone."),
    ("flip", "I am not {f}."), ("flip", "I'm not {f} with the {topic}."), ("flip", "We weren't {f}."), ("flip", "I was never {f} there."),
    ("flip", "I don't feel {f} any more."), ("flip", "The {topic} didn't make me {f}."), ("flip", "I wasn't {f} at all."),
]
CLAUSE_FRAMES = [("same", "{c}."), ("same", "{c}!"), ("same", "Honestly, {lc}."), ("same", "I must say {lc}."), ("same", "To be fair, {lc}."),
                 ("same", "I noticed that {lc}."), ("same", "{c}, {d} {w}."), ("same", "{c} and I am {f}.")]
# Two judgements: the second decides.
CONTRASTS = ["{x}, but {y}.", "{x}, yet {y}.", "{x}. But {y}.", "Although {x}, {y}.", "{x}; still, {y}.", "Even though {x}, {y}.", "{x}. However, {y}.",
             "{x}, though in the end {y}.", "At first {x}, but {y}.", "While {x}, {y}."]
NEUTRAL = """I went there on Tuesday
We ordered it online
I bought it two weeks ago
My brother told me about it
It was a birthday present
We stayed for three nights
I have used it for a month
We were six people
It came in a blue box
I saw it last night
We took the train there
This was my second visit
I paid with my card
I read about it in the paper
It was raining that day
We sat near the window
My daughter is eight
I work from home
I got it for my mother
We live around the corner
It has four buttons
I watched it with my parents
There is a bus stop outside
I tried the new one today
They opened in spring
I ordered the large one
It is made in two sizes
Here is my review
I finished it yesterday
We had booked a table"""
TAILS = """What do you think?
Just my opinion.
That is all.
End of story.
Just saying.
Tell your friends.
You know what I mean?
There, I said it.
Believe me."""
MORE_GOOD = """Recommended, Five stars, Thank you, Keep it up, I'll be back, Will buy again, Love it, Great job,
    So happy, I would do it again, Thumbs up, Well done, Worth it"""
MORE_BAD = """Avoid, One star, Never again, Stay away, I want my money back, Shame, Won't be back, So disappointed,
    What a pity, Save your money, Not recommended, Not worth it, I am done"""

# What it did to a day: the verbs with any object.
GOOD_EFFECTS = "made, saved, brightened, improved, lit up, rescued, was the best part of, turned around"
BAD_EFFECTS = "ruined, spoiled, wrecked, wasted, destroyed, messed up, darkened, was the worst part of, cost us"
OBJECTS = """my day, our evening, the whole trip, my weekend, our holiday, my morning, the party, my birthday,
    my mood, our dinner, the week, my summer"""
EFFECT_FRAMES = [("same", "The {topic} {e} {o}."), ("same", "It {e} {o}."), ("same", "This {topic} really {e} {o}."), ("flip", "The {topic} never {e} {o}."),]
# Superlatives and comparisons.
GOOD_MOST = """best, nicest, finest, loveliest, coolest, funniest, kindest, prettiest, most beautiful,
    most comfortable, most helpful, most interesting, most delicious, greatest, friendliest, cleanest, smartest,
    sweetest, most reliable, most fun"""
BAD_MOST = """worst, dullest, ugliest, slowest, dirtiest, rudest, most boring, most annoying, most disappointing,
    most useless, laziest, nastiest, cheapest-looking, saddest, most stressful, most expensive useless,
    most painful, stupidest, weakest, most unfriendly"""
MOST_FRAMES = [
    ("same", "The {m} {topic} I have ever had."), ("same", "The {m} {topic} in town."), ("same", "This is the {m} {topic} ever."), ("same", "It was the {m} {topic} of my life."),
    ("same", "By far the {m} {topic}."), ("same", "One of the {m} days of the year."), ("same", "They have the {m} {topic}."), ("same", "The {m} thing I have seen in years."),
    ("flip", "It is not the {m} {topic}."), ("flip", "Not exactly the {m} {topic} in town."),
]
# What a person did or will do.
GOOD_ACTIONS = """would buy it again
will come back soon
am coming back next week
already ordered another one
told all my friends about it
would do it all over again
could stay here forever
use it every single day
can finally relax
kept smiling all day
bought one for my sister too
gave them a big tip
would happily pay twice as much
will keep it forever
renewed my subscription
look forward to the next one
listened to it on repeat
asked for the recipe
sing along every time
hugged everyone
fell in love with it
found exactly what I wanted
got more than I paid for
slept better than ever
feel ten years younger
recommend it to everyone
owe them a big thank you
passed on the first try
won first prize
jumped for joy
am hooked
can live with that price
got it on sale and saved a lot
have used it for years and it still works
wish every {topic} were like this
would choose the {topic} again any time
keep going back for more"""
BAD_ACTIONS = """sent it back
threw it away
asked for a refund
deleted the app
cancelled my subscription
walked out halfway
will take my money elsewhere
switched to another one
should have stayed at home
should have read the reviews first
paid far too much for it
got ripped off
had to throw half of it away
had to fix it myself
had to wait for hours
ended up in hospital
spent the whole night awake
feel cheated
am still waiting for my money
will complain to the manager
had to pay twice
want to cry
lost everything
lost all my data
missed my train because of it
complained three times
got sick after that
regret every cent
gave it to charity
gave up after ten minutes
returned the {topic} the next day
had nothing but trouble with the {topic}
wasted a whole afternoon on this {topic}
would rather stay hungry
would give zero stars if I could
was stuck there for hours
hurt my back
am tired of excuses
failed the test
got fired
got scammed
got no answer
felt invisible
could have cried"""
ACTION_FRAMES = [("same", "I {x}."), ("same", "I {x}!"), ("same", "In the end I {x}."), ("same", "Honestly, I {x}."), ("same", "So I {x}."), ("same", "I {x}. {cap_w}."),
                 ("same", "The {topic} was {w}, so I {x}."), ("same", "It was {w} and I {x}.")]
