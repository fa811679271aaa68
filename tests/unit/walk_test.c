/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The unwinder: from here, from a parked goroutine's saved registers, from a
 * signal's context; held against libgcc's; and on stacks that are wrong in
 * every way that can be thought of, where it may find anything but must come
 * back.
 */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include <tuza.h>

#include <signal.h>
#include <sys/mman.h>
#include <unwind.h>

#include "go/help.h"
#include "sched/sched.h"
#include "sched/traceback.h"
#include "trace/unwind.h"

/* Something to do after a call, so that it is none at the function's end. */
#define STAY() __asm__ volatile("" ::: "memory")

static tz_trace trace;
static tz_cfi_cache cache;

static bool is_in(uintptr_t pc, void *fn)
{
    return _Unwind_FindEnclosingFunction((void *)(pc - 1)) == fn;
}

/* Where fn is in the trace. */
static uint32_t find(void *fn)
{
    for (uint32_t i = 0; i < trace.n; i++)
        if (is_in(trace.first[i].pc + trace.first[i].exact, fn))
            return i;
    tz_test_fail(__FILE__, __LINE__, "a function is not in the trace: the search");
}

/* The trace is complete, and fp and sp rise from frame to frame, but where a signal came on another stack. */
static void check_whole(void)
{
    CHECK_EQ((int)trace.end, (int)TZ_WALK_DONE);
    CHECK(trace.n > 0 && trace.n <= TZ_TRACE_KEEP);
    for (uint32_t i = 1; i < trace.n; i++) {
        if (trace.first[i].exact)
            continue;
        CHECK(trace.first[i].sp > trace.first[i - 1].sp || trace.first[i - 1].exact);
        CHECK(trace.first[i].fp >= trace.first[i - 1].fp);
    }
}

static void bounds(uintptr_t *lo, uintptr_t *hi)
{
    tz_g *g = tz_self_m->g;
    *lo = (uintptr_t)g->stack.lo;
    *hi = (uintptr_t)g->stack.hi;
}

static TZ_NOINLINE void walk_here(void)
{
    tz_regs regs;
    uintptr_t lo, hi;
    bounds(&lo, &hi);
    tz_regs_here(&regs);
    tz_trace_take(&trace, &regs, lo, hi, &cache, 0);
}

static TZ_NOINLINE void middle(void)
{
    walk_here();
    STAY();
}

static TZ_NOINLINE void outer(void)
{
    middle();
    STAY();
}

/* TB-04: the functions in the order in which they were called, to the goroutine's entry. */
TEST(from_here)
{
    outer();
    check_whole();
    CHECK_EQ(find((void *)walk_here), 0);
    CHECK_EQ(find((void *)middle), 1);
    CHECK_EQ(find((void *)outer), 2);
    CHECK(is_in(trace.first[trace.n - 1].pc, (void *)tz_arch_entry));
}

static _Unwind_Reason_Code compare(struct _Unwind_Context *context, void *arg)
{
    uint32_t *i = arg;
    uintptr_t ip = _Unwind_GetIP(context);
    if (ip == 0)
        return _URC_NO_REASON;
    if (*i > 0) { /* the first is _Unwind_Backtrace's caller, whose call is another */
        CHECK(*i < trace.n);
        CHECK_EQ(trace.first[*i].pc, ip);
        CHECK_EQ(trace.first[*i - 1].fp,
                 _Unwind_GetCFA(context) - (_Unwind_GetCFA(context) - trace.first[*i].sp));
    }
    ++*i;
    return _URC_NO_REASON;
}

/* Both walk from this function's caller on. */
static TZ_NOINLINE void walk_both(void)
{
    tz_regs regs;
    uint32_t i = 0;
    uintptr_t lo, hi;
    bounds(&lo, &hi);
    tz_regs_here(&regs);
    tz_trace_take(&trace, &regs, lo, hi, NULL, 0);
    CHECK_EQ((int)_Unwind_Backtrace(compare, &i), (int)_URC_END_OF_STACK);
    CHECK_EQ(i, trace.n);
}

static int walk_in_comparison(const void *a, const void *b)
{
    walk_both();
    return *(const int *)a - *(const int *)b;
}

/* A frame of variable size, aligned beyond the stack's alignment. */
static TZ_NOINLINE void walk_in_odd_frame(size_t n)
{
    TZ_ALIGNED(64) volatile char aligned[64];
    volatile char variable[n];
    aligned[0] = variable[0] = 1;
    walk_both();
    CHECK_EQ(aligned[0], variable[0]);
    STAY();
}

TEST(as_libgcc_does)
{
    walk_both();
    int list[] = {5, 2, 4, 1, 3};
    qsort(list, 5, sizeof list[0], walk_in_comparison);
    for (size_t n = 1; n < 100; n += 7)
        walk_in_odd_frame(n);
}

static volatile sig_atomic_t handled;

static void handler(int sig, siginfo_t *info, void *context)
{
    (void)sig, (void)info;
    tz_regs regs;
    uintptr_t lo, hi;
    bounds(&lo, &hi);
    if (handled == 0) { /* from the context */
        tz_regs_signal(&regs, context);
        tz_trace_take(&trace, &regs, lo, hi, &cache, 0);
    } else { /* across the handler's frame */
        walk_here();
    }
    handled++;
}

static void with_handler(void (*fn)(void), int flags)
{
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | flags}, old;
    CHECK_EQ(sigaction(SIGUSR1, &action, &old), 0);
    fn();
    CHECK_EQ(sigaction(SIGUSR1, &old, NULL), 0);
}

static TZ_NOINLINE void interrupted(void)
{
    for (int i = 1; i <= 2; i++) {
        raise(SIGUSR1);
        CHECK_EQ(handled, i);
        check_whole();
        uint32_t at = find((void *)interrupted);
        if (i == 2)
            CHECK(find((void *)handler) < at);
        CHECK(at + 2 < trace.n);
    }
    handled = 0;
}

TEST(from_a_signal)
{
    with_handler(interrupted, 0);
}

TEST(from_a_signal_on_its_own_stack)
{
    stack_t mine = {.ss_sp = malloc(1 << 16), .ss_size = 1 << 16}, old;
    CHECK_EQ(sigaltstack(&mine, &old), 0);
    with_handler(interrupted, SA_ONSTACK);
    CHECK_EQ(sigaltstack(&old, NULL), 0);
    free(mine.ss_sp);
}

/* A call of nothing: where it came from is found all the same. */
static TZ_NOINLINE void look_from_nowhere(void)
{
    tz_regs regs;
    uintptr_t lo, hi;
    bounds(&lo, &hi);
    tz_regs_here(&regs);
#if defined(__x86_64__)
    uintptr_t stack[64] = {regs.r[TZ_REG_PC]};
    regs.r[TZ_REG_SP] = (uintptr_t)stack;
#else
    regs.r[30] = regs.r[TZ_REG_PC];
    regs.known |= (uint64_t)1 << 30;
#endif
    regs.r[TZ_REG_PC] = 0;
    regs.exact = true;
    tz_trace_take(&trace, &regs, lo, hi, &cache, 0);
    CHECK(trace.n >= 2);
    CHECK_EQ(trace.first[0].pc, 0u);
    CHECK(is_in(trace.first[1].pc, (void *)look_from_nowhere));
}

TEST(a_wild_call)
{
    look_from_nowhere();
}

/* Code without unwind tables that keeps a frame pointer, as compilers at run time make it. */
TEST(code_without_tables)
{
    static const unsigned char code[] = {
#if defined(__x86_64__)
        0x55,
        0x48,
        0x89,
        0xe5,
        0xff,
        0xd7,
        0x5d,
        0xc3, /* push rbp; mov rbp, rsp; call rdi; pop rbp; ret */
#else
        0xfd,
        0x7b,
        0xbf,
        0xa9,
        0xfd,
        0x03,
        0x00,
        0x91,
        0x00,
        0x00,
        0x3f,
        0xd6, /* stp x29, x30, [sp, -16]!; mov x29,
                                                                                   sp; blr x0; */
        0xfd,
        0x7b,
        0xc1,
        0xa8,
        0xc0,
        0x03,
        0x5f,
        0xd6, /* ldp x29, x30, [sp], 16; ret */
#endif
    };
    unsigned char *made = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(made != MAP_FAILED);
    memcpy(made, code, sizeof code);
    CHECK_EQ(mprotect(made, 4096, PROT_READ | PROT_EXEC), 0);
    __builtin___clear_cache((char *)made, (char *)made + sizeof code);
    ((void (*)(void (*)(void)))(void *)made)(walk_here);
    check_whole();
    CHECK(trace.first[1].pc >= (uintptr_t)made && trace.first[1].pc < (uintptr_t)made + sizeof code);
    CHECK(is_in(trace.first[2].pc, (void *)test_code_without_tables));
    munmap(made, 4096);
}

static TZ_NOINLINE int descend(int n)
{
    int below = n ? descend(n - 1) : (walk_here(), 0);
    STAY();
    return below + 1;
}

/* TB-09: of a deep stack both ends are kept, and the depth is right. */
TEST(deep)
{
    CHECK_EQ(descend(10000), 10001);
    uint32_t deep = trace.n;
    CHECK_EQ((int)trace.end, (int)TZ_WALK_DONE);
    CHECK(tz_trace_frame(&trace, TZ_TRACE_KEEP - 1) && !tz_trace_frame(&trace, TZ_TRACE_KEEP));
    CHECK(!tz_trace_frame(&trace, deep - TZ_TRACE_KEEP - 1));
    CHECK(is_in(tz_trace_frame(&trace, deep - 1)->pc, (void *)tz_arch_entry));
    CHECK(is_in(tz_trace_frame(&trace, deep - TZ_TRACE_KEEP)->pc, (void *)descend));
    CHECK_EQ(descend(0), 1);
    CHECK_EQ(deep, trace.n + 10000);
}

/* A goroutine that is parked, and the stack that it left. */
static tuza_chan *start, *stop;
static tz_g *parked;

static TZ_NOINLINE void waits_in_chan(void)
{
    tuza_chan_recv(stop, NULL);
    STAY();
}

static TZ_NOINLINE void waits_in_yield(void)
{
    while (!tuza_chan_try_recv(stop, NULL, NULL))
        tuza_gosched();
    STAY();
}

/* Frames that only their frame pointer finds. */
static TZ_NOINLINE void waits_deep_in_frames(int n)
{
    volatile char variable[(size_t)n + 1];
    variable[n] = 1;
    if (n)
        waits_deep_in_frames(n - 1);
    else
        waits_in_chan();
    CHECK_EQ(variable[n], 1);
}

static void waits_in_frames(void)
{
    waits_deep_in_frames(20);
}

static void goes_to_park(void *arg)
{
    parked = tz_self_m->g;
    tuza_chan_send(start, NULL);
    ((void (*)(void))arg)();
    STAY();
}

static void park_one(void (*how)(void))
{
    start = tuza_chan_make(0, 0);
    stop = tuza_chan_make(0, 0);
    GO(goes_to_park, (void *)how);
    CHECK(tuza_chan_recv(start, NULL));
    for (int i = 0; i < 100; i++)
        tuza_gosched();
}

static void unpark(void)
{
    tuza_chan_send(stop, NULL);
    settle(1);
    tuza_chan_unref(start);
    tuza_chan_unref(stop);
}

/* Both forms of the switch. */
TEST(from_a_parked_goroutine)
{
    park_one(waits_in_chan);
    EVENTUALLY(tz_load_relaxed(&parked->status) == TZ_G_WAITING);
    tz_gview_walk(&trace, parked, &cache);
    check_whole();
    CHECK_EQ(find((void *)waits_in_chan) + 1, find((void *)goes_to_park));
    CHECK_EQ(find((void *)goes_to_park) + 2, trace.n);
    unpark();
    if (tuza_gomaxprocs(0) > 1) /* it runs on while it is looked at */
        return;
    park_one(waits_in_yield);
    tz_gview_walk(&trace, parked, &cache);
    check_whole();
    CHECK_EQ(find((void *)waits_in_yield) + 1, find((void *)goes_to_park));
    unpark();
}

/* An emulator makes /proc/self/maps anew each time it is read. */
#define ROUNDS (HELP_EMULATED ? 300 : 30000 / SCALE)

static uint64_t random_state = 88172645463325252u;

static uint64_t chance(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* A value that may do harm on a stack. */
static uintptr_t harmful(uintptr_t lo, uintptr_t hi)
{
    switch (chance() % 10) {
    case 0:
        return 0;
    case 1:
        return UINTPTR_MAX - chance() % 4096;
    case 2:
        return lo + chance() % (hi - lo);
    case 3:
        return lo - 65536 + chance() % 65536; /* the guard */
    case 4:
        return (uintptr_t)&tz_trace_take + chance() % 256;
    case 5:
        return (uintptr_t)&cache + chance() % sizeof cache;
    case 6:
        return 0xbad0bad0bad0bad0u;
    case 7:
        return (uintptr_t)&raise + chance() % 64;
    case 8:
        return chance() % 65536;
    default:
        return chance();
    }
}

/* Not memcpy, which a sanitizer looks at: frames are surrounded by what they shall not touch. */
static TZ_NO_SANITIZE TZ_NOINLINE void copy_words(volatile uintptr_t *to, const volatile uintptr_t *from,
                                                  size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}

static TZ_NO_SANITIZE TZ_NOINLINE void write_word(volatile uintptr_t *at, uintptr_t value)
{
    *at = value;
}

static TZ_NO_SANITIZE TZ_NOINLINE volatile uintptr_t *find_word(volatile uintptr_t *at, uintptr_t value)
{
    while (*at != value)
        at++;
    return at;
}

/* TB-16: whatever a parked goroutine's stack and saved registers are: the walk ends, and reads nothing that
 * is not there. */
TEST(fuzzed_stacks)
{
    park_one(waits_in_frames);
    EVENTUALLY(tz_load_relaxed(&parked->status) == TZ_G_WAITING);
    uintptr_t sp = (uintptr_t)parked->sp, hi = (uintptr_t)parked->stack.hi, lo = (uintptr_t)parked->stack.lo;
    size_t words = (hi - sp) / sizeof sp;
    uintptr_t *stack = (uintptr_t *)sp, *saved = malloc(words * sizeof sp);
    copy_words(saved, stack, words);
    uint32_t ends[4] = {0};
    for (int round = 0; round < ROUNDS; round++) {
        size_t n = 1 + chance() % (chance() % 8 ? 3 : words);
        for (size_t i = 0; i < n; i++)
            write_word(&stack[chance() % words], harmful(lo, hi));
        if (chance() % 16 == 0)
            parked->sp = (void *)(harmful(lo, hi) & ~(uintptr_t)(chance() % 2 ? 7 : 0));
        tz_gview_walk(&trace, parked, chance() % 2 ? &cache : NULL);
        ends[trace.end]++;
        CHECK(trace.end != TZ_WALK_GOES_ON);
        parked->sp = (void *)sp;
        copy_words(stack, saved, words);
    }
    CHECK(ends[TZ_WALK_DONE] && ends[TZ_WALK_UNKNOWN] && ends[TZ_WALK_STUCK]);
    tz_gview_walk(&trace, parked, &cache);
    check_whole();
    free(saved);
    unpark();
}

/* A return address that is none is told. */
TEST(smashed_return_address)
{
    park_one(waits_in_chan);
    EVENTUALLY(tz_load_relaxed(&parked->status) == TZ_G_WAITING);
    tz_gview_walk(&trace, parked, &cache);
    check_whole();
    uint32_t at = find((void *)waits_in_chan);
    uintptr_t pc = trace.first[at + 1].pc;
    volatile uintptr_t *word = parked->sp;
    do { /* it may be there more than once, left behind by an earlier call */
        word = find_word(word + 1, pc);
        write_word(word, 0xbad0bad0);
        tz_gview_walk(&trace, parked, &cache);
    } while (trace.end == TZ_WALK_DONE);
    CHECK_EQ((int)trace.end, (int)TZ_WALK_UNKNOWN);
    CHECK_EQ(trace.bad, 0xbad0bad0u);
    CHECK_EQ(trace.n, at + 1);
    write_word(word, pc);
    unpark();
}

/* Data are no code, although a frame pointer may lead on from there. */
TEST(what_is_code)
{
    uintptr_t lo = 0, hi = 0, at = (uintptr_t)walk_here;
    CHECK(tz_os_is_code(at, &lo, &hi));
    CHECK(at >= lo && at < hi);
    CHECK(!tz_os_is_code((uintptr_t)&trace, &lo, &hi));
    CHECK(!tz_os_is_code((uintptr_t)&lo, &lo, &hi));
    CHECK(!tz_os_is_code(0, &lo, &hi));
    CHECK(!tz_os_is_code(UINTPTR_MAX, &lo, &hi));
}

/* Random registers. */
TEST(fuzzed_registers)
{
    uintptr_t lo, hi;
    bounds(&lo, &hi);
    for (int round = 0; round < ROUNDS; round++) {
        tz_regs regs;
        for (int i = 0; i < TZ_REGS; i++)
            regs.r[i] = harmful(lo, hi);
        regs.known = chance() | (uint64_t)1 << TZ_REG_PC | (uint64_t)1 << TZ_REG_SP;
        regs.exact = chance() % 2;
        bool vouched = chance() % 2;
        tz_trace_take(&trace, &regs, vouched ? lo : 0, vouched ? hi : 0, &cache, 0);
        CHECK(trace.end != TZ_WALK_GOES_ON);
    }
}

TEST_MAIN_TUZA()
