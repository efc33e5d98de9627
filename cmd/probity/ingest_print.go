package main

import (
	"fmt"
	"time"

	"probity.dev/cmd/probity/ingest"
	"probity.dev/cmd/probity/terminal"
)

// How much of a list the report for people shows.
const (
	shownReasons = 20
	shownFiles   = 10
)

// printSummary is the report of an ingest for people.
func printSummary(s *terminal.Screen, sum *ingest.Summary, report string) {
	took := time.Duration(sum.Seconds * float64(time.Second))
	rate := ""
	if sum.Seconds > 0.05 && sum.Read > 0 {
		rate = fmt.Sprintf(" (%s/s)", terminal.Count(int64(float64(sum.Read)/sum.Seconds)))
	}
	fmt.Fprintf(s, "%s, %s in %s%s\n", terminal.Plural(sum.Files, "file", "files"), terminal.Plural(sum.Read, "record", "records"), terminal.Duration(took), rate)
	line := func(n int64, st terminal.Style, word, note string) {
		if n > 0 {
			fmt.Fprintf(s, "  %12s  %s%s\n", terminal.Count(n), s.Paint(st, word), note)
		}
	}
	line(sum.Accepted, terminal.Good, "accepted", "")
	line(sum.Duplicates, terminal.Plain, "duplicates", " (recorded before)")
	line(sum.Disabled, terminal.Plain, "not logged", " (the tenant's settings leave their class out)")
	line(sum.Rejected, terminal.Bad, "rejected", "")
	if sum.Known > 0 {
		fmt.Fprintf(s, "%s done before and skipped; --again reads them once more.\n", was(sum.Known))
	}
	if sum.Resumed > 0 {
		fmt.Fprintf(s, "%s begun before and went on from there.\n", was(sum.Resumed))
	}
	printReasons(s, sum)
	printFiles(s, sum)
	if report != "" && sum.Rejected > 0 {
		fmt.Fprintf(s, "\nEvery rejected record is listed in %s\n", report)
	}
}

func was(n int64) string {
	if n == 1 {
		return "1 file was"
	}
	return terminal.Count(n) + " files were"
}

func printReasons(s *terminal.Screen, sum *ingest.Summary) {
	for i, r := range sum.ByCount() {
		if i == 0 {
			fmt.Fprintln(s, "\nRejected because")
		}
		if i == shownReasons {
			fmt.Fprintf(s, "  and for %d other reasons\n", len(sum.Reasons)-i)
			break
		}
		where := ""
		if r.Pointer != "" {
			where = terminal.Clean(r.Pointer) + ": "
		}
		fmt.Fprintf(s, "  %12s  %s%s\n", terminal.Count(r.Count), where, terminal.Clean(r.Message))
		for _, e := range r.Examples {
			fmt.Fprintf(s, "                %s\n", s.Paint(terminal.Dim, fmt.Sprintf("%s:%d", terminal.Clean(e.File), e.Line)))
		}
	}
}

// printFiles lists the files that were not read, or not to their end.
func printFiles(s *terminal.Screen, sum *ingest.Summary) {
	for i, u := range sum.Unread {
		if i == 0 {
			fmt.Fprintln(s, "\nNot read, or not to the end")
		}
		if i == shownFiles {
			fmt.Fprintf(s, "  and %d more\n", len(sum.Unread)-i)
			break
		}
		at := ""
		if u.Line > 0 {
			at = fmt.Sprintf(" after line %d", u.Line)
		}
		fmt.Fprintf(s, "  %s%s: %s\n", terminal.Clean(u.File), at, terminal.Clean(u.Reason))
	}
	for i, name := range sum.LeftOut {
		if i == 0 {
			fmt.Fprintln(s, "\nLeft out, because their format is not recognised (--format names it)")
		}
		if i == shownFiles {
			fmt.Fprintf(s, "  and %d more\n", len(sum.LeftOut)-i)
			break
		}
		fmt.Fprintf(s, "  %s\n", terminal.Clean(name))
	}
}
