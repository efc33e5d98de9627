package breached

import (
	"crypto/sha1"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"probity.dev/internal/errs"
)

func lineOf(password string, count int) string {
	return fmt.Sprintf("%X:%d", sha1.Sum([]byte(password)), count)
}

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pwned.txt")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestEveryLineIsFound asks for each line of lists of many sizes, and for what stands between the lines.
func TestEveryLineIsFound(t *testing.T) {
	for _, n := range []int{1, 2, 3, 7, 64, 65, 2000} {
		var lines, in []string
		for i := range n {
			in = append(in, fmt.Sprintf("password number %d", i))
			lines = append(lines, lineOf(in[i], 1+i*i*i))
		}
		slices.Sort(lines)
		for _, text := range []string{strings.Join(lines, "\n"), strings.Join(lines, "\r\n") + "\r\n", strings.ToLower(strings.Join(lines, "\n")) + "\n"} {
			l, err := Open(write(t, text))
			if err != nil {
				t.Fatalf("%d lines: %v", n, err)
			}
			for i, p := range in {
				if found, err := l.Contains(p); err != nil || !found {
					t.Errorf("%d lines: number %d is not found: %v", n, i, err)
				}
				if found, err := l.Contains(p + "!"); err != nil || found {
					t.Errorf("%d lines: something else than number %d is found: %v", n, i, err)
				}
			}
		}
	}
}

// huge is a list of a thousand million lines, of which only what is asked for is ever made.
type huge struct{ reads, bytes int }

const (
	hugeLines = 1_000_000_000
	hugeLine  = digits + len(":1\n")
)

// ReadAt implements io.ReaderAt: line i has the hash 2i.
func (h *huge) ReadAt(p []byte, off int64) (int, error) {
	h.reads++
	h.bytes += len(p)
	var b []byte
	for i := off / int64(hugeLine); i < hugeLines && len(b) < len(p)+hugeLine; i++ {
		b = fmt.Appendf(b, "%040X:1\n", 2*i)
	}
	b = b[min(int(off%int64(hugeLine)), len(b)):]
	n := copy(p, b)
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func TestHugeListIsNotRead(t *testing.T) {
	for _, i := range []int{0, 1, 2, 3, hugeLines, 2*hugeLines - 2, 2*hugeLines - 1, 2 * hugeLines} {
		h := &huge{}
		found, err := search(h, hugeLines*int64(hugeLine), fmt.Appendf(nil, "%040X", i))
		if want := i%2 == 0 && i < 2*hugeLines; err != nil || found != want {
			t.Errorf("hash %d: %v %v", i, found, err)
		}
		if h.reads > 50 || h.bytes > 10_000 {
			t.Errorf("hash %d: %d reads of %d bytes", i, h.reads, h.bytes)
		}
	}
}

func TestWhatIsNoList(t *testing.T) {
	a, b := lineOf("a", 1), lineOf("b", 2)
	if a > b {
		a, b = b, a
	}
	for name, text := range map[string]string{
		"empty": "", "words": "password\nletmein\n", "no count": a[:40] + "\n" + b[:40] + "\n", "not in order": b + "\n" + a + "\n", "NTLM": strings.Repeat("A", 32) + ":1\n", "one long line": strings.Repeat(a, 10),
	} {
		if _, err := Open(write(t, text)); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if _, err := Open(t.TempDir()); err == nil {
		t.Error("a folder is taken")
	}
	path := write(t, a+"\n")
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Contains("a"); errs.CodeOf(err) != errs.Unavailable {
		t.Errorf("a list that is gone: %v", err)
	}
}
