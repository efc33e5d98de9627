// Package worker runs the goroutines of a service between its start and its end.
package worker
