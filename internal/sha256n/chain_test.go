package sha256n

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"
)

// TestChainPutsHashesWhereTheyBelong compares chains of messages of every length around the block boundaries, added in every way, with the standard library.
func TestChainPutsHashesWhereTheyBelong(t *testing.T) {
	everyPath(t, func(t *testing.T) {
		var c Chain
		rapid.Check(t, func(t *rapid.T) {
			msgs := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 260), 0, 80).Draw(t, "messages")
			if rapid.Bool().Draw(t, "long") {
				msgs = append(msgs, bytes.Repeat([]byte{7}, rapid.IntRange(64*longest-80, 64*longest+80).Draw(t, "length")))
			}
			c.Reset()
			for i, m := range msgs {
				to := 33 * (len(msgs) - 1 - i)
				if rapid.Bool().Draw(t, "whole") {
					_, place := c.Message(len(m), to)
					copy(place, m)
				} else {
					var head [BlockSize]byte
					n := copy(head[:], m[:rapid.IntRange(0, min(len(m), BlockSize)).Draw(t, "head")])
					at, place := c.Begun(&head, len(m), to)
					if copy(place[n:], m[n:]); !bytes.Equal(c.Bytes()[at:at+len(m)], m) {
						t.Fatal("the message lies elsewhere")
					}
				}
			}
			got := bytes.Repeat([]byte{0xee}, 33*len(msgs))
			c.Hash(got)
			for i, m := range msgs {
				place := got[33*(len(msgs)-1-i):]
				if sum := sha256.Sum256(m); !bytes.Equal(place[:32], sum[:]) || place[32] != 0xee {
					t.Fatalf("message %d of %d bytes", i, len(m))
				}
			}
		})
	})
}
