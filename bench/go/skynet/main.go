// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/skynet.c: a tree of goroutines, ten below each.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

const fanout = 10

func node(up chan int64, first, leaves int64) {
	if leaves == 1 {
		up <- first
		return
	}
	down := make(chan int64)
	below := leaves / fanout
	for i := int64(0); i < fanout; i++ {
		go node(down, first+i*below, below)
	}
	sum := int64(0)
	for i := 0; i < fanout; i++ {
		sum += <-down
	}
	up <- sum
}

func main() {
	leaves := arg(1, 1000000)
	for n := leaves; n > 1; n /= fanout {
		if n%fanout != 0 {
			die("skynet: %d is no power of %d", leaves, fanout)
		}
	}
	start := time.Now()
	result := make(chan int64)
	go node(result, 0, leaves)
	if sum := <-result; sum != leaves*(leaves-1)/2 {
		die("skynet: the sum is %d", sum)
	}
	fmt.Printf("skynet %.3f ms\n", float64(time.Since(start).Nanoseconds())/1e6)
	fmt.Printf("skynet_peak %.3f MiB\n", float64(statusBytes("VmHWM:"))/(1<<20))
}

// statusBytes is a field of /proc/self/status such as "VmRSS:", in bytes.
func statusBytes(field string) int64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		die("%v", err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		words := strings.Fields(line)
		if len(words) > 1 && words[0] == field {
			kib, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil {
				die("%v", err)
			}
			return kib * 1024
		}
	}
	die("/proc/self/status has no %s", field)
	return 0
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
