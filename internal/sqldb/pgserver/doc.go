// Package pgserver runs private PostgreSQL servers, for tests and benchmarks.
//
// It starts a server from the installed binaries on a temporary directory, a unix socket and a loopback port, and stops it again. A server refuses to run as root: then it
// runs as the user postgres, or nobody. A guarded server ends with the process that made it, however that ends.
package pgserver
