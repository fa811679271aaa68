/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The only spelling of atomics in the tree. The order is in the name, never
 * an argument, so that a reader sees at the call what it promises; each use
 * names its partner in a comment.
 *
 * The operands are plain integers and pointers (no _Atomic): a field's
 * comment says who may touch it how.
 */
#ifndef TZ_ATOMIC_H
#define TZ_ATOMIC_H

#include "base/base.h"

#define tz_load_relaxed(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define tz_load_acquire(p)     __atomic_load_n((p), __ATOMIC_ACQUIRE)
#define tz_store_relaxed(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define tz_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#define tz_xchg_relaxed(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELAXED)
#define tz_xchg_acquire(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQUIRE)
#define tz_xchg_release(p, v) __atomic_exchange_n((p), (v), __ATOMIC_RELEASE)
#define tz_xchg_acq_rel(p, v) __atomic_exchange_n((p), (v), __ATOMIC_ACQ_REL)

/* The results are the old values. */
#define tz_add_relaxed(p, v) __atomic_fetch_add((p), (v), __ATOMIC_RELAXED)
#define tz_add_acq_rel(p, v) __atomic_fetch_add((p), (v), __ATOMIC_ACQ_REL)
#define tz_sub_relaxed(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELAXED)
#define tz_sub_release(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_RELEASE)
#define tz_sub_acq_rel(p, v) __atomic_fetch_sub((p), (v), __ATOMIC_ACQ_REL)

#define tz_or_release(p, v)  __atomic_fetch_or((p), (v), __ATOMIC_RELEASE)
#define tz_and_acq_rel(p, v) __atomic_fetch_and((p), (v), __ATOMIC_ACQ_REL)

/* Compare and swap; *(old) is updated where it fails. Failure orders: acquire where success has it. */
#define tz_cas_relaxed(p, old, new) \
    __atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)
#define tz_cas_acquire(p, old, new) \
    __atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)
#define tz_cas_release(p, old, new) \
    __atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_RELEASE, __ATOMIC_RELAXED)
#define tz_cas_acq_rel(p, old, new) \
    __atomic_compare_exchange_n((p), (old), (new), false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)

#define tz_fence_acquire() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define tz_fence_release() __atomic_thread_fence(__ATOMIC_RELEASE)
/* Orders an earlier store with a later load (Dekker's pattern): the other side has the same fence. */
#define tz_fence_store_load() __atomic_thread_fence(__ATOMIC_SEQ_CST)
/* Keeps the compiler, not the processor, from moving accesses across. */
#define tz_compiler_barrier() __atomic_signal_fence(__ATOMIC_SEQ_CST)

#endif /* TZ_ATOMIC_H */
