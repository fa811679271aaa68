/* SPDX-License-Identifier: BSD-3-Clause */
/* The rare parts of word.h. */
#include "sync/word.h"

#include "os/os.h"

#define SPINS  40
#define YIELDS 10
#define NAP_NS 50000

void tz_word_wait(unsigned *tries)
{
    if (++*tries <= SPINS) {
        for (unsigned i = 0; i < *tries; i++)
            tz_arch_pause();
    } else if (*tries <= SPINS + YIELDS) {
        tz_os_yield(); /* the kernel has taken the holder's processor: it may have ours */
    } else {
        tz_os_sleep_until(tz_os_now() + NAP_NS); /* the holder's priority may be less than ours */
    }
}

typedef struct parting {
    void *word;
    uint64_t value;
} parting;

/* After-switch actions. The record is on the stack of a G that may run from the store on. */
static void release(tz_m *m, void *arg)
{
    (void)m;
    parting *p = arg;
    tz_store_release((uint32_t *)p->word, (uint32_t)p->value);
}

static void release64(tz_m *m, void *arg)
{
    (void)m;
    parting *p = arg;
    tz_store_release((uint64_t *)p->word, p->value);
}

tz_m *tz_word_park(tz_m *m, uint32_t reason, tz_waiter *w, uint32_t *word, uint32_t value)
{
    parting p = {word, value};
    w->g = m->g;
    return tz_park_back(m, reason, release, &p);
}

tz_m *tz_word_park64(tz_m *m, uint32_t reason, tz_waiter *w, uint64_t *word, uint64_t value)
{
    parting p = {word, value};
    w->g = m->g;
    return tz_park_back(m, reason, release64, &p);
}

void tz_word_ready(tz_m *m, tz_waiter *list)
{
    for (tz_waiter *w = list, *next; w; w = next) {
        next = w->next; /* first: one that runs reuses its stack */
        tz_ready_behind(m, w->g);
    }
}
