// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/lockexit.c: goroutines that end while locked to their threads.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

var done = make(chan int)

func task() {
	runtime.LockOSThread()
	done <- 1
}

func run(n int64) {
	for ; n > 0; n-- {
		go task()
		<-done
	}
}

func main() {
	tasks := arg(1, 10000)
	run(100)
	time.Sleep(100 * time.Millisecond)
	threads := status("Threads:")
	start := time.Now()
	run(tasks)
	for status("Threads:") > threads+2 {
		if time.Since(start) > 100*time.Second {
			die("lockexit: threads are left over")
		}
		time.Sleep(100 * time.Microsecond)
	}
	printEach("lockexit", start, tasks)
}

func printEach(name string, start time.Time, count int64) {
	fmt.Printf("%s %.3f us\n", name, float64(time.Since(start).Nanoseconds())/1e3/float64(count))
}

// status is a number in /proc/self/status.
func status(field string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		die("%v", err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == field {
			value, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				die("%v", err)
			}
			return value
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
