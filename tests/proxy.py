#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: all | not arm64 | timeout 600 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=4 TUZA_CHAOS=3
"""examples/proxy between clients and back-ends made here: large transfers
both ways, half-close, resets, back-ends that die and return, limits, idle
connections, too few descriptors, and the drain. Its final counts must be those
of what was done.

usage: proxy.py BUILD_DIR SOURCE_DIR
"""
import ctypes
import hashlib
import os
import queue
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

BOUND = 120
PR_SET_PDEATHSIG = 1
FACTOR = 8 if os.environ.get("TUZA_CHAOS") or "tsan" in sys.argv[1] or "asan" in sys.argv[1] else 1


def check(condition, text):
    if not condition:
        raise AssertionError(text)


def equal(found, expected, text):
    check(found == expected, f"{text}: {found!r}, expected {expected!r}")


def reset(s):
    """Closes so that the other side sees a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    s.close()


def read_exactly(s, n):
    got = b""
    while len(got) < n:
        piece = s.recv(n - len(got))
        check(piece, f"an end after {len(got)} of {n} bytes")
        got += piece
    return got


def read_all(s):
    got = []
    while True:
        piece = s.recv(1 << 16)
        if not piece:
            return b"".join(got)
        got.append(piece)


def echo(backend, s):
    while True:
        data = s.recv(1 << 16)
        if not data:
            break
        s.sendall(data)
    s.shutdown(socket.SHUT_WR)


class Backend:
    """Listens on 127.0.0.1; calls handler(self, socket) in a thread for each connection that sends or gets something.
    Its checks by the proxy are connections that end without a byte."""

    def __init__(self, handler=echo, port=0):
        self.handler = handler
        self.sockets = set()
        self.connections = 0
        self.events = queue.Queue()  # for what handlers have to say
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", port), backlog=1000)
        self.port = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        self.thread = threading.Thread(target=self.accept, daemon=True)
        self.thread.start()

    def accept(self):
        while True:
            try:
                s = self.listener.accept()[0]
            except OSError:
                return
            threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        s.settimeout(BOUND)
        try:
            if self.handler == echo and not s.recv(1, socket.MSG_PEEK):
                return
            with self.lock:
                self.connections += 1
                self.sockets.add(s)
            self.handler(self, s)
        except OSError:
            pass
        except AssertionError as e:
            self.events.put(e)
        finally:
            with self.lock:
                self.sockets.discard(s)
            s.close()

    def die(self):
        """As a process that is killed. A second thread's accept keeps a socket open: so it is shut down first."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(BOUND)
        with self.lock:
            for s in self.sockets:
                s.shutdown(socket.SHUT_RDWR)

    def event(self):
        value = self.events.get(timeout=BOUND)
        if isinstance(value, AssertionError):
            raise value
        return value


class Proxy:
    def __init__(self, *args, descriptors=0, env=None):
        def limit():
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)  # it does not outlive a test that fails
            if descriptors:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        words = [a.address if isinstance(a, Backend) else str(a) for a in args]
        at = next(i for i, a in enumerate(args) if isinstance(a, Backend))
        words.insert(at, "127.0.0.1:0")
        self.process = subprocess.Popen([PROGRAM, "--check=0.1", *words], text=True, preexec_fn=limit,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        self.lines = []
        self.changed = threading.Condition()
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()
        self.port = int(self.line(r"proxy: listening on 127.0.0.1:(\d+)")[1])

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n"))
                self.changed.notify_all()
        with self.changed:
            self.lines.append(None)
            self.changed.notify_all()

    def line(self, pattern, after=0):
        """Waits for a line that matches."""
        end = time.monotonic() + BOUND
        with self.changed:
            while True:
                for line in self.lines[after:]:
                    check(line is not None, f"ended without {pattern!r}: {self.lines}")
                    match = re.fullmatch(pattern, line)
                    if match:
                        return match
                check(self.changed.wait(max(0, end - time.monotonic())), f"no line {pattern!r}: {self.lines}")

    def connect(self):
        s = socket.create_connection(("127.0.0.1", self.port), timeout=BOUND)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def signal(self, sig=signal.SIGTERM):
        self.process.send_signal(sig)

    def end(self, **expected):
        """It has been told to stop; waits, compares the counts. Outcomes that are not named must be 0."""
        code = self.process.wait(BOUND)
        self.reader.join(BOUND)
        equal(code, 0, f"exit code, after {self.lines}")
        counts = dict(re.findall(r"(\w+) (\d+)", self.line("proxy: connections: .*")[0]))
        for name, value in counts.items():
            equal(int(value), expected.get(name, 0), f"the count {name!r} of {counts}")
        for name in expected:
            check(name in counts, f"no count {name}")

    def stop(self, **expected):
        self.signal()
        self.end(**expected)

    def backend_counts(self, backend):
        found = self.line(rf"proxy: {backend.address}: connections (\d+), failed dials (\d+), went down (\d+)")
        return tuple(map(int, found.groups()))


def ask(s, text=b"question"):
    s.sendall(text)
    equal(read_exactly(s, len(text)), text, "the answer")


def is_reset(s):
    """Waits for the connection's end, which must be a reset."""
    try:
        data = s.recv(1 << 16)
    except ConnectionResetError:
        return True
    check(not data, f"bytes {data[:20]!r}")
    return False


def turned_away(p):
    """A new connection is reset: as early as by connect's return."""
    try:
        return is_reset(p.connect())
    except ConnectionResetError:
        return True


def in_thread(fn, *args):
    result = queue.Queue()

    def run():
        try:
            result.put(fn(*args))
        except BaseException as e:
            result.put(e)

    threading.Thread(target=run, daemon=True).start()

    def wait():
        value = result.get(timeout=BOUND)
        if isinstance(value, BaseException):
            raise value
        return value

    return wait


def digest(data):
    return hashlib.sha256(data).hexdigest()


# --- The tests ---

def test_large_both_ways():
    """Megabytes in both directions at once, none of which waits for the other."""
    up = random.Random(1).randbytes((32 << 20) // FACTOR)
    down = random.Random(2).randbytes((24 << 20) // FACTOR)

    def handler(backend, s):
        reading = in_thread(read_all, s)
        s.sendall(down)
        s.shutdown(socket.SHUT_WR)
        backend.events.put(digest(reading()))

    b = Backend(handler)
    p = Proxy(b)
    for _ in range(2):
        s = p.connect()
        reading = in_thread(read_all, s)
        s.sendall(up)
        s.shutdown(socket.SHUT_WR)
        equal(digest(reading()), digest(down), "what the client got")
        while (got := b.event()) == digest(b""):
            pass  # a check of the proxy's
        equal(got, digest(up), "what the back-end got")
        s.close()
    p.stop(served=2)
    equal(p.line(r"proxy: bytes: to back-ends (\d+), to clients (\d+)").groups(),
          (str(2 * len(up)), str(2 * len(down))), "bytes counted")


def test_half_close():
    """The client ends first, and is answered after that; the back-end ends first, and still reads."""
    def answer_at_end(backend, s):
        s.sendall(b"you said " + read_all(s))

    b = Backend(answer_at_end)
    p = Proxy(b)
    s = p.connect()
    s.sendall(b"this")
    s.shutdown(socket.SHUT_WR)
    equal(read_all(s), b"you said this", "the answer after the end")
    p.stop(served=1)

    def end_first(backend, s):
        s.sendall(b"go on")
        s.shutdown(socket.SHUT_WR)
        data = read_all(s)
        if data:
            backend.events.put(data)

    b = Backend(end_first)
    p = Proxy(b)
    s = p.connect()
    equal(read_all(s), b"go on", "up to the back-end's end")
    for piece in (b"one ", b"two ", b"three"):
        s.sendall(piece)
    s.shutdown(socket.SHUT_WR)
    equal(b.event(), b"one two three", "what the back-end got after its end")
    p.stop(served=1)


def test_resets():
    """What is cut off is not given an end."""
    def reset_after(backend, s):
        read_exactly(s, 5)
        s.sendall(b"half of it")
        reset(s)

    b = Backend(reset_after)
    p = Proxy(b)
    s = p.connect()
    s.sendall(b"start")
    got = b""
    try:
        while True:
            piece = s.recv(100)
            check(piece, "a reset of the back-end comes as an end")
            got += piece
    except ConnectionResetError:
        pass
    check(b"half of it".startswith(got), f"bytes {got!r}")
    p.stop(broken=1)

    def tell_end(backend, s):
        if not s.recv(100):
            return
        backend.events.put("begun")
        try:
            while s.recv(100):
                pass
            backend.events.put("end")
        except ConnectionResetError:
            backend.events.put("reset")

    b = Backend(tell_end)
    p = Proxy(b)
    s = p.connect()
    s.sendall(b"x")
    equal(b.event(), "begun", "the back-end")
    reset(s)
    equal(b.event(), "reset", "what the back-end sees of a client's reset")
    p.stop(broken=1)


def test_resets_in_writes():
    """A reset that the proxy meets in a write, which is told of it then: not even so there is an end."""
    rounds, much = 40 // min(FACTOR, 4), 400000

    def upload(s):
        """Sends; then waits for the connection's end. Whether that was a reset."""
        try:
            s.sendall(b"x" * much)
            while s.recv(4096):
                pass
        except (ConnectionResetError, BrokenPipeError):
            return True
        return False

    def reset_at(s, n):
        read_exactly(s, n)
        reset(s)

    def cut_upload(backend, s):
        s.sendall(read_exactly(s, 1))
        reset_at(s, 20000 + backend.connections % 300 * 977)

    def upload_back(backend, s):
        if s.recv(1):
            backend.events.put(upload(s))

    b = Backend(cut_upload)
    p = Proxy(b)
    for i in range(rounds):
        with p.connect() as s:
            check(upload(s), f"upload {i}: the back-end's reset comes as an end")
    p.stop(broken=rounds)

    b = Backend(upload_back)
    p = Proxy(b)
    for i in range(rounds):
        s = p.connect()
        s.sendall(b"x")
        reset_at(s, 20000 + i * 977)
        check(b.event(), f"download {i}: the client's reset comes as an end")
    p.stop(broken=rounds)


def test_early_answer():
    """A back-end that answers, ends and is gone, while the client still sends and has not read: the answer is whole."""
    answer = random.Random(3).randbytes(40000)  # what a socket takes that nobody reads

    def answer_early(backend, s):
        if not s.recv(10):
            return
        s.sendall(answer)
        s.shutdown(socket.SHUT_WR)
        backend.events.put("sent")

    b = Backend(answer_early)
    p = Proxy(b)
    for _ in range(5):
        s = socket.socket()
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        s.settimeout(BOUND)
        s.connect(("127.0.0.1", p.port))
        s.sendall(b"0123456789")
        equal(b.event(), "sent", "the back-end")
        for _ in range(20):
            s.sendall(b"more" * 1000)
            time.sleep(0.002)
        equal(digest(read_all(s)), digest(answer), "the early answer")
        s.close()
    p.signal()
    equal(p.process.wait(BOUND), 0, "exit code")


def test_choice():
    backends = [Backend() for _ in range(3)]
    p = Proxy("--algorithm=round", *backends)
    for _ in range(30):
        with p.connect() as s:
            ask(s)
    equal([b.connections for b in backends], [10, 10, 10], "in turn")
    p.stop(served=30)
    equal([p.backend_counts(b)[0] for b in backends], [10, 10, 10], "counts of the back-ends")

    a, b = Backend(), Backend()
    p = Proxy("--max=4", a, b)  # so the fifth is accepted when the place of another is free again
    held = {a: [], b: []}
    for _ in range(4):
        before = a.connections
        s = p.connect()
        ask(s)
        held[a if a.connections > before else b].append(s)
    equal((len(held[a]), len(held[b])), (2, 2), "least connections, equal")
    for s in held[a]:
        s.close()
    held[a] = [p.connect(), p.connect()]
    for s in held[a]:
        ask(s)
    equal((a.connections, b.connections), (4, 2), "least connections, unequal")
    for s in held[a] + held[b]:
        s.close()
    p.stop(served=6)


def test_death_and_return():
    """Nobody is turned away while another back-end is up, and the one that returns is used again."""
    backends = [Backend(), Backend()]
    p = Proxy("--algorithm=round", *backends)
    served = 0
    for round_number in range(3):
        victim, other = backends[round_number % 2], backends[1 - round_number % 2]
        held = []
        for _ in range(2):
            held.append(p.connect())
            ask(held[-1])
        mark = len(p.lines)
        victim.die()
        for _ in range(20):
            with p.connect() as s:
                ask(s)
                served += 1
        p.line(rf"proxy: {victim.address} is down: .*", after=mark)
        for s in held:
            s.close()
        before = other.connections
        with p.connect() as s:
            ask(s)
            served += 1
        equal(other.connections, before + 1, "only the other is used")
        mark = len(p.lines)
        new = Backend(port=victim.port)
        backends[round_number % 2] = new
        p.line(rf"proxy: {victim.address} is up again", after=mark)
        for _ in range(4):
            with p.connect() as s:
                ask(s)
                served += 1
        equal(new.connections, 2, "the one that has returned is used")
    p.signal()
    equal(p.process.wait(BOUND), 0, "exit code")
    counts = dict(re.findall(r"(\w+) (\d+)", p.line("proxy: connections: .*")[0]))
    check(int(counts["served"]) >= served, f"{served} were served: {counts}")
    equal((counts["unreached"], counts["refused"]), ("0", "0"), "none turned away")


def test_none_up():
    b = Backend()
    b.die()
    p = Proxy(b)
    p.line(rf"proxy: {b.address} is down: .*")
    for _ in range(5):
        check(turned_away(p), "without back-ends a connection is not reset")
    b = Backend(port=b.port)
    p.line(rf"proxy: {b.address} is up again")
    with p.connect() as s:
        ask(s)
    p.stop(unreached=5, served=1)


def silent(s):
    """So far: that there will be nothing can't be shown."""
    return not select.select([s], [], [], 0.1)[0]


def test_overall_limit():
    b = Backend()
    p = Proxy("--max=2", b)
    held = [p.connect(), p.connect()]
    for s in held:
        ask(s)
    third = p.connect()
    third.sendall(b"third")
    fourth = p.connect()
    fourth.sendall(b"fourth")
    for s in held:
        ask(s)
    check(silent(third) and silent(fourth), "served over the limit")
    equal(b.connections, 2, "connections at the back-end")
    held[0].close()
    equal(read_exactly(third, 5), b"third", "the first to wait")
    check(silent(fourth), "served over the limit")
    third.close()
    equal(read_exactly(fourth, 6), b"fourth", "the second to wait")
    fourth.close()
    held[1].close()
    p.stop(served=4)


def test_backend_limit():
    """Connections over it wait in order; not for ever."""
    b = Backend()
    p = Proxy("--backend-max=1", "--wait=100", b)
    first = p.connect()
    ask(first)
    waiting = []
    for i in range(4):
        s = p.connect()
        s.sendall(b"%d" % i)
        waiting.append(s)
        check(silent(s), "served over the limit")
    first.close()
    for i, s in enumerate(waiting):
        equal(read_exactly(s, 1), b"%d" % i, "whose turn it is")
        for other in waiting[i + 1:]:
            check(not select.select([other], [], [], 0)[0], "two at once")
        s.close()
    p.stop(served=5)

    p = Proxy("--backend-max=1", "--wait=0.2", b)
    first = p.connect()
    ask(first)
    check(turned_away(p), "who has waited in vain is not reset")
    ask(first)
    first.close()
    p.stop(served=1, refused=1)


def test_waiters_of_the_dead():
    """Who waits at a back-end that goes down gets the other one, or is told at once."""
    a, b = Backend(), Backend()
    p = Proxy("--backend-max=1", "--wait=100", a, b)
    held = [p.connect(), p.connect()]
    for s in held:
        ask(s)
    waiting = p.connect()
    waiting.sendall(b"me")
    check(silent(waiting), "served over the limit")
    a.die()
    p.line(rf"proxy: {a.address} is down: .*")
    b.die()
    p.line(rf"proxy: {b.address} is down: .*")
    check(is_reset(waiting), "waits at back-ends that are down")
    for s in held:
        s.close()
    p.signal()
    equal(p.process.wait(BOUND), 0, "exit code")
    p.line(".* unreached 1")


def test_waiters_and_failed_dials():
    """Who waits is told also by a session that could not dial: here nothing is checked in time."""
    a, b = Backend(), Backend()
    p = Proxy("--check=1000", "--backend-max=1", "--wait=1000", a, b)
    held = [p.connect(), p.connect()]
    for s in held:
        ask(s)
    waiting = [p.connect(), p.connect()]
    check(silent(waiting[0]) and silent(waiting[1]), "served over the limit")
    a.die()
    b.die()
    for s in held:
        s.close()
    for s in waiting:
        check(is_reset(s), "waits at back-ends that are down")
    p.signal()
    equal(p.process.wait(BOUND), 0, "exit code")
    p.line(".* unreached 2")


def test_refuse():
    b = Backend()
    p = Proxy("--refuse", "--max=3", "--backend-max=2", b)
    held = [p.connect(), p.connect()]
    for s in held:
        ask(s)
    check(turned_away(p), "no place at the back-end, and not reset")
    for s in held:
        ask(s)
        s.close()
    p.stop(served=2, refused=1)
    p = Proxy("--refuse", "--max=1", b)
    first = p.connect()
    ask(first)
    for _ in range(3):
        check(turned_away(p), "over the limit, and not reset")
    ask(first)
    first.close()
    p.stop(served=1, refused=3)


def test_idle():
    """Silence in both directions ends a connection; in one it does not."""
    b = Backend()
    p = Proxy("--idle=0.5", b)
    s = p.connect()
    ask(s)
    check(is_reset(s), "an idle connection is not reset")
    p.stop(idle=1)

    def drip(backend, s):
        if not s.recv(1):
            return
        for _ in range(20):
            time.sleep(0.25)
            s.sendall(b".")

    b = Backend(drip)
    p = Proxy("--idle=2.5", b)
    s = p.connect()
    s.sendall(b"?")
    s.shutdown(socket.SHUT_WR)
    equal(read_all(s), b"." * 20, "a slow answer that is twice as long as the limit")
    p.stop(served=1)


def test_stuck_reader():
    """A client that does not read is idle once nothing moves, however much waits for it."""
    asked = threading.Event()

    def flood(backend, s):
        if s.recv(1):
            asked.set()
            s.sendall(b"x" * (64 << 20))

    b = Backend(flood)
    p = Proxy("--idle=0.5", b)
    s = p.connect()
    s.sendall(b"?")
    check(asked.wait(BOUND), "the back-end was not asked")
    p.signal()  # it ends when the connection has: by the idle limit, long before the drain's
    p.end(idle=1)
    s.close()


def test_drain():
    """No new connections, the old ones go on, and the proxy ends with the last of them."""
    b = Backend()
    p = Proxy("--drain=100", b)
    held = [p.connect() for _ in range(3)]
    for s in held:
        ask(s)
    p.signal(signal.SIGINT)
    p.line("proxy: Interrupt: .*")
    end = time.monotonic() + BOUND
    while True:  # the line comes before the deed
        check(time.monotonic() < end, "connections are taken after SIGINT")
        try:
            p.connect().close()
        except ConnectionRefusedError:
            break
        except ConnectionResetError:
            pass
    for s in held:
        ask(s, b"still there?")
    held[0].close()
    ask(held[1])
    held[1].close()
    ask(held[2])
    check(p.process.poll() is None, "ended with a connection open")
    held[2].close()
    equal(p.process.wait(BOUND), 0, "exit code")
    p.line(".* cut 0 .*")


def test_drain_bound():
    b = Backend()
    p = Proxy("--drain=0.3", "--backend-max=1", "--wait=100", b)
    s = p.connect()
    ask(s)
    waiting = p.connect()
    waiting.sendall(b"?")
    check(silent(waiting), "served over the limit")
    p.signal()
    check(is_reset(s), "cut, and not reset")
    check(is_reset(waiting), "cut while it waited, and not reset")
    p.end(cut=2)


def test_drain_at_the_limit():
    """While the accept loop waits for a slot."""
    b = Backend()
    p = Proxy("--drain=100", "--max=1", b)
    s = p.connect()
    ask(s)
    over = p.connect()
    p.signal()
    p.line("proxy: Terminated: .*")
    check(is_reset(over), "a connection that was never accepted is not reset")
    ask(s)
    s.close()
    p.end(served=1)


def test_second_signal():
    b = Backend()
    p = Proxy("--drain=1000", b)
    s = p.connect()
    ask(s)
    p.signal()
    p.line("proxy: Terminated: .*")
    p.signal(signal.SIGINT)
    check(is_reset(s), "cut, and not reset")
    p.end(cut=1)


def converse(p, number, rounds):
    """One client of many: random sizes, every byte checked."""
    r = random.Random(number)
    s = p.connect()
    for _ in range(rounds):
        data = r.randbytes(r.randrange(1, 40000))
        reading = in_thread(read_exactly, s, len(data))
        s.sendall(data)
        equal(digest(reading()), digest(data), f"client {number}")
    s.shutdown(socket.SHUT_WR)
    equal(read_all(s), b"", "after the end")
    s.close()


def test_many():
    """More clients than may be connected at once, over several back-ends with few places."""
    backends = [Backend() for _ in range(3)]
    p = Proxy("--max=60", "--backend-max=15", "--wait=100", *backends)
    n = 200 // FACTOR
    waits = [in_thread(converse, p, i, 5) for i in range(n)]
    for wait in waits:
        wait()
    p.stop(served=n)
    equal(sum(b.connections for b in backends), n, "connections at the back-ends")


def test_few_descriptors():
    """Accept fails for want of descriptors, and recovers: everybody is served in the end."""
    b = Backend()
    p = Proxy("--connect=100", b, descriptors=40)
    held = []
    for _ in range(60):
        held.append(p.connect())
    mark = p.line("proxy: accept: Too many open files")
    check(mark, "no shortage")
    for s in held:
        reset(s)
    end = time.monotonic() + BOUND
    while True:
        try:
            with p.connect() as s:
                ask(s)
                break
        except OSError:
            check(time.monotonic() < end, "does not recover")
    p.signal()
    equal(p.process.wait(BOUND), 0, "exit code")


def test_command_line():
    for args, code, text in [
            ([], 2, "usage: proxy"), (["127.0.0.1:0"], 2, "usage: proxy"),
            (["-m", "0", "a:1", "b:1"], 2, "proxy: -m: not a number from 1 to"),
            (["--idle=soon", "a:1", "b:1"], 2, "proxy: -i: not a time"),
            (["--wait=0", "a:1", "b:1"], 2, "proxy: -w: must be more than 0"),
            (["--wait=nan", "a:1", "b:1"], 2, "proxy: -w: not a time"),
            (["-a", "best", "a:1", "b:1"], 2, "proxy: -a: least or round, not best"),
            (["--bogus", "a:1", "b:1"], 2, "unrecognized option"),
            (["a:1"] + ["b:1"] * 65, 2, "proxy: more than 64 back-ends"),
            (["nowhere", "b:1"], 1, "proxy: nowhere: "), (["--help"], 0, "usage: proxy")]:
        done = subprocess.run([PROGRAM, *args], capture_output=True, text=True, timeout=BOUND, check=False)
        equal(done.returncode, code, f"exit code of {args}")
        check(text in done.stdout + done.stderr, f"{args}: {done.stdout}{done.stderr}")
    taken = Backend()
    done = subprocess.run([PROGRAM, taken.address, "b:1"], capture_output=True, text=True, timeout=BOUND, check=False)
    equal(done.returncode, 1, "exit code where the address is taken")
    equal(done.stderr.splitlines()[-1], f"proxy: {taken.address}: Address already in use", "the message")


def main():
    tests = {name: fn for name, fn in globals().items() if name.startswith("test_")}
    chosen = sys.argv[3:] or tests
    for name in chosen:
        start = time.monotonic()
        print(f"{name:30}", end="", flush=True)
        tests[name]()
        print(f" ok {time.monotonic() - start:8.3f} s", flush=True)


if len(sys.argv) < 3:
    sys.exit(__doc__)
PROGRAM = os.path.join(sys.argv[1], "examples", "proxy")
main()
