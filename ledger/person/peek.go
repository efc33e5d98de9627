package person

import (
	"probity.dev/internal/crypt"
	"probity.dev/internal/evidence"
	"probity.dev/internal/sha256n"
)

// peeker decrypts texts of many persons without checking them, for finding those that are worth opening. It is not safe for concurrent use.
type peeker struct {
	*sealer
	d     *Directory
	plain []byte

	// The persons of the page at hand, whose keys are derived together.
	numbers []int64
	records []record
	secrets []evidence.Hash
	inner   []evidence.Hash
	keys    []evidence.Hash
	batch   sha256n.Batch
}

func (d *Directory) peeker() *peeker { return &peeker{sealer: d.sealer(), d: d} }

func (p *peeker) release() { p.d.sealers.Put(p.sealer) }

func (p *peeker) reset() {
	p.numbers, p.records, p.secrets = p.numbers[:0], p.records[:0], p.secrets[:0]
}

// add adds a person to those that each will yield.
func (p *peeker) add(number int64, r *record, secret *evidence.Hash) {
	p.numbers, p.records, p.secrets = append(p.numbers, number), append(p.records, *r), append(p.secrets, *secret)
}

// each yields the persons that were added with the keys of their texts.
func (p *peeker) each(yield func(number int64, r *record, key *evidence.Hash)) {
	// HMAC (RFC 2104), as in personKey.
	const block, info = 64, cipherInfo
	p.batch.Reset()
	for i := range p.secrets {
		m := p.batch.Message(block + len(info))
		pad(m[:block], &p.secrets[i], 0x36)
		copy(m[block:], info)
	}
	p.inner = p.batch.Sums(p.inner[:0])
	p.batch.Reset()
	for i := range p.secrets {
		m := p.batch.Message(block + len(p.inner[i]))
		pad(m[:block], &p.secrets[i], 0x5c)
		copy(m[block:], p.inner[i][:])
	}
	p.keys = p.batch.Sums(p.keys[:0])
	for i := range p.keys {
		yield(p.numbers[i], &p.records[i], &p.keys[i])
	}
}

func pad(m []byte, key *evidence.Hash, with byte) {
	for i := range m {
		m[i] = with
	}
	for i, b := range key {
		m[i] ^= b
	}
}

// peek returns what a text under a person's key decrypts to, valid until the next call. It returns false for what is no such text.
func (p *peeker) peek(key *evidence.Hash, sealed []byte) ([]byte, bool) {
	if len(sealed) < ivSize+tagSize {
		return nil, false
	}
	p.plain = crypt.Peek(p.plain[:0], (*[32]byte)(key), sealed[:ivSize], sealed[ivSize:])
	return p.plain, true
}

// peekSecret returns the secret of a record, unchecked. It returns false when there is none.
func (p *peeker) peekSecret(r *record) (secret evidence.Hash, ok bool) {
	if len(r.secret) == 0 {
		return secret, false
	}
	b, err := p.sealer.keys.Peek(p.sealer.secret[:0], r.secret)
	if err != nil || len(b) != len(secret) {
		return secret, false
	}
	p.sealer.secret = b
	return evidence.Hash(b), true
}
