/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends and receives that a context ends, and channels whose elements own something. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=41
#include <errno.h>

#include "go/help.h"

static struct {
    tuza_chan *c;
    tuza_context *ctx;
    int result, done;
    int64_t v;
} stage;

static void send_staged(void *arg)
{
    (void)arg;
    stage.result = tuza_chan_send_context(stage.c, &stage.v, stage.ctx);
    flag_set(&stage.done, 1);
}

static void recv_staged(void *arg)
{
    (void)arg;
    stage.result = tuza_chan_recv_context(stage.c, &stage.v, stage.ctx);
    flag_set(&stage.done, 1);
}

static void start(void (*fn)(void *), bool with_context)
{
    stage.c = tuza_chan_make(sizeof stage.v, 0);
    stage.ctx = with_context ? tuza_context_with_cancel(tuza_context_background()) : NULL;
    stage.v = 42;
    stage.done = 0;
    GO(fn, NULL);
    for (int i = 0; i < 5; i++) { /* most often it waits then */
        tuza_gosched();
        tuza_sleep(TUZA_MILLISECOND / 10);
    }
}

static void finish(int result)
{
    EVENTUALLY(flag_get(&stage.done));
    CHECK_EQ(stage.result, result);
    settle(1);
    tuza_context_unref(stage.ctx);
    tuza_chan_unref(stage.c);
}

/* Each is done, and says so, with a context that ends and with none. */
TEST(done)
{
    for (int i = 0; i < 2; i++) {
        int64_t got = 0, v = 7;
        start(send_staged, i);
        CHECK(tuza_chan_recv(stage.c, &got));
        CHECK_EQ(got, 42);
        finish(0);
        start(recv_staged, i);
        tuza_chan_send(stage.c, &v);
        finish(1);
        CHECK_EQ(stage.v, 7);
        start(recv_staged, i);
        tuza_chan_close(stage.c);
        finish(0);
        CHECK_EQ(stage.v, 0);
    }
}

/* The context ends the wait: nothing was sent, and nothing touched. */
TEST(cancelled)
{
    for (int i = 0; i < 2; i++) {
        start(i ? send_staged : recv_staged, true);
        tuza_context_cancel(stage.ctx);
        EVENTUALLY(flag_get(&stage.done));
        CHECK_EQ(stage.v, 42);
        int64_t v;
        CHECK(!try_recv(stage.c, &v));
        CHECK(!tuza_chan_try_send(stage.c, &v));
        finish(-ECANCELED);
    }
}

/* A time that is over; a context that is done already wins over a channel that is ready; nil channels. */
TEST(done_before)
{
    tuza_chan *c = tuza_chan_make(sizeof(int64_t), 2);
    int64_t v = 1;
    tuza_context *late = tuza_context_with_timeout(tuza_context_background(), TUZA_MILLISECOND);
    CHECK_EQ(tuza_chan_send_context(NULL, &v, late), -ETIMEDOUT);
    CHECK_EQ(tuza_chan_recv_context(NULL, &v, late), -ETIMEDOUT);
    CHECK_EQ(tuza_chan_send_context(c, &v, NULL), 0);
    for (int i = 0; i < 20; i++) {
        CHECK_EQ(tuza_chan_send_context(c, &v, late), -ETIMEDOUT);
        CHECK_EQ(tuza_chan_recv_context(c, &v, late), -ETIMEDOUT);
    }
    CHECK_EQ(tuza_chan_len(c), 1);
    tuza_context *ctx = tuza_context_with_cancel(tuza_context_background());
    CHECK_EQ(tuza_chan_send_context(c, &v, ctx), 0);
    CHECK_EQ(tuza_chan_recv_context(c, &v, ctx), 1);
    CHECK_EQ(tuza_chan_recv_context(c, NULL, tuza_context_background()), 1);
    tuza_chan_close(c);
    CHECK_EQ(tuza_chan_recv_context(c, &v, ctx), 0);
    tuza_context_unref(ctx);
    tuza_context_unref(late);
    tuza_chan_unref(c);
}

/* ---- tuza_chan_make_drop ---- */

static int64_t dropped[100];
static int drops;

static void note_drop(void *elem)
{
    int64_t *p;
    memcpy(&p, elem, sizeof p);
    dropped[drops++] = *p;
    free(p);
}

static int64_t *owned(int64_t v)
{
    int64_t *p = malloc(sizeof *p);
    *p = v;
    return p;
}

/* Each element that is left goes through drop, once, the oldest first, with the last reference and not
 * before; what was received does not. */
TEST(drop)
{
    for (int first = 0; first < 5; first++) {
        tuza_chan *c = tuza_chan_make_drop(sizeof(int64_t *), 4, note_drop);
        int64_t *p, next = 0;
        for (int i = 0; i < first; i++) { /* moves the ring on */
            p = owned(next++);
            tuza_chan_send(c, &p);
            CHECK(tuza_chan_recv(c, &p));
            free(p);
        }
        for (int n = 0; n < 4; n++) {
            p = owned(next + n);
            tuza_chan_send(c, &p);
        }
        CHECK(tuza_chan_recv(c, &p));
        CHECK_EQ(*p, next);
        free(p);
        drops = 0;
        if (first % 2)
            tuza_chan_close(c);
        tuza_chan_unref(tuza_chan_ref(c));
        CHECK_EQ(drops, 0);
        tuza_chan_unref(c);
        CHECK_EQ(drops, 3);
        for (int i = 0; i < 3; i++)
            CHECK_EQ(dropped[i], next + 1 + i);
    }
    drops = 0;
    tuza_chan_unref(tuza_chan_make_drop(8, 3, note_drop));
    tuza_chan_unref(tuza_chan_make_drop(8, 0, note_drop));
    CHECK_EQ(drops, 0);
    tuza_chan *plain = tuza_chan_make_drop(8, 1, NULL);
    int64_t v = 0;
    tuza_chan_send(plain, &v);
    tuza_chan_unref(plain);
}

static void drop_chan(void *elem)
{
    tuza_chan *c;
    memcpy(&c, elem, sizeof c);
    tuza_chan_unref(c);
    drops++;
}

/* drop may call anything: here it ends channels within channels. */
TEST(drop_within_drop)
{
    tuza_chan *c = tuza_chan_make_drop(sizeof c, 2, drop_chan);
    for (int i = 0; i < 10; i++) {
        tuza_chan *outer = tuza_chan_make_drop(sizeof c, 2, drop_chan);
        tuza_chan_send(outer, &c);
        c = outer;
    }
    drops = 0;
    tuza_chan_unref(c);
    CHECK_EQ(drops, 10);
}

TEST_MAIN_TUZA()
