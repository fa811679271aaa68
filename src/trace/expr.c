/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * DWARF expressions, as unwind tables use them: the trampolines of signal
 * handlers, procedure linkage tables, functions that align their stack. A
 * stack machine of words; what reads memory does so with care.
 */
#include <string.h>

#include "trace/cfi.h"

#define DEPTH     32
#define STEPS_MAX 1000 /* expressions may loop; these don't for so long */

typedef struct stack {
    uintptr_t at[DEPTH];
    unsigned n;
} stack;

static bool push(stack *s, uintptr_t value)
{
    if (s->n == DEPTH)
        return false;
    s->at[s->n++] = value;
    return true;
}

static bool push_reg(stack *s, const tz_regs *regs, uintptr_t reg, intptr_t offset)
{
    return reg < TZ_REGS && (regs->known >> reg & 1) && push(s, regs->r[reg] + (uintptr_t)offset);
}

/* n bytes at *p as a number, *p moves on. */
static uintptr_t literal(const uint8_t **p, unsigned n, bool is_signed)
{
    uint64_t value = 0;
    memcpy(&value, *p, n);
    *p += n;
    unsigned shift = 64 - 8 * n;
    return is_signed ? (uintptr_t)((int64_t)(value << shift) >> shift) : (uintptr_t)value;
}

static bool binary(stack *s, uint8_t op)
{
    if (s->n < 2)
        return false;
    uintptr_t b = s->at[--s->n], *a = &s->at[s->n - 1];
    intptr_t sa = (intptr_t)*a, sb = (intptr_t)b;
    switch (op) {
    case 0x1a: /* and */
        *a &= b;
        return true;
    case 0x1b: /* div */
        if (b == 0 || (sa == INTPTR_MIN && sb == -1))
            return false;
        *a = (uintptr_t)(sa / sb);
        return true;
    case 0x1c: /* minus */
        *a -= b;
        return true;
    case 0x1d: /* mod */
        if (b == 0)
            return false;
        *a %= b;
        return true;
    case 0x1e: /* mul */
        *a *= b;
        return true;
    case 0x21: /* or */
        *a |= b;
        return true;
    case 0x22: /* plus */
        *a += b;
        return true;
    case 0x24: /* shl */
        *a = b < 64 ? *a << b : 0;
        return true;
    case 0x25: /* shr */
        *a = b < 64 ? *a >> b : 0;
        return true;
    case 0x26: /* shra */
        *a = (uintptr_t)(sa >> (b < 64 ? b : 63));
        return true;
    case 0x27: /* xor */
        *a ^= b;
        return true;
    case 0x29: /* eq */
        *a = sa == sb;
        return true;
    case 0x2a: /* ge */
        *a = sa >= sb;
        return true;
    case 0x2b: /* gt */
        *a = sa > sb;
        return true;
    case 0x2c: /* le */
        *a = sa <= sb;
        return true;
    case 0x2d: /* lt */
        *a = sa < sb;
        return true;
    default: /* 0x2e: ne */
        *a = sa != sb;
        return true;
    }
}

static bool unary(stack *s, uint8_t op, const uint8_t **p, const tz_bounds *b)
{
    if (s->n == 0)
        return false;
    uintptr_t *top = &s->at[s->n - 1];
    switch (op) {
    case 0x06: /* deref */
        return tz_read_word(b, *top, top);
    case 0x19: /* abs */
        *top = (intptr_t)*top < 0 ? 0 - *top : *top;
        return true;
    case 0x1f: /* neg */
        *top = 0 - *top;
        return true;
    case 0x20: /* not */
        *top = ~*top;
        return true;
    case 0x23: /* plus_uconst */
        *top += tz_leb_u(p);
        return true;
    case 0x94: { /* deref_size */
        unsigned size = *(*p)++;
        uintptr_t word;
        if (size > sizeof word || !tz_read_word(b, *top, &word))
            return false;
        *top = size == sizeof word ? word : word & (((uintptr_t)1 << 8 * size) - 1);
        return true;
    }
    default:
        return false;
    }
}

/* Those that shuffle the stack. */
static bool shuffle(stack *s, uint8_t op, const uint8_t **p)
{
    unsigned n = s->n, below;
    uintptr_t t;
    switch (op) {
    case 0x12: /* dup */
        return n >= 1 && push(s, s->at[n - 1]);
    case 0x13: /* drop */
        return n >= 1 && (s->n--, true);
    case 0x14: /* over */
        return n >= 2 && push(s, s->at[n - 2]);
    case 0x15: /* pick */
        below = *(*p)++;
        return below < n && push(s, s->at[n - 1 - below]);
    case 0x16: /* swap */
        if (n < 2)
            return false;
        t = s->at[n - 1];
        s->at[n - 1] = s->at[n - 2];
        s->at[n - 2] = t;
        return true;
    default: /* 0x17: rot */
        if (n < 3)
            return false;
        t = s->at[n - 1];
        s->at[n - 1] = s->at[n - 2];
        s->at[n - 2] = s->at[n - 3];
        s->at[n - 3] = t;
        return true;
    }
}

static bool constant(stack *s, uint8_t op, const uint8_t **p)
{
    switch (op) {
    case 0x03: /* addr */
        return push(s, literal(p, 8, false));
    case 0x10: /* constu */
        return push(s, tz_leb_u(p));
    case 0x11: /* consts */
        return push(s, (uintptr_t)tz_leb_s(p));
    default: /* const1u, const1s, const2u ... const8s */
        return push(s, literal(p, 1u << (op - 0x08) / 2, (op & 1) != 0));
    }
}

bool tz_expr_eval(intptr_t expr, const tz_regs *regs, const tz_bounds *b, bool with_cfa, uintptr_t cfa,
                  uintptr_t *result)
{
    const uint8_t *p = (const uint8_t *)expr;
    uintptr_t length = tz_leb_u(&p);
    const uint8_t *start = p, *end = p + length;
    stack s = {.n = 0};
    if (with_cfa)
        push(&s, cfa);
    for (int steps = 0; p < end; steps++) {
        uint8_t op = *p++;
        bool ok;
        if (steps == STEPS_MAX)
            return false;
        if (op >= 0x30 && op <= 0x4f) /* lit0 to lit31 */
            ok = push(&s, op - 0x30u);
        else if (op >= 0x70 && op <= 0x8f) /* breg0 to breg31 */
            ok = push_reg(&s, regs, op - 0x70u, tz_leb_s(&p));
        else if (op == 0x92) { /* bregx */
            uintptr_t reg = tz_leb_u(&p);
            ok = push_reg(&s, regs, reg, tz_leb_s(&p));
        } else if (op == 0x03 || (op >= 0x08 && op <= 0x11))
            ok = constant(&s, op, &p);
        else if (op >= 0x12 && op <= 0x17)
            ok = shuffle(&s, op, &p);
        else if (op == 0x28 || op == 0x2f) { /* bra, skip */
            intptr_t to = (intptr_t)literal(&p, 2, true);
            ok = op == 0x2f || s.n > 0;
            if (op == 0x2f || (ok && s.at[--s.n]))
                p += to;
            ok = ok && p >= start && p <= end;
        } else if (op == 0x06 || op == 0x19 || op == 0x1f || op == 0x20 || op == 0x23 || op == 0x94)
            ok = unary(&s, op, &p, b);
        else if (op >= 0x1a && op <= 0x2e)
            ok = binary(&s, op);
        else
            ok = op == 0x96; /* nop */
        if (!ok)
            return false;
    }
    if (s.n == 0)
        return false;
    *result = s.at[s.n - 1];
    return true;
}
