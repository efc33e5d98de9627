// Package views keeps saved searches. A saved search may name people, so its content is kept encrypted under the tenant's key.
package views
