package event

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

func (p *parser) actor() {
	a := &p.e.Actor
	p.under("/actor", func(n text) {
		switch p.name(n) {
		case "type":
			p.ident(&a.Type, slotActorType, "/actor/type")
		case "id":
			p.ident(&a.ID, slotActorID, "/actor/id")
		case "name":
			p.string(&a.Name, slotActorName, "/actor/name")
		case "email":
			p.ident(&a.Email, slotActorEmail, "/actor/email")
		case "roles":
			p.strings(&a.Roles, slotRoles, "/actor/roles")
		case "on_behalf_of":
			p.onBehalfOf()
		default:
			p.keep("actor.", n)
		}
	})
}

// onBehalfOf keeps members of a reference that it does not know in the verbatim array.
func (p *parser) onBehalfOf() {
	const pointer = "/actor/on_behalf_of"
	if p.peek() != '[' {
		p.wrong(pointer, "This must be an array of objects with type and id.")
		return
	}
	from := p.w
	p.array(func(i int) {
		at := pointer + "/" + strconv.Itoa(i)
		if p.peek() != '{' {
			p.fail(at, "type", "This must be an object with type and id.")
			p.value()
			return
		}
		var r Ref
		p.object(func(n text) {
			switch p.name(n) {
			case "type":
				p.ident(&r.Type, -1, at+"/type")
			case "id":
				p.ident(&r.ID, -1, at+"/id")
			case "name":
				p.string(&r.Name, -1, at+"/name")
			default:
				p.value()
			}
		})
		p.e.Actor.OnBehalfOf = append(p.e.Actor.OnBehalfOf, r)
	})
	p.e.spans[slotOnBehalfOf] = span{off: uint32(from), end: uint32(p.w)}
}

func (p *parser) resource() {
	r := &p.e.Resource
	p.under("/resource", func(n text) {
		switch p.name(n) {
		case "type":
			p.ident(&r.Type, -1, "/resource/type")
		case "id":
			p.ident(&r.ID, slotResourceID, "/resource/id")
		case "name":
			p.string(&r.Name, slotResourceName, "/resource/name")
		default:
			p.keep("resource.", n)
		}
	})
}

func (p *parser) subject() {
	s := new(Ref)
	p.under("/subject", func(n text) {
		switch p.name(n) {
		case "type":
			p.ident(&s.Type, slotSubjectType, "/subject/type")
		case "id":
			p.ident(&s.ID, slotSubjectID, "/subject/id")
		case "name":
			p.string(&s.Name, slotSubjectName, "/subject/name")
		default:
			p.keep("subject.", n)
		}
	})
	if *s != (Ref{}) {
		p.e.Subject = s
	}
}

func (p *parser) changes() {
	if p.peek() != '[' {
		p.wrong("/changes", "This must be an array of objects with path, before and after.")
		return
	}
	p.array(func(i int) {
		if i == MaxChanges {
			p.fail("/changes", "too_many", "An event has at most "+strconv.Itoa(MaxChanges)+" changes.")
		}
		if i >= MaxChanges {
			p.value()
			return
		}
		p.change(&changePath[i], i)
	})
}

func (p *parser) change(at *changePaths, i int) {
	if p.peek() != '{' {
		p.fail(at.whole, "type", "This must be an object with path, before and after.")
		p.value()
		return
	}
	var c Change
	p.object(func(n text) {
		switch p.name(n) {
		case "path":
			p.peek()
			from := p.w
			if p.ident(&c.Path, -1, at.path) {
				c.pathText = p.b[from:p.w:p.w]
			}
		case "op":
			p.ident(&c.Op, -1, at.op)
		case "before":
			c.Before = p.raw()
		case "after":
			c.After = p.raw()
		default:
			p.keep("changes."+strconv.Itoa(i)+".", n)
		}
	})
	p.e.Changes = append(p.e.Changes, c)
}

func (p *parser) context() {
	c := &p.e.Context
	p.under("/context", func(n text) {
		switch p.name(n) {
		case "ip":
			p.ident(&c.IP, slotIP, "/context/ip")
		case "forwarded_for":
			p.strings(&c.ForwardedFor, slotForwardedFor, "/context/forwarded_for")
		case "user_agent":
			p.string(&c.UserAgent, slotUserAgent, "/context/user_agent")
		case "device":
			p.string(&c.Device, slotDevice, "/context/device")
		case "geo":
			if v := p.raw(); len(v) > 0 && v[0] != 'n' {
				c.Geo = v
			}
		case "session_id":
			p.ident(&c.SessionID, slotSessionID, "/context/session_id")
		case "request_id":
			p.ident(&c.RequestID, slotRequestID, "/context/request_id")
		case "traceparent":
			p.ident(&c.Traceparent, slotTraceparent, "/context/traceparent")
		default:
			p.keep("context.", n)
		}
	})
}

func (p *parser) outcome() {
	o := &p.e.Outcome
	p.under("/outcome", func(n text) {
		switch p.name(n) {
		case "status":
			p.ident(&o.Status, -1, "/outcome/status")
		case "reason":
			p.string(&o.Reason, slotOutcomeReason, "/outcome/reason")
		default:
			p.keep("outcome.", n)
		}
	})
}

func (p *parser) producer() {
	pr := new(Producer)
	given := p.peek() == '{'
	p.under("/producer", func(n text) {
		switch p.name(n) {
		case "id":
			p.ident(&pr.ID, -1, "/producer/id")
		case "boot":
			p.ident(&pr.Boot, -1, "/producer/boot")
		case "seq":
			p.sequence(&pr.Seq)
		default:
			p.keep("producer.", n)
		}
	})
	if given {
		p.e.Producer = pr
	}
}

func (p *parser) sequence(dst *uint64) {
	seq, err := strconv.ParseUint(string(p.raw()), 10, 64)
	if err != nil {
		p.fail("/producer/seq", "type", "This must be an integer from 0 to 18446744073709551615.")
	}
	*dst = seq
}

func (p *parser) custom() {
	p.under("/custom", func(n text) {
		p.e.Custom = append(p.e.Custom, Member{Name: p.name(n), Value: p.raw()})
	})
}

func (p *parser) data() {
	p.inData = true
	if p.peek() != '{' {
		if v := p.raw(); len(v) > 0 && v[0] != 'n' {
			p.e.Data = append(p.e.Data, Member{Name: "value", Value: jsontext.Value(v)})
		}
		return
	}
	p.object(func(n text) {
		p.e.Data = append(p.e.Data, Member{Name: p.name(n), Value: p.raw()})
	})
}
