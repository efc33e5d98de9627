// Package faults holds the tests of what goes wrong: processes that are killed, disks that fill up, databases that are put back, clients that vanish, send
// rubbish or mean harm. All of them drive the real server over HTTP, keep a book of what it acknowledged, and compare the two afterwards.
//
// The tests of crashes take 5 rounds each; PROBITY_SOAK=N makes it N. They kill processes, not machines: that what was acknowledged also survives a power cut
// rests on the database's synchronous=FULL and on the syncs of packages crypt and ledger.
package faults
