/* SPDX-License-Identifier: BSD-3-Clause */
/* Misuse of locks that ends the process, and what waits on them is called; the lines that begin with //! say
 * how (run.sh). */
#include "crash/crash.h"

static tuza_mutex mutex;
static tuza_rwmutex rw;
static tuza_waitgroup group;
static tuza_cond cond;
static tuza_once once;

/* SY-01 */
//! unlock_unlocked
//> fatal error: sync: unlock of unlocked mutex
//>
//> goroutine 1 [running]:
static int unlock_unlocked(void)
{
    tuza_mutex_unlock(&mutex);
    return 0;
}

static void recover_any(void *arg)
{
    (void)arg;
    tuza_recover();
}

static void unlock_twice(void *arg)
{
    (void)arg;
    tuza_defer(recover_any, NULL);
    tuza_mutex_lock(&mutex);
    tuza_mutex_unlock(&mutex);
    tuza_mutex_unlock(&mutex);
}

/* SY-01: nothing recovers from that. */
//! unlock_recover
//> fatal error: sync: unlock of unlocked mutex
//>
//> goroutine 1 [running]:
static int unlock_recover(void)
{
    tuza_call(unlock_twice, NULL);
    return 0;
}

/* SY-02 */
//! rw_unlock
//> fatal error: sync: Unlock of unlocked RWMutex
//>
//> goroutine 1 [running]:
static int rw_unlock(void)
{
    tuza_rwmutex_unlock(&rw);
    return 0;
}

/* SY-02: also where readers have it. */
//! rw_unlock_read
//> fatal error: sync: Unlock of unlocked RWMutex
//>
//> goroutine 1 [running]:
static int rw_unlock_read(void)
{
    tuza_rwmutex_rlock(&rw);
    tuza_rwmutex_unlock(&rw);
    return 0;
}

/* SY-02 */
//! rw_runlock
//> fatal error: sync: RUnlock of unlocked RWMutex
//>
//> goroutine 1 [running]:
static int rw_runlock(void)
{
    tuza_rwmutex_runlock(&rw);
    return 0;
}

/* SY-02: also where a writer has it. */
//! rw_runlock_write
//> fatal error: sync: RUnlock of unlocked RWMutex
//>
//> goroutine 1 [running]:
static int rw_runlock_write(void)
{
    tuza_rwmutex_lock(&rw);
    tuza_rwmutex_runlock(&rw);
    return 0;
}

/* SY-20 */
//! negative
//> panic: sync: negative WaitGroup counter
//>
//> goroutine 1 [running]:
static int negative(void)
{
    tuza_waitgroup_add(&group, 1);
    tuza_waitgroup_done(&group);
    tuza_waitgroup_done(&group);
    return 0;
}

/* SY-18 */
//! cond_copied
//> panic: sync.Cond is copied
//>
//> goroutine 1 [running]:
static int cond_copied(void)
{
    tuza_cond_signal(&cond);
    tuza_cond copy = cond;
    tuza_cond_broadcast(&copy);
    return 0;
}

static void panics(void *arg)
{
    (void)arg;
    tuza_panic("member failed");
}

/* SY-23: main, which waits, can't outrun the crash. */
//! member_panics loop 40
//> panic: member failed
//>
//> goroutine @N@ [running]:
static int member_panics(void)
{
    if (tuza_waitgroup_go(&group, panics, NULL) < 0)
        _exit(99);
    tuza_waitgroup_wait(&group);
    _exit(97);
}

//! go_null
//> fatal error: go of nil func value
//>
//> goroutine 1 [running]:
static int go_null(void)
{
    return tuza_waitgroup_go(&group, NULL, NULL);
}

/* SY-32, DL-01: locks that nobody will let go are a deadlock, and Go's names for the waits are there. */
//! mutex_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.Mutex.Lock]:
static int mutex_deadlock(void)
{
    tuza_mutex_lock(&mutex);
    tuza_mutex_lock(&mutex);
    return 0;
}

/* SY-32 */
//! rlock_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.RWMutex.RLock]:
static int rlock_deadlock(void)
{
    tuza_rwmutex_lock(&rw);
    tuza_rwmutex_rlock(&rw);
    return 0;
}

/* SY-32: a writer that waits for a reader, and one that waits for a writer. */
//! lock_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.RWMutex.Lock]:
static int lock_deadlock(void)
{
    tuza_rwmutex_rlock(&rw);
    tuza_rwmutex_lock(&rw);
    return 0;
}

//! lock_lock_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.RWMutex.Lock]:
static int lock_lock_deadlock(void)
{
    tuza_rwmutex_lock(&rw);
    tuza_rwmutex_lock(&rw);
    return 0;
}

static void lock_for_ever(void *arg)
{
    (void)arg;
    tuza_rwmutex_lock(&rw);
    _exit(96);
}

/* SY-11: a reader that comes again while a writer waits. */
//! recursive_read
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.RWMutex.RLock]:
//+ goroutine @N@ [sync.RWMutex.Lock]:
static int recursive_read(void)
{
    tuza_rwmutex_rlock(&rw);
    crash_go(lock_for_ever, NULL);
    while (tuza_rwmutex_tryrlock(&rw)) {
        tuza_rwmutex_runlock(&rw);
        tuza_gosched();
    }
    tuza_rwmutex_rlock(&rw);
    return 0;
}

/* SY-32 */
//! wait_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.WaitGroup.Wait]:
static int wait_deadlock(void)
{
    tuza_waitgroup_add(&group, 1);
    tuza_waitgroup_wait(&group);
    return 0;
}

/* SY-32 */
//! cond_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.Cond.Wait]:
static int cond_deadlock(void)
{
    tuza_mutex_lock(&mutex);
    tuza_cond_wait(&cond, &mutex);
    return 0;
}

/* The mutex must be locked, as Go's. */
//! cond_unlocked
//> fatal error: sync: unlock of unlocked mutex
//>
//> goroutine 1 [running]:
static int cond_unlocked(void)
{
    tuza_cond_wait(&cond, &mutex);
    return 0;
}

static int fails(void *arg)
{
    (void)arg;
    tuza_panic("job failed");
}

/* A panic in a group goes on in whoever waits; the report shows first where it comes from. */
//! group_panic
//> panic: job failed
//>
//> goroutine @N@ [running]:
//> fails(...)
//> @P@
//+ goroutine 1 [running]:
static int group_panic(void)
{
    tuza_group g = TUZA_GROUP_INIT;
    if (tuza_group_go(&g, fails, NULL) < 0)
        return 99;
    return tuza_group_wait(&g);
}

static int until_for_ever(void *arg)
{
    (void)arg;
    tuza_chan_recv(NULL, NULL);
    return 0;
}

/* A group that nobody ends is a deadlock. */
//! group_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.WaitGroup.Wait]:
//+ goroutine @N@ [chan receive (nil chan)]:
static int group_deadlock(void)
{
    tuza_group g = TUZA_GROUP_INIT;
    if (tuza_group_go(&g, until_for_ever, NULL) < 0)
        return 99;
    return tuza_group_wait(&g);
}

//! semaphore_deadlock
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [semacquire]:
static int semaphore_deadlock(void)
{
    tuza_semaphore s = TUZA_SEMAPHORE_INIT(1);
    tuza_semaphore_acquire(&s, 2);
    return 0;
}

static void destroy_and_panic(void *arg)
{
    (void)arg;
    tuza_panic("in a destructor");
}

static void set_value(void *arg)
{
    tuza_key *key = arg;
    if (tuza_local_set(*key, arg) < 0)
        _exit(99);
}

//! destructor_panics
//> panic: in a destructor
//>
//> goroutine @N@ [running]:
static int destructor_panics(void)
{
    tuza_key key;
    if (tuza_local_key(&key, destroy_and_panic) < 0 || tuza_waitgroup_go(&group, set_value, &key) < 0)
        return 99;
    tuza_waitgroup_wait(&group);
    _exit(97);
}

static void do_again(void *arg)
{
    tuza_once_do(&once, do_again, arg);
}

/* SY-26 */
//! once_again
//> fatal error: all goroutines are asleep - deadlock!
//>
//> goroutine 1 [sync.Mutex.Lock]:
static int once_again(void)
{
    tuza_once_do(&once, do_again, NULL);
    return 0;
}

static const crash_case cases[] = {
    {"unlock_unlocked", unlock_unlocked},
    {"unlock_recover", unlock_recover},
    {"rw_unlock", rw_unlock},
    {"rw_unlock_read", rw_unlock_read},
    {"rw_runlock", rw_runlock},
    {"rw_runlock_write", rw_runlock_write},
    {"negative", negative},
    {"cond_copied", cond_copied},
    {"member_panics", member_panics},
    {"go_null", go_null},
    {"mutex_deadlock", mutex_deadlock},
    {"rlock_deadlock", rlock_deadlock},
    {"lock_deadlock", lock_deadlock},
    {"lock_lock_deadlock", lock_lock_deadlock},
    {"recursive_read", recursive_read},
    {"wait_deadlock", wait_deadlock},
    {"cond_deadlock", cond_deadlock},
    {"cond_unlocked", cond_unlocked},
    {"group_panic", group_panic},
    {"group_deadlock", group_deadlock},
    {"semaphore_deadlock", semaphore_deadlock},
    {"destructor_panics", destructor_panics},
    {"once_again", once_again},
    {NULL, NULL},
};

CRASH_MAIN(cases)
