/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * solo.pml: the privilege of the only P that runs, after src/sched/solo.c and the state LENT in src/sched/retake.c.
 *
 * One M with P 1 goes in and out of the runtime. Inside it works on an object: without a lock where it found p->alone
 * set, else with the object's lock; or it comes past g0, where it takes the privilege or gives it up. Two others want
 * the idle P 2: they ask for it under sched.lock (tz_pidle_get_locked), work on the same object with its lock where
 * they get it, and put it back. A stopper, which does not hold sched.lock while it retakes, may steal P 1 and gives it
 * back without the privilege.
 *
 * Memory, as in retake.pml: the M's stores go to a buffer and reach memory later, in any order but on the same address,
 * and a release store waits for all older ones; a CAS that succeeds, an unlock and the lender's membarrier empty it.
 * The lender's plain store of p->alone may be late as well, at most until its CAS that succeeds or its unlock.
 *
 * Correct is: from when an asker was told that no P is alone until tz_solo_begin, no entry finds p->alone set and no
 * elided section is on; what the M read from p->alone at the lock is what it reads at the unlock; the object is never
 * used by two; none of the M's stores to it comes late (its count is right at the end).
 *
 * Variants (-D):  FENCE           membarrier is refused: both sides use a full fence
 * Mutants (-D), each must fail:
 *   NO_SEQ_CHECK     the lender does not look at seq
 *   NO_MEMBARRIER    the lender does not empty the M's buffer
 *   NO_M_FENCE       (with FENCE) the entry has no fence
 *   KEEP_ALONE       an entry that finds LENT does not clear p->alone
 *   CLEAR_EARLY      the lender clears p->alone before it has caught the M
 *   CLEAR_LATE       ... after it gave LENT back
 *   CLEAR_PLAIN      its CAS that gives LENT back does not wait for the store
 *   BLIND_RETURN     the lender gives LENT back by a store in place of a CAS
 *   BEGIN_UNLOCKED   tz_solo_begin does not hold sched.lock
 *   BEGIN_UNCHECKED  tz_solo_begin does not look again at the idle list under it
 *   NO_RELEASE       the exit's store of seq is a plain one
 */

#ifndef ENTRIES
#define ENTRIES 3 /* calls of the runtime by the M */
#endif
#ifndef ASKS
#define ASKS 1 /* by each of the two others */
#endif
#ifndef STEALS
#define STEALS 1 /* requests of the stopper */
#endif

#define NONE 0
#define YIELD 1
#define REQUESTED 2
#define STOLEN 3
#define LENT 4
#define STATE(w) ((w) & 7)
#define WITH(w, st) (((w) & 248) | (st))
#define REQUEST(w) (WITH(w, REQUESTED) + 8)

#ifdef NO_RELEASE
#define EXIT_ORDER 0
#else
#define EXIT_ORDER 1
#endif

/* Addresses of what the M writes. */
#define SEQ 0
#define RETAKE 1
#define ALONE 2
#define OBJECT 3
#define OBJLOCK 4

byte mem[5];
bool lock;       /* sched.lock */
bool solo;       /* sched.solo is P 1 */
bool wanted;     /* sched.solo_wanted */
bool idle = true; /* P 2 is on the idle list */
bool held = true; /* P 1's status is RUNNING, p->m is the M */
bool given;      /* P 1 may be had by the M again */
bool pend;       /* the lender's store of p->alone is on its way */

/* Truth, read by assertions only. */
bool granted;    /* tz_solo_begin came last, not tz_solo_end_locked */
bool elided, other; /* in a section */
byte works;
byte ndone;

/* ---- the M's store buffer ---- */

#define BMAX 4
typedef store_t {
    byte addr;
    byte val;
    bool rel;
};
store_t buf[BMAX];
byte nbuf;
hidden byte i;

inline commit(k)
{
    mem[buf[k].addr] = buf[k].val;
    i = k;
    do
    :: i + 1 < nbuf ->
        buf[i].addr = buf[i + 1].addr;
        buf[i].val = buf[i + 1].val;
        buf[i].rel = buf[i + 1].rel;
        i++
    :: else -> break
    od;
    i = 0;
    nbuf--;
    buf[nbuf].addr = 0;
    buf[nbuf].val = 0;
    buf[nbuf].rel = 0
}

inline flush()
{
    do
    :: nbuf > 0 -> commit(0)
    :: else -> break
    od
}

inline store(a, v, release)
{
    atomic {
        nbuf < BMAX ->
        buf[nbuf].addr = a;
        buf[nbuf].val = v;
        buf[nbuf].rel = release;
        nbuf++
    }
}

inline load(a, x)
{
    d_step {
        x = mem[a];
        i = 0;
        do
        :: i < nbuf ->
            if
            :: buf[i].addr == a -> x = buf[i].val
            :: else
            fi;
            i++
        :: else -> break
        od;
        i = 0
    }
}

#define PENDING(k, a) (nbuf > (k) && buf[k].addr == (a))
#define ON_ITS_WAY(a) (PENDING(0, a) || PENDING(1, a) || PENDING(2, a) || PENDING(3, a))

/* A CAS or a lock by the M; waits for its own stores to that word, as the hardware does. */
inline cas(a, old, new, won)
{
    atomic {
        !ON_ITS_WAY(a) ->
        if
        :: mem[a] == old ->
            d_step { flush() };
            mem[a] = new;
            won = true
        :: else -> won = false
        fi
    }
}

#define FREE1(k) (!buf[k].rel && buf[0].addr != buf[k].addr)
#define FREE2(k) (FREE1(k) && buf[1].addr != buf[k].addr)
#define FREE3(k) (FREE2(k) && buf[2].addr != buf[k].addr)

active proctype Drain()
{
end_drain:
    do
    :: d_step { nbuf > 0 -> commit(0) }
    :: d_step { nbuf > 1 && FREE1(1) -> commit(1) }
    :: d_step { nbuf > 2 && FREE2(2) -> commit(2) }
    :: d_step { nbuf > 3 && FREE3(3) -> commit(3) }
    :: d_step { pend -> pend = false; mem[ALONE] = 0 }
    od
}

/* ---- the M ---- */

inline m_lock()
{
    atomic { !lock -> lock = true; d_step { flush() } }
}

inline m_unlock()
{
    d_step { flush(); lock = false }
}

/* tz_enter and tz_retake_answer */
inline enter(w, won)
{
    atomic {
        load(SEQ, w);
        assert((w & 1) == 0);
        store(SEQ, (w + 1) & 3, 0);
        w = 0
    };
#if defined(FENCE) && !defined(NO_M_FENCE)
    d_step { flush() };
#endif
    load(RETAKE, w);
    do
    :: STATE(w) == NONE || STATE(w) == YIELD -> break
    :: STATE(w) == REQUESTED || STATE(w) == LENT ->
#ifndef KEEP_ALONE
        if
        :: STATE(w) == LENT -> store(ALONE, 0, 0)
        :: else
        fi;
#endif
        cas(RETAKE, w, WITH(w, YIELD), won);
        if
        :: won -> w = WITH(w, YIELD)
        :: else -> load(RETAKE, w)
        fi
    :: STATE(w) == STOLEN ->
        atomic { given && !lock -> given = false; held = true; d_step { flush() } };
        store(RETAKE, WITH(w, NONE), 1);
        w = WITH(w, NONE)
    od;
    won = false
}

/* tz_solo_yield */
inline give_up()
{
    m_lock();
    d_step {
        if
        :: solo -> mem[ALONE] = 0; solo = false; wanted = false; granted = false
        :: else
        fi
    };
    m_unlock()
}

/* findrunnable's tz_retake_clear and tz_solo_begin, or tz_solo_yield */
inline on_g0(w, won)
{
    load(RETAKE, w);
    if
    :: STATE(w) == YIELD -> cas(RETAKE, w, WITH(w, NONE), won)
    :: else
    fi;
    won = false;
    load(ALONE, w);
    if
    :: w == 1 ->
        if
        :: wanted -> give_up()
        :: else
        fi
    :: else ->
        if
        :: idle ->
#ifndef BEGIN_UNLOCKED
            m_lock();
#endif
            atomic {
                if
#ifdef BEGIN_UNCHECKED
                :: !solo && !wanted ->
#else
                :: idle && !solo && !wanted ->
#endif
                    solo = true;
                    granted = true;
                    store(ALONE, 1, 0)
                :: else
                fi
            };
#ifndef BEGIN_UNLOCKED
            m_unlock()
#endif
        :: else
        fi
    fi;
    w = 0
}

/* A channel operation. */
inline operation(w, x, won)
{
    load(ALONE, w);
    if
    :: w == 1 ->
        assert(granted);
        elided = true;
        assert(!other);
        load(OBJECT, x);
        store(OBJECT, x + 1, 0);
        atomic {
            load(ALONE, x);
            assert(x == w && granted); /* the unlock looks again */
            elided = false
        }
    :: else ->
        do
        :: cas(OBJLOCK, 0, 1, won);
            if
            :: won -> break
            :: else -> mem[OBJLOCK] == 0
            fi
        od;
        assert(!other);
        load(OBJECT, x);
        store(OBJECT, x + 1, 0);
        store(OBJLOCK, 0, 1)
    fi;
    d_step { works++; w = 0; x = 0; won = false }
}

proctype TheM()
{
    byte n = ENTRIES;
    byte w, x;
    bool won;

    do
    :: n > 0 ->
        n--;
        enter(w, won);
        if
        :: STATE(w) == YIELD && wanted -> give_up()
        :: else
        fi;
        w = 0;
        if
        :: on_g0(w, won)
        :: operation(w, x, won)
        fi;
        atomic {
            load(SEQ, w);
            store(SEQ, (w + 1) & 3, EXIT_ORDER);
            w = 0
        }
    :: else -> break
    od;
    ndone++
}

/* ---- the others ---- */

/* R1 to R4: won, and w is the word to CAS from. */
inline request(w, s, won)
{
    d_step {
        w = mem[RETAKE];
        won = STATE(w) == NONE || STATE(w) == YIELD;
        if
        :: won -> w = REQUEST(w); mem[RETAKE] = w
        :: else
        fi
    };
    if
    :: won ->
#if !defined(FENCE) && !defined(NO_MEMBARRIER)
        d_step { flush() };
#endif
        s = mem[SEQ];
#ifdef NO_SEQ_CHECK
        s = 0;
#endif
        if
        :: s & 1 ->
            d_step {
                if
                :: mem[RETAKE] == w -> mem[RETAKE] = WITH(w, YIELD)
                :: else
                fi;
                won = false;
                s = 0
            }
        :: else
        fi
    :: else
    fi
}

/* R5 */
inline catch(w, st, won)
{
    d_step {
        won = mem[RETAKE] == w;
        if
        :: won -> w = WITH(w, st); mem[RETAKE] = w
        :: else
        fi
    }
}

inline lend(w, s, won)
{
#ifdef CLEAR_EARLY
    pend = true;
#endif
    request(w, s, won);
    if
    :: won ->
        catch(w, LENT, won);
        if
        :: won ->
#if !defined(CLEAR_EARLY) && !defined(CLEAR_LATE)
            pend = true;
#endif
#ifdef BLIND_RETURN
            d_step { mem[ALONE] = 0; pend = false; mem[RETAKE] = WITH(w, NONE) };
#else
            d_step {
                if
                :: mem[RETAKE] == w ->
#ifndef CLEAR_PLAIN
                    if
                    :: pend -> pend = false; mem[ALONE] = 0
                    :: else
                    fi;
#endif
                    mem[RETAKE] = WITH(w, NONE)
                :: else
                fi
            };
#endif
#ifdef CLEAR_LATE
            pend = true
#endif
        :: else
        fi
    :: else
    fi
}

proctype Asker()
{
    byte n = ASKS;
    byte w, s;
    bool won, got;

    do
    :: n > 0 ->
        n--;
        atomic { !lock -> lock = true };
        /* tz_solo_end_locked */
        if
        :: !solo -> won = true
        :: solo && !held -> won = true
        :: else -> lend(w, s, won)
        fi;
        d_step {
            if
            :: won ->
                if
                :: solo -> pend = true; solo = false; wanted = false
                :: else
                fi;
                granted = false;
                assert(!elided);
                got = idle;
                idle = false
            :: else -> wanted = true; got = false
            fi;
            w = 0;
            s = 0;
            won = false
        };
        d_step {
            if
            :: pend -> pend = false; mem[ALONE] = 0
            :: else
            fi;
            lock = false
        };
        if
        :: got ->
            atomic { mem[OBJLOCK] == 0 -> mem[OBJLOCK] = 1 };
            d_step { other = true; assert(!elided); w = mem[OBJECT] };
            d_step {
                assert(!elided);
                mem[OBJECT] = w + 1;
                w = 0;
                works++;
                other = false;
                mem[OBJLOCK] = 0
            };
            atomic { !lock -> idle = true; got = false }
        :: else
        fi
    :: else -> break
    od;
    ndone++
}

/* stop_the_world, which ends in tz_solo_drop_locked and gives P 1 back */
proctype Stopper()
{
    byte n = STEALS;
    byte w, s;
    bool won;

    do
    :: n > 0 ->
        n--;
        request(w, s, won);
        if
        :: won ->
            catch(w, STOLEN, won);
            if
            :: won ->
                atomic { !lock -> held = false };
                d_step {
                    !lock ->
                    if
                    :: solo -> mem[ALONE] = 0; solo = false; wanted = false; granted = false
                    :: else
                    fi;
                    given = true
                }
            :: else
            fi
        :: else
        fi;
        d_step { w = 0; s = 0; won = false }
    :: else -> break
    od;
    ndone++
}

init
{
    atomic {
        mem[ALONE] = 1;
        solo = true;
        granted = true;
        run TheM();
        run Asker();
        run Asker();
        run Stopper()
    }
    ndone == 4 && nbuf == 0 && !pend;
    d_step {
        assert(mem[OBJECT] == works && mem[OBJLOCK] == 0);
        assert((mem[SEQ] & 1) == 0 && !lock && idle);
        assert(STATE(mem[RETAKE]) != REQUESTED && STATE(mem[RETAKE]) != LENT);
        assert(mem[ALONE] == solo && granted == solo)
    }
}
