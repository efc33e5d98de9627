package intake

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"probity.dev/ledger/event"
)

// syslog reads syslog lines. It remembers the year, since RFC 3164 timestamps have none: when the month falls from December to
// January, a new year has begun.
type syslog struct {
	s     *state
	year  int
	month time.Month
}

func newSyslog(s *state) *syslog { return &syslog{s: s, year: s.opt.Year} }

// message is a syslog line taken apart.
type message struct {
	at       time.Time
	host     string
	program  string
	pid      string
	text     string
	facility int // -1 when the line has no priority
	severity int
	msgID    string
	fields   string // structured data of RFC 5424, verbatim
}

var (
	tagPattern  = regexp.MustCompile(`^([^\s:\[\]]{1,64})(?:\[([^\]\s]{1,32})\])?: ?`)
	headPattern = regexp.MustCompile(`^(\S{1,255}) `)
)

func (l *syslog) convert(raw []byte) []*Item {
	m, ok := l.parse(validText(string(raw)))
	if !ok {
		return reject("", "syntax", "The line does not start with a time and a host as syslog lines do; it may be cut short.")
	}
	e := l.event(m)
	return one(e)
}

// event makes the generic event of a message and refines it by what the program's messages mean.
func (l *syslog) event(m message) *event.Event {
	program := clear(m.program)
	if program == "" {
		program = "unknown"
	}
	e := &event.Event{Source: l.s.source("syslog." + program), Action: "syslog.message", Category: "system", Activity: "other", OccurredAt: m.at,
		Actor: event.Actor{Type: "system", ID: m.program}, Severity: syslogSeverity(m.severity)}
	if m.host != "" && m.host != "-" {
		e.Resource = event.Resource{Type: "host", ID: m.host}
	}
	if m.facility >= 0 {
		e.Data = add(e.Data, "facility", strconv.Itoa(m.facility))
	}
	e.Data = add(e.Data, "program", m.program)
	e.Data = add(e.Data, "pid", m.pid)
	e.Data = add(e.Data, "msgid", m.msgID)
	e.Data = add(e.Data, "structured_data", m.fields)
	e.Data = add(e.Data, "message", m.text)
	understand(e, program, m.text)
	return e
}

func syslogSeverity(n int) string {
	switch n {
	case 0, 1, 2:
		return "critical"
	case 3:
		return "medium"
	case 4:
		return "low"
	case 5:
		return "notice"
	case 7:
		return "debug"
	}
	return "info"
}

func (l *syslog) parse(s string) (message, bool) {
	m := message{facility: -1, severity: 6}
	if strings.HasPrefix(s, "<") {
		end := strings.IndexByte(s, '>')
		if end < 2 || end > 4 {
			return m, false
		}
		pri, err := strconv.Atoi(s[1:end])
		if err != nil || pri > 191 {
			return m, false
		}
		m.facility, m.severity = pri/8, pri%8
		s = s[end+1:]
		if strings.HasPrefix(s, "1 ") {
			return m, l.parse5424(&m, s[2:])
		}
	}
	rest, ok := l.timestamp(&m, s)
	if !ok {
		return m, false
	}
	h := headPattern.FindStringSubmatch(rest)
	if h == nil {
		return m, false
	}
	m.host = h[1]
	rest = rest[len(h[0]):]
	if t := tagPattern.FindStringSubmatch(rest); t != nil {
		m.program, m.pid = t[1], t[2]
		rest = rest[len(t[0]):]
	}
	m.text = rest
	return m, true
}

// timestamp reads "Nov 30 06:39:00 " or an ISO time.
func (l *syslog) timestamp(m *message, s string) (rest string, ok bool) {
	if len(s) > 16 && s[3] == ' ' && s[15] == ' ' {
		t, err := time.ParseInLocation("Jan _2 15:04:05", s[:15], l.s.opt.Location)
		if err != nil {
			return "", false
		}
		m.at = l.dated(t)
		return s[16:], true
	}
	word, rest, found := strings.Cut(s, " ")
	if !found {
		return "", false
	}
	if t, ok := parseTime(word, l.s.opt.Location); ok {
		m.at = t
		return rest, true
	}
	return "", false
}

// dated gives a time its year.
func (l *syslog) dated(t time.Time) time.Time {
	if l.year == 0 {
		l.year = l.s.opt.Now.Year()
		if with(t, l.year).After(l.s.opt.Now.Add(24 * time.Hour)) {
			l.year--
		}
	} else if l.month == time.December && t.Month() == time.January {
		l.year++
	}
	l.month = t.Month()
	return with(t, l.year).UTC()
}

func with(t time.Time, year int) time.Time {
	return time.Date(year, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, t.Location())
}

// parse5424 reads what follows the version of an RFC 5424 message.
func (l *syslog) parse5424(m *message, s string) bool {
	var f [5]string
	for i := range f {
		var ok bool
		if f[i], s, ok = strings.Cut(s, " "); !ok {
			return false
		}
	}
	if f[0] != "-" {
		t, ok := parseTime(f[0], l.s.opt.Location)
		if !ok {
			return false
		}
		m.at = t
	}
	dash := func(v string) string {
		if v == "-" {
			return ""
		}
		return v
	}
	m.host, m.program, m.pid, m.msgID = dash(f[1]), dash(f[2]), dash(f[3]), dash(f[4])
	m.fields, m.text = structured(s)
	m.text = strings.TrimPrefix(m.text, "\ufeff")
	return true
}

// structured splits the structured data of RFC 5424 from the message.
func structured(s string) (fields, text string) {
	if rest, ok := strings.CutPrefix(s, "-"); ok {
		return "", strings.TrimPrefix(rest, " ")
	}
	quoted := false
	for i := 0; i < len(s); i++ {
		switch {
		case quoted && s[i] == '\\':
			i++
		case s[i] == '"':
			quoted = !quoted
		case !quoted && s[i] == ']' && (i+1 == len(s) || s[i+1] == ' '):
			return s[:i+1], strings.TrimPrefix(s[i+1:], " ")
		}
	}
	return "", s
}
