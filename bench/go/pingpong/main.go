// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/pingpong.c: a number to and fro over two unbuffered channels.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func main() {
	trips := arg(1, 2000000)
	ping := make(chan int)
	pong := make(chan int)
	done := make(chan int)
	start := time.Now()
	go func() {
		value := 0
		for i := int64(0); i < trips; i++ {
			ping <- value + 1
			value = <-pong
		}
		done <- value
	}()
	go func() {
		for i := int64(0); i < trips; i++ {
			pong <- <-ping + 1
		}
	}()
	if value := <-done; int64(value) != 2*trips {
		die("pingpong: %d hand-overs", value)
	}
	printEach("pingpong", start, trips)
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
