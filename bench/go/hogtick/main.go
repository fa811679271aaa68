// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/hogtick.c: a goroutine that computes for ever for each P,
// and a 1 ms ticker.
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

var hogsBegun int64

func hog() {
	atomic.AddInt64(&hogsBegun, 1)
	for x := uint64(0); ; x++ {
	}
}

func main() {
	ticks := arg(1, 1000)
	first := arg(2, 200)
	if first >= ticks {
		die("hogtick: %d first ticks of %d", first, ticks)
	}
	late := make([]int64, ticks)
	hogs := runtime.GOMAXPROCS(0)
	for i := 0; i < hogs; i++ {
		go hog()
	}
	skipped := tick(time.Millisecond, late)
	if atomic.LoadInt64(&hogsBegun) != int64(hogs) {
		die("hogtick: a hog never ran")
	}
	printLateness("hogtick_first", late[:first])
	printLateness("hogtick", late[first:])
	fmt.Printf("hogtick_missed %.3f ticks\n", float64(skipped))
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
