// Package availability measures how much of the time the service was there (mission row J1): it counts, minute by minute, the checks that passed and the requests that were answered, keeps
// the counts in the database, and compares the last thirty days with the objective.
//
// A minute counts as lost when nobody recorded it, when more than half of its checks failed, or when more than one request in twenty was answered with a status from 500 on. It knows nothing
// of what is checked.
package availability
