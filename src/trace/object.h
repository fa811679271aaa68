/* SPDX-License-Identifier: BSD-3-Clause */
/* The mapped ELF file that an address belongs to. */
#ifndef TZ_OBJECT_H
#define TZ_OBJECT_H

#include "base/base.h"

typedef struct tz_object {
    uintptr_t start, end;                   /* where it is mapped */
    const uint8_t *eh_frame_hdr;            /* NULL: it has none */
    const uint8_t *eh_frame, *eh_frame_end; /* where it has none; NULL: this neither */
    uintptr_t bias;                         /* address minus the file's own address */
    const char *name;                       /* its path; "" is the program */
} tz_object;

/* False: the address is in no file's mapping. Async-signal-safe. */
bool tz_object_find(uintptr_t at, tz_object *o);

#endif /* TZ_OBJECT_H */
