package segment

import (
	"encoding/binary"
	"hash/crc32"
)

// Resum gives an encoded batch the checksum that its bytes have.
func Resum(b []byte) []byte {
	return binary.LittleEndian.AppendUint32(b[:len(b)-4:len(b)-4], crc32.Checksum(b[:len(b)-4], castagnoli))
}
