// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/yield.c: two goroutines yield to each other.
package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"time"
)

func main() {
	each := arg(1, 10000000) / 2
	done := make(chan int64, 2)
	yielder := func() {
		made := int64(0)
		for ; made < each; made++ {
			runtime.Gosched()
		}
		done <- made
	}
	start := time.Now()
	go yielder()
	go yielder()
	made := <-done
	made += <-done
	if made != 2*each {
		die("yield: %d yields made", made)
	}
	printEach("yield", start, made)
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
