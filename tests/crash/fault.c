/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Faults and signals that the process dies of, or reports and ends (run.sh
 * reads the //! lines).
 *
 * Not under ThreadSanitizer: what needs a handler to run where the signal
 * came (it delivers most when the thread next calls libc), and stacks of more
 * frames than its own record of them holds.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "crash/faulting.h"

static void write_nowhere_in(void *arg)
{
    (void)arg;
    write_nowhere();
}

/* SG-08: by the signal, after the report: what it was, where, which goroutine, the goroutines. */
//! segv signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x10
//> unexpected signal in goroutine 1
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int segv(void)
{
    write_nowhere();
    return 0;
}

/* TB-17: and the registers, at the end. */
//! segv_in_goroutine signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x10
//> unexpected signal in goroutine @N@
//>
//> goroutine @N@ gp=@X@ m=@N@ mp=@X@ [running]:
//+ goroutine 1 [chan receive (nil chan)]:
//+ rip    @X@
//+ gs     @X@
static int segv_in_goroutine(void)
{
    crash_go(write_nowhere_in, NULL);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

//! bus signal 7
//> SIGBUS: bus error
//> PC=@X@ m=@N@ sigcode=2 addr=@X@
//> unexpected signal in goroutine 1
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int bus(void)
{
    int fd = memfd_create("empty", 0);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || p == MAP_FAILED)
        return 90;
    nowhere = p;
    write_nowhere();
    return 0;
}

static volatile int zero;
RAW static int divide(int by)
{
    return 10 / by;
}

/* SG-03: with the bytes of the instruction. */
//! fpe signal 8
//> SIGFPE: floating-point exception
//> PC=@X@ m=@N@ sigcode=1
//> unexpected signal in goroutine 1
//> instruction bytes: @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int fpe(void)
{
    return divide(zero);
}

//! ill signal 4
//> SIGILL: illegal instruction
//> PC=@X@ m=@N@ sigcode=2
//> unexpected signal in goroutine 1
//> instruction bytes: 0xf 0xb @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@ @X@
static int ill(void)
{
    __builtin_trap();
    return 0;
}

/* SG-04 */
//! trap signal 5
//> SIGTRAP: trace trap
//> PC=@X@ m=@N@ sigcode=128
//> unexpected signal in goroutine 1
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int trap(void)
{
#if defined(__x86_64__)
    __asm__ volatile("int3");
#else
    __asm__ volatile("brk #0");
#endif
    return 0;
}

/* SG-04 */
//! aborts signal 6
//> SIGABRT: abort
//> PC=@X@ m=@N@ sigcode=-6
//> unexpected signal in goroutine 1
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int aborts(void)
{
    abort();
    return 0;
}

//! sys signal 31
//> SIGSYS: bad system call
//> PC=@X@ m=@N@ sigcode=-6
static int sys(void)
{
    raise(SIGSYS);
    return 0;
}

static void (*volatile function)(void);

/* A call of a function that is not there. */
//! nil_call signal 11
//> SIGSEGV: segmentation violation
//> PC=0x0 m=@N@ sigcode=1 addr=0x0
//> unexpected signal in goroutine 1
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int nil_call(void)
{
    function();
    return 0;
}

//! wild_jump signal 11
//> SIGSEGV: segmentation violation
//> PC=0x123456789000 m=@N@ sigcode=@N@ addr=0x123456789000
//> unexpected signal in goroutine 1
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int wild_jump(void)
{
    function = (void (*)(void))0x123456789000;
    function();
    return 0;
}

/* SG-08: sent by somebody. */
//! sent_segv signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=-6 addr=@X@
//> unexpected signal in goroutine 1
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int sent_segv(void)
{
    syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSEGV);
    return 0;
}

/* SG-08: the process's code stack does not matter then, nor which thread takes it. */
//! sent_segv_to_all signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=0 addr=@X@
static int sent_segv_to_all(void)
{
    kill(getpid(), SIGSEGV);
    tuza_sleep(100 * TUZA_SECOND);
    return 0;
}

/* SG-08: inside the runtime: the element is copied under the channel's lock. */
//! in_runtime
//> fatal error: unexpected signal during runtime execution
//> [signal SIGSEGV: segmentation violation code=0x1 addr=0x10 pc=@X@]
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
static int in_runtime(void)
{
    tuza_chan *c = tuza_chan_make(8, 1);
    tuza_chan_send(c, nowhere);
    return 0;
}

static void *thread_faults(void *arg)
{
    (void)arg;
    write_nowhere();
    return NULL;
}

static int run_thread(void *(*fn)(void *))
{
    pthread_t t;
    if (pthread_create(&t, NULL, fn, NULL))
        return 90;
    pthread_join(t, NULL);
    return 0;
}

/* A thread that is none of ours, and nobody else has a handler. */
//! on_thread signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=-1 sigcode=1 addr=0x10
//> unexpected signal outside of goroutines
static int on_thread(void)
{
    return run_thread(thread_faults);
}

/* Earlier handlers are installed before tuza_run: by the name of the case. */
static volatile sig_atomic_t calls;

static void say(const char *text)
{
    if (write(1, text, strlen(text)) < 0)
        _exit(91);
}

static void earlier_ends(int sig, siginfo_t *info, void *context)
{
    (void)context;
    say(sig == SIGSEGV && info->si_addr == nowhere ? "earlier\n" : "wrong\n");
    _exit(7);
}

/* FT-12: what happens on a thread of its own is the earlier handler's, and no report is printed. */
//! earlier_on_thread exit 7
//1 earlier
static int earlier_on_thread(void)
{
    return run_thread(thread_faults);
}

static void earlier_returns(int sig)
{
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    say(sig == SIGSEGV && calls++ == 0 && sigismember(&mask, SIGSEGV) && sigismember(&mask, SIGUSR1) &&
                !sigismember(&mask, SIGUSR2)
            ? "earlier\n"
            : "wrong\n");
}

/* A goroutine's fault is reported first; the handler has the mask that it asked for;
 * the death is the same. */
//! earlier_in_goroutine signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x10
//> unexpected signal in goroutine 1
//>
//> goroutine 1 gp=@X@ m=@N@ mp=@X@ [running]:
//1 earlier
static int earlier_in_goroutine(void)
{
    write_nowhere();
    return 0;
}

static void earlier_nodefer(int sig)
{
    sigset_t mask;
    sigprocmask(SIG_SETMASK, NULL, &mask);
    say(sig == SIGSEGV && calls++ == 0 && !sigismember(&mask, SIGSEGV) ? "earlier\n" : "wrong\n");
}

static void *sends_segv(void *arg)
{
    (void)arg;
    for (int i = 0; i < 2; i++) {
        if (syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGSEGV))
            _exit(92);
        say("sent\n");
    }
    return NULL;
}

/* FT-12: SA_RESETHAND: the first is the handler's, the second nobody's. */
//! earlier_once signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=-1 sigcode=-6 addr=@X@
//1 earlier
//1 sent
static int earlier_once(void)
{
    return run_thread(sends_segv);
}

static void earlier_faults(int sig)
{
    (void)sig;
    say("earlier\n");
    *nowhere = 2;
}

/* A failure in what is done about a failure: the end, by the signal that came first. */
//! earlier_fails_too signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x10
//> unexpected signal in goroutine 1
//+ panic during panic
//1 earlier
static int earlier_fails_too(void)
{
    write_nowhere();
    return 0;
}

/* Ignored where it is sent, not where the processor can't go on. */
//! earlier_ignored signal 11
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x10
//1 sent
//1 sent
static int earlier_ignored(void)
{
    sends_segv(NULL);
    write_nowhere();
    return 0;
}

static void earlier_quits(int sig)
{
    (void)sig;
    say("earlier quit\n");
    _exit(7);
}

/* A handler for SIGQUIT is the program's own way to end: it stays. */
//! earlier_quit exit 7
//1 earlier quit
static int earlier_quit(void)
{
    raise(SIGQUIT);
    return 0;
}

static void recover_it(void *arg)
{
    (void)arg;
    tuza_recover();
}

static void handler_faults(int sig)
{
    (void)sig;
    write_nowhere();
}

/* A handler of the program's, on the alternate stack. */
//! in_handler signal 11 not tsan
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x10
//> unexpected signal in goroutine 1
static int in_handler(void)
{
    struct sigaction act = {.sa_handler = handler_faults, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &act, NULL);
    raise(SIGUSR1);
    return 0;
}

static void call_with_handler(void *arg)
{
    (void)arg;
    tuza_defer(recover_it, NULL);
    raise(SIGUSR1);
}

/* And no panic, though the goroutine asked for one: what a handler has interrupted can't be given up. */
//! in_handler_panic_on_fault signal 11 not tsan
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x10
//> unexpected signal in goroutine 1
static int in_handler_panic_on_fault(void)
{
    struct sigaction act = {.sa_handler = handler_faults, .sa_flags = SA_ONSTACK};
    sigaction(SIGUSR1, &act, NULL);
    tuza_set_panic_on_fault(true);
    tuza_call(call_with_handler, NULL);
    return 0;
}

/* Many at once: reports one after the other, each whole, then the death. */
//! segv_at_once signal 11 procs 8
//> SIGSEGV: segmentation violation
//> PC=@X@ m=@N@ sigcode=1 addr=0x10
//> unexpected signal in goroutine @N@
//>
//> goroutine @N@ gp=@X@ m=@N@ mp=@X@ [running]:
static int segv_at_once(void)
{
    for (int i = 0; i < 50; i++)
        crash_go(write_nowhere_in, NULL);
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* Before tuza_run, with the name of the case. */
static void prepare(const char *name)
{
    struct sigaction act;
    memset(&act, 0, sizeof act);
    sigemptyset(&act.sa_mask);
    sigaddset(&act.sa_mask, SIGUSR1);
    if (strcmp(name, "earlier_on_thread") == 0) {
        act.sa_sigaction = earlier_ends;
        act.sa_flags = SA_SIGINFO;
    } else if (strcmp(name, "earlier_in_goroutine") == 0) {
        act.sa_handler = earlier_returns;
    } else if (strcmp(name, "earlier_once") == 0) {
        act.sa_handler = earlier_nodefer;
        act.sa_flags = (int)(SA_RESETHAND | SA_NODEFER);
    } else if (strcmp(name, "earlier_fails_too") == 0) {
        act.sa_handler = earlier_faults;
        act.sa_flags = SA_NODEFER;
    } else if (strcmp(name, "earlier_ignored") == 0) {
        act.sa_handler = SIG_IGN;
    } else if (strcmp(name, "earlier_quit") == 0) {
        act.sa_handler = earlier_quits;
        sigaction(SIGQUIT, &act, NULL);
        return;
    } else {
        return;
    }
    sigaction(SIGSEGV, &act, NULL);
}

#define CASE(name)  \
    {               \
#name, name \
    }
static const crash_case cases[] = {
    CASE(segv),
    CASE(segv_in_goroutine),
    CASE(bus),
    CASE(fpe),
    CASE(ill),
    CASE(trap),
    CASE(aborts),
    CASE(sys),
    CASE(nil_call),
    CASE(wild_jump),
    CASE(sent_segv),
    CASE(sent_segv_to_all),
    CASE(in_runtime),
    CASE(on_thread),
    CASE(earlier_on_thread),
    CASE(earlier_in_goroutine),
    CASE(earlier_once),
    CASE(earlier_fails_too),
    CASE(earlier_ignored),
    CASE(earlier_quit),
    CASE(in_handler),
    CASE(in_handler_panic_on_fault),
    CASE(segv_at_once),
    {NULL, NULL},
};

static int app(int argc, char **argv)
{
    return crash_find(cases, argc, argv);
}

int main(int argc, char **argv)
{
    prepare(argc == 2 ? argv[1] : "");
    return 100 - tuza_run(app, argc, argv);
}
