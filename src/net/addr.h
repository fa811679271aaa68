/* SPDX-License-Identifier: BSD-3-Clause */
/* Networks and addresses as text, and what they stand for. */
#ifndef TZ_ADDR_H
#define TZ_ADDR_H

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "tuza/context.h"

typedef struct tz_addr {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un un;
    };
    socklen_t len;
} tz_addr;

typedef struct tz_network {
    const char *name;
    int family; /* AF_UNSPEC: either IP */
    int type;
} tz_network;

/* NULL: no such network. */
const tz_network *tz_network_find(const char *name);

/* The addresses that a text stands for, for free(); *n is how many, > 0. Waits, parked or not, for name
 * servers; gives up when ctx (or NULL) is done. listening: no host is every address, else it is this
 * machine. 0 or a negative errno, TUZA_ENONAME... */
int tz_addr_resolve(tuza_context *ctx, const tz_network *net, const char *text, bool listening,
                    tz_addr **list, size_t *n);

#endif /* TZ_ADDR_H */
