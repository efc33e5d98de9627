package intake

import (
	"bytes"
	"path"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

var syslogStart = regexp.MustCompile(`^(<\d{1,3}>)?(1 )?([A-Z][a-z]{2} [ 0-3]\d \d\d:\d\d:\d\d |\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S* \S+ \S+)`)

// detect names the format that the start of a stream looks like, "" when it looks like none.
func detect(head []byte, o Options) string {
	b := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case len(b) == 0:
		return "probity"
	case o.Mapping != nil && (b[0] == '{' || b[0] == '['):
		return "jsonl"
	case b[0] == '{' || b[0] == '[':
		return detectJSON(b)
	case bytes.HasPrefix(b, []byte("Audit:[")):
		return "splunk-audit"
	case syslogStart.Match(b):
		return "syslog"
	case hasRawColumn(b):
		return "splunk-csv"
	case o.Mapping != nil && severalColumns(b):
		return "csv"
	}
	name := strings.ToLower(strings.TrimSuffix(path.Base(o.Name), ".gz"))
	if strings.Contains(name, "auth.log") || strings.Contains(name, "syslog") || name == "secure" || name == "messages" {
		return "syslog"
	}
	if strings.HasSuffix(name, ".csv") {
		return "csv"
	}
	if strings.HasSuffix(name, ".jsonl") || strings.HasSuffix(name, ".ndjson") {
		return "jsonl"
	}
	return ""
}

// severalColumns reports whether the first line could be the header of a CSV. A licence that lies beside the data has commas as well, further down.
func severalColumns(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return bytes.IndexByte(line, ',') >= 0
}

func hasRawColumn(b []byte) bool {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	for _, column := range bytes.Split(bytes.TrimRight(line, "\r"), []byte(",")) {
		if string(bytes.Trim(column, `" `)) == "_raw" {
			return true
		}
	}
	return false
}

// detectJSON decides by the members of the first object, in the stream or in its first array.
func detectJSON(b []byte) string {
	d := jsontext.NewDecoder(bytes.NewReader(b), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if d.PeekKind() == '[' {
		if _, err := d.ReadToken(); err != nil || d.PeekKind() == ']' {
			return "probity"
		}
	}
	if d.PeekKind() != '{' {
		return "jsonl"
	}
	return formatOf(firstNames(d))
}

// firstNames returns the member names of the object at d, as far as the text goes, with the kind of each value.
func firstNames(d *jsontext.Decoder) map[string]jsontext.Kind {
	names := map[string]jsontext.Kind{}
	if _, err := d.ReadToken(); err != nil {
		return names
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			break
		}
		name := t.String()
		names[name] = d.PeekKind()
		if d.SkipValue() != nil {
			break
		}
	}
	return names
}

func formatOf(names map[string]jsontext.Kind) string {
	has := func(list ...string) bool {
		for _, n := range list {
			if _, ok := names[n]; !ok {
				return false
			}
		}
		return true
	}
	switch {
	case names["Records"] == '[' || has("eventSource", "eventName") || has("CloudTrailEvent") || names["Events"] == '[':
		return "cloudtrail"
	case has("specversion", "type"):
		return "cloudevents"
	case has("class_uid"):
		return "ocsf"
	case has("resourceLogs"):
		return "otlp"
	case names["events"] == '[', has("action") && (has("source") || names["actor"] == '{' || names["resource"] == '{' || has("occurred_at")), len(names) == 0:
		return "probity"
	}
	return "jsonl"
}
