// Package interop holds tests in which other people's software, unmodified, accepts our logs: Tessera's client and fsck, and Torchwood's
// client and proof policy. It is a module of its own so that their many dependencies stay out of the product.
package interop
