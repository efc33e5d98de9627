// Package blob keeps named, immutable objects: segments of the log and files of exports. [Dir] keeps them in a folder, [S3] in a bucket of an object store that
// speaks Amazon's S3 protocol, with Object Lock where that is asked for, and [Cached] puts a cache of local files before an object store, because readers of
// segments want a file. One suite of tests, blobtest.Run, says how all of them behave.
//
// It owns transport, atomicity, locks and retries. It does not know what an object holds, decides nothing about when one is written or deleted, and encrypts nothing.
package blob
