/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Call frame information: how the caller's registers are found from a point
 * in the code, as .eh_frame says. Reads nothing but the mapped file;
 * async-signal-safe.
 */
#ifndef TZ_CFI_H
#define TZ_CFI_H

#include "arch/regs.h"
#include "trace/memory.h"
#include "trace/object.h"

/* Where a register of the caller's is. */
enum {
    TZ_RULE_SAME = 0,  /* unchanged */
    TZ_RULE_UNDEFINED, /* lost; of the return address: there is no caller */
    TZ_RULE_OFFSET,    /* in memory at CFA + value */
    TZ_RULE_VALUE,     /* CFA + value */
    TZ_RULE_REGISTER,  /* in register `value` */
    TZ_RULE_AT_EXPR,   /* in memory where the expression says */
    TZ_RULE_EXPR,      /* what the expression says */
};

/* The rules that hold at one pc. Expressions are addresses of a ULEB128 length and that many bytes. */
typedef struct tz_cfi_row {
    uint8_t rule[TZ_REGS];
    bool cfa_is_expr;
    bool signal_frame; /* of a signal's trampoline: the caller is where the signal came */
    bool signed_ra;    /* the return address is signed (aarch64) */
    uint32_t cfa_reg;
    intptr_t cfa_offset; /* or the expression */
    intptr_t value[TZ_REGS];
} tz_cfi_row;

/* The rules at `at`, which must be within the function (a return address less 1). False: there are none, or
 * they can't be understood. */
bool tz_cfi_find(const tz_object *o, uintptr_t at, tz_cfi_row *row);

/* Evaluates a DWARF expression. push: the CFA is on the stack to begin with. */
bool tz_expr_eval(intptr_t expr, const tz_regs *regs, const tz_bounds *b, bool push, uintptr_t cfa,
                  uintptr_t *result);

/* Reading encoded numbers: *p moves on. No check against an end: the file is trusted. */
uintptr_t tz_leb_u(const uint8_t **p);
intptr_t tz_leb_s(const uint8_t **p);

#endif /* TZ_CFI_H */
