package ledger

import (
	"context"
	"strings"

	"probity.dev/internal/aesgcm"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/ledger/person"
	"probity.dev/ledger/segment"
)

// textWorker is the memory of one goroutine of a textScan.
type textWorker struct {
	s       *textScan
	plans   map[string][2]*textPlan // by the text of the shape; the second for rows whose resource is a person
	masked  maskedText
	months  months
	rows    []textRow
	want    []person.Wanted
	lacks   []profileLack
	sealed  []sealedText
	ready   []sealedText // those whose key has been asked for
	later   []sealedText // those whose owners must be read
	keys    evidence.EncKeys
	gcm     aesgcm.Sealer
	numbers *person.Numbers
	plain   []byte
	quoted  []byte

	month   int // whose secret is ofMonth
	ofMonth evidence.Hash
	ended   bool // that secret has been destroyed
}

// textRow is a row that may or may not match yet.
type textRow struct {
	at   int // in the rows of the sieve
	plan *textPlan
	v    values
}

// profileLack is a profile that has not been looked at.
type profileLack struct {
	at    int // in the rows of the sieve
	sift  *person.Sift
	which person.Wanted
}

// sealedText is a ciphertext that must be looked at.
type sealedText struct {
	at     int // in the rows of the sieve
	group  *textGroup
	owners [3]int64
	text   []byte
	month  evidence.Hash // the secret of the month, set when the text has to wait
}

// maxRememberedPlans bounds a worker's plans.
const maxRememberedPlans = 4096

func (w *textWorker) sift(ctx context.Context, rows []segment.Row, keep []bool) error {
	w.rows, w.lacks = w.rows[:0], w.lacks[:0]
	for i := range rows {
		if !keep[i] {
			continue
		}
		p := w.plan(&rows[i])
		if keep[i] = w.clear(&rows[i], p); keep[i] {
			continue
		}
		r := textRow{at: i, plan: p, v: values{clear: rows[i].Clear, sealed: rows[i].Sealed}}
		if keep[i] = !r.v.pins(p.shape) || w.profiles(&rows[i], &r); !keep[i] {
			w.rows = append(w.rows, r)
		}
	}
	if err := w.lookUp(ctx, keep); err != nil {
		return err
	}
	w.sealed = w.sealed[:0]
	for i := range w.rows {
		if r := &w.rows[i]; !keep[r.at] {
			keep[r.at] = !w.collect(&rows[r.at], r)
		}
	}
	return w.open(ctx, rows, keep)
}

func (w *textWorker) plan(row *segment.Row) *textPlan {
	person := 0
	if row.Resource != 0 {
		person = 1
	}
	both := w.plans[row.Shape]
	if both[person] == nil {
		if len(w.plans) >= maxRememberedPlans {
			clear(w.plans)
		}
		shape := w.s.l.shapes.get(row.Shape)
		both[person] = w.s.planOf(shape, person == 1)
		w.plans[shape.text] = both
	}
	return both[person]
}

// clear reports whether what is not encrypted makes a row worth opening.
func (w *textWorker) clear(row *segment.Row, p *textPlan) bool {
	n := w.s.needle
	if p.always || n.in(row.Clear) || strings.Contains(row.Action, n.text) || strings.Contains(row.Source, n.text) || strings.Contains(row.ResourceType, n.text) {
		return true
	}
	for c, text := range [...]string{row.EventID, row.CorrelationID, row.ResourceID, row.Severity} {
		if !p.columns[c] || len(text)+2 < n.shortest {
			continue
		}
		w.quoted = append(append(append(w.quoted[:0], '"'), text...), '"')
		if n.in(w.quoted) {
			return true
		}
	}
	return false
}

// profiles reports whether a profile makes a row worth opening, and notes those that have not been looked at.
func (w *textWorker) profiles(row *segment.Row, r *textRow) bool {
	for i := range r.plan.groups {
		g := &r.plan.groups[i]
		if !g.pinned {
			continue
		}
		k := person.Wanted{Handle: rowHandles(row, g.owners)[0], Profile: r.v.profile(row, g.shapeGroup)}
		if g.profiles == nil {
			continue
		}
		switch may, known := g.profiles.May(w.numbers, k.Handle, k.Profile); {
		case may && known:
			return true
		case !known:
			w.lacks = append(w.lacks, profileLack{r.at, g.profiles, k})
		}
	}
	return false
}

// lookUp looks at the profiles that are lacking.
func (w *textWorker) lookUp(ctx context.Context, keep []bool) error {
	for i := range w.lacks {
		sift := w.lacks[i].sift
		if sift == nil {
			continue
		}
		w.want = w.want[:0]
		for k := i; k < len(w.lacks); k++ {
			if w.lacks[k].sift == sift {
				w.want = append(w.want, w.lacks[k].which)
			}
		}
		if err := sift.Read(ctx, w.want); err != nil {
			return err
		}
		for k := i; k < len(w.lacks); k++ {
			if x := &w.lacks[k]; x.sift == sift {
				may, known := sift.May(w.numbers, x.which.Handle, x.which.Profile)
				keep[x.at] = keep[x.at] || may || !known
				x.sift = nil
			}
		}
	}
	return nil
}

// collect notes the ciphertexts of a row that the text may be in. It returns false when they do not decode.
func (w *textWorker) collect(row *segment.Row, r *textRow) bool {
	for i := range r.plan.groups {
		g := &r.plan.groups[i]
		if !g.shapeGroup.sealed {
			continue
		}
		text, ok := take(&r.v.sealed)
		if !ok {
			return false
		}
		// Each value has its length in front, and those beside the one that matches have a byte at least.
		if room := len(text) - aesgcm.Overhead - 2*len(g.sealed.fields) + 1; g.sealed.any && room >= w.s.needle.shortest {
			w.sealed = append(w.sealed, sealedText{at: r.at, group: g, owners: rowHandles(row, g.owners), text: text})
		}
	}
	return true
}

// open looks at the ciphertexts.
func (w *textWorker) open(ctx context.Context, rows []segment.Row, keep []bool) error {
	w.keys.Reset()
	w.want, w.ready, w.later = w.want[:0], w.ready[:0], w.later[:0]
	for i := range w.sealed {
		if ok, err := w.key(ctx, &rows[w.sealed[i].at], &w.sealed[i]); err != nil {
			return err
		} else if !ok {
			w.later = append(w.later, w.sealed[i])
		}
	}
	if err := w.s.t.people.WarmSecrets(ctx, w.want); err != nil {
		return err
	}
	for i := range w.later {
		if err := w.secrets(ctx, &w.later[i]); err != nil {
			return err
		}
	}
	keys := w.keys.Keys()
	for i := range w.ready {
		x := &w.ready[i]
		if row := &rows[x.at]; !keep[x.at] {
			w.plain = w.gcm.Peek(w.plain[:0], (*[aesgcm.KeySize]byte)(&keys[i]), (*[aesgcm.NonceSize]byte)(row.Nonce[:]), x.text)
			keep[x.at] = w.plainMatches(row, x.group)
		}
	}
	return nil
}

// key asks for the key of a ciphertext. It returns false when secrets are not in memory, and wants them then.
func (w *textWorker) key(ctx context.Context, row *segment.Row, x *sealedText) (bool, error) {
	if month := w.months.of(row.RecordedAt); month != w.month {
		secret, err := w.s.t.period(ctx, w.s.l.db, periodID{period: month})
		if w.ended = errs.CodeOf(err) == errs.NotFound; err != nil && !w.ended {
			return false, err
		}
		w.month, w.ofMonth = month, secret
	}
	if w.ended {
		return true, nil // nobody can read it
	}
	var secrets [3]evidence.Hash
	n, missing := 0, len(w.want)
	for ; n < len(x.owners) && x.owners[n] != 0; n++ {
		var ok bool
		if secrets[n], ok = w.s.t.people.KnownSecret(w.numbers, x.owners[n]); !ok {
			w.want = append(w.want, person.Wanted{Handle: x.owners[n]})
		}
	}
	if len(w.want) > missing {
		x.month = w.ofMonth
		return false, nil
	}
	w.ready = append(w.ready, *x)
	w.keys.Add(&w.ofMonth, secrets[:n])
	return true, nil
}

// secrets asks for the key of a ciphertext whose owners' secrets have been read. Those that are still not there have been erased, or there is no room for them.
func (w *textWorker) secrets(ctx context.Context, x *sealedText) error {
	var secrets [3]evidence.Hash
	n := 0
	for ; n < len(x.owners) && x.owners[n] != 0; n++ {
		var err error
		if secrets[n], err = w.s.t.people.Secret(ctx, x.owners[n]); errs.CodeOf(err) == errs.NotFound {
			return nil
		} else if err != nil {
			return err
		}
	}
	w.ready = append(w.ready, *x)
	w.keys.Add(&x.month, secrets[:n])
	return nil
}

func (w *textWorker) plainMatches(row *segment.Row, g *textGroup) bool {
	if g.sealed.whole {
		return w.s.needle.in(w.plain)
	}
	if !g.sealed.made && !w.s.inOrEscaped(w.plain) {
		return false
	}
	r := &w.masked.record
	r.ActorHandle, r.SubjectHandle, r.ResourceHandle = row.Actor, row.Subject, row.Resource
	return w.masked.in(w.s, g.shapeGroup, g.sealed.fields, w.plain)
}
