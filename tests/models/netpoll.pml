/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * netpoll.pml: waiting for a descriptor, after src/sched/netpoll.c.
 *
 * A goroutine tries to read, and waits for side 0 of a polldesc; with -DBOTH for both sides. What it meets: data that
 * come, and pollers that are told of them; deadlines that are set and moved; the sides' timers, which fire late or in
 * the middle of something; a stop; that the number is another file's. The M that switches away from the goroutine
 * does the after-switch action (Committer), so that the goroutine may run again, and wait again, before that has
 * ended.
 *
 * Memory: what counts here are four pairs in which each side writes its word and then looks at the other's. Each
 * looks behind a full fence. A mutant takes one fence away: that side's look may come before its write is seen.
 *
 * Correct is: when nothing moves any more, the goroutine has ended, or waits for what has not come: no data, no stop,
 * no deadline that is past, for the file that it began with. And whoever takes it off finds it off its stack, once.
 *
 * Mutants (-D), each must fail:
 *   NO_COMMIT_FENCE    commit looks at stop, deadline, timer before its G is seen
 *   NO_DEADLINE_FENCE  set_deadline looks for a waiter before the deadline is seen
 *   NO_STOP_FENCE      set_stop looks for one before the stop is seen
 *   NO_RENEW_FENCE     renew looks for one before the generation is seen
 *   NO_FIRE_FENCE      the timer looks for one, and at the deadline, before it is seen as not armed
 *   NO_TAKE_FENCE      the system call looks for data before the latch is seen as used up
 *   NO_SETTLED         commit does not look at all
 *   NO_GENERATION      ... not at the generation
 *   NO_REARM           set_deadline leaves the timer to the waiter
 *   ARM_LATER          the waiter takes any armed timer for early enough
 *   NO_LATCH           an event that finds nobody is not kept
 *   NO_BOTH_LOCK       (with BOTH) who finds BOTH does not wait for the lock
 *   NO_BOTH_SETTLED    (with BOTH) the wait for both looks at one side's words only
 */

#ifndef WAITS
#define WAITS 2
#endif
#ifndef FEEDS
#define FEEDS 2
#endif
#ifndef DEADLINES
#define DEADLINES 1
#endif
#ifndef POLLERS
#define POLLERS 1
#endif
#ifndef STOPS
#define STOPS 0
#endif
#ifndef RENEWALS
#define RENEWALS 0
#endif

#ifdef BOTH
#define SIDES 2
#else
#define SIDES 1
#endif

#define NOBODY 0
#define READY 1
#define IN_BOTH 2
#define G 3
#define LAST 1 /* the time when the clock stands still; a deadline may be later */

byte g[2];          /* side->g */
byte deadline[2];   /* 0: none */
byte armed[2];      /* when the side's timer fires; 0: not armed */
bool stop;
byte generation;    /* which file the number stands for */
byte waits_for;     /* side->generation */
bool side_lock[2];
bool heap_lock;     /* of the heap that the timers are in */
bool both_lock;
bool data[2];       /* the kernel's: there is something to be had */
bool edge[2];       /* the kernel's: somebody is to be told so */
byte now;

bool parks;         /* the goroutine is going to leave its stack, or has, and nobody has readied it */
bool off;           /* it has left it */
byte commits;       /* after-switch actions that are to begin */
bool ended;

#define IN_TIME(i, when) (!(when) || (armed[i] && armed[i] <= (when)))
#define IS_WAITING(i) (g[i] > READY)

inline wake()
{
    assert(parks && off);
    off = false;
    parks = false
}

/* tz_netpoll_unblock */
inline unblock(i, event)
{
    do
    :: atomic { g[i] == READY || (g[i] == NOBODY && !event) -> break }
#ifdef NO_LATCH
    :: atomic { g[i] == NOBODY && event -> break }
#else
    :: atomic { g[i] == NOBODY && event -> g[i] = READY; break }
#endif
    :: atomic { g[i] == G -> g[i] = NOBODY; wake(); break }
    :: g[i] == IN_BOTH ->
#ifndef NO_BOTH_LOCK
        atomic { !both_lock -> both_lock = true };
#endif
        if
        :: atomic { g[i] == IN_BOTH -> g[0] = NOBODY; g[1] = NOBODY; wake() }
#ifndef NO_BOTH_LOCK
            both_lock = false;
#endif
            break
        :: else
#ifndef NO_BOTH_LOCK
            both_lock = false
#endif
        fi
    od
}

/* arm, and the like in set_deadline: under side_lock */
inline timer_arm(i, when)
{
    atomic { !heap_lock -> heap_lock = true };
    atomic { armed[i] = when; heap_lock = false }
}

inline arm(i, when)
{
#ifdef ARM_LATER
    if
    :: deadline[i] == 0 || armed[i] != 0
#else
    if
    :: IN_TIME(i, deadline[i])
#endif
    :: else ->
        atomic { !side_lock[i] -> side_lock[i] = true };
        when = deadline[i];
        if
        :: IN_TIME(i, when)
        :: else -> timer_arm(i, when)
        fi;
        atomic { when = 0; side_lock[i] = false }
    fi
}

/* settled, word by word */
inline look(i, when, ok)
{
    if
    :: stop -> ok = false
#ifndef NO_GENERATION
    :: !stop && generation != waits_for -> ok = false
    :: !stop && generation == waits_for ->
#else
    :: else ->
#endif
        when = deadline[i];
#ifdef ARM_LATER
        ok = (when == 0 || armed[i] != 0);
#else
        ok = IN_TIME(i, when);
#endif
        when = 0
    fi
}

/* commit: the after-switch action of some M */
proctype Committer()
{
    bool ok, early;
    byte when;

end_idle:
    do
    :: atomic { commits > 0 -> commits-- };
#ifdef NO_COMMIT_FENCE
        if
        :: look(0, when, ok); early = true
        :: early = false
        fi;
#endif
        if
        :: atomic { g[0] == NOBODY -> g[0] = G; off = true };
#ifndef NO_SETTLED
            if
            :: early
            :: else -> look(0, when, ok)
            fi;
            if
            :: ok
            :: else -> unblock(0, false)
            fi
#endif
        :: g[0] == READY -> /* which nobody else changes */
            g[0] = NOBODY;
            atomic { off = true; wake() }
        fi;
        atomic { ok = false; early = false }
    od
}

proctype Goroutine()
{
    byte n = WAITS, when;
    bool ok;

    do
    :: n == 0 -> break
    :: else ->
        waits_for = generation; /* sampled before the look at the file */
        /* tz_netpoll_check, then the system call */
        if
        :: stop -> break
        :: else
        fi;
        if
        :: atomic { deadline[0] && deadline[0] <= now -> n-- } /* timed out */
#ifdef BOTH
        :: atomic { deadline[1] && deadline[1] <= now -> n-- }
        :: atomic { data[1] -> data[1] = false; n-- }
#endif
        :: atomic { data[0] -> data[0] = false; n-- }
        :: atomic { !data[0] && (SIDES == 1 || !data[1]) } /* would wait */
wait:
#ifdef BOTH
            arm(0, when);
            arm(1, when);
            atomic { !both_lock -> both_lock = true };
            if
            :: atomic { g[0] == NOBODY -> g[0] = IN_BOTH };
                if
                :: atomic { g[1] == NOBODY -> g[1] = IN_BOTH };
                    look(0, when, ok);
#ifndef NO_BOTH_SETTLED
                    if
                    :: ok -> look(1, when, ok)
                    :: else
                    fi;
#endif
                    if
                    :: ok ->
                        atomic { parks = true; off = true };
                        both_lock = false; /* the after-switch action */
end_parked:
                        atomic { !parks -> ok = false }
                    :: else ->
                        g[0] = NOBODY;
                        g[1] = NOBODY;
                        both_lock = false
                    fi
                :: atomic { g[1] == READY -> g[1] = NOBODY };
                    g[0] = NOBODY;
                    both_lock = false
                fi
            :: atomic { g[0] == READY -> g[0] = NOBODY };
                both_lock = false
            fi
#else
            if
#ifdef NO_TAKE_FENCE
            :: g[0] == READY ->
                if
                :: !data[0] -> /* the call's look, early */
                    atomic { g[0] == READY -> g[0] = NOBODY };
                    goto wait
                :: atomic { g[0] == READY -> g[0] = NOBODY }
                fi
#else
            :: atomic { g[0] == READY -> g[0] = NOBODY } /* tz_netpoll_take: once more */
#endif
            :: else ->
                arm(0, when);
                atomic { parks = true; commits++ };
end_parked:
                !parks
            fi
#endif
        fi
    od;
    ended = true
}

/* The kernel: data come to a side, and that is told of once, together with what is still to be told. */
proctype Feeder()
{
    byte n = FEEDS;

    do
    :: n > 0 ->
        n--;
        atomic {
            if
            :: data[0] = true; edge[0] = true
#ifdef BOTH
            :: data[1] = true; edge[1] = true
#endif
            fi
        }
    :: else -> break
    od
}

/* tz_netpoll; two Ms may be in it */
proctype Poller()
{
end_idle:
    do
    :: atomic { edge[0] -> edge[0] = false };
        unblock(0, true)
#ifdef BOTH
    :: atomic { edge[1] -> edge[1] = false };
        unblock(1, true)
#endif
    od
}

/* tz_netpoll_set_deadline */
inline set_deadline(i, when, waiting)
{
    atomic { !side_lock[i] -> side_lock[i] = true };
#ifdef NO_DEADLINE_FENCE
    if
    :: waiting = IS_WAITING(i); deadline[i] = when
    :: deadline[i] = when; waiting = IS_WAITING(i)
    fi;
#else
    deadline[i] = when;
    waiting = IS_WAITING(i);
#endif
    if
    :: when && waiting ->
        if
        :: when <= now -> unblock(i, false)
#ifndef NO_REARM
        :: when > now ->
            if
            :: IN_TIME(i, when)
            :: else -> timer_arm(i, when)
            fi
#else
        :: when > now
#endif
        fi
    :: else
    fi;
    atomic { waiting = false; side_lock[i] = false }
}

proctype Setter()
{
    byte n = DEADLINES, when;
    bool waiting;

    do
    :: n > 0 ->
        n--;
        if
        :: when = 0
        :: when = 1
        :: when = LAST + 1
        fi;
        if
        :: set_deadline(0, when, waiting)
#ifdef BOTH
        :: set_deadline(1, when, waiting)
#endif
        fi
    :: else -> break
    od
}

/* tz_netpoll_set_stop */
proctype Stopper()
{
    byte n = STOPS;
    bool waiting[2];

    do
    :: n > 0 ->
        n--;
#ifdef NO_STOP_FENCE
        if
        :: waiting[0] = IS_WAITING(0); waiting[1] = IS_WAITING(1); stop = true
        :: stop = true; waiting[0] = true; waiting[1] = true
        fi;
#else
        stop = true;
        waiting[0] = true;
        waiting[1] = true;
#endif
        if
        :: waiting[0] -> unblock(0, false)
        :: else
        fi;
#ifdef BOTH
        if
        :: waiting[1] -> unblock(1, false)
        :: else
        fi
#endif
    :: else -> break
    od
}

/* tz_netpoll_renew */
proctype Renewer()
{
    byte n = RENEWALS;
    bool waiting[2];

    do
    :: n > 0 ->
        n--;
#ifdef NO_RENEW_FENCE
        if
        :: waiting[0] = IS_WAITING(0); waiting[1] = IS_WAITING(1); generation++; deadline[0] = 0; deadline[1] = 0
        :: generation++; deadline[0] = 0; deadline[1] = 0; waiting[0] = true; waiting[1] = true
        fi;
#else
        generation++;
        deadline[0] = 0;
        deadline[1] = 0;
        waiting[0] = true;
        waiting[1] = true;
#endif
        if
        :: waiting[0] -> unblock(0, false)
        :: else
        fi;
#ifdef BOTH
        if
        :: waiting[1] -> unblock(1, false)
        :: else
        fi
#endif
    :: else -> break
    od
}

/* fire, under the heap's lock; the sides' timers fire one after the other, as late as may be */
proctype Timer()
{
    byte i, when;
    bool waiting;

end_idle:
    do
    :: atomic { !heap_lock && armed[0] && armed[0] <= now -> heap_lock = true; i = 0 };
        goto fire
#ifdef BOTH
    :: atomic { !heap_lock && armed[1] && armed[1] <= now -> heap_lock = true; i = 1 };
        goto fire
#endif
    od;
fire:
#ifdef NO_FIRE_FENCE
    if
    :: when = deadline[i]; waiting = IS_WAITING(i); armed[i] = 0
    :: armed[i] = 0; when = deadline[i]; waiting = IS_WAITING(i)
    fi;
#else
    armed[i] = 0;
    when = deadline[i];
    waiting = IS_WAITING(i);
#endif
    if
    :: !when || !waiting
    :: when && waiting && when > now -> armed[i] = when
    :: when && waiting && when <= now -> unblock(i, false)
    fi;
    atomic { when = 0; waiting = false; i = 0; heap_lock = false };
    goto end_idle
}

proctype Clock()
{
    do
    :: now < LAST -> now++
    :: else -> break
    od
}

proctype Judge()
{
    timeout;
    assert(!side_lock[0] && !side_lock[1] && !heap_lock && !both_lock);
    assert(ended || (parks && off));
    assert(ended || (!stop && waits_for == generation));
    assert(ended || (!data[0] && (deadline[0] == 0 || deadline[0] > now)));
#ifdef BOTH
    assert(ended || (!data[1] && (deadline[1] == 0 || deadline[1] > now)))
#endif
}

init
{
    atomic {
        run Goroutine();
        run Feeder();
        run Poller();
#if POLLERS > 1
        run Poller();
#endif
        run Setter();
#if STOPS > 0
        run Stopper();
#endif
#if RENEWALS > 0
        run Renewer();
#endif
        run Timer();
        run Clock();
#ifndef BOTH
        run Committer();
        run Committer();
#endif
        run Judge()
    }
}
