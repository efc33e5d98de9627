package realdata

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// trail is a CloudTrail record as far as the questions go. It is read with nothing of the product.
type trail struct {
	EventID, EventTime, EventName, EventSource, ErrorCode, ErrorMessage string
	SourceIPAddress                                                     string
	ResponseElements                                                    struct{ ConsoleLogin string }
}

// files is an independent reading of the shared data.
type files struct {
	trails []trail // in the order of ingestion, each id once
	auth   []string
	raw    map[string][]byte // every ingested file, decompressed, by path
	found  *canaries
}

func readFiles(t *testing.T, root string) *files {
	t.Helper()
	f := &files{raw: map[string][]byte{}}
	for _, dir := range []string{"cloudtrail", "logins", "app-audit", "saas-audit", "m365-azuread"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || d.Name() == "LICENSE" {
				return err
			}
			f.raw[path], err = plain(path)
			if err == nil && dir == "cloudtrail" {
				f.trails = append(f.trails, trails(t, path, f.raw[path])...)
			}
			if err == nil && dir == "logins" {
				f.auth = strings.Split(strings.TrimSuffix(string(f.raw[path]), "\n"), "\n")
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]bool{}
	once := f.trails[:0]
	for _, r := range f.trails {
		if !seen[r.EventID] {
			once = append(once, r)
		}
		seen[r.EventID] = true
	}
	f.trails = once
	return f
}

func plain(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil || !strings.HasSuffix(path, ".gz") {
		return b, err
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

func trails(t *testing.T, path string, b []byte) (list []trail) {
	t.Helper()
	if strings.HasSuffix(path, ".csv") {
		rows, err := csv.NewReader(bytes.NewReader(b)).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			var r trail
			for i, name := range rows[0] {
				if name == "_raw" {
					if err := json.Unmarshal([]byte(row[i]), &r); err != nil {
						t.Fatal(err)
					}
				}
			}
			list = append(list, r)
		}
		return list
	}
	var outer struct{ Records []trail }
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		err = json.Unmarshal(b, &list)
	} else if err = json.Unmarshal(b, &outer); err == nil {
		list = outer.Records
	}
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return list
}

// count counts the records for which is holds.
func (f *files) count(is func(r *trail) bool) (n int) {
	for i := range f.trails {
		if is(&f.trails[i]) {
			n++
		}
	}
	return n
}

// invalidUsers counts the attempts on users that do not exist from an address, as sshd words them.
func (f *files) invalidUsers(from string) (n int) {
	p := regexp.MustCompile(`sshd\[\d+\]: Invalid user .* from ` + regexp.QuoteMeta(from) + `$`)
	for _, line := range f.auth {
		if p.MatchString(line) {
			n++
		}
	}
	return n
}
