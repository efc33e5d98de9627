// Package schedule makes exports at set times, in a time zone, or when something happens.
//
// A schedule keeps what to export and whose rights it is made with. When it is due, one transaction moves it to its next time, writes a run and enqueues a job, so that of several processes
// exactly one runs it, and none is lost with a process. The job makes the export, whose id is that of the run, so that doing it twice makes one. The rights are those that the owner
// still has on that day.
//
// Times are those of the wall clock in the zone. A time that daylight saving skips is taken as much later as the clock was put forward; of a time that comes twice the first counts. Cron lines with an
// asterisk for the hour follow the passing of real hours instead: they run in both of the hours that look alike and in none that does not exist. That is what cron daemons do.
package schedule
