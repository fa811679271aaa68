/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Where the assembly finds the fields of M and G that it touches. Plain
 * numbers, shared by the .S files and by sched/gmp.h, which asserts each of
 * them with offsetof.
 */
#ifndef TZ_LAYOUT_H
#define TZ_LAYOUT_H

#define TZ_M_SEQ       0
#define TZ_M_G         16
#define TZ_M_AFTER_FN  40
#define TZ_M_AFTER_ARG 48
#define TZ_M_ERRNO     56
#define TZ_M_CXX       64

/* m->after_fn: not a function, but "release the channel lock at after_arg" */
#define TZ_AFTER_UNLOCK 1

/* A switch touches the first cache line of a G alone. */
#define TZ_G_SP     24
#define TZ_G_RESULT 32
/* Two words read as one: neither a special way to resume nor one to leave. */
#define TZ_G_SPECIAL   40
#define TZ_G_LEAVE     44
#define TZ_G_ERRNO     48
#define TZ_G_RESUME    56
#define TZ_G_FN        64
#define TZ_G_ARG       72
#define TZ_G_RESUME_FN 80
#define TZ_G_CXX       248

#endif /* TZ_LAYOUT_H */
