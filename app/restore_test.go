package app

import (
	"context"
	"os"
	"strings"
	"testing"

	"probity.dev/internal/blob"
	"probity.dev/internal/config"
	"probity.dev/internal/errs"
)

// interrupted begins a restore into the storage of cfg and ends it when sealed files are there. Only the directory in which it began may go on with it.
func (s *site) interrupted(t *testing.T, cfg *config.Config, published []byte) {
	t.Helper()
	evidence, _, err := sealedStores(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	files := func() (n int) {
		if err := evidence.List(context.Background(), "segments/", func(blob.Info) error { n++; return nil }); err != nil {
			t.Fatal(err)
		}
		return n
	}
	ctx, stop := context.WithCancel(t.Context())
	o := s.options(published)
	o.Progress = func(int64, int64) {
		if files() > 0 {
			stop()
		}
	}
	if r, err := Restore(ctx, cfg, o); err == nil || files() == 0 {
		t.Fatalf("nothing was interrupted: %+v", r)
	}
	if _, err := Open(context.Background(), cfg, nil); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("opened what a restore has left: %v", err)
	}
	elsewhere := s.empty(t)
	elsewhere.Storage, elsewhere.Database = cfg.Storage, cfg.Database
	if _, err := Restore(context.Background(), elsewhere, s.options(published)); errs.CodeOf(err) != errs.Conflict {
		t.Errorf("another directory goes on with it: %v", err)
	}
}

func TestRootKeepsOutOfOthersDirectories(t *testing.T) {
	dir, owner := t.TempDir(), os.Geteuid()
	if owner == 0 {
		owner = 65534
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
		if _, err := lockDir(dir); errs.CodeOf(err) != errs.Conflict {
			t.Errorf("root works there: %v", err)
		}
	}
	if err := checkAccount(dir, 0); errs.CodeOf(err) != errs.Conflict || !strings.Contains(err.Error(), "sudo -u ") {
		t.Errorf("%v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v %v", left, err)
	}
	if err := checkAccount(dir, owner); err != nil {
		t.Errorf("the owner is refused: %v", err)
	}
}
