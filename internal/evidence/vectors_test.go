package evidence

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"probity.dev/internal/tlog"
)

// The vectors are read by other implementations, so they are written from inputs to outputs and say what each value is.

var update = flag.Bool("update", false, "write ledger/testdata/vectors.json anew")

const vectorFile = "../../ledger/testdata/vectors.json"

type vectors struct {
	Note        string            `json:"note"`
	Leaves      []leafVector      `json:"leaves"`
	Trees       []treeVector      `json:"field_trees"`
	Secrets     secretVector      `json:"secrets"`
	Disclosures []disclosedVector `json:"disclosures"`
	Log         logVector         `json:"log"`
}

type leafVector struct {
	Leaf     map[string]any `json:"leaf"`
	CBOR     string         `json:"cbor_hex"`
	LeafHash string         `json:"leaf_hash_hex"`
	Period   int            `json:"period"`
}

type treeVector struct {
	About      string        `json:"about"`
	Groups     []groupVector `json:"groups"`
	FieldsRoot string        `json:"fields_root_hex"`
}

type groupVector struct {
	Slot   uint8         `json:"slot"`
	Fields []fieldVector `json:"fields"`
	Root   string        `json:"root_hex"`
}

type fieldVector struct {
	Path       string `json:"path"`
	Value      string `json:"value"`
	Salt       string `json:"salt_hex"`
	Commitment string `json:"commitment_hex"`
}

type secretVector struct {
	Period  string           `json:"s_period_hex"`
	Persons []string         `json:"s_person_hex_by_handle_order"`
	LogID   string           `json:"log_id"`
	Nonce   string           `json:"nonce_hex"`
	Groups  []keyVector      `json:"groups"`
	Tags    []map[string]any `json:"tags"`
}

type keyVector struct {
	Slot       uint8             `json:"slot"`
	Owners     []int             `json:"owners"`
	G          string            `json:"g_hex"`
	Enc        string            `json:"k_enc_hex"`
	Event      string            `json:"k_event_hex"`
	Salts      map[string]string `json:"salts_hex"`
	AAD        string            `json:"aad_hex"`
	Plaintext  string            `json:"plaintext"`
	Ciphertext string            `json:"ciphertext_hex"`
}

type disclosedVector struct {
	About      string          `json:"about"`
	Nonce      string          `json:"nonce_hex"`
	FieldsRoot string          `json:"fields_root_hex"`
	Disclosure json.RawMessage `json:"disclosure"`
	Valid      bool            `json:"valid"`
	Proven     []fieldVector   `json:"proven,omitempty"`
}

type logVector struct {
	LeafRule    string            `json:"leaf_rule"`
	Roots       map[string]string `json:"root_hex_by_size"`
	Origin      string            `json:"origin"`
	Seed        string            `json:"ed25519_seed_hex"`
	VKey        string            `json:"vkey"`
	Checkpoint  string            `json:"checkpoint_of_size_257"`
	Promise     string            `json:"promise_for_leaves_100_to_106"`
	TlogProof   string            `json:"tlog_proof_of_leaf_99_at_size_257"`
	Consistency []B64             `json:"consistency_proof_from_100_to_257"`
	RangeLeft   []B64             `json:"range_proof_of_leaves_100_to_199_at_257_left"`
	RangeRight  []B64             `json:"range_proof_of_leaves_100_to_199_at_257_right"`
}

func x(b []byte) string  { return hex.EncodeToString(b) }
func xh(h Hash) string   { return hex.EncodeToString(h[:]) }
func vecNonce() [16]byte { return [16]byte([]byte("nonce 0123456789")) }

func leafVectors() []leafVector {
	full := Leaf{
		Nonce: vecNonce(), RecordedAt: 1_761_955_199_999_999, OccurredAt: 1_761_955_199_000_000, Source: "booking.api", Action: "invoice.update",
		Category: "data", Activity: "update", Outcome: "success", ResourceType: "invoice", Producer: &Producer{ID: "node-1", Boot: "b7", Seq: 4_294_967_296},
		FieldsRoot: fill(0xfe), Tags: [3][16]byte{{1}, {2}, {3}}, Class: 2,
	}
	least := Leaf{RecordedAt: 1 << 32, OccurredAt: -1, Source: "a", Action: "a.b", Category: "other", Activity: "other", Outcome: "denied"}
	boot := least
	boot.OccurredAt, boot.Producer = -62135596800000000, &Producer{ID: "p", Seq: 23}
	var out []leafVector
	for _, l := range []Leaf{full, least, boot} {
		m := map[string]any{
			"nonce_hex": x(l.Nonce[:]), "recorded_at": l.RecordedAt, "occurred_at": l.OccurredAt, "source": l.Source, "action": l.Action,
			"category": l.Category, "activity": l.Activity, "outcome": l.Outcome, "fields_root_hex": xh(l.FieldsRoot),
			"tags_hex": []string{x(l.Tags[0][:]), x(l.Tags[1][:]), x(l.Tags[2][:])},
		}
		if l.ResourceType != "" {
			m["resource_type"] = l.ResourceType
		}
		if p := l.Producer; p != nil {
			m["producer"] = []any{p.ID, p.Boot, p.Seq}
		}
		if l.Class != 0 {
			m["retention_class"] = l.Class
		}
		b := l.Append(nil)
		out = append(out, leafVector{Leaf: m, CBOR: x(b), LeafHash: xh(LeafHash(b)), Period: Period(l.RecordedAt)})
	}
	return out
}

func treeVectors() []treeVector {
	all := []Field{
		{Path: "/actor/id", Value: `"u1"`},
		{Path: "/actor/name", Value: `"Ana"`},
		{Path: "/changes/0/after", Value: `null`},
		{Path: "/changes/0/before", Value: `""`},
		{Path: "/data/n", Value: `0`},
		{Path: "/data/o", Value: `{"a":[1,2.50,"é"]}`},
		{Path: "/severity", Value: `"info"`},
	}
	var out []treeVector
	for n := 0; n <= 4; n++ { // n groups, group i of 2i+1 fields
		v := treeVector{About: "salt of field j in group i: byte 16*i+j+1 repeated 32 times", Groups: []groupVector{}}
		var roots []Hash
		for i := range n {
			g := groupVector{Slot: uint8(i)}
			var c []Hash
			for j := range 2*i + 1 {
				salt := fill(byte(16*i + j + 1))
				h := Commit(salt, all[j].Path, []byte(all[j].Value))
				c = append(c, h)
				g.Fields = append(g.Fields, fieldVector{Path: all[j].Path, Value: all[j].Value, Salt: xh(salt), Commitment: xh(h)})
			}
			r := GroupRoot(g.Slot, c)
			g.Root = xh(r)
			roots = append(roots, r)
			v.Groups = append(v.Groups, g)
		}
		v.FieldsRoot = xh(FieldsRoot(roots))
		out = append(out, v)
	}
	return out
}

func secretVectors(t *testing.T) secretVector {
	period, persons, nonce := fill(0x11), []Hash{fill(0x21), fill(0x22)}, vecNonce()
	v := secretVector{Period: xh(period), LogID: "0123456789abcdef", Nonce: x(nonce[:])}
	for _, p := range persons {
		v.Persons = append(v.Persons, xh(p))
	}
	var d Deriver
	for slot, owners := range [][]int{{}, {0}, {0, 1}} {
		var s []Hash
		for _, o := range owners {
			s = append(s, persons[o])
		}
		k := DeriveGroup(period, s...)
		e := d.EventKey(k.G, nonce, uint8(slot))
		enc := k.Enc()
		aad := AAD(nil, v.LogID, nonce, uint8(slot))
		block, err := aes.NewCipher(enc[:])
		if err != nil {
			t.Fatal(err)
		}
		gcm, err := cipher.NewGCM(block)
		if err != nil {
			t.Fatal(err)
		}
		salts := map[string]string{}
		for _, p := range []string{"/actor/id", "/data/a"} {
			salts[p] = xh(d.Salt(e, p))
		}
		v.Groups = append(v.Groups, keyVector{
			Slot: uint8(slot), Owners: owners, G: xh(k.G), Enc: xh(enc), Event: xh(e), Salts: salts, AAD: x(aad),
			Plaintext: "values", Ciphertext: x(gcm.Seal(nil, nonce[:12], []byte("values"), aad)),
		})
	}
	person, thing := PersonTagKey(period, persons[0]), d.ResourceTagKey(ResourceTags(period), "invoice", "42")
	for role := range uint8(3) {
		tp, tr := d.Tag(person, nonce, role), d.Tag(thing, nonce, role)
		v.Tags = append(v.Tags, map[string]any{
			"role": role, "k_tag_person_0_hex": xh(person), "tag_person_0_hex": x(tp[:]),
			"k_tag_resource_invoice_42_hex": xh(thing), "tag_resource_hex": x(tr[:]),
		})
	}
	return v
}

func disclosureVectors(t *testing.T) []disclosedVector {
	e := sampleEvent()
	whole := &Disclosure{Groups: []Group{WholeGroup(0, e.keys[0], e.groups[0]), WholeGroup(1, e.keys[1], e.groups[1]), WholeGroup(2, e.keys[2], e.groups[2])}}
	closed := &Disclosure{Groups: []Group{ClosedGroup(0, StateWithheld, 2, e.roots[0]), ClosedGroup(1, StateWithheld, 3, e.roots[1]), ClosedGroup(2, StateErased, 0, e.roots[2])}}
	other := e.disclosure()
	other.Groups[1].Fields[1].Value = `"u2"`
	var out []disclosedVector
	for _, c := range []struct {
		about string
		d     *Disclosure
	}{
		{"everything opened by group keys", whole},
		{"nothing opened", closed},
		{"group 0 by its key, one field of group 1 by its salt, group 2 erased, one claim", e.disclosure()},
		{"as before, with another value", other},
	} {
		v := disclosedVector{About: c.about, Nonce: x(e.leaf.Nonce[:]), FieldsRoot: xh(e.leaf.FieldsRoot), Disclosure: json.RawMessage(mustJSON(t, c.d))}
		if r, err := c.d.Check(&e.leaf); err == nil {
			v.Valid = true
			for _, f := range r.Fields {
				v.Proven = append(v.Proven, fieldVector{Path: f.Path, Value: f.Value})
			}
		}
		out = append(out, v)
	}
	return out
}

func vectorLeaf(i int) []byte { return binary.BigEndian.AppendUint64([]byte("leaf "), uint64(i)) }

func logVectors(t *testing.T) logVector {
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx := context.Background()
	v := logVector{
		LeafRule: `leaf i is the text "leaf " followed by i as 8 bytes big-endian`, Roots: map[string]string{},
		Origin: "probity.example/0123456789abcdef/1", Seed: x(bytes.Repeat([]byte{0x42}, 32)),
	}
	tree, tiles := tlog.NewTree(), tlog.MemoryTiles{}
	var leaves []Hash
	for _, n := range []int{0, 1, 2, 3, 255, 256, 257, 65535, 65536, 65537, 70000} {
		var more []Hash
		for i := len(leaves); i < n; i++ {
			more = append(more, LeafHash(vectorLeaf(i)))
		}
		leaves = append(leaves, more...)
		tiles.Put(tree.Append(more))
		v.Roots[json.Number(itoa(n)).String()] = xh(tree.Root())
		if n != 257 {
			continue
		}
		skey, vkey, err := tlog.KeyFromSeed(v.Origin, bytes.Repeat([]byte{0x42}, 32))
		must(err)
		s, err := tlog.NewSigner(skey)
		must(err)
		tr := tree.Edge().Reader(tiles)
		cp, err := tlog.Sign(v.Origin, 257, tree.Root(), s)
		must(err)
		p, err := (&tlog.Promise{Origin: v.Origin, First: 100, Count: 7, Root: tlog.MTH(leaves[100:107]), RecordedAt: 1_761_955_199_999_999}).Sign(s)
		must(err)
		path, err := tlog.Inclusion(ctx, tr, 99, 257)
		must(err)
		cons, err := tlog.Consistency(ctx, tr, 100, 257)
		must(err)
		r, err := tlog.ProveRange(ctx, tr, 100, 100, 257)
		must(err)
		v.VKey, v.Checkpoint, v.Promise = vkey, string(cp), string(p)
		v.TlogProof = string((&tlog.Proof{Index: 99, Path: path, Checkpoint: cp}).Marshal())
		v.Consistency, v.RangeLeft, v.RangeRight = b64s(cons), b64s(r.Left), b64s(r.Right)
	}
	return v
}

func b64s(h []Hash) []B64 {
	out := []B64{}
	for _, x := range h {
		out = append(out, B64(x))
	}
	return out
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestVectors(t *testing.T) {
	v := vectors{
		Note: "Test vectors of ledger/DESIGN.md. Made by go test ./internal/evidence -run TestVectors -update.", Leaves: leafVectors(), Trees: treeVectors(),
		Secrets: secretVectors(t), Disclosures: disclosureVectors(t), Log: logVectors(t),
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll("../../ledger/testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(vectorFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, b.Bytes()) {
		t.Errorf("the formats no longer give the vectors in %s: logs written before would not verify", vectorFile)
	}
}

// TestVectorsFromTheirFile checks the file the way another implementation would: from its inputs alone.
func TestVectorsFromTheirFile(t *testing.T) {
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vectors
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	for _, l := range v.Leaves {
		raw, _ := hex.DecodeString(l.CBOR)
		leaf, err := DecodeLeaf(raw)
		if err != nil || leaf.Action != l.Leaf["action"] || xh(LeafHash(raw)) != l.LeafHash {
			t.Errorf("leaf %s: %v", l.CBOR, err)
		}
	}
	for i, d := range v.Disclosures {
		var in Disclosure
		if err := json.Unmarshal(d.Disclosure, &in); err != nil {
			t.Fatal(err)
		}
		nonce, _ := hex.DecodeString(d.Nonce)
		root, _ := hex.DecodeString(d.FieldsRoot)
		r, err := in.Check(&Leaf{Nonce: [16]byte(nonce), FieldsRoot: Hash(root)})
		if (err == nil) != d.Valid || err == nil && len(r.Fields) != len(d.Proven) {
			t.Errorf("disclosure %d (%s): %v", i, d.About, err)
		}
	}
	keys, err := tlog.ParseKeys(v.Log.VKey)
	if err != nil {
		t.Fatal(err)
	}
	p, err := tlog.ParseProof([]byte(v.Log.TlogProof))
	if err != nil {
		t.Fatal(err)
	}
	if cp, err := p.Verify(LeafHash(vectorLeaf(99)), keys); err != nil || xh(cp.Root) != v.Log.Roots["257"] {
		t.Errorf("tlog-proof: %v", err)
	}
	if _, err := tlog.OpenPromise([]byte(v.Log.Promise), keys); err != nil {
		t.Error(err)
	}
}
