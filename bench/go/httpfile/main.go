// SPDX-License-Identifier: BSD-3-Clause

// httpfile serves a directory, for bench/http.py: net/http as a Go program
// would use it. It prints its URL and runs until it is killed.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	fmt.Printf("http://%s/\n", listener.Addr())
	fmt.Fprintln(os.Stderr, "bench:", http.Serve(listener, http.FileServer(http.Dir(os.Args[1]))))
	os.Exit(1)
}
