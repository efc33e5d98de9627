package app

import (
	"bytes"
	"slices"
	"strings"

	"probity.dev/internal/backup"
	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
	"probity.dev/ledger"
	"probity.dev/verify"
)

// pin is a checkpoint that somebody kept outside of the backup.
type pin struct {
	logID string
	epoch int64
	text  []byte
}

// parseKeys are the keys of all logs of a backup, and others.
func parseKeys(m *backup.Manifest, others []string) (*tlog.Keys, error) {
	var all []string
	for _, l := range m.Logs {
		all = append(all, l.VKeys...)
	}
	for _, o := range others {
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return tlog.ParseKeys(strings.Join(all, "\n"))
}

// pins reads the checkpoints that were given, and takes up those of the logs' present epochs as marks.
func (r *restoring) pins(held []ledger.Holding) ([]pin, error) {
	if len(r.o.Checkpoints) == 0 {
		return nil, nil
	}
	keys, err := parseKeys(r.s.Manifest, r.o.Keys)
	if err != nil {
		return nil, err
	}
	var out []pin
	for _, text := range verify.SplitCheckpoints(r.o.Checkpoints) {
		origin, _, _ := bytes.Cut(text, []byte("\n"))
		logID, epoch, err := ledger.ParseOrigin(string(origin))
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(held, func(h ledger.Holding) bool { return h.LogID == logID })
		if i < 0 {
			return nil, errs.New(errs.Conflict, "the checkpoint is of log %s, which the backup does not hold: it is from before that log was made, or of another installation", logID)
		}
		h := &held[i]
		if epoch > h.Epoch {
			// Where that epoch begins, which the next one must lie behind, is in the mark alone.
			if _, _, known := r.marks.Lost(h); known < epoch {
				return nil, errs.New(errs.Conflict, "the checkpoint is of epoch %d of log %s, of which the backup knows nothing: look for a newer backup, or give the newest highwater.json with --highwater", epoch, logID)
			}
			continue
		}
		c, err := tlog.Open(text, keys)
		if err != nil {
			return nil, errs.Wrap(errs.Invalid, err, "the checkpoint of log %s is not signed by a key that the backup knows; give a newer key of the log with --key", logID)
		}
		if epoch == h.Epoch {
			r.marks.AddCheckpoint(h, c)
		}
		out = append(out, pin{logID, epoch, text})
	}
	if len(out) == 0 && len(r.o.Marks) == 0 {
		return nil, errs.New(errs.Invalid, "the file holds no checkpoint")
	}
	return out, nil
}
