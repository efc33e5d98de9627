// Package apitest calls an API as one of several callers, for the tests of those who add operations to it.
package apitest
