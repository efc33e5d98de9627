package evidence

// HMAC is HMAC-SHA256 (RFC 2104) under a key of 32 bytes, in one call and, for messages up to 192 bytes, without allocating.
func HMAC(key *Hash, msg []byte) Hash { return hmac256(key, msg) }
