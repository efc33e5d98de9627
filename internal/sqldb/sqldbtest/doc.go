// Package sqldbtest gives tests databases of both kinds, so that what holds on SQLite is shown to hold on PostgreSQL.
//
// The PostgreSQL server is started from the installed binaries when a test process first needs it, and ends with the process. Where they are missing such a test fails,
// unless the environment variable PROBITY_TEST_POSTGRES is "absent" and CI is not set.
package sqldbtest
