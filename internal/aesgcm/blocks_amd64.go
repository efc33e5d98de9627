package aesgcm

import "crypto/fips140"

// expand makes the round keys of AES-256 encryption (FIPS 197, §5.2).
//
//go:noescape
func expand(keys *schedule, key *[KeySize]byte)

// encrypt encrypts n times four blocks in place, each by itself; n must be above 0.
//
//go:noescape
func encrypt(keys *schedule, blocks *byte, n int)

// hash computes GHASH (NIST SP 800-38D, §6.4) of n blocks under the hash key h of 16 bytes; n must be above 0.
//
//go:noescape
func hash(out *[Overhead]byte, h, blocks *byte, n int)

func supported() bool

var accelerated = supported() && !fips140.Enabled()
