package app

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"probity.dev/internal/config"
	"probity.dev/internal/errs"
)

// TestStorageIsNotForgotten opens and verifies a directory whose sealed files are in an object store, without saying where: nobody may be told that records are missing.
func TestStorageIsNotForgotten(t *testing.T) {
	cfg := config.Defaults()
	cfg.Data = filepath.Join(t.TempDir(), "data")
	if _, err := Init(t.Context(), cfg, InitOptions{Tenant: "T", Email: "admin@example.com", Name: "A", KeyName: "k"}, io.Discard); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(claimPath(cfg.Data), []byte("an-id\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Open(t.Context(), cfg, io.Discard)
	if errs.CodeOf(err) != errs.Invalid || !strings.Contains(err.Error(), "--storage") {
		t.Error(err)
	}
	if _, _, err := StoredSources(t.Context(), cfg); errs.CodeOf(err) != errs.Invalid {
		t.Error(err)
	}
	if err := os.Remove(claimPath(cfg.Data)); err != nil {
		t.Fatal(err)
	}
	a, err := Open(t.Context(), cfg, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}
