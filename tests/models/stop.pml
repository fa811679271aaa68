/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stop.pml: the last tuza_stop beside threads that know nothing of it, after src/sched/stop.c, start.c, newproc.c,
 * lockosthread.c, timers.c.
 *
 * Two Ps. The stopper stops a few times. The goer, a foreign thread, starts goroutines and waits, without a call, until
 * they have run. The sleeper, another one, parks until a timer wakes it. A timer that starts a goroutine is due at any
 * time. One M stands for all of ours, the template and sysmon with them: it lives from tz_start_threads_locked to the
 * join, and does whatever there is to do. A stretch of code under sched.lock, and one with a P held in which nobody
 * else can look, is one step.
 *
 * Correct is: everybody comes to the end (a lost goroutine, a sleeper that nobody wakes and a stop that hangs end in a
 * deadlock), no goroutine is there when a stop returns, and nothing is fired or begun where there are no threads.
 *
 * Mutants (-D), each must fail:
 *   NO_WORLD      the stopper looks once whether anything is left, and trusts that
 *   LOOK_FIRST    it looks, and then takes the threads away
 *   COUNT_LATE    who parks looks whether there are threads, and then counts itself
 *   HAD_LATE      the goer notes that there are goroutines after it has asked for threads, without a P
 *   TIMERS        timers fire without threads
 *   STUBBORN      who parks waits for start_lock though its P may come
 *   NO_FLUSH      had_goroutines outlives the threads
 */

#ifndef STOPS
#define STOPS 2
#endif
#ifndef GOES
#define GOES 2
#endif
#ifndef SLEEPS
#define SLEEPS 2
#endif

byte free = 2;     /* idle Ps */
bool gcwaiting;
byte stopped;      /* Ps that the stopper has */
bool start_lock;
byte threads;
bool had, stopping, alive;
byte ngo;          /* goroutines, all of them runnable */
byte mine;         /* of these, the goer's */
byte nwaiting;
bool due;          /* the timer that starts a goroutine */
bool parked;       /* the sleeper's timer is set, and whoever fires it readies the sleeper */
bool ready;        /* it is runnable, and has no P yet */
bool given;        /* its M has been given one: m->nextp */
byte ended;        /* processes that are through */

inline take_p() { atomic { free > 0 && !gcwaiting -> free-- } }

/* A P put away, or handed in where somebody stops the world. */
inline put_p()
{
    atomic {
        if
        :: gcwaiting -> stopped++
        :: else -> free++
        fi
    }
}

inline start_threads()
{
    if
    :: threads != 2 -> threads = 2; alive = true
    :: else
    fi
}

inline need_threads()
{
    atomic { !start_lock -> start_lock = true };
    start_threads();
    start_lock = false
}

inline stop_world()
{
    atomic { gcwaiting = true; stopped = free; free = 0 };
    stopped == 2
}

/* A runnable sleeper is given its P here at the latest. */
inline start_world()
{
    atomic {
        gcwaiting = false;
        if
        :: ready -> ready = false; given = true; free = 1
        :: else -> free = 2
        fi;
        stopped = 0
    }
}

#define NONE (ngo == 0 && nwaiting == 0)

active proctype stopper()
{
    byte stops = STOPS;
    bool none;
    do
    :: stops > 0 ->
        atomic { !start_lock -> start_lock = true };
        do
        :: atomic { NONE -> skip }; /* looks_empty, as long as it takes */
            if
            :: threads == 0 -> break
            :: else
            fi;
#ifdef NO_WORLD
            none = true;
            had = false;
            stopping = true;
#else
            stop_world();
#ifdef LOOK_FIRST
            none = NONE;
            threads = 1;
#else
            threads = 1;
            none = NONE;
#endif
            if
            :: none ->
#ifndef NO_FLUSH
                had = false;
#endif
                stopping = true
            :: else -> threads = 2
            fi;
            start_world();
#endif
            if
            :: none ->
                !alive; /* the join */
                stop_world(); /* close_netpoll */
                start_world();
                stopping = false;
                threads = 0;
                break
            :: else
            fi
        :: atomic { !NONE -> start_lock = false };
            NONE;
            atomic { !start_lock -> start_lock = true }
        od;
        assert(ngo == 0 || threads == 2);
        start_lock = false;
        stops--
    :: else -> break
    od;
    ended++
}

active proctype goer()
{
    byte goes = GOES;
    do
    :: goes > 0 ->
        take_p();
        if
        :: !had ->
#ifdef HAD_LATE
            put_p();
            need_threads();
            had = true;
            take_p()
#else
            do
            :: threads == 2 -> break
            :: else ->
                put_p();
                need_threads();
                take_p()
            od;
            had = true
#endif
        :: else
        fi;
        atomic {
            assert(threads == 2);
            ngo++;
            mine++
        };
        put_p();
        mine == 0;
        goes--
    :: else -> break
    od;
    ended++
}

active proctype sleeper()
{
    byte sleeps = SLEEPS;
    do
    :: sleeps > 0 ->
        take_p();
        parked = true;
        if
        :: atomic { nwaiting++; put_p() } /* pass_p */
        :: gcwaiting ->                   /* its P was taken before */
            put_p();
#ifndef COUNT_LATE
            nwaiting++
#endif
        fi;
        if
        :: threads == 2
        :: else ->
            do
            :: atomic { !start_lock -> start_lock = true };
                start_threads();
                start_lock = false;
                break
#ifndef STUBBORN
            :: given -> break
#endif
            od
        fi;
#ifdef COUNT_LATE
        nwaiting = 1;
#endif
        atomic { given -> given = false; nwaiting = 0 };
        put_p();
        sleeps--
    :: else -> break
    od;
    ended++
}

/* Whoever has a P and comes by, one of ours or a foreign thread in a call, fires what is due. */
inline fire()
{
    if
#ifdef TIMERS
    :: true ->
#else
    :: threads == 2 ->
#endif
        if
        :: atomic { due -> assert(threads == 2); due = false; ngo++ }
        :: atomic { parked -> parked = false; ready = true }
        :: true
        fi
    :: true
    fi
}

active proctype passer()
{
    byte passes = 2;
    do
    :: passes > 0 ->
        take_p();
        fire();
        put_p();
        passes--
    :: else -> break
    od;
    ended++
}

/* All of ours. It is not kept from resting: what it has to see to makes it get up. */
active proctype ours()
{
end:
    do
    :: alive && stopping -> alive = false
    :: alive && (ngo > 0 || parked || ready || due) ->
        if
        :: atomic { free > 0 && !gcwaiting -> free-- };
            fire();
            atomic {
                if
                :: ngo > 0 ->
                    ngo--;
                    if
                    :: mine > 0 -> mine--
                    :: else
                    fi
                :: else
                fi;
                if
                :: ready -> ready = false; given = true /* with this P */
                :: else ->
                    if
                    :: gcwaiting -> stopped++
                    :: else -> free++
                    fi
                fi
            }
        :: stopping && alive -> alive = false
        fi
    od
}

active proctype timer()
{
    due = true;
    ended++
}
