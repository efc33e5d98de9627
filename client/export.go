package client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// ExportRequest asks for a file of events.
type ExportRequest struct {
	// Format is csv, json, ndjson, pdf, parquet, ocsf or bundle.
	Format  string
	Query   Query
	Title   string   // heads a PDF report
	Columns []string // of csv and pdf
	// Proof is range (the default: nothing of the range is missing) or inclusion, for a bundle.
	Proof string
	// Epoch is an epoch of the log, for a bundle, where a lossy restore has left several; nil leaves it to the server.
	Epoch *int64
}

// Export is an export and its progress.
type Export struct {
	ID          string     `json:"id"`
	Status      string     `json:"status"` // queued, running, done, failed or cancelled
	Format      string     `json:"format"`
	RowsDone    int64      `json:"rows_done"`
	RowsTotal   *int64     `json:"rows_total"`
	Bytes       int64      `json:"bytes"`
	Rate        float64    `json:"rate"` // rows a second
	ETASeconds  *int64     `json:"eta_seconds"`
	Error       string     `json:"error"`
	CreatedAt   time.Time  `json:"created_at"`
	FinishedAt  *time.Time `json:"finished_at"`
	FileName    string     `json:"file_name"`
	DownloadURL string     `json:"download_url"`
	SHA256      string     `json:"sha256"` // of the file, hexadecimal
}

// Ended reports whether the export makes no further progress.
func (e *Export) Ended() bool {
	return e.Status == "done" || e.Status == "failed" || e.Status == "cancelled"
}

// filter is the query in the form of an export's request.
func (q Query) filter() map[string]any {
	f := map[string]any{}
	for name, list := range q.values() {
		switch name {
		case "from", "to", "time", "text":
			f[name] = list[0]
		case "order", "id":
		default:
			if len(name) < 6 || name[:6] != "field." {
				f[name] = list
			}
		}
	}
	if len(q.Fields) > 0 {
		f["field"] = q.Fields
	}
	return f
}

// CreateExport asks for an export, which a job of the server then makes.
func (c *Client) CreateExport(ctx context.Context, r ExportRequest) (*Export, error) {
	if len(r.Query.ID) > 0 {
		return nil, fmt.Errorf("client: an export cannot be limited to ids; use Search")
	}
	body := map[string]any{"format": r.Format, "filter": r.Query.filter()}
	if r.Epoch != nil {
		body["epoch"] = *r.Epoch
	}
	for name, s := range map[string]string{"title": r.Title, "proof": r.Proof} {
		if s != "" {
			body[name] = s
		}
	}
	if len(r.Columns) > 0 {
		body["columns"] = r.Columns
	}
	e := &Export{}
	return e, c.call(ctx, request{method: http.MethodPost, path: "/api/exports"}, body, e)
}

// Export returns the state of an export.
func (c *Client) Export(ctx context.Context, id string) (*Export, error) {
	e := &Export{}
	return e, c.get(ctx, exportPath(id), nil, e)
}

func exportPath(id string) string { return "/api/exports/" + url.PathEscape(id) }

// WaitExport waits until an export has ended. progress, when not nil, is told about every state. The error says why the export failed, if it did.
func (c *Client) WaitExport(ctx context.Context, id string, progress func(*Export)) (*Export, error) {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		e, err := c.Export(ctx, id)
		if err != nil {
			return nil, err
		}
		if progress != nil {
			progress(e)
		}
		if e.Ended() {
			if e.Status != "done" {
				return e, fmt.Errorf("client: the export is %s: %s", e.Status, e.Error)
			}
			return e, nil
		}
		if err := c.sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// CancelExport cancels an export, or deletes its file when it is complete.
func (c *Client) CancelExport(ctx context.Context, id string) error {
	return c.call(ctx, request{method: http.MethodDelete, path: exportPath(id), repeatable: true}, nil, nil)
}

// Download writes the file of a finished export to w, and checks it against the export's SHA-256. On a mismatch the error comes after the bytes were written: write to a file aside.
func (c *Client) Download(ctx context.Context, e *Export, w io.Writer) error {
	res, err := c.do(ctx, request{method: http.MethodGet, path: exportPath(e.ID) + "/file", repeatable: true, header: http.Header{"Accept": {"*/*"}}})
	if err != nil {
		return err
	}
	defer res.Body.Close()
	h := sha256.New()
	if _, err := io.Copy(io.MultiWriter(w, h), res.Body); err != nil {
		return fmt.Errorf("client: the download ended early: %w", err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); e.SHA256 != "" && got != e.SHA256 {
		return fmt.Errorf("client: the file that arrived is not the one that was made (SHA-256 %s instead of %s)", got, e.SHA256)
	}
	return nil
}
