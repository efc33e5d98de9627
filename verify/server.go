package verify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
)

// Server checks the logs that a server shows: it fetches checkpoints, every tile and every entry over C2SP tlog-tiles and recomputes
// everything. base is the server's address, or the address of one tlog-tiles log (the folder of its checkpoint). apiKey is sent as a
// bearer token when it is not empty.
func Server(ctx context.Context, base, apiKey string, opt Options) (*Report, error) {
	u, err := url.Parse(base)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, errs.New(errs.Invalid, "this is not the address of a server")
	}
	h := &httpClient{client: &http.Client{Timeout: 2 * time.Minute}, key: apiKey}
	base = strings.TrimSuffix(base, "/")
	r := &Report{Target: base, Kind: "server"}
	logs, err := h.logs(ctx, base)
	if err != nil {
		return nil, err
	}
	var sources []Source
	for i := range logs {
		s := &logs[i]
		if s.log.Checkpoint, err = h.get(ctx, s.base+"/checkpoint", 64<<10); err != nil {
			return nil, err
		}
		s.describe()
		sources = append(sources, s)
	}
	return checkLogs(ctx, r, sources, opt)
}

// httpClient fetches with a bearer token, retrying what is worth it.
type httpClient struct {
	client *http.Client
	key    string
}

// errStatus is an answer other than 200.
type errStatus struct {
	status int
	path   string
}

func (e *errStatus) Error() string {
	return fmt.Sprintf("%s: the server answered %d", e.path, e.status)
}

func (h *httpClient) get(ctx context.Context, address string, limit int64) ([]byte, error) {
	for attempt := 0; ; attempt++ {
		b, wait, err := h.once(ctx, address, limit)
		if err == nil || wait == 0 || attempt == 3 {
			return b, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// once makes one request; wait is how long to wait before another one, 0 when that would be pointless.
func (h *httpClient) once(ctx context.Context, address string, limit int64) (b []byte, wait time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, err
	}
	if h.key != "" {
		req.Header.Set("Authorization", "Bearer "+h.key)
	}
	res, err := h.client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // without the address, which may hold credentials
		}
		return nil, 300 * time.Millisecond, errs.Wrap(errs.Unavailable, err, "the server cannot be reached")
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		if res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500 {
			wait = 500 * time.Millisecond
			if s, err := strconv.Atoi(res.Header.Get("Retry-After")); err == nil && s > 0 && s <= 60 {
				wait = time.Duration(s) * time.Second
			}
		}
		return nil, wait, errs.Wrap(errs.FromStatus(res.StatusCode), &errStatus{res.StatusCode, req.URL.Path}, "the server refused")
	}
	b, err = io.ReadAll(io.LimitReader(res.Body, limit+1))
	if err != nil {
		return nil, 300 * time.Millisecond, errs.Wrap(errs.Unavailable, err, "the answer broke off")
	}
	if int64(len(b)) > limit {
		return nil, 0, errs.New(errs.TooLarge, "%s is longer than it may be", req.URL.Path)
	}
	return b, 0, nil
}

// logs asks the server which logs it has. A server that does not know the question is taken for a plain tlog-tiles log.
func (h *httpClient) logs(ctx context.Context, base string) ([]httpLog, error) {
	if strings.Contains(base, "/api/log/") {
		return []httpLog{{h: h, base: base}}, nil
	}
	b, err := h.get(ctx, base+"/api/log", 1<<20)
	if errs.CodeOf(err) == errs.NotFound {
		return []httpLog{{h: h, base: base}}, nil
	}
	if err != nil {
		return nil, err
	}
	var list struct {
		Logs []struct {
			LogID  string   `json:"log_id"`
			Origin string   `json:"origin"`
			Epoch  uint64   `json:"epoch"`
			Base   uint64   `json:"base"`
			VKey   string   `json:"vkey"`
			VKeys  []string `json:"vkeys"`
		} `json:"logs"`
	}
	if err := json.Unmarshal(b, &list); err != nil {
		return nil, errs.Wrap(errs.Invalid, err, "the server's list of logs is malformed")
	}
	newest := map[string]uint64{}
	for _, l := range list.Logs {
		newest[l.LogID] = max(newest[l.LogID], l.Epoch)
	}
	var out []httpLog
	for _, l := range list.Logs {
		keys := strings.Join(append(l.VKeys, l.VKey), "\n")
		path := "/api/log/" + url.PathEscape(l.LogID)
		if l.Epoch < newest[l.LogID] {
			path += "/epoch/" + strconv.FormatUint(l.Epoch, 10)
		}
		out = append(out, httpLog{
			h: h, base: base + path,
			log: Log{Origin: l.Origin, LogID: l.LogID, Epoch: l.Epoch, Base: l.Base, Keys: keys},
		})
	}
	return out, nil
}

// httpLog is a log behind tlog-tiles. It implements [Source].
type httpLog struct {
	h    *httpClient
	base string
	log  Log
}

// describe fills in what a plain tlog-tiles log tells through its checkpoint only. The size decides what is fetched; whether it is
// signed is checked later.
func (l *httpLog) describe() {
	lines := strings.SplitN(string(l.log.Checkpoint), "\n", 3)
	if l.log.Origin == "" {
		l.log.Origin = lines[0]
	}
	if len(lines) > 1 {
		if n, err := strconv.ParseUint(lines[1], 10, 62); err == nil {
			l.log.Stored = n
		}
	}
	l.log.PartialTiles = true
}

// Log implements [Source].
func (l *httpLog) Log() Log { return l.log }

// ReadTile implements [Source].
func (l *httpLog) ReadTile(ctx context.Context, level uint8, index uint64, width int) ([]byte, error) {
	return l.h.get(ctx, l.base+"/"+tlog.Tile{Level: level, Index: index, Width: width}.Path(), tlog.TileBytes)
}

// Leaves implements [Source].
func (l *httpLog) Leaves(ctx context.Context, first, count uint64, yield func(index uint64, leaf []byte) error) error {
	end := min(first+count, l.log.Stored)
	for n := first / tlog.TileWidth; n*tlog.TileWidth < end; n++ {
		width := tlog.TileWidthAt(0, n, l.log.Stored)
		t := tlog.Tile{Entries: true, Index: n, Width: width}
		b, err := l.h.get(ctx, l.base+"/"+t.Path(), tlog.TileWidth*(2+0xffff))
		if err != nil {
			return err
		}
		leaves, err := tlog.ParseEntries(b, width)
		if err != nil {
			return fmt.Errorf("%s: %w", t.Path(), err)
		}
		for i, leaf := range leaves {
			if index := n*tlog.TileWidth + uint64(i); index >= first && index < end {
				if err := yield(index, leaf); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
