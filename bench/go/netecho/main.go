// SPDX-License-Identifier: BSD-3-Clause

// An echo server with a goroutine for each connection; the twin of
// bench/tuza/netecho.c.
package main

/*
#include <unistd.h>
*/
import "C"

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"time"
)

const message = 64
const slow = 10 * time.Millisecond

var workDone, workRounds uint64

func die(err error) {
	fmt.Fprintln(os.Stderr, "bench:", err)
	os.Exit(1)
}

//go:noinline
func work(rounds uint64) uint64 {
	v := rounds | 1
	for i := uint64(0); i < rounds; i++ {
		v = v*6364136223846793005 + i
	}
	return v
}

func calibrate() {
	const rounds = 20000000
	start := time.Now()
	workDone = work(rounds)
	workRounds = uint64(float64(rounds) * float64(slow) / float64(time.Since(start)))
}

func servePlain(c net.Conn) {
	defer c.Close()
	var buf [4 * message]byte
	for {
		n, err := c.Read(buf[:])
		if err != nil {
			return
		}
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

func serveWorking(c net.Conn) {
	defer c.Close()
	var buf [message]byte
	for {
		if _, err := io.ReadFull(c, buf[:]); err != nil {
			return
		}
		switch buf[0] {
		case 'C':
			if work(workRounds) == 0 {
				die(fmt.Errorf("no work done"))
			}
		case 'U':
			C.usleep(C.uint(slow / time.Microsecond))
		case 'G':
			n := copy(buf[1:], strconv.Itoa(runtime.NumGoroutine()))
			buf[1+n] = 0
		}
		if _, err := c.Write(buf[:]); err != nil {
			return
		}
	}
}

func main() {
	serve := serveWorking
	if len(os.Args) > 1 && os.Args[1] == "echo" {
		serve = servePlain
	} else {
		calibrate()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		die(err)
	}
	self, err := os.Executable()
	if err != nil {
		die(err)
	}
	client := exec.Command(filepath.Join(filepath.Dir(self), "..", "net", "client"),
		append([]string{strconv.Itoa(listener.Addr().(*net.TCPAddr).Port), strconv.Itoa(os.Getpid())}, os.Args[1:]...)...)
	client.Stdout, client.Stderr = os.Stdout, os.Stderr
	if err := client.Start(); err != nil {
		die(err)
	}
	go func() {
		if err := client.Wait(); err != nil {
			die(err)
		}
		os.Exit(0)
	}()
	for {
		c, err := listener.Accept()
		if err != nil {
			die(err)
		}
		go serve(c)
	}
}
