/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Descriptors that come and go: closed and cancelled in the middle of calls
 * and of each other, with deadlines set, while the same few numbers are given
 * out again and again. Nothing of a file's may reach the next one with its
 * number, and every call that waits returns.
 */
// ctest: timeout 900 | env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8
// ctest: env GOMAXPROCS=1 TUZA_CHAOS=1 | env GOMAXPROCS=2 TUZA_CHAOS=2 | env GOMAXPROCS=8 TUZA_CHAOS=3
#include <fcntl.h>
#include <poll.h>

#include "stress/net.h"

static long ends[200]; /* by errno: how often calls ended so */

static void note_end(ssize_t result)
{
    int i = result >= 0 ? 0 : (int)-result;
    CHECK(i < (int)(sizeof ends / sizeof ends[0]));
    flag_add(&ends[i], 1);
}

static void pause_a_little(stress_random *r)
{
    switch (stress_next(r, 4)) {
    case 0:
        tuza_sleep(stress_next(r, 150) * TUZA_MICROSECOND);
        break;
    case 1:
        tuza_gosched();
        break;
    default:
        for (volatile uint32_t i = 0, n = stress_next(r, 300); i < n; i++)
            ;
    }
}

/* A pair of either kind: reads at [0], writes at [1]. */
static void some_pair(stress_random *r, int fds[2])
{
    if (stress_next(r, 2))
        net_pair(fds);
    else
        CHECK_EQ(pipe2(fds, O_CLOEXEC), 0);
}

/* --- Fresh files on old numbers --- */

static void dirty(stress_random *r, int fd)
{
    int64_t soon = tuza_now() + stress_next(r, 400) * TUZA_MICROSECOND;
    switch (stress_next(r, 6)) {
    case 0:
        CHECK_EQ(tuza_set_deadline(fd, 1), 0);
        break;
    case 1:
        CHECK_EQ(tuza_cancel(fd), 0);
        break;
    case 2:
        CHECK_EQ(tuza_set_read_deadline(fd, soon), 0);
        break;
    case 3:
        CHECK_EQ(tuza_set_write_deadline(fd, soon), 0);
        break;
    case 4:
        CHECK_EQ(tuza_set_deadline(fd, tuza_now() + 3600 * TUZA_SECOND), 0);
        break;
    default:
        break;
    }
}

typedef struct reading {
    int fd;
    uint64_t token;
} reading;

static void read_token(void *arg)
{
    const reading *r = arg;
    uint64_t got = 0;
    CHECK_EQ(tuza_read_full(r->fd, &got, sizeof got), (ssize_t)sizeof got);
    CHECK_EQ(got, r->token);
}

static long files;

static void reuse_numbers(void *arg)
{
    uint64_t me = (uint64_t)(uintptr_t)arg;
    stress_random r = stress_start(me);
    for (long i = 0; i < stress_amount(20000) + 30; i++) {
        int fds[2];
        some_pair(&r, fds);
        reading job = {.fd = fds[0], .token = me << 32 | (uint64_t)i};
        team t = {0};
        team_go(&t, read_token, &job);
        if (stress_next(&r, 2))
            pause_a_little(&r); /* the reader waits, or it does not get to */
        CHECK_EQ(tuza_write(fds[1], &job.token, sizeof job.token), (ssize_t)sizeof job.token);
        team_wait(&t);
        for (int k = 0; k < 2; k++) {
            dirty(&r, fds[k]);
            if (stress_next(&r, 2))
                CHECK_EQ(tuza_close(fds[k]), 0);
            else
                CHECK_EQ(close(fds[k]), 0);
        }
        flag_add(&files, 2);
    }
}

/*
 * NP-21, NP-22, and that deadlines and cancellation end with the file, closed by tuza_close or by plain
 * close: each new pair passes a token, with no time-out, no cancellation, and no byte of another's.
 */
TEST(fresh_files_on_old_numbers)
{
    enum { WORKERS = 12 };
    int before = net_descriptors();
    files = 0;
    team t = {0};
    for (uintptr_t i = 1; i <= WORKERS; i++)
        team_go(&t, reuse_numbers, (void *)i);
    team_wait(&t);
    CHECK_EQ(files, WORKERS * 2 * (stress_amount(20000) + 30));
    settle_slowly();
    CHECK_EQ(net_descriptors(), before);
}

/* --- Close in the middle of calls --- */

/*
 * One round at a time, on numbers that nobody else is given: the runtime, which opens files of its own, gets
 * low ones. So who is late gets -EBADF.
 */
enum { HIGH = 500 };

static void raise_number(int *fd)
{
    int high = fcntl(*fd, F_DUPFD_CLOEXEC, HIGH);
    CHECK(high >= HIGH);
    close(*fd);
    *fd = high;
}

static struct round {
    int fds[2];
    long round, started;
} now;

static void one_call(void *arg)
{
    uintptr_t k = (uintptr_t)arg;
    stress_random r = stress_start((uint64_t)now.round * 16 + k);
    static const char zeros[100000];
    char buf[100];
    int fd = now.fds[k % 2];
    ssize_t result = 0;
    flag_add(&now.started, 1);
    uint32_t call = stress_next(&r, 6);
    switch (call) {
    case 0:
    case 1:
        result = k % 2 ? tuza_write(fd, zeros, sizeof zeros) : tuza_read(fd, buf, sizeof buf);
        break;
    case 2:
        result = tuza_wait_fd(fd, k % 2 ? POLLOUT : POLLIN, 0);
        break;
    case 3:
        result = tuza_set_deadline(fd, tuza_now() + stress_next(&r, 100) * TUZA_MICROSECOND);
        break;
    case 4:
        result = tuza_cancel(fd);
        break;
    case 5:
        result = k % 2 ? tuza_write(fd, buf, 1) : tuza_read_full(fd, buf, sizeof buf);
        break;
    }
    /* A socket whose peer is closed with something unread is reset. Mostly a write finds it shut and says
     * EPIPE; one that finds that out further on in the kernel says this. */
    bool reset = result == -ECONNRESET && k % 2 && (call < 2 || call == 5);
    if (result < 0 && result != -ECANCELED && result != -ETIMEDOUT && result != -EBADF && result != -EPIPE &&
        !reset)
        tz_test_fail(__FILE__, __LINE__, "call %d of side %d: %zd", (int)call, (int)(k % 2), result);
    note_end(result);
}

/* NP-10, NP-11, NP-12, NP-20: close wakes all, and the number is free when it returns. */
TEST(close_in_the_middle)
{
    enum { CALLS = 8 };
    stress_random r = stress_start(1000);
    int before = net_descriptors();
    net_raise_limit();
    memset(ends, 0, sizeof ends);
    long rounds = stress_amount(30000) + 100;
    for (now.round = 0; now.round < rounds; now.round++) {
        some_pair(&r, now.fds);
        raise_number(&now.fds[0]);
        raise_number(&now.fds[1]);
        flag_set(&now.started, 0);
        team t = {0};
        for (uintptr_t k = 0; k < CALLS; k++)
            team_go(&t, one_call, (void *)k);
        for (uint32_t n = stress_next(&r, CALLS + 1); flag_get(&now.started) < (long)n;)
            tuza_gosched();
        pause_a_little(&r);
        int first = (int)stress_next(&r, 2);
        CHECK_EQ(tuza_close(now.fds[first]), 0);
        CHECK_EQ(fcntl(now.fds[first], F_GETFD), -1);
        CHECK_EQ(tuza_close(now.fds[!first]), 0);
        CHECK_EQ(fcntl(now.fds[!first], F_GETFD), -1);
        team_wait(&t);
    }
    printf("[%ld cancelled, %ld timed out, %ld late, %ld broken, %ld reset] ", ends[ECANCELED],
           ends[ETIMEDOUT], ends[EBADF], ends[EPIPE], ends[ECONNRESET]);
    CHECK(ends[0] > 0 && ends[ECANCELED] > 0);
    settle_slowly();
    CHECK_EQ(net_descriptors(), before);
}

/* --- Cancel, then close: the way for those that use a descriptor in a loop --- */

typedef struct looping {
    int fds[2];
    uint64_t id;
    long reads, writes, waits;
} looping;

static void loop_reading(void *arg)
{
    looping *l = arg;
    unsigned char buf[512];
    ssize_t n;
    while ((n = tuza_read(l->fds[0], buf, sizeof buf)) > 0 || n == -ETIMEDOUT) {
        l->reads++;
        if (n < 0)
            tuza_sleep(20 * TUZA_MICROSECOND);
    }
    CHECK_EQ(n, -ECANCELED);
    CHECK_EQ(tuza_read(l->fds[0], buf, sizeof buf), -ECANCELED);
    note_end(n);
}

static void loop_writing(void *arg)
{
    looping *l = arg;
    unsigned char buf[3000] = {0};
    ssize_t n;
    while ((n = tuza_write(l->fds[1], buf, sizeof buf)) > 0 || n == -ETIMEDOUT) {
        l->writes++;
        if (n < 0)
            tuza_sleep(20 * TUZA_MICROSECOND);
    }
    CHECK_EQ(n, -ECANCELED);
    CHECK_EQ(tuza_write(l->fds[1], buf, sizeof buf), -ECANCELED);
    note_end(n);
}

static void loop_waiting(void *arg)
{
    looping *l = arg;
    int n;
    do {
        n = tuza_wait_fd(l->fds[1], POLLOUT, tuza_now() + 50 * TUZA_MICROSECOND);
        l->waits++;
        if (n < 0)
            tuza_sleep(20 * TUZA_MICROSECOND);
        else
            tuza_gosched();
    } while (n > 0 || n == -ETIMEDOUT);
    CHECK_EQ(n, -ECANCELED);
    note_end(n);
}

static void loop_cancelling(void *arg)
{
    looping *l = arg;
    stress_random r = stress_start(l->id * 7 + 5);
    for (uint32_t i = stress_next(&r, 30); i > 0; i--) {
        pause_a_little(&r);
        CHECK_EQ(tuza_set_deadline(l->fds[i % 2], tuza_now() + stress_next(&r, 50) * TUZA_MICROSECOND), 0);
    }
    CHECK_EQ(tuza_cancel(l->fds[0]), 0);
    CHECK_EQ(tuza_cancel(l->fds[1]), 0);
    CHECK_EQ(tuza_cancel(l->fds[0]), 0);
}

static void cancel_and_close(void *arg)
{
    uint64_t me = (uint64_t)(uintptr_t)arg;
    stress_random r = stress_start(me + 500);
    for (long i = 0; i < stress_amount(3000) + 10; i++) {
        looping l = {.id = me * 1000000 + (uint64_t)i};
        some_pair(&r, l.fds);
        team t = {0};
        team_go(&t, loop_reading, &l);
        team_go(&t, loop_writing, &l);
        team_go(&t, loop_waiting, &l);
        for (uint32_t k = 1 + stress_next(&r, 3); k > 0; k--)
            team_go(&t, loop_cancelling, &l);
        team_wait(&t);
        for (int k = 0; k < 2; k++)
            CHECK_EQ(tuza_close(l.fds[k]), 0);
    }
}

/* NP-10, NP-12, NP-29: many pairs at once; after a cancel every call is cancelled, whatever deadlines say. */
TEST(cancel_then_close)
{
    enum { WORKERS = 8 };
    int before = net_descriptors();
    memset(ends, 0, sizeof ends);
    team t = {0};
    for (uintptr_t i = 1; i <= WORKERS; i++)
        team_go(&t, cancel_and_close, (void *)i);
    team_wait(&t);
    CHECK_EQ(ends[ECANCELED], WORKERS * 3 * (stress_amount(3000) + 10));
    settle_slowly();
    CHECK_EQ(net_descriptors(), before);
}

/* --- Many meet a file under an old number at once --- */

static struct meeting {
    int fds[2];
    long ready;
} met;

/* Whoever is first to ask the kernel forgets what was said of the earlier file, and nothing of what is said
 * of this one by those who are second. */
static void meet(void *arg)
{
    uintptr_t k = (uintptr_t)arg;
    int fd = met.fds[k % 2];
    char byte = 'x';
    int n = POLLOUT;
    flag_add(&met.ready, 1);
    while (flag_get(&met.ready) < 4)
        tuza_gosched();
    switch (k) {
    case 0:
        CHECK_EQ(tuza_read(fd, &byte, 1), -ECANCELED);
        break;
    case 1:
        while (n == POLLOUT)
            n = tuza_wait_fd(fd, POLLOUT, 0);
        CHECK_EQ(n, -ECANCELED);
        break;
    default:
        CHECK_EQ(tuza_set_deadline(fd, tuza_now() + 3600 * TUZA_SECOND), 0);
        CHECK_EQ(tuza_cancel(fd), 0);
        CHECK_EQ(tuza_write(fd, &byte, 1), -ECANCELED);
    }
}

/* NP-21, NP-22: the earlier files were cancelled, their deadlines long past, and plain close() ended them. */
TEST(an_old_number_met_by_many)
{
    stress_random r = stress_start(3000);
    net_raise_limit();
    for (long i = 0; i < stress_amount(20000) + 100; i++) {
        int fds[2];
        some_pair(&r, fds);
        for (int k = 0; k < 2; k++) {
            met.fds[k] = HIGH + 100 + k;
            CHECK_EQ(dup3(fds[k], met.fds[k], O_CLOEXEC), met.fds[k]); /* in the place of the last one's */
            close(fds[k]);
        }
        flag_set(&met.ready, 0);
        team t = {0};
        for (uintptr_t k = 0; k < 4; k++)
            team_go(&t, meet, (void *)k);
        team_wait(&t);
        for (int k = 0; k < 2; k++) {
            CHECK_EQ(tuza_set_deadline(met.fds[k], 1), 0);
            if (stress_next(&r, 2))
                close(met.fds[k]);
        }
    }
    for (int k = 0; k < 2; k++) {
        bool open = fcntl(met.fds[k], F_GETFD) >= 0;
        CHECK_EQ(tuza_close(met.fds[k]), open ? 0 : -EBADF);
    }
}

/* --- A file is found to be another's while it is being closed --- */

static void read_until_closed(void *arg)
{
    char byte;
    flag_add(&met.ready, 1);
    while (flag_get(&met.ready) < 2)
        tuza_gosched();
    ssize_t n = tuza_read(*(int *)arg, &byte, 1);
    CHECK(n == -ECANCELED || n == -EBADF);
}

/* NP-10: the reader asks the kernel, is told that the number is another's, and forgets what stops it; not the
 * close, which waits for it. */
TEST(closed_while_it_is_found_out)
{
    stress_random r = stress_start(4000);
    net_raise_limit();
    int number = HIGH + 110;
    for (long i = 0; i < stress_amount(20000) + 100; i++) {
        int known[2], fresh[2];
        net_pair(known);
        CHECK_EQ(dup3(known[0], number, O_CLOEXEC), number);
        close(known[0]);
        CHECK_EQ(tuza_set_deadline(number, tuza_now() + 3600 * TUZA_SECOND), 0);
        net_pair(fresh);
        CHECK_EQ(dup3(fresh[0], number, O_CLOEXEC), number);
        close(fresh[0]);
        flag_set(&met.ready, 0);
        team t = {0};
        team_go(&t, read_until_closed, &number);
        flag_add(&met.ready, 1);
        while (flag_get(&met.ready) < 2)
            tuza_gosched();
        pause_a_little(&r);
        CHECK_EQ(tuza_close(number), 0);
        team_wait(&t);
        close(known[1]);
        close(fresh[1]);
    }
}

/* --- Listeners that go --- */

static struct {
    const char *network;
    char address[64];
    int listener, closing;
    long accepted, dialled;
} door;

static void accept_until_cancelled(void *arg)
{
    (void)arg;
    int fd;
    while ((fd = tuza_accept(door.listener)) >= 0) {
        flag_add(&door.accepted, 1);
        CHECK_EQ(tuza_close(fd), 0);
    }
    CHECK_EQ(fd, -ECANCELED);
}

/* Linux does not reset each connection that was on its way when the listener was closed: such a one has no
 * other end. Nobody else waits so long, unless the machine stands still. */
#define FORGOTTEN (3 * TUZA_SECOND)

/* Not until it is refused: the port may be another program's by then. */
static void dial_until_closing(void *arg)
{
    (void)arg;
    while (!flag_get(&door.closing)) {
        int fd = tuza_dial(door.network, door.address);
        if (fd < 0) {
            CHECK(fd == -ECONNREFUSED || fd == -ECONNRESET);
            continue;
        }
        char byte;
        CHECK_EQ(tuza_set_deadline(fd, tuza_now() + FORGOTTEN), 0);
        ssize_t n = tuza_read(fd, &byte, 1); /* the end; a reset where it was still in the queue */
        CHECK(n == 0 || n == -ECONNRESET || (n == -ETIMEDOUT && flag_get(&door.closing)));
        flag_add(&door.dialled, 1);
        CHECK_EQ(tuza_close(fd), 0);
    }
}

/* NP-10, NP-30: accepters and dialers while the listener is cancelled and closed. */
TEST(listeners_that_go)
{
    enum { EACH = 4 };
    stress_random r = stress_start(2000);
    int before = net_descriptors();
    door.accepted = door.dialled = 0;
    for (long i = 0; i < stress_amount(400) + 10; i++) {
        door.network = i % 2 ? "unix" : "tcp";
        flag_set(&door.closing, 0);
        if (i % 2) {
            snprintf(door.address, sizeof door.address, "@tuza-stress-%d-%ld", (int)getpid(), i);
            door.listener = tuza_listen("unix", door.address);
            CHECK(door.listener >= 0);
        } else {
            door.listener = net_listen(door.address);
        }
        team accepters = {0}, dialers = {0};
        for (int k = 0; k < EACH; k++) {
            team_go(&accepters, accept_until_cancelled, NULL);
            team_go(&dialers, dial_until_closing, NULL);
        }
        pause_a_little(&r);
        if (stress_next(&r, 2)) {
            long n = flag_get(&door.accepted);
            EVENTUALLY(flag_get(&door.accepted) > n);
        }
        flag_set(&door.closing, 1);
        CHECK_EQ(tuza_cancel(door.listener), 0);
        team_wait(&accepters);
        CHECK_EQ(tuza_close(door.listener), 0);
        team_wait(&dialers);
    }
    CHECK(door.accepted > 0 && door.dialled >= door.accepted);
    settle_slowly();
    CHECK_EQ(net_descriptors(), before);
}

TEST_MAIN_TUZA()
