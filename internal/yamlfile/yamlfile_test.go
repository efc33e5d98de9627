package yamlfile

import (
	"errors"
	"testing"

	"probity.dev/internal/errs"
)

func TestLine(t *testing.T) {
	text := []byte("# first\nrules:\n  - path: a\n  - {path: b}\nroles:\n  x: &x\n    m: 1\n  y: *x\n")
	for _, c := range []struct {
		want int
		path []any
	}{{2, nil}, {2, []any{"rules"}}, {4, []any{"rules", 1}}, {2, []any{"rules", 2}}, {7, []any{"roles", "x", "m"}}, {7, []any{"roles", "y", "m"}}, {5, []any{"roles", "z", "m"}}} {
		if got := Line(text, c.path...); got != c.want {
			t.Errorf("%v: line %d, want %d", c.path, got, c.want)
		}
	}
	if got := Line([]byte("a: ["), "a"); got != 0 {
		t.Errorf("no YAML: line %d", got)
	}
	if got := At("f", 0, errors.New("x")).Error(); got == "" || errs.CodeOf(At("f", 3, errs.New(errs.Invalid, "bad"))) != errs.Invalid {
		t.Error(got)
	}
}
