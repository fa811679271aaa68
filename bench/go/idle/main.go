// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/idle.c: goroutines parked on a channel each, nothing due.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

var parked int64

func sleeper(c chan int) {
	atomic.AddInt64(&parked, 1)
	<-c
	die("idle: a value from a channel that nobody sends to")
}

func main() {
	count := arg(1, 10000)
	seconds := arg(2, 10)
	for i := int64(0); i < count; i++ {
		go sleeper(make(chan int))
	}
	time.Sleep(2 * time.Second)
	if atomic.LoadInt64(&parked) != count {
		die("idle: not all goroutines had begun after two seconds")
	}
	start := time.Now()
	before := cpu()
	time.Sleep(time.Duration(seconds) * time.Second)
	used := cpu() - before
	fmt.Printf("idle %.3f %%\n", 100*float64(used)/float64(time.Since(start)))
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
