package crypt

import "crypto/rand"

// Random hands out bytes of crypto/rand from larger reads: a read of 12 bytes is a call of the system for each, and costs as much as one of 100.
// What was handed out is cleared here. The zero value is ready. It is not safe for concurrent use.
type Random struct {
	buf  [512]byte
	left int // unused bytes at the end of buf
}

// Read fills p.
func (r *Random) Read(p []byte) {
	if len(p) > len(r.buf) {
		rand.Read(p) //nolint:errcheck // crypto/rand.Read never fails: it ends the program instead
		return
	}
	if r.left < len(p) {
		rand.Read(r.buf[:]) //nolint:errcheck // as above
		r.left = len(r.buf)
	}
	from := r.buf[len(r.buf)-r.left:][:len(p)]
	copy(p, from)
	clear(from)
	r.left -= len(p)
}

// Secret returns 32 fresh random bytes.
func Secret() (s [32]byte) {
	rand.Read(s[:]) //nolint:errcheck // as above
	return s
}
