"""Build more train templates for make_opinions.py by combining frames with matching words.

A domain lists topics and pairs of judgements ("negative/positive"), chosen so that every topic goes with every pair.
A frame names its kind and the domains that fit it. Its slots: {0} topic, {1} judgement, {2} judgement with its article,
{3} the opposite judgement, {4} the comparative (the last three are for English and for contrasts). Kinds:

    plain     the sentence has the label of {1}, also if it contains a "not"
    contrast  like plain, and it denies {3}; without pairs like "uncomfortable/comfortable"
    turned    the sentence denies {1}, so it has the other label

A "-" or "+" after the kind makes sentences of that label only. Topics and judgements take turns, so that every
judgement occurs about equally often; nothing is random.
"""

from itertools import cycle

# fmt: off

# Sentences per frame and label: fewer turned ones, or no word would lean to either label.
PER_LABEL = {"plain": 8, "contrast": 8, "turned": 5, "plain-": 8, "plain+": 8, "turned-": 8}
TOO_STRONG_TO_DENY = {"terrible/great"}  # "not terrible" is hardly praise

ENGLISH_DOMAINS = {
    "story": ("film, novel, series, play, podcast, show, cartoon, story, stage version",
              "boring/gripping, dull/funny, predictable/interesting, dull/touching, boring/convincing, terrible/great"),
    "meal": ("pizza, salad, sandwich, omelette, burger, lasagne, pie, pasta, stew",
             "bland/delicious, greasy/fresh, bland/tasty, greasy/tasty, terrible/great"),
    "stay": ("hotel, guesthouse, inn, campsite, resort, café, restaurant, youth centre, motel",
             "noisy/quiet, dirty/clean, uncomfortable/comfortable, unfriendly/friendly, terrible/great"),
    "ride": ("bus, train, taxi, tram, boat, minibus, metro, shuttle, night train",
             "slow/fast, uncomfortable/comfortable, unreliable/reliable, dirty/clean, terrible/great"),
    "device": ("laptop, phone, printer, router, scanner, computer, smartwatch, game console, radio",
               "slow/fast, unreliable/reliable, annoying/useful, terrible/great"),
    "app": ("app, website, recipe app, online map, search page, booking site, timetable app, weather app, chat app",
            "confusing/useful, annoying/helpful, slow/fast, unreliable/reliable"),
    "gear": ("bag, suitcase, chair, tent, bike, helmet, stool, camp bed, desk chair",
             "flimsy/sturdy, uncomfortable/comfortable, flimsy/reliable, terrible/great"),
    "person": ("teacher, guide, waiter, driver, nurse, seller, neighbour, trainer, host",
               "rude/polite, impatient/patient, unfriendly/friendly, annoying/funny, rude/helpful"),
    "course": ("course, lesson, talk, class, seminar, guidebook, textbook, lecture, training video",
               "boring/interesting, confusing/useful, confusing/helpful, dull/useful, terrible/great"),
    "snacks": ("chips, pancakes, prawns, burgers, vegetables, meatballs, waffles, pies, spring rolls",
               "bland/delicious, greasy/fresh, bland/tasty, greasy/tasty"),
    "wear": ("boots, shoes, gloves, trainers, slippers, earbuds, glasses, camping chairs, cushions",
             "flimsy/sturdy, uncomfortable/comfortable, flimsy/comfortable"),
    "staff": ("waiters, guides, drivers, nurses, teachers, cleaners, sellers, neighbours, ticket clerks",
              "rude/polite, impatient/patient, unfriendly/friendly, unhelpful/helpful"),
    "mood": ("film, hotel, course, phone, restaurant, app, new bag, bus service, concert",
             "disappointed/happy, annoyed/satisfied, unhappy/impressed"),
    "verb": ("film, course, hotel, soup, tour, novel, class, boat trip, app", "hated/loved, disliked/liked"),
    "wish": ("trip, course, film, class, tour, holiday, lesson, concert, boat ride",
             "regret/enjoy, dislike/like, regret/love"),
}

SINGULAR = "story meal stay ride device app gear person course"
PLURAL = "snacks wear staff"
PLACES_AND_THINGS = "stay ride gear app"

ENGLISH_FRAMES = [
    # The judgement stands as it is.
    ("plain", "The {0} was {1}.", "story meal person course"),
    ("plain", "The {0} was really {1}.", "stay ride meal person"),
    ("plain", "The {0} is {1}, no question.", SINGULAR),
    ("plain", "That {0} was very {1}, I thought.", "course story person stay"),
    ("plain", "Honestly, the {0} was {1}.", "story stay meal ride"),
    ("plain", "I think the {0} is {1}.", "app device gear course"),
    ("plain", "{2} {0}, that's what it was.", "story course stay ride"),
    ("plain", "It was {2} {0} and I told my friends so.", "story meal ride course"),
    ("plain", "We ended up with {2} {0}.", "stay gear device person"),
    ("plain", "My brother bought {2} {0}.", "device gear"),
    ("plain", "The {0} seemed {1} to all of us.", "person story course stay"),
    ("plain", "The {0} here is {1} and everybody knows it.", "app stay ride meal"),
    ("plain", "The {0} were {1}.", PLURAL),
    ("plain", "The {0} are really {1}, I must say.", PLURAL),
    ("plain", "All the {0} we tried were {1}.", "snacks wear"),
    ("plain", "These {0} are {1}.", "wear snacks"),
    ("plain", "I {1} the {0}.", "verb"),
    ("plain", "My friends {1} the {0} and so did I.", "verb"),
    ("plain", "I was {1} with the {0}.", "mood"),
    ("plain", "I use {2} {0} every day.", "device app gear"),
    ("plain", "Everyone told us that the {0} was {1}.", "story person stay ride"),
    ("plain", "A friend of mine has {2} {0}.", "gear device"),
    ("plain", "How {1} that {0} was!", "person story meal ride"),
    # A negation that turns nothing round.
    ("plain", "I can't imagine a {4} {0}.", "story stay ride gear"),
    ("plain", "I can't think of a {4} {0} in this town.", "stay ride meal person"),
    ("plain", "The {0} could hardly be {4}.", "person app stay gear"),
    ("plain", "I've never known {0} to be this {1}.", "snacks wear staff"),
    ("plain", "No {0} we know is even half as {1}.", "person story app stay"),
    ("contrast", "The {0} was {1}, not {3}.", "story meal stay course"),
    ("contrast", "The {0} is {1} and not {3}.", "person app ride"),
    ("contrast", "The {0} here are {1} and not {3}.", "snacks staff"),
    ("contrast", "The {0} was not {3} but {1}.", "story person stay ride meal"),
    ("contrast", "These {0} aren't {3}, just {1}.", "wear snacks"),
    # The judgement is turned round.
    ("turned", "The {0} was not {1}.", "story meal stay person"),
    ("turned", "The {0} wasn't {1} for one moment.", "story person ride course"),
    ("turned", "The {0} is not {1}, I promise.", "app device gear course"),
    ("turned", "This is not {2} {0}.", "story stay device gear"),
    ("turned", "It wasn't {2} {0}, if you ask us.", "course meal stay ride"),
    ("turned", "This isn't {2} {0} in my eyes.", "app gear course device"),
    ("turned", "The {0} has never been {1} to us.", "person"),
    ("turned", "There is nothing {1} about the {0}.", "story stay course ride"),
    ("turned", "Nothing about this {0} is {1}.", "story app stay gear"),
    ("turned", "I saw nothing {1} in that {0}.", "story course"),
    ("turned", "I wouldn't describe the {0} as {1}.", SINGULAR),
    ("turned", "Almost nobody calls the {0} {1}.", "story person app course"),
    ("turned", "Hardly any of us thought the {0} was {1}.", "story ride course meal"),
    ("turned", "The {0} were not {1}.", PLURAL),
    ("turned", "These {0} aren't {1} at all.", "wear snacks"),
    ("turned", "The {0} weren't {1} when we were there.", "staff"),
    ("turned", "You can't call that {0} {1}.", "ride meal stay person"),
    ("turned", "At no point was the {0} {1}.", "story ride course person"),
    ("turned", "I don't find this {0} {1}.", "app gear course device"),
    ("turned", "No, the {0} is not {1}.", "app ride stay meal"),
    ("turned", "That {0} didn't seem {1} to me.", "person story course gear"),
    ("turned", "Nothing in that {0} was {1}.", "course story stay"),
    ("turned", "Our {0} wasn't {1} and we were surprised.", "ride person meal stay"),
    ("turned", "I don't {1} the {0}.", "wish"),
    ("turned", "We didn't {1} that {0}.", "wish"),
    ("turned", "I was not {1} with the {0}.", "mood"),
]

INDONESIAN_DOMAINS = {
    "cerita": ("film, novel, cerita, drama, serial, acara, pertunjukan, podcast, sandiwara",
               "membosankan/seru, jelek/bagus, membosankan/menarik, mengecewakan/menyenangkan"),
    "makanan": ("soto, bakso, rendang, gulai, sate, mi goreng, nasi uduk, sayur asem, capcai",
                "hambar/gurih, hambar/enak, keasinan/enak"),
    "laut": ("ikan bakar, pempek, sup ikan, udang goreng, cumi bakar, otak-otak, pepes ikan, kepiting, kerang",
             "amis/gurih, amis/enak, hambar/enak, amis/segar"),
    "tempat": ("hotel, penginapan, kamar, vila, wisma, apartemen, kafe, rumah kos, restoran",
               "kotor/bersih, berisik/tenang, pengap/nyaman, mahal/murah"),
    "angkutan": ("bus, kereta, angkot, taksi, kapal, bajaj, trem, mobil travel, bus malam",
                 "lambat/cepat, kotor/bersih, mahal/murah, berisik/nyaman, lambat/tepat waktu"),
    "gawai": ("laptop, ponsel, komputer, aplikasi, situs, wifi, gim, peramban, tampilan menu",
              "lemot/cepat, jelek/bagus, ribet/simpel, mengecewakan/memuaskan, lemot/lancar"),
    "barang": ("sepatu, jaket, helm, tas, kursi, topi, celana, sepeda, koper",
               "jelek/awet, mahal/murah, jelek/nyaman, ringkih/awet, mahal/bagus"),
    "orang": ("guru, pelayan, sopir, perawat, kasir, pemandu, penjual, resepsionis, pelatih",
              "galak/sabar, jutek/ramah, galak/ramah, jutek/sopan"),
    "kelas": ("kelas, kursus, seminar, les, kuliah, pelajaran, bimbel, materi, lokakarya",
              "membosankan/bermanfaat, ribet/menarik, mengecewakan/menyenangkan, melelahkan/seru, ribet/bermanfaat"),
    "perjalanan": ("perjalanan, liburan, tur, konser, pameran, piknik, kemah, pesta, karyawisata",
                   "melelahkan/menyenangkan, mengecewakan/seru, membosankan/menyenangkan"),
    "rasa": ("film, hotel, kursus, laptop, restoran, aplikasi, guru, tas, bus",
             "kecewa/puas, kesal/suka, kesal/puas, kecewa/suka"),
    "ulah": ("-", "menyesal ikut kursus itu/betah di kursus itu, bosan baca novel itu/suka baca novel itu, "
             "menyesal menginap di hotel itu/betah di hotel itu, kesal sama kasir itu/suka sama kasir itu, "
             "bosan nonton film itu/senang nonton film itu, menyesal beli tas itu/puas beli tas itu, "
             "kesal naik bus itu/betah naik bus itu, menyesal belajar di sana/betah belajar di sana, "
             "kecewa sama kamera itu/puas sama kamera itu, bosan makan di warung itu/suka makan di warung itu"),
}

INDONESIAN_FRAMES = [
    # The judgement stands as it is.
    ("plain", "Eh, {0}nya {1} banget ya.", "cerita makanan tempat orang barang"),
    ("plain", "{0}nya {1} sekali, lho.", "laut angkutan gawai kelas"),
    ("plain", "Bagi kami {0} itu {1}.", "cerita laut tempat gawai kelas orang"),
    ("plain", "{0} ini benar-benar {1}.", "gawai barang cerita angkutan makanan"),
    ("plain", "{0} itu {1}, semua juga tahu.", "orang tempat angkutan kelas"),
    ("plain", "Menurutku {0} ini {1}.", "cerita barang makanan perjalanan"),
    ("plain", "Menurut kami {0} itu sangat {1}.", "orang kelas laut tempat"),
    ("plain", "Ternyata {0}nya {1} juga.", "tempat angkutan laut barang"),
    ("plain", "Terus terang, {0} ini {1}.", "gawai kelas cerita orang"),
    ("plain", "{0}nya memang {1} dari awal.", "cerita orang perjalanan gawai"),
    ("plain", "Kalau soal {0}, di sini {1}.", "makanan laut"),
    ("plain", "Kemarin kami dapat {0} yang {1}.", "tempat orang angkutan laut"),
    ("plain", "Ini {0} paling {1} sejauh ini.", "cerita makanan barang gawai tempat"),
    ("plain", "Akhirnya nemu juga {0} yang {1}.", "makanan barang orang"),
    ("plain", "Ibu saya bilang {0} itu {1}.", "laut barang tempat cerita"),
    ("plain", "Rasanya {1} ikut {0} ini.", "kelas"),
    ("plain", "{0} kemarin {1} sekali.", "perjalanan kelas"),
    ("plain", "Aku {1} sama {0} itu.", "rasa"),
    ("plain", "{0} di sana {1} semua.", "makanan tempat orang"),
    ("plain", "{0} langganan kami {1} sekali.", "makanan angkutan orang"),
    ("plain", "Wah, {0}nya {1} betul.", "cerita gawai tempat laut"),
    ("plain", "Kami benar-benar {1} sama {0}nya.", "rasa"),
    ("plain", "Aku {1}.", "ulah"),
    ("plain", "Terus terang saya {1}.", "ulah"),
    ("plain-", "{0}nya terlalu {1} buat kami.", "tempat angkutan orang"),
    ("plain+", "Senangnya, {0}nya ternyata {1}.", "tempat angkutan orang"),
    # A negation that turns nothing round.
    ("plain", "Tidak diragukan lagi, {0} itu {1}.", "orang kelas barang perjalanan"),
    ("plain", "Belum pernah ada {0} yang begini {1}.", "cerita tempat angkutan kelas"),
    ("contrast", "{0} itu bukan {3}, tapi {1}.", "cerita orang tempat laut"),
    ("contrast", "{0}nya {1}, tidak {3}.", "makanan angkutan barang gawai"),
    ("contrast", "{0} ini {1} dan gak {3}.", "laut orang kelas tempat"),
    ("contrast", "Bukan {3}, {0}nya justru {1}.", "gawai angkutan cerita"),
    ("plain", "Mana bisa nggak {1} sama {0} ini?", "rasa"),
    # The judgement is turned round.
    ("turned", "{0}nya nggak {1}, sih.", "cerita makanan tempat orang barang"),
    ("turned", "{0}nya gak {1} kok.", "laut angkutan gawai kelas"),
    ("turned", "{0} itu tidak {1}.", "cerita laut tempat gawai kelas orang"),
    ("turned", "{0} itu nggak {1} sama sekali.", "barang angkutan makanan perjalanan orang"),
    ("turned", "Menurutku {0} ini gak {1}.", "cerita barang gawai tempat"),
    ("turned", "Menurut saya {0} itu tidak {1}.", "orang kelas laut angkutan"),
    ("turned", "{0} ini bukan {0} yang {1}.", "cerita tempat kelas"),
    ("turned", "{0}nya tidak bisa dibilang {1}.", "makanan gawai perjalanan tempat"),
    ("turned", "Katanya {0} ini {1}, nyatanya nggak.", "laut orang barang kelas"),
    ("turned", "Kukira {0}nya {1}, ternyata tidak.", "angkutan cerita tempat gawai"),
    ("turned", "Tidak ada yang bilang {0} itu {1}.", "orang kelas makanan"),
    ("turned", "{0} itu belum pernah {1} selama ini.", "gawai angkutan orang"),
    ("turned", "{0} yang ini gak {1}.", "makanan laut barang kelas"),
    ("turned", "{0} itu tidak {1} di mata kami.", "cerita orang barang tempat"),
    ("turned", "Kata siapa {0}nya {1}? Nggak kok.", "angkutan gawai kelas makanan"),
    ("turned", "Saya tidak setuju kalau {0} itu {1}.", "orang tempat cerita barang"),
    ("turned", "{0} kemarin gak {1}, jujur saja.", "perjalanan kelas laut"),
    ("turned", "Banyak yang bilang {0}nya {1}, aslinya tidak.", "orang angkutan tempat gawai"),
    ("turned", "Aku gak {1}.", "ulah"),
    ("turned", "Saya tidak pernah {1}.", "ulah"),
    ("turned", "Kami tidak {1} sama {0} itu.", "rasa"),
    ("turned", "Aku nggak {1} sama {0}nya.", "rasa"),
    ("turned-", "{0} ini kurang {1}.", "cerita orang tempat makanan"),
    ("plain+", "{0} itu {1}, tidak ada yang kurang.", "cerita orang tempat makanan"),
]

COMPARATIVES = {"terrible": "worse", "great": "better", "funny": "funnier", "noisy": "noisier", "dirty": "dirtier",
                "friendly": "friendlier", "tasty": "tastier", "greasy": "greasier", "flimsy": "flimsier",
                "quiet": "quieter", "clean": "cleaner", "slow": "slower", "fast": "faster", "fresh": "fresher",
                "sturdy": "sturdier", "rude": "ruder", "polite": "more polite", "dull": "duller", "bland": "blander"}


def slots(topic, judgement, opposite):
    """Build the filling with all slots that a frame may use."""
    article = "an" if judgement[0] in "aeiou" and not judgement.startswith("use") else "a"
    comparative = COMPARATIVES.get(judgement, f"more {judgement}")
    return "/".join((topic, judgement, f"{article} {judgement}", opposite, comparative))


class Turns:
    """Iterate over the topics and judgement pairs of the domains in turn."""

    def __init__(self, domains):
        self.domains = {name: [words.split(", ") for words in lists] for name, lists in domains.items()}
        self.cycles = {}

    def next(self, words, *key):
        """Return the next of these words for this user."""
        return next(self.cycles.setdefault(key, cycle(words)))

    def fillings(self, kind, domains, label):
        """Join the fillings that give a frame of this kind this label."""
        found, size, kind = [], PER_LABEL[kind], kind.strip("+-")
        for domain, _ in zip(cycle(domains.split()), range(size), strict=False):
            topics, pairs = self.domains[domain]
            if kind == "turned":
                pairs = [pair for pair in pairs if pair not in TOO_STRONG_TO_DENY]
            if kind == "contrast":
                pairs = [pair for pair in pairs if not pair.startswith("un")]
            negative, positive = self.next(pairs, domain, kind, label).split("/")
            topic = self.next(topics, domain)
            same = (label == "negative") == (kind != "turned")
            found.append(slots(topic, negative, positive) if same else slots(topic, positive, negative))
        return "; ".join(found)


def templates(frames, domains):
    """Fill all frames; returns templates in the form of the hand-written ones."""
    turns = Turns(domains)
    return [
        (
            frame,
            "" if kind.endswith("+") else turns.fillings(kind, names, "negative"),
            "" if kind.endswith("-") else turns.fillings(kind, names, "positive"),
        )
        for kind, frame, names in frames
    ]


ENGLISH = templates(ENGLISH_FRAMES, ENGLISH_DOMAINS)
INDONESIAN = templates(INDONESIAN_FRAMES, INDONESIAN_DOMAINS)
