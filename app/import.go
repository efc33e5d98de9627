package app

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"probity.dev/catalog/field"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/evidence/bundle"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/ledger/event"
	"probity.dev/ledger/httpapi"
	"probity.dev/ledger/selfaudit"
	"probity.dev/verify"
)

// importBatch is how many events of an archive are recorded at once.
const importBatch = 1000

// OpenedArchive is an archive whose files are what its manifest says.
type OpenedArchive struct {
	Manifest ArchiveManifest
	// SHA256 is of the whole file, in hex.
	SHA256 string
	// Settings are those of the tenant, with its custom fields, Checkpoint is the newest of its log, Keys are the log's.
	Settings   ledger.Settings
	Checkpoint string
	Keys       []string

	f *os.File
	z *zip.Reader
}

// maxArchiveText bounds the small files of an archive.
const maxArchiveText = 64 << 20

// OpenArchive opens the archive at path and compares every file in it with the manifest. Errors are Invalid and name the file.
func OpenArchive(path string) (o *OpenedArchive, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
		}
	}()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return nil, err
	}
	o = &OpenedArchive{SHA256: hex.EncodeToString(h.Sum(nil)), f: f}
	if o.z, err = zip.NewReader(f, size); err != nil {
		return nil, errs.New(errs.Invalid, "%s is not an archive", path)
	}
	text, err := o.read("manifest.json")
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &o.Manifest); err != nil || o.Manifest.Format != ArchiveFormat {
		return nil, errs.New(errs.Invalid, "%s is not an archive of the format %s", path, ArchiveFormat)
	}
	if err := o.checkFiles(); err != nil {
		return nil, err
	}
	var custom struct{ Items []ledger.CustomField }
	for name, into := range map[string]any{"settings": &o.Settings, "custom-fields": &custom} {
		if text, err = o.read("directory/" + name + ".json"); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, into); err != nil {
			return nil, errs.New(errs.Invalid, "directory/%s.json in the archive cannot be read", name)
		}
	}
	o.Settings.Custom = custom.Items
	keys, err := o.read("log/keys.txt")
	if err != nil {
		return nil, err
	}
	checkpoint, err := o.read("log/checkpoint.txt")
	o.Keys, o.Checkpoint = strings.Fields(string(keys)), string(checkpoint)
	return o, err
}

// Close closes the file.
func (o *OpenedArchive) Close() error { return o.f.Close() }

func (o *OpenedArchive) file(name string) (*zip.File, error) {
	i := slices.IndexFunc(o.z.File, func(f *zip.File) bool { return f.Name == name })
	if i < 0 {
		return nil, errs.New(errs.Invalid, "the archive lacks %s", name)
	}
	return o.z.File[i], nil
}

func (o *OpenedArchive) copy(name string, w io.Writer) error {
	f, err := o.file(name)
	if err != nil {
		return err
	}
	in, err := f.Open()
	if err != nil {
		return err
	}
	_, err = io.Copy(w, io.LimitReader(in, int64(min(f.UncompressedSize64, math.MaxInt64)))) // no more than the archive says, whose sums are checked
	return errors.Join(err, in.Close())
}

func (o *OpenedArchive) read(name string) ([]byte, error) {
	f, err := o.file(name)
	if err != nil {
		return nil, err
	}
	if f.UncompressedSize64 > maxArchiveText {
		return nil, errs.New(errs.Invalid, "%s in the archive is too large", name)
	}
	in, err := f.Open()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(in, maxArchiveText))
	return b, errors.Join(err, in.Close())
}

// checkFiles compares the files with the manifest; there are no others.
func (o *OpenedArchive) checkFiles() error {
	if len(o.z.File) != len(o.Manifest.Files)+1 {
		return errs.New(errs.Invalid, "the archive does not hold the files that its manifest lists")
	}
	for _, want := range o.Manifest.Files {
		h := sha256.New()
		if err := o.copy(want.Name, h); err != nil {
			return errs.Wrap(errs.Invalid, err, "%s in the archive is damaged", want.Name)
		}
		if hex.EncodeToString(h.Sum(nil)) != want.SHA256 {
			return errs.New(errs.Invalid, "%s in the archive is damaged: it is not what the manifest says", want.Name)
		}
	}
	return nil
}

// ImportResult says what became of the events of an archive.
type ImportResult struct {
	Tenant     string `json:"tenant"`
	LogID      string `json:"log_id"`
	Read       int64  `json:"read"`
	Accepted   int64  `json:"accepted"`
	Duplicates int64  `json:"duplicates"`
	Rejected   int64  `json:"rejected"`
	// Reasons count the rejected events by why.
	Reasons map[string]int64 `json:"reasons,omitempty"`
}

// importing is an import under way.
type importing struct {
	a        *App
	o        *OpenedArchive
	tenantID string
	res      *ImportResult
	progress func(done, total int64)
	total    int64
	list     []ledger.Item
	rules    event.Classifier
}

// VerifiedArchive is an archive whose proofs hold.
type VerifiedArchive struct {
	*OpenedArchive
	dir     string   // of the unpacked bundles
	bundles []string // their paths, one for each epoch
}

// Discard removes what was unpacked; the archive stays open.
func (v *VerifiedArchive) Discard() error { return os.RemoveAll(v.dir) }

// VerifyArchive unpacks the bundles of an archive into the data directory and verifies each with keys, so that nothing has to be made for an archive that is refused. Errors are Invalid and name the bundle.
func (a *App) VerifyArchive(ctx context.Context, o *OpenedArchive, keys *tlog.Keys) (_ *VerifiedArchive, err error) {
	dir, err := os.MkdirTemp(a.Config.Data, "import-")
	if err != nil {
		return nil, err
	}
	v := &VerifiedArchive{OpenedArchive: o, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, v.Discard())
		}
	}()
	for _, l := range o.Manifest.Epochs {
		path := filepath.Join(dir, filepath.Base(l.Bundle))
		if err := o.verified(ctx, l, path, keys); err != nil {
			return nil, err
		}
		v.bundles = append(v.bundles, path)
	}
	return v, nil
}

// ImportArchive records the events of an archive in an empty tenant, in their order, with their ids, sources and times. It takes over the settings, and records what was imported. A tenant
// that holds events other than the product's own is refused unless resume says that they are of an import that was interrupted.
func (a *App) ImportArchive(ctx context.Context, tenantID string, o *VerifiedArchive, resume bool, progress func(done, total int64)) (*ImportResult, error) {
	t, err := a.Ledger.Tenant(ctx, tenantID)
	if err != nil {
		return nil, err
	}
	if !resume {
		if err := a.checkEmptyTenant(ctx, tenantID); err != nil {
			return nil, err
		}
	}
	x := &importing{rules: field.New(a.policies.catalogue), a: a, o: o.OpenedArchive, tenantID: tenantID, progress: progress, res: &ImportResult{Tenant: t.Name, LogID: t.LogID, Reasons: map[string]int64{}}}
	for _, l := range o.Manifest.Epochs {
		x.total += int64(l.Size)
	}
	by := httpapi.By(Operator(tenantID, false))
	if err := errors.Join(a.Ledger.PutCustomFields(ctx, tenantID, o.Settings.Custom, by), a.Ledger.PutSettings(ctx, tenantID, &o.Settings, by)); err != nil {
		return nil, fmt.Errorf("take over the settings: %w", err)
	}
	for _, path := range o.bundles {
		if err := x.bundle(ctx, path); err != nil {
			return x.res, err
		}
	}
	return x.res, x.record(ctx)
}

// checkEmptyTenant refuses a tenant with events that others have sent.
func (a *App) checkEmptyTenant(ctx context.Context, tenantID string) error {
	h, err := a.Ledger.Head(ctx, tenantID)
	if err != nil {
		return err
	}
	b, err := call(ctx, a, Operator(tenantID, false), http.MethodGet, "/api/stats?source=probity", nil)
	if err != nil {
		return err
	}
	var s struct{ Total uint64 }
	if err := json.Unmarshal(b, &s); err != nil {
		return err
	}
	if h.Epoch > 0 || s.Total < h.Next-h.Base {
		return errs.New(errs.Conflict, "the tenant holds events already; an archive is imported into an empty tenant")
	}
	return nil
}

// verified puts the bundle of an epoch into a file and verifies it.
func (o *OpenedArchive) verified(ctx context.Context, l ArchivedLog, path string, keys *tlog.Keys) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(o.copy(l.Bundle, f), f.Close()); err != nil {
		return err
	}
	r, err := verify.Bundle(ctx, path, verify.Options{Keys: keys})
	if err != nil {
		return err
	}
	if !r.OK {
		return errs.New(errs.Invalid, "the proof %s in the archive does not verify, so nothing was imported: %s", l.Bundle, r.First())
	}
	return nil
}

// bundle records the events of a bundle.
func (x *importing) bundle(ctx context.Context, path string) error {
	b, err := bundle.Open(path)
	if err != nil {
		return err
	}
	defer b.Close()
	for n := range b.Parts(bundle.Events) {
		part, err := b.EventPart(n)
		if err != nil {
			return err
		}
		for {
			v, err := part.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return err
			}
			e, err := x.event(v)
			if err != nil {
				return fmt.Errorf("event %d of the archive: %w", v.Seq, err)
			}
			x.list = append(x.list, ledger.Item{Event: e})
			if len(x.list) == importBatch {
				if err := x.flush(ctx); err != nil {
					return err
				}
			}
		}
	}
	return x.flush(ctx)
}

// keptClass are the parts of an event whose values stay personal when they were, although the rules of this installation would keep them in clear. What belongs to a person by its place, such as a name, needs
// no word, and custom fields have their definitions.
var keptClass = []string{"/data/", "/context/", "/changes/", "/reason", "/outcome/reason", "/correlation_id"}

// event is an archived event as its producer sent it. What was personal when it was recorded is marked so where the rules here do not say it.
func (x *importing) event(v *bundle.Event) (*event.Event, error) {
	text, err := event.FromView(v.View)
	if err != nil {
		return nil, err
	}
	e, err := event.Parse(text)
	if err != nil {
		return nil, err
	}
	var d evidence.Disclosure
	if err := v.Disclosure(&d); err != nil {
		return nil, err
	}
	for _, g := range d.Groups {
		if g.Slot == 0 {
			continue
		}
		for _, f := range g.Fields {
			if slices.ContainsFunc(keptClass, func(p string) bool { return strings.HasPrefix(f.Path, p) }) && x.inClear(e, f) {
				e.Personal = append(e.Personal, f.Path)
			}
		}
	}
	return e, nil
}

// inClear reports whether the rules of this installation would keep a value in clear.
func (x *importing) inClear(e *event.Event, f evidence.Field) bool {
	var c event.Class
	if rest, ok := strings.CutPrefix(f.Path, "/changes/"); ok {
		n, _, _ := strings.Cut(rest, "/")
		i, err := strconv.Atoi(n)
		if err != nil || i >= len(e.Changes) {
			return true
		}
		c = x.rules.ClassifyChange(e.Action, e.Changes[i].Path, []byte(f.Value))
	} else {
		c = x.rules.Classify(e.Action, f.Path, []byte(f.Value))
	}
	return c.Kind == event.Operational
}

func (x *importing) flush(ctx context.Context) error {
	if len(x.list) == 0 {
		return nil
	}
	r, err := x.a.Ledger.Append(ctx, x.tenantID, x.list, ledger.AppendOptions{Lifetime: true, Archive: true})
	if err != nil {
		return err
	}
	x.res.Read += int64(len(x.list))
	x.res.Accepted += int64(r.Accepted)
	x.res.Duplicates += int64(r.Duplicates)
	for _, e := range r.Results {
		if e.Err != nil {
			x.res.Rejected++
			x.res.Reasons[e.Err.Message]++
		}
	}
	x.list = x.list[:0]
	if x.progress != nil {
		x.progress(x.res.Read, x.total)
	}
	return nil
}

// record records what was imported, and from which log.
func (x *importing) record(ctx context.Context) error {
	m := &x.o.Manifest
	e := &event.Event{Action: "archive.imported", Activity: "import", Severity: "high", Actor: httpapi.By(Operator(x.tenantID, false)), Resource: event.Resource{Type: "archive", ID: x.o.SHA256},
		Data: []event.Member{selfaudit.Member("format", m.Format), selfaudit.Member("archive_created_at", m.CreatedAt), selfaudit.Member("archived_tenant", m.Tenant.ID), selfaudit.Member("epochs", m.Epochs), selfaudit.Member("keys", x.o.Keys),
			selfaudit.Member("last_checkpoint", x.o.Checkpoint), selfaudit.Member("events", x.res.Read), selfaudit.Member("accepted", x.res.Accepted), selfaudit.Member("duplicates", x.res.Duplicates), selfaudit.Member("rejected", x.res.Rejected)}}
	return x.a.Ledger.Record(ctx, x.tenantID, e, nil)
}
