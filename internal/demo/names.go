package demo

import "strings"

// culture is a stock of names, streets and phone numbers of one part of the world. Each name is "as written|romanised"; the
// romanised form, used in e-mail addresses, may be left out when it is the lower-cased name.
type culture struct {
	given, family []string
	// familyFirst is how the full name is written.
	familyFirst bool
	// glue stands between the parts of a name.
	glue    string
	streets []string
	cities  []string
	// dial is the country's prefix; digits the pattern of the rest, where 0 stands for any digit.
	dial, digits string
	locale       string
	// weight is how many of a thousand people come from here.
	weight int
}

func words(s string) []string { return strings.Fields(s) }

func list(s string) []string { return strings.Split(s, ",") }

var cultures = []culture{
	{
		given:   words("Ana Inês|ines João|joao Tiago Beatriz Conceição|conceicao Rui Sofia Gonçalo|goncalo Mariana Luís|luis Catarina Simão|simao Leonor Vasco"),
		family:  words("Silva Ferreira Araújo|araujo Magalhães|magalhaes Simões|simoes Gouveia Brandão|brandao Sá|sa Teixeira Vaz Peixoto Queirós|queiros Falcão|falcao Moura"),
		glue:    " ",
		streets: list("Rua das Flores,Avenida da Liberdade,Travessa do Poço,Largo de São Bento,Rua Augusta"),
		cities:  list("1200-192 Lisboa,4050-262 Porto,3000-150 Coimbra,8000-139 Faro"),
		dial:    "+351", digits: "9 0000 0000", locale: "pt-PT", weight: 230,
	},
	{
		given:   words("Emma Oliver Grace Harry Chloe Jack Amelia Siobhán|siobhan Ewan Nia Poppy George Freya Callum Imogen"),
		family:  words("Smith O'Brien|obrien Taylor MacLeod|macleod Davies Patel Wright Hughes Fitzgerald Clarke Ashworth Bell Whitaker Penhaligon"),
		glue:    " ",
		streets: list("12 High Street,Rosebery Avenue,Station Road,The Crescent,Mill Lane"),
		cities:  list("London EC1R 4RR,Leeds LS1 4AP,Cardiff CF10 1EP,Glasgow G1 3SL"),
		dial:    "+44", digits: "7000 000000", locale: "en-GB", weight: 200,
	},
	{
		given:   words("Jürgen|juergen Anneliese Björn|bjoern Käthe|kaethe Lukas Frieda Günther|guenther Zoë|zoe Matthias Ulrike Søren|soren Åsa|asa"),
		family:  words("Müller|mueller Groß|gross Schäfer|schaefer Köhler|koehler Weiß|weiss Ångström|angstrom Brandt Østergaard|ostergaard Vogel Krüger|krueger Lindqvist Jäger|jaeger"),
		glue:    " ",
		streets: list("Hauptstraße,Königsallee,Am Mühlbach,Goethestraße,Strandvägen"),
		cities:  list("10115 Berlin,80331 München,50667 Köln,11456 Stockholm"),
		dial:    "+49", digits: "150 00000000", locale: "de-DE", weight: 110,
	},
	{
		given:   words("Łukasz|lukasz Małgorzata|malgorzata Zbigniew Żaneta|zaneta Józef|jozef Agnieszka Ondřej|ondrej Šárka|sarka Tomáš|tomas Eliška|eliska"),
		family:  words("Wójcik|wojcik Kowalczyk Szczęsny|szczesny Dąbrowski|dabrowski Źrebak|zrebak Dvořák|dvorak Němcová|nemcova Černý|cerny Błaszczyk|blaszczyk Novák|novak"),
		glue:    " ",
		streets: list("ulica Świętokrzyska,aleja Róż,Plac Wolności,Vinohradská,ulica Żytnia"),
		cities:  list("00-116 Warszawa,31-949 Kraków,61-738 Poznań,120 00 Praha"),
		dial:    "+48", digits: "500 000 000", locale: "pl-PL", weight: 70,
	},
	{
		given:   words("Олена|olena Дмитро|dmytro Сергій|serhii Ірина|iryna Анастасия|anastasia Михаил|mikhail Катерина|kateryna Ђорђе|djordje Љубица|ljubica Їжак|yizhak"),
		family:  words("Шевченко|shevchenko Коваленко|kovalenko Бондаренко|bondarenko Иванова|ivanova Соколов|sokolov Петровић|petrovic Яценко|yatsenko Щербак|shcherbak Лисенко|lysenko"),
		glue:    " ",
		streets: list("вулиця Хрещатик,проспект Свободи,вулиця Лесі Українки,Кнез Михаилова"),
		cities:  list("01001 Київ,79000 Львів,65000 Одеса,11000 Београд"),
		dial:    "+380", digits: "50 000 00 00", locale: "uk-UA", weight: 60,
	},
	{
		given:   words("Ελένη|eleni Γιώργος|giorgos Κατερίνα|katerina Νίκος|nikos Άννα|anna Δημήτρης|dimitris Σοφία|sofia Ιωάννης|ioannis"),
		family:  words("Παπαδόπουλος|papadopoulos Οικονόμου|oikonomou Γεωργίου|georgiou Βασιλείου|vasileiou Καραγιάννης|karagiannis Αθανασίου|athanasiou"),
		glue:    " ",
		streets: list("Οδός Ερμού,Λεωφόρος Κηφισίας,Οδός Πατησίων"),
		cities:  list("105 63 Αθήνα,546 24 Θεσσαλονίκη"),
		dial:    "+30", digits: "690 000 0000", locale: "el-GR", weight: 30,
	},
	{
		given:   words("محمد|mohammed فاطمة|fatima ليلى|layla يوسف|youssef مريم|maryam عمر|omar نور|nour خالد|khaled زینب|zeynab"),
		family:  words("الأحمد|alahmad حسين|hussein بن_علي|benali المصري|almasri قاسم|qasim الخطيب|alkhatib رضایی|rezaei منصور|mansour"),
		glue:    " ",
		streets: list("شارع الحمراء,شارع التحرير,طريق الملك فهد"),
		cities:  list("بيروت ١١٠٧,القاهرة ١١٥١١,الرياض ١٢٢١١"),
		dial:    "+20", digits: "100 000 0000", locale: "ar-EG", weight: 60,
	},
	{
		given:   words("נועה|noa דוד|david תמר|tamar יוסף|yosef שירה|shira אורי|uri"),
		family:  words("כהן|cohen לוי|levi מזרחי|mizrahi פרץ|peretz אברהם|avraham ביטון|biton"),
		glue:    " ",
		streets: list("רחוב דיזנגוף,שדרות רוטשילד,רחוב יפו"),
		cities:  list("תל אביב 6433222,ירושלים 9422108"),
		dial:    "+972", digits: "50 000 0000", locale: "he-IL", weight: 20,
	},
	{
		given:   words("आरव|aarav प्रिया|priya राहुल|rahul अनन्या|ananya விஜய்|vijay মীনা|meena সৌরভ|sourav லட்சுமி|lakshmi संजय|sanjay"),
		family:  words("शर्मा|sharma पटेल|patel गुप्ता|gupta ராமன்|raman চক্রবর্তী|chakraborty नायर|nair சுப்ரமணியன்|subramanian दास|das"),
		glue:    " ",
		streets: list("महात्मा गांधी मार्ग,अशोक रोड,அண்ணா சாலை,পার্ক স্ট্রিট"),
		cities:  list("नई दिल्ली 110001,मुंबई 400001,சென்னை 600002,কলকাতা 700016"),
		dial:    "+91", digits: "98000 00000", locale: "hi-IN", weight: 70,
	},
	{
		given:   words("伟|wei 秀英|xiuying 娜|na 强|qiang 丽|li 志明|zhiming 雅婷|yating 建国|jianguo 晓梅|xiaomei"),
		family:  words("王|wang 李|li 张|zhang 陳|chen 黃|huang 赵|zhao 歐陽|ouyang 周|zhou 徐|xu"),
		streets: list("南京东路,人民路,忠孝東路,解放大道"),
		cities:  list("上海市 200001,北京市 100006,臺北市 106,武汉市 430014"),
		dial:    "+86", digits: "138 0000 0000", locale: "zh-CN", familyFirst: true, weight: 50,
	},
	{
		given:   words("さくら|sakura 健太|kenta 陽子|yoko 翔|sho 美咲|misaki 拓海|takumi ひなた|hinata 大輔|daisuke"),
		family:  words("佐藤|sato 鈴木|suzuki 高橋|takahashi 髙田|takada 渡邉|watanabe 小林|kobayashi 五十嵐|igarashi 斎藤|saito"),
		glue:    "　",
		streets: list("銀座四丁目,道玄坂,烏丸通,御堂筋"),
		cities:  list("〒104-0061 東京都中央区,〒604-8162 京都市,〒541-0054 大阪市"),
		dial:    "+81", digits: "90 0000 0000", locale: "ja-JP", familyFirst: true, weight: 40,
	},
	{
		given:   words("민준|minjun 서연|seoyeon 지훈|jihoon 하은|haeun 도윤|doyun 유진|yujin"),
		family:  words("김|kim 이|lee 박|park 최|choi 정|jung 남궁|namgung"),
		streets: list("테헤란로,세종대로,해운대로"),
		cities:  list("06133 서울특별시,48094 부산광역시"),
		dial:    "+82", digits: "10 0000 0000", locale: "ko-KR", familyFirst: true, weight: 25,
	},
	{
		given:   words("Nguyệt|nguyet Đức|duc Thảo|thao Hương|huong Ayşe|ayse Çağla|cagla Emre İbrahim|ibrahim Ewa|ewa สมชาย|somchai มาลี|malee"),
		family:  words("Nguyễn|nguyen Trần|tran Phạm|pham Yılmaz|yilmaz Öztürk|ozturk Şahin|sahin วงศ์ใหญ่|wongyai ศรีสุข|srisuk Đặng|dang"),
		glue:    " ",
		streets: list("Đường Lê Lợi,İstiklal Caddesi,ถนนสุขุมวิท"),
		cities:  list("Hà Nội 100000,34433 İstanbul,กรุงเทพมหานคร 10110"),
		dial:    "+90", digits: "532 000 00 00", locale: "tr-TR", weight: 35,
	},
}

// split parts a stock name into its written and its romanised form.
func split(name string) (written, roman string) {
	written, roman, ok := strings.Cut(name, "|")
	written = strings.ReplaceAll(written, "_", " ")
	if !ok {
		roman = strings.ToLower(written)
	}
	return written, roman
}
