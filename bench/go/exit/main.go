// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/exit.c: processes in which many goroutines exit at once.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"time"
)

func child() {
	goroutines := arg(2, 1000)
	for i := int64(0); i < goroutines; i++ {
		go os.Exit(7)
	}
	select {}
}

func one(goroutines int64) time.Duration {
	command := exec.Command("/proc/self/exe", "child", strconv.FormatInt(goroutines, 10))
	start := time.Now()
	output, _ := command.CombinedOutput()
	took := time.Since(start)
	if code := command.ProcessState.ExitCode(); code != 7 || len(output) != 0 {
		die("exit: a process ended with %d, after %d bytes of output", code, len(output))
	}
	return took
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "child" {
		child()
	}
	goroutines := arg(1, 1000)
	processes := arg(2, 50)
	var took []time.Duration
	for i := int64(0); i < processes; i++ {
		took = append(took, one(goroutines))
	}
	sort.Slice(took, func(i, j int) bool { return took[i] < took[j] })
	fmt.Printf("exit %.3f ms\n", float64(took[processes/2])/1e6)
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
