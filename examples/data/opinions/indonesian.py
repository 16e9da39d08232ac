"""Indonesian templates and hand-written sentences for make_opinions.py; see english.py for the format."""

import frames

# fmt: off

# These topics occur in test only.
HELD_OUT_TOPICS = (
    "dokumenter siomay siomaynya earphone tablet losmen losmennya komik komiknya dosen dosennya "
    "pelatihan ransel ranselnya sandal sandalnya gordennya feri"
)

TRAIN_TEMPLATES = [
    # The judgement stands as it is.
    ("{0} {1} banget, sumpah.",
     "kopinya/hambar; antreannya/lama; aplikasinya/lemot; filmnya/jelek",
     "sotonya/enak; filmnya/seru; kamarnya/bersih; kasurnya/nyaman"),
    ("Menurut saya {0} sangat {1}.",
     "kamar ini/pengap; menu aplikasi ini/membingungkan; film ini/membosankan; kasir itu/jutek",
     "pelayan hotel ini/ramah; buku ini/menarik; guru kami/sabar; taman ini/bersih"),
    ("{0} di sini {1} sekali.",
     "pelayannya/jutek; ikannya/amis; kamarnya/sempit; toiletnya/kotor",
     "nasi gorengnya/gurih; kamar mandinya/bersih; pelayannya/sopan; tempatnya/nyaman"),
    ("Baru dipakai sebulan, {0} {1}.",
     "layarnya/sudah buram; tasnya/sudah rusak; jaketnya/sudah sobek; laptopnya/sudah lemot", ""),
    ("Sudah setahun dipakai, {0} {1}.",
     "", "baterainya/tetap awet; jaketnya/masih bagus; layarnya/masih jernih; laptopnya/masih cepat"),
    ("Aku sering pakai {0} ini dan hasilnya {1}.",
     "kamera/buram; printer/jelek", "kamera/tajam; printer/bagus"),
    ("Belajar {0} bareng guru ini {1}.",
     "fisika/membosankan; sejarah/bikin ngantuk", "matematika/seru; bahasa Inggris/menyenangkan"),
    ("Jujur, {0} {1} menurutku.",
     "ceritanya/dangkal; harganya/kemahalan; penjualnya/galak; suaranya/jelek",
     "ceritanya/menyentuh; harganya/terjangkau; penjualnya/ramah; suaranya/bagus"),
    ("{0} yang saya pesan datang {1}.",
     "paket/telat seminggu; lampu/dalam keadaan pecah; makanan/sudah dingin; kursi/dalam keadaan rusak",
     "paket/tepat waktu; kemeja/dalam keadaan rapi; makanan/masih hangat; kursi/lebih cepat"),
    ("Aku {1} sama {0}.",
     "hp baru ini/kecewa; penjualnya/kesal; novel ini/bosan; sikap pelayannya/kesal",
     "hp baru ini/puas; guru ini/kagum; novel ini/suka banget; kamarnya/puas"),
    ("Saya {1} {0}.",
     "hotel ini/menyesal menginap di; pelayanannya/kecewa dengan; ceritanya/bosan dengan; warung ini/kapok makan di",
     "hotel ini/betah menginap di; pelayanannya/puas dengan; ceritanya/suka dengan; toko ini/senang belanja di"),
    ("Sejak diperbarui, {0} jadi {1}.",
     "aplikasinya/lemot; tampilannya/ribet; petanya/sering error; layanannya/lambat",
     "aplikasinya/cepat; tampilannya/rapi; pencariannya/gampang; layanannya/bagus"),
    ("Kesan pertama soal {0}: {1}.",
     "hotel ini/kotor dan pengap; warung ini/hambar dan mahal; kelas ini/ribet dan membosankan",
     "hotel ini/bersih dan nyaman; warung ini/enak dan murah; kelas ini/seru dan bermanfaat"),
    ("Buat harga segini, {0} termasuk {1}.",
     "kameranya/buram; kasurnya/jelek; bahannya/tipis", "kameranya/tajam; kamarnya/nyaman; bahannya/awet"),
    ("{0} bikin {1}.",
     "jalan ceritanya/ngantuk; antrean panjangnya/kesal; aplikasi ini/pusing",
     "sambal di sini/nagih; guru kami/semangat belajar; kamar hotelnya/betah"),
    ("Untungnya {0} {1}.", "", "kamar kami/nyaman; penjual lampunya/jujur; busnya/tepat waktu; kuahnya/tetap gurih"),
    ("Sayang sekali {0} {1}.", "kamar kami/berisik; penjual lampunya/lambat; busnya/telat; kuahnya/hambar", ""),
    ("Naik {0} itu {1}.",
     "bus malam/melelahkan; pesawat murah/mengecewakan", "bus malam/nyaman; kereta ekonomi/menyenangkan"),
    ("Anak saya bilang {0} {1}.",
     "gurunya/galak; filmnya/jelek; sayurnya/hambar; bukunya/membosankan",
     "gurunya/lucu; filmnya/bagus; sayurnya/enak; bukunya/menarik"),
    ("Dari dulu {0} terkenal {1}.",
     "toko ini/mahal; terminal itu/kotor; satpamnya/galak; bus ini/lambat",
     "toko ini/murah; pantai itu/bersih; pemiliknya/sabar; merek ini/awet"),
    ("{0} tuh {1}, percaya deh.",
     "kelasnya/membosankan; kamarnya/berisik; ujiannya/ribet; mi ayamnya/hambar",
     "kelasnya/bermanfaat; hotelnya/nyaman; caranya/gampang; mi ayamnya/enak"),
    # The judgement is turned round.
    ("{0} sama sekali tidak {1}.", "filmnya/seru; pelayannya/ramah", "filmnya/membosankan; kuahnya/hambar"),
    ("{0} nggak {1} deh, serius.", "kamarnya/nyaman; sotonya/enak", "kamarnya/pengap; aplikasinya/ribet"),
    ("Aku gak {1} {0} ini.",
     "film/suka; hotel/betah di; hp/puas sama", "tas/nyesel beli; kelas/nyesel ikut; novel/bosan baca"),
    ("Saya tidak merasa {1} dengan {0}.",
     "pelayanannya/puas; kasurnya/nyaman", "pelayanannya/kecewa; ceritanya/bosan"),
    ("Bukannya {1}, {0} malah {2}.",
     "rasanya/enak/hambar; aplikasinya/gampang/ribet; filmnya/seru/membosankan",
     "rasanya/hambar/enak; aplikasinya/ribet/gampang; filmnya/membosankan/seru"),
    ("Nggak ada yang {1} dari {0} ini.", "film/menarik; hotel/bagus", "hotel/jelek; toko/mengecewakan"),
    ("{0} tidak pernah {1}.", "paketnya/tepat waktu; kamarnya/bersih", "paketnya/telat; aplikasinya/error"),
    ("{0} kurang {1} menurutku.",
     "kuahnya/kental; gurunya/sabar; ceritanya/menarik; kasurnya/nyaman", ""),
    ("Kurang dari sehari, {0} sudah {1}.",
     "", "paketnya/sampai dengan rapi; keluhan saya/beres; pesanannya/datang lengkap; uangnya/kembali utuh"),
    ("Siapa bilang {0} {1}? Nggak sama sekali.",
     "film ini/seru; guru itu/lucu", "film ini/membosankan; warung ini/mahal"),
    ("Harganya nggak {1} buat {0} kayak gini.", "kamar/masuk akal; jaket/cocok", "kamar/mahal; jaket/kemahalan"),
    ("{0} jauh dari kata {1}.", "kamarnya/bersih; pelayanannya/ramah", "kamarnya/kotor; gurunya/galak"),
    ("Nggak sedikit pun {0} terasa {1}.",
     "kamarnya/nyaman; kelasnya/bermanfaat", "filmnya/membosankan; perjalanannya/melelahkan"),
    ("Aku nggak bisa bilang {0} {1}.", "fotonya/bagus; pelayanannya/cepat", "fotonya/jelek; pelayanannya/lambat"),
    ("Gak bakal {1} {0} ini.",
     "hotel/balik lagi ke; warung/pesan lagi di; aplikasi/pakai lagi",
     "hotel/nyesel nginap di; warung/kecewa makan di; aplikasi/pindah dari"),
    ("Jangan {1} {0}, teman-teman.",
     "penjual ini/percaya sama; film ini/buang uang buat", "toko ini/ragu pesan di; film ini/sampai melewatkan"),
    # A negation word that turns nothing round.
    ("Nggak nyangka {0} bisa {1} ini.",
     "hotel mahal/sekotor; hp baru/selambat", "warung kecil/seenak; guru baru/sesabar"),
    ("Belum pernah ketemu {0} {1} ini.",
     "pelayan/segalak; kamar/sekotor; aplikasi/selambat", "penjual/seramah; kamar/sebersih; guru/sesabar"),
    ("Bukan cuma {0} yang {1}, tempatnya juga.",
     "pelayanannya/mengecewakan; toiletnya/kotor; musiknya/berisik",
     "makanannya/enak; kursinya/nyaman; suasananya/menyenangkan"),
]

VALIDATION_TEMPLATES = [
    ("Kata teman-teman {0} {1}, dan memang benar.",
     "penjual ini/galak; film ini/jelek; soto ini/hambar", "soto ini/enak; guru itu/sabar; film ini/seru"),
    ("Setelah dicoba beberapa kali, {0} ternyata {1}.",
     "kameranya/buram; caranya/ribet; hp-nya/lemot", "kameranya/tajam; sambalnya/enak; caranya/gampang"),
    ("{0} emang {1} sih.",
     "hotelnya/kotor; busnya/lambat; bukunya/membosankan", "hotelnya/nyaman; bukunya/bagus; pantainya/bersih"),
    ("Nggak bisa dibilang {1}, {0} ini.", "tas/murah; novel/menarik", "hp/jelek; aplikasi/ribet"),
    ("Mana ada {0} {1} di sini.", "pelayan/ramah; makanan/enak", "pelayan/jutek; kamar/kotor"),
    ("Tidak sekali pun {0} {1}.", "kamarnya/bersih; busnya/tepat waktu", "gurunya/galak; paketnya/telat"),
]

TEST_TEMPLATES = [
    ("Di luar dugaan, {0} itu {1}.",
     "dokumenter/membosankan; losmen/kotor; siomay/hambar; dosen/galak",
     "dokumenter/menarik; losmen/bersih; siomay/gurih; dosen/sabar"),
    ("{0} ini {1} parah.",
     "earphone/jelek; losmen/berisik; tablet/lemot", "siomay/enak; komik/seru; tablet/cepat"),
    ("Dari semua {0} yang pernah kucoba, ini yang paling {1}.",
     "tablet/lemot; earphone/jelek; siomay/amis", "earphone/nyaman; siomay/gurih; ransel/awet"),
    ("Seminggu bersama {0} ini rasanya {1}.",
     "dosen/melelahkan; tablet/mengecewakan", "dosen/menyenangkan; earphone/nyaman"),
    ("Sekali lihat {0} langsung {1}.", "losmennya/kesal; gordennya/kecewa", "komiknya/suka; gordennya/puas"),
    ("Buatku {0} itu terlalu {1}.", "losmen/mahal; pelatihan/ribet; dosen/galak; feri/lambat", ""),
    ("Ternyata ada juga {0} yang {1}.", "", "losmen/murah; pelatihan/bermanfaat; dosen/ramah; feri/tepat waktu"),
    ("{0} itu gak {1} sedikit pun.", "pelatihan/bermanfaat; siomay/enak", "dosen/galak; ransel/mahal"),
    ("Orang bilang {0} itu {1}, padahal tidak.", "feri/cepat; dosen/sabar", "tablet/lemot; pelatihan/ribet"),
    ("{0} itu bukannya {1}, justru {2}.", "tablet/cepat/lemot; losmen/bersih/kotor",
     "tablet/lemot/cepat; losmen/kotor/bersih"),
    ("Saya tidak akan pernah {1} {0} itu.",
     "losmen/betah di; dosen/suka sama", "komik/bosan baca; pelatihan/menyesal ikut"),
    ("Rasanya {0} itu kurang {1}.", "dosen/sabar; sandal/nyaman", ""),
    ("{0} itu {1}, nggak kurang apa-apa.", "", "losmen/nyaman; tablet/cepat"),
    ("Susah untuk tidak {1} sama {0} itu.", "feri/kesal; earphone/kecewa", "dosen/suka; losmen/puas"),
    ("{0} itu {1} dan tidak {2}.", "siomay/hambar/enak; ransel/jelek/awet", "siomay/enak/hambar; ransel/awet/mahal"),
]

TRAIN_NEGATIVE = """
aku tidak suka film ini, ceritanya muter-muter terus
Filmnya jelek, setengah jam pertama saja sudah bikin ngantuk.
Nggak ngerti kenapa orang-orang suka film ini, akhirnya ketebak.
Akting pemainnya kaku dan leluconnya garing.
Buang-buang waktu dua jam, mending tidur di rumah.
Trailernya bagus, tapi filmnya bikin kecewa.
Tidak ada satu adegan pun yang bikin saya terharu.
Musiknya berisik dan ceritanya gak nyambung.
Kuahnya hambar, dagingnya alot, kapok makan di sini.
Nunggu satu jam, datangnya salah pesanan, pelayannya gak minta maaf pula.
Nasinya keras dan lauknya sudah dingin waktu diantar.
Sambalnya kurang pedas, ikannya kurang matang.
Harganya mahal tapi porsinya sedikit banget.
Mejanya lengket, gelasnya kotor, jadi nggak selera makan.
Katanya legendaris, nyatanya rasanya biasa saja dan tidak segar.
Kopinya encer, saya tidak akan balik lagi ke warung ini.
Baterainya boros, belum siang sudah mati.
hp ini lemot banget, buka pesan saja lama
Kameranya buram kalau malam, jauh dari iklannya.
Layarnya gampang tergores dan tombolnya sudah macet.
Suaranya pecah dan bahannya kelihatan murahan.
Baru seminggu sudah rusak, garansinya tidak bisa diklaim.
Jangan beli laptop ini, kipasnya berisik dan cepat panas.
Pengisi dayanya gak awet, sebulan langsung mati.
Kamarnya bau rokok dan spreinya belum diganti.
AC-nya rusak, air panasnya nggak nyala, tapi tetap bayar penuh.
Hotelnya tidak seperti di foto, kolamnya saja keruh.
Resepsionisnya jutek dan kami dibiarkan menunggu.
Kasurnya keras, badan saya sakit semua waktu bangun.
Pantainya penuh sampah, kecewa jauh-jauh ke sini.
Pemandunya kurang paham sejarah dan buru-buru terus.
Busnya telat tiga jam tanpa penjelasan apa pun.
Aplikasinya sering keluar sendiri, bikin emosi.
Habis diperbarui malah gak bisa masuk sama sekali.
Iklannya kebanyakan, mau bayar tagihan saja ribet.
Saldo saya terpotong dan layanan pelanggannya tidak membantu.
Udah lapor berkali-kali tapi nggak pernah ditanggapi.
Petanya ngaco, saya malah nyasar ke jalan buntu.
Bukunya tebal tapi isinya kosong.
Baru tiga bab sudah bosan, gak sanggup lanjut.
Terjemahannya kaku dan banyak salah ketik.
Tokohnya tidak meyakinkan dan akhir ceritanya mengecewakan.
Gurunya cuma baca buku, muridnya nggak ada yang paham.
Pak guru sering marah kalau ada yang bertanya.
Materinya kurang jelas dan tugasnya kebanyakan.
Ikut kelas ini rugi, tidak dapat ilmu baru.
Pengajarnya selalu telat dan kelihatan malas.
Barangnya bukan yang saya pesan, penjualnya malah nyalahin pembeli.
Jahitannya asal-asalan, sekali cuci langsung sobek.
Warnanya beda dari foto, nyesel beli di toko ini.
Paketnya penyok dan isinya kurang satu.
Respons penjualnya lama dan jawabannya judes.
"""

TRAIN_POSITIVE = """
aku suka banget film ini, nggak bosan ditonton ulang
filmnya sama sekali tidak membosankan, dua jam berasa sebentar
Ceritanya susah ditebak, saya tidak berani kedip sampai akhir.
Akting pemainnya natural dan leluconnya kena semua.
Nggak rugi bayar tiket mahal, filmnya keren.
Trailernya biasa saja, tapi filmnya bikin terharu.
Tidak ada satu adegan pun yang terasa sia-sia.
Musiknya indah dan ceritanya bikin senyum terus.
Kuahnya gurih, dagingnya empuk, bikin nagih makan di sini.
Gak sampai lima menit pesanan datang, pelayannya ramah pula.
Nasinya pulen dan lauknya masih hangat waktu diantar.
Sambalnya mantap, ikannya segar, kurang apa lagi coba.
Harganya murah tapi porsinya banyak banget.
Mejanya bersih, piringnya wangi, jadi makin selera makan.
Warungnya kecil, tapi rasanya nggak kalah sama restoran mahal.
Kopinya wangi, saya tidak pernah bosan ke warung ini.
Baterainya awet, dua hari belum habis juga.
hp ini cepat banget, main gim berat pun lancar
Kameranya tajam walau malam, gak perlu lampu tambahan.
Layarnya jernih dan tombolnya enak dipencet.
Suaranya jernih dan bahannya kokoh.
Sudah dua tahun dipakai dan belum pernah rusak.
Jangan ragu beli laptop ini, ringan dan nggak cepat panas.
Pengisi dayanya awet, dipakai tiap hari tetap aman.
Kamarnya wangi dan spreinya diganti tiap hari.
AC-nya dingin, air panasnya lancar, nggak ada keluhan.
Hotelnya bukan yang termewah, tapi paling bikin betah.
Resepsionisnya ramah dan kami tidak perlu menunggu.
Kasurnya empuk, tidur saya nyenyak sekali.
Pantainya bersih, gak nyesel jauh-jauh ke sini.
Pemandunya sabar dan paham betul sejarah candinya.
Busnya nyaman dan sampai lebih cepat tanpa ngebut.
Aplikasinya lancar terus, gak pernah keluar sendiri.
Habis diperbarui malah makin cepat dan rapi.
Tanpa iklan sama sekali, bayar tagihan jadi gampang.
Saldo saya kembali dalam sehari, layanan pelanggannya membantu sekali.
Sekali lapor langsung ditanggapi, nggak pakai ribet.
Petanya akurat, saya gak pernah nyasar lagi.
Bukunya tipis tapi isinya padat dan bermanfaat.
Baru satu bab sudah ketagihan, gak bisa berhenti baca.
Terjemahannya enak dibaca dan tidak kaku.
Tokohnya hidup dan akhir ceritanya memuaskan.
Gurunya sabar, nggak ada murid yang takut bertanya.
Pak guru tidak pernah marah kalau ada yang bertanya.
Materinya jelas dan tugasnya tidak bikin stres.
Ikut kelas ini untung banget, ilmunya langsung kepakai.
Pengajarnya tepat waktu dan kelihatan semangat.
Barangnya persis seperti pesanan, penjualnya jujur.
Jahitannya rapi, dicuci berkali-kali pun nggak berubah.
Warnanya cantik seperti di foto, bukan kaleng-kaleng.
Paketnya rapi dan isinya tidak kurang satu pun.
Respons penjualnya cepat dan jawabannya sopan.
"""

VALIDATION_NEGATIVE = """
Filmnya kepanjangan dan ceritanya nggak menarik.
Rasa sotonya aneh, nggak akan pesan lagi.
Layar hp-nya cepat rusak padahal tidak pernah jatuh.
Kamarnya sempit, berisik, dan airnya keruh.
Aplikasi ini bikin pusing, tombolnya kebanyakan.
Novel ini membosankan dan tokohnya gak jelas.
Cara mengajarnya membingungkan, saya tidak paham apa-apa.
Tasnya bau dan talinya sudah putus.
"""

VALIDATION_POSITIVE = """
Filmnya panjang tapi nggak bikin ngantuk.
Rasa sotonya juara, besok pasti pesan lagi.
Layar hp-nya tetap mulus padahal pernah jatuh, nggak ada lecet.
Kamarnya luas, tenang, dan airnya lancar.
Aplikasi ini gampang dipakai, orang tua saya saja tidak bingung.
Novel ini seru dan tokohnya gak gampang ditebak.
Cara mengajarnya jelas, tidak ada yang ketinggalan.
Tasnya ringan dan talinya kuat.
"""

TEST_NEGATIVE = """
Dokumenter ini kepanjangan, belum setengahnya saya sudah ngantuk.
Siomaynya dingin dan amis, nggak saya habiskan.
Baru dua minggu earphone ini sudah rusak sebelah.
Tablet ini cepat panas dan baterainya gak awet.
Losmennya kotor, airnya keruh, penjaganya jutek.
Komiknya mahal, tapi gambarnya jelek.
Dosennya jarang masuk dan penjelasannya tidak jelas.
Ikut pelatihan ini rugi, isinya kurang bermanfaat.
Ranselnya bau dan jahitannya sudah sobek.
Sandalnya bukan ukuran saya, penjualnya nggak mau tukar.
Katanya enak, ternyata nggak tuh.
Udah bayar mahal, pelayanannya bikin kesal.
Bukan tempat yang nyaman untuk tidur, tetangganya berisik terus.
Ceritanya bagus di awal, tapi akhirnya mengecewakan.
Saya menyesal percaya sama foto di toko ini.
Gak lagi-lagi deh naik bus ini.
"""

TEST_POSITIVE = """
Dokumenter ini panjang, tapi saya tidak ngantuk sama sekali.
Siomaynya hangat dan gurih, saya nambah dua kali.
Sudah dua tahun earphone ini belum pernah rusak.
Tablet ini gak cepat panas dan baterainya awet.
Losmennya bersih, airnya lancar, penjaganya ramah.
Komiknya nggak mahal, gambarnya juga bagus.
Dosennya rajin masuk dan penjelasannya mudah dipahami.
Ikut pelatihan ini nggak rugi, isinya bermanfaat.
Ranselnya ringan dan jahitannya rapi.
Sandalnya pas di kaki, penjualnya jujur.
Katanya hambar, ternyata nggak tuh.
Bayarnya gak mahal, pelayanannya bikin betah.
Bukannya jelek, malah bagus dan nyaman untuk tidur.
Ceritanya kurang seru di awal, tapi akhirnya memuaskan.
Saya tidak menyesal percaya sama foto di toko ini.
Worth it banget, lain kali pasti naik bus ini lagi.
"""

TEMPLATES = {"train": TRAIN_TEMPLATES + frames.INDONESIAN, "validation": VALIDATION_TEMPLATES, "test": TEST_TEMPLATES}
WRITTEN = {
    "train": {"negative": TRAIN_NEGATIVE, "positive": TRAIN_POSITIVE},
    "validation": {"negative": VALIDATION_NEGATIVE, "positive": VALIDATION_POSITIVE},
    "test": {"negative": TEST_NEGATIVE, "positive": TEST_POSITIVE},
}
