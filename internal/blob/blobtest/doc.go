// Package blobtest says how a store of package blob behaves, and starts a real server of the S3 protocol for tests. It is for tests only.
package blobtest
