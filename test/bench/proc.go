package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// The kernel counts processor time in hundredths of a second on every Linux platform that Go knows.
const tick = time.Second / 100

// usage is processor time so far: of all programs of the machine, of this process with its descendants, and what the host gave to other machines.
type usage struct {
	at                    time.Time
	busy, ours, elsewhere time.Duration
}

func usageNow() usage {
	u := usage{at: time.Now()}
	stat, _ := os.ReadFile("/proc/stat")
	line, _, _ := strings.Cut(string(stat), "\n")
	for i, f := range strings.Fields(line) {
		n, _ := strconv.ParseInt(f, 10, 64)
		switch i {
		case 1, 2, 3: // programs, and the kernel on their behalf
			u.busy += time.Duration(n) * tick
		case 8:
			u.elsewhere += time.Duration(n) * tick
		}
	}
	for _, p := range descendants(os.Getpid()) {
		u.ours += p.cpu
	}
	for _, p := range descendants(kernelThreads)[1:] {
		u.ours += p.cpu
	}
	return u
}

// kernelThreads is the process whose children write back the pages that programs made, and so work for what is measured.
const kernelThreads = 2

// others returns the shares of the machine's processors (0 to 1) that other programs took since u, and that its host gave to other machines.
func (u usage) others() (programs, elsewhere float64) {
	now := usageNow()
	wall := now.at.Sub(u.at) * time.Duration(runtime.NumCPU())
	if wall <= 0 {
		return 0, 0
	}
	return max(0, float64((now.busy-u.busy)-(now.ours-u.ours))/float64(wall)), float64(now.elsewhere-u.elsewhere) / float64(wall)
}

type process struct {
	pid int
	cpu time.Duration // with that of children it waited for
}

// descendants returns root and every process below it.
func descendants(root int) []process {
	type entry struct {
		process
		parent int
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	byParent := make(map[int][]entry)
	var top process
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue // gone since
		}
		s := string(b)
		f := strings.Fields(s[strings.LastIndexByte(s, ')')+1:]) // the name may hold spaces
		if len(f) < 15 {
			continue
		}
		pid, _ := strconv.Atoi(s[:strings.IndexByte(s, ' ')])
		parent, _ := strconv.Atoi(f[1])
		var cpu int64
		for _, v := range f[11:15] {
			n, _ := strconv.ParseInt(v, 10, 64)
			cpu += n
		}
		p := process{pid, time.Duration(cpu) * tick}
		byParent[parent] = append(byParent[parent], entry{p, parent})
		if pid == root {
			top = p
		}
	}
	out := []process{top}
	for i := 0; i < len(out); i++ {
		for _, e := range byParent[out[i].pid] {
			out = append(out, e.process)
		}
	}
	return out
}

// peakMemory returns the largest resident size, in bytes, that pid and its children each reached, added up.
func peakMemory(pid int) int64 {
	var sum int64
	for _, p := range descendants(pid) {
		b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(p.pid), "status"))
		for line := range strings.Lines(string(b)) {
			if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
				kb, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
				sum += kb << 10
			}
		}
	}
	return sum
}

// resident returns what a process holds now, in bytes.
func resident(pid int) int64 {
	b, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "statm"))
	if f := strings.Fields(string(b)); len(f) > 1 {
		pages, _ := strconv.ParseInt(f[1], 10, 64)
		return pages * int64(os.Getpagesize())
	}
	return 0
}

// forgetPeak has peakMemory begin anew; Linux lets the owner of a process do that (proc(5), clear_refs).
func forgetPeak(pid int) error {
	return os.WriteFile(filepath.Join("/proc", strconv.Itoa(pid), "clear_refs"), []byte("5"), 0)
}

// machine describes this computer in a line.
func machine() string {
	model := "unknown processor"
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(v)
			break
		}
	}
	mem := ""
	b, _ = os.ReadFile("/proc/meminfo")
	if f := strings.Fields(string(b)); len(f) > 1 {
		kb, _ := strconv.ParseInt(f[1], 10, 64)
		mem = strconv.FormatInt((kb+1<<19)>>20, 10) + " GiB"
	}
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strconv.Itoa(runtime.NumCPU()) + " × " + model + ", " + mem + ", Linux " + strings.TrimSpace(string(release)) + ", " + runtime.Version()
}
