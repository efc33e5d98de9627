package ledger

// auditPlaces finds the places of the persons of a chunk by open addressing. A slot counts when it has the present stamp, so that nothing need be cleared. The zero value must be reset.
type auditPlaces struct {
	slots []auditPlace
	stamp uint32
}

type auditPlace struct {
	handle int64
	stamp  uint32
	at     int32
}

// auditSlots is a power of two that exceeds auditKept and three times auditRows together, the most persons there can be.
const auditSlots = 32768

func (p *auditPlaces) reset() {
	if p.stamp++; p.slots == nil || p.stamp == 0 {
		p.slots, p.stamp = make([]auditPlace, auditSlots), 1
	}
}

// of returns the place of a person, and whether it was known; if not, it is next from now on, unless that is negative.
func (p *auditPlaces) of(handle int64, next int32) (at int32, known bool) {
	for i := recallHash(handle) >> 32; ; i++ {
		s := &p.slots[i%auditSlots]
		if s.stamp != p.stamp {
			if next >= 0 {
				*s = auditPlace{handle, p.stamp, next}
			}
			return next, false
		}
		if s.handle == handle {
			return s.at, true
		}
	}
}
