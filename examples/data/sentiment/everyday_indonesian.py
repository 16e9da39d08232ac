"""Indonesian words, phrases and frames for make_sentiment.py; the lists are those of everyday_english.py.

They are written in standard or everyday spelling; `REGISTERS` turns words into the short forms of chats and reviews.
"""

# fmt: off

GOOD = """bagus, hebat, keren, mantap, luar biasa, istimewa, indah, sempurna, menyenangkan, memuaskan, menakjubkan, mengagumkan, oke,
terbaik, asyik, top, jempolan, juara, cantik, memukau, mengesankan, berkualitas, menarik, unik, berkesan, favorit, kece, ciamik, mantul,
cakep, cihuy, oke punya, di atas rata-rata, lebih baik dari dugaan, patut dicoba, layak dibeli, recommended, worth it, the best, tidak ada duanya,
bikin senang, bikin bahagia, bikin betah, sangat membantu, bermutu, elok, kelas satu, juara dunia, gokil, ajib, josss, jempol, membanggakan,
top banget, baik, menggembirakan"""
BAD = """jelek, buruk, payah, parah, mengecewakan, mengerikan, menyebalkan, memalukan, menjengkelkan, membosankan, menyedihkan, rusak,
kacau, ampas, zonk, gagal, hancur, murahan, biasa saja, tidak berguna, percuma, norak, menjijikkan, mengesalkan, sia-sia, bobrok, busuk,
terburuk, sampah, bikin kecewa, bikin emosi, bikin kesal, bikin pusing, bikin ribet, bikin malas, di bawah standar, lebih buruk dari dugaan,
terlalu mahal, kemahalan, abal-abal, merepotkan, memuakkan, kurang memuaskan, amburadul, ngeselin, nyebelin, kampungan, ancur, cupu,
bikin nyesel, overrated, menyakitkan, jelek banget, tidak layak, memprihatinkan, brengsek, ngawur, aneh"""

GOOD_NOUNS = """pilihan yang tepat, pengalaman yang indah, kejutan yang menyenangkan, karya yang luar biasa, favorit saya, juaranya, surga dunia,
rezeki, berkah, penyelamat, kebanggaan kami, yang terbaik, uang yang tidak terbuang percuma, harta karun, idola saya, keputusan terbaik,
hadiah yang sempurna, pengalaman tak terlupakan, andalan keluarga, pilihan paling cocok, sebuah mahakarya, yang saya cari selama ini, obat rindu"""
BAD_NOUNS = """bencana, mimpi buruk, penipuan, kegagalan, kekecewaan besar, kesalahan besar, buang-buang uang, buang-buang waktu, musibah, sampah,
pengalaman buruk, pilihan yang salah, pengalaman terburuk, penyesalan, omong kosong, barang rongsokan, yang terburuk, siksaan, aib,
uang melayang, rugi besar, janji palsu, kerugian, beban, lelucon, pembodohan, tipuan belaka"""

GOOD_VERBS = """suka, senang dengan, cinta, puas dengan, bangga dengan, kagum dengan, menikmati, suka sekali,
    jatuh cinta dengan, merekomendasikan, betah dengan, salut dengan, menyukai, bersyukur punya, kangen"""
BAD_VERBS = """benci, kecewa dengan, muak dengan, menyesal dengan, kesal dengan, bosan dengan, marah dengan,
    jengkel dengan, kapok dengan, capek dengan, malas dengan, trauma dengan, keberatan dengan, sebal dengan,
    jijik dengan, ilfeel dengan"""
GOOD_PAST = """sangat menyukai, benar-benar menikmati, terkesan dengan, terharu dengan, puas sekali dengan,
    terpukau oleh, langsung jatuh cinta pada, senang sekali dengan, terbantu oleh, ketagihan, terhibur oleh"""
BAD_PAST = """sangat membenci, kecewa berat dengan, merasa ditipu oleh, dibuat kesal oleh, menyesal membeli,
    bosan setengah mati dengan, muak sekali dengan, terganggu oleh, rugi karena, dibuat repot oleh, susah karena"""

GOOD_FEELINGS = """senang, bahagia, gembira, puas, bangga, lega, bersyukur, terharu, kagum, semangat, ceria, nyaman, tenang, beruntung, tersenyum terus,
terhibur, betah, optimis, takjub, happy, plong, sumringah, berbunga-bunga, segar lagi, damai, ketagihan, salut, excited"""
BAD_FEELINGS = """sedih, kecewa, marah, kesal, jengkel, bosan, capek, stres, muak, menyesal, cemas, takut, malu, sakit hati, frustrasi, pusing, lelah, emosi,
kapok, jijik, bete, badmood, patah hati, putus asa, khawatir, gelisah, rugi, trauma, galau, dongkol, tertipu, terhina, geram, prihatin, ilfeel, nyesek,
tersinggung, kesepian, nyesel"""

DEGREES = "sangat, sekali:, banget:, benar-benar, amat, begitu, sungguh, memang, emang, super, bener-bener, asli"

GOOD_SHORT = """Mantap!
Mantap jiwa
Mantul
Keren!
Keren abis
Keren banget
Bagus sekali
Bagus banget
Suka banget
Suka!
Suka sekali sama ini
Puas banget
Puas belanja di sini
Top!
Top banget deh
Oke banget
Juara!
Jempol dua
Dua jempol
Bintang lima
Lima bintang deh
10/10
Nilai sepuluh
Recommended banget
Recommended seller
Terima kasih banyak
Makasih ya, membantu sekali
Makasih kak, barangnya bagus
Sukses selalu
Semoga makin sukses
Alhamdulillah
Alhamdulillah lulus juga
Hore, menang!
Asyik!
Yummy
Nyam, enak banget
Enak parah
Enaknya kebangetan
Gila, keren parah
Bikin nagih
Pengen lagi
Pasti beli lagi
Pasti balik lagi
Bakal langganan nih
Langganan terus
Worth it banget
Sesuai harapan
Sesuai ekspektasi
Melebihi ekspektasi saya
Terbaik!
The best pokoknya
Pokoknya is the best
Seru abis
Seru banget tadi
Lucu banget, ngakak
Lucunya
Bahagia banget hari ini
Senangnya hari ini
Hari yang indah
Cinta mati
Idaman banget
Favorit keluarga
Love banget
Nyaman banget di sini
Bangga jadi bagian dari tim ini
Selamat ya, hebat!
Kerja bagus
Murah tapi bagus
Murah meriah
Cepat sampai
Akhirnya ada yang berfungsi
Beruntung banget saya
Lancar jaya"""
BAD_SHORT = """Jelek!
Jelek banget
Jelek parah
Payah!
Payah banget
Parah
Parah banget sih
Parah, kecewa berat
Kecewa
Kecewa banget
Kecewa berat
Kecewa sama tokonya
Mengecewakan sekali
Zonk
Zonk parah
Ampas
Buruk sekali
Menyesal beli di sini
Nyesel banget
Nyesel beli
Rugi!
Rugi bandar
Buang-buang uang
Buang duit
Buang waktu saja
Kapok
Kapok ke sini
Bikin emosi
Bikin kesal saja
Bikin sakit hati
Ih, jijik
Huh, sebel
Hadeh
Hadeh, error lagi error lagi
Duh, rusak lagi
Bosan
Bosen banget
Ngantuk nontonnya
Garing
Bintang satu
Satu bintang saja
0/10
Penipu!
Penipuan
Hati-hati penipuan
Awas, barang palsu
Barang palsu
Kualitas rendah
Sakit perut setelah makan ini
Kembalikan uang saya
Lemot
Lemot banget
Lama banget
Telat terus
Mahal doang
Mahal tapi jelek
Bohong semua
Malu-maluin
Memalukan
Capek deh
Capek hati
Sedih banget hari ini
Hari terburuk
Hari yang sial
Sial banget hari ini
Patah hati
Amit-amit
Muak
Muak lihatnya
Jangan beli
Jangan ke sini
Hindari
Gagal total
Hancur semua
Menyebalkan
Bikin pusing
Rusak setelah seminggu
Baru dipakai langsung rusak
Tolong diperbaiki
Tolong ditingkatkan pelayanannya
Semoga cepat bangkrut
Harapan saya terlalu tinggi
Ekspektasi ketinggian"""

GOOD_DENIED = """Tidak mengecewakan
Tidak mengecewakan sama sekali
{Topic} ini tidak pernah mengecewakan
Tidak jelek kok
Tidak menyesal beli {topic} ini
Saya tidak menyesal
Saya tidak menyesal sedikit pun
Tidak rugi beli {topic} ini
Tidak ada keluhan
Saya tidak punya keluhan soal {topic}
Tidak ada yang perlu dikeluhkan
Tidak ada masalah sejauh ini
Tidak pernah bermasalah
{Topic} ini tidak pernah rusak
Tidak sia-sia datang jauh-jauh
Tidak bosan-bosan ke sini
Tidak pernah bosan dengan {topic} ini
Saya tidak pernah bosan
Tidak sabar mau ke sana lagi
Tidak sabar menunggu yang berikutnya
Tidak bisa berhenti memakainya
Tidak bisa berhenti tersenyum
Tidak ada yang bisa mengalahkan {topic} ini
Tidak ada {topic} yang lebih baik
Tidak ada duanya
Belum pernah saya menemukan {topic} sebagus ini
Belum pernah sepuas ini
Belum ada yang mengalahkan {topic} ini
Tidak perlu mahal untuk dapat yang bagus
Tidak mahal dan kualitasnya bagus
Harganya tidak mahal
Tidak kalah dari merek terkenal
Tidak pakai lama
Tidak perlu antre
Tidak ribet sama sekali
Tidak salah pilih
Tidak salah saya memilih {topic} ini
Tidak akan pindah ke {topic} lain
Tidak mau yang lain lagi
Jangan sampai kelewatan
Jangan ragu, beli saja
Jangan lupa coba {topic} ini
Kalian tidak akan menyesal
Dijamin tidak kecewa
Tidak diragukan lagi kualitasnya
Tidak seburuk yang saya kira
Tidak membosankan sama sekali
Tidak terasa dua jam sudah lewat
Rasanya tidak mau pulang
Saya tidak mau pulang
Sakitnya sudah tidak terasa
Sudah tidak sakit lagi
Sekarang saya tidak khawatir lagi
Tidak pernah telat
Tidak pernah lemot
Tidak bikin kantong bolong
Bukan kaleng-kaleng
Bukan main enaknya
Bukan {topic} murahan
Siapa yang tidak suka?
Tidak percuma mengantre lama
Tidak ada satu pun yang kurang
Kurang apa lagi coba, semua ada
Tidak terlalu pedas, pas di lidah
Tidak nyangka sebagus ini
Tidak menyangka {topic} ini begitu bagus"""
BAD_DENIED = """Tidak sebanding dengan harganya
{Topic} ini tidak sebanding dengan harganya
Tidak sesuai harapan
Tidak sesuai gambar
Tidak sesuai pesanan
Tidak sesuai deskripsi
{Topic} ini tidak sesuai ekspektasi
Tidak layak dibeli
Tidak worth it
Tidak bagus
Tidak enak
Tidak enak sama sekali
Tidak suka
Saya tidak suka
Saya tidak suka {topic} ini
Saya kurang suka {topic} ini
Kurang suka
Kurang bagus
Kurang enak
Kurang memuaskan
Kurang cocok buat saya
Tidak cocok buat saya
Tidak recommended
Saya tidak merekomendasikan {topic} ini
Tidak akan beli lagi
Tidak mau beli lagi
Tidak akan ke sini lagi
Tidak mau ke sini lagi
Tidak akan kembali lagi
Tidak lagi-lagi deh
Tidak berfungsi
{Topic} tidak berfungsi
{Topic} ini tidak bisa dipakai
Tidak bisa dipakai
Tidak bisa masuk terus
Tidak pernah berhasil
Tidak ada gunanya
Tidak ada manfaatnya
Tidak ada yang istimewa
Tidak ada yang spesial dari {topic} ini
Tidak ada yang membantu
Tidak ada yang peduli
Tidak ada respons
Tidak ada rasanya
Tidak ada solusi
Tidak dibalas sampai sekarang
Belum sampai juga
Sampai sekarang belum datang juga
Sampai sekarang uang saya belum kembali
Belum ada perubahan
Tidak ada perubahan sama sekali
Belum pernah sekecewa ini
Belum pernah saya lihat {topic} seburuk ini
Tidak puas
Saya tidak puas dengan {topic} ini
Kami tidak puas
Tidak nyaman
Tidak ramah
Tidak sopan
Tidak jelas
Tidak membantu
Tidak tepat waktu
Tidak bisa diandalkan
Tidak bisa dipercaya
{Topic} tidak bisa dipercaya
Tidak tahan lama
Tidak sampai seminggu sudah mati
Tidak lucu
Tidak seru
Tidak menarik
Tidak seperti dulu
{Topic} sudah tidak seenak dulu
Tidak habis pikir
Jangan buang uang untuk {topic} ini
Jangan beli {topic} ini
Jangan percaya
Jangan pernah beli di sini
Bukan yang saya pesan
Bukan selera saya
Tidak paham kenapa orang suka {topic} ini
Tidak mengerti apa bagusnya
Apa bagusnya?
Tidak ada enak-enaknya
Tidak ada lucu-lucunya
Mana janjinya?
Tidak usah beli
Tidak usah ke sini
Minta maaf saja tidak
Coba saya tidak beli {topic} ini
Seandainya kami tidak datang
Mending tidak usah
Mending beli yang lain
Bagus apanya"""

ADJECTIVE_FRAMES = [
    ("same", "{Topic} ini {w}."), ("same", "{Topic} ini {dw}."), ("same", "{Topic}nya {dw}."), ("same", "{Topic}nya {w}."),
    ("same", "{Topic} di sini {w}."), ("same", "{Topic} itu {dw}."), ("same", "{Dw}!"), ("same", "{W} {topic}nya."), ("same", "{Dw} {topic}nya."),
    ("same", "Menurut saya {topic} ini {w}."), ("same", "Menurutku {topic}nya {dw}."), ("same", "Saya rasa {topic}nya {w}."),
    ("same", "{Topic} yang {w}."), ("same", "Ini {topic} yang {dw}."), ("same", "Sungguh {topic} yang {w}."), ("same", "{W} dan {w2}."),
    ("same", "{Topic}nya {w} dan {w2}."), ("same", "{Topic}nya {w}, {w2} pula."), ("same", "Jujur, {topic}nya {w}."), ("same", "{Topic}? {Dw}."),
    ("same", "Sudah {w}, {w2} lagi."), ("same", "Secara keseluruhan {topic} ini {w}."), ("same", "{Topic} kemarin {dw}."), ("same", "{Topic}ku {w}."),
    ("same", "Kata teman saya {topic}nya {w}."), ("same", "Ternyata {topic}nya {w}."), ("same", "{Topic} baru ini {dw}."), ("same", "Wah, {topic}nya {w}."),
    ("same", "{Topic}nya selalu {w}."), ("same", "Semakin hari {topic}nya semakin {w}."), ("same", "{Topic} sekarang jadi {w}."), ("same", "Duh, {dw}."),
    ("same", "Pokoknya {dw}."), ("same", "{Topic} paling {w} yang pernah saya coba."), ("same", "Semuanya {w}."), ("same", "{W} deh."), ("same", "{Dw} sih."),
    ("flip", "{Topic} ini tidak {w}."), ("flip", "{Topic}nya tidak {w}."), ("flip", "{Topic}nya tidak {w} sama sekali."), ("flip", "Tidak {w}."),
    ("flip", "Sama sekali tidak {w}."), ("flip", "Saya rasa {topic}nya tidak {w}."), ("flip", "{Topic} ini bukan {topic} yang {w}."),
    ("flip", "Tidak begitu {w}."), ("flip", "{Topic}nya jauh dari {w}."), ("flip", "{Topic}nya tidak pernah {w}."), ("flip", "{Topic}nya sudah tidak {w} lagi."),
    ("flip", "Siapa bilang {topic}nya {w}?"), ("flip", "{Topic}nya belum {w}."), ("flip", "Tidak ada yang {w} dari {topic} ini."), ("flip", "{Topic}nya tidak {w} kok."),
    ("flip", "Tidak bisa dibilang {w}."), ("flip", "{Topic}nya tidak terlalu {w}."),
]
# "kurang" and "tidak cukup" deny praise only.
LACK_FRAMES = [("flip", "{Topic}nya kurang {w}."), ("flip", "Kurang {w}."), ("flip", "{Topic} ini masih kurang {w}."), ("flip", "{Topic} di sini kurang {w}.")]
NOUN_FRAMES = [
    ("same", "{Topic} ini {n}."), ("same", "Ini {n}."), ("same", "{N}."), ("same", "Benar-benar {n}."), ("same", "Bagi saya {topic} ini {n}."),
    ("same", "{Topic}nya {n}."), ("same", "Beli {topic} ini {n}."), ("same", "Ternyata {n}."), ("same", "Hari ini {n}."), ("same", "Memang {n}."),
    ("flip", "{Topic} ini bukan {n}."), ("flip", "Ini bukan {n}."), ("flip", "Bagi saya ini bukan {n}."),
]
VERB_FRAMES = [
    ("same", "Saya {v} {topic} ini."), ("same", "Aku {v} {topic}nya."), ("same", "Kami {v} {topic}nya."), ("same", "Saya sangat {v} {topic} ini."),
    ("same", "Anak saya {v} {topic} ini."), ("same", "Semua orang {v} {topic} itu."), ("same", "Ibu saya {v} {topic}nya."), ("same", "Saya {v} semuanya."),
    ("flip", "Saya tidak {v} {topic} ini."), ("flip", "Kami tidak {v} {topic}nya."), ("flip", "Aku tidak pernah {v} {topic} itu."), ("flip", "Saya tidak begitu {v} {topic}nya."),
]
PAST_FRAMES = [
    ("same", "Saya {p} {topic} ini."), ("same", "Kami {p} {topic}nya."), ("same", "Kemarin saya {p} {topic} itu."), ("same", "Saya {p} {topic} ini sejak awal."),
    ("same", "Teman saya {p} {topic}nya."),
]
FEELING_FRAMES = [
    ("same", "Saya {f}."), ("same", "Saya {f} dengan {topic}nya."), ("same", "Aku {df}."), ("same", "Kami {f} sesudah itu."), ("same", "Saya merasa {f}."),
    ("same", "Hari ini saya {f}."), ("same", "{Topic} ini membuat saya {f}."), ("same", "Bikin {f}."), ("same", "Kami pulang dengan perasaan {f}."), ("same", "{Df}!"),
    ("same", "Orang tua saya {f}."), ("same", "Lagi {f} nih."), ("same", "Dia {f} karena {topic}nya."), ("same", "Semua jadi {f}."), ("same", "{Df} rasanya."),
    ("same", "{Df} hari ini."), ("same", "{Topic}nya bikin {f}."),
    ("flip", "Saya tidak {f}."), ("flip", "Saya tidak {f} dengan {topic}nya."), ("flip", "Kami tidak {f}."), ("flip", "Tidak bikin {f}."),
    ("flip", "Saya tidak merasa {f} lagi."), ("flip", "{Topic}nya tidak membuat saya {f}."), ("flip", "Saya sama sekali tidak {f}."),
]
CLAUSE_FRAMES = [("same", "{C}."), ("same", "{C}!"), ("same", "Jujur, {c}."), ("same", "{C} lho."), ("same", "Ternyata {c}."), ("same", "Sudah begitu {c}."),
                 ("same", "{C}, {dw}."), ("same", "{C} dan saya {f}.")]
CONTRASTS = ["{X}, tapi {y}.", "{X}, tetapi {y}.", "{X}, namun {y}.", "{X}. Tapi {y}.", "{X}. Sayangnya, {y}.:bad", "Walaupun {x}, {y}.", "Meski {x}, {y}.", "{X}, cuma {y}.:bad",
             "{X}, sayang {y}.:bad", "Awalnya {x}, tapi {y}.", "{X}, untungnya {y}.:good", "Meskipun {x}, tetap saja {y}.", "{X} sih, tapi {y}."]
NEUTRAL = """Saya ke sana hari Selasa
Kami pesan lewat internet
Saya beli dua minggu yang lalu
Kakak saya yang cerita
Ini hadiah ulang tahun
Kami menginap tiga malam
Saya sudah pakai sebulan
Kami datang berenam
Kotaknya warna biru
Saya menontonnya tadi malam
Kami naik kereta ke sana
Ini kunjungan saya yang kedua
Saya bayar pakai kartu
Waktu itu hujan
Kami duduk dekat jendela
Anak saya umur delapan tahun
Saya kerja dari rumah
Saya beli untuk ibu
Rumah kami dekat situ
Ada empat tombol
Kemarin saya ke sana bersama keluarga
Tadi siang saya coba
Bukanya dari pagi
Saya pesan yang besar
Ada dua ukuran
Lokasinya di pusat kota
Saya selesai kemarin
Baru pertama kali ke sini
Saya pesan nasi dan es teh
Tempatnya di lantai dua"""
TAILS = """Bagaimana menurut kalian?
Itu saja.
Cuma pendapat saya.
Sekian.
Begitulah.
Percaya deh.
Serius.
Kasih tahu teman-teman ya.
Begitu ceritanya."""
MORE_GOOD = """Recommended, Bintang lima, Terima kasih, Sukses terus, Pasti balik lagi, Bakal beli lagi, Mantap,
    Suka, Puas, Jempol, Worth it, Senang sekali, Pertahankan, Top"""
MORE_BAD = """Kapok, Bintang satu, Jangan ke sini, Kecewa, Rugi, Nyesel, Payah, Tidak lagi, Kembalikan uang saya,
    Sayang sekali, Parah, Tolong diperbaiki, Tidak rekomen, Kesal, Malu"""

# Everyday spellings: a word and what may stand for it.
REGISTERS = {
    "tidak": "nggak, gak, ga, enggak, tdk, ngga, g", "sekali": "banget, bgt, sekali", "saya": "aku, gue, gw, sy, saya", "yang": "yg, yang", "dengan": "dgn, sama, dengan",
    "sudah": "udah, udh, sdh, sudah", "belum": "blm, belum", "tapi": "tp, tapi", "karena": "krn, gara-gara, karena", "banget": "bgt, banget, bangettt",
    "begitu": "gitu, begitu", "saja": "aja, saja", "benar-benar": "bener-bener, beneran", "membuat": "bikin, membuat", "kalian": "kalian", "terima": "terima",
    "bagus": "bagus, bgs", "memang": "emang, memang", "menyesal": "nyesel, menyesal", "kesal": "kesel, kesal", "capek": "cape, capek", "senang": "seneng, senang",
    "pakai": "pake, pakai", "sampai": "sampe, sampai", "hanya": "cuma", "ke": "ke", "untuk": "buat, untuk", "seperti": "kayak, kyk, seperti", "orang": "org, orang",
    "jangan": "jgn, jangan", "juga": "jg, juga", "lagi": "lg, lagi", "malas": "males, malas", "parah": "parah, parahhh", "keren": "keren, kerennn",
}

GOOD_EFFECTS = """menyelamatkan, mencerahkan, memeriahkan, menghangatkan, melengkapi, mempermudah, membahagiakan,
    menyemangati"""
BAD_EFFECTS = "merusak, menghancurkan, mengacaukan, membuang, menyia-nyiakan, mengganggu, merugikan, menyulitkan"
OBJECTS = """hari saya, malam kami, seluruh perjalanan, akhir pekan saya, liburan kami, pagi saya, pesta kami,
    ulang tahun saya, suasana hati saya, makan malam kami, acara keluarga, pekerjaan saya, waktu saya"""
EFFECT_FRAMES = [("same", "{Topic} ini {e} {o}."), ("same", "{Topic}nya benar-benar {e} {o}."), ("same", "Semua itu {e} {o}."), ("flip", "{Topic} ini tidak {e} {o}.")]
GOOD_MOST = """terbaik, terenak, terindah, tercantik, ternyaman, terlucu, tercepat, terbersih, teramah, terkeren,
    tersayang, terhebat, terseru, termantap, terbagus, paling asyik, paling seru, paling enak, paling membantu,
    paling berkesan"""
BAD_MOST = """terburuk, terjelek, terlambat, terkotor, termalas, tersuram, terparah, termahal dan terjelek,
    paling jelek, paling parah, paling membosankan, paling mengecewakan, paling menyebalkan, paling menyedihkan,
    paling payah, paling lemot, paling kasar, paling memalukan, paling sial"""
MOST_FRAMES = [
    ("same", "{Topic} {m} yang pernah saya coba."), ("same", "{Topic} {m} di kota ini."), ("same", "Ini {topic} {m}."), ("same", "Hari {m} dalam hidup saya."), ("same", "Jelas ini {topic} {m}."),
    ("same", "{Topic} {m} tahun ini."), ("same", "Mereka punya {topic} {m}."), ("same", "{Topic} {m} sepanjang masa."), ("flip", "Ini bukan {topic} {m}."), ("flip", "Bukan yang {m}."),
]
GOOD_ACTIONS = """pasti beli lagi
pasti kembali lagi
sudah pesan lagi
ceritakan ke semua teman
mau mengulanginya lagi
betah lama-lama di sini
pakai setiap hari
akhirnya bisa santai
senyum-senyum terus seharian
beli satu lagi untuk adik
kasih tip besar
rela bayar dua kali lipat
jadi langganan
menunggu yang berikutnya
dengar lagunya berulang-ulang
minta resepnya
ikut bernyanyi
langsung jatuh cinta
menemukan yang saya cari
dapat lebih dari yang saya bayar
tidur paling nyenyak
merasa sepuluh tahun lebih muda
rekomendasikan ke semua orang
berutang terima kasih kepada mereka
lulus sekali coba
juara satu
lompat kegirangan
dapat harga diskon, hemat banyak
sudah pakai bertahun-tahun dan masih bagus
berharap semua {topic} seperti ini
pasti pilih {topic} ini lagi
ajak keluarga ke sini
dibantu sampai selesai
diberi bonus
merasa dihargai
makin percaya diri
berterima kasih sekali
ucapkan selamat"""
BAD_ACTIONS = """kembalikan barangnya
buang saja
minta uang kembali
hapus aplikasinya
berhenti langganan
pulang di tengah acara
pindah ke toko lain
ganti merek lain
harusnya di rumah saja
harusnya baca ulasannya dulu
bayar kemahalan
kena tipu
buang separuhnya
terpaksa perbaiki sendiri
menunggu berjam-jam
masuk rumah sakit
begadang semalaman karena itu
merasa dibohongi
masih menunggu uang saya
mau lapor ke manajernya
terpaksa bayar dua kali
mau nangis
kehilangan segalanya
kehilangan semua data
ketinggalan kereta gara-gara itu
sudah komplain tiga kali
sakit setelah itu
menyesal setiap rupiahnya
menyerah setelah sepuluh menit
kembalikan {topic}nya besoknya
cuma dapat masalah dari {topic} ini
buang waktu sesore untuk {topic} ini
mending lapar
kasih nol bintang kalau bisa
terjebak di sana berjam-jam
bosan dengar alasan
gagal ujian
dipecat
ditolak lagi
rugi jutaan
merasa diabaikan
disuruh menunggu terus
dimarahi tanpa sebab
kecopetan"""
ACTION_FRAMES = [("same", "Saya {x}."), ("same", "Saya {x}!"), ("same", "Akhirnya saya {x}."), ("same", "Jujur saya {x}."), ("same", "Jadi saya {x}."), ("same", "{Topic}nya {w}, saya {x}."),
                 ("same", "{W}, saya {x}."), ("same", "Aku {x}, {dw}.")]
