package bundle

import (
	"fmt"
	"strings"
	"time"
)

// describe works out what a verifier will be able to say about completeness.
func describe(m *Manifest) Completeness {
	c := Completeness{Kind: Claimed, Claimed: claims(m.Filter)}
	if m.Proof == ModeInclusion {
		c.Scope = "Each event is proven to be in the log. That no other event matches the filter is the sender's word."
		c.Claimed = append(c.Claimed, "that no matching event is missing")
		return c
	}
	var b strings.Builder
	fmt.Fprintf(&b, "The leaves with seq %d to %d are all here and are those of the log.", m.Range.First, m.Range.First+m.Range.Count-1)
	if m.Range.Count == 0 {
		b.Reset()
		b.WriteString("The range is empty.")
	}
	for _, f := range m.Filter {
		if f.Kind == KindTime && f.Field == "recorded_at" {
			fmt.Fprintf(&b, " The range covers everything recorded%s%s: recorded_at never decreases, and the leaves beyond both ends are here.",
				bound(" from ", f.From), bound(" until before ", f.To))
		}
	}
	if len(c.Claimed) == 0 {
		c.Kind = Proven
		b.WriteString(" Every leaf of the range that matches the filter has its event in this bundle.")
	} else {
		b.WriteString(" The filter has conditions that leaves cannot show; that no event that meets them is missing is the sender's word.")
	}
	c.Scope = b.String()
	return c
}

func bound(word string, micros *int64) string {
	if micros == nil {
		return ""
	}
	return word + time.UnixMicro(*micros).UTC().Format("2006-01-02T15:04:05.999999Z")
}

const readme = `This is an audit bundle (format probity/bundle/v1).

To check it, without network and without trusting whoever sent it:

    probity verify FILE.zip --key 'VERIFIER KEY'

Get the verifier key from the organisation by another way than this file. keys.txt holds it too, for convenience; a check that takes the key
from the bundle itself shows that nothing was damaged, not who made it.

What is in it
  events/         the events as people read them, one JSON object a line
  disclosures/    what proves each value in them
  leaves/         the log's evidence for every event of the range, matching or not: times, kind of action and hashes, no personal data
  proofs/         instead of leaves/: the evidence of each event alone, with its inclusion proof
  range-proof.json, checkpoint   tie the leaves to the log head that the organisation signed
  tags.json       keys that find every event about the person or thing asked for
  manifest.json, manifest.sig    the list of files with their SHA-256, the filter, the statement of completeness, and its signature

What is proven: that each event is in the log at its place and time, each value shown that is not marked as masked, and, where manifest.json says
"proven", that no matching event of the range is missing. What is the sender's word: values marked "masked" in fields_state, handles, the sentence
(a rendering of the other values), the number of fields in a closed group, and everything under completeness.claimed.
The format is specified in ledger/DESIGN.md of the software that made this file.
`
