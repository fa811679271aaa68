# SPDX-License-Identifier: BSD-3-Clause
"""Goroutines in gdb:

    (gdb) source tools/gdb/tuza-gdb.py
    (gdb) info goroutines
    (gdb) goroutine 7 bt
    (gdb) goroutine all bt

"goroutine ID COMMAND" runs a gdb command with that goroutine's stack in
view. One that runs is looked at on its thread. A parked one has its saved
registers on its stack, at g->sp, just as tz_arch_resume_call finds them: so
the stack pointer and the program counter are set to those for the time of the
command, the assembly's unwind table does the rest, and there is no register
layout in this file. That writes to registers: it takes a live process.

What is read are the runtime's own structures, by its debug information.
"""
import gdb

# How mem/stack.c lays out a slot; each block found this way is checked.
STACK_BLOCK = 512
STACK_COLOUR = 320
COLOURS = 8


def value(text):
    return gdb.parse_and_eval(text)


def runtime_symbol(name, source):
    """A static variable of a source file."""
    for block in gdb.lookup_static_symbols(name):
        if block.symtab.filename.endswith(source):
            return block.value()
    raise gdb.GdbError(f"no {name} of {source}: is this program tuza's, with debug information?")


def all_g():
    """Every control block that has been used, as tz_g."""
    g_type = gdb.lookup_type("struct tz_g").pointer()
    idle, dead = int(value("TZ_G_IDLE")), int(value("TZ_G_DEAD"))
    arena = runtime_symbol("arenas", "mem/stack.c")
    while int(arena):
        base, size = int(arena["base"]), int(arena["slot_size"])
        for slot in range(int(arena["carved"])):
            at = base + (slot + 1) * size - slot % COLOURS * STACK_COLOUR - STACK_BLOCK
            g = gdb.Value(at).cast(g_type)
            if int(g["stack"]["slot"]) != slot or int(g["stack"]["hi"]) != at:
                raise gdb.GdbError("the runtime's stack slots are not laid out as this script knows them")
            if int(g["status"]) not in (idle, dead):
                yield g
        arena = arena["next"]


def not_begun():
    """What tuza_go has written down and no thread has got round to: tz_start records, on the run queues."""
    start_type = gdb.lookup_type("struct tz_start").pointer()
    g_type = gdb.lookup_type("struct tz_g").pointer()

    def start(work):  # tag 1; 3 is a G that is locked to its thread, none a G
        return gdb.Value(work & ~3).cast(start_type) if work & 3 == 1 else None

    work = []
    for i in range(int(value("tz_sched.nallp"))):
        p = value(f"tz_sched.allp[{i}]")
        work.append(int(p["runnext"]))
        size = p["runq"].type.range()[1] + 1
        head, tail = int(p["runq_head"]), int(p["runq_tail"])
        work += [int(p["runq"][k % size]) for k in range(head, head + ((tail - head) & 0xFFFFFFFF))]
    for queue in ("runq", "overflow"):
        at = int(value(f"tz_sched.{queue}.head"))
        while at:
            work.append(at)
            at = int(start(at)["link"] if at & 3 == 1 else gdb.Value(at & ~3).cast(g_type)["schedlink"])
    return [start(w) for w in work if w & 3 == 1]


def status_of(g):
    status = int(g["status"])
    if status == int(value("TZ_G_RUNNABLE")):
        return "running" if m_of(g) is not None else "runnable"
    reason = int(g["wait_reason"]) & 0xFF  # above it: since when (waits.c)
    try:
        return value(f"tz_wait_reason_text::text[{reason}]").string()
    except gdb.error:
        return f"waiting ({reason})"


def m_of(g):
    """The M that runs g, or None."""
    m = value("tz_sched.allm")
    while int(m):
        if int(m["g"]) == int(g):
            return m
        m = m["alllink"]
    return None


def thread_of(g):
    """The thread that runs g, or None."""
    m = m_of(g)
    for thread in gdb.selected_inferior().threads() if m is not None else ():
        if int(m["tid"]) in thread.ptid[1:]:
            return thread
    return None


def at_entry(g):
    """Whether g has its stack, but has not run yet."""
    return int(g["special"]) != 0 and int(g["resume"]) == int(value("(unsigned long)&tz_arch_entry"))


class View:
    """Within a `with`, frame 0 is g's. The selected thread and frame are as before afterwards."""

    def __init__(self, g):
        self.g = g

    def __enter__(self):
        self.thread = gdb.selected_thread()
        if self.thread is None:
            raise gdb.GdbError("there is no thread to show it on")
        self.frame = gdb.selected_frame()
        self.level = self.frame.level()
        self.saved = None
        running = thread_of(self.g)
        if running is not None:
            running.switch()
            gdb.newest_frame().select()
            return self
        if m_of(self.g) is not None:
            raise gdb.GdbError("the goroutine runs, but on no thread that gdb knows")
        # Not begun: no registers are saved, and it stands at its entry.
        stop = "tz_arch_entry" if at_entry(self.g) else "tz_arch_resume_call"
        at = int(value(f"(unsigned long)&{stop}"))
        gdb.newest_frame().select()
        self.saved = int(value("(unsigned long)$sp")), int(value("(unsigned long)$pc"))
        self.set(int(self.g["sp"]), at)
        return self

    def set(self, sp, pc):
        gdb.newest_frame().select()
        gdb.execute(f"set $sp = {sp:#x}", to_string=True)
        gdb.newest_frame().select()
        gdb.execute(f"set $pc = {pc:#x}", to_string=True)
        gdb.newest_frame().select()

    def __exit__(self, *_):
        if self.saved:
            self.set(*self.saved)
        self.thread.switch()
        frame = gdb.newest_frame()
        while frame.level() < self.level and frame.older():
            frame = frame.older()
        frame.select()
        return False


def describe(pc):
    block = gdb.block_for_pc(pc)
    while block is not None and block.function is None:
        block = block.superblock
    name = block.function.name if block is not None else None
    if name is None:
        name = gdb.execute(f"info symbol {pc:#x}", to_string=True).split(" in section")[0].strip()
    line = gdb.find_pc_line(pc)
    return name, f"{name} at {line.symtab.filename}:{line.line}" if line.symtab else name


def internal(name, source):
    """Whether a frame is the runtime's own: by its name, or its file's place beside sched/start.c."""
    home = gdb.lookup_global_symbol("tz_sched").symtab.fullname()
    home = home[:home.rindex("/sched/") + 1]
    return name.startswith(("tz_", "tuza_")) or (source is not None and source.fullname().startswith(home))


def where(g):
    """The innermost place in the program's own code."""
    if at_entry(g):
        return describe(int(g["fn"]))[1] + " (not begun)"
    text = "?"
    try:
        with View(g):
            frame = gdb.newest_frame()
            while frame is not None:
                pc = frame.pc()
                name, text = describe(pc if frame.level() == 0 else pc - 1)
                if not internal(name, frame.find_sal().symtab):
                    break
                frame = frame.older()
    except gdb.error as problem:
        text = f"? ({problem})"
    return text


class InfoGoroutines(gdb.Command):
    """List the goroutines: id, status or why it waits, name, where."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STACK)

    def invoke(self, _argument, _from_tty):
        rows = []
        for g in all_g():
            rows.append((int(g["goid"]), status_of(g), g["name"].string(), where(g), thread_of(g)))
        for s in not_begun():
            rows.append((int(s["goid"]), "runnable", "", describe(int(s["fn"]))[1] + " (not begun)", None))
        current = gdb.selected_thread()
        for goid, status, name, at, thread in sorted(rows, key=lambda row: row[0]):
            mark = "*" if thread is not None and current is not None and thread.num == current.num else " "
            on = f" (thread {thread.num})" if thread is not None else ""
            print(f"{mark} {goid:<5} {status}{on}  {name + '  ' if name else ''}{at}")


class Goroutine(gdb.Command):
    """Run a command in view of a goroutine's stack: goroutine ID|all COMMAND."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK)

    def invoke(self, argument, from_tty):
        goid, _, command = argument.partition(" ")
        command = command.strip()
        if not command or not (goid == "all" or goid.isdigit()):
            raise gdb.GdbError("goroutine ID|all COMMAND")
        found = [g for g in all_g() if goid == "all" or int(g["goid"]) == int(goid)]
        if not found:
            raise gdb.GdbError(f"no goroutine {goid}")
        for g in sorted(found, key=lambda g: int(g["goid"])):
            if goid == "all":
                print(f"\ngoroutine {int(g['goid'])} [{status_of(g)}]:")
            with View(g):
                gdb.execute(command, from_tty)


InfoGoroutines()
Goroutine()
