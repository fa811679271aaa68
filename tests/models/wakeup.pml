/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * wakeup.pml: nothing that can run waits while all who could see to it sleep, after src/sched/proc.c, idle.c, entry.c,
 * solo.c and sysmon.c.
 *
 * Two Ps, a few Ms (the template thread makes all but the first), sysmon, one timer. Queued goroutines are counted:
 * rq[p] stands for runnext and ring of P p, gq for the global queue. What a goroutine does is chosen when it runs, as
 * far as the bounds below allow: it ends; starts another one on its own P and wakes nobody (a debt); lets its ring
 * overflow; sleeps; goes to user code for a while, or until nothing at all waits any more; does the latter as a known
 * blocker, whose P is handed off; or polls: calls the runtime over and over until nothing waits, and whoever wants to
 * catch it in user code has bad luck every time. So whatever waits must get on with these standing still.
 *
 * Such a poller is not to be combined with LONG or BLOCKERS: with both Ps held, one of them by it, only catching it
 * helps, which its luck forbids.
 *
 * The retake protocol is one step here (retake.pml and solo.pml have it in full), and so is each stretch of code
 * under sched.lock. Peeks without the lock are steps of their own, and an M's peek may miss what is there (`:: true`),
 * as a late store or an early load would have it; only sysmon, which looks again and again, sees all in the end. So
 * this covers any order of memory outside of the lock. A look of sysmon's or the poller's that would change nothing is
 * left out: else nothing would ever stand still.
 *
 * Correct is: when nothing can move any more, all queues are empty, nobody waits in place, no P waits for an M, all Ps
 * are idle, all Ms and sysmon asleep; and no P is put on the idle list while an M waits in place.
 *
 * Variants (-D): the bounds below, and
 *   HANDED_OFF        begins where two known blockers have handed off a P each, with work, no M was at
 *                     hand, and the two never come back
 * Mutants (-D), each must fail:
 *   NO_REST_LOOK      a P is put away with work on the global queue, and nobody looks again in the same lock hold
 *   NO_REQUEUE_LOOK   requeue does not look at the idle list, nor its M at the global queue when it rests
 *   NO_POP_WAKE       who takes a P off the idle list does not wake sysmon
 *   DEEP_UNLOCKED     sysmon decides without the lock to sleep deep
 *   NO_WANTED         who is refused a P for somebody's being alone does not set solo_wanted
 *   PUT_BLIND         a P that is put away is not given to an M that waits in place
 *   NO_DEBT_LOOK      sysmon does not look at the rings
 *   NO_GLOBAL_LOOK    sysmon does not look at the global queue, nor for Ms that wait in place
 *   NO_ROB            sysmon takes no Ps
 *   NO_NEXT_M         an M that takes one of several Ps that wait for an M does not ask for another
 *   NO_NEW_M          who finds no M at hand for a P does not ask for one
 *   POLLER_OLD        sysmon leaves a timer to the poller, though that one may have rested before it was set
 * Redundant parts (-D), which must not fail:
 *   NO_PUT_LOOK, NO_LAST_LOOK   one of the two looks when an M rests
 *   NO_REQUEUE_IDLE             requeue's look at the idle list alone
 *   NO_YIELD_WAKE               tz_solo_yield neither wakes an M nor gives the idle P to one that waits
 */

#ifndef NM
#define NM 3
#endif
#ifndef SPAWNS
#define SPAWNS 1
#endif
#ifndef OVERFLOWS
#define OVERFLOWS 0
#endif
#ifndef SLEEPS
#define SLEEPS 0
#endif
#ifndef SHORT
#define SHORT 1 /* stretches of user code that end by themselves */
#endif
#ifndef LONG
#define LONG 1 /* those that end when nothing waits any more */
#endif
#ifndef BLOCKERS
#define BLOCKERS 0 /* the same, of known blockers */
#endif
#ifndef POLLERS
#define POLLERS 0 /* the same, in calls: 0 or 1 */
#endif

#define NP 2 /* the conditions below are written for two */
#define NO 15
#define SYSMON NM

#define RUNNING 0
#define IDLE 1
#define READY 2

/* Ps */
byte rq[NP];
byte pstat[NP];
byte pm[NP] = NO; /* p->m: a hint */

/* Ms */
byte mp[NM + 1] = NO; /* m->p; the last is sysmon's: none */
bool user[NM];        /* the counter is even */
bool robbed[NM];      /* m->retake is STOLEN */
bool yield[NM];       /* ... is YIELD */
bool polls[NM];       /* its goroutine polls */
bool idle[NM];        /* on sched.midle */
bool note[NM];
byte nextp[NM] = NO;
bool wspin[NM];

/* sched */
byte gq;
byte mwait[NM]; /* sched.mwait, first in first out */
byte nmwait;
byte solo = NO;
bool wanted;
byte poller = NO;
bool until; /* sched.poll_until is not "never" */
byte nmspinning;
#ifdef HANDED_OFF
#define BLOCKED 2
#else
#define BLOCKED 0
#endif
byte born = (BLOCKED > 0 -> BLOCKED : 1);
bool mwanted = true, mstarting;
bool deep, sysnote;
bool timer, due;

byte spawns = SPAWNS, overflows = OVERFLOWS, sleeps = SLEEPS, shorts = SHORT, longs = LONG, blockers = BLOCKERS;
byte pollers = POLLERS;

#define NPIDLE ((pstat[0] == IDLE) + (pstat[1] == IDLE))
#define PWORK (pstat[0] == READY || pstat[1] == READY)
#if NM == 2
#define NMIDLE (idle[0] + idle[1])
#elif NM == 3
#define NMIDLE (idle[0] + idle[1] + idle[2])
#else
#define NMIDLE (idle[0] + idle[1] + idle[2] + idle[3])
#endif
#ifdef NO_NEW_M
#define CAN_NEWM false
#else
#define CAN_NEWM (!mwanted && !mstarting && born < NM)
#endif
#define NOTHING_WAITS (gq == 0 && rq[0] == 0 && rq[1] == 0 && nmwait == 0 && !PWORK && !timer)

/* Whether asking for an idle P would bring one, or change anything. */
#ifdef NO_WANTED
#define UNTOLD false
#else
#define UNTOLD (!wanted)
#endif
#define CATCHABLE(m) (!robbed[m] && (user[m] || !yield[m]))
#define WORTH_ASKING \
    (NPIDLE > 0 && (!PWORK || NMIDLE > 0 || CAN_NEWM) && \
        (solo == NO -> true : (PWORK || UNTOLD || (pm[solo] == NO -> false : CATCHABLE(pm[solo])))))

/* Scratch of the d_steps. */
hidden byte hm, hp, hk;

/* ---- under sched.lock ---- */

inline newm_locked()
{
    if
    :: CAN_NEWM -> mwanted = true
    :: else
    fi
}

inline startm_locked(p, spins)
{
    if
    :: NMIDLE <= 1 -> newm_locked()
    :: else
    fi;
    hm = 0;
    do
    :: hm < NM && !idle[hm] -> hm++
    :: else -> break
    od;
    if
    :: hm == NM ->
        if
        :: spins -> nmspinning--
        :: else
        fi;
        pstat[p] = READY
    :: else ->
        idle[hm] = false;
        if
        :: poller == hm -> poller = NO
        :: else
        fi;
        nextp[hm] = p;
        wspin[hm] = spins;
        note[hm] = true
    fi
}

inline pidle_pop_locked(p)
{
    if
    :: pstat[0] == READY -> p = 0
    :: else ->
        if
        :: pstat[1] == READY -> p = 1
        :: else ->
            if
            :: pstat[0] == IDLE -> p = 0
            :: else ->
                if
                :: pstat[1] == IDLE -> p = 1
                :: else -> p = NO
                fi
            fi
        fi
    fi;
    if
    :: p != NO ->
        hk = pstat[p];
        pstat[p] = RUNNING;
#ifndef NO_NEXT_M
        if
        :: hk == READY && PWORK -> newm_locked()
        :: else
        fi;
#endif
#ifndef NO_POP_WAKE
        if
        :: deep -> deep = false; sysnote = true
        :: else
        fi
#endif
    :: else
    fi;
    hk = 0
}

inline solo_drop_locked(p)
{
    if
    :: solo == p -> solo = NO; wanted = false
    :: else
    fi
}

/* p is NO on return, or the P. */
inline pidle_get_locked(me, p)
{
    if
    :: PWORK || solo == NO -> pidle_pop_locked(p)
    :: else -> /* tz_solo_end_locked */
        hp = solo;
        hm = pm[hp];
        hk = (mp[me] == hp);
        if
        :: !hk && hm != NO ->
            if
            :: robbed[hm]
            :: else ->
                if
                :: user[hm] && mp[hm] == hp -> hk = 1
                :: else -> yield[hm] = true
                fi
            fi
        :: else
        fi;
        if
        :: hk == 1 -> solo_drop_locked(hp); pidle_pop_locked(p)
        :: else ->
            p = NO;
#ifndef NO_WANTED
            wanted = true
#endif
        fi
    fi;
    hk = 0;
    hp = 0
}

inline pidle_put_locked(p)
{
    pm[p] = NO;
    if
#ifndef PUT_BLIND
    :: nmwait > 0 ->
        hm = mwait[0];
        nmwait--;
        hk = 0;
        do
        :: hk < nmwait -> mwait[hk] = mwait[hk + 1]; hk++
        :: else -> break
        od;
        mwait[nmwait] = 0;
        hk = 0;
        nextp[hm] = p;
        wspin[hm] = false;
        note[hm] = true
#endif
    :: else ->
        assert(nmwait == 0);
        solo_drop_locked(p);
        pstat[p] = IDLE
    fi
}

inline acquirep(me, p)
{
    mp[me] = p;
    pm[p] = me
}

/* ---- the pieces of an M ---- */

inline take(me, p, ok)
{
    d_step {
        pidle_get_locked(me, p);
        if
        :: p != NO -> startm_locked(p, true)
        :: else -> nmspinning--
        fi;
        p = NO;
        ok = false
    }
}

inline wakep(me, p, ok)
{
    if
    :: d_step { NPIDLE > 0 && nmspinning == 0 -> nmspinning++ };
        take(me, p, ok)
    :: true
    fi
}

inline stop_spinning(me, p, ok, found)
{
    if
    :: spinning ->
        d_step {
            spinning = false;
            nmspinning--;
            ok = (nmspinning == 0 && found)
        };
        if
        :: ok -> wakep(me, p, ok)
        :: else
        fi;
        ok = false
    :: else
    fi
}

inline solo_yield(me, p, ok)
{
    d_step {
        ok = (solo == mp[me]);
        if
        :: ok ->
            solo_drop_locked(mp[me]);
#ifndef NO_YIELD_WAKE
            if
            :: nmwait > 0 && NPIDLE > 0 ->
                pidle_get_locked(me, p);
                pidle_put_locked(p);
                p = NO;
                ok = false
            :: else
            fi
#endif
        :: else
        fi
    };
#ifndef NO_YIELD_WAKE
    if
    :: ok -> wakep(me, p, ok)
    :: else
    fi;
#endif
    ok = false
}

#if defined(NO_REST_LOOK) || defined(NO_PUT_LOOK)
#define PUT_LOOK false
#else
#define PUT_LOOK (gq > 0)
#endif
#if defined(NO_REST_LOOK) || defined(NO_REQUEUE_LOOK) || defined(NO_LAST_LOOK)
#define LAST_LOOK (PWORK || (NPIDLE > 0 && due))
#else
#define LAST_LOOK (PWORK || (NPIDLE > 0 && (gq > 0 || due)))
#endif

/* tz_stopm up to the sleep: ok where the M has a P. */
inline stopm(me, p, ok)
{
    d_step {
        ok = false;
        if
        :: mp[me] != NO ->
            if
            :: PUT_LOOK -> ok = true
            :: else ->
                p = mp[me];
                mp[me] = NO;
                assert(rq[p] == 0); /* and nobody else adds to it */
                pidle_put_locked(p);
                p = NO
            fi
        :: else
        fi;
        if
        :: !ok && LAST_LOOK ->
            pidle_get_locked(me, p);
            if
            :: p != NO -> acquirep(me, p); p = NO; ok = true
            :: else
            fi
        :: else
        fi;
        if
        :: !ok ->
            idle[me] = true;
            poller = me;
            until = timer
        :: else
        fi
    }
}

/* tz_leave_slow of a known blocker: tz_retake_self, tz_handoffp. */
inline handoff(me)
{
    d_step {
        user[me] = true;
        robbed[me] = true;
        yield[me] = false;
        hp = mp[me];
        if
        :: nmwait == 0 && (rq[hp] > 0 || gq > 0) -> startm_locked(hp, false)
        :: else ->
            pidle_put_locked(hp)
        fi;
        hp = 0
    }
}

/* The after-switch action: the goroutine goes to the global queue. */
inline requeue(me, p)
{
    d_step {
        gq++;
#if !defined(NO_REQUEUE_LOOK) && !defined(NO_REQUEUE_IDLE)
        if
        :: NPIDLE > 0 ->
            pidle_get_locked(me, p);
            if
            :: p != NO -> startm_locked(p, false); p = NO
            :: else
            fi
        :: else
        fi
#endif
    }
}

proctype M(byte me)
{
    byte p = NO;
    bool spinning, ok, movable;

#ifdef HANDED_OFF
end_blocked:
    me >= 2;
#endif
end_unborn:
    if
    :: me == 0
    :: d_step { me > 0 && born > me -> mstarting = false }
    fi;

find: /* findrunnable */
    if
    :: mp[me] == NO -> goto rest
    :: else
    fi;
    yield[me] = false;
    if
    :: solo == mp[me] && wanted -> solo_yield(me, p, ok)
    :: d_step { NPIDLE + 1 == NP && !PWORK && solo == NO && !wanted -> solo = mp[me] }
    :: true
    fi;
    if
    :: nmwait > 0 -> /* tz_give_p */
        d_step {
            ok = nmwait > 0;
            if
            :: ok -> p = mp[me]; mp[me] = NO; pidle_put_locked(p); p = NO
            :: else
            fi
        };
        if
        :: ok -> stop_spinning(me, p, ok, false); goto find
        :: else
        fi
    :: true
    fi;
    d_step {
        ok = rq[mp[me]] > 0;
        if
        :: ok -> rq[mp[me]]--
        :: else
        fi
    };
    if
    :: ok -> goto work
    :: else
    fi;
    if
    :: gq > 0 ->
        d_step {
            ok = gq > 0;
            hk = gq / NP + (gq > 0);
            hk = (hk > gq -> gq : hk);
            gq = gq - hk;
            rq[mp[me]] = rq[mp[me]] + (ok -> hk - 1 : 0);
            hk = 0
        };
        if
        :: ok -> goto work
        :: else
        fi
    :: true
    fi;
    if
    :: d_step { due -> due = false; timer = false; rq[mp[me]]++ };
        goto find
    :: true
    fi;
    if
    :: d_step { !spinning && 2 * nmspinning < NP - NPIDLE -> nmspinning++; spinning = true }
    :: else
    fi;
    if
    :: spinning && nmwait == 0 && gq == 0 && !PWORK ->
        d_step {
            ok = rq[1 - mp[me]] > 0;
            if
            :: ok -> rq[1 - mp[me]]--
            :: else
            fi
        };
        if
        :: ok -> goto work
        :: else
        fi
    :: else
    fi;
    stop_spinning(me, p, ok, false);

rest:
    stopm(me, p, ok);
    if
    :: ok -> ok = false; goto find
    :: else
    fi;
end_rest:
    if
    :: d_step {
            note[me] ->
            note[me] = false;
            acquirep(me, nextp[me]);
            nextp[me] = NO;
            spinning = wspin[me];
            wspin[me] = false
        };
        goto find
    :: d_step { /* the poller's deadline has come */
            poller == me && until && due && WORTH_ASKING ->
            pidle_get_locked(me, p);
            ok = (p != NO);
            if
            :: ok -> acquirep(me, p); p = NO; idle[me] = false; poller = NO
            :: else
            fi
        };
        if
        :: ok -> ok = false; goto find
        :: else -> goto end_rest
        fi
    fi;

work:
    ok = false;
    stop_spinning(me, p, ok, true);
going:
    if
    :: goto find /* it ends, or parks */
    :: d_step { spawns > 0 -> spawns--; rq[mp[me]]++ };
        goto going
    :: d_step { overflows > 0 -> overflows--; gq++ };
        goto going
    :: d_step { sleeps > 0 && !timer -> sleeps--; timer = true };
        goto find
    :: d_step { shorts > 0 -> shorts--; user[me] = true }
    :: d_step { longs > 0 -> longs--; user[me] = true };
        NOTHING_WAITS
    :: d_step { blockers > 0 -> blockers-- };
        handoff(me);
        NOTHING_WAITS
    :: d_step { pollers > 0 -> pollers--; polls[me] = true };
poll:
        if
        :: NOTHING_WAITS -> polls[me] = false; goto going
        :: yield[me] && wanted && solo == mp[me] -> solo_yield(me, p, ok); goto poll
        fi
    fi;

    /* tz_enter */
    user[me] = false;
    if
    :: movable = true
    :: movable = false
    fi;
    if
    :: robbed[me] -> /* tz_regain */
        d_step {
            mp[me] = NO;
            pidle_get_locked(me, p);
            ok = (p != NO);
            if
            :: ok -> acquirep(me, p); p = NO
            :: !ok && !movable -> mwait[nmwait] = me; nmwait++
            :: else
            fi
        };
        if
        :: ok -> ok = false
        :: !ok && movable ->
            movable = false;
            robbed[me] = false;
            requeue(me, p);
            goto find
        :: else ->
            d_step { note[me] -> note[me] = false; acquirep(me, nextp[me]); nextp[me] = NO }
        fi;
        robbed[me] = false;
        if
        :: solo == mp[me] && wanted -> solo_yield(me, p, ok)
        :: else
        fi
    :: !robbed[me] && yield[me] ->
        if
        :: wanted -> solo_yield(me, p, ok)
        :: else
        fi;
        if
        :: movable -> movable = false; requeue(me, p); goto find
        :: else
        fi
    :: else
    fi;
    movable = false;
    goto going
}

/* The template thread: one M at a time. */
active proctype Template()
{
end_template:
    do
    :: d_step { mwanted && born < NM -> mwanted = false; mstarting = true; born++ }
    od
}

active proctype Clock()
{
end_clock:
    do
    :: d_step { timer && !due -> due = true }
    od
}

/* ---- sysmon ---- */

#ifdef NO_DEBT_LOOK
#define OWED_RING false
#else
#define OWED_RING ((rq[0] > 0 && pstat[0] == RUNNING) || (rq[1] > 0 && pstat[1] == RUNNING))
#endif
#ifdef NO_GLOBAL_LOOK
#define OWED (OWED_RING || due)
#else
#define OWED (OWED_RING || due || gq > 0 || nmwait > 0)
#endif
#ifdef POLLER_OLD
#define POLLED (poller != NO)
#else
#define POLLED (poller != NO && until)
#endif
#define MAY_SLEEP_DEEP (NPIDLE == NP && nmwait == 0 && (!timer || POLLED))

#define WANTED(m) (mp[m] == NO -> false : (rq[mp[m]] > 0 || gq > 0 || nmwait > 0 || due))
#define ROBBABLE(m) (user[m] && !robbed[m] && WANTED(m) && (NMIDLE > 0 || nmwait > 0 || CAN_NEWM))
#define LAZY(m) ((user[m] || polls[m]) && !robbed[m] && !yield[m] && WANTED(m))

inline rob(m)
{
    if
    :: NMIDLE == 0 && nmwait == 0 -> newm_locked()
    :: else ->
        robbed[m] = true;
        yield[m] = false;
        hp = mp[m];
        if
        :: nmwait > 0 -> pidle_put_locked(hp)
        :: else -> startm_locked(hp, false)
        fi;
        hp = 0
    fi
}

#ifdef NO_ROB
#define LOOK_AT_M(m) :: d_step { LAZY(m) -> yield[m] = true }
#else
#define LOOK_AT_M(m) :: d_step { ROBBABLE(m) -> rob(m) } :: d_step { LAZY(m) -> yield[m] = true }
#endif

active proctype Sysmon()
{
    byte p = NO;
    bool ok;

awake:
    do
#ifdef DEEP_UNLOCKED
    :: MAY_SLEEP_DEEP ->
        deep = true;
        break
#else
    :: d_step { MAY_SLEEP_DEEP -> deep = true };
        break
#endif
    :: d_step { nmspinning == 0 && OWED && WORTH_ASKING -> nmspinning++ };
        take(SYSMON, p, ok)
    LOOK_AT_M(0)
    LOOK_AT_M(1)
#if NM > 2
    LOOK_AT_M(2)
#endif
#if NM > 3
    LOOK_AT_M(3)
#endif
    od;
end_deep:
    atomic { sysnote -> sysnote = false };
    goto awake
}

/* When nothing can move any more. */
active proctype Quiet()
{
    timeout;
    d_step {
        assert(gq == 0 && rq[0] == 0 && rq[1] == 0 && !timer);
        assert(nmwait == 0 && !PWORK);
        assert(NPIDLE == NP && nmspinning == 0 && solo == NO && !wanted);
        assert(deep && !sysnote && NMIDLE == born - BLOCKED)
    }
}

init
{
    atomic {
        rq[0] = 1; /* main */
        mp[0] = 0;
        pm[0] = 0;
#ifdef HANDED_OFF
        rq[1] = 1;
        mp[1] = 1;
        pm[1] = 1;
        d_step { user[0] = true; robbed[0] = true; user[1] = true; robbed[1] = true };
        pstat[0] = READY;
        pstat[1] = READY;
#else
        pstat[1] = IDLE;
#endif
        run M(0);
        run M(1);
#if NM > 2
        run M(2);
#endif
#if NM > 3
        run M(3)
#endif
    }
}
