package ledger

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/internal/tlog"
)

// MarkFile is the name of the file with the high-water mark in [Options.Dir].
const MarkFile = "highwater.json"

// Marks are a high-water mark: what was signed last for each log. The zero value says nothing of any.
type Marks struct{ logs map[string]highMark }

// Add takes up the content of a file of marks; of two marks for a log the further one stays.
func (m *Marks) Add(file []byte) error {
	other := map[string]highMark{}
	if err := json.Unmarshal(file, &other); err != nil {
		return errs.Wrap(errs.Invalid, err, "the high-water mark is damaged")
	}
	for id, x := range other {
		m.raise(id, x)
	}
	return nil
}

func (m *Marks) raise(id string, x highMark) {
	if m.logs == nil {
		m.logs = map[string]highMark{}
	}
	if own, ok := m.logs[id]; !ok || x.Epoch > own.Epoch || x.Epoch == own.Epoch && x.Size > own.Size {
		m.logs[id] = x
	}
}

// AddCheckpoint takes up a checkpoint of the epoch that h is in, whose signature the caller has checked.
func (m *Marks) AddCheckpoint(h *Holding, c *tlog.Checkpoint) {
	m.raise(h.LogID, highMark{Epoch: h.Epoch, Base: h.Base, Size: c.Size, Root: hex.EncodeToString(c.Root[:]), Checkpoint: string(c.Text)})
}

// Lost is how many events of those that were signed for h lacks: of its own epoch or, when the mark is of a later one, all of that, which is then named.
func (m *Marks) Lost(h *Holding) (lost, signed uint64, epoch int64) {
	x, ok := m.logs[h.LogID]
	switch {
	case !ok || x.Epoch < h.Epoch:
		return 0, 0, h.Epoch
	case x.Epoch > h.Epoch:
		return x.Size, x.Size, x.Epoch
	case x.Size > h.Size:
		return x.Size - h.Size, x.Size, x.Epoch
	}
	return 0, x.Size, x.Epoch
}

// Unknown lists the logs with a mark that none of the holdings is of.
func (m *Marks) Unknown(held []Holding) []string {
	known := map[string]bool{}
	for i := range held {
		known[held[i].LogID] = true
	}
	var out []string
	for id, x := range m.logs {
		if !known[id] && x.Size > 0 {
			out = append(out, id)
		}
	}
	return out
}

// Encode is the content of the file.
func (m *Marks) Encode() ([]byte, error) {
	logs := m.logs
	if logs == nil {
		logs = map[string]highMark{}
	}
	b, err := json.MarshalIndent(logs, "", " ")
	return append(b, '\n'), err
}

// ParseOrigin splits the origin of a checkpoint, <instance>/<log id>/<epoch>.
func ParseOrigin(origin string) (logID string, epoch int64, err error) {
	parts := strings.Split(origin, "/")
	if len(parts) >= 3 {
		logID = parts[len(parts)-2]
		epoch, err = strconv.ParseInt(parts[len(parts)-1], 10, 64)
	}
	if len(parts) < 3 || err != nil || epoch < 0 {
		return "", 0, errs.New(errs.Invalid, "%s is not the origin of a log of this product", fmt.Sprintf("%q", origin))
	}
	return logID, epoch, nil
}
