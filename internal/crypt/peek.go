package crypt

import (
	"crypto/aes"
	"crypto/subtle"
	"encoding/binary"
	"slices"
)

// Peek appends what a sealed text decrypts to, WITHOUT looking at its tag: what comes out may be anything that somebody wrote there. It is for deciding which of many texts are worth
// opening; whoever shows or relies on one opens it properly.
//
// GCM encrypts with the blocks IV ‖ u32(2), IV ‖ u32(3), … (NIST SP 800-38D §7.1).
func (s *Sealer) Peek(dst, sealed []byte) ([]byte, error) {
	k := s.t.keyOf(sealed)
	if k == nil {
		return nil, errSealed
	}
	iv, text := sealed[prefixSize:prefixSize+ivSize], sealed[prefixSize+ivSize:len(sealed)-tagSize]
	// The key stream is written to where the text goes, some bytes further than the text.
	from, n := len(dst), (len(text)+aes.BlockSize-1)/aes.BlockSize
	dst = slices.Grow(dst, n*aes.BlockSize)[:from+n*aes.BlockSize]
	for i := range n {
		b := dst[from+i*aes.BlockSize : from+(i+1)*aes.BlockSize]
		copy(b, iv)
		binary.BigEndian.PutUint32(b[ivSize:], uint32(i)+2)
		k.block.Encrypt(b, b)
	}
	dst = dst[:from+len(text)]
	subtle.XORBytes(dst[from:], dst[from:], text)
	return dst, nil
}
