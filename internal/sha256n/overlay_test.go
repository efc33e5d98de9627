package sha256n

import (
	"bytes"
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"
)

// TestOverlayHashesTextsUnderBlocks compares messages put together of texts of every length around the block boundaries and of blocks that fill their gaps with the standard library's hashes of them.
func TestOverlayHashesTextsUnderBlocks(t *testing.T) {
	const gap = 20 // bytes 1 to 21 of each text
	everyPath(t, func(t *testing.T) {
		var o Overlay
		rapid.Check(t, func(t *rapid.T) {
			if rapid.Bool().Draw(t, "forget") {
				o.Forget()
			}
			o.Reset()
			texts := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1+gap, 260), 1, 6).Draw(t, "texts")
			if rapid.Bool().Draw(t, "long") {
				texts = append(texts, bytes.Repeat([]byte{7}, rapid.IntRange(64*longest-80, 64*longest+80).Draw(t, "length")))
			}
			at := make([]int, len(texts))
			size := o.Size()
			for i, text := range texts {
				clear(text[1 : 1+gap])
				at[i] = o.Text(text)
				size += Blocks(len(text)) * BlockSize
			}
			if o.Size() != size {
				t.Fatalf("the texts take %d bytes, not %d", o.Size(), size)
			}
			over := make([]byte, 3*BlockSize)
			for i := range 3 {
				copy(over[i*BlockSize+1:], rapid.SliceOfN(rapid.Byte(), gap, gap).Draw(t, "block"))
			}
			type pair struct{ text, over int }
			pairs := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pair {
				return pair{rapid.IntRange(0, len(texts)-1).Draw(t, "text"), rapid.IntRange(0, 2).Draw(t, "over")}
			}), 0, 80).Draw(t, "messages")
			for i, p := range pairs {
				o.Add(at[p.text], Blocks(len(texts[p.text])), p.over*BlockSize, 33*(len(pairs)-1-i))
			}
			got := bytes.Repeat([]byte{0xee}, 33*len(pairs))
			o.Hash(got, over)
			for i, p := range pairs {
				m := bytes.Clone(texts[p.text])
				copy(m[1:1+gap], over[p.over*BlockSize+1:])
				place := got[33*(len(pairs)-1-i):]
				if sum := sha256.Sum256(m); !bytes.Equal(place[:32], sum[:]) || place[32] != 0xee {
					t.Fatalf("message %d of %d bytes", i, len(m))
				}
			}
		})
	})
}
