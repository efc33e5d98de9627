package event

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

func (p *parser) actor(v int) int {
	a := &p.e.Actor
	return p.object("/actor", v, func(n text, v int) int {
		switch p.name(n) {
		case "type":
			return p.ident(&a.Type, slotActorType, "/actor/type", v)
		case "id":
			return p.ident(&a.ID, slotActorID, "/actor/id", v)
		case "name":
			return p.str(&a.Name, slotActorName, "/actor/name", v)
		case "email":
			return p.ident(&a.Email, slotActorEmail, "/actor/email", v)
		case "roles":
			return p.strings(&a.Roles, slotRoles, "/actor/roles", v)
		case "on_behalf_of":
			return p.onBehalfOf(v)
		}
		return p.keep("actor.", n, v)
	})
}

// onBehalfOf keeps members of a reference that it does not know in the verbatim array.
func (p *parser) onBehalfOf(v int) (end int) {
	const pointer = "/actor/on_behalf_of"
	if p.b[v] != '[' {
		return p.wrong(pointer, v, "This must be an array of objects with type and id.")
	}
	end = array(p.b, v, func(i, v int) int {
		at := pointer + "/" + strconv.Itoa(i)
		if p.b[v] != '{' {
			p.fail(at, "type", "This must be an object with type and id.")
			return skipValue(p.b, v)
		}
		var r Ref
		end := object(p.b, v, func(n text, v int) int {
			switch p.name(n) {
			case "type":
				return p.ident(&r.Type, -1, at+"/type", v)
			case "id":
				return p.ident(&r.ID, -1, at+"/id", v)
			case "name":
				return p.str(&r.Name, -1, at+"/name", v)
			}
			return skipValue(p.b, v)
		})
		p.e.Actor.OnBehalfOf = append(p.e.Actor.OnBehalfOf, r)
		return end
	})
	p.e.spans[slotOnBehalfOf] = span{off: uint32(v), end: uint32(end)}
	return end
}

func (p *parser) resource(v int) int {
	r := &p.e.Resource
	return p.object("/resource", v, func(n text, v int) int {
		switch p.name(n) {
		case "type":
			return p.ident(&r.Type, -1, "/resource/type", v)
		case "id":
			return p.ident(&r.ID, slotResourceID, "/resource/id", v)
		case "name":
			return p.str(&r.Name, slotResourceName, "/resource/name", v)
		}
		return p.keep("resource.", n, v)
	})
}

func (p *parser) subject(v int) int {
	s := new(Ref)
	end := p.object("/subject", v, func(n text, v int) int {
		switch p.name(n) {
		case "type":
			return p.ident(&s.Type, slotSubjectType, "/subject/type", v)
		case "id":
			return p.ident(&s.ID, slotSubjectID, "/subject/id", v)
		case "name":
			return p.str(&s.Name, slotSubjectName, "/subject/name", v)
		}
		return p.keep("subject.", n, v)
	})
	if *s != (Ref{}) {
		p.e.Subject = s
	}
	return end
}

func (p *parser) changes(v int) int {
	if p.b[v] != '[' {
		return p.wrong("/changes", v, "This must be an array of objects with path, before and after.")
	}
	return array(p.b, v, func(i, v int) int {
		if i == MaxChanges {
			p.fail("/changes", "too_many", "An event has at most "+strconv.Itoa(MaxChanges)+" changes.")
		}
		if i >= MaxChanges {
			return skipValue(p.b, v)
		}
		return p.change(&changePath[i], i, v)
	})
}

func (p *parser) change(at *changePaths, i, v int) int {
	if p.b[v] != '{' {
		p.fail(at.whole, "type", "This must be an object with path, before and after.")
		return skipValue(p.b, v)
	}
	var c Change
	end := object(p.b, v, func(n text, v int) (end int) {
		switch p.name(n) {
		case "path":
			if end = p.ident(&c.Path, -1, at.path, v); p.b[v] == '"' {
				c.pathText = p.b[v:end:end]
			}
		case "op":
			end = p.ident(&c.Op, -1, at.op, v)
		case "before":
			end = skipValue(p.b, v)
			c.Before = p.b[v:end:end]
		case "after":
			end = skipValue(p.b, v)
			c.After = p.b[v:end:end]
		default:
			end = p.keep("changes."+strconv.Itoa(i)+".", n, v)
		}
		return end
	})
	p.e.Changes = append(p.e.Changes, c)
	return end
}

func (p *parser) context(v int) int {
	c := &p.e.Context
	return p.object("/context", v, func(n text, v int) int {
		switch p.name(n) {
		case "ip":
			return p.ident(&c.IP, slotIP, "/context/ip", v)
		case "forwarded_for":
			return p.strings(&c.ForwardedFor, slotForwardedFor, "/context/forwarded_for", v)
		case "user_agent":
			return p.str(&c.UserAgent, slotUserAgent, "/context/user_agent", v)
		case "device":
			return p.str(&c.Device, slotDevice, "/context/device", v)
		case "geo":
			end := skipValue(p.b, v)
			if !p.isNull(v) {
				c.Geo = p.b[v:end:end]
			}
			return end
		case "session_id":
			return p.ident(&c.SessionID, slotSessionID, "/context/session_id", v)
		case "request_id":
			return p.ident(&c.RequestID, slotRequestID, "/context/request_id", v)
		case "traceparent":
			return p.ident(&c.Traceparent, slotTraceparent, "/context/traceparent", v)
		}
		return p.keep("context.", n, v)
	})
}

func (p *parser) outcome(v int) int {
	o := &p.e.Outcome
	return p.object("/outcome", v, func(n text, v int) int {
		switch p.name(n) {
		case "status":
			return p.ident(&o.Status, -1, "/outcome/status", v)
		case "reason":
			return p.str(&o.Reason, slotOutcomeReason, "/outcome/reason", v)
		}
		return p.keep("outcome.", n, v)
	})
}

func (p *parser) producer(v int) int {
	pr := new(Producer)
	end := p.object("/producer", v, func(n text, v int) int {
		switch p.name(n) {
		case "id":
			return p.ident(&pr.ID, -1, "/producer/id", v)
		case "boot":
			return p.ident(&pr.Boot, -1, "/producer/boot", v)
		case "seq":
			return p.sequence(&pr.Seq, v)
		}
		return p.keep("producer.", n, v)
	})
	if p.b[v] == '{' {
		p.e.Producer = pr
	}
	return end
}

func (p *parser) sequence(dst *uint64, v int) int {
	end := skipValue(p.b, v)
	seq, err := strconv.ParseUint(p.s[v:end], 10, 64)
	if err != nil {
		p.fail("/producer/seq", "type", "This must be an integer from 0 to 18446744073709551615.")
	}
	*dst = seq
	return end
}

func (p *parser) custom(v int) int {
	return p.object("/custom", v, func(n text, v int) int {
		end := skipValue(p.b, v)
		p.e.Custom = append(p.e.Custom, Member{Name: p.name(n), Value: p.b[v:end:end]})
		return end
	})
}

func (p *parser) data(v int) int {
	p.inData = true
	if p.b[v] != '{' {
		end := skipValue(p.b, v)
		if !p.isNull(v) {
			p.e.Data = append(p.e.Data, Member{Name: "value", Value: jsontext.Value(p.b[v:end:end])})
		}
		return end
	}
	return object(p.b, v, func(n text, v int) int {
		end := skipValue(p.b, v)
		p.e.Data = append(p.e.Data, Member{Name: p.name(n), Value: p.b[v:end:end]})
		return end
	})
}
