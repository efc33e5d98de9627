package person

import "probity.dev/internal/evidence"

// Keys are what the events of one month need of the owners of a group (ledger/DESIGN.md §4, §5).
type Keys struct {
	G   evidence.Hash
	Enc evidence.Hash // K_enc
	Tag evidence.Hash // K_tag, when there is one owner
}

// KeysOf completes the keys of a group; single says that it has one owner.
func KeysOf(g *evidence.GroupKeys, single bool) Keys {
	k := Keys{G: g.G, Enc: g.Enc()}
	if single {
		k.Tag = g.Tag()
	}
	return k
}

// monthKeys are the keys of a person alone in one month.
type monthKeys struct {
	Keys
	period int
	class  uint64
}

// Keys returns the keys of the person alone in a period and retention class, whose secret is given. They are kept with the directory entry, because nearly every event needs them and most
// are of the present month.
func (p *Person) Keys(period int, class uint64, secret *evidence.Hash) *Keys {
	if k := p.entry.month.Load(); k != nil && k.period == period && k.class == class {
		return &k.Keys
	}
	g := evidence.DeriveGroup(*secret, p.Secret)
	k := &monthKeys{KeysOf(&g, true), period, class}
	p.entry.month.Store(k)
	return &k.Keys
}
