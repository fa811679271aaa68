// SPDX-License-Identifier: BSD-3-Clause

// Twin of bench/tuza/traceback.c: a panic with goroutines parked five frames deep.
package main

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

var never = make(chan int)
var parked int64

//go:noinline
func waitInFifth() {
	atomic.AddInt64(&parked, 1)
	<-never
}

//go:noinline
func callFourth() { waitInFifth() }

//go:noinline
func callThird() { callFourth() }

//go:noinline
func callSecond() { callThird() }

func first() { callSecond() }

// monotonic is CLOCK_MONOTONIC, which parent and child share.
func monotonic() int64 {
	var t syscall.Timespec
	syscall.Syscall(syscall.SYS_CLOCK_GETTIME, 1, uintptr(unsafe.Pointer(&t)), 0)
	return t.Nano()
}

func crash(count int64) {
	for i := int64(0); i < count; i++ {
		go first()
	}
	for atomic.LoadInt64(&parked) < count {
		runtime.Gosched()
	}
	time.Sleep(10 * time.Millisecond)
	var now [8]byte
	binary.LittleEndian.PutUint64(now[:], uint64(monotonic()))
	os.Stdout.Write(now[:])
	panic("traceback")
}

func main() {
	count := arg(1, 10000)
	if os.Getenv("TRACEBACK_CHILD") != "" {
		crash(count)
	}
	file, err := os.CreateTemp("", "traceback")
	if err != nil {
		die("%v", err)
	}
	os.Remove(file.Name())
	child := exec.Command("/proc/self/exe", strconv.FormatInt(count, 10))
	child.Env = append(os.Environ(), "TRACEBACK_CHILD=1", "GOTRACEBACK=all")
	child.Stderr = file
	told, err := child.Output()
	end := monotonic()
	if child.ProcessState == nil || child.ProcessState.ExitCode() != 2 || len(told) != 8 {
		die("the child ended otherwise: %v", err)
	}
	fmt.Printf("traceback %.3f ms\n", float64(end-int64(binary.LittleEndian.Uint64(told)))/1e6)
	check(file, count)
}

func check(file *os.File, count int64) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if err != nil {
		die("%v", err)
	}
	for _, function := range []string{"first", "callSecond", "callThird", "callFourth", "waitInFifth"} {
		if n := strings.Count(string(text), "\nmain."+function+"("); int64(n) != count {
			die("%s is there %d times", function, n)
		}
	}
	fmt.Printf("traceback_size %.3f MiB\n", float64(len(text))/1048576)
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
