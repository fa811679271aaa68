#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only | timeout 600
"""
/debug/tuza and a list of a directory, seen by headless Chromium.

    httpd_page_test.py BUILD SOURCE

The browser is driven over its remote-debugging pipe: the page must load
itself anew, without being asked to, and its figures must tell what is done to
the server meanwhile.
"""
import fcntl
import itertools
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BUILD = sys.argv[1]
HTTPD = os.path.join(BUILD, "examples", "httpd")
BOUND = 180


class Failed(Exception):
    pass


def check(condition, *what):
    if not condition:
        raise Failed(" ".join(str(w) for w in what))


def eventually(value, good, what):
    end = time.monotonic() + BOUND
    while True:
        seen = value()
        if good(seen):
            return seen
        check(time.monotonic() < end, "never:", what, "but", repr(seen))
        time.sleep(0.05)


class Browser:
    """A page, by the DevTools protocol: commands and answers end with NUL."""

    def __init__(self, program, profile):
        near_from_us, self.send_fd = os.pipe()
        self.receive_fd, near_to_us = os.pipe()
        from_us, to_us = (fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (near_from_us, near_to_us))  # not 3 or 4
        wiring = f"exec 3<&{from_us} 4>&{to_us} {from_us}<&- {to_us}>&-; exec \"$@\""
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(
            ["bash", "-c", wiring, "bash", program, "--headless", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--no-first-run", "--remote-debugging-pipe", f"--user-data-dir={profile}"],
            pass_fds=(from_us, to_us), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True)
        for fd in (near_from_us, near_to_us, from_us, to_us):
            os.close(fd)
        self.data, self.numbers, self.session = b"", itertools.count(1), None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def call(self, method, **params):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.send_fd, json.dumps(message).encode() + b"\0")
        end = time.monotonic() + BOUND
        while True:
            while b"\0" not in self.data:
                readable, _, _ = select.select([self.receive_fd], [], [], max(0, end - time.monotonic()))
                check(readable, "the browser does not answer to", method)
                part = os.read(self.receive_fd, 1 << 16)
                check(part, "the browser has ended")
                self.data += part
            text, self.data = self.data.split(b"\0", 1)
            answer = json.loads(text)
            if answer.get("id") == number:  # others are events
                check("error" not in answer, method, answer)
                return answer["result"]

    def ask(self, expression):
        """The value of an expression in the page; None: it is just being replaced by its next version."""
        try:
            result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        except Failed as e:
            if "error" in str(e):
                return None
            raise
        return result["result"].get("value")

    def number(self, name):
        text = self.ask(f"document.getElementById({json.dumps(name)})?.innerText")
        return int(text) if text and re.fullmatch(r"\d+", text) else None

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        os.close(self.send_fd)
        os.close(self.receive_fd)
        self.log.close()


def look(browser, url, root):
    browser.call("Page.enable")
    browser.call("Page.navigate", url=url + "debug/tuza")
    first = eventually(lambda: browser.number("requests"), lambda n: n is not None, "the page")
    check(browser.ask("document.title") == "tuza", "the title")

    # Nobody asks for it again but the page itself.
    eventually(lambda: browser.number("requests"), lambda n: n is not None and n >= first + 3, "that it loads itself")

    # What it says is so: each connection is a goroutine that waits.
    waiting = browser.number("waiting")
    curls = [subprocess.Popen(["curl", "-sS", "--max-time", str(BOUND), "--limit-rate", "100k", "-o", "/dev/null",
                               url + "sparse.bin"]) for _ in range(5)]
    eventually(lambda: browser.number("connections"), lambda n: n is not None and n >= 6, "five more connections")
    eventually(lambda: browser.number("waiting"), lambda n: n is not None and n >= (waiting or 0) + 3,
               "goroutines that wait for them")
    for c in curls:
        c.kill()
        c.wait()
    eventually(lambda: browser.number("connections"), lambda n: n is not None and n <= 3, "that they are gone")
    processors = browser.ask("document.querySelectorAll('tr.p').length")
    check(processors is None or processors >= 1, "processors:", processors)
    rates = browser.ask("[...document.querySelectorAll('td:nth-child(3)')].map(t => parseFloat(t.innerText))")
    check(rates is None or len([r for r in rates if isinstance(r, (int, float))]) >= 10, "rates:", rates)

    # Names that would break a page.
    browser.call("Page.navigate", url=url)
    names = eventually(lambda: browser.ask("[...document.querySelectorAll('td a')].map(a => a.innerText)"),
                       lambda n: n and "sparse.bin" in n, "the list")
    check(sorted(names) == sorted(os.listdir(root)), "names:", names)
    check(browser.ask("document.querySelectorAll('b, script').length") == 0, "a name became part of the page")
    browser.ask("[...document.querySelectorAll('td a')].find(a => a.innerText.includes('<b>')).click()")
    eventually(lambda: browser.ask("document.body.innerText"), lambda t: t == "found", "the file behind an odd name")


def main():
    program = shutil.which("chromium-headless-shell") or shutil.which("chromium")
    if not program:
        print("no Chromium here (scripts/setup test installs it)")
        return 77
    if not os.path.exists(HTTPD):
        print("httpd was not built: no llhttp")
        return 77
    with tempfile.TemporaryDirectory() as root, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        with open(os.path.join(root, "sparse.bin"), "wb") as f:
            f.truncate(500_000_000)
        with open(os.path.join(root, "<b>&amp; \"'#?%41<script>alert(1)<!--.txt"), "w", encoding="utf-8") as f:
            f.write("found")
        server = subprocess.Popen([HTTPD, "-a", "127.0.0.1:0", root], stdout=subprocess.PIPE, text=True)
        browser = None
        try:
            found = re.search(r"http://127\.0\.0\.1:\d+/", server.stdout.readline())
            check(found, "httpd did not start")
            browser = Browser(program, profile)
            look(browser, found.group(0), root)
            browser.close()
            browser = None
            server.terminate()
            check(server.wait(BOUND) == 0, "the server's exit code")
            print("ok")
            return 0
        except Failed as e:
            print(f"FAILED: {e}")
            if browser:
                browser.log.seek(0)
                print(browser.log.read()[-2000:])
            return 1
        finally:
            if browser:
                browser.close()
            server.kill()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
