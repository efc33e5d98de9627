package evidence

import (
	"slices"

	"probity.dev/internal/sha256n"
)

// Keyring derives the keys of many groups of a period at once, see [DeriveGroup]. [Keyring.Reset] begins, [Keyring.Add] adds a group, [Keyring.Derive] derives the keys of those added since it was
// called last. The zero value is ready after Reset. A Keyring is not safe for concurrent use.
type Keyring struct {
	// Joint says that no group has one owner only, so that no K_tag is wanted. It may be changed before Reset.
	Joint  bool
	period Hash
	per    int // keys of a group
	// derived are the groups whose keys there are, and added those whose keys are to be derived.
	derived, added int
	owners         sha256n.Chain
	groups         []byte // a block for each group added, with zeroes around K_group
	// texts are put together from K_group and what says which key it is.
	texts sha256n.Overlay
	infos [len(keyInfos)]int
	keys  []byte // one after the other
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
	r.owners.Reset()
	r.derived, r.added, r.keys, r.per = 0, 0, r.keys[:0], len(keyInfos)
	if r.Joint {
		r.per = keyTag
	}
	if r.texts.Size() == 0 {
		for k, info := range keyInfos {
			m := make([]byte, kdfZ+hashSize, 64)
			m[kdfZ-1] = 1
			r.infos[k] = r.texts.Text(append(m, info...))
		}
	}
}

// kdfZ is where the secret lies in the message of a key derivation, behind the number 1.
const kdfZ = 4

// Len is the number of groups.
func (r *Keyring) Len() int { return r.derived + r.added }

// Add adds a group by the secrets of its owners, which must be sorted by handle, and returns its number. No owners means the tenant.
func (r *Keyring) Add(owners []Hash) int {
	secrets := hashSize * (1 + len(owners))
	_, m := r.owners.Message(kdfZ+secrets+len(infoOwners), sha256n.BlockSize*r.added+kdfZ)
	m[0], m[1], m[2], m[3] = 0, 0, 0, 1
	copy(m[kdfZ:], r.period[:])
	for i := range owners {
		copy(m[kdfZ+hashSize*(1+i):], owners[i][:])
	}
	copy(m[kdfZ+secrets:], infoOwners)
	r.added++
	return r.derived + r.added - 1
}

// Derive derives the keys.
func (r *Keyring) Derive() {
	if n := sha256n.BlockSize * r.added; len(r.groups) < n {
		r.groups = make([]byte, n+n/2)
	}
	r.owners.Hash(r.groups)
	r.owners.Reset()
	to := len(r.keys)
	r.keys = slices.Grow(r.keys, hashSize*r.per*r.added)[:to+hashSize*r.per*r.added]
	for i := range r.added {
		for _, text := range r.infos[:r.per] {
			r.texts.Add(text, 1, sha256n.BlockSize*i, to)
			to += hashSize
		}
	}
	r.texts.Hash(r.keys, r.groups)
	r.texts.Reset()
	r.derived, r.added = r.derived+r.added, 0
}

// G returns G of a group. The keys are valid until more groups are derived.
func (r *Keyring) G(group int) *Hash { return r.key(group, keyGroup) }

// Enc returns K_enc of a group.
func (r *Keyring) Enc(group int) *Hash { return r.key(group, keyEncrypt) }

// Tag returns K_tag of a group of one owner. The ring must not be [Keyring.Joint].
func (r *Keyring) Tag(group int) *Hash { return r.key(group, keyTag) }

func (r *Keyring) key(group, k int) *Hash { return (*Hash)(r.keys[hashSize*(r.per*group+k):]) }
