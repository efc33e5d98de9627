// Command bench measures the ledger beside its peer, a PostgreSQL table as teams usually make one, on the same machine with the
// same events, and prints one table.
//
//	go run ./test/bench -quick              # 500,000 events, about a minute
//	go run ./test/bench -events 10000000    # the figures that the documentation quotes
//
// It also measures how fast the server answers whether somebody may do something:
//
//	go run ./test/bench -only decisions     # 10,000 assignments, 2,000 questions a second for 15 seconds
//
// Both sides are driven the same way: package load makes the events, a few connections store them in batches of 1,000 of
// which each is durable when it is acknowledged, then 64 connections store single events, then pages are searched. The two
// servers never run at the same time; client and server share the machine in both cases. Where a measurement is repeated (-repeat), the
// table shows medians. For each phase the command also notes how much processor time other programs took, since figures from a busy
// machine are worth little.
//
// All traffic stays on loopback addresses and unix sockets, and all of it is bounded. The command ends only processes that it
// started and removes its temporary directories, also when interrupted.
package main
