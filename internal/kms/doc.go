// Package kms opens the key-management service that holds the master key: a file, the transit secrets engine of HashiCorp Vault or OpenBao, or AWS KMS (mission rows C2, J4).
//
// [Parse] reads a service's location, [Open] makes a client of it, and [Guard] stands in front of one in a running server: it tries again what may succeed, counts, and knows whether the service
// answers. What is wrapped is the business of internal/crypt. The wire formats are those of Vault's HTTP API (developer.hashicorp.com/vault/api-docs/secret/transit) and of the AWS KMS API.
package kms
