// Package archtest holds the tests that keep the shape of the source tree: who may import whom, that everything is documented, and that files and
// functions stay short enough to be read. It has no code of its own.
package archtest
