package faults

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"probity.dev/test/instance"
)

func TestMain(m *testing.M) { instance.Main(m, nil) }

// rounds is how often a test of crashes repeats itself.
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("PROBITY_SOAK")); err == nil && n > 0 {
		return n
	}
	return 5
}

// batch is the body of n events of a source, named by a number that never repeats within it.
func batch(source string, from, n int) []byte {
	var b strings.Builder
	b.WriteByte('[')
	for i := from; i < from+n; i++ {
		if i > from {
			b.WriteByte(',')
		}
		b.WriteString(line(source, i))
	}
	b.WriteByte(']')
	return []byte(b.String())
}

// line is one event.
func line(source string, i int) string {
	return fmt.Sprintf(`{"id":"e%d","source":%q,"action":"order.update","occurred_at":"2026-01-%02dT10:00:00Z","actor":{"type":"user","id":"u%d","name":"Ada Number%d","email":"u%d@example.org"},`+
		`"resource":{"type":"order","id":"o-%d"},"context":{"ip":"203.0.113.%d"},"changes":[{"path":"/state","before":"open","after":"paid %d"}],"data":{"note":"written down by writer %s"}}`,
		i, source, i%28+1, i%97, i%97, i%97, i, i%250+1, i, source)
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func unmarshal(b []byte, v any) error { return json.Unmarshal(b, v) }
