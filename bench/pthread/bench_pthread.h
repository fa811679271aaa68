/* SPDX-License-Identifier: BSD-3-Clause */
/* What the twins on threads share beyond bench.h. */
#ifndef BENCH_PTHREAD_H
#define BENCH_PTHREAD_H

#include <pthread.h>

#include "../bench.h"

static inline pthread_t bench_thread(void *(*fn)(void *), void *arg)
{
    pthread_t thread;
    int err = pthread_create(&thread, NULL, fn, arg);
    if (err != 0)
        bench_die("pthread_create: %s", strerror(err));
    return thread;
}

/*
 * A queue of numbers of fixed capacity: one mutex, one condition variable for
 * each side. The counts of waiters spare the signals that nobody waits for.
 */
struct bench_queue {
    pthread_mutex_t lock;
    pthread_cond_t not_full, not_empty;
    int64_t *items;
    size_t capacity, head, length, full_waiters, empty_waiters;
};

static inline void bench_queue_init(struct bench_queue *q, size_t capacity)
{
    memset(q, 0, sizeof *q);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->not_full, NULL);
    pthread_cond_init(&q->not_empty, NULL);
    q->items = bench_alloc(capacity, sizeof q->items[0]);
    q->capacity = capacity;
}

static inline void bench_queue_send(struct bench_queue *q, int64_t value)
{
    pthread_mutex_lock(&q->lock);
    while (q->length == q->capacity) {
        q->full_waiters++;
        pthread_cond_wait(&q->not_full, &q->lock);
        q->full_waiters--;
    }
    size_t tail = q->head + q->length;
    q->items[tail < q->capacity ? tail : tail - q->capacity] = value;
    q->length++;
    bool wake = q->empty_waiters > 0;
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->not_empty);
}

static inline int64_t bench_queue_recv(struct bench_queue *q)
{
    pthread_mutex_lock(&q->lock);
    while (q->length == 0) {
        q->empty_waiters++;
        pthread_cond_wait(&q->not_empty, &q->lock);
        q->empty_waiters--;
    }
    int64_t value = q->items[q->head];
    q->head = q->head + 1 < q->capacity ? q->head + 1 : 0;
    q->length--;
    bool wake = q->full_waiters > 0;
    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->not_full);
    return value;
}

#endif /* BENCH_PTHREAD_H */
