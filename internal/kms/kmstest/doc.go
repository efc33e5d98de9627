// Package kmstest has stand-ins for Vault and AWS KMS that speak their documented HTTP APIs, for tests only: they encrypt, keep versions of keys, check credentials and refuse as the services
// do. What they cannot show is that the services behave as documented.
package kmstest
