package evidencetest

import (
	"encoding/json"
	"net/http"
	"strings"

	"probity.dev/internal/tlog"
)

// Handler serves the log as C2SP tlog-tiles below /api/log/LOGID/, and the list of logs at /api/log, to whoever sends the token. damage, when
// not nil, may change what is served; returning nil answers 404.
func (l *Log) Handler(logID, token string, damage func(path string, b []byte) []byte) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/log", func(w http.ResponseWriter, _ *http.Request) {
		list := map[string]any{"logs": []any{map[string]any{"log_id": logID, "origin": l.Origin, "epoch": 1, "size": l.Tree.Size(), "vkey": l.VKey}}}
		json.NewEncoder(w).Encode(list) //nolint:errcheck // a broken connection is the client's to notice
	})
	mux.HandleFunc("GET /api/log/"+logID+"/{path...}", func(w http.ResponseWriter, r *http.Request) {
		path := r.PathValue("path")
		b := l.file(r, path)
		if b != nil && damage != nil {
			b = damage(path, b)
		}
		if b == nil {
			http.NotFound(w, r)
			return
		}
		w.Write(b) //nolint:errcheck,gosec // a broken connection is the client's to notice; this is a test server
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			http.Error(w, "no", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (l *Log) file(r *http.Request, path string) []byte {
	if path == "checkpoint" {
		return l.Checkpoint()
	}
	t, err := tlog.ParseTilePath(strings.TrimPrefix(path, "/"))
	if err != nil {
		return nil
	}
	if !t.Entries {
		b, err := l.Reader().ReadTile(r.Context(), t.Level, t.Index, t.Width)
		if err != nil {
			return nil
		}
		return b
	}
	if t.Width > tlog.TileWidthAt(0, t.Index, l.Tree.Size()) {
		return nil
	}
	var b []byte
	for _, e := range l.Events[t.Index*tlog.TileWidth:][:t.Width] {
		if b, err = tlog.AppendEntry(b, e.Bytes); err != nil {
			return nil
		}
	}
	return b
}
