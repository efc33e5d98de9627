// Package sha256n computes SHA-256 (FIPS 180-4) of many short messages at once.
//
// The standard library hashes one message a call. Over messages of one or two blocks, half of the time goes into the call and, on processors with instructions for SHA-256, the other
// half into waiting for the previous round. Here sixteen messages are hashed at a time in the lanes of AVX-512, or two by the instructions for SHA-256. Elsewhere, and in a process that runs
// in FIPS 140-3 mode, the standard library does all of the hashing.
package sha256n
