package app

import (
	"archive/zip"
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/internal/actor"
	"probity.dev/internal/errs"
	"probity.dev/ledger"
	"probity.dev/report/export"
)

// ArchiveFormat names the version of a tenant's archive.
const ArchiveFormat = "probity/archive/v1"

// ArchiveManifest says what an archive holds; every other file of it is listed with its hash.
type ArchiveManifest struct {
	Format    string         `json:"format"`
	CreatedAt time.Time      `json:"created_at"`
	Product   string         `json:"product"`
	Tenant    ArchivedTenant `json:"tenant"`
	Epochs    []ArchivedLog  `json:"epochs"`
	// Events is the number of lines in events.ndjson.
	Events int64         `json:"events"`
	Files  []ArchiveFile `json:"files"`
}

// ArchivedTenant names whose archive it is.
type ArchivedTenant struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// ArchivedLog is one epoch of the log as it was archived.
type ArchivedLog struct {
	Origin string `json:"origin"`
	Epoch  int64  `json:"epoch"`
	Base   uint64 `json:"base"`
	Size   uint64 `json:"size"` // events that the bundle covers
	Bundle string `json:"bundle"`
}

// ArchiveFile is a file of an archive.
type ArchiveFile struct {
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

const archiveReadme = `This is everything that Probity kept for one tenant, in formats that need no Probity to be read.

manifest.json        what is here, with the SHA-256 of every other file
events.ndjson        every event, oldest first: one JSON object a line, all values in clear
actors.ndjson        who acted, with the number of events and the first and last time
log/epoch-N.zip      the proof: a bundle with all evidence of an epoch of the log, its signed checkpoint and every event again, opened. Check it with
                     probity verify log/epoch-0.zip --key log/keys.txt
                     and compare the keys with those that you were given by another way
log/keys.txt         the log's public keys
log/checkpoint.txt   the newest signed checkpoint
exports.csv          which exports there were
directory/*.json     users, API keys (without secrets), settings, custom fields, channels and streams, as the API shows them

"probity import FILE" reads it back into an empty tenant. It holds personal values in clear: guard it like them, or encrypt it, for example with age.
`

// archiveLists are the parts of the API that an archive holds as they are.
var archiveLists = [][2]string{{"users", "/api/users"}, {"api-keys", "/api/keys"}, {"settings", "/api/settings"}, {"custom-fields", "/api/custom-fields"}, {"channels", "/api/notify/channels"}, {"streams", "/api/notify/streams"}}

// archiving is an archive that is being written.
type archiving struct {
	a        *App
	by       actor.Principal
	z        *zip.Writer
	manifest ArchiveManifest
	progress func(done, total int64)
}

// Archive writes everything of a tenant to w, as a zip. by must see every value.
func (a *App) Archive(ctx context.Context, by actor.Principal, w io.Writer, progress func(done, total int64)) (*ArchiveManifest, error) {
	if !by.Unmasked() {
		return nil, errs.New(errs.Forbidden, "an archive holds every value, so only who may see them all can make one")
	}
	t, err := a.Ledger.Tenant(ctx, by.TenantID)
	if err != nil {
		return nil, err
	}
	x := &archiving{a: a, by: by, z: zip.NewWriter(w), progress: progress,
		manifest: ArchiveManifest{Format: ArchiveFormat, CreatedAt: time.Now().UTC(), Product: Version, Tenant: ArchivedTenant{ID: t.ID, Name: t.Name}}}
	for _, step := range []func(context.Context) error{x.readme, x.epochs, x.events, x.lists, x.exports, x.finish} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return &x.manifest, x.z.Close()
}

// file writes one file of the archive and notes its hash.
func (x *archiving) file(name string, method uint16, write func(io.Writer) error) error {
	w, err := x.z.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: x.manifest.CreatedAt})
	if err != nil {
		return err
	}
	h := sha256.New()
	size := int64(0)
	buffered := bufio.NewWriterSize(io.MultiWriter(countingWriter{w, func(n int64) { size += n }}, h), 256<<10)
	if err := write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	x.manifest.Files = append(x.manifest.Files, ArchiveFile{Name: name, Size: size, SHA256: hex.EncodeToString(h.Sum(nil))})
	return nil
}

func (x *archiving) text(name string, b []byte) error {
	return x.file(name, zip.Deflate, func(w io.Writer) error { _, err := w.Write(b); return err })
}

func (x *archiving) readme(context.Context) error { return x.text("README.txt", []byte(archiveReadme)) }

// epochs writes the bundle of each epoch, the keys and the newest checkpoint.
func (x *archiving) epochs(ctx context.Context) error {
	heads, err := x.a.Ledger.Heads(ctx, x.by.TenantID)
	if err != nil {
		return err
	}
	slices.SortFunc(heads, func(a, b ledger.Head) int { return cmp.Compare(a.Epoch, b.Epoch) })
	for i := range heads {
		h := &heads[i]
		if h.Next == h.Base {
			continue
		}
		name := fmt.Sprintf("log/epoch-%d.zip", h.Epoch)
		// A zip in a zip gains nothing from being compressed again, and can be read in its place.
		err := x.file(name, zip.Store, func(w io.Writer) error {
			_, err := x.a.Export(ctx, x.by, export.Request{Format: export.FormatBundle, Title: "Archive", Epoch: &h.Epoch}, w, x.progress)
			return err
		})
		if err != nil {
			return err
		}
		x.manifest.Epochs = append(x.manifest.Epochs, ArchivedLog{Origin: h.Origin, Epoch: h.Epoch, Base: h.Base, Size: h.Published - h.Base, Bundle: name})
	}
	last := &heads[len(heads)-1]
	if err := x.text("log/keys.txt", []byte(last.VKeyText())); err != nil {
		return err
	}
	return x.text("log/checkpoint.txt", []byte(last.Checkpoint))
}

// archivedActor is a line of actors.ndjson.
type archivedActor struct {
	Type   string `json:"type"`
	ID     string `json:"id"`
	Name   string `json:"name,omitempty"`
	Email  string `json:"email,omitempty"`
	Events int64  `json:"events"`
	First  string `json:"first_at"`
	Last   string `json:"last_at"`
}

// events writes every event, and who acted.
func (x *archiving) events(ctx context.Context) error {
	actors := map[[2]string]*archivedActor{}
	note := func(line []byte) error {
		var e struct {
			OccurredAt string `json:"occurred_at"`
			Actor      struct{ Type, ID, Name, Email string }
		}
		if err := json.Unmarshal(line, &e); err != nil {
			return err
		}
		k := [2]string{e.Actor.Type, e.Actor.ID}
		a := actors[k]
		if a == nil {
			a = &archivedActor{Type: e.Actor.Type, ID: e.Actor.ID, First: e.OccurredAt, Last: e.OccurredAt}
			actors[k] = a
		}
		a.Events++
		a.First, a.Last = min(a.First, e.OccurredAt), max(a.Last, e.OccurredAt)
		a.Name, a.Email = cmp.Or(e.Actor.Name, a.Name), cmp.Or(e.Actor.Email, a.Email)
		return nil
	}
	err := x.file("events.ndjson", zip.Deflate, func(w io.Writer) error {
		lines := &lineWriter{w: w, line: note}
		n, err := x.a.Export(ctx, x.by, export.Request{Format: "ndjson", Title: "Archive"}, lines, x.progress)
		x.manifest.Events = n
		return err
	})
	if err != nil {
		return err
	}
	all := make([]*archivedActor, 0, len(actors))
	for _, a := range actors {
		all = append(all, a)
	}
	slices.SortFunc(all, func(a, b *archivedActor) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.ID, b.ID))
	})
	return x.file("actors.ndjson", zip.Deflate, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		for _, a := range all {
			if err := e.Encode(a); err != nil {
				return err
			}
		}
		return nil
	})
}

// lineWriter passes text on and shows each of its lines.
type lineWriter struct {
	w    io.Writer
	line func([]byte) error
	rest []byte
}

// Write implements io.Writer.
func (l *lineWriter) Write(b []byte) (int, error) {
	n, err := l.w.Write(b)
	if err != nil {
		return n, err
	}
	text := b
	for {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			l.rest = append(l.rest, text...)
			return n, nil
		}
		line := text[:end]
		if len(l.rest) > 0 {
			l.rest = append(l.rest, line...)
			line = l.rest
		}
		if len(line) > 0 {
			if err := l.line(line); err != nil {
				return n, err
			}
		}
		text, l.rest = text[end+1:], l.rest[:0]
	}
}

// get reads an operation of the API.
func (x *archiving) get(ctx context.Context, path string) ([]byte, error) {
	return call(ctx, x.a, x.by, http.MethodGet, path, nil)
}

// call makes a request of the API in this process.
func call(ctx context.Context, a *App, by actor.Principal, method, path string, body []byte) ([]byte, error) {
	c, err := a.Client(by)
	if err != nil {
		return nil, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://probity.local"+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= http.StatusMultipleChoices {
		var p struct{ Detail string }
		_ = json.Unmarshal(text, &p) // without a detail the status says enough
		err = errs.New(errs.FromStatus(res.StatusCode), "%s %s: %s", method, path, cmp.Or(p.Detail, res.Status))
	}
	return text, err
}

func (x *archiving) lists(ctx context.Context) error {
	for _, l := range archiveLists {
		b, err := x.get(ctx, l[1])
		if err != nil {
			return err
		}
		v := jsontext.Value(b)
		if err := v.Indent(); err != nil {
			return err
		}
		if err := x.text("directory/"+l[0]+".json", append(v, '\n')); err != nil {
			return err
		}
	}
	return nil
}

// exports writes the history of exports.
func (x *archiving) exports(ctx context.Context) error {
	b, err := x.get(ctx, "/api/exports")
	if err != nil {
		return err
	}
	var list struct{ Items []map[string]any }
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	return x.file("exports.csv", zip.Deflate, func(w io.Writer) error {
		c := csv.NewWriter(w)
		columns := []string{"id", "kind", "format", "status", "title", "requested_by", "rows_done", "bytes", "sha256", "created_at", "finished_at", "expires_at"}
		_ = c.Write(columns) // the writer remembers its error
		for _, e := range list.Items {
			row := make([]string, len(columns))
			for i, name := range columns {
				switch v := e[name].(type) {
				case nil:
				case string:
					row[i] = v
				case float64:
					row[i] = fmt.Sprintf("%.0f", v)
				default:
					row[i] = fmt.Sprint(v)
				}
				if row[i] != "" && strings.ContainsRune("=+-@\t\r", rune(row[i][0])) {
					row[i] = "'" + row[i] // no spreadsheet takes it for a formula
				}
			}
			_ = c.Write(row)
		}
		c.Flush()
		return c.Error()
	})
}

func (x *archiving) finish(context.Context) error {
	b, err := json.MarshalIndent(&x.manifest, "", "  ")
	if err != nil {
		return err
	}
	w, err := x.z.CreateHeader(&zip.FileHeader{Name: "manifest.json", Method: zip.Deflate, Modified: x.manifest.CreatedAt})
	if err == nil {
		_, err = w.Write(append(b, '\n'))
	}
	return err
}
