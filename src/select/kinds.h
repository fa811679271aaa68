/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a select may wait for beside channels, as the files of select/ see it.
 *
 * Such a case has a record, its tz_selwait's `other`. All calls are made in
 * user code and by the goroutine that selects, in this order: begin; then is_ready any
 * number of times; where the select has to wait, watch, from which on whatever
 * makes the case ready reports that (tz_select_report), and is_ready again;
 * unwatch if it was watched, and end. What is reported is only that it is worth
 * to look: what counts is is_ready.
 *
 * A case that becomes ready at a certain time says when in the selection, which
 * has one timer for all.
 */
#ifndef TZ_SELECT_KINDS_H
#define TZ_SELECT_KINDS_H

#include "chan/select.h"

/* A select that has other cases than channels. */
typedef struct tz_mixed {
    tz_selection s;
    tz_timer timer;
    int64_t when; /* when it has to look again at the latest; INT64_MAX: never */
} tz_mixed;

typedef struct tz_selkind {
    void (*begin)(tz_mixed *x, tuza_case *k, void *record);
    bool (*is_ready)(tz_mixed *x, tuza_case *k, void *record);
    /* The rest may be NULL. */
    void (*watch)(tz_mixed *x, tuza_case *k, void *record);
    void (*unwatch)(tz_mixed *x, tuza_case *k, void *record);
    void (*end)(tz_mixed *x, tuza_case *k, void *record);
} tz_selkind;

TZ_INLINE void tz_mixed_wake_at(tz_mixed *x, int64_t when)
{
    if (when < x->when)
        x->when = when;
}

extern const tz_selkind tz_selkind_timeout, tz_selkind_until; /* timecase.c */
extern const tz_selkind tz_selkind_done;                      /* donecase.c */
extern const tz_selkind tz_selkind_fd;                        /* fdcase.c */

#endif /* TZ_SELECT_KINDS_H */
