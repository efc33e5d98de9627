package ledger

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMarkThatCannotBeRead tells a file that is damaged, which may be moved away, from one that cannot be read and may be whole.
func TestMarkThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	_, err := NewFileMarks(dir, false).All(context.Background()) // a directory cannot be read as a file, by root neither
	if err == nil || !strings.Contains(err.Error(), "cannot be read") || strings.Contains(err.Error(), "move it away") {
		t.Error(err)
	}
	path := filepath.Join(dir, "highwater.json")
	if err := os.WriteFile(path, []byte(`{"a":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := NewFileMarks(path, false).All(context.Background()); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Error(err)
	}
}
