package ledger

import (
	"time"

	"probity.dev/internal/evidence"
)

// months tells the period of times that come nearly in order; it works a month's bounds out once. The zero value is ready.
type months struct {
	from, to int64 // microseconds since 1970 UTC; to is excluded
	period   int
}

func (m *months) of(micros int64) int {
	if micros < m.from || micros >= m.to {
		m.period = evidence.Period(micros)
		first := time.Date(m.period/12, time.Month(m.period%12+1), 1, 0, 0, 0, 0, time.UTC)
		m.from, m.to = first.UnixMicro(), first.AddDate(0, 1, 0).UnixMicro()
	}
	return m.period
}
