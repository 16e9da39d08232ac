"""Indonesian topics of everyday life, each with the judgements and observations that suit it, for make_sentiment.py."""

# fmt: off

# name: (topics, positive adjectives, negative adjectives, positive observations, negative observations)
DOMAINS = {
    "food": (
        """nasi goreng, bakso, sate, soto, ayam goreng, ikan bakar, rendang, mi ayam, gado-gado, martabak, kopi,
            teh, es krim, kue, roti, sambal, makanan, minuman, masakan, menu, jus, sup, bubur, pizza, sarapan,
            makan malam, jajanan, seafood, steak, camilan, kuah""",
        """enak, lezat, nikmat, segar, gurih, sedap, empuk, renyah, wangi, mantap, maknyus, bergizi, pas di lidah,
            kaya rasa, juara, higienis, bikin nagih, menggugah selera, murah dan enak, masih hangat""",
        """hambar, basi, gosong, keasinan, terlalu manis, alot, amis, bau, tidak segar, mentah, dingin, berminyak,
            pahit, keras, lembek, anyir, eneg, jorok, kurang matang, terlalu pedas, tengik, asam, kemanisan, benyek""",
        """porsinya besar
bumbunya meresap sampai ke dalam
rasanya seperti masakan ibu
saya sampai nambah dua kali
harganya bersahabat
sambalnya juara
dagingnya lumer di mulut
bahannya segar semua
anak-anak makan sampai habis
aromanya menggoda
setiap suapan bikin bahagia
menunya beragam dan cocok untuk keluarga
dijamin ketagihan
cocok di lidah orang Indonesia""",
        """ada rambut di makanan saya
porsinya sedikit sekali
rasanya seperti karton
saya sakit perut sesudahnya
dagingnya masih mentah
makanannya datang sudah dingin
ada lalat di gelas saya
kami menunggu satu jam
minyaknya banyak sekali
kuahnya kayak air putih
saya muntah malamnya
susunya sudah asam
harganya tidak sebanding dengan rasanya
nasinya keras seperti batu
anak saya keracunan"""),
    "place": (
        """hotel, restoran, kafe, kamar, warung, penginapan, pantai, museum, taman, toko, pasar, mal, bioskop,
            perpustakaan, kolam renang, vila, kebun binatang, rumah makan, kos, toilet, ruang tunggu, lobi, salon,
            tempat wisata, kota, lokasi, bandara, tempat, kantor, masjid, pemandangan""",
        """bersih, nyaman, luas, sejuk, tenang, indah, asri, rapi, wangi, strategis, aman, ramah anak, terawat,
            mewah, instagramable, estetik, cozy, adem, lengkap, romantis, terjangkau, asyik""",
        """kotor, sempit, berisik, bau, kumuh, panas, gelap, pengap, jorok, berantakan, ramai sekali, terlalu penuh,
            seram, berdebu, tidak terawat, lembap, becek, sumpek, rawan, gersang, terpencil, kusam""",
        """pemandangannya memanjakan mata
kasurnya empuk
kami tidur nyenyak sekali
udaranya segar
parkirnya luas
stafnya menyambut dengan senyum
rasanya seperti di rumah sendiri
tempatnya cocok untuk keluarga
airnya jernih
kamar mandinya wangi dan bersih
kami betah berlama-lama
sarapannya banyak pilihan
anak-anak senang bermain di sana
fasilitasnya lengkap""",
        """ada kecoak di kamar mandi
AC-nya mati
airnya keruh
seprainya bernoda
parkirnya susah
suara motor terdengar sepanjang malam
liftnya rusak
sampah di mana-mana
antreannya panjang sekali
banyak nyamuk
tembok kamarnya berjamur
banyak pungutan liar
fotonya menipu
air panasnya mati
lantainya lengket"""),
    "story": (
        """film, buku, novel, serial, episode, drama, dokumenter, komik, cerita, lagu, album, konser, band, aktor,
            sinetron, akhir cerita, naskah, acara, lawakan, video, pertunjukan, puisi, alur, penyanyi, game, musik,
            majalah, kanal, pameran""",
        """seru, lucu, menarik, menyentuh, menegangkan, mengharukan, menghibur, memukau, inspiratif, keren,
            bikin penasaran, kreatif, asyik, bermutu, menggetarkan, cerdas, segar, bikin baper, berkesan,
            sarat makna, ngakak abis""",
        """membosankan, garing, datar, lambat, ngawur, mudah ditebak, bertele-tele, tidak jelas, dangkal, murahan,
            norak, lebay, klise, bikin ngantuk, aneh, kepanjangan, tidak masuk akal, sumbang, monoton, receh,
            memuakkan, membingungkan""",
        """saya tertawa sampai menangis
aktingnya luar biasa
saya baca habis dalam semalam
ceritanya bikin merinding
musiknya enak didengar
penonton bertepuk tangan lama sekali
saya mau nonton lagi
pesan moralnya dalam
tokoh-tokohnya terasa hidup
bikin senyum-senyum sendiri
dua jam terasa sebentar
saya menangis haru
liriknya menyentuh hati""",
        """saya ketiduran di tengah film
banyak penonton yang pulang duluan
leluconnya garing
aktingnya kaku
ceritanya berputar-putar
akhirnya mudah ditebak
dua jam terbuang sia-sia
saya terus melihat jam
suaranya fals
jalan ceritanya ngawur
saya berhenti membaca di bab dua
bikin sakit kepala
endingnya merusak semuanya
terlalu banyak iklan"""),
    "device": (
        """ponsel, hp, laptop, tablet, kamera, printer, headset, speaker, charger, jam tangan, keyboard, layar,
            baterai, kulkas, mesin cuci, kipas angin, blender, televisi, lampu, setrika, komputer, AC, mouse,
            rice cooker, powerbank, kabel, produk, barang, alat, dispenser, motor, mobil""",
        """awet, cepat, tahan lama, ringan, canggih, kuat, praktis, mudah dipakai, jernih, hemat listrik, bandel,
            kokoh, bagus, andal, responsif, berkualitas, original, tajam, halus, multifungsi, worth it""",
        """rusak, lemot, cepat panas, rapuh, berat, berisik, palsu, boros, cacat, sering mati, ringkih, penyok,
            retak, susah dipakai, bermasalah, lelet, murahan, kw, error terus, soak, tidak berfungsi, buram""",
        """baterainya tahan dua hari
ngecasnya cepat
gambarnya jernih
suaranya mantap
sudah tiga tahun masih seperti baru
jatuh pun tetap utuh
pemasangannya gampang
kualitasnya melebihi harganya
hasil fotonya tajam
pekerjaan rumah jadi ringan
hemat listrik
dapat bonus casing
sesuai dengan deskripsi
berfungsi dengan baik""",
        """baterainya cepat habis
baru seminggu sudah rusak
layarnya retak
sering mati sendiri
cepat panas
suaranya pecah
tombolnya copot
chargernya ketinggalan
garansinya tidak berlaku
sudah dua kali saya kembalikan
keluar asap waktu dinyalakan
hasil fotonya buram
sering macet
barangnya cacat
bunyinya berisik sekali"""),
    "app": (
        """aplikasi, situs, update, gim, toko online, bank, sinyal, internet, wifi, jaringan, fitur, tampilan,
            sistem, layanan online, login, peta, iklan, kuota, paket data, m-banking, e-wallet, kata sandi, server,
            notifikasi, operator""",
        """bermanfaat, mudah digunakan, cepat, stabil, praktis, lancar, aman, membantu, lengkap, simpel, gratis,
            keren, kencang, user friendly, bikin hidup mudah, berguna, jelas""",
        """lemot, error, penuh iklan, ribet, sering keluar sendiri, membingungkan, tidak stabil, putus-putus,
            lambat, lelet, boros kuota, berantakan, sering gangguan, down terus, hilang-hilangan, menyebalkan,
            rumit, tidak aman""",
        """sangat membantu pekerjaan saya
semuanya mudah ditemukan
internetnya kencang
ibu saya saja bisa pakai
daftarnya cuma semenit
transfernya langsung masuk
tampilannya baru dan segar
saya pakai tiap hari
banyak promo menarik
adminnya cepat menjawab
saldo langsung dikembalikan""",
        """sering keluar sendiri
foto saya terhapus semua
saya tidak bisa masuk sejak pembaruan
iklannya kebanyakan
sinyalnya hilang terus
saldo saya terpotong
akun saya diblokir tanpa alasan
pulsa saya habis sendiri
loadingnya lama banget
datanya bocor
sudah lapor tapi tidak ditanggapi
kode OTP tidak pernah masuk
internetnya putus-putus
transaksi saya gagal terus"""),
    "wear": (
        """baju, gaun, jaket, kemeja, sepatu, tas, celana, topi, sandal, kerudung, batik, kacamata, dompet, ransel,
            koper, parfum, krim, sampo, kasur, sofa, kursi, meja, bantal, selimut, karpet, tenda, sepeda, rok, kaus,
            sabun""",
        """nyaman, lembut, halus, awet, cantik, modis, kuat, adem, hangat, pas di badan, elegan, ringan, bagus,
            rapi jahitannya, kece, tebal, empuk, wangi, murah meriah, berkualitas""",
        """gatal, sempit, jelek, kasar, luntur, tipis, robek, kekecilan, kebesaran, murahan, cepat rusak, panas,
            berlubang, keras, bau, bolong, tidak nyaman, lepas jahitannya, norak, kusut, bikin iritasi""",
        """ukurannya pas
bahannya adem
warnanya lebih cantik dari foto
jahitannya rapi
dicuci berkali-kali tetap bagus
banyak yang memuji saya
saya beli lagi untuk adik
dipakai seharian tetap nyaman
sakit punggung saya hilang
kulit saya jadi halus
modelnya kekinian
harganya murah tapi kualitasnya bagus""",
        """warnanya luntur
jahitannya lepas
ukurannya salah
bahannya tipis dan panas
resletingnya rusak
tidak sesuai gambar
kulit saya jadi gatal
solnya lepas
talinya putus di hari pertama
menyusut setelah dicuci
bau bahan kimia
kakinya patah satu
robek padahal baru dipakai
saya jadi jerawatan"""),
    "service": (
        """pelayanan, pengiriman, layanan, pesanan, paket, kurir, penjual, harga, kemasan, perbaikan, asuransi,
            tiket, tur, pemesanan, kasir, customer service, proses retur, biaya, respons admin, toko, jasa, travel,
            katering, perusahaan, bengkel, ongkir, antrean, pengaduan""",
        """cepat, ramah, memuaskan, sigap, profesional, murah, tepat waktu, rapi, jujur, aman, terpercaya,
            responsif, amanah, terjangkau, bersahabat, transparan, memudahkan, top, prima, gercep, sopan""",
        """lambat, jutek, mengecewakan, mahal, kasar, tidak sopan, berantakan, terlambat, tidak jujur, penipu, lama,
            tidak profesional, acuh, lelet, buruk, kacau, tidak becus, menyusahkan, ribet, asal-asalan, cuek,
            semena-mena, tidak ramah""",
        """barang sampai lebih cepat
pengemasannya rapi dan aman
admin cepat membalas
uang saya langsung dikembalikan
masalah saya langsung selesai
barangnya diganti tanpa banyak tanya
kurirnya sopan
dapat hadiah kecil dari penjual
harganya lebih murah dari toko lain
semua pertanyaan dijawab dengan sabar
prosesnya cuma lima menit
pesanannya lengkap dan tepat waktu
kami dilayani seperti keluarga
banyak diskon""",
        """barang sampai dua minggu kemudian
setengah pesanan saya hilang
telepon saya ditutup begitu saja
kotaknya penyok
menunggu satu jam tanpa kabar
uang saya tidak kembali
barang yang dikirim salah
penjualnya menghilang
ada biaya tersembunyi
saya yang disalahkan
paketnya hilang di jalan
dibatalkan sepihak
dioper ke sana kemari
kurirnya marah-marah
chat saya cuma dibaca
saya ditipu"""),
    "person": (
        """guru, dokter, pelayan, sopir, bos, tetangga, perawat, pelatih, dosen, rekan kerja, satpam, manajer,
            resepsionis, pemilik kos, penjaga toko, tukang, polisi, tim, staf, karyawan, teman, pemandu, petugas,
            koki, montir, adik, kakak, atasan, driver, pacar, mertua""",
        """baik, ramah, sabar, sopan, jujur, lucu, pintar, rajin, perhatian, murah senyum, membantu, dermawan,
            tulus, rendah hati, kompeten, hebat, bijak, cekatan, berbakat, setia, penyayang, cerdas, tegas,
            bertanggung jawab""",
        """kasar, malas, sombong, galak, jutek, tidak sopan, egois, licik, pembohong, pemarah, pelit, judes, cuek,
            tidak becus, serakah, munafik, curang, menyebalkan, jahat, ketus, sok tahu, plin-plan,
            tidak bertanggung jawab""",
        """dia selalu membuat saya tertawa
beliau menjelaskan dengan sabar
dia membantu membawa tas saya
senyumnya tulus
masalahnya beres dalam sepuluh menit
dia ingat nama saya
nasihatnya berguna
semua orang merasa diterima
dia tidak pernah pelit ilmu
saya belajar banyak darinya
hatinya baik sekali
dia selalu menepati janji
dia rela lembur demi kami""",
        """dia membentak anak saya
dia main hp terus
kami diabaikan
dia berbohong di depan saya
dia menertawakan pertanyaan saya
dia selalu datang terlambat
dia suka bergosip
dia menyetir ugal-ugalan
dia membanting pintu
dia cuma peduli uang
dia membuat ibu saya menangis
dia suka menjelek-jelekkan orang
janjinya cuma di mulut
dia korupsi
mukanya masam"""),
    "event": (
        """liburan, perjalanan, pesta, pernikahan, kelas, kursus, pelajaran, rapat, akhir pekan, pekerjaan,
            wawancara, ujian, konser, festival, penerbangan, lokakarya, kuliah, tugas, sekolah, proyek, ulang tahun,
            pertandingan, latihan, seminar, reuni, piknik, mudik, acara keluarga, lomba""",
        """menyenangkan, seru, menarik, asyik, santai, bermanfaat, berkesan, sukses, meriah, lancar, penuh tawa,
            inspiratif, membahagiakan, tak terlupakan, mudah dipahami, teratur, hangat, produktif, cerah""",
        """membosankan, melelahkan, kacau, stres banget, berantakan, membingungkan, sia-sia, menyedihkan, gagal,
            ribet, terlalu lama, suram, menegangkan, percuma, susah dipahami, garing, bikin capek, tidak teratur,
            batal lagi, menyebalkan""",
        """kami berjoget semalaman
saya belajar banyak hal baru
waktu terasa cepat sekali
semua pulang dengan senyum
cuacanya cerah
saya lulus dengan nilai bagus
saya dapat banyak teman baru
anak-anak gembira sekali
keluarga jadi makin akrab
tim kami menang
saya naik jabatan
semua berjalan sesuai rencana
gaji saya naik""",
        """hujan turun terus
koper kami hilang
saya gagal lagi
kami tersesat dan ketinggalan bus
semua pulang lebih awal
kami bertengkar sepanjang jalan
penerbangan ditunda sembilan jam
kepala saya pusing
panitianya bingung sendiri
tim kami kalah telak
saya menangis semalaman
dompet saya dicuri
saya sakit seminggu penuh
saya dipecat
nilai saya jelek semua"""),
    "transport": (
        """bus, kereta, taksi, angkot, pesawat, kapal, kursi, jalan, ojek, maskapai, KRL, terminal, stasiun, tol,
            mobil travel, parkiran, perjalanan, lalu lintas, tiket kereta, motor sewaan, bus malam, feri, halte""",
        """tepat waktu, nyaman, cepat, bersih, aman, mulus, lancar, murah, adem, modern, lega, terawat, hemat,
            mudah dijangkau""",
        """terlambat, kotor, penuh sesak, tidak aman, macet, lambat, mahal, rusak, berlubang, bau, ugal-ugalan,
            mogok, sempit, delay terus, panas, berdesakan, reyot, semrawut""",
        """berangkat tepat waktu
kursinya empuk dan lega
kami sampai lebih awal
sopirnya hati-hati
jalannya mulus
tiketnya murah
AC-nya dingin
kru pesawatnya ramah
cuma sepuluh menit ke kantor
keretanya bersih dan wangi""",
        """mogok di tengah jalan
kami berdiri tiga jam
terlambat dua jam
sopirnya ngebut
kursinya basah
macet total dari pagi
remnya blong
tiba-tiba dibatalkan
jalannya berlubang semua
penumpangnya berdesakan
tarifnya dinaikkan seenaknya
saya mabuk sepanjang jalan"""),
    "life": (
        """cuaca, kesehatan, pengobatan, obat, olahraga, diet, kulit, kebun, rumah, lingkungan, potongan rambut,
            berita, pemerintah, ekonomi, kebijakan, presiden, gubernur, partai, harga sembako, gaji, aturan,
            rencana, ide, keputusan, jawaban, hasil, laporan, klub, kinerja, situasi, hubungan, pernikahan, kucing,
            program, hukum, pembangunan, masyarakat, timnas""",
        """membaik, sehat, cerah, adil, tepat, bijaksana, sukses, aman, stabil, manjur, berhasil, maju, hebat,
            bermanfaat, sejahtera, damai, menggembirakan, membanggakan, menjanjikan, mengesankan, berprestasi,
            cemerlang""",
        """memburuk, sakit, parah, tidak adil, korup, gagal, mahal, berbahaya, menyedihkan, merugikan, salah,
            mengkhawatirkan, kacau, merosot, buruk, menyusahkan rakyat, memprihatinkan, tidak masuk akal, memalukan,
            terpuruk, hancur, tragis""",
        """sakitnya sudah hilang
sekarang saya tidur nyenyak
berat badan saya turun
matahari akhirnya bersinar
anak saya sudah bisa berjalan
kami akan menikah
wajah saya jadi cerah
dokter bilang saya sudah sembuh
harga-harga akhirnya turun
jalanan sekarang bersih dan aman
timnas juara
hari ini ada kabar gembira
janjinya ditepati
rakyat makin sejahtera
saya bersyukur sekali""",
        """sakitnya makin parah
saya susah tidur
berat badan saya naik terus
sudah berminggu-minggu hujan dan banjir
saya demam dan batuk
harga beras naik lagi
banyak orang kehilangan pekerjaan
kucing saya mati kemarin
kunci saya hilang lagi
kami putus semalam
uang rakyat dikorupsi
kejahatan di mana-mana
efek sampingnya parah
timnas kalah lagi
janjinya bohong semua
rakyat kecil makin susah"""),
}
