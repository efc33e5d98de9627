// Package mfatest is an authenticator for tests: a passkey in memory that can also lie about everything that it signs.
package mfatest
