// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/lockpingpong.c: one side locked to its thread, or both.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	trips := arg(1, 50000)
	locked := arg(2, 1)
	ping := make(chan int)
	pong := make(chan int)
	done := make(chan int)
	start := time.Now()
	go func() {
		runtime.LockOSThread()
		value := 0
		for i := int64(0); i < trips; i++ {
			ping <- value + 1
			value = <-pong
		}
		runtime.UnlockOSThread()
		done <- value
	}()
	go func() {
		if locked > 1 {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
		}
		for i := int64(0); i < trips; i++ {
			pong <- <-ping + 1
		}
	}()
	if value := <-done; int64(value) != 2*trips {
		die("lockpingpong: %d hand-overs", value)
	}
	printEach("lockpingpong", start, trips)
}

func printEach(name string, start time.Time, count int64) {
	fmt.Printf("%s %.3f us\n", name, float64(time.Since(start).Nanoseconds())/1e3/float64(count))
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
