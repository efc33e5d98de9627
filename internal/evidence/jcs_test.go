package evidence

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/testdata"
)

// The manifest of a bundle is signed as the bytes that were written, so nothing here depends on canonical JSON. Producers may send
// RFC 8785 text, though, and the library that would make it has to be right.
func TestJSONCanonicalizationVectors(t *testing.T) {
	dir := filepath.Join(testdata.Dir(t), "json-canonicalization/testdata")
	in, err := filepath.Glob(filepath.Join(dir, "input/*.json"))
	if err != nil || len(in) != 6 {
		t.Fatalf("%d input files, %v", len(in), err)
	}
	for _, f := range in {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, "output", filepath.Base(f)))
		if err != nil {
			t.Fatal(err)
		}
		v := jsontext.Value(b)
		if err := v.Canonicalize(); err != nil || string(v) != string(want) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", filepath.Base(f), err, v, want)
		}
	}
}
