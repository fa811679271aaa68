// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/spawn.c: start, run and end of an empty goroutine, with the
// same join: a counter, whose last task sends on a channel.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

var live int64
var allDone = make(chan int64, 1)

func task() {
	if atomic.AddInt64(&live, -1) == 0 {
		allDone <- 0
	}
}

func main() {
	tasks := arg(1, 1000000)
	batch := arg(2, 1000)
	start := time.Now()
	for left := tasks; left > 0; {
		n := batch
		if left < batch {
			n = left
		}
		left -= n
		atomic.StoreInt64(&live, n)
		for ; n > 0; n-- {
			go task()
		}
		<-allDone
		if atomic.LoadInt64(&live) != 0 {
			die("spawn: a task ran more than once")
		}
	}
	printEach("spawn", start, tasks)
	fmt.Printf("spawn_peak %.3f MiB\n", float64(statusBytes("VmHWM:"))/(1<<20))
}

func printEach(name string, start time.Time, count int64) {
	fmt.Printf("%s %.3f ns\n", name, float64(time.Since(start).Nanoseconds())/float64(count))
}

// statusBytes is a field of /proc/self/status such as "VmRSS:", in bytes.
func statusBytes(field string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		die("%v", err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == field {
			kib, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				die("%v", err)
			}
			return kib * 1024
		}
	}
	die("/proc/self/status has no %s", field)
	return 0
}

// arg is the i-th argument, a number from 1 on; fallback where it is not given.
func arg(i int, fallback int64) int64 {
	if i >= len(os.Args) {
		return fallback
	}
	value, err := strconv.ParseInt(os.Args[i], 10, 64)
	if err != nil || value < 1 {
		die("argument %d, %q: not a number from 1 on", i, os.Args[i])
	}
	return value
}

func die(format string, args ...interface{}) {
	fmt.Fprintf(os.Stderr, "bench: "+format+"\n", args...)
	os.Exit(1)
}
