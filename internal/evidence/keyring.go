package evidence

import "probity.dev/internal/sha256n"

// Keyring derives the keys of many groups of a period at once, see [DeriveGroup]. [Keyring.Reset] begins, [Keyring.Add] adds a group, [Keyring.Derive] derives the keys of those added since it was
// called last. The zero value is ready after Reset. A Keyring is not safe for concurrent use.
type Keyring struct {
	// Joint says that no group has one owner only, so that no K_tag is wanted. It may be changed before Reset.
	Joint  bool
	period Hash
	batch  sha256n.Batch
	groups []Hash // K_group
	keys   []Hash // each of its groups
	per    int    // keys of a group
}

// The keys that follow from K_group, in their order in a Keyring.
const (
	keyGroup = iota
	keyEncrypt
	keyTag // the last, because it is not always wanted
)

var keyInfos = [...]string{infoGroup, infoEncrypt, infoTag}

// Reset forgets all groups and sets the secret of the period.
func (r *Keyring) Reset(period *Hash) {
	r.period = *period
	r.batch.Reset()
	r.groups, r.keys, r.per = r.groups[:0], r.keys[:0], len(keyInfos)
	if r.Joint {
		r.per = keyTag
	}
}

// Len is the number of groups.
func (r *Keyring) Len() int { return len(r.groups) + r.batch.Len() }

// Add adds a group by the secrets of its owners, which must be sorted by handle, and returns its number. No owners means the tenant.
func (r *Keyring) Add(owners []Hash) int {
	n := r.Len()
	m := kdfMessage(&r.batch, 32*(1+len(owners)), infoOwners)
	copy(m, r.period[:])
	for i := range owners {
		copy(m[32*(1+i):], owners[i][:])
	}
	return n
}

// kdfMessage adds the message of a key derivation and returns the place of the secrets.
func kdfMessage(b *sha256n.Batch, secrets int, info string) []byte {
	m := b.Message(4 + secrets + len(info))
	m[0], m[1], m[2], m[3] = 0, 0, 0, 1
	copy(m[4+secrets:], info)
	return m[4 : 4+secrets]
}

// Derive derives the keys.
func (r *Keyring) Derive() {
	from := len(r.groups)
	r.groups = r.batch.Sums(r.groups)
	r.batch.Reset()
	for i := from; i < len(r.groups); i++ {
		for _, info := range keyInfos[:r.per] {
			copy(kdfMessage(&r.batch, 32, info), r.groups[i][:])
		}
	}
	r.keys = r.batch.Sums(r.keys)
	r.batch.Reset()
}

// G returns G of a group. The keys are valid until more groups are derived.
func (r *Keyring) G(group int) *Hash { return &r.keys[r.per*group+keyGroup] }

// Enc returns K_enc of a group.
func (r *Keyring) Enc(group int) *Hash { return &r.keys[r.per*group+keyEncrypt] }

// Tag returns K_tag of a group of one owner. The ring must not be [Keyring.Joint].
func (r *Keyring) Tag(group int) *Hash { return &r.keys[r.per*group+keyTag] }
