// Package interop holds tests in which other people's software, unmodified, accepts our logs: Tessera's client and fsck, and Torchwood's
// client and proof policy. It is a module of its own so that their many dependencies stay out of the product.
//
//	cd test/interop && go test ./...                          a sample log in memory, over HTTP
//	PROBITY_BIN=/path/to/probity go test ./...                a server started from the binary on an empty data directory; bundles too
//	PROBITY_URL=https://… PROBITY_API_KEY=pk_… go test ./...  a running server
package interop
