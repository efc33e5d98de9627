package person

import (
	"context"
	"encoding/binary"
	"sync"
)

// known is the set of identifiers that the tables hold, by a 64-bit digest, so that a person who is new is not looked for on disk. Until it has been read
// everything may be known. A digest takes some 20 bytes of memory.
type known struct {
	mu  sync.RWMutex
	all bool // every stored identifier is in set
	set map[uint64]struct{}
}

func (at scopeID) digest() uint64 {
	return binary.BigEndian.Uint64(at.lookup[:]) ^ binary.BigEndian.Uint64(at.scope[:])
}

func (k *known) maybe(at scopeID) bool {
	k.mu.RLock()
	defer k.mu.RUnlock()
	_, in := k.set[at.digest()]
	return in || !k.all
}

func (k *known) add(at scopeID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.set == nil {
		k.set = map[uint64]struct{}{}
	}
	k.set[at.digest()] = struct{}{}
}

// learn reads the stored identifiers. What is added meanwhile is added to the set as well, so none is missed. When it fails, look-ups go on asking the table.
func (d *Directory) learn(ctx context.Context) {
	rows, err := d.db.Read(ctx).QueryContext(ctx, `SELECT lookup, scope FROM person_identifier WHERE tenant_no = $1`, d.no)
	if err != nil {
		return
	}
	defer rows.Close()
	for rows.Next() {
		var lookup, scope []byte
		if rows.Scan(&lookup, &scope) != nil {
			return
		}
		var at scopeID
		copy(at.lookup[:], lookup)
		copy(at.scope[:], scope)
		d.known.add(at)
	}
	if rows.Err() != nil {
		return
	}
	d.known.mu.Lock()
	d.known.all = true
	d.known.mu.Unlock()
}
