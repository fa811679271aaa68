#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""
An HTTP server under wrk: what a request costs the server in processor time.

    bench/http.py SERVER SECONDS [CONNECTIONS]

SERVER is httpd, nginx, epoll or go; $BENCH_BUILD is the build folder. wrk runs on
one thread, keeps 100 connections alive and asks for a file of 1 KiB, after a
second of warm-up. Prints figures as the other works do.
"""
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time

NGINX = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
worker_rlimit_nofile 4096;
events {{ worker_connections 2048; }}
http {{
    access_log off;
    default_type text/plain;
    sendfile on;
    tcp_nopush on;
    keepalive_requests 1000000000;
    open_file_cache max=1000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{ listen 127.0.0.1:{port}; root {folder}/root; }}
}}
"""


def die(text):
    sys.exit(f"bench: {text}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def start(server, folder):
    """The process and its URL."""
    build = os.environ["BENCH_BUILD"]
    if server == "nginx":
        port = free_port()
        with open(f"{folder}/conf", "w", encoding="utf-8") as f:
            f.write(NGINX.format(folder=folder, port=port))
        program = "/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else "nginx"
        return subprocess.Popen([program, "-p", folder, "-c", f"{folder}/conf"], stderr=subprocess.DEVNULL), \
            f"http://127.0.0.1:{port}/"
    command = {"httpd": [f"{build}/examples/httpd", "-a", "127.0.0.1:0", f"{folder}/root"],
               "go": [f"{build}/bench/go/httpfile", f"{folder}/root"],
               "epoll": [f"{build}/bench/net/http"]}[server]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    found = re.search(r"http://[\d.]+:\d+/", process.stdout.readline())
    if not found:
        die(f"{server} does not start")
    return process, found.group(0)


def wrk(url, seconds, connections):
    done = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", url + "1k.txt"],
                          capture_output=True, text=True, check=False)
    errors = re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+)", done.stdout)  # late is no error
    if done.returncode != 0 or "Non-2xx" in done.stdout or (errors and any(map(int, errors.groups()))):
        die(f"wrk: {done.stdout} {done.stderr}")
    return done.stdout


def microseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()
    return float(number) * {"us": 1, "ms": 1e3, "s": 1e6}[unit]


def processor_time(pid):
    return time.clock_gettime(~pid << 3 | 2)  # the clock of another process: CPUCLOCK_SCHED


def measure(server, seconds, connections, folder):
    process, url = start(server, folder)
    try:
        for _ in range(100):
            if subprocess.run(["curl", "-fsS", "-o", "/dev/null", url + "1k.txt"], capture_output=True,
                              check=False).returncode == 0:
                break
            time.sleep(0.05)
        wrk(url, 1, connections)
        before = processor_time(process.pid)
        told = wrk(url, seconds, connections)
        spent = processor_time(process.pid) - before
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    requests = int(re.search(r"(\d+) requests in", told).group(1))
    print(f"http_cpu {spent / requests * 1e6:.3f} us")
    print(f"http_wall {1e6 / float(re.search(r'Requests/sec: +([0-9.]+)', told).group(1)):.3f} us")
    for part in ("50", "99"):
        latency = re.search(part + r"% +([\d.]+[a-z]+)", told).group(1)
        print(f"http_p{part} {microseconds(latency):.0f} us")


def main():
    server, seconds = sys.argv[1:3]
    connections = sys.argv[3] if len(sys.argv) > 3 else "100"
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(f"{folder}/root")
        os.chmod(folder, 0o755)
        with open(f"{folder}/root/1k.txt", "w", encoding="utf-8") as f:
            f.write("x" * 1023 + "\n")
        measure(server, int(seconds), connections, folder)


main()
