// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/sieve.c: the n-th prime by a chain of goroutines.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

func generator(out chan int) {
	for i := 2; ; i++ {
		out <- i
	}
}

func filter(in, out chan int, prime int) {
	for {
		i := <-in
		if i%prime != 0 {
			out <- i
		}
	}
}

func isPrime(candidate int) bool {
	for d := 2; d*d <= candidate; d++ {
		if candidate%d == 0 {
			return false
		}
	}
	return true
}

func primeByDivision(n int64) int {
	candidate := 1
	for n > 0 {
		candidate++
		if isPrime(candidate) {
			n--
		}
	}
	return candidate
}

func main() {
	n := arg(1, 2500)
	start := time.Now()
	in := make(chan int)
	go generator(in)
	prime := <-in
	for i := int64(1); i < n; i++ {
		out := make(chan int)
		go filter(in, out, prime)
		in = out
		prime = <-in
	}
	elapsed := time.Since(start)
	if prime != primeByDivision(n) {
		die("sieve: %d is not the prime asked for", prime)
	}
	fmt.Printf("sieve %.3f ms\n", float64(elapsed.Nanoseconds())/1e6)
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
