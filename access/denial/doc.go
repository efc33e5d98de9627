// Package denial records refused attempts as events, and keeps a flood of them from filling the log: the first of a minute are recorded one by one, the rest of that minute as one event that counts
// them by action and reason.
package denial
