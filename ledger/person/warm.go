package person

import (
	"context"
	"strconv"
	"strings"

	"probity.dev/internal/errs"
	"probity.dev/internal/sqldb"
)

// Wanted names a person whose secret will be asked for, or, with Profile, one of their profiles.
type Wanted struct {
	Handle, Profile int64
}

// warmRows is how many are read by one statement.
const warmRows = 200

// Warm reads into the caches what is wanted and not there, many rows at a time. What does not exist stays away.
func (d *Directory) Warm(ctx context.Context, want []Wanted) error {
	var persons, owners []int64
	seen := map[Wanted]bool{}
	for _, w := range want {
		if seen[w] {
			continue
		}
		seen[w] = true
		if w.Profile != 0 {
			k := profileKey{w.Handle, w.Profile}
			if _, ok := d.profiles.Get(k); ok || d.fresh.profile(k) != nil {
				continue
			}
			owners = append(owners, w.Handle)
			if w.Profile = 0; seen[w] {
				continue
			}
			seen[w] = true // opening a profile takes the secret
		}
		if _, ok := d.byHandle.Get(w.Handle); !ok && d.fresh.handle(w.Handle) == nil {
			persons = append(persons, w.Handle)
		}
	}
	for ; len(persons) > 0; persons = persons[min(warmRows, len(persons)):] {
		if err := d.warmPersons(ctx, persons[:min(warmRows, len(persons))]); err != nil {
			return err
		}
	}
	for ; len(owners) > 0; owners = owners[min(warmRows, len(owners)):] {
		if err := d.warmProfiles(ctx, owners[:min(warmRows, len(owners))]); err != nil {
			return err
		}
	}
	return nil
}

func inList(handles []int64) (text string, args []any) {
	var b strings.Builder
	for i, h := range handles {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+2))
		args = append(args, h)
	}
	return b.String(), args
}

func (d *Directory) warmPersons(ctx context.Context, handles []int64) error {
	list, args := inList(handles)
	rows, err := d.db.Read(ctx).QueryContext(ctx, `SELECT handle, secret, generation FROM person WHERE tenant_no = $1 AND handle IN (`+list+`)`, append([]any{d.no}, args...)...) //nolint:gosec // placeholders only
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		e := &entry{}
		var secret []byte
		if err := rows.Scan(&e.handle, &secret, &e.generation); err != nil {
			return err
		}
		if err := d.openSecret(e, secret); errs.CodeOf(err) == errs.NotFound {
			continue
		} else if err != nil {
			return err
		}
		e.persisted.Store(true)
		d.byHandle.Add(e.handle, e)
	}
	return sqldb.Translate(rows.Err())
}

func (d *Directory) warmProfiles(ctx context.Context, handles []int64) error {
	list, args := inList(handles)
	rows, err := d.db.Read(ctx).QueryContext(ctx, `SELECT handle, profile, body FROM person_profile WHERE tenant_no = $1 AND handle IN (`+list+`)`, append([]any{d.no}, args...)...) //nolint:gosec // placeholders only
	if err != nil {
		return sqldb.Translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		var k profileKey
		var sealed []byte
		if err := rows.Scan(&k.handle, &k.profile, &sealed); err != nil {
			return err
		}
		secret, err := d.Secret(ctx, k.handle)
		if err != nil {
			continue
		}
		b, err := open(secret, "profile", d.tenant, k.handle, k.profile, sealed)
		if err != nil {
			return errs.Wrap(errs.Internal, err, "stored values of a person do not open")
		}
		d.profiles.Add(k, b)
	}
	return sqldb.Translate(rows.Err())
}
