// Package segtest makes realistic, reproducible working copies for the tests and benchmarks of the ledger's storage and search. It is not used by
// the product.
package segtest
