/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wakeup.pml: no goroutine waits while all who could run it sleep, after src/sched/proc.c and src/sched/sysmon.c.
 *
 * Ps and Ms, sysmon, and a submitter without P (a timer, the poller, an M whose P was taken). Queued goroutines
 * are counted: rq[p] stands for runnext and ring of P p, gq for the global queue. What a goroutine does is chosen
 * when it runs: it ends, or puts another one on its own P and wakes nobody for it (a debt), or keeps its P in user
 * code until that other one was run, or until the global queue was served: these two never end unless somebody
 * else looks. One such goroutine at a time, since two on two Ps are the business of retake.
 *
 * Memory. Each thread's stores go through a first-in first-out buffer and reach memory later, at any time: so a
 * later load is satisfied before an earlier store is seen. Unlock is such a store; the counters' additions without
 * a wanted result (npidle, nspinning) are too, for on aarch64 an atomic addition may be seen late; x86-64 is
 * stronger there. CAS, lock and fence empty the buffer of the thread that does them.
 *
 * Correct is: when nothing can move any more, all queues are empty, all Ps idle, all Ms and sysmon asleep.
 *
 * Mutants (-D), each must fail:
 *   NO_STOP_FENCE     no fence between the spinner's nspinning-- and its second look
 *   NO_SECOND_LOOK    no second look
 *   NO_SUBMIT_FENCE   no fence between the submission and the look at npidle and nspinning
 *   NO_SYSMON_FENCE   no fence between sysmonwait = 1 and sysmon's look at npidle
 *   NO_TAKE_FENCE     no fence between npidle-- and the look at sysmonwait
 *   NO_RESET_WAKE     a spinner that found work does not wake another for the global queue
 *   NO_LOCKED_LOOK    the global queue is not looked at again under the lock that makes the P idle
 *   NO_DEBT_LOOK      sysmon does not look for debts
 *   DEEP_EARLY        sysmon sleeps deep when it sees no debt, though a P is busy
 *   SYSMON_SPIN_FIRST sysmon counts its spinner before it has the lock, and gives up when it can't get it
 */

#ifndef NP
#define NP 2 /* the scans below are written for two */
#endif
#ifndef NM
#define NM 2
#endif
#ifndef SUBMISSIONS
#define SUBMISSIONS 1 /* by each of two submitters without P */
#endif
#ifndef SPAWNS
#define SPAWNS 2 /* goroutines submitted by goroutines */
#endif

#define SYSMON NM
#define EXT (NM + 1)
#define NTHREADS (NM + 3)

/* Stores on their way. */
#define PUSH(p) (p) /* rq[p]++ */
#define GPUSH 2
#define UNLOCK 3
#define IDLE_INC 4
#define IDLE_DEC 5
#define SPIN_DEC 6
#define SPIN_INC 7
#define SYSWAIT 8

chan sb[NTHREADS] = [4] of { byte };
hidden byte op;

byte rq[NP];
byte gq;
byte npidle = NP;
byte nspinning;
bool lock;
bool sysmonwait = true;

bool pidle[NP] = true; /* the idle lists: only under the lock */
bool midle[NM];
bool mnote[NM];
byte nextp[NM];
bool sysnote;

byte spawns = SPAWNS;
bool hog; /* a goroutine waits in user code for another one */

inline apply()
{
    if
    :: op < NP -> rq[op]++
    :: op == GPUSH -> gq++
    :: op == UNLOCK -> assert(lock); lock = false
    :: op == IDLE_INC -> npidle++; assert(npidle <= NP)
    :: op == IDLE_DEC -> assert(npidle > 0); npidle--
    :: op == SPIN_INC -> nspinning++; assert(nspinning <= NM)
    :: op == SPIN_DEC -> assert(nspinning > 0); nspinning--
    :: op == SYSWAIT -> sysmonwait = true
    fi
}

/* Inside a d_step: all stores of the thread reach memory. */
inline flush(me)
{
    do
    :: nempty(sb[me]) -> sb[me]?op; apply()
    :: empty(sb[me]) -> break
    od;
    op = 0
}

inline fence(me)
{
    d_step { flush(me) }
}

#define DRAIN(t) :: d_step { nempty(sb[t]) -> sb[t]?op; apply(); op = 0 }

active proctype Drain()
{
end_drain:
    do
    DRAIN(0)
    DRAIN(1)
    DRAIN(2)
    DRAIN(3)
    DRAIN(4)
#if NM > 2
    DRAIN(5)
#endif
    od
}

inline acquire(me)
{
    atomic {
        !lock ->
        d_step {
            lock = true;
            flush(me)
        }
    }
}

inline release(me)
{
    sb[me]!UNLOCK
}

/* Under the lock: a P off the idle list, got = false if there is none. npidle is written, not seen yet. */
inline take_idle(me, p, got)
{
    atomic {
        got = true;
        if
        :: pidle[0] -> p = 0; pidle[0] = false; sb[me]!IDLE_DEC
        :: pidle[1] -> p = 1; pidle[1] = false; sb[me]!IDLE_DEC
        :: else -> got = false
        fi
    }
}

/* After the unlock that follows take_idle: sysmon must be awake while a P is busy. */
inline rouse_sysmon(me)
{
#ifndef NO_TAKE_FENCE
    fence(me);
#endif
    if
    :: sysmonwait ->
        d_step {
            flush(me);
            if
            :: sysmonwait -> sysmonwait = false; sysnote = true
            :: else
            fi
        }
    :: else
    fi
}

/* Pop or steal one: a CAS on the ring's head. */
inline pop(me, from, got)
{
    d_step {
        flush(me);
        got = rq[from] > 0;
        if
        :: got -> rq[from]--
        :: else
        fi
    }
}

/* Under the lock. */
inline gpop(got)
{
    d_step {
        got = gq > 0;
        if
        :: got -> gq--
        :: else
        fi
    }
}

/* startm: an M off the idle list; where none is idle yet one is soon, or a new thread comes. It starts spinning. */
inline startm(me, p)
{
    atomic {
        if
        :: midle[0] -> midle[0] = false; nextp[0] = p; mnote[0] = true
        :: midle[1] -> midle[1] = false; nextp[1] = p; mnote[1] = true
#if NM > 2
        :: midle[2] -> midle[2] = false; nextp[2] = p; mnote[2] = true
#endif
        fi;
        d_step { flush(me) }
    }
}

/* wakep: after a submission and its fence. */
inline wakep(me, p, got)
{
    if
    :: npidle > 0 ->
        atomic {
            got = false;
            if
            :: nspinning == 0 -> d_step { flush(me); if :: nspinning == 0 -> nspinning++; got = true :: else fi }
            :: else
            fi
        };
        if
        :: got ->
            acquire(me);
            take_idle(me, p, got);
            if
            :: got ->
                release(me);
                rouse_sysmon(me);
                startm(me, p)
            :: else ->
                sb[me]!SPIN_DEC;
                release(me)
            fi
        :: else
        fi
    :: else
    fi
}

inline count_spinner(me)
{
    d_step {
        flush(me);
        nspinning++;
        spinning = true
    }
}

/* ---- an M: findrunnable, stopm, and the goroutines it runs ---- */

proctype M(byte me)
{
    byte p, q;
    bool spinning, got;

sleep:
    atomic { spinning = false; got = false; q = 0; p = 0; midle[me] = true };
end_sleep:
    atomic { mnote[me] -> mnote[me] = false; p = nextp[me]; nextp[me] = 0; spinning = true };

search:
    pop(me, p, got);
    if
    :: got -> goto work
    :: else
    fi;
    if
    :: gq > 0 ->
        acquire(me);
        gpop(got);
        release(me);
        if
        :: got -> goto work
        :: else
        fi
    :: else
    fi;
    if
    :: !spinning && 2 * nspinning < NP - npidle -> count_spinner(me)
    :: else
    fi;
    if
    :: spinning ->
        pop(me, 1 - p, got);
        if
        :: got -> goto work
        :: else
        fi
    :: else
    fi;

    /* Nothing found: the P becomes idle. */
    acquire(me);
#ifndef NO_LOCKED_LOOK
    gpop(got);
    if
    :: got -> release(me); goto work
    :: else
    fi;
#endif
    atomic {
        assert(rq[p] == 0); /* and nobody else fills it */
        pidle[p] = true;
        p = 0;
        sb[me]!IDLE_INC
    };
    release(me);
    if
    :: spinning ->
        spinning = false;
        sb[me]!SPIN_DEC;
#ifndef NO_STOP_FENCE
        fence(me);
#endif
#ifndef NO_SECOND_LOOK
        if
        :: rq[0] > 0 -> got = true
        :: else -> got = false
        fi;
        if
        :: !got && rq[1] > 0 -> got = true
        :: else
        fi;
        if
        :: !got && gq > 0 -> got = true
        :: else
        fi;
        if
        :: got ->
            acquire(me);
            take_idle(me, p, got);
            release(me);
            if
            :: got ->
                rouse_sysmon(me);
                count_spinner(me);
                goto search
            :: else /* all Ps are busy: each looks before it becomes idle */
            fi
        :: else
        fi
#endif
    :: else
    fi;
    goto sleep;

work:
    if
    :: spinning ->
        spinning = false;
        sb[me]!SPIN_DEC;
#ifndef NO_RESET_WAKE
        fence(me);
        if
        :: gq > 0 -> wakep(me, q, got)
        :: else
        fi
#endif
    :: else
    fi;
    got = false;
    q = 0;
    if
    :: true /* it ends */
    :: atomic { spawns > 0 -> spawns-- };
        sb[me]!PUSH(p);
        if
        :: true /* it ends, or blocks: the owner pops its own queue next */
        :: atomic { !hog -> hog = true };
            atomic { rq[p] == 0 && empty(sb[me]) -> hog = false }
        fi
    :: atomic { !hog && gq > 0 -> hog = true };
        atomic { gq == 0 -> hog = false }
    fi;
    goto search
}

/* ---- submission without P ---- */

proctype External(byte me)
{
    byte n = SUBMISSIONS;
    byte p;
    bool got;

    do
    :: n > 0 ->
        n--;
        acquire(me);
        sb[me]!GPUSH;
        release(me);
#ifndef NO_SUBMIT_FENCE
        fence(me);
#endif
        wakep(me, p, got);
        d_step { p = 0; got = false }
    :: else -> break
    od
}

/* ---- sysmon ---- */

active proctype Sysmon()
{
    byte p;
    bool got;

deep:
    atomic { got = false; p = 0 };
end_deep:
    atomic { sysnote -> sysnote = false };

    /* Its periodic look, which may come at any time; where it would change nothing it is left out. */
    do
#ifdef DEEP_EARLY
    :: rq[0] == 0 && rq[1] == 0 ->
        sb[SYSMON]!SYSWAIT;
        fence(SYSMON);
        goto deep
#else
    :: npidle == NP ->
        sb[SYSMON]!SYSWAIT;
#ifndef NO_SYSMON_FENCE
        fence(SYSMON);
#endif
        if
        :: npidle == NP -> goto deep
        :: else ->
            d_step { flush(SYSMON); got = sysmonwait; sysmonwait = false };
            if
            :: got
            :: else -> goto deep /* somebody cleared it: his wake-up is under way */
            fi
        fi
#endif
#ifndef NO_DEBT_LOOK
    :: atomic { npidle > 0 && nspinning == 0 && (rq[0] > 0 || rq[1] > 0) -> skip };
#ifdef SYSMON_SPIN_FIRST
        d_step { flush(SYSMON); got = nspinning == 0; if :: got -> nspinning++ :: else fi };
        if
        :: got ->
            d_step { got = !lock; lock = true };
            if
            :: got ->
                take_idle(SYSMON, p, got);
                if
                :: got -> release(SYSMON); startm(SYSMON, p)
                :: else -> sb[SYSMON]!SPIN_DEC; release(SYSMON)
                fi
            :: else -> sb[SYSMON]!SPIN_DEC
            fi
        :: else
        fi;
#else
        d_step { flush(SYSMON); got = !lock; lock = true }; /* it only tries */
        if
        :: got ->
            d_step {
                flush(SYSMON); got = nspinning == 0 && (pidle[0] || pidle[1]);
                if :: got -> nspinning++ :: else fi
            };
            if
            :: got ->
                take_idle(SYSMON, p, got);
                assert(got);
                release(SYSMON);
                startm(SYSMON, p)
            :: else -> release(SYSMON)
            fi
        :: else
        fi;
#endif
        d_step { p = 0; got = false }
#endif
    od
}

/* When nothing can move any more. */
active proctype Quiet()
{
    timeout;
    d_step {
        assert(gq == 0 && rq[0] == 0 && rq[1] == 0);
        assert(npidle == NP && pidle[0] && pidle[1] && nspinning == 0);
        assert(!lock && !hog && sysmonwait && !sysnote)
    }
}

init
{
    atomic {
        run External(EXT);
        run External(EXT + 1);
        run M(0);
        run M(1);
#if NM > 2
        run M(2)
#endif
    }
}
