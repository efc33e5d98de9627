package aesgcm

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"slices"
)

// Sizes in bytes.
const (
	KeySize   = 32
	NonceSize = 12
	Overhead  = 16 // the tag
)

const (
	blockSize = 16
	rounds    = 14
	// maxShort is how long text and additional data may be together. From here on, the library's table of powers pays off.
	maxShort = 1024
	// wide is how many blocks are encrypted together.
	wide = 4
)

// schedule is an expanded key.
type schedule [rounds + 1][blockSize]byte

var errOpen = errors.New("aesgcm: message authentication failed")

// Sealer is the memory in which texts are sealed and opened. The zero value is ready. It is not safe for concurrent use.
type Sealer struct {
	keys schedule
	// stream holds the blocks to be encrypted, and then what they become: the hash key, the mask of the tag, and the key stream.
	stream [(maxShort/blockSize + 2 + wide) * blockSize]byte
	// input is what is hashed: additional data and ciphertext, each padded to whole blocks, and their lengths.
	input [maxShort + 3*blockSize]byte
}

// Seal appends the ciphertext of plain and its tag to dst, whose memory must not overlap that of plain. A nonce MUST NOT be used twice under one key.
func (s *Sealer) Seal(dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, plain, aad []byte) []byte {
	if !accelerated || len(plain)+len(aad) > maxShort {
		return sealLong(dst, *key, *nonce, plain, aad)
	}
	stream := s.begin(key, nonce, len(plain))
	n := len(dst)
	dst = slices.Grow(dst, len(plain)+Overhead)[:n+len(plain)]
	subtle.XORBytes(dst[n:], plain, stream)
	tag := s.tag(dst[n:], aad)
	return append(dst, tag[:]...)
}

// Open appends the text that was sealed to dst, whose memory must not overlap that of sealed. The error says only that it does not open.
func (s *Sealer) Open(dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, sealed, aad []byte) ([]byte, error) {
	if !accelerated || len(sealed)+len(aad) > maxShort {
		return openLong(dst, *key, *nonce, sealed, aad)
	}
	size := len(sealed) - Overhead
	if size < 0 {
		return nil, errOpen
	}
	stream := s.begin(key, nonce, size)
	tag := s.tag(sealed[:size], aad)
	if subtle.ConstantTimeCompare(tag[:], sealed[size:]) != 1 {
		return nil, errOpen
	}
	n := len(dst)
	dst = slices.Grow(dst, size)[:n+size]
	subtle.XORBytes(dst[n:], sealed[:size], stream)
	return dst, nil
}

// Peek appends what a sealed text decrypts to, WITHOUT looking at its tag: what comes out may be anything that somebody wrote there. It is for deciding which of many texts
// are worth opening; whoever shows or relies on one opens it properly. A sealed text shorter than a tag has nothing in it.
func (s *Sealer) Peek(dst []byte, key *[KeySize]byte, nonce *[NonceSize]byte, sealed []byte) []byte {
	size := len(sealed) - Overhead
	if size <= 0 {
		return dst
	}
	if !accelerated || size > maxShort {
		return peekLong(dst, *key, *nonce, sealed[:size])
	}
	stream := s.begin(key, nonce, size)
	n := len(dst)
	dst = slices.Grow(dst, size)[:n+size]
	subtle.XORBytes(dst[n:], sealed[:size], stream)
	return dst
}

// begin expands the key and returns the key stream for a text of size bytes.
func (s *Sealer) begin(key *[KeySize]byte, nonce *[NonceSize]byte, size int) []byte {
	blocks := 2 + (size+blockSize-1)/blockSize
	blocks = (blocks + wide - 1) / wide * wide
	b := s.stream[: blocks*blockSize : blocks*blockSize]
	clear(b[:blockSize])
	for i := 1; i < blocks; i++ {
		counter := b[i*blockSize : (i+1)*blockSize]
		copy(counter, nonce[:])
		binary.BigEndian.PutUint32(counter[NonceSize:], uint32(i))
	}
	expand(&s.keys, key)
	encrypt(&s.keys, &b[0], blocks/wide)
	return b[2*blockSize:]
}

// tag computes the tag of a ciphertext, once begin has been called.
func (s *Sealer) tag(text, aad []byte) (out [Overhead]byte) {
	n := pad(s.input[:], aad)
	n += pad(s.input[n:], text)
	binary.BigEndian.PutUint64(s.input[n:], uint64(len(aad))*8)
	binary.BigEndian.PutUint64(s.input[n+8:], uint64(len(text))*8)
	hash(&out, &s.stream[0], &s.input[0], n/blockSize+1)
	subtle.XORBytes(out[:], out[:], s.stream[blockSize:2*blockSize])
	return out
}

// pad copies b to the start of dst, with zeroes up to a whole block, and returns how much that is.
func pad(dst, b []byte) int {
	n := copy(dst, b)
	end := (n + blockSize - 1) / blockSize * blockSize
	clear(dst[n:end])
	return end
}

// peekLong decrypts with the blocks nonce ‖ u32(2), nonce ‖ u32(3), … (NIST SP 800-38D §7.1).
func peekLong(dst []byte, key [KeySize]byte, nonce [NonceSize]byte, text []byte) []byte {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	var counter [blockSize]byte
	copy(counter[:], nonce[:])
	counter[blockSize-1] = 2
	n := len(dst)
	dst = slices.Grow(dst, len(text))[:n+len(text)]
	cipher.NewCTR(block, counter[:]).XORKeyStream(dst[n:], text)
	return dst
}

// sealLong and openLong get copies, so that keys and nonces need not be on the heap in all other cases.
func sealLong(dst []byte, key [KeySize]byte, nonce [NonceSize]byte, plain, aad []byte) []byte {
	return library(&key).Seal(dst, nonce[:], plain, aad)
}

func openLong(dst []byte, key [KeySize]byte, nonce [NonceSize]byte, sealed, aad []byte) ([]byte, error) {
	return library(&key).Open(dst, nonce[:], sealed, aad)
}

func library(key *[KeySize]byte) cipher.AEAD {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic(err) // the key has the right length
	}
	c, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return c
}
