/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * retake.pml: taking a P away from a running M, after src/sched/retake.c.
 *
 * One M goes in and out of the runtime; two retakers (sysmon and stop-the-world) try to take its P; a signal
 * handler on the M's thread may come at any of the marked points and call the runtime too.
 *
 * Memory. The M's stores go to a buffer first and reach memory later, at any time. They may overtake each other
 * (as on aarch64) except on the same address; a release store waits for all older ones. So a later load of the M
 * is satisfied before an earlier store is seen: the reordering that the protocol is about. A CAS that succeeds
 * empties the buffer, a CAS that fails does not; a fence and a retaker's membarrier empty it. Retakers write by
 * CAS alone, so they need no buffer; the one load of theirs that could be early is hoisted in a mutant. The state LENT
 * is the business of solo.pml.
 *
 * Truth is kept beside the protocol, where no process reads it but in assertions: owner[p] and using (the P that
 * the M inside the runtime works with). A store of the M to its P that reaches memory when the P is not the M's
 * any more is an error too.
 *
 * Variants (-D):  FENCE           membarrier is refused: both sides use a full fence
 * Mutants (-D), each must fail:
 *   NO_MEMBARRIER    the retaker does not empty the M's buffer
 *   NO_TICKET        the word is the bare state: one retaker takes another's request for its own
 *   READ_AFTER       m->p is read after STOLEN was won
 *   NO_RELEASE       the exit's store of seq is a plain one
 *   BLIND_ANSWER     the M answers REQUESTED by a store in place of a CAS
 *   BLIND_WITHDRAW   the retaker withdraws by a store in place of a CAS
 *   NESTED_ENTERS    an entry that finds the counter odd goes on
 *   NO_SEQ_CHECK     the retaker does not look at seq
 *   NO_M_FENCE       (with FENCE) the entry has no fence
 *   NO_R_FENCE       (with FENCE) the retaker's load of seq is early
 */

#ifndef ENTRIES
#define ENTRIES 2 /* calls of the runtime by the M */
#endif
#ifndef TRIES
#define TRIES 2 /* requests of each retaker */
#endif
#ifndef SIGNALS
#define SIGNALS 1 /* signals; a handler is not interrupted itself, so 0 or 1 */
#endif

/* The retake word: state in the low two bits, ticket above. */
#define NONE 0
#define YIELD 1
#define REQUESTED 2
#define STOLEN 3
#define STATE(w) ((w) & 3)
#define WITH(w, st) (((w) & 252) | (st))
#ifdef NO_TICKET
#define REQUEST(w) REQUESTED
#else
#define REQUEST(w) (WITH(w, REQUESTED) + 4)
#endif

#ifdef NO_RELEASE
#define EXIT_ORDER 0
#else
#define EXIT_ORDER 1
#endif

/* Addresses of what the M writes: three words, and "something in P p" as PDATA + p. Ps are 1 and 2, 0 is none. */
#define SEQ 0
#define RETAKE 1
#define MP 2
#define PDATA 3

#define NOBODY 0
#define THE_M 1 /* the retakers are 2 and 3 */

byte mem[3];
byte owner[3];
byte using;
bool idle[3]; /* the idle list; its lock makes each use of it one step */
bool handling; /* the signal handler has the M's thread */
byte signals = SIGNALS;
byte ndone;

/* ---- the M's store buffer ---- */

#ifndef BMAX
#define BMAX 3 /* a store waits for room: nothing is lost by that but longer delays */
#endif
typedef store_t {
    byte addr;
    byte val;
    bool rel;
};
store_t buf[BMAX];
byte nbuf;
hidden byte i;

/* Inside a d_step: store k reaches memory. */
inline commit(k)
{
    if
    :: buf[k].addr < PDATA -> mem[buf[k].addr] = buf[k].val
    :: else -> assert(owner[buf[k].addr - PDATA] == THE_M)
    fi;
    i = k;
    do
    :: i + 1 < nbuf ->
        buf[i].addr = buf[i + 1].addr;
        buf[i].val = buf[i + 1].val;
        buf[i].rel = buf[i + 1].rel;
        i++
    :: else -> break
    od;
    nbuf--;
    buf[nbuf].addr = 0;
    buf[nbuf].val = 0;
    buf[nbuf].rel = 0
}

/* Inside a d_step: all stores reach memory. */
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
#define OLDER1(k) (buf[0].addr == buf[k].addr)
#define OLDER2(k) (OLDER1(k) || buf[1].addr == buf[k].addr)

/* The M's CAS on the retake word: waits for its own store to that word, as the hardware does. */
inline cas_retake(old, new, won)
{
    atomic {
        !(PENDING(0, RETAKE) || PENDING(1, RETAKE) || PENDING(2, RETAKE)) ->
        if
        :: mem[RETAKE] == old ->
            flush();
            mem[RETAKE] = new;
            won = true
        :: else -> won = false
        fi
    }
}

active proctype Drain()
{
end_drain:
    do
    :: d_step { nbuf > 0 -> commit(0) }
    :: d_step { nbuf > 1 && !buf[1].rel && !OLDER1(1) -> commit(1) }
    :: d_step { nbuf > 2 && !buf[2].rel && !OLDER2(2) -> commit(2) }
    od
}

/* ---- the M ---- */

/* A signal may be delivered here: the M stands still until the handler has returned. */
#if SIGNALS
inline signal_point()
{
    if
    :: signals > 0 ->
        signals--;
        handling = true;
        !handling
    :: true
    fi
}
#else
#define signal_point() skip
#endif

/* Take an idle P, waiting for one if there is none (a retaker that holds one gives it back). */
inline take_p(p)
{
    atomic {
        if
        :: idle[1] -> p = 1
        :: idle[2] -> p = 2
        fi;
        assert(owner[p] == NOBODY);
        idle[p] = false;
        owner[p] = THE_M
    }
}

inline touch(p)
{
    assert(p != 0 && using == p && owner[p] == THE_M);
    store(PDATA + p, 0, 0)
}

/* tz_enter, and tz_enter_slow from the loop on. Only steps that others can see apart are apart. */
inline enter(s, w, p, won, refused)
{
    atomic {
        load(SEQ, s);
        if
#ifndef NESTED_ENTERS
        :: (s & 1) -> refused = true
#endif
        :: else ->
            refused = false;
            signal_point();
            store(SEQ, (s + 1) & 3, 0)
        fi
    };
    if
    :: refused
    :: else ->
#if defined(FENCE) && !defined(NO_M_FENCE)
        d_step { flush() };
#endif
        atomic {
            s = 0;
            signal_point();
            load(RETAKE, w)
        };
        do
        :: STATE(w) == NONE || STATE(w) == YIELD -> break
        :: STATE(w) == REQUESTED ->
#ifdef BLIND_ANSWER
            store(RETAKE, WITH(w, YIELD), 1);
            break
#else
            cas_retake(w, WITH(w, YIELD), won);
            if
            :: won -> w = WITH(w, YIELD)
            :: else -> load(RETAKE, w) /* STOLEN, YIELD, or the other retaker's REQUESTED already */
            fi
#endif
        :: STATE(w) == STOLEN ->
            atomic {
                signal_point();
                take_p(p);
                store(MP, p, 0)
            };
            atomic {
                signal_point();
                store(RETAKE, WITH(w, NONE), 1);
                w = WITH(w, NONE)
            }
        od;
        d_step {
            load(MP, p);
            won = false;
            using = p;
            assert(p != 0 && owner[p] == THE_M)
        }
    fi
}

/* The runtime at work: it uses its P, may answer the yield request, may schedule and so come to another P. */
inline work(w, p, won)
{
    atomic {
        signal_point();
        touch(p)
    };
    if
    :: STATE(w) == YIELD -> cas_retake(w, WITH(w, NONE), won)
    :: true
    fi;
    w = 0;
    won = false;
    if
    :: atomic {
            store(MP, 0, 0);
            d_step {
                flush(); /* the unlock of the idle list releases */
                using = 0;
                owner[p] = NOBODY;
                idle[p] = true;
                p = 0
            }
        };
        atomic {
            signal_point();
            take_p(p);
            store(MP, p, 0);
            using = p;
            touch(p)
        }
    :: true
    fi
}

/* tz_leave */
inline leave(s, p)
{
    atomic {
        using = 0;
        p = 0;
        load(SEQ, s);
        assert(s & 1);
        signal_point();
        store(SEQ, (s + 1) & 3, EXIT_ORDER);
        s = 0
    }
}

proctype TheM()
{
    byte n = ENTRIES;
    byte s, w, p;
    bool won, refused;

    do
    :: n > 0 ->
        n--;
        enter(s, w, p, won, refused);
        assert(!refused);
        work(w, p, won);
        leave(s, p)
    :: else -> break
    od;
    atomic {
        signal_point();
        ndone++
    }
}

/* A handler that calls the runtime: refused where the M was inside, an ordinary entry where it was not. */
proctype Handler()
{
    byte s, w, p, after;
    bool won, refused;

end_handler:
    do
    :: handling ->
        enter(s, w, p, won, refused);
        if
        :: refused ->
            load(SEQ, after);
            assert(after == s)
        :: else ->
            work(w, p, won);
            leave(s, p)
        fi;
        d_step { s = 0; w = 0; p = 0; after = 0; won = false; refused = false; handling = false }
    od
}

/* ---- tz_retake, by sysmon and by stop-the-world ---- */

inline claim(me, p)
{
    assert(p != 0 && owner[p] == THE_M && using != p);
    owner[p] = me
}

proctype Retaker(byte me)
{
    byte n = TRIES;
    byte w, s, p;
    bool won;

    do
    :: n > 0 ->
        n--;
#ifdef NO_R_FENCE
        s = mem[SEQ];
#endif
        d_step { /* the load before the CAS is one step with it: where the word changes in between, it gives up */
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
#ifndef NO_R_FENCE
            s = mem[SEQ];
#endif
#ifdef NO_SEQ_CHECK
            s = 0;
#endif
            if
            :: (s & 1) ->
#ifdef BLIND_WITHDRAW
                mem[RETAKE] = WITH(w, YIELD)
#else
                d_step {
                    if
                    :: mem[RETAKE] == w -> mem[RETAKE] = WITH(w, YIELD)
                    :: else
                    fi
                }
#endif
            :: else ->
#ifdef READ_AFTER
                d_step {
                    won = mem[RETAKE] == w;
                    if
                    :: won -> mem[RETAKE] = WITH(w, STOLEN)
                    :: else
                    fi
                };
                if
                :: won ->
                    d_step {
                        p = mem[MP];
                        claim(me, p)
                    }
                :: else
                fi;
#else
                p = mem[MP];
                d_step {
                    won = mem[RETAKE] == w;
                    if
                    :: won -> mem[RETAKE] = WITH(w, STOLEN); claim(me, p)
                    :: else
                    fi
                };
#endif
                if
                :: won ->
                    d_step {
                        assert(owner[p] == me && using != p);
                        owner[p] = NOBODY;
                        idle[p] = true
                    }
                :: else
                fi
            fi
        :: else
        fi;
        d_step { w = 0; s = 0; p = 0; won = false }
    :: else -> break
    od;
    ndone++
}

init
{
    atomic {
        mem[MP] = 1;
        owner[1] = THE_M;
        idle[2] = true;
        run TheM();
        run Handler();
        run Retaker(2);
        run Retaker(3)
    }
    ndone == 3 && nbuf == 0 && !handling;
    d_step {
        assert((mem[SEQ] & 1) == 0 && using == 0);
        assert(STATE(mem[RETAKE]) != REQUESTED);
        if
        :: STATE(mem[RETAKE]) == STOLEN -> assert(idle[1] && idle[2] && owner[1] == NOBODY && owner[2] == NOBODY)
        :: else ->
            assert(owner[mem[MP]] == THE_M && !idle[mem[MP]]);
            assert(owner[3 - mem[MP]] == NOBODY && idle[3 - mem[MP]])
        fi
    }
}
