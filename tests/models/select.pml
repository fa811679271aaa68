/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * select.pml: a select is woken by exactly one of those who want to, misses nothing, and nobody uses its record when
 * it has returned; after src/sched/select.h, src/chan/select.c, src/select/select.c and src/sched/netpoll_watch.c.
 *
 * One goroutine makes ROUNDS selects, each with a receive from NC channels and one case of another kind, which is ready
 * while `level` is set (a descriptor). Partners send one value on a channel each, into its buffer where nobody waits;
 * the reporter makes the other case ready REPORTS times, and reports that.
 *
 * Memory: the stores that Dekker's pattern turns on (the record that is opened, the watch, the level) may reach memory
 * late, unless there is a fence; what is under a lock is in its holder's order.
 *
 * Correct is: a claim or a wake finds a goroutine that has left its stack, and the record of its select;
 * when nothing can move any more, no value was lost, and a select that sleeps has nothing that it could do.
 *
 * Mutants (-D), each must fail:
 *   NO_S_FENCE       no fence between opening the record (and the watch) and the look
 *   NO_R_FENCE       none between making ready and the look at who watches
 *   UNLOCK_FIRST     the locks are released before the record is PARKED
 *   NO_COMMIT_LOOK   a report that came before PARKED wakes nobody
 *   NO_RECHECK       the channels are not looked at with their locks held
 *   NO_RELOCK        the waits are not taken off under the channels' locks
 *   BLIND_CLAIM      a partner takes the goroutine whatever the record says
 *   REPORT_UNLOCKED  the record is used when the list's lock is free again
 */

#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef SENDS
#define SENDS 2
#endif
#ifndef REPORTS
#define REPORTS 2
#endif
#define NC 2

#define OPEN   0
#define PARKED 1
#define TAKEN  2
#define AGAIN  3

bool lock[NC], list_lock;
bool queued[NC];        /* the select's record is on the channel's queue */
byte record[NC];        /* of which round */
byte buffered[NC];
byte state, won;
bool level, watched;    /* as memory has them */
bool late_open, late_watch, late_level; /* stores on their way */
byte frame;             /* the round whose record there is; 0: none */
bool on_stack = true, runnable;
byte got, sent;
bool finished;

inline acquire(l) { atomic { !l -> l = true } }
inline release(l) { l = false }

inline flush_select() {
    atomic {
        if :: late_open -> state = OPEN; late_open = false :: else fi;
        if :: late_watch -> watched = true; late_watch = false :: else fi
    }
}

/* Stores arrive at any time, if they have not yet. */
active proctype Memory() {
end_memory:
    do
    :: atomic { late_open -> state = OPEN; late_open = false }
    :: atomic { late_watch -> watched = true; late_watch = false }
    :: atomic { late_level -> level = true; late_level = false }
    od
}

inline commit(round) {
    atomic {
        if :: late_open -> state = OPEN; late_open = false :: else fi; /* its own store is before its CAS */
        assert(frame == round);
        if
        :: state == OPEN -> state = PARKED; sleeps = true
        :: else -> sleeps = false
        fi
    }
}

/* The after-switch action, on another stack. */
proctype After(byte round) {
    bool sleeps;
    byte c;
    on_stack = false;
#ifndef UNLOCK_FIRST
    commit(round);
#endif
    c = 0;
    do
    :: c < NC -> atomic { assert(frame == round); release(lock[c]); c++ }
    :: else -> break
    od;
#ifdef UNLOCK_FIRST
    commit(round);
#endif
#ifndef NO_COMMIT_LOOK
    if :: !sleeps -> runnable = true :: else fi
#endif
}

active proctype Select() {
    byte round = 1, c;
    bool ready;
    do
    :: round <= ROUNDS ->
        atomic { frame = round; state = OPEN }
        acquire(list_lock);
        late_watch = true;
        release(list_lock);
again:
        atomic { late_open = (state != OPEN) }
#ifndef NO_S_FENCE
        flush_select();
#endif
        atomic { ready = level }
        if
        :: ready -> level = false; got++; goto done
        :: else
        fi;
        acquire(lock[0]);
        acquire(lock[1]);
#ifndef NO_RECHECK
        c = 0;
        do
        :: c < NC && buffered[c] ->
            atomic { buffered[c]--; got++ }
            release(lock[0]);
            release(lock[1]);
            goto done
        :: c < NC && !buffered[c] -> c++
        :: else -> break
        od;
#endif
        atomic { queued[0] = true; queued[1] = true; record[0] = round; record[1] = round; runnable = false; won = NC }
        run After(round);
end_asleep:
        atomic { runnable && !on_stack -> runnable = false; on_stack = true }
        c = 0;
        do
        :: c < NC ->
            if
            :: state == TAKEN && won == c
            :: else ->
#ifndef NO_RELOCK
                acquire(lock[c]);
#endif
                queued[c] = false;
#ifndef NO_RELOCK
                release(lock[c])
#endif
            fi;
            c++
        :: else -> break
        od;
        if
        :: state == TAKEN -> got++; goto done
        :: else -> goto again
        fi;
done:
        acquire(list_lock);
        atomic { late_watch = false; late_open = false; watched = false }
        release(list_lock);
        frame = 0;
        round++
    :: else -> break
    od;
    finished = true
}

/* A send on one of the channels. */
proctype Partner(byte c) {
    bool mine;
    acquire(lock[c]);
    atomic {
        mine = false;
        if
        :: queued[c] ->
            queued[c] = false;
            assert(frame == record[c]);
            if
#ifdef BLIND_CLAIM
            :: true ->
#else
            :: state == PARKED ->
#endif
                state = TAKEN; won = c; mine = true;
                assert(!on_stack)
#ifndef BLIND_CLAIM
            :: else -> buffered[c]++
#endif
            fi
        :: else -> buffered[c]++
        fi;
        sent++
    }
    release(lock[c]);
    if :: mine -> assert(!runnable); runnable = true :: else fi
}

inline report() {
    atomic {
        wake = false;
        assert(frame != 0);
        if
        :: state == OPEN -> state = AGAIN
        :: state == PARKED -> state = AGAIN; wake = true; assert(!on_stack)
        :: else
        fi
    }
}

proctype Reporter() {
    byte n = 0;
    bool wake, seen;
    do
    :: n < REPORTS ->
        /* A level that is set still is not set once more. */
end_level:
        atomic { !level && !late_level -> late_level = true; sent++ }
#ifndef NO_R_FENCE
        atomic { if :: late_level -> level = true; late_level = false :: else fi }
#endif
        wake = false;
        atomic { seen = watched }
        if
        :: seen ->
            acquire(list_lock);
#ifdef REPORT_UNLOCKED
            seen = watched;
            release(list_lock);
            if :: seen -> report() :: else fi;
#else
            if :: watched -> report() :: else fi;
            release(list_lock);
#endif
            if :: wake -> assert(!runnable); runnable = true :: else fi
        :: else
        fi;
        n++
    :: else -> break
    od
}

init {
    byte i = 0;
    atomic {
        do
        :: i < SENDS -> run Partner(i % NC); i++
        :: else -> break
        od;
        run Reporter()
    }
    timeout;
    assert(got + buffered[0] + buffered[1] + (level -> 1 : 0) == sent);
    assert(finished || (!level && !buffered[0] && !buffered[1]))
}
