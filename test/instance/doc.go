// Package instance runs the real server in tests: it builds the binary once, makes data directories, starts, stops and kills servers, talks to them over HTTP,
// keeps a book of everything they acknowledged, and checks a data directory against that book. It asserts nothing about features; the tests beside it do.
package instance
