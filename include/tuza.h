/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tuza: Go's runtime for C. This header includes the others; each of them
 * also stands alone.
 *
 * Rules that hold for every call:
 *
 *  - A goroutine may call anything, blocking libc calls and endless loops
 *    included: the scheduler takes the right to run goroutines (the P) away
 *    from a thread that is stuck, and gives it back on the next tuza call.
 *    Goroutines therefore run in parallel even under GOMAXPROCS=1 while one
 *    of them is stuck: shared data needs channels or locks, always.
 *  - Results are >= 0 or a negative errno value. The errno variable is never
 *    how tuza reports; each goroutine keeps its own value across switches
 *    (see <tuza/errno.h>).
 *  - Bugs of the program panic with Go's text: "panic: send on closed
 *    channel", the goroutine, exit code 2, unless a deferred function recovers
 *    (<tuza/panic.h>). Broken invariants of the runtime
 *    throw: "fatal error: ...", exit code 2.
 *  - Sizes are bytes; times are int64_t nanoseconds.
 *  - "Blocks: goroutine" means that the caller is parked and its thread runs
 *    other goroutines meanwhile. A goroutine may wake on another thread.
 *    "Blocks: never" calls do not move it.
 *  - tuza is not callable from signal handlers ("tuza called inside the
 *    runtime"), and not from code that the allocator runs.
 */
#ifndef TUZA_H
#define TUZA_H

#include "tuza/bubble.h"
#include "tuza/bufio.h"
#include "tuza/chan.h"
#include "tuza/context.h"
#include "tuza/debug.h"
#include "tuza/errno.h"
#include "tuza/go.h"
#include "tuza/group.h"
#include "tuza/local.h"
#include "tuza/net.h"
#include "tuza/panic.h"
#include "tuza/pool.h"
#include "tuza/select.h"
#include "tuza/signal.h"
#include "tuza/sync.h"
#include "tuza/time.h"
#include "tuza/typed.h"

#endif /* TUZA_H */
