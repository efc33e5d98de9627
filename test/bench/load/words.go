package load

// kind is a type of resource with its share of events in a thousand.
type kind struct {
	name, prefix string
	weight       int
	// subject is the type of person whose data it is; empty when it is nobody's.
	subject string
	path    string // a field that updates change
	money   bool
}

var types = [25]kind{
	{"appointment", "apt", 95, "patient", "/starts_at", false}, {"patient", "pat", 70, "patient", "/phone", false},
	{"record", "rec", 85, "patient", "/diagnosis", false}, {"prescription", "rx", 35, "patient", "/dose", false},
	{"lab_result", "lab", 30, "patient", "/value", false}, {"consent", "cst", 20, "patient", "/state", false},
	{"recording", "aud", 22, "patient", "/retention", false}, {"note", "nte", 40, "patient", "/text", false},
	{"invoice", "inv", 75, "customer", "/total", true}, {"order", "ord", 85, "customer", "/total", true},
	{"refund", "rfd", 18, "customer", "/amount", true}, {"payment", "pay", 60, "customer", "/amount", true},
	{"price", "prc", 15, "", "/price", true}, {"product", "prd", 35, "", "/stock", false},
	{"shipment", "shp", 30, "customer", "/status", false}, {"coupon", "cpn", 8, "", "/percent", false},
	{"session", "ses", 90, "", "/state", false}, {"api_key", "key", 10, "", "/scopes", false},
	{"role", "rol", 8, "", "/members", false}, {"user", "usr", 40, "", "/email", false},
	{"project", "prj", 32, "", "/name", false}, {"document", "doc", 55, "", "/title", false},
	{"export", "exp", 10, "", "/format", false}, {"webhook", "whk", 12, "", "/url", false},
	{"setting", "set", 20, "", "/value", false},
}

// verbs are what is done to each type, with their share of events in a thousand. 25 types × 8 verbs make 200 actions.
var verbs = [8]struct {
	name   string
	weight int
	change bool
}{
	{"read", 400, false}, {"update", 250, true}, {"create", 140, false}, {"list", 80, false},
	{"share", 50, false}, {"approve", 40, true}, {"delete", 25, false}, {"export", 15, false},
}

var sources = [5]string{"booking.api", "records.api", "shop.web", "billing.api", "platform.api"}

var services = []string{"import", "billing", "reminder", "sync", "report", "index"}

// Names are given as written and as in an e-mail address.
var givens = [][2]string{{"Ana", "ana"}, {"João", "joao"}, {"Emma", "emma"}, {"Łukasz", "lukasz"}, {"Олена", "olena"}, {"Ελένη", "eleni"},
	{"محمد", "mohammed"}, {"伟", "wei"}, {"さくら", "sakura"}, {"민준", "minjun"}, {"प्रिया", "priya"}, {"Oliver", "oliver"}, {"Grace", "grace"},
	{"Zoë", "zoe"}, {"Björn", "bjoern"}, {"Siobhán", "siobhan"}, {"Thomas", "thomas"}, {"Maria", "maria"}, {"Peter", "peter"}, {"Fatima", "fatima"}}

var families = [][2]string{{"Silva", "silva"}, {"Smith", "smith"}, {"O'Brien", "obrien"}, {"Wójcik", "wojcik"}, {"Шевченко", "shevchenko"},
	{"Οικονόμου", "oikonomou"}, {"حسين", "hussein"}, {"王", "wang"}, {"佐藤", "sato"}, {"김", "kim"}, {"शर्मा", "sharma"}, {"Taylor", "taylor"},
	{"Müller", "mueller"}, {"Ångström", "angstrom"}, {"Nguyễn", "nguyen"}, {"Garcia", "garcia"}, {"Rossi", "rossi"}, {"Novak", "novak"},
	{"Johnson", "johnson"}, {"Okafor", "okafor"}}

var agents = [...]string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
	"Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0",
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:143.0) Gecko/20100101 Firefox/143.0",
	"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile Safari/537.36",
	"okhttp/4.12.0", "python-requests/2.32.5", "Go-http-client/2.0",
}

// reasons take a number at the end.
var reasons = [...]string{
	"Customer called about ticket ", "Correction after review, case ", "Requested by the front desk, ref ", "Routine check of file ",
	"Agreed with the patient by phone, note ", "Monthly reconciliation, run ", "Duplicate entry, see ", "Approved by the duty manager, slip ",
}

var failures = [...]string{"permission denied", "validation failed", "conflict", "timeout", "not found"}

var locales = [...]string{"pt-PT", "en-GB", "de-DE", "pl-PL", "uk-UA", "ja-JP"}

var channels = [...]string{"web", "mobile", "desk", "api"}

// picker turns weights into a table that one random number indexes.
func picker(n int, weight func(int) int) []uint8 {
	var out []uint8
	for i := range n {
		for range weight(i) {
			out = append(out, uint8(i))
		}
	}
	return out
}

var (
	typeOf = picker(len(types), func(i int) int { return types[i].weight })
	verbOf = picker(len(verbs), func(i int) int { return verbs[i].weight })
	// actions holds the name of each type and verb.
	actions = func() (a [len(types)][len(verbs)]string) {
		for i, t := range types {
			for j, v := range verbs {
				a[i][j] = t.name + "." + v.name
			}
		}
		return a
	}()
)
