// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/sleepers1m.c: goroutines that sleep, and all wake within a second.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

var base time.Time
var begun, left, late int64
var allDone = make(chan int, 1)

func sleeper(i int64) {
	due := base.Add(time.Duration(i%1000) * time.Millisecond)
	atomic.AddInt64(&begun, 1)
	time.Sleep(time.Until(due))
	by := time.Since(due)
	if by < 0 {
		die("sleepers1m: a sleep ended %v early", -by)
	}
	if atomic.AddInt64(&left, -1) == 0 {
		late = int64(by)
		allDone <- 0
	}
}

func main() {
	count := arg(1, 1000000)
	before := time.Duration(arg(2, 5000)) * time.Millisecond
	left = count
	rss := statusBytes("VmRSS:")
	start := time.Now()
	base = start.Add(before)
	for i := int64(0); i < count; i++ {
		go sleeper(i)
	}
	for atomic.LoadInt64(&begun) < count {
		runtime.Gosched()
	}
	fmt.Printf("sleepers1m_create %.3f ns\n", float64(time.Since(start).Nanoseconds())/float64(count))
	if !time.Now().Before(base) {
		die("sleepers1m: it took longer than %v to start all", before)
	}
	fmt.Printf("sleepers1m_rss %.3f bytes\n", float64(statusBytes("VmRSS:")-rss)/float64(count))
	time.Sleep(time.Until(base) - time.Millisecond)
	used := cpu()
	<-allDone
	fmt.Printf("sleepers1m_cpu %.3f ms\n", float64(cpu()-used)/1e6)
	fmt.Printf("sleepers1m_late %.3f us\n", float64(late)/1e3)
}

// cpu is the processor time of all threads so far.
func cpu() time.Duration {
	var t syscall.Timespec
	const processClock = 2 // CLOCK_PROCESS_CPUTIME_ID
	_, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, processClock, uintptr(unsafe.Pointer(&t)), 0)
	if errno != 0 {
		die("clock_gettime: %v", errno)
	}
	return time.Duration(t.Nano())
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
