package evidencetest

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"time"

	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// Start is recorded_at of event 0, in microseconds since 1970 UTC; Step lies between one event and the next.
const (
	Start = int64(1_767_225_600_000_000) // 2026-01-01
	Step  = int64(600_000_000)           // ten minutes
)

// Event is event number I of the sample log, whose seq it is too.
type Event struct {
	I      int
	Leaf   evidence.Leaf
	Bytes  []byte
	Hash   evidence.Hash
	Groups [][]evidence.Field // by slot
	G      []evidence.Hash    // by slot
	Keys   []evidence.Hash    // K_event by slot
	Roots  []evidence.Hash    // by slot
}

// Secret is a secret that follows from its name.
func Secret(name string) evidence.Hash { return sha256.Sum256([]byte("secret of " + name)) }

// Period is S_period of a month.
func Period(p int) evidence.Hash { return Secret(fmt.Sprint("period ", p)) }

// Actor is who event i is by.
func Actor(i int) string { return fmt.Sprintf("u%d", i%7) }

// Subject is whom event i is about.
func Subject(i int) string { return fmt.Sprintf("p%d", i%11) }

// Resource is the invoice of event i.
func Resource(i int) string { return fmt.Sprintf("%d", i%13) }

// PersonTag is the K_tag of a person in a month.
func PersonTag(name string, period int) evidence.Hash {
	return evidence.PersonTagKey(Period(period), Secret(name))
}

// ResourceTag is the K_tag of an invoice in a month.
func ResourceTag(id string, period int) evidence.Hash {
	return new(evidence.Deriver).ResourceTagKey(evidence.ResourceTags(Period(period)), "invoice", id)
}

var made struct {
	sync.Mutex
	events []*Event
}

// Make returns event i. It is made once and shared: nobody may change it.
func Make(i int) *Event {
	made.Lock()
	defer made.Unlock()
	for n := len(made.events); n <= i; n++ {
		made.events = append(made.events, newEvent(n))
	}
	return made.events[i]
}

func newEvent(i int) *Event {
	e := &Event{I: i}
	nonce := sha256.Sum256([]byte(fmt.Sprint("nonce ", i)))
	actions := [...]string{"invoice.update", "invoice.read", "patient.read", "user.login"}
	outcomes := [...]string{"success", "success", "denied"}
	e.Leaf = evidence.Leaf{
		Nonce: [16]byte(nonce[:16]), RecordedAt: Start + int64(i)*Step, OccurredAt: Start + int64(i)*Step - 1500, Source: "booking.api",
		Action: actions[i%4], Category: "data", Activity: strings.Split(actions[i%4], ".")[1], Outcome: outcomes[i%3], ResourceType: "invoice",
	}
	if i%5 == 0 {
		e.Leaf.Producer = &evidence.Producer{ID: "node-1", Boot: "b1", Seq: uint64(i)}
	}
	if i%6 == 0 {
		e.Leaf.Class = 1
	}
	e.Groups = [][]evidence.Field{
		{
			{Path: "/changes/0/after", Value: fmt.Sprint(i, ".50")},
			{Path: "/changes/0/before", Value: "null"},
			{Path: "/changes/0/path", Value: `"/price"`},
			{Path: "/data/a/b", Value: `{"x":[1,2]}`},
			{Path: "/id", Value: fmt.Sprintf(`"e-%d"`, i)},
			{Path: "/resource/id", Value: `"` + Resource(i) + `"`},
			{Path: "/severity", Value: `"info"`},
		},
		{{Path: "/actor/email", Value: `"` + Actor(i) + `@example.com"`}, {Path: "/actor/id", Value: `"` + Actor(i) + `"`}, {Path: "/actor/name", Value: `"\u00c4nne \"` + Actor(i) + `\""`}},
		{{Path: "/subject/id", Value: `"` + Subject(i) + `"`}, {Path: "/subject/type", Value: `"patient"`}},
	}
	e.seal()
	return e
}

// seal derives keys, roots and tags and encodes the leaf.
func (e *Event) seal() {
	var d evidence.Deriver
	period := evidence.Period(e.Leaf.RecordedAt)
	owners := [][]evidence.Hash{nil, {Secret(Actor(e.I))}, {Secret(Subject(e.I))}}
	for slot, fields := range e.Groups {
		g := evidence.DeriveGroup(Period(period), owners[slot]...).G
		key := d.EventKey(g, e.Leaf.Nonce, uint8(slot))
		var c []evidence.Hash
		for _, f := range fields {
			c = append(c, evidence.Commit(d.Salt(key, f.Path), f.Path, []byte(f.Value)))
		}
		e.G, e.Keys = append(e.G, g), append(e.Keys, key)
		e.Roots = append(e.Roots, evidence.GroupRoot(uint8(slot), c))
	}
	e.Leaf.FieldsRoot = evidence.FieldsRoot(e.Roots)
	e.Leaf.Tags = [3][16]byte{
		d.Tag(PersonTag(Actor(e.I), period), e.Leaf.Nonce, evidence.RoleActor),
		d.Tag(PersonTag(Subject(e.I), period), e.Leaf.Nonce, evidence.RoleSubject), d.Tag(ResourceTag(Resource(e.I), period), e.Leaf.Nonce, evidence.RoleResource),
	}
	e.Bytes = e.Leaf.Append(nil)
	e.Hash = evidence.LeafHash(e.Bytes)
}

// Whole discloses everything.
func (e *Event) Whole() *evidence.Disclosure {
	d := &evidence.Disclosure{}
	for slot, fields := range e.Groups {
		d.Groups = append(d.Groups, evidence.WholeGroup(uint8(slot), e.Keys[slot], fields))
	}
	return d
}

// Keyed is the event as somebody with the keys has it. The result may be changed.
func (e *Event) Keyed() (out []evidence.KeyedGroup) {
	for slot, fields := range e.Groups {
		g := evidence.KeyedGroup{Slot: uint8(slot), G: &e.G[slot]}
		var paths []string
		for _, f := range fields {
			paths, g.Values = append(paths, f.Path), append(g.Values, f.Value)
		}
		g.Paths = Paths(paths...)
		out = append(out, g)
	}
	return out
}

var paths sync.Map // by their texts

// Paths returns the same paths for the same texts, which must be in order.
func Paths(texts ...string) *evidence.Paths {
	key := strings.Join(texts, "\x00")
	if p, ok := paths.Load(key); ok {
		return p.(*evidence.Paths) //nolint:forcetypeassert // nothing else is stored
	}
	p, err := evidence.NewPaths(texts...)
	if err != nil {
		panic(err)
	}
	paths.Store(key, p)
	return p
}

// Masked discloses the actor's id but not the address (masked) or the name (withheld), and nothing of the subject.
func (e *Event) Masked() *evidence.Disclosure {
	var d evidence.Deriver
	return &evidence.Disclosure{Groups: []evidence.Group{
		evidence.WholeGroup(0, e.Keys[0], e.Groups[0]),
		evidence.PartGroup(&d, 1, e.Keys[1], e.Groups[1], func(p string) bool { return p == "/actor/id" }),
		evidence.ClosedGroup(2, evidence.StateErased, 2, e.Roots[2]),
	}, Claims: []evidence.Claim{{Path: "/actor/email", Value: `"u***@example.com"`}}}
}

// View is the readable form, masked or not.
func (e *Event) View(masked bool) []byte {
	email, name, subject, states := e.Groups[1][0].Value, e.Groups[1][2].Value, `{"type":"patient","id":"`+Subject(e.I)+`","handle":77}`, `{}`
	if masked {
		email, name, subject = `"u***@example.com"`, "null", `{"type":null,"id":null}`
		states = `{"/actor/email":"masked","/actor/name":"withheld","/subject/id":"erased","/subject/type":"erased"}`
	}
	t := func(micros int64) string { return time.UnixMicro(micros).UTC().Format("2006-01-02T15:04:05.000000Z") }
	return fmt.Appendf(nil, `{"seq":%d,"recorded_at":"%s","id":"e-%d","source":"booking.api","action":"%s","category":"data","activity":"%s","occurred_at":"%s","severity":"info",`+
		`"outcome":{"status":"%s"},"actor":{"id":"%s","name":%s,"email":%s,"handle":5},"resource":{"type":"invoice","id":"%s"},"subject":%s,`+
		`"changes":[{"path":"/price","op":"replace","before":null,"after":%d.50}],"context":{},"custom":{},"data":{"a":{"b":{"x":[1,2]}}},"sentence":"Somebody did something","fields_state":%s,"leaf_hash":"%s"}`,
		e.I, t(e.Leaf.RecordedAt), e.I, e.Leaf.Action, e.Leaf.Activity, t(e.Leaf.OccurredAt), e.Leaf.Outcome, Actor(e.I), name, email, Resource(e.I), subject, e.I, states, base64.StdEncoding.EncodeToString(e.Hash[:]))
}

// Log is a sample log held in memory.
type Log struct {
	Origin string
	Events []*Event
	Tree   *tlog.Tree
	Tiles  tlog.MemoryTiles
	Signer tlog.Signer
	VKey   string
}

// NewLog makes a log of n events, signed by a key that follows from the origin.
func NewLog(origin string, n int) (*Log, error) {
	seed := sha256.Sum256([]byte(origin))
	skey, vkey, err := tlog.KeyFromSeed(origin, seed[:])
	if err != nil {
		return nil, err
	}
	l := &Log{Origin: origin, VKey: vkey, Tree: tlog.NewTree(), Tiles: tlog.MemoryTiles{}}
	if l.Signer, err = tlog.NewSigner(skey); err != nil {
		return nil, err
	}
	for i := range n {
		l.Add(Make(i))
	}
	return l, nil
}

// Add appends an event.
func (l *Log) Add(e *Event) {
	l.Events = append(l.Events, e)
	l.Tiles.Put(l.Tree.Append([]tlog.Hash{e.Hash}))
}

// Checkpoint signs the log as it is.
func (l *Log) Checkpoint() []byte {
	b, err := tlog.Sign(l.Origin, l.Tree.Size(), l.Tree.Root(), l.Signer)
	if err != nil {
		panic(err) // the key is the log's own
	}
	return b
}

// Reader reads every tile.
func (l *Log) Reader() tlog.TileReader { return l.Tree.Edge().Reader(l.Tiles) }
