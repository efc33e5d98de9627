package intake

import "probity.dev/ledger/event"

// probity reads a native event.
func (s *state) probity(raw []byte) []*Item {
	e, err := event.Parse(raw)
	if err != nil {
		return []*Item{{Err: err}}
	}
	if s.opt.Source != "" {
		e.Source = s.opt.Source
	}
	return one(e)
}
