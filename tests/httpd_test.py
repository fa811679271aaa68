#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: all | not arm64 | timeout 900
"""
examples/httpd against real clients and hostile ones, on 127.0.0.1.

    httpd_test.py BUILD SOURCE [TEST ...]

curl for what a browser would do; raw sockets for what none should; then slow
clients, clients that vanish, 10,000 broken requests (TUZA_STRESS_SEED repeats
them), 2,000 connections at once, too few descriptors, and the end of a server
under load. Under a sanitizer the numbers are smaller.
"""
import hashlib
import http.client
import os
import random
import re
import resource
import select
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

BUILD, SOURCE = sys.argv[1:3]
HTTPD = os.path.join(BUILD, "examples", "httpd")
BOUND = 120  # seconds: for what must come, on whatever machine
SECRET = b"this lies outside of the root"
SEED = int(os.environ.get("TUZA_STRESS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 31)


def sanitized():
    try:
        with open(os.path.join(BUILD, "CMakeCache.txt"), encoding="utf-8") as f:
            return re.search(r"^TUZA_SANITIZE:\w+=(.+)$", f.read(), re.M) is not None
    except FileNotFoundError:
        return False


SLOW = sanitized()
FUZZED = 2_000 if SLOW else 10_000
CROWD = 400 if SLOW else 2_000


class Failed(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Failed(" ".join(str(w) for w in what))


def check_equal(got, expected, what=""):
    check(got == expected, f"{what}: got {got!r}, not {expected!r}")


def eventually(condition, what):
    end = time.monotonic() + BOUND
    while not condition():
        check(time.monotonic() < end, "never:", what)
        time.sleep(0.01)


class Server:
    """An httpd of its own; leaving the block ends it, and it must end well."""

    def __init__(self, root, *options, expect=0):
        self.expect = expect
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([HTTPD, "-a", "127.0.0.1:0", *options, root], stdout=self.log,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        eventually(lambda: "http://" in self.output() or self.process.poll() is not None, "the server's URL")
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", self.output())
        check(found, "httpd did not start:", self.output())
        self.url = found.group(0)
        self.port = int(found.group(1))

    def output(self):
        self.log.seek(0)
        return self.log.read()

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self):
        try:
            self.process.wait(BOUND)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGQUIT)  # its goroutines, for whoever reads the log
            time.sleep(1)
            raise Failed("the server does not end") from None
        return self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        try:
            if kind is not None:
                return
            check_equal(self.end(), self.expect, "the server's exit code")
        finally:
            if kind is not None or self.process.returncode != self.expect:
                print(self.output())
            if self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            self.log.close()

    def connect(self, timeout=BOUND):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def figure(self, name):
        page = get(self, "/debug/tuza").body.decode()
        found = re.search(rf'id="{name}">(\d+)', page)
        check(found, "no figure", name, "in", page)
        return int(found.group(1))

    def descriptors(self, kind=""):
        folder, n = f"/proc/{self.process.pid}/fd", 0
        for name in os.listdir(folder):
            try:
                n += os.readlink(f"{folder}/{name}").startswith(kind)
            except FileNotFoundError:
                pass
        return n


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body


class Stream:
    """Answers, one after the other, from a raw connection."""

    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def more(self):
        part = self.sock.recv(65536)
        self.data += part
        return bool(part)

    def answer(self, head_only=False):
        """None: the connection has ended before it began."""
        while b"\r\n\r\n" not in self.data:
            if not self.more():
                check(not self.data, "an answer that has no end:", self.data[:200])
                return None
        head, self.data = self.data.split(b"\r\n\r\n", 1)
        lines = head.decode("latin-1").split("\r\n")
        found = re.fullmatch(r"HTTP/1\.1 (\d{3}) [A-Za-z ]+", lines[0])
        check(found, "no status line:", lines[0])
        status = int(found.group(1))
        fields = {}
        for line in lines[1:]:
            name, _, value = line.partition(": ")
            check(name.lower() not in fields, "twice:", line)
            fields[name.lower()] = value
        length = int(fields.get("content-length", 0))
        if head_only or status in (204, 304):
            length = 0
        while len(self.data) < length:
            check(self.more(), "cut off:", len(self.data), "of", length)
        body, self.data = self.data[:length], self.data[length:]
        return Answer(status, fields, body)


def raw(server, data):
    """What comes for these bytes, until the server closes or has answered one request."""
    with server.connect() as s:
        s.sendall(data)
        return Stream(s).answer(data.startswith(b"HEAD"))


def request(path, *fields, method="GET", version="1.1"):
    lines = [f"{method} {path} HTTP/{version}", "Host: test", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def get(server, path, *fields, method="GET"):
    answer = raw(server, request(path, *fields, method=method))
    check(answer, "no answer for", path)
    return answer


def curl(server, *arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", str(BOUND), *arguments], capture_output=True, check=False,
                          env=dict(os.environ, no_proxy="*"))
    check_equal(done.returncode, 0, f"curl {arguments}: {done.stderr.decode()}")
    return done.stdout


def make_tree(base):
    root = os.path.join(base, "root")
    os.makedirs(os.path.join(root, "folder", "empty"))
    os.makedirs(os.path.join(root, "site"))
    files = {
        "1k.txt": bytes(random.Random(1).choices(b"abcdefgh\n", k=1024)),
        "empty.css": b"",
        "large.bin": random.Random(2).randbytes(3_000_000),
        "middle.png": random.Random(3).randbytes(40_000),
        "site/index.html": b"<h1>index</h1>\n",
        "folder/plain.json": b"{}\n",
        "folder/<i>&\"'.txt": b"odd\n",
        "folder/a b%20c.txt": b"blanks\n",
        "folder/\u00e4\u20ac.txt": b"umlaut\n",
        "folder/no-ending": b"?\n",
    }
    for name, data in files.items():
        with open(os.path.join(root, name), "wb") as f:
            f.write(data)
    with open(os.path.join(base, "secret"), "wb") as f:
        f.write(SECRET)
    os.mkdir(os.path.join(base, "outside"))
    shutil.copy(os.path.join(base, "secret"), os.path.join(base, "outside", "secret"))
    os.symlink("../secret", os.path.join(root, "link-out"))
    os.symlink(os.path.join(base, "secret"), os.path.join(root, "link-absolute"))
    os.symlink("../outside", os.path.join(root, "link-folder"))
    os.symlink("1k.txt", os.path.join(root, "link-in"))
    os.symlink("loop", os.path.join(root, "loop"))
    os.mkfifo(os.path.join(root, "pipe"))
    return root, files


def test_files(root, files):
    """curl: all files, one connection; types, lengths, dates, HEAD."""
    with Server(root) as server, tempfile.TemporaryDirectory() as out:
        names = sorted(files)
        arguments = ["-w", "%{num_connects} %{http_code} %{size_download} %{content_type}\n"]
        for i, name in enumerate(names):
            quoted = "".join(c if re.match(r"[\w./-]", c, re.A) else "".join(f"%{b:02x}" for b in c.encode())
                             for c in name)
            arguments += ["-o", os.path.join(out, str(i)), server.url + quoted]
        told = curl(server, *arguments).decode().splitlines()
        types = {"txt": "text/plain; charset=utf-8", "css": "text/css; charset=utf-8", "png": "image/png",
                 "html": "text/html; charset=utf-8", "json": "application/json"}
        for i, name in enumerate(names):
            connects, code, size, kind = told[i].split(" ", 3)
            check_equal((connects, code, int(size)), ("1" if i == 0 else "0", "200", len(files[name])), name)
            check_equal(kind, types.get(name.rpartition(".")[2], "application/octet-stream"), name)
            with open(os.path.join(out, str(i)), "rb") as f:
                check(f.read() == files[name], "not the same:", name)
        head = curl(server, "-I", server.url + "large.bin").decode()
        check("Content-Length: 3000000" in head and "Accept-Ranges: bytes" in head, head)
        check(re.search(r"^Last-Modified: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r$", head, re.M), head)
        check(re.search(r"^Date: \w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT\r$", head, re.M), head)
        paths = ("/link-in", "/pipe", "/loop", "/none", "/1k.txt/", "/1k.txt/x")
        answers = [get(server, path).status for path in paths]
        check_equal(answers, [200, 403, 403, 404, 404, 404])
        curl(server, "-Z", "--parallel-max", "30", *sum([["-o", os.path.join(out, f"m{i}"), server.url + "middle.png"]
                                                         for i in range(60)], []))
        for i in range(60):
            with open(os.path.join(out, f"m{i}"), "rb") as f:
                check(f.read() == files["middle.png"], "60 at once")


def test_pipe(root, files):
    """A named pipe is not opened: its writer goes on waiting for a reader."""
    path = os.path.join(root, "pipe")
    for options in ((), ("-s",)):
        with Server(root, *options) as server:
            writer = subprocess.Popen(["sh", "-c", 'echo opens; echo all of it >"$1"', "sh", path],
                                      stdout=subprocess.PIPE)
            check_equal(writer.stdout.readline(), b"opens\n")
            for _ in range(20):  # it may be about to open it only: it is not waited for more than needed
                check_equal(get(server, "/pipe").status, 403)
                time.sleep(0.01)
            check(writer.poll() is None, "the writer was let go, and ended by", writer.returncode)
            with open(path, "rb") as f:
                check_equal(f.read(), b"all of it\n", "what the writer wrote")
            check_equal(writer.wait(BOUND), 0, "the writer")
            writer.stdout.close()


def test_ranges(root, files):
    """curl's ranges; several; none that lies in the file; If-Range."""
    data = files["large.bin"]
    with Server(root) as server:
        for spec, expected in {"0-0": data[:1], "0-999": data[:1000], "2999990-": data[-10:], "-7": data[-7:],
                               "100-99999999": data[100:], "-99999999": data}.items():
            check(curl(server, "-r", spec, server.url + "large.bin") == expected, "range", spec)
        part = get(server, "/large.bin", "Range: bytes=5-9")
        check_equal((part.status, part.fields["content-range"]), (206, "bytes 5-9/3000000"))
        for path in ("large.bin", "1k.txt"):
            data = files[path]
            wanted = [(0, 10), (500, 510), (len(data) - 3, len(data))]
            several = get(server, "/" + path, "Range: bytes=0-9, 500-509 ,,-3")
            check_equal(several.status, 206)
            boundary = re.fullmatch(r"multipart/byteranges; boundary=(\w+)", several.fields["content-type"]).group(1)
            parts = several.body.split(f"\r\n--{boundary}".encode())
            check_equal((parts[0], parts[-1], len(parts)), (b"", b"--\r\n", 5))
            for (first, end), text in zip(wanted, parts[1:-1]):
                head, _, body = text.partition(b"\r\n\r\n")
                check(f"Content-Range: bytes {first}-{end - 1}/{len(data)}".encode() in head, head)
                check(body == data[first:end], "part", first)
        beyond = get(server, "/1k.txt", "Range: bytes=1024-")
        check_equal((beyond.status, beyond.fields["content-range"]), (416, "bytes */1024"))
        for ignored in ("bytes=5-1", "bytes=x", "lines=1-2", "bytes=", "bytes=1-2-3", "bytes=0-,0-,0-", "bytes=--5",
                        "bytes=" + ",".join(f"{i}-{i}" for i in range(100)), "bytes=99999999999999999999999-"):
            check_equal(get(server, "/1k.txt", "Range: " + ignored).status, 200, ignored)
        tag, date = part.fields["etag"], part.fields["last-modified"]
        for condition, status in ((tag, 206), (date, 206), ('"other"', 200), ("W/" + tag, 200),
                                  ("Sun, 06 Nov 1994 08:49:37 GMT", 200)):
            answer = get(server, "/large.bin", "Range: bytes=5-9", "If-Range: " + condition)
            check_equal(answer.status, status, f"If-Range: {condition}")
        check_equal(get(server, "/1k.txt", "Range: bytes=0-1", method="HEAD").status, 200)


def test_huge(root, files):
    """A file as long as one can be: sums of its ranges are not, and then the whole is sent."""
    size = 2**63 - 1
    shm = "/dev/shm"  # a file system that has such files
    with tempfile.TemporaryDirectory(dir=shm if os.path.isdir(shm) else None) as folder:
        try:
            with open(os.path.join(folder, "huge"), "wb") as f:
                f.truncate(size)
        except OSError:
            print("(no file is that long here)", end=" ")
            return
        with Server(folder) as server:
            for spec, status in (("0-,0-", 200), ("0-,0-0", 200), ("0-,0-,0-", 200), ("0-0,2-", 200), ("0-", 200),
                                 ("1-999999999999999999", 206), ("-3,0-999999999999999999", 206)):
                with server.connect() as s:
                    s.sendall(request("/huge", "Range: bytes=" + spec))
                    stream = Stream(s)
                    while b"\r\n\r\n" not in stream.data:
                        check(stream.more(), "no head for", spec)
                    said, length = re.search(rb" (\d+) .*Content-Length: (-?\d+)\r", stream.data, re.S).groups()
                    check_equal(int(said), status, spec)
                    check(int(length) == size if status == 200 else 0 < int(length) < size, spec, "is", length)
            part = get(server, "/huge", "Range: bytes=-3")
            check_equal((part.fields["content-range"], part.body), (f"bytes {size - 3}-{size - 1}/{size}", bytes(3)))


def test_conditions(root, files):
    """Entity tags and dates, and which of them wins."""
    with Server(root) as server, tempfile.NamedTemporaryFile() as copy:
        whole = get(server, "/1k.txt")
        tag, date = whole.fields["etag"], whole.fields["last-modified"]
        old, new = "Sun, 06 Nov 1994 08:49:37 GMT", "Fri, 31 Dec 2199 23:59:59 GMT"
        for fields, status in (
                ([f"If-None-Match: {tag}"], 304), ([f"If-None-Match: W/{tag}"], 304), (["If-None-Match: *"], 304),
                ([f'If-None-Match: "a", "b" , {tag}'], 304), (['If-None-Match: "a"'], 200),
                ([f"If-None-Match: {tag}", 'If-None-Match: "a"'], 304),
                (['If-None-Match: "a"', "X-Other: b", 'if-none-match:"c",', f"If-None-Match: \t{tag} "], 304),
                (['If-None-Match: "a"', 'If-None-Match: "b"', f"X-None-Match: {tag}", f"If-Match: {tag}"], 200),
                (["If-None-Match:", f"If-None-Match: {tag}", "X-Other:"], 304),
                (['If-Match: "a"', f"If-Match: {tag}"], 200), (['If-Match: "a"', 'If-Match: "b"'], 412),
                ([f"If-Modified-Since: {date}"], 304), ([f"If-Modified-Since: {old}"], 200),
                ([f"If-Modified-Since: {new}"], 304), (["If-Modified-Since: yesterday"], 200),
                (["If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT"], 200),
                (["If-Modified-Since: Sun Nov  6 08:49:37 2094"], 304),
                (['If-None-Match: "a"', f"If-Modified-Since: {date}"], 200),
                ([f"If-Match: {tag}"], 200), (["If-Match: *"], 200), (['If-Match: "a"'], 412),
                ([f"If-Match: W/{tag}"], 412), ([f"If-Unmodified-Since: {old}"], 412),
                ([f"If-Unmodified-Since: {date}"], 200)):
            answer = get(server, "/1k.txt", *fields)
            check_equal(answer.status, status, fields)
            check(status != 304 or answer.fields["etag"] == tag, "304 without its tag")
        curl(server, "-R", "-o", copy.name, server.url + "1k.txt")
        check_equal(curl(server, "-z", copy.name, "-w", "%{http_code}", server.url + "1k.txt"), b"304")


def test_directories(root, files):
    """index.html, redirects, lists, names that would break a page."""
    with Server(root) as server:
        check(get(server, "/site/").body == files["site/index.html"], "index.html")
        moved = get(server, "/folder?a=/b")
        check_equal((moved.status, moved.fields["location"]), (301, "/folder/?a=/b"))
        check_equal(curl(server, "-L", server.url + "site"), files["site/index.html"])
        page = get(server, "/folder/").body.decode()
        check("<i>" not in page and "&#60;i&#62;&#38;&#34;&#39;.txt" in page, page)
        found = 0
        for reference in re.findall(r'href="([^"]+)"', page):
            path = "/folder/" + reference.removeprefix("./")
            answer = get(server, path)
            check_equal(answer.status, 200, reference)
            found += answer.body in files.values()
        check_equal(found, 5, "files in the list")
        check("empty/" in page and page.index("empty/") < page.index("no-ending"), "folders first")
        check("large.bin" in get(server, "/").body.decode(), "the root's list")
        check("folder/" in get(server, "/folder/..").body.decode(), "the root by ..")
    with Server(root, "-l", "-p") as server:
        check_equal([get(server, p).status for p in ("/folder/", "/site/", "/debug/tuza")], [403, 200, 404])


def test_outside(root, files):
    """No path leads out of the root, however it is spelled, and no link."""
    up = ["../", "..%2f", "%2e%2e/", "%2e%2e%2f", ".%2e/", "..//", "%252e%252e/", "..\\", "..%5c", "..%00/", "..;/"]
    paths = ["/" + prefix + u * n + tail for u in up for n in (1, 2, 5) for prefix in ("", "folder/", "site/./")
             for tail in ("secret", "outside/secret", "etc/passwd")]
    paths += ["/link-out", "/link-absolute", "/link-folder/secret", "/link-folder/", "/link-folder", "//etc/passwd",
              "/proc/self/root/etc/passwd", "/folder/../../secret", "http://test/../secret", "/%00", "/a%0", "/%zz",
              "/folder\x00/../../secret", "/./../secret", "/.../secret"]
    for options in ((), ("-s",)):
        with Server(root, *options) as server:
            for path in paths:
                answer = raw(server, request(path))
                check(answer is None or answer.status in (301, 400, 403, 404), path, answer and answer.status)
                check(answer is None or (SECRET not in answer.body and b"root:" not in answer.body), "leaks:", path)
            check_equal(get(server, "/link-in").status, 403 if options else 200, "a link that stays inside")
            check_equal([get(server, p).status for p in ("/1k.txt", "/folder/plain.json", "/site/", "/folder/")],
                        [200] * 4)
            # The list says of a link what it leads to only where that lies inside.
            page = get(server, "/").body.decode()
            sizes = dict(re.findall(r'<a href="\./(link-\w+/?)">[\w/-]+</a><td>(\d*)<td>', page))
            lengths = {name: str(len(os.readlink(os.path.join(root, name)))) for name in
                       ("link-out", "link-absolute", "link-folder", "link-in")}
            if not options:
                lengths["link-in"] = str(len(files["1k.txt"]))
            check_equal(sizes, lengths, "sizes of links")
            before = server.descriptors("/")  # of files, the root among them
            for path in ("/folder/" + "x" * 256, "/folder/none", "/folder/link/x", "/site/pipe", "/1k.txt/x"):
                check_equal(get(server, path).status, 404, path)
            check_equal(server.descriptors("/"), before, "descriptors of files")


def test_protocol(root, files):
    """Raw requests: versions, methods, what must be refused and what must not."""
    long = "x" * 20_000
    cases = [
        (b"GET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200), (b"GET http://a/1k.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET /1k.txt?a=b#c HTTP/1.1\r\nHost: a\r\n\r\n", 200), (b"GET /1k.txt HTTP/1.0\r\n\r\n", 200),
        (b"\r\n\r\nGET /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n", 200),
        (b"GET /1k.txt HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n", 200),
        (b"GET /1k.txt HTTP/1.1\r\n\r\n", 400), (b"GET /1k.txt HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /1k.txt HTTP/1.1\r\nHost: a b/../<>\r\n\r\n", 400),
        (b"GET /1k.txt HTTP/1.1\r\nHost: \xe4\r\n\r\n", 400), (b"GET /1k.txt HTTP/1.0\r\nHost: a/b\r\n\r\n", 400),
        (b"GET /1k.txt HTTP/1.1\r\nHost: [2001:DB8::1%25z]:8080 \r\n\r\n", 200),
        (b"GET /1k.txt HTTP/1.1\r\nHost: a_B-1.example:80\r\n\r\n", 200), (b"GET / HTTP/1.1\r\nHost:\r\n\r\n", 200),
        (b"GET /1k.txt HTTP/1.2\r\nHost: a\r\n\r\n", 200), (b"GET /1k.txt HTTP/1.9\r\n\r\n", 400),
        (b"GET /1k.txt HTTP/0.9\r\nHost: a\r\n\r\n", 505), (b"GET /1k.txt HTTP/1.\r\nHost: a\r\n\r\n", 505),
        (b"GET /1k.txt HTTP/2.0\r\nHost: a\r\n\r\n", 505), (b"GET /1k.txt HTTP/3.7\r\nHost: a\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505), (b"FROBNICATE / HTTP/1.1\r\nHost: a\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"DELETE /1k.txt HTTP/1.1\r\nHost: a\r\n\r\n", 405), (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 204), (b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 99999999\r\n\r\n", 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n" + b"y" * 70_000, 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked \r\n\r\n0\r\n\r\n", 405),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 400),
        (b"GET /1k.txt HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", 400),
        (b"GET /1k.txt HTTP/1.1\nHost: a\n\n", 400), (b"GET /1k.txt HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /1k.txt HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400), (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", 400),
        (f"GET /{long} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 414),
        (f"GET /{long[:5000]} HTTP/1.1\r\nHost: a\r\n\r\n".encode(), 414),
        (f"GET / HTTP/1.1\r\nHost: a\r\nX: {long}\r\n\r\n".encode(), 431),
        (f"GET / HTTP/1.1\r\nHost: a\r\n{long}".encode(), 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 150 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"A: b\r\n" * 90 + b"\r\n", 200),
    ]
    with Server(root) as server:
        for data, status in cases:
            answer = raw(server, data)
            check_equal(answer and answer.status, status, data[:100])
            check("date" in answer.fields and ("content-length" in answer.fields or status == 204), data[:100])
        # Fields behind a body are none of the head's; but too many are too many.
        for trailer, status in (("Range: bytes=0-0", 200), ("If-None-Match: *", 200), ("Host: b", 200),
                                ("A: b\r\n" * 150 + "A: b", 431)):
            data = request("/1k.txt", "Transfer-Encoding: chunked") + f"0\r\n{trailer}\r\nX: y\r\n\r\n".encode()
            check_equal(raw(server, data).status, status, trailer[:20])
        # A client that goes on sending what has been refused gets the answer, and no reset.
        with server.connect() as s:
            s.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n")
            select.select([s], [], [], BOUND)
            for _ in range(10):
                s.sendall(b"y" * 10_000)
                time.sleep(0.01)
            check_equal(Stream(s).answer().status, 413)
        # A request that comes byte by byte, in one connection with others.
        with server.connect() as s:
            stream = Stream(s)
            for part in (1, 7, 1000):
                data = request("/1k.txt", "If-None-Match: \"x\"", "X-Empty:", "Range: bytes=0-9")
                for i in range(0, len(data), part):
                    s.sendall(data[i:i + part])
                    time.sleep(0.001 if part == 1 else 0)
                answer = stream.answer()
                check_equal((answer.status, answer.body), (206, files["1k.txt"][:10]), f"in parts of {part}")
        # Which side closes.
        for data, closes in ((request("/1k.txt", version="1.0"), True), (request("/1k.txt"), False),
                             (request("/1k.txt", "Connection: close"), True),
                             (request("/1k.txt", "Connection: keep-alive", version="1.0"), False),
                             (request("/1k.txt", "Connection: keep-alive", "Transfer-Encoding: chunked", version="1.0")
                              + b"0\r\n\r\n", True)):
            with server.connect() as s:
                s.sendall(data * 2)
                stream = Stream(s)
                first, second = stream.answer(), None if closes else stream.answer()
                check_equal(first.status, 200)
                check_equal(first.fields.get("connection") == "close", closes, data)
                check(closes == (second is None) and (not closes or not stream.more()), "closes:", data)


def test_expect(root, files):
    """A body that the client sends when it is told to (RFC 9110, 10.1.1)."""
    expect = ("Content-Length: 5", "Expect: 100-Continue")
    with Server(root) as server:
        answer = get(server, "/1k.txt", *expect, method="POST")  # it would have to wait for the body
        check_equal((answer.status, answer.fields["connection"]), (405, "close"))
        check("GET" in answer.fields["allow"], "405 without Allow")
        for fields, body in ((expect, b"hello"), (("Transfer-Encoding: chunked", expect[1]), b"1\r\nx\r\n0\r\n\r\n")):
            with server.connect() as s:
                stream = Stream(s)
                for method, status in (("GET", 200), ("OPTIONS", 204), ("GET", 200)):
                    s.sendall(request("/1k.txt", *fields, method=method))
                    check_equal((stream.answer().status, stream.data), (100, b""), method)
                    s.sendall(body)
                    check_equal(stream.answer().status, status, method)
                s.sendall(request("/1k.txt", *fields) + body)  # the body has come unasked
                check_equal(stream.answer().status, 200, "with the body")
        # Nothing to wait for, and who does not know the word.
        check_equal(get(server, "/1k.txt", expect[1]).status, 200)
        with server.connect() as s:
            s.sendall(request("/1k.txt", *expect, version="1.0"))
            select.select([s], [], [], 0.1)
            s.sendall(b"hello")
            check_equal(Stream(s).answer().status, 200, "HTTP/1.0")
        check_equal(curl(server, "-H", expect[1], "-X", "GET", "-d", "x", server.url + "1k.txt"), files["1k.txt"])


def test_pipelining(root, files):
    """Answers come in the order of the requests, whatever their sizes."""
    rng = random.Random(4)
    with Server(root) as server:
        paths = [rng.choice(["1k.txt", "empty.css", "middle.png", "large.bin", "none", "folder/plain.json", "site"])
                 for _ in range(40 if SLOW else 200)]
        methods = [rng.choice(["GET", "GET", "HEAD"]) for _ in paths]
        data = b"".join(request("/" + p, method=m) for p, m in zip(paths, methods))
        with server.connect() as s:
            sender = threading.Thread(target=s.sendall, args=(data,))
            sender.start()
            stream = Stream(s)
            for path, method in zip(paths, methods):
                answer = stream.answer(method == "HEAD")
                check_equal(answer.status, 404 if path == "none" else 301 if path == "site" else 200, path)
                check(method == "HEAD" or path not in files or answer.body == files[path], "not the same:", path)
            sender.join()


def test_full(root, files):
    """Heads and small bodies that fill the buffer to its last byte, or nearly, before a file that does not fit."""
    filler, buffer = os.path.join(root, "filler.bin"), 16 * 1024
    with Server(root, "-c", "0") as server:
        with open(filler, "wb") as f:
            f.truncate(15_000)
        with server.connect() as s:
            s.sendall(request("/filler.bin", method="HEAD") + request("/large.bin", method="HEAD"))
            stream = Stream(s)
            while stream.data.count(b"\r\n\r\n") < 2:
                check(stream.more(), "no heads")
            heads = len(stream.data)
        for short in (-1, 0, 1, 2):
            with open(filler, "wb") as f:
                f.truncate(buffer - heads - short)
            with server.connect() as s:
                s.sendall(request("/filler.bin") + request("/large.bin") + request("/1k.txt"))
                stream = Stream(s)
                answers = [stream.answer() for _ in range(3)]
                check(all(answers), "with", short, "bytes of room: lost")
                check(answers[1].body == files["large.bin"], "with", short, "bytes of room: damaged")
    os.unlink(filler)


def test_changes(root, files):
    """A file that changes: seen at once without the cache, and soon with it; one that shrinks while it is sent."""
    path = os.path.join(root, "changing.txt")

    def put(data):
        with open(path + ".new", "wb") as f:
            f.write(data)
        os.rename(path + ".new", path)

    with Server(root, "-c", "0") as server, Server(root, "-c", "50") as cached:
        for i in range(20):
            put(b"x" * i)
            check_equal(get(server, "/changing.txt").body, b"x" * i)
        check(get(cached, "/changing.txt").status == 200, "known")
        for data in (b"other", b"again", b"z" * 100_000):
            put(data)
            eventually(lambda: get(cached, "/changing.txt").body == data, "the new file")  # pylint: disable=W0640
        os.unlink(path)
        eventually(lambda: get(cached, "/changing.txt").status == 404, "that it is gone")
        with open(path, "wb") as f:
            f.truncate(50_000_000)
        with server.connect() as s:
            s.sendall(request("/changing.txt"))
            s.recv(1000)
            os.truncate(path, 1000)
            all_of_it = 0
            while True:
                part = s.recv(1 << 20)
                if not part:
                    break
                all_of_it += len(part)
            check(all_of_it < 50_000_000, "what is not there was sent")
        # Changed in place while it is known: no part of it goes out under the old tag.
        with Server(root, "-c", "1000000") as knows:
            for change in (lambda f: f.write(b"new" * 20_000), lambda f: f.truncate(45_000)):
                with open(path, "wb") as f:
                    f.write(b"old" * 20_000)
                tag = get(knows, "/changing.txt").fields["etag"]
                with open(path, "r+b") as f:
                    change(f)
                stamp = os.stat(path).st_mtime_ns + 1_000_000_000  # however coarse the clock of files is
                os.utime(path, ns=(stamp, stamp))
                part = get(knows, "/changing.txt", "Range: bytes=30000-30002", f"If-Range: {tag}")
                check(part.status == 200 and part.fields["etag"] != tag, "the old tag")
                with open(path, "rb") as f:
                    check(part.body == f.read(), "not the new file")
        # Where it ends before a range that was promised, what is ready by then is sent: that part's head.
        with open(path, "wb") as f:
            f.truncate(50_000_000)
        with server.connect() as s:
            s.sendall(request("/changing.txt", "Range: bytes=0-39999999,45000000-45000009"))
            s.recv(1000)
            os.truncate(path, 41_000_000)
            end = b""
            while part := s.recv(1 << 20):
                end = (end + part)[-100:]
            check(end.endswith(b"Content-Range: bytes 45000000-45000009/50000000\r\n\r\n"), "cut off at", end)
        os.unlink(path)


def test_slow(root, files):
    """Clients that send or take too slowly lose their connection, and nobody else notices."""
    large = os.path.join(root, "sparse.bin")
    with open(large, "wb") as f:
        f.truncate(200_000_000)
    with Server(root, "-t", "1500", "-i", "1000", "-w", "1000") as server:
        drip, silent, fresh, taker, liner = (server.connect() for _ in range(5))
        taker.sendall(request("/sparse.bin"))
        liner.sendall(b"\r\n" + request("/1k.txt") + b"\r\n")  # some clients end a body so
        lines = Stream(liner)
        check_equal(lines.answer().status, 200)
        silent.sendall(request("/1k.txt"))
        check_equal(Stream(silent).answer().status, 200)
        start = time.monotonic()
        ended = False
        try:
            for byte in request("/1k.txt", "X: " + "y" * 8000):
                drip.sendall(bytes([byte]))
                readable, _, _ = select.select([drip], [], [], 0.02)
                if readable:
                    ended = True
                    break
        except (ConnectionResetError, BrokenPipeError):
            ended = True
        check(ended, "the drip was never stopped")
        check(time.monotonic() - start >= 1.4, "too early")
        check_equal(Stream(drip).answer().status, 408)
        check(silent.recv(100) == b"" and fresh.recv(100) == b"", "silent connections stay")
        check(lines.answer() is None, "an empty line was taken for a request")
        check_equal(get(server, "/1k.txt").status, 200)
        # Nothing was taken meanwhile: what is left comes to an early end.
        eventually(lambda: server.figure("connections") == 1, "that the taker's connection ends")
        got = 0
        try:
            while part := taker.recv(1 << 20):
                got += len(part)
        except ConnectionResetError:
            pass
        check(0 < got < 200_000_000, "taken:", got)
        for s in (drip, silent, fresh, taker, liner):
            s.close()
    with Server(root, "-t", "500", "-i", "1000") as server:  # nor do empty lines keep a connection
        with server.connect() as s:
            def is_over():
                try:
                    s.sendall(b"\r\n")
                    return bool(select.select([s], [], [], 0)[0])
                except (ConnectionResetError, BrokenPipeError):
                    return True
            eventually(is_over, "that a client of empty lines is refused")
    with Server(root, "-t", "2500", "-w", "2000") as server:  # to send a request may take longer than to get its answer
        late = raw(server, request("/1k.txt")[:20])
        check_equal(late and late.status, 408)
    with Server(root, "-w", "2000") as server:  # slow, but not too slow
        with server.connect() as s:
            s.sendall(request("/large.bin"))
            for _ in range(5):
                time.sleep(0.1)
                check(s.recv(10_000), "cut off")
    os.unlink(large)


def vanish(s, hard):
    if hard:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def test_vanish(root, files):
    """Clients that are gone in every state, by FIN and by RST; nothing is left of them."""
    with Server(root) as server:
        get(server, "/large.bin")
        eventually(lambda: server.descriptors("socket:") == 1, "that nobody is connected")
        before = server.descriptors()
        for _ in range(3 if SLOW else 20):
            for hard in (False, True):
                for data, reads in ((b"", 0), (b"GET", 0), (b"GET /large.bin HTTP/1.1\r\nHo", 0),
                                    (request("/1k.txt"), 0), (request("/1k.txt"), 10), (request("/large.bin"), 0),
                                    (request("/large.bin"), 100), (request("/large.bin"), 200_000),
                                    (request("/1k.txt") * 50, 0), (request("/large.bin") * 5, 5_000),
                                    (request("/") + b"GET /fol", 1), (b"\x00\xff", 0), (b"\x00\xff", 1),
                                    (request("/1k.txt", "Connection: close"), 1)):
                    s = server.connect()
                    s.sendall(data)
                    if reads:
                        s.recv(reads)
                    vanish(s, hard)
        eventually(lambda: server.figure("connections") == 1, "that all have been noticed")
        eventually(lambda: server.descriptors() <= before, "that no descriptor is left")
        check(get(server, "/large.bin").body == files["large.bin"], "it serves")


def fuzzed(rng):
    """A request gone wrong."""
    word = lambda n: bytes(rng.randrange(256) for _ in range(rng.randrange(n)))
    kind = rng.randrange(10)
    if kind == 0:
        return word(300)
    path = rng.choice(["/1k.txt", "/", "/folder/", "/site", "/large.bin", "/none", "/folder/%3ci%3e&%22'.txt"])
    fields = [rng.choice(["Range: bytes=0-5", "Range: bytes=-1,0-0", "If-None-Match: *", "If-Range: \"", "Range:",
                          "Expect: 100-continue", "Content-Length: 7", "Transfer-Encoding: chunked", "X: y",
                          "Connection: close", "Connection: upgrade", "Upgrade: q", "If-None-Match: \"a\"",
                          "If-Match: *", "If-Modified-Since: Sun, 99 Nov 1994 08:49:37 GMT"])
              for _ in range(rng.randrange(4))]
    data = bytearray(request(path, *fields, method=rng.choice(["GET", "GET", "HEAD", "POST", "TRACE"])))
    if kind < 6:
        for _ in range(rng.randrange(1, 6)):
            at = rng.randrange(len(data))
            change = rng.randrange(4)
            if change == 0:
                data[at] = rng.randrange(256)
            elif change == 1:
                del data[at:at + rng.randrange(1, 10)]
            elif change == 2:
                data[at:at] = word(20)
            else:
                data[at:at] = data[at:at + rng.randrange(40)]
            if not data:
                break
    elif kind < 8:
        del data[rng.randrange(len(data)):]
    elif kind == 8:
        data[rng.randrange(len(data)):] = rng.choice([b"\r\n", b":", b" ", b"%", b"\t", b"a: b\r\n", b"0"]) * \
            rng.randrange(20_000)
    else:
        data = data * rng.randrange(2, 5) + word(10)
    return bytes(data)


def fuzz_some(server, seed, count, errors):
    rng = random.Random(seed)
    for i in range(count):
        data = fuzzed(rng)
        try:
            with server.connect() as s:
                try:
                    s.sendall(data)
                    s.shutdown(socket.SHUT_WR)
                    got = b""
                    while part := s.recv(1 << 20):
                        got = got[:20] + part[:0] if got else part[:20]
                    check(not got or re.match(rb"HTTP/1\.1 \d{3} [A-Z]", got), "no answer:", got)
                except (ConnectionResetError, BrokenPipeError):
                    pass  # it was refused before all of it had come
        except (Failed, OSError) as e:
            errors.append(f"request {i} of seed {seed}: {e}: {data[:300]!r}")
            return


def test_fuzz(root, files):
    """Broken and hostile requests: each has an answer or an end, and the server lives."""
    print(f"seed {SEED}", end=" ", flush=True)
    errors = []
    with Server(root) as server:
        get(server, "/large.bin")
        before = server.descriptors()
        threads = [threading.Thread(target=fuzz_some, args=(server, SEED + i, FUZZED // 8, errors)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        check(not errors, *errors)
        check_equal(get(server, "/1k.txt").body, files["1k.txt"])
        eventually(lambda: server.figure("connections") == 1, "that all are gone")
        eventually(lambda: server.descriptors() <= before + 16, "no more descriptors")  # files kept for a moment


class Visitor:
    """One of a crowd: asks for one thing after the other on its connection."""

    def __init__(self, server, rng, files, rounds):
        self.sock = server.connect()
        self.sock.setblocking(False)
        self.rng, self.files, self.rounds = rng, files, rounds
        self.todo = b""
        self.ask()

    def ask(self):
        self.name = self.rng.choice(["1k.txt", "middle.png", "folder/no-ending", "empty.css"] + ["large.bin"] *
                                    (self.rng.randrange(20) == 0))
        data = self.files[self.name]
        if data and self.rng.randrange(3) == 0:
            first = self.rng.randrange(len(data))
            last = self.rng.randrange(first, len(data))
            self.todo = request("/" + self.name, f"Range: bytes={first}-{last}")
            data = data[first:last + 1]
        else:
            self.todo = request("/" + self.name)
        self.sum, self.left, self.head = hashlib.sha256(data).digest(), None, b""
        self.got = hashlib.sha256()

    def write(self):
        self.todo = self.todo[self.sock.send(self.todo):]

    def read(self):
        """Whether all rounds are through."""
        part = self.sock.recv(1 << 18)
        check(part, "cut off:", self.name)
        if self.left is None:
            self.head += part
            head, end, part = self.head.partition(b"\r\n\r\n")
            if not end:
                return False
            self.left = int(re.search(rb"Content-Length: (\d+)", head).group(1))
        self.got.update(part)
        self.left -= len(part)
        check(self.left >= 0, "too much of", self.name)
        if self.left == 0:
            check(self.got.digest() == self.sum, "damaged:", self.name)
            self.rounds -= 1
            if self.rounds:
                self.ask()
        return self.rounds == 0


def test_crowd(root, files):
    """Many connections at once, all busy; what they get is checked."""
    rng = random.Random(SEED)
    with Server(root) as server, selectors.DefaultSelector() as selector:
        for _ in range(CROWD):
            visitor = Visitor(server, rng, files, 5)
            selector.register(visitor.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, visitor)
        check(server.figure("connections") == CROWD + 1, "not all are connected")
        eventually(lambda: server.figure("waiting") >= CROWD, "each has its goroutine")
        left = CROWD
        end = time.monotonic() + BOUND
        while left:
            check(time.monotonic() < end, "not through:", left)
            for key, events in selector.select(1):
                visitor = key.data
                if events & selectors.EVENT_WRITE and visitor.todo:
                    visitor.write()
                    if not visitor.todo:
                        selector.modify(visitor.sock, selectors.EVENT_READ, visitor)
                if events & selectors.EVENT_READ:
                    if visitor.read():
                        selector.unregister(visitor.sock)
                        visitor.sock.close()
                        left -= 1
                    elif visitor.todo:
                        selector.modify(visitor.sock, selectors.EVENT_READ | selectors.EVENT_WRITE, visitor)
        check(server.figure("requests") >= 5 * CROWD, "requests were counted")
        eventually(lambda: server.figure("connections") == 1, "that all are gone")


def test_descriptors(root, files):
    """Too few descriptors while it accepts: it recovers. Too many connections: they are refused."""
    with Server(root, "-c", "0") as server:
        get(server, "/1k.txt")
        limit = resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE)
        eventually(lambda: server.descriptors("socket:") == 1, "that nobody is connected")
        few = server.descriptors() + 20
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, (few, limit[1]))
        crowd = [server.connect() for _ in range(60)]  # those beyond wait in the kernel's queue
        eventually(lambda: server.descriptors() >= few, "that it runs out")
        crowd[0].sendall(request("/1k.txt"))
        check_equal(Stream(crowd[0]).answer().status, 503, "no descriptor for the file")
        for s in crowd[1:50]:
            s.close()
        # Those that were closed in the queue are accepted as well, and then the last ones.
        eventually(lambda: server.descriptors("socket:") == 12, "that the others are accepted")
        for s in (crowd[0], *crowd[50:]):
            s.sendall(request("/1k.txt"))
        for s in (crowd[0], *crowd[50:]):
            check_equal(Stream(s).answer().status, 200)
            s.close()
        resource.prlimit(server.process.pid, resource.RLIMIT_NOFILE, limit)
        check_equal(get(server, "/1k.txt").status, 200)
    with Server(root, "-n", "10") as server:
        crowd = [server.connect() for _ in range(10)]
        for s in crowd:
            s.sendall(request("/1k.txt"))
            check_equal(Stream(s).answer().status, 200)
        answer = None
        with server.connect() as s:
            answer = Stream(s).answer()
        check_equal((answer.status, answer.fields["connection"]), (503, "close"))
        crowd.pop().close()
        eventually(lambda: raw(server, request("/1k.txt")).status == 200, "a free place")
        for s in crowd:
            s.close()


def ask_until_closed(server, files, result):
    """Keeps asking until it is told to go away. Every request that was sent must be answered in full."""
    asked = answered = 0
    try:
        with server.connect() as s:
            stream = Stream(s)
            while True:
                s.sendall(request("/middle.png"))
                asked += 1
                answer = stream.answer()
                if answer is None or answer.body != files["middle.png"]:
                    break
                answered += 1
                if answer.fields.get("connection") == "close":
                    break
    except (OSError, Failed) as e:
        result.append(f"after {answered} answers: {e!r}")
        return
    result.append("" if asked == answered else f"{asked} asked, {answered} answered")


def test_drain(root, files):
    """SIGTERM under load: what is under way is answered, then it ends; its counts add up."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with Server(root) as server:
            results = []
            threads = [threading.Thread(target=ask_until_closed, args=(server, files, results)) for _ in range(20)]
            for t in threads:
                t.start()
            idle, taker = server.connect(), server.connect()
            taker.sendall(request("/large.bin"))
            taker.recv(1)
            idle.sendall(request("/1k.txt"))
            Stream(idle).answer()
            time.sleep(0.3)
            server.process.send_signal(number)
            for t in threads:
                t.join(BOUND)
            check_equal([r for r in results if r], [], "requests that were lost")
            check_equal(len(results), 20, "clients that ended")
            check(idle.recv(10) == b"", "a silent connection is closed")
            got = 1
            while part := taker.recv(1 << 20):
                got += len(part)
            check(got > len(files["large.bin"]), "the download was cut off at", got)
            check_equal(server.wait(), 0, "exit code")
            said = re.search(r"(\d+) requests \((\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx\), (\d+) bytes; "
                             r"(\d+) connections accepted, 0 refused", server.output())
            check(said, "no counts:", server.output())
            n = [int(x) for x in said.groups()]
            check_equal((n[0], n[6]), (sum(n[1:5]), 22), "counts")
            try:
                server.connect(5).close()
                raise Failed("it still listens")
            except ConnectionRefusedError:
                pass
    with Server(root, "-d", "100000000", expect=1) as server:  # a second signal cuts off what would last
        with open(os.path.join(root, "sparse.bin"), "wb") as f:
            f.truncate(200_000_000)
        taker = server.connect()
        taker.sendall(request("/sparse.bin"))
        taker.recv(1)
        server.process.send_signal(signal.SIGTERM)
        eventually(lambda: "draining" in server.output(), "that it drains")
        time.sleep(0.2)
        check(server.process.poll() is None, "it did not wait for the download")
        check_equal(server.end(signal.SIGINT), 1, "exit code")
        taker.close()
        os.unlink(os.path.join(root, "sparse.bin"))


def test_arguments(root, files):
    """What is wrong with the command line is said, and nothing starts."""
    with Server(root) as server:
        for arguments, code in ((["-x"], 2), (["a", "b"], 2), (["-t", "abc", root], 2), (["-n", "0", root], 2),
                                (["/nonexistent"], 1), ([HTTPD], 1), (["-a", "nonsense", root], 1),
                                (["-a", f"127.0.0.1:{server.port}", root], 1)):
            done = subprocess.run([HTTPD, *arguments], capture_output=True, timeout=BOUND, check=False)
            check_equal(done.returncode, code, arguments)
            check(done.stderr and b"http://" not in done.stdout, arguments)


def main():
    if not os.path.exists(HTTPD):
        print("httpd was not built: no llhttp")
        return 77
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    chosen = sys.argv[3:]
    passed = failed = 0
    for name, function in list(globals().items()):
        if not name.startswith("test_") or (chosen and name[5:] not in chosen):
            continue
        print(f"{name[5:]:14} ", end="", flush=True)
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as base:
            try:
                function(*make_tree(base))
                passed += 1
                print(f"ok     {time.monotonic() - start:.1f} s")
            except (Failed, OSError, http.client.HTTPException, AssertionError) as e:
                failed += 1
                print(f"FAILED {type(e).__name__}: {e}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
