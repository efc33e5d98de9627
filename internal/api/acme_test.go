package api

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestNoAuthority asks an authority that nobody runs: the failure shows, clients get no certificate, and nothing waits. What works is shown with a real authority, in package deploy.
func TestNoAuthority(t *testing.T) {
	var log strings.Builder
	a := OpenACME(ACMEOptions{Hosts: []string{"audit.probity.test"}, Directory: "https://127.0.0.1:1/dir", Dir: t.TempDir(), Logger: slog.New(slog.NewTextHandler(&log, nil))})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); a.Watch(ctx) }()
	for end := time.Now().Add(30 * time.Second); !a.Stale(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the failure does not show")
		}
	}
	cancel()
	<-ended
	if !a.NotAfter().IsZero() || !strings.Contains(log.String(), "audit.probity.test") {
		t.Errorf("%v %s", a.NotAfter(), log.String())
	}
	if c := a.TLS(); c.MinVersion != 0x0304 {
		t.Errorf("TLS %x is spoken", c.MinVersion)
	}
}
