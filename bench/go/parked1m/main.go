// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/parked1m.c: goroutines parked on a channel receive.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

var gate = make(chan int)
var allDone = make(chan int, 1)
var parked int64

func sleeper() {
	atomic.AddInt64(&parked, 1)
	if _, ok := <-gate; ok {
		die("parked1m: a value from a channel that nobody sends to")
	}
	if atomic.AddInt64(&parked, -1) == 0 {
		allDone <- 0
	}
}

func main() {
	count := arg(1, 1000000)
	rss := statusBytes("VmRSS:")
	pte := statusBytes("VmPTE:")
	start := time.Now()
	for i := int64(0); i < count; i++ {
		go sleeper()
	}
	for atomic.LoadInt64(&parked) < count {
		runtime.Gosched()
	}
	printEach("parked1m_create", start, count)
	rss = statusBytes("VmRSS:") - rss
	pte = statusBytes("VmPTE:") - pte
	fmt.Printf("parked1m_rss %.3f bytes\n", float64(rss)/float64(count))
	fmt.Printf("parked1m_pte %.3f bytes\n", float64(pte)/float64(count))
	start = time.Now()
	close(gate)
	<-allDone
	printEach("parked1m_wake", start, count)
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
