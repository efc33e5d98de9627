package person

import (
	"probity.dev/internal/aesgcm"
	"probity.dev/internal/evidence"
)

// peeker decrypts texts of many persons without checking them, for finding those that are worth opening. It is not safe for concurrent use.
type peeker struct {
	*sealer
	d     *Directory
	plain []byte
	names int // how much text of names there was last

	// The persons of the page at hand, whose keys are derived together.
	numbers []int64
	records []record
	macs    evidence.HMACs
	keys    []evidence.Hash
}

func (d *Directory) peeker() *peeker { return &peeker{sealer: d.sealer(), d: d} }

func (p *peeker) release() { p.d.sealers.Put(p.sealer) }

func (p *peeker) reset() {
	p.numbers, p.records = p.numbers[:0], p.records[:0]
	p.macs.Reset()
}

// add adds a person to those that each will yield.
func (p *peeker) add(number int64, r *record, secret *evidence.Hash) {
	p.numbers, p.records = append(p.numbers, number), append(p.records, *r)
	p.macs.Add(secret, []byte(cipherInfo))
}

// each yields the persons that were added with the keys of their texts.
func (p *peeker) each(yield func(number int64, r *record, key *evidence.Hash)) {
	p.keys = p.macs.Sums(p.keys[:0])
	for i := range p.keys {
		yield(p.numbers[i], &p.records[i], &p.keys[i])
	}
}

// peek returns what a text under a person's key decrypts to, valid until the next call. It returns false for what is no such text.
func (p *peeker) peek(key *evidence.Hash, sealed []byte) ([]byte, bool) {
	if len(sealed) < ivSize+tagSize {
		return nil, false
	}
	p.plain = p.texts.Peek(p.plain[:0], (*[aesgcm.KeySize]byte)(key), (*[ivSize]byte)(sealed), sealed[ivSize:])
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
