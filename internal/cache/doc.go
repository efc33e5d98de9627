// Package cache is a bounded in-memory cache whose entries cost little beside their content.
package cache
