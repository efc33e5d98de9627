package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"probity.dev/client"
	"probity.dev/cmd/probity/terminal"
	"probity.dev/internal/errs"
	"probity.dev/internal/evidence"
	"probity.dev/internal/tlog"
)

// readKeys reads verifier keys: the text itself, or a file that holds them, one a line.
func readKeys(arg string) (string, error) {
	if arg == "" {
		return "", nil
	}
	text := arg
	b, err := os.ReadFile(arg)
	if err == nil {
		text = string(b)
	} else if strings.Count(arg, "+") < 2 { // a key is name+hash+key
		return "", err
	}
	k, err := tlog.ParseKeys(text)
	if err == nil && k.Len() == 0 {
		err = errs.New(errs.Invalid, "%s holds no key", arg)
	}
	return text, err
}

// readKeyList is readKeys for several arguments.
func readKeyList(args []string) (string, error) {
	var all []string
	for _, a := range args {
		text, err := readKeys(a)
		if err != nil {
			return "", err
		}
		all = append(all, text)
	}
	return strings.Join(all, "\n"), nil
}

// checkedProof is a proof with what checking it has shown.
type checkedProof struct {
	proof    *client.Proof
	verified *client.Verified
	ownKey   bool
	signer   string
	// problems say what is wrong; none when the proof holds and the event that is shown is the one that is proven.
	problems []string
}

// prove fetches the proof of an event and checks it and the event against each other.
func prove(ctx context.Context, cl *client.Client, r *client.Record, keys string) (*checkedProof, error) {
	p, err := cl.Proof(ctx, r.Seq)
	if err != nil {
		return nil, err
	}
	out := &checkedProof{proof: p}
	if keys == "" {
		keys, out.ownKey = strings.Join(p.VKeys, "\n"), true
	}
	if out.verified, err = p.Verify(keys); err != nil {
		out.problems = append(out.problems, strings.TrimPrefix(err.Error(), "client: "))
		return out, nil
	}
	out.signer = signer(keys, out.verified.Origin)
	if p.Seq != r.Seq {
		out.problems = append(out.problems, fmt.Sprintf("the proof is about seq %d", p.Seq))
	}
	leaf, err := evidence.DecodeLeaf(p.Leaf)
	if err != nil {
		return nil, err // Verify has decoded it before
	}
	out.compareLeaf(leaf, r)
	out.compareValues(r)
	return out, nil
}

// signer names the key of a log, as people compare it.
func signer(keys, origin string) string {
	for line := range strings.SplitSeq(keys, "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, origin+"+") {
			if id, err := tlog.KeyID(line); err == nil {
				return id
			}
		}
	}
	return origin
}

// compareLeaf compares what the evidence holds in clear with what is shown.
func (p *checkedProof) compareLeaf(l *evidence.Leaf, r *client.Record) {
	for _, x := range []struct{ what, shown, logged string }{
		{"source", r.Source, l.Source},
		{"action", r.Action, l.Action},
		{"category", r.Category, l.Category},
		{"activity", r.Activity, l.Activity},
		{"outcome", r.Outcome.Status, l.Outcome},
		{"resource type", r.Resource.Type, l.ResourceType},
	} {
		if x.shown != x.logged {
			p.problems = append(p.problems, fmt.Sprintf("the %s that is shown is not the one in the log", x.what))
		}
	}
	if r.RecordedAt.UnixMicro() != l.RecordedAt || r.OccurredAt.UnixMicro() != l.OccurredAt {
		p.problems = append(p.problems, "the times that are shown are not those in the log")
	}
}

// compareValues compares every proven value with the one that is shown.
func (p *checkedProof) compareValues(r *client.Record) {
	for path, want := range p.verified.Fields {
		got, ok := at(r.Raw, path)
		if !ok || !bytes.Equal(got, want) {
			p.problems = append(p.problems, "the value that is shown at "+path+" is not the one in the log")
		}
	}
}

func (p *checkedProof) json() any {
	out := map[string]any{"ok": len(p.problems) == 0, "problems": append([]string{}, p.problems...), "own_key": p.ownKey}
	if v := p.verified; v != nil {
		out["origin"], out["tree_size"], out["leaf_index"], out["signer"] = v.Origin, v.Size, p.proof.LeafIndex, p.signer
		out["values_proven"], out["values_claimed"], out["values_hidden"], out["groups_withheld"], out["groups_erased"] = len(v.Fields), len(v.Claims), v.Hidden, v.Withheld, v.Erased
	}
	return out
}

func (p *checkedProof) print(s *terminal.Screen) {
	fmt.Fprintln(s)
	if len(p.problems) > 0 {
		fmt.Fprintln(s, s.Paint(terminal.Bad, "PROOF FAILED"))
		for _, x := range p.problems {
			fmt.Fprintf(s, "  %s\n", terminal.Clean(x))
		}
		return
	}
	v := p.verified
	fmt.Fprintln(s, s.Paint(terminal.Good, "Proven"))
	fmt.Fprintf(s, "  It is record %s of the %s in the log %s (%d hashes).\n", terminal.Count(p.proof.LeafIndex), terminal.Count(v.Size), v.Origin, len(p.proof.Inclusion))
	if p.ownKey {
		fmt.Fprintf(s, "  The log's state is signed by %s: the log's own word, since no --key was given.\n", p.signer)
	} else {
		fmt.Fprintf(s, "  The log's state is signed by %s, the key you gave.\n", p.signer)
	}
	fmt.Fprintf(s, "  %s as recorded", terminal.Plural(len(v.Fields), "value is", "values are"))
	if n := len(v.Claims); n > 0 {
		fmt.Fprintf(s, "; %s the operator's word, because masked", terminal.Plural(n, "value is", "values are"))
	}
	if n := v.Withheld + v.Hidden; n > 0 {
		fmt.Fprintf(s, "; others are withheld from you")
	}
	if v.Erased > 0 {
		fmt.Fprintf(s, "; others are erased")
	}
	fmt.Fprintln(s, ".")
}

// member is a member of a JSON object with its value as plain text.
type member struct{ name, text string }

// members lists the members of an object within an object, in their order.
func members(raw []byte, name string) []member {
	v, ok := at(raw, "/"+pointerPart(name))
	if !ok || len(v) == 0 || v[0] != '{' {
		return nil
	}
	var out []member
	d := jsontext.NewDecoder(bytes.NewReader(v))
	if _, err := d.ReadToken(); err != nil {
		return nil
	}
	for d.PeekKind() == '"' {
		t, err := d.ReadToken()
		if err != nil {
			return out
		}
		key := t.String()
		v, err := d.ReadValue()
		if err != nil {
			return out
		}
		out = append(out, member{key, plain(v)})
	}
	return out
}

// at returns the JSON text at a pointer (RFC 6901), byte for byte.
func at(raw json.RawMessage, pointer string) (json.RawMessage, bool) {
	for part := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch {
		case len(raw) > 0 && raw[0] == '{':
			var o map[string]json.RawMessage
			if json.Unmarshal(raw, &o) != nil {
				return nil, false
			}
			v, ok := o[part]
			if !ok {
				return nil, false
			}
			raw = v
		case len(raw) > 0 && raw[0] == '[':
			var list []json.RawMessage
			var i int
			if json.Unmarshal(raw, &list) != nil || json.Unmarshal([]byte(part), &i) != nil || i < 0 || i >= len(list) {
				return nil, false
			}
			raw = list[i]
		default:
			return nil, false
		}
	}
	return raw, true
}

// pointerPart escapes a name for a pointer.
func pointerPart(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
}

// unquote returns the content of a JSON string.
func unquote(s string) (string, error) {
	var out string
	err := json.Unmarshal([]byte(s), &out)
	return out, err
}
