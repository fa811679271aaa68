// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/ring.c: a token goes round a ring over unbuffered channels.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func node(in, out, done chan int, index int) {
	for {
		left := <-in
		if left == 0 {
			done <- index
		} else {
			out <- left - 1
		}
	}
}

func main() {
	size := arg(1, 1000)
	hops := arg(2, 5000000)
	done := make(chan int)
	first := make(chan int)
	in := first
	for i := int64(0); i < size; i++ {
		out := first
		if i < size-1 {
			out = make(chan int)
		}
		go node(in, out, done, int(i))
		in = out
	}
	start := time.Now()
	first <- int(hops)
	if last := <-done; int64(last) != hops%size {
		die("ring: the token ended at %d", last)
	}
	printEach("ring", start, hops)
}

func printEach(name string, start time.Time, count int64) {
	fmt.Printf("%s %.3f ns\n", name, float64(time.Since(start).Nanoseconds())/float64(count))
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
