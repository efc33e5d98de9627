// Package evidencetest makes reproducible audit events, with their leaves, values, keys and tags, for the tests of bundles and of the
// verifier. It stands in for the ledger, which those packages must not import. Product code does not use it.
package evidencetest
