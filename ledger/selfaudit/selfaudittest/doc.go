// Package selfaudittest stands in for the ledger in tests of domains that record what they do and seal what nobody may read: with a real database and real keys, and without a log.
package selfaudittest
