// Package jobs runs background work: what one request has caused and a later moment, perhaps another process, carries out (mission rows B1, J1).
//
// It owns the one client of River (github.com/riverqueue/river), which keeps jobs in the same database as everything else, so that a job is enqueued in the
// transaction of its cause: both are there or neither. River has the states, retries, timeouts and unique jobs; this package adds what River leaves open:
// whose a job is, turns among tenants, progress that can be read while a job runs, and the lease by which a killed process's work is taken over.
//
// Arguments of jobs hold handles, ids and seqs, never personal values: they are stored in clear and are shown to whoever manages jobs. So are the messages of errors; the text of
// an error without a code goes to the server's log only.
//
// It does not know what the work is, and decides nothing about it: a domain registers its kinds of jobs and gets called.
package jobs
