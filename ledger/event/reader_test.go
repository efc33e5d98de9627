package event

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/testdata"
	"probity.dev/test/bench/load"
)

// accepted is the oracle: what jsontext and the limits of this package accept, and its compact form.
func accepted(b []byte) ([]byte, bool) {
	if !jsontext.Value(b).IsValid() {
		return nil, false
	}
	out, _, why := compact(nil, b)
	return out, why == 0
}

// sameAsOracle reads b and compares with the oracle.
func sameAsOracle(t *testing.T, b []byte) bool {
	t.Helper()
	before := bytes.Clone(b)
	want, ok := accepted(b)
	var d reader
	d.load(b)
	d.value()
	got, whole := d.text()
	if whole != ok || ok && !bytes.Equal(got, want) {
		t.Fatalf("read %v, jsontext %v: %q\n%q\n%q", whole, ok, b, got, want)
	}
	_, err := Parse(b)
	if err == nil && !ok {
		t.Fatalf("an event was parsed from %q", b)
	}
	if err != nil && strings.Contains(err.Error(), "The text is not valid JSON.") {
		t.Fatalf("no explanation for %q", b)
	}
	if !bytes.Equal(b, before) {
		t.Fatal("the input was changed")
	}
	return ok
}

// seeds are events as producers send them, with and without white space, and texts with something special in them.
func seeds(t testing.TB) [][]byte {
	out := [][]byte{[]byte(sample), []byte(compactJSON(sample)), []byte(`{"a":"\ud83d\ude00\u0000\"\\\/\b\f\n\r\t","\u0062":1.5e-7,"ü":[true,false,null,-0,0.1,1E+9]}`),
		[]byte(` [ { "a" : { } , "b" : [ ] } , "€\ud834\udd1e" ] `), []byte(`{"` + strings.Repeat("x", 7) + `":1,"` + strings.Repeat("x", 8) + `":2,"` + strings.Repeat("x", 9) + `":3}`)}
	many := []byte(`{"a":0`)
	for i := range 80 {
		many = append(many, `,"n`+strings.Repeat("i", i)+`":{"v":1}`...)
	}
	out = append(out, append(many, '}'))
	g := load.New(load.Config{Seed: 3, Events: 1000})
	for i := range 60 {
		out = append(out, g.At(i*16).JSON)
	}
	for _, name := range []string{"hostile/naughty-strings/blns.json"} {
		b, err := os.ReadFile(filepath.Join(testdata.Dir(t), name))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b)
	}
	return out
}

// TestReaderIsAsStrictAsTheLibrary changes real input in small ways and demands the library's verdict and the compact form of what it accepts.
func TestReaderIsAsStrictAsTheLibrary(t *testing.T) {
	all := seeds(t)
	rng := rand.New(rand.NewPCG(1, 9))
	bits := []string{`"`, `\`, `\u`, `\ud800`, `\udc00`, `\u0061`, `{`, `}`, `[`, `]`, `,`, `:`, ` `, "\n", "\x00", "\x1f", "\x7f", "\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc0\x80", "\xef\xbb\xbf",
		`-`, `+`, `.`, `0`, `01`, `1e999`, `1e-999`, `e`, `null`, `nul`, `true`, `"a":1,`, `,"a":1`, `"a"`, strings.Repeat("[", 70), strings.Repeat("9", 400), `/**/`, `'`}
	yes, no := 0, 0
	for _, s := range all {
		if !sameAsOracle(t, s) {
			t.Fatalf("a seed is refused: %q", s)
		}
	}
	for range 60_000 {
		b := bytes.Clone(all[rng.IntN(len(all))])
		if len(b) > 2000 {
			from := rng.IntN(len(b) - 1000)
			b = append([]byte(`["`), b[from:from+rng.IntN(1000)]...)
			b = append(b, `"]`...)
		}
		for range 1 + rng.IntN(2) {
			at := rng.IntN(len(b) + 1)
			switch rng.IntN(5) {
			case 0:
				b = append(b[:at:at], append([]byte(bits[rng.IntN(len(bits))]), b[at:]...)...)
			case 1:
				b = append(b[:at:at], b[min(len(b), at+1+rng.IntN(3)):]...)
			case 2:
				if at < len(b) {
					b[at] ^= 1 << rng.IntN(8)
				}
			case 3: // something from elsewhere: repeated members, unbalanced brackets
				from := rng.IntN(len(b) + 1)
				piece := bytes.Clone(b[from:min(len(b), from+1+rng.IntN(30))])
				b = append(b[:at:at], append(piece, b[at:]...)...)
			case 4:
				b = b[:at]
			}
			if len(b) == 0 {
				break
			}
		}
		if sameAsOracle(t, b) {
			yes++
		} else {
			no++
		}
	}
	t.Logf("%d accepted, %d refused", yes, no)
	if yes < 1000 || no < 1000 {
		t.Error("the changes are of one kind only")
	}
}

func TestRepeatedNames(t *testing.T) {
	for _, n := range []int{2, fewNames, fewNames + 1, 500} {
		b := []byte(`{"data":{`)
		for i := range n {
			b = append(b, `"key-`+strings.Repeat("k", i)+`":{"key-":1},`...)
		}
		sameAsOracle(t, append(bytes.Clone(b), `"z":1}}`...))
		for _, again := range []string{`"key-":1}}`, `"\u006bey-` + strings.Repeat("k", n-1) + `":1}}`} {
			in := append(bytes.Clone(b), again...)
			sameAsOracle(t, in)
			if _, err := Parse(in); err == nil || !strings.Contains(err.Error(), "twice") {
				t.Errorf("%d members and one again: %v", n, err)
			}
		}
	}
	big := []byte(`{"data":{`)
	for i := 0; len(big) < MaxBytes-20; i++ {
		big = append(big, `"`...)
		for k := i; k > 0; k /= 26 {
			big = append(big, 'a'+byte(k%26))
		}
		big = append(big, `":1,`...)
	}
	sameAsOracle(t, append(big, `"A":1}}`...))
}

func FuzzReader(f *testing.F) {
	for _, s := range seeds(f)[:12] {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, b []byte) { sameAsOracle(t, b) })
}
