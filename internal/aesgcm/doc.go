// Package aesgcm is AES-256-GCM (NIST SP 800-38D) for short texts under keys that are each used once or twice.
//
// The standard library prepares a key for long texts: it expands it both ways and makes a table of powers, on the heap, which takes three times as long as sealing the few dozen bytes
// that an event has for one set of owners. Here a key is expanded into memory that is used again, and nothing else is prepared. Keys, nonces and texts are the same; a test compares
// every result with the standard library's. Long texts, other processors, and a process that runs in FIPS 140-3 mode are left to the standard library.
package aesgcm
