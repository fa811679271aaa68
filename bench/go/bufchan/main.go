// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/bufchan.c: numbers through one buffered channel.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func producer(items chan int, first, count int64) {
	for i := int64(0); i < count; i++ {
		items <- int(first + i)
	}
}

func consumer(items, sums chan int, count int64) {
	sum := 0
	for i := int64(0); i < count; i++ {
		sum += <-items
	}
	sums <- sum
}

func main() {
	producers := arg(1, 1)
	consumers := arg(2, 1)
	count := arg(3, 10000000)
	items := make(chan int, arg(4, 128))
	sums := make(chan int)
	start := time.Now()
	for i := int64(0); i < producers; i++ {
		first := count * i / producers
		go producer(items, first, count*(i+1)/producers-first)
	}
	for i := int64(0); i < consumers; i++ {
		go consumer(items, sums, count*(i+1)/consumers-count*i/consumers)
	}
	sum := int64(0)
	for i := int64(0); i < consumers; i++ {
		sum += int64(<-sums)
	}
	if sum != count*(count-1)/2 {
		die("bufchan: the sum is %d", sum)
	}
	printEach("bufchan", start, count)
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
