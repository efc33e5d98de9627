package main

import (
	"context"
	"fmt"
	"time"
)

const probitySide = "probity"

// blockSize is how many events the ledger seals at a time. What is left when fewer wait is not sealed before its time.
const blockSize = 65_536

// probity puts the ledger through the workload, over HTTP.
func (w *workload) probity(ctx context.Context, bin string) (err error) {
	say("%s: starting", probitySide)
	s, err := startServer(ctx, bin, w.o)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\nthe server's log ends: %s", err, s.lastWords())
		}
		if cerr := s.close(); err == nil {
			err = cerr
		}
	}()
	if err := w.ingestProbity(ctx, s); err != nil {
		return err
	}
	w.storage(ctx, s)
	if err := w.searchProbity(ctx, s); err != nil {
		return err
	}
	before, earlier := resident(s.cmd.Process.Pid), peakMemory(s.cmd.Process.Pid)
	again := forgetPeak(s.cmd.Process.Pid) == nil
	if err := w.export(ctx, s); err != nil {
		w.rep.note("export: %v", err)
	} else if again {
		w.rep.add("export memory", probitySide, float64(max(0, peakMemory(s.cmd.Process.Pid)-before))/(1<<20))
	}
	used := usageNow()
	if err := w.singles(ctx, probitySide, func(context.Context) (inserter, error) {
		c, err := dial(s.addr, s.key)
		return httpInserter{c}, err
	}); err != nil {
		return err
	}
	w.rep.busy(probitySide+" single", used)
	w.rep.add("memory", probitySide, float64(max(earlier, peakMemory(s.cmd.Process.Pid)))/(1<<20))
	if n := pauses.Load(); n > 0 {
		w.rep.note("the server answered 429 or 503 %d times; the waiting is part of the figures", n)
	}
	return nil
}

func (w *workload) ingestProbity(ctx context.Context, s *server) error {
	before := usageNow()
	start, err := w.ingest(ctx, probitySide, w.o.conns, func(context.Context) (loader, error) {
		c, err := dial(s.addr, s.key)
		return httpLoader{c}, err
	})
	if err != nil {
		return err
	}
	say("%s: peak memory after ingest %d MiB", probitySide, peakMemory(s.cmd.Process.Pid)>>20)
	sealed, err := w.awaitSealing(ctx, s)
	if err != nil {
		return err
	}
	took := time.Since(start)
	w.rep.add("sustained", probitySide, float64(w.o.events)/took.Seconds())
	w.rep.add("sealed share", probitySide, float64(sealed)/float64(w.o.events))
	w.rep.busy(probitySide+" ingest", before)
	return nil
}

// awaitSealing waits until all full blocks are sealed, because sealing that is put off is not saved, and returns how many events are.
func (w *workload) awaitSealing(ctx context.Context, s *server) (int64, error) {
	c, err := dial(s.addr, s.key)
	if err != nil {
		return 0, err
	}
	defer c.close()
	last, since := int64(-1), time.Now()
	for {
		var logs struct {
			Logs []struct {
				Size   int64  `json:"size"`
				Sealed *int64 `json:"sealed_size"`
			} `json:"logs"`
		}
		if _, err := c.call("GET", "/api/log", nil, &logs); err != nil {
			return 0, err
		}
		if len(logs.Logs) == 0 || logs.Logs[0].Sealed == nil {
			w.rep.note("the server does not say how much it has sealed: sealing may not be included")
			return 0, nil
		}
		size, sealed := logs.Logs[0].Size, *logs.Logs[0].Sealed
		if size-sealed < blockSize {
			return sealed, nil
		}
		if sealed != last {
			last, since = sealed, time.Now()
		}
		if time.Since(since) > 30*time.Second {
			w.rep.note("sealing stopped at %d of %d events: it is NOT included", sealed, size)
			return sealed, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (w *workload) storage(ctx context.Context, s *server) {
	sums, err := s.storage(ctx)
	if err != nil {
		w.rep.note("storage: %v", err)
		return
	}
	var all int64
	for kind, bytes := range sums {
		all += bytes
		w.rep.add("bytes "+kind, probitySide, float64(bytes)/float64(w.o.events))
	}
	sealed, _ := w.rep.get("sealed share", probitySide)
	if sealed == 0 {
		return // all of it is still in the database
	}
	perEvent := float64(sums["evidence"]+sums["working"]+sums["tiles"]) / (sealed * float64(w.o.events))
	if sums["tiles"] == 0 { // they lie in the database, those of unsealed events too
		tiles := float64(tileBytes(int64(w.o.events))) / float64(w.o.events)
		w.rep.add("bytes tiles", probitySide, tiles)
		perEvent += tiles
	}
	w.rep.add("bytes/event", probitySide, perEvent)
	w.rep.add("bytes/event all", probitySide, float64(all)/float64(w.o.events))
	w.rep.note("probity: storage per event is that of the %.1f %% of events that are sealed; the whole data directory also holds the rest, unsealed, and the persons", 100*sealed)
}

// tileBytes is the size of the full tiles of a log of n events (C2SP tlog-tiles): at each level, 8 KiB for 256 entries.
func tileBytes(n int64) (sum int64) {
	for n /= 256; n > 0; n /= 256 {
		sum += 8192 * n
	}
	return sum
}

func (w *workload) searchProbity(ctx context.Context, s *server) error {
	c, err := dial(s.addr, s.key)
	if err != nil {
		return err
	}
	defer c.close()
	before := usageNow()
	err = w.search(ctx, probitySide, httpReader{c})
	w.rep.busy(probitySide+" search", before)
	return err
}

// export makes a masked CSV file of everything, downloads it and records the rows per second from the order to the last byte made.
func (w *workload) export(ctx context.Context, s *server) error {
	say("%s: exporting", probitySide)
	admin, err := dial(s.addr, s.key)
	if err != nil {
		return err
	}
	defer admin.close()
	var key struct {
		Secret string `json:"secret"`
	}
	masked := map[string]any{"name": "bench-export", "scopes": []string{"ledger.search", "exports.create"}}
	if _, err := admin.call("POST", "/api/keys", masked, &key); err != nil {
		return fmt.Errorf("no key that reads masked: %w", err)
	}
	c, err := dial(s.addr, key.Secret)
	if err != nil {
		return err
	}
	defer c.close()
	filter := map[string]any{}
	if n := w.o.exportRows; n > 0 && n < w.o.events && !w.o.spread {
		g := w.gen.Config()
		filter = map[string]any{"time": "occurred", "from": g.Start.Format(time.RFC3339), "to": time.UnixMicro(w.gen.At(n).OccurredAt).UTC().Format(time.RFC3339)}
	}
	type export struct {
		ID          string `json:"id"`
		Status      string `json:"status"`
		Rows        int64  `json:"rows_done"`
		Error       string `json:"error"`
		DownloadURL string `json:"download_url"`
	}
	var e export
	start := time.Now()
	if _, err := c.call("POST", "/api/exports", map[string]any{"format": "csv", "filter": filter}, &e); err != nil {
		return err
	}
	id := e.ID
	for e.Status != "done" {
		if e.Status == "failed" || e.Status == "cancelled" {
			return fmt.Errorf("%s: %s", e.Status, e.Error)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
		if _, err := c.call("GET", "/api/exports/"+id, nil, &e); err != nil {
			return err
		}
	}
	took := time.Since(start)
	w.rep.add("export", probitySide, float64(e.Rows)/took.Seconds())
	size, lines, err := c.download("/api/exports/" + id + "/file")
	if err != nil {
		return err
	}
	w.rep.note("probity: the CSV export has %s rows, %s lines, %s MB", thousands(int(e.Rows)), thousands(int(lines)), thousands(int(size>>20)))
	return nil
}
