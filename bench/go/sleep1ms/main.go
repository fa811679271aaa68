// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/sleep1ms.c: each goroutine sleeps 1 ms again and again.
package main

import (
	"fmt"
	"os"
	"sort"
	"strconv"
	"syscall"
	"time"
	"unsafe"
)

func main() {
	count := arg(1, 1000)
	sleeps := arg(2, 500)
	late := make([]int64, count*sleeps)
	for i := range late {
		late[i] = 1 // no page faults while we measure
	}
	done := make(chan int)
	before := cpu()
	for i := int64(0); i < count; i++ {
		go func(late []int64) {
			early := 0
			for i := range late {
				due := time.Now().Add(time.Millisecond)
				time.Sleep(time.Millisecond)
				late[i] = int64(time.Since(due))
				if late[i] < 0 {
					early++
				}
			}
			done <- early
		}(late[i*sleeps : (i+1)*sleeps])
	}
	early := 0
	for i := int64(0); i < count; i++ {
		early += <-done
	}
	used := cpu() - before
	if early != 0 {
		die("sleep1ms: %d sleeps ended early", early)
	}
	printLateness("sleep1ms", late)
	fmt.Printf("sleep1ms_cpu %.3f ns\n", float64(used)/float64(count*sleeps))
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

// printLateness sorts the samples and prints <name>_p50, _p99 and _max in microseconds.
func printLateness(name string, late []int64) {
	sort.Slice(late, func(i, j int) bool { return late[i] < late[j] })
	fmt.Printf("%s_p50 %.3f us\n", name, float64(late[len(late)/2])/1e3)
	fmt.Printf("%s_p99 %.3f us\n", name, float64(late[len(late)*99/100])/1e3)
	fmt.Printf("%s_max %.3f us\n", name, float64(late[len(late)-1])/1e3)
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
