package demo

import (
	"encoding/binary"
	"time"
)

// draft is an event in the making. Strings are plain, raw values are JSON.
type draft struct {
	source, action   string
	actor            *person
	onBehalf         *person
	resType, resID   string
	resName          string
	subject          *person
	changes          []change
	status, why      string // "success" when empty
	severity, reason string
	data             raw
	// ip and agent replace those of the actor.
	ip, agent string
	geo       raw
	session   bool
	corr      uint64
}

type change struct {
	path, op      string
	before, after raw
}

// alter adds a replaced value.
func (d *draft) alter(path string, before, after raw) {
	d.changes = append(d.changes, change{path, "replace", before, after})
}

// write appends d as an event of the wire form.
func (g *Generator) write(b []byte, at int64, d *draft) []byte {
	b = append(b, `{"id":"`...)
	b = g.appendID(b)
	b = append(append(b, `","source":"`...), d.source...)
	b = append(append(b, `","action":"`...), d.action...)
	b = append(b, `","occurred_at":"`...)
	b = time.UnixMicro(at).UTC().AppendFormat(b, "2006-01-02T15:04:05.000Z")
	b = append(b, `","actor":`...)
	b = append(b, d.actor.actorJSON...)
	if d.onBehalf != nil {
		b = append(append(b[:len(b)-1], `,"on_behalf_of":[`...), d.onBehalf.subjectJSON...)
		b = append(b, `]}`...)
	}
	if d.resType != "" {
		b = append(append(b, `,"resource":{"type":"`...), d.resType...)
		if d.resID != "" {
			b = appendString(append(b, `","id":`...), d.resID)
		} else {
			b = append(b, '"')
		}
		if d.resName != "" {
			b = appendString(append(b, `,"name":`...), d.resName)
		}
		b = append(b, '}')
	}
	if d.subject != nil {
		b = append(append(b, `,"subject":`...), d.subject.subjectJSON...)
	}
	b = appendChanges(b, d.changes)
	b = g.appendContext(b, at, d)
	b = append(b, `,"outcome":{"status":"`...)
	if d.status == "" {
		d.status = "success"
	}
	b = append(append(b, d.status...), '"')
	if d.why != "" {
		b = appendString(append(b, `,"reason":`...), d.why)
	}
	b = append(b, '}')
	if d.severity != "" {
		b = append(append(append(b, `,"severity":"`...), d.severity...), '"')
	}
	if d.corr != 0 {
		b = append(appendHex(append(b, `,"correlation_id":"op-`...), d.corr), '"')
	}
	if d.reason != "" {
		b = appendString(append(b, `,"reason":`...), d.reason)
	}
	if len(d.data) > 0 {
		b = append(append(b, `,"data":`...), d.data...)
	}
	return append(b, '}')
}

func appendChanges(b []byte, changes []change) []byte {
	for i, c := range changes {
		if i == 0 {
			b = append(b, `,"changes":[`...)
		} else {
			b = append(b, ',')
		}
		b = append(append(b, `{"path":"`...), c.path...)
		b = append(append(append(b, `","op":"`...), c.op...), '"')
		if c.before != nil {
			b = append(append(b, `,"before":`...), c.before...)
		}
		if c.after != nil {
			b = append(append(b, `,"after":`...), c.after...)
		}
		b = append(b, '}')
	}
	if len(changes) > 0 {
		b = append(b, ']')
	}
	return b
}

func (g *Generator) appendContext(b []byte, at int64, d *draft) []byte {
	ip, agent := d.ip, d.agent
	home := g.r.IntN(4) == 0
	if ip == "" {
		ip = d.actor.ips[0]
		if home {
			ip = d.actor.ips[1]
		}
	}
	if agent == "" {
		agent = d.actor.agent
	}
	b = append(append(b, `,"context":{"ip":"`...), ip...)
	b = append(append(append(b, `","user_agent":"`...), agent...), '"')
	if home && d.ip == "" && ip == d.actor.ips[1] {
		b = append(append(append(b, `,"forwarded_for":["`...), ip...), `","10.20.0.1"]`...)
	}
	if d.session { // one session a person and day
		day := uint64(at / 86_400_000_000)
		var h uint64 = 14695981039346656037
		for i := range len(d.actor.id) {
			h = (h ^ uint64(d.actor.id[i])) * 1099511628211
		}
		b = append(appendHex(append(b, `,"session_id":"s-`...), (h^day)*0x9e3779b97f4a7c15), '"')
	}
	if d.geo != nil {
		b = append(append(b, `,"geo":`...), d.geo...)
	}
	b = append(appendHex(append(b, `,"request_id":"req-`...), g.r.Uint64()), '"')
	return append(b, '}')
}

// appendID writes a UUID of version 4 from the generator's own numbers.
func (g *Generator) appendID(b []byte) []byte {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:8], g.r.Uint64())
	binary.BigEndian.PutUint64(id[8:], g.r.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	for i, c := range id {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			b = append(b, '-')
		}
		b = append(b, hexDigits[c>>4], hexDigits[c&15])
	}
	return b
}

const hexDigits = "0123456789abcdef"

func appendHex(b []byte, n uint64) []byte {
	for s := 60; s >= 0; s -= 4 {
		b = append(b, hexDigits[n>>s&15])
	}
	return b
}
