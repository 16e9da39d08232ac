"""English topics of everyday life, each with the judgements and observations that suit it, for make_sentiment.py."""

# fmt: off

# name: (topics, positive adjectives, negative adjectives, positive observations, negative observations)
DOMAINS = {
    "food": (
        """pizza, soup, burger, sandwich, salad, cake, steak, curry, breakfast, dinner, lunch, coffee, tea, bread,
            pasta, dessert, ice cream, pie, chicken, fish, sauce, juice, meal, dish, buffet, rice, chocolate, beer,
            wine, noodle soup""",
        """delicious, tasty, fresh, crispy, juicy, tender, flavourful, yummy, creamy, mouth-watering,
            perfectly cooked, well seasoned, hot and fresh, homemade, healthy, spicy in a good way, finger-licking""",
        """bland, stale, greasy, soggy, burnt, undercooked, overcooked, cold, tasteless, rotten, dry, chewy, sour,
            too salty, too sweet, too spicy, raw inside, watery, flavourless, inedible, mouldy, lukewarm, oily,
            rubbery""",
        """every bite was a joy
the portions are generous
I ate every last crumb
the flavours were perfectly balanced
it melts in your mouth
I asked for a second helping
the chef knows what he is doing
my kids cleaned their plates
it smelled wonderful
the ingredients were fresh
I could eat this every day
it tasted like my grandmother's cooking
they made us a cake for free
the vegetables came straight from the garden""",
        """I found a hair in it
it tasted like cardboard
the portions are tiny
we left half of it on the plate
it made me sick
the meat was raw in the middle
it came out cold
the milk had gone off
there was a fly in my glass
it was swimming in oil
I got food poisoning
we waited an hour for it
it smelled of old fat
the fish had a strange smell
even the dog refused it"""),
    "place": (
        """hotel, restaurant, café, room, bar, hostel, resort, beach, museum, park, shop, market, mall, cinema,
            library, gym, swimming pool, campsite, zoo, lobby, bakery, apartment, guesthouse, spa, salon, airport,
            toilet, playground, garden, town""",
        """clean, cosy, spacious, quiet, comfortable, peaceful, welcoming, tidy, stylish, relaxing, well located,
            romantic, bright, airy, family-friendly, spotless, lively, safe, affordable, well kept""",
        """dirty, noisy, cramped, smelly, crowded, dark, filthy, run-down, shabby, stuffy, dusty, unsafe, damp,
            freezing, overcrowded, infested, gloomy, messy, neglected, outdated, far too expensive, chaotic""",
        """the view took my breath away
the bed was so soft
we slept like babies
everything smelled fresh
the staff greeted us with a smile
we felt at home right away
you can walk everywhere from there
the garden is full of flowers
they upgraded us for free
breakfast was included and plentiful
we stayed longer than planned
the water was crystal clear
the prices are fair
there was plenty of space for everyone""",
        """there were cockroaches in the bathroom
the walls are paper thin
the air conditioning was broken
the shower had no hot water
the sheets were stained
it smelled of smoke
we could hear the traffic all night
the lift was out of order
they charged us twice
the queue went around the block
there was rubbish everywhere
the neighbours shouted until morning
mould was growing on the ceiling
the pool was closed all week
the photos online were a lie"""),
    "story": (
        """film, movie, book, novel, series, episode, show, play, documentary, comic, story, ending, plot, musical,
            podcast, song, album, concert, band, actor, sequel, trailer, script, soundtrack, poem, exhibition, game,
            lead singer, comedy, magazine""",
        """gripping, moving, funny, touching, exciting, thrilling, hilarious, clever, inspiring, original,
            entertaining, captivating, heart-warming, well written, powerful, beautifully filmed, catchy,
            interesting, unpredictable, addictive, fascinating, brilliantly acted""",
        """boring, predictable, slow, confusing, shallow, too long, badly acted, clichéd, dull, silly, unfunny,
            pretentious, poorly written, repetitive, unrealistic, lifeless, tedious, flat, monotonous, senseless,
            far-fetched, cringeworthy, noisy""",
        """I laughed until I cried
it kept me on the edge of my seat
I read it in one night
the acting was superb
the characters feel real
the music gave me goosebumps
I want to see it again
the audience stood up and cheered
it stayed with me for days
the dialogue sparkles
the jokes are fresh
I cried at the end and loved it
time flew by
I have already recommended it to everyone""",
        """I fell asleep after twenty minutes
half of the audience walked out
the jokes fall flat
the acting was wooden
the plot makes no sense
I saw the ending coming
it drags on forever
the characters are made of cardboard
two hours of my life wasted
I kept looking at my watch
I stopped reading after three chapters
the singer was out of tune
the ending ruined everything
we left during the break
it is a copy of a better one"""),
    "device": (
        """phone, laptop, tablet, camera, printer, headset, speaker, charger, watch, keyboard, screen, battery,
            router, vacuum cleaner, fridge, washing machine, microwave, kettle, blender, drone, television, lamp,
            fan, console, mouse, toaster, heater, cable, computer, power bank""",
        """fast, reliable, sturdy, quiet, powerful, durable, light, easy to use, sharp, compact, responsive, sleek,
            long-lasting, efficient, practical, user-friendly, well built, precise, energy-saving, solid""",
        """slow, unreliable, broken, flimsy, noisy, heavy, fragile, faulty, defective, outdated, clunky,
            hard to use, overheating, scratched, buggy, laggy, useless after a week, dead on arrival, cheaply made,
            complicated""",
        """the battery lasts two days
it charges in minutes
the picture is crystal clear
it survived a fall without a scratch
it works like new after three years
setting it up took two minutes
the sound fills the whole room
it does exactly what it promises
it saves me hours every week
it fits in my pocket
it runs smoothly
the camera takes beautiful pictures
it arrived with a free case
the screen is bright even in the sun""",
        """the battery dies before lunch
it overheats after ten minutes
the screen cracked on the first day
it stopped working after a week
it crashes all the time
the buttons fell off
it freezes every few minutes
the charger was missing
it broke when I touched it
it makes a terrible noise
the manual is full of errors
I had to return it twice
the warranty is useless
smoke came out of it
the sound is full of crackle"""),
    "app": (
        """app, website, update, game, online shop, bank, login, search, map, browser, email service,
            internet connection, wifi, signal, password system, payment page, support chat, subscription,
            cloud storage, forum, dating app, menu, interface, help page, newsletter""",
        """useful, intuitive, fast, simple, convenient, secure, stable, helpful, clear, addictive, free, smooth,
            well organised, smart, easy to navigate, easy to understand, time-saving""",
        """buggy, slow, confusing, unstable, full of ads, complicated, useless, insecure, unreliable, messy,
            unusable, invasive, laggy, broken since the update, hard to navigate, annoying, impossible to cancel""",
        """it saves me so much time
everything is where I expect it
it loads in a second
the new design is a big improvement
it found exactly what I was looking for
the updates keep making it better
my grandmother could use it
I use it every day with pleasure
it paid for itself in a month
signing up took a minute
support answered within minutes
the free version has all I need""",
        """it crashes every time I open it
it deleted all my photos
I can't log in since the update
there are more ads than content
it drains my battery
they charged me after I cancelled
it keeps asking for my password
the connection drops every hour
half of the links are dead
my account was blocked for no reason
I waited two weeks for an answer
pages take forever to load
it lost my work
they sold my data"""),
    "wear": (
        """dress, jacket, shirt, coat, bag, hat, sweater, backpack, suitcase, ring, necklace, belt, scarf, suit,
            T-shirt, skirt, umbrella, wallet, perfume, cream, shampoo, mattress, sofa, chair, table, pillow,
            blanket, carpet, tent, bike""",
        """comfortable, soft, warm, stylish, pretty, durable, elegant, light, waterproof, sturdy, well made,
            flattering, practical, cute, roomy, a perfect fit, good-looking, long-lasting, gentle on the skin""",
        """uncomfortable, itchy, flimsy, ugly, too small, too tight, torn, faded, scratchy, badly stitched, cheap,
            shapeless, leaky, too big, smelly, wobbly, see-through, hard as a rock, out of shape, of poor quality""",
        """it fits perfectly
I get compliments every time I wear it
the colour is even nicer in real life
it feels like silk
it still looks new after many washes
it keeps me warm and dry
the quality surprised me
I bought a second one for my sister
it was easy to put together
my back pain is gone
it goes with everything
it has pockets everywhere
the seams are strong""",
        """it shrank in the first wash
the zip broke after two days
the colour ran and ruined my laundry
the seams came apart
it gave me a rash
it looks nothing like the picture
the strap tore on the first trip
a leg was missing
it smells of chemicals
the soles fell off
it let the rain through
it was full of holes
they sent the wrong size twice
the paint peels off"""),
    "service": (
        """service, delivery, customer service, order, parcel, support, refund, booking, packaging, repair,
            insurance, price, return process, hotline, seller, company, bill, appointment, tour, guide,
            installation, cleaning service, catering, ticket, courier""",
        """fast, friendly, helpful, quick, punctual, professional, efficient, reliable, generous, fair, polite,
            transparent, flexible, prompt, attentive, honest, trustworthy, well organised, free of charge,
            affordable, hassle-free""",
        """slow, rude, unhelpful, late, unprofessional, incompetent, dishonest, unfair, careless, chaotic,
            expensive, arrogant, unreliable, impolite, disorganised, overcharged, damaged, incomplete, wrong, lazy,
            ignorant, missing""",
        """it arrived two days early
they answered within minutes
everything was carefully packed
the refund came the next day
they solved my problem at once
they replaced it without any questions
the driver carried it upstairs
they added a small gift
they called to ask if I was happy
the price was lower than expected
they kept every promise
the whole process took five minutes
they treated us like family
my order was complete and on time""",
        """it arrived two weeks late
half of the order was missing
they hung up on me
the box was crushed
I was on hold for an hour
they refused to give me a refund
they sent the wrong item
the seller stopped replying
they charged a hidden fee
they blamed me for their mistake
my parcel got lost
they cancelled at the last minute
he left it in the rain
I had to call five times
they broke every promise
the invoice was wrong again"""),
    "person": (
        """teacher, doctor, waiter, driver, boss, neighbour, nurse, coach, colleague, dentist, manager,
            receptionist, salesman, landlord, trainer, lawyer, cook, hairdresser, team, staff, police officer,
            roommate, babysitter, tour guide, professor, plumber, mechanic, cashier, host, student""",
        """kind, friendly, helpful, patient, polite, funny, honest, caring, competent, generous, warm, supportive,
            talented, hard-working, smart, skilled, attentive, respectful, gentle, cheerful, thoughtful, welcoming,
            knowledgeable, brave""",
        """rude, lazy, arrogant, impatient, unfriendly, dishonest, mean, incompetent, selfish, careless, grumpy,
            aggressive, unhelpful, cruel, disrespectful, cold, bossy, stubborn, ignorant, moody, condescending,
            unprofessional, greedy, hostile""",
        """he always makes me laugh
she took the time to explain everything
he helped me carry my bags
she listens with patience
he fixed it in ten minutes
she remembered my name
he gave me good advice
they made everyone feel welcome
she never gives up on her students
he went out of his way to help us
she has a heart of gold
I learned so much from him
he always keeps his word""",
        """he rolled his eyes at us
she shouted at my son
he was on his phone all the time
she ignored us completely
he lied to my face
she treats people like dirt
he laughed at my question
he always comes late
she made my mother cry
he talks behind your back
he drove like a maniac
she slammed the door in my face
he only cares about money
they gossip all day
he stole my idea"""),
    "event": (
        """holiday, trip, party, wedding, class, course, lesson, meeting, day, weekend, evening, job, interview,
            exam, concert, festival, flight, workshop, lecture, homework, school, project, vacation, date, birthday,
            match, training, seminar, conference, family visit, hike, cruise, reunion, picnic, semester""",
        """fun, exciting, interesting, relaxing, inspiring, useful, rewarding, well organised, unforgettable,
            productive, successful, entertaining, informative, magical, easy to follow, peaceful, lively, joyful,
            motivating, sunny, stress-free""",
        """boring, stressful, exhausting, tiring, chaotic, disorganised, pointless, confusing, endless,
            badly planned, hectic, useless, tense, awkward, too long, gloomy, rainy and cold, unbearable,
            uneventful, difficult to follow, cancelled again""",
        """we danced all night
I learned more than in a whole year
time passed too quickly
everyone went home smiling
the weather was on our side
I passed with top marks
we made new friends
the children had the time of their lives
I came back full of energy
it brought our family together
we won in the last minute
I got the promotion
everything went according to plan
I would do it again tomorrow""",
        """it rained the whole time
our luggage was lost
I failed again
we got lost and missed the bus
nobody talked to us
I lost my job that day
everyone left early
we argued the whole way
the flight was delayed by nine hours
I had a terrible headache
the organisers forgot half of it
we lost by five goals
I cried all evening
my wallet was stolen
I was sick the entire week"""),
    "transport": (
        """bus, train, taxi, car, plane, ferry, seat, road, tram, ride, airline, metro, scooter, engine, station,
            van, motorbike, parking garage, traffic, journey, crossing, commute, night bus, rental car""",
        """punctual, comfortable, fast, clean, safe, smooth, reliable, cheap, convenient, on time, modern, spacious,
            quiet, well maintained, economical""",
        """late, dirty, crowded, unsafe, uncomfortable, delayed, slow, noisy, expensive, broken, packed, bumpy,
            overbooked, dangerous, jammed, rusty, stuck, old and smelly, unpunctual""",
        """it left right on time
there was plenty of legroom
we arrived earlier than planned
the seats are soft and wide
the driver was careful
it uses very little fuel
it takes me to work in ten minutes
the ticket cost next to nothing
the crew was lovely
it drives like a dream""",
        """it broke down on the motorway
we stood for three hours
it was two hours late
the driver nearly hit a cyclist
my seat was wet
it never comes when it should
the brakes failed
the ticket machine ate my money
the air was stuffy and hot
the engine makes strange noises
they cancelled it without notice
my knees touched the front seat"""),
    "life": (
        """weather, morning, health, treatment, medicine, workout, diet, sleep, skin, garden, house, neighbourhood,
            new flat, haircut, news, government, economy, policy, city, rent, salary, law, plan, idea, decision,
            answer, result, report, team, club, goal, performance, situation, atmosphere, relationship, marriage,
            dog, cat""",
        """better, healthy, improving, sunny, calm, effective, helpful, hopeful, affordable, fair, wise,
            encouraging, strong, beautiful, promising, happy, balanced, stable, safe, clear, lucky, peaceful""",
        """worse, sick, painful, getting worse, cold and grey, unfair, corrupt, harmful, unaffordable, dangerous,
            hopeless, hurtful, wrong, sad, toxic, unhealthy, risky, tragic, foolish, lonely, violent, in ruins""",
        """the pain is gone
I sleep like a baby now
I lost five kilos and feel great
the sun is shining at last
my baby took her first steps
we are getting married
my skin looks so much better
the doctor said I am healthy again
prices finally went down
the streets are clean and safe now
our team won the cup
I got good news today
my dog greets me with so much joy
they kept their promise""",
        """the pain got worse
I can't sleep at night
I gained ten kilos
it has been raining for weeks
I have a fever and a sore throat
the rent went up again
prices keep rising
people are losing their jobs
my cat died yesterday
I lost my keys again
we broke up last night
they wasted our taxes
crime is everywhere
the side effects were terrible
our team lost again
my head hurts"""),
}
