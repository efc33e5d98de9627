// Package realdata holds the test on real input: it has the command line ingest audit logs that nobody on this project wrote into a real server, counts what arrived, asks
// questions whose answers an independent reading of the files gives, and looks for the personal values of those files where they must not be: in masked exports, in the
// server's log, and in the clear in the data directory.
package realdata
