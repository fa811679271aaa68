// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/blocktick.c: goroutines in a 10 ms usleep (by cgo: the
// runtime is told of the call), and a 1 ms ticker.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strconv"
	"sync/atomic"
	"time"
)

// #include <unistd.h>
import "C"

const blockMicroseconds = 10000

func blocker(rounds *int64) {
	for {
		C.usleep(blockMicroseconds)
		runtime.Gosched()
		atomic.AddInt64(rounds, 1)
	}
}

func main() {
	late := make([]int64, arg(1, 3000))
	rounds := make([]int64, arg(2, 100))
	start := time.Now()
	for i := range rounds {
		go blocker(&rounds[i])
	}
	skipped := tick(time.Millisecond, late)
	elapsed := time.Since(start)
	total := int64(0)
	for i := range rounds {
		made := atomic.LoadInt64(&rounds[i])
		if made == 0 {
			die("blocktick: blocker %d never came round", i)
		}
		total += made
	}
	printLateness("blocktick", late)
	fmt.Printf("blocktick_missed %.3f ticks\n", float64(skipped))
	fmt.Printf("blocktick_round %.3f ms\n", float64(elapsed.Nanoseconds())/1e6*float64(len(rounds))/float64(total))
}

// tick wakes at points of a fixed grid and notes how late each wake is. A
// point that has passed when the ticker gets to it is skipped.
func tick(period time.Duration, late []int64) (skipped int64) {
	next := time.Now().Add(period)
	for i := range late {
		now := time.Now()
		for !next.After(now) {
			next = next.Add(period)
			skipped++
		}
		time.Sleep(next.Sub(now))
		late[i] = int64(time.Since(next))
		if late[i] < 0 {
			die("a sleep ended %d ns early", -late[i])
		}
		next = next.Add(period)
	}
	return skipped
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
