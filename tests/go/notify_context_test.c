/* SPDX-License-Identifier: BSD-3-Clause */
/* Contexts that end with a signal. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=2 | env GOMAXPROCS=8 | env GOMAXPROCS=2 TUZA_CHAOS=7
#include "go/notify.h"

/* SG-17: TestNotifyContextNotifications, TestNotifyContextCause: the signal ends it and all that is derived;
 * further signals do nothing until the last reference is gone. */
TEST(context)
{
    set_handler(SIGUSR1, count);
    handled = 0;
    tuza_context *ctx = with(SIGUSR1), *child = tuza_context_with_cancel(ctx);
    CHECK_EQ(tuza_context_err(ctx), 0);
    for (int i = 0; i < 3; i++)
        raise(SIGUSR1);
    CHECK(is_done(ctx));
    CHECK(is_done(child));
    CHECK_EQ(tuza_context_cause(ctx), SIGUSR1);
    CHECK_EQ(tuza_context_cause(child), SIGUSR1);
    raise(SIGUSR1);
    CHECK_EQ(handled, 0);
    tuza_context_unref(ctx); /* the child holds it */
    raise(SIGUSR1);
    CHECK_EQ(handled, 0);
    tuza_context_unref(child);
    CHECK(handler_of(SIGUSR1) == count);
    raise(SIGUSR1);
    CHECK_EQ(handled, 1);
    set_handler(SIGUSR1, SIG_DFL);
}

/* SG-17: TestNotifyContextStop, TestNotifyContextCancelParent, TestNotifyContextPrematureCancelParent. */
TEST(context_ends_otherwise)
{
    static const char key;
    int sig = SIGUSR1, value = 0;
    tuza_context *ctx = with(SIGUSR1);
    tuza_context_cancel(ctx);
    CHECK(is_done(ctx));
    CHECK_EQ(tuza_context_cause(ctx), -ECANCELED);
    raise(SIGUSR1); /* too late, and nothing happens */
    tuza_context_unref(ctx);
    tuza_context *root = tuza_context_with_cancel(tuza_context_background());
    tuza_context *parent = tuza_context_with_value(root, &key, &value);
    ctx = tuza_context_with_signals(parent, &sig, 1);
    CHECK(tuza_context_value(ctx, &key) == &value);
    tuza_context_cancel(root);
    CHECK(is_done(ctx));
    CHECK_EQ(tuza_context_cause(ctx), -ECANCELED);
    tuza_context_unref(ctx);
    ctx = tuza_context_with_signals(parent, &sig, 1);
    CHECK(is_done(ctx));
    tuza_context_unref(ctx);
    tuza_context_unref(parent);
    tuza_context_unref(root);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

/* Several, beside channels; reset takes the signals from contexts too. */
TEST(contexts_and_channels)
{
    tuza_chan *c = make(1);
    tuza_context *a = with(SIGUSR1), *b = with(SIGUSR1), *other = with(SIGUSR2);
    tuza_context *any = tuza_context_with_signals(a, NULL, 0);
    notify(c, SIGUSR1);
    raise(SIGUSR1);
    CHECK(is_done(a));
    CHECK(is_done(b));
    CHECK(is_done(any));
    wait_sig(c, SIGUSR1);
    CHECK_EQ(tuza_context_err(other), 0);
    reset(SIGUSR2);
    set_handler(SIGUSR2, count);
    handled = 0;
    raise(SIGUSR2);
    CHECK_EQ(handled, 1);
    CHECK_EQ(tuza_context_err(other), 0);
    tuza_context_unref(any);
    tuza_context_unref(a);
    tuza_context_unref(b);
    tuza_context_unref(other);
    done(c);
    set_handler(SIGUSR2, SIG_DFL);
    CHECK(handler_of(SIGUSR1) == SIG_DFL);
}

static void cancel_it(void *ctx)
{
    tuza_context_cancel(ctx);
    tuza_context_unref(ctx);
}

/* SG-17: TestNotifyContextSimultaneousStop, and the last reference while a signal comes. */
TEST(context_races)
{
    set_handler(SIGUSR1, count);
    for (int i = 0; i < 400 / SCALE + 4; i++) {
        tuza_context *ctx = with(SIGUSR1);
        for (int k = 0; k < 5; k++)
            GO(cancel_it, tuza_context_ref(ctx));
        if (i % 2)
            raise(SIGUSR1);
        tuza_context_unref(ctx);
        settle(1);
    }
    CHECK(handler_of(SIGUSR1) == count);
    set_handler(SIGUSR1, SIG_DFL);
}

static void with_nil(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    int sig = SIGUSR1;
    tuza_context_with_signals(NULL, &sig, 1);
}

static void with_no_signal(void *unused)
{
    (void)unused;
    tuza_defer(keep_text, NULL);
    with(SIGKILL);
}

TEST(context_panics)
{
    CHECK(!tuza_call(with_nil, NULL));
    CHECK_STR(recovered, "cannot create context from nil parent");
    CHECK(!tuza_call(with_no_signal, NULL));
    CHECK_STR(recovered, "tuza: a context can't end with what is no signal");
}

TEST_MAIN_NOTIFY()
