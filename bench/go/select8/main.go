// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/select8.c: one consumer selects over eight unbuffered channels.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func producer(c chan int, first, count int64) {
	for i := int64(0); i < count; i++ {
		c <- int(first + i)
	}
}

func main() {
	items := arg(1, 2000000)
	var c [8]chan int
	for i := range c {
		c[i] = make(chan int)
	}
	start := time.Now()
	for i := range c {
		first := items * int64(i) / 8
		go producer(c[i], first, items*int64(i+1)/8-first)
	}
	sum := int64(0)
	for i := int64(0); i < items; i++ {
		var v int
		select {
		case v = <-c[0]:
		case v = <-c[1]:
		case v = <-c[2]:
		case v = <-c[3]:
		case v = <-c[4]:
		case v = <-c[5]:
		case v = <-c[6]:
		case v = <-c[7]:
		}
		sum += int64(v)
	}
	if sum != items*(items-1)/2 {
		die("select8: the sum is %d", sum)
	}
	printEach("select8", start, items)
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
