// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/mutex8.c: goroutines lock one mutex, count and unlock it.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"
)

var (
	mutex   sync.Mutex
	counter int64
)

func main() {
	operations := arg(1, 1000000)
	tasks := arg(2, 8)
	measure("mutex1", 1, tasks*operations)
	measure("mutex8", tasks, operations)
}

func measure(name string, tasks, operations int64) {
	var done sync.WaitGroup
	counter = 0
	done.Add(int(tasks))
	start := time.Now()
	for i := int64(0); i < tasks; i++ {
		go func() {
			for i := int64(0); i < operations; i++ {
				mutex.Lock()
				counter++
				mutex.Unlock()
			}
			done.Done()
		}()
	}
	done.Wait()
	printEach(name, start, tasks*operations)
	if counter != tasks*operations {
		die("%s: the counter is %d", name, counter)
	}
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
