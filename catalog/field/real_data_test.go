package field

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"testing"

	"probity.dev/internal/testdata"
	"probity.dev/ledger/event"
)

// A leaf is a scalar of a real record with the path that it would have under /data.
type leaf struct {
	path  string
	value []byte
}

// leaves walks a decoded record: members of members become paths, two levels deep as the event model does; deeper ones are one
// value.
func leaves(path string, v any, depth int, out []leaf) []leaf {
	if m, ok := v.(map[string]any); ok && depth < 3 {
		for k, x := range m {
			out = leaves(path+"/"+strings.ReplaceAll(strings.ReplaceAll(k, "~", "~0"), "/", "~1"), x, depth+1, out)
		}
		return out
	}
	b, err := json.Marshal(v)
	if err != nil {
		return out
	}
	return append(out, leaf{path, b})
}

// readRecords returns the JSON records in files of the given folder of the shared data.
func readRecords(t *testing.T, folder string) []map[string]any {
	t.Helper()
	root := filepath.Join(testdata.Dir(t), folder)
	var out []map[string]any
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(path, ".json") && !strings.HasSuffix(path, ".log") && !strings.Contains(path, ".ndjson") {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if strings.HasSuffix(path, ".gz") {
			z, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				return err
			}
			if b, err = io.ReadAll(z); err != nil {
				return err
			}
		}
		out = append(out, decodeRecords(b)...)
		return nil
	})
	if err != nil {
		t.Fatalf("the shared data is there, and this part of it cannot be read: %v", err)
	}
	return out
}

func decodeRecords(b []byte) []map[string]any {
	var whole any
	if json.Unmarshal(b, &whole) == nil {
		return collect(whole)
	}
	var out []map[string]any
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		line := lines.Bytes()
		if i := bytes.IndexByte(line, '{'); i >= 0 && json.Unmarshal(line[i:], &whole) == nil {
			out = append(out, collect(whole)...)
		}
	}
	return out
}

func collect(v any) []map[string]any {
	switch v := v.(type) {
	case []any:
		var out []map[string]any
		for _, x := range v {
			out = append(out, collect(x)...)
		}
		return out
	case map[string]any:
		if list, ok := v["Records"].([]any); ok {
			return collect(list)
		}
		return []map[string]any{v}
	}
	return nil
}

// TestRealRecordsLeakNothing classifies every value of real audit logs and looks, among what would be kept in clear, for e-mail
// addresses, network addresses and the names of the people that the same record names elsewhere.
func TestRealRecordsLeakNothing(t *testing.T) {
	for _, folder := range []string{"cloudtrail", "saas-audit", "invoices/chinook"} {
		t.Run(strings.ReplaceAll(folder, "/", "_"), func(t *testing.T) {
			c := New(nil)
			clear, total := 0, 0
			leaks := map[string]string{}
			show := map[string]int{}
			for _, r := range readRecords(t, folder) {
				all := leaves("/data", r, 0, nil)
				people := namesIn(all)
				for _, l := range all {
					total++
					class := c.Classify("thing.update", l.path, l.value)
					if class.Kind != event.Operational {
						continue
					}
					clear++
					show[l.path]++
					if why := leak(string(l.value), people); why != "" {
						leaks[l.path] = why + ": " + string(l.value)
					}
				}
			}
			t.Logf("%d of %d values (%.0f %%) would be kept in clear", clear, total, 100*ratio(clear, total))
			for path, why := range leaks {
				t.Errorf("%s is operational and holds %.200s", path, why)
			}
			if os.Getenv("PROBITY_SHOW_CLEAR") != "" {
				paths := make([]string, 0, len(show))
				for p := range show {
					paths = append(paths, p)
				}
				sort.Slice(paths, func(i, j int) bool { return show[paths[i]] > show[paths[j]] })
				for _, p := range paths[:min(len(paths), 300)] {
					t.Logf("%6d %s", show[p], p)
				}
			}
		})
	}
}

// namesIn collects the names of people that a record states under names which say so.
func namesIn(all []leaf) []string {
	var out []string
	for _, l := range all {
		key := strings.ToLower(l.path[strings.LastIndexByte(l.path, '/')+1:])
		var s string
		switch key {
		case "username", "user_name", "email", "actor_email", "firstname", "lastname", "login", "displayname", "user_email", "phone":
			if json.Unmarshal(l.value, &s) == nil && len(s) >= 6 && strings.ToLower(s) != "unknown" {
				out = append(out, s)
			}
		}
	}
	return out
}

func leak(value string, people []string) string {
	if personalIn(strings.Trim(value, `"`)) != "" && !isTimestamp(strings.Trim(value, `"`)) {
		return personalIn(strings.Trim(value, `"`))
	}
	for _, p := range people {
		if strings.Contains(value, p) {
			return "a person's name"
		}
	}
	return ""
}

// TestRealTables classifies the columns of a real customer database by what a change to them would be called.
func TestRealTables(t *testing.T) {
	all := readRecords(t, "invoices/chinook")
	if len(all) == 0 {
		t.Fatal("the shared data is there, and invoices/chinook has no records")
	}
	personalColumns := map[string]string{"FirstName": FirstName, "LastName": LastName, "Address": Address, "City": City, "Country": Country, "PostalCode": PostalCode,
		"Phone": Phone, "Fax": Fax, "Email": Email, "BirthDate": BirthDate, "BillingAddress": Address, "BillingCity": City, "BillingCountry": Country, "BillingPostalCode": PostalCode}
	operationalColumns := map[string]bool{"InvoiceId": true, "InvoiceDate": true, "Total": true, "UnitPrice": true, "Quantity": true, "TrackId": true, "InvoiceLineId": true}
	c := New(nil)
	seen := 0
	for table, rows := range all[0] {
		list, ok := rows.([]any)
		if !ok {
			continue
		}
		for _, row := range list {
			m, ok := row.(map[string]any)
			if !ok {
				continue
			}
			for column, v := range m {
				value, err := json.Marshal(v)
				if err != nil {
					t.Fatal(err)
				}
				class := c.ClassifyChange(strings.ToLower(table)+".update", "/"+column, value)
				if want, ok := personalColumns[column]; ok {
					seen++
					if class.Category != want || class.Kind != event.Personal {
						t.Fatalf("%s.%s is %s, want %s", table, column, told(class), want)
					}
				}
				if operationalColumns[column] && class.Kind != event.Operational {
					t.Fatalf("%s.%s %s is %s, want operational", table, column, value, told(class))
				}
			}
		}
	}
	if seen < 500 {
		t.Errorf("only %d personal values were seen", seen)
	}
}

// TestRealClearStringsAreNotSuspicious: no service, action or event type of real logs is mistaken for personal data.
func TestRealClearStringsAreNotSuspicious(t *testing.T) {
	c := New(nil)
	seen := map[string]bool{}
	for _, folder := range []string{"cloudtrail", "saas-audit"} {
		for _, r := range readRecords(t, folder) {
			for _, key := range []string{"eventName", "eventSource", "eventType", "awsRegion", "rule_id", "action"} {
				s, ok := r[key].(string)
				if s = strings.ToLower(s); !ok || seen[s] {
					continue
				}
				seen[s] = true
				if c.Suspicious(s) {
					t.Errorf("%s is said to be personal", s)
				}
			}
		}
	}
	t.Logf("%d clear strings", len(seen))
}
