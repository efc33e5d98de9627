// Package crypt wraps keys: a key-management service holds the master key, each tenant has a Tink keyset wrapped by it, and
// every secret of the tenant is sealed under that keyset. It decides nothing about what the secrets protect.
package crypt
