/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reads .eh_frame: the function's entry by the sorted table of .eh_frame_hdr,
 * then the program that builds the row of rules for one pc.
 *
 * Understood is what compilers and linkers for our CPUs write: pointers
 * relative to their place or to the table, augmentations z, R, P, L, S and B.
 * For anything else there are no rules, and the caller has to do without.
 */
#include "trace/cfi.h"

#include <string.h>

enum { /* pointer encodings */
       ENC_OMIT = 0xff,
       ENC_ABS = 0x00,
       ENC_ULEB = 0x01,
       ENC_U2 = 0x02,
       ENC_U4 = 0x03,
       ENC_U8 = 0x04,
       ENC_SLEB = 0x09,
       ENC_S2 = 0x0a,
       ENC_S4 = 0x0b,
       ENC_S8 = 0x0c,
       ENC_PCREL = 0x10,
       ENC_DATAREL = 0x30,
       ENC_INDIRECT = 0x80,
};

uintptr_t tz_leb_u(const uint8_t **p)
{
    uintptr_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*p)++;
        if (shift < 64)
            value |= (uintptr_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    return value;
}

intptr_t tz_leb_s(const uint8_t **p)
{
    uintptr_t value = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = *(*p)++;
        if (shift < 64)
            value |= (uintptr_t)(byte & 0x7f) << shift;
        shift += 7;
    } while (byte & 0x80);
    if ((byte & 0x40) && shift < 64)
        value |= ~(uintptr_t)0 << shift;
    return (intptr_t)value;
}

#define READ(type, p)                       \
    __extension__({                         \
        type read_;                         \
        memcpy(&read_, *(p), sizeof read_); \
        *(p) += sizeof read_;               \
        read_;                              \
    })

/* A pointer in some encoding; false: one we don't know. base is what DATAREL means. */
static bool pointer(const uint8_t **p, unsigned enc, uintptr_t base, uintptr_t *value)
{
    uintptr_t place = (uintptr_t)*p;
    switch (enc & 0x0f) {
    case ENC_ABS:
    case ENC_U8:
        *value = (uintptr_t)READ(uint64_t, p);
        break;
    case ENC_ULEB:
        *value = tz_leb_u(p);
        break;
    case ENC_U2:
        *value = READ(uint16_t, p);
        break;
    case ENC_U4:
        *value = READ(uint32_t, p);
        break;
    case ENC_SLEB:
        *value = (uintptr_t)tz_leb_s(p);
        break;
    case ENC_S2:
        *value = (uintptr_t)(intptr_t)READ(int16_t, p);
        break;
    case ENC_S4:
        *value = (uintptr_t)(intptr_t)READ(int32_t, p);
        break;
    case ENC_S8:
        *value = (uintptr_t)READ(int64_t, p);
        break;
    default:
        return false;
    }
    switch (enc & 0x70) {
    case 0:
        return true;
    case ENC_PCREL:
        *value += place;
        return true;
    case ENC_DATAREL:
        *value += base;
        return base != 0;
    default:
        return false;
    }
}

typedef struct cie {
    uintptr_t code_align;
    intptr_t data_align;
    uintptr_t ra;
    unsigned fde_enc;
    bool has_augmentation, signal_frame;
    const uint8_t *program, *end;
} cie;

/* The length of an entry; NULL: none, or one of the 64-bit kind, which nobody writes here. */
static const uint8_t *entry_end(const uint8_t **p)
{
    uint32_t length = READ(uint32_t, p);
    return length == 0 || length == 0xffffffffu ? NULL : *p + length;
}

static bool read_cie(const uint8_t *p, cie *c)
{
    c->end = entry_end(&p);
    if (!c->end || READ(uint32_t, &p) != 0)
        return false;
    uint8_t version = *p++;
    if (version != 1 && version != 3)
        return false;
    const char *augmentation = (const char *)p;
    p += strlen(augmentation) + 1;
    c->code_align = tz_leb_u(&p);
    c->data_align = tz_leb_s(&p);
    c->ra = version == 1 ? *p++ : tz_leb_u(&p);
    c->fde_enc = ENC_ABS;
    c->has_augmentation = augmentation[0] == 'z';
    c->signal_frame = false;
    if (augmentation[0] && !c->has_augmentation)
        return false;
    if (c->has_augmentation) {
        uintptr_t length = tz_leb_u(&p);
        c->program = p + length;
    }
    for (const char *a = augmentation + c->has_augmentation; *a; a++) {
        uintptr_t ignored;
        switch (*a) {
        case 'R':
            c->fde_enc = *p++;
            break;
        case 'P': {
            unsigned enc = *p++;
            if (!pointer(&p, enc & 0x7f, 0, &ignored))
                return false;
            break;
        }
        case 'L':
            p++;
            break;
        case 'S':
            c->signal_frame = true;
            break;
        case 'B': /* return addresses are signed with the other key: nothing to us */
        case 'G':
            break;
        default:
            return false;
        }
    }
    if (!c->has_augmentation)
        c->program = p;
    return c->ra == TZ_REG_RA;
}

/* The function's entry, by the sorted table: pairs of its start and its entry's address, both relative to the
 * table's section. NULL: none that could hold `at`. */
static const uint8_t *find_fde(const uint8_t *hdr, uintptr_t at)
{
    if (hdr[0] != 1)
        return NULL;
    const uint8_t *p = hdr + 4;
    uintptr_t base = (uintptr_t)hdr, ignored, count;
    if (hdr[1] == ENC_OMIT || hdr[2] == ENC_OMIT || hdr[3] != (ENC_DATAREL | ENC_S4))
        return NULL;
    if (!pointer(&p, hdr[1], base, &ignored) || !pointer(&p, hdr[2], base, &count))
        return NULL;
    const uint8_t *table = p;
    uintptr_t low = 0, high = count;
    while (low < high) {
        uintptr_t middle = low + (high - low) / 2;
        p = table + 8 * middle;
        if (base + (uintptr_t)(intptr_t)READ(int32_t, &p) <= at)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0)
        return NULL;
    p = table + 8 * (low - 1) + 4;
    return hdr + READ(int32_t, &p);
}

#define REMEMBERED 4 /* compilers nest this once */

typedef struct machine {
    const cie *c;
    tz_cfi_row *row;
    tz_cfi_row initial;
    tz_cfi_row remembered[REMEMBERED];
    unsigned depth;
    uintptr_t loc, at;
} machine;

static void set_rule(machine *m, uintptr_t reg, unsigned rule, intptr_t value)
{
    if (reg >= TZ_REGS) /* a floating-point register */
        return;
    m->row->rule[reg] = (uint8_t)rule;
    m->row->value[reg] = value;
}

static void restore_rule(machine *m, uintptr_t reg)
{
    if (reg < TZ_REGS)
        set_rule(m, reg, m->initial.rule[reg], m->initial.value[reg]);
}

static intptr_t skip_block(const uint8_t **p)
{
    intptr_t block = (intptr_t)*p;
    uintptr_t length = tz_leb_u(p);
    *p += length;
    return block;
}

/* Operations on the CFA. False: not one of these. */
static bool operate_cfa(machine *m, uint8_t op, const uint8_t **p)
{
    tz_cfi_row *row = m->row;
    intptr_t align = m->c->data_align;
    switch (op) {
    case 0x0c: /* def_cfa */
        row->cfa_reg = (uint32_t)tz_leb_u(p);
        row->cfa_offset = (intptr_t)tz_leb_u(p);
        row->cfa_is_expr = false;
        return true;
    case 0x0d: /* def_cfa_register */
        row->cfa_reg = (uint32_t)tz_leb_u(p);
        return true;
    case 0x0e: /* def_cfa_offset */
        row->cfa_offset = (intptr_t)tz_leb_u(p);
        return true;
    case 0x0f: /* def_cfa_expression */
        row->cfa_offset = skip_block(p);
        row->cfa_is_expr = true;
        return true;
    case 0x12: /* def_cfa_sf */
        row->cfa_reg = (uint32_t)tz_leb_u(p);
        row->cfa_offset = tz_leb_s(p) * align;
        row->cfa_is_expr = false;
        return true;
    case 0x13: /* def_cfa_offset_sf */
        row->cfa_offset = tz_leb_s(p) * align;
        return true;
    default:
        return false;
    }
}

/* Operations on the rule of one register, whose number comes first. False: not one of these. */
static bool operate_reg(machine *m, uint8_t op, const uint8_t **p)
{
    intptr_t align = m->c->data_align;
    const uint8_t *at = *p;
    uintptr_t reg = tz_leb_u(&at);
    switch (op) {
    case 0x05: /* offset_extended */
        set_rule(m, reg, TZ_RULE_OFFSET, (intptr_t)tz_leb_u(&at) * align);
        break;
    case 0x06: /* restore_extended */
        restore_rule(m, reg);
        break;
    case 0x07: /* undefined */
        set_rule(m, reg, TZ_RULE_UNDEFINED, 0);
        break;
    case 0x08: /* same_value */
        set_rule(m, reg, TZ_RULE_SAME, 0);
        break;
    case 0x09: /* register */
        set_rule(m, reg, TZ_RULE_REGISTER, (intptr_t)tz_leb_u(&at));
        break;
    case 0x10: /* expression */
        set_rule(m, reg, TZ_RULE_AT_EXPR, skip_block(&at));
        break;
    case 0x11: /* offset_extended_sf */
        set_rule(m, reg, TZ_RULE_OFFSET, tz_leb_s(&at) * align);
        break;
    case 0x14: /* val_offset */
        set_rule(m, reg, TZ_RULE_VALUE, (intptr_t)tz_leb_u(&at) * align);
        break;
    case 0x15: /* val_offset_sf */
        set_rule(m, reg, TZ_RULE_VALUE, tz_leb_s(&at) * align);
        break;
    case 0x16: /* val_expression */
        set_rule(m, reg, TZ_RULE_EXPR, skip_block(&at));
        break;
    default:
        return false;
    }
    *p = at;
    return true;
}

/* What is not packed into two bits and an operand. False: unknown. */
static bool operate(machine *m, uint8_t op, const uint8_t **p)
{
    switch (op) {
    case 0x00: /* nop */
        return true;
    case 0x01: /* set_loc */
        return pointer(p, m->c->fde_enc, 0, &m->loc);
    case 0x02: /* advance_loc1 */
        m->loc += READ(uint8_t, p) * m->c->code_align;
        return true;
    case 0x03: /* advance_loc2 */
        m->loc += READ(uint16_t, p) * m->c->code_align;
        return true;
    case 0x04: /* advance_loc4 */
        m->loc += READ(uint32_t, p) * m->c->code_align;
        return true;
    case 0x0a: /* remember_state */
        if (m->depth == REMEMBERED)
            return false;
        m->remembered[m->depth++] = *m->row;
        return true;
    case 0x0b: /* restore_state */
        if (m->depth == 0)
            return false;
        *m->row = m->remembered[--m->depth];
        return true;
    case 0x2d: /* aarch64: the return address is signed from here on, or not any more */
        m->row->signed_ra = !m->row->signed_ra;
        return true;
    case 0x2e: /* args_size */
        (void)tz_leb_u(p);
        return true;
    default:
        return operate_cfa(m, op, p) || operate_reg(m, op, p);
    }
}

/* Runs instructions up to the first that holds only beyond `at`. */
static bool run(machine *m, const uint8_t *p, const uint8_t *end)
{
    while (p < end && m->loc <= m->at) {
        uint8_t op = *p++;
        unsigned low = op & 0x3f;
        switch (op >> 6) {
        case 1: /* advance_loc */
            m->loc += low * m->c->code_align;
            break;
        case 2: /* offset */
            set_rule(m, low, TZ_RULE_OFFSET, (intptr_t)tz_leb_u(&p) * m->c->data_align);
            break;
        case 3: /* restore */
            restore_rule(m, low);
            break;
        default:
            if (!operate(m, op, &p))
                return false;
        }
    }
    return true;
}

typedef struct fde {
    cie c;
    uintptr_t start, length;
    const uint8_t *program, *end;
} fde;

/* False: it is none (but a CIE), or can't be understood. */
static bool read_fde(const uint8_t *p, fde *f)
{
    f->end = entry_end(&p);
    if (!f->end)
        return false;
    const uint8_t *id = p;
    uint32_t back = READ(uint32_t, &p);
    if (back == 0 || !read_cie(id - back, &f->c) || !pointer(&p, f->c.fde_enc, 0, &f->start) ||
        !pointer(&p, f->c.fde_enc & 0x0f, 0, &f->length))
        return false;
    if (f->c.has_augmentation) {
        uintptr_t skip = tz_leb_u(&p);
        p += skip;
    }
    f->program = p;
    return true;
}

/* Without a table one entry after the other. */
static bool search_fdes(const tz_object *o, uintptr_t at, fde *f)
{
    const uint8_t *p = o->eh_frame;
    while (p && p + 8 <= o->eh_frame_end) {
        const uint8_t *next = p;
        const uint8_t *end = entry_end(&next);
        if (!end || end > o->eh_frame_end)
            return false;
        if (read_fde(p, f) && at - f->start < f->length)
            return true;
        p = end;
    }
    return false;
}

bool tz_cfi_find(const tz_object *o, uintptr_t at, tz_cfi_row *row)
{
    fde f;
    if (o->eh_frame_hdr) {
        const uint8_t *p = find_fde(o->eh_frame_hdr, at);
        if (!p || !read_fde(p, &f) || at - f.start >= f.length)
            return false;
    } else if (!search_fdes(o, at, &f)) {
        return false;
    }
    memset(row, 0, sizeof *row);
    row->signal_frame = f.c.signal_frame;
    row->rule[TZ_REG_SP] = TZ_RULE_VALUE; /* the caller's stack pointer is the CFA */
    machine m;
    m.c = &f.c;
    m.row = row;
    m.depth = 0;
    m.loc = 0;
    m.at = at;
    if (!run(&m, f.c.program, f.c.end))
        return false;
    m.initial = *row;
    m.loc = f.start;
    return run(&m, f.program, f.end);
}
