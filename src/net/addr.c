/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * From text to addresses. Numeric ones are read at once; for names there is
 * getaddrinfo, which knows all that the machine's owner has set up. It blocks
 * its thread, whose P others take. It can't be called off: with a context
 * that may end it runs in a goroutine of its own, which outlives a caller
 * that gives up, and then throws the answer away.
 */
#include "net/addr.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>

#include "base/atomic.h"
#include "context/context.h"
#include "tuza/chan.h"
#include "tuza/go.h"
#include "tuza/net.h"

const tz_network *tz_network_find(const char *name)
{
    static const tz_network all[] = {
        {"tcp", AF_UNSPEC, SOCK_STREAM},         {"tcp4", AF_INET, SOCK_STREAM},
        {"tcp6", AF_INET6, SOCK_STREAM},         {"udp", AF_UNSPEC, SOCK_DGRAM},
        {"udp4", AF_INET, SOCK_DGRAM},           {"udp6", AF_INET6, SOCK_DGRAM},
        {"unix", AF_UNIX, SOCK_STREAM},          {"unixgram", AF_UNIX, SOCK_DGRAM},
        {"unixpacket", AF_UNIX, SOCK_SEQPACKET},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i];
    return NULL;
}

static int unix_address(const char *path, tz_addr **list, size_t *n)
{
    size_t len = strlen(path);
    if (len == 0)
        return -EINVAL;
    if (len > sizeof(*list)->un.sun_path - (path[0] != '@')) /* an abstract name has no end mark */
        return -ENAMETOOLONG;
    tz_addr *a = calloc(1, sizeof *a);
    if (!a)
        return -ENOMEM;
    a->un.sun_family = AF_UNIX;
    memcpy(a->un.sun_path, path, len);
    if (path[0] == '@')
        a->un.sun_path[0] = 0;
    a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] != '@'));
    *list = a;
    *n = 1;
    return 0;
}

/* A number that is a port, or what can be a service's name: getaddrinfo passes over blanks and signs, and
 * takes of a larger number what fits. */
static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (text[digits])
        return digits || (text[0] >= 'a' && text[0] <= 'z') || (text[0] >= 'A' && text[0] <= 'Z');
    unsigned long n = strtoul(text, NULL, 10); /* what is too large is ULONG_MAX */
    return digits && n <= UINT16_MAX;
}

/* "host:port", "[host]:port"; copies, for free(), both in *host. */
static int split(const char *text, char **host, char **port)
{
    char *copy = strdup(text);
    if (!copy)
        return -ENOMEM;
    char *colon = strrchr(copy, ':');
    if (copy[0] == '[') {
        char *end = strchr(copy, ']');
        if (!end || end + 1 != colon)
            goto malformed;
        *end = 0;
        memmove(copy, copy + 1, (size_t)(end - copy));
    } else if (!colon || strchr(copy, ':') != colon) {
        goto malformed;
    }
    *colon = 0;
    if (!is_port(colon + 1))
        goto malformed;
    *host = copy;
    *port = colon + 1;
    return 0;
malformed:
    free(copy);
    return -EINVAL;
}

/* errno was 0 before the lookup. */
static int error_of(int eai)
{
    /* For want of these what is asked for names is not there, which is then told as if the name were not. */
    if (eai && (errno == EMFILE || errno == ENFILE || errno == ENOMEM))
        return -errno;
    switch (eai) {
    case 0:
        return 0;
    case EAI_SYSTEM:
        return errno ? -errno : TUZA_ENAMEFAIL;
    case EAI_MEMORY:
        return -ENOMEM;
    case EAI_AGAIN:
        return TUZA_EAGAIN;
    case EAI_NONAME:
    case EAI_SERVICE:
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
        return TUZA_ENONAME;
    default:
        return TUZA_ENAMEFAIL;
    }
}

typedef struct lookup {
    char *host, *port; /* port is in host */
    struct addrinfo hints;
    struct addrinfo *found;
    int err;
    uint32_t refs;        /* atomic: the caller and the goroutine */
    tz_context_node node; /* the caller's: on its context */
    tuza_chan *end;       /* of both: one element each: whether the answer is there */
} lookup;

static void drop(lookup *l)
{
    if (tz_sub_acq_rel(&l->refs, 1) != 1)
        return;
    if (l->found)
        freeaddrinfo(l->found);
    tuza_chan_unref(l->end);
    free(l->host);
    free(l);
}

static void ask(lookup *l)
{
    errno = 0;
    l->err = error_of(getaddrinfo(*l->host ? l->host : NULL, l->port, &l->hints, &l->found));
}

static void ask_apart(void *arg)
{
    lookup *l = arg;
    ask(l);
    tuza_chan_send(l->end, &(bool){true});
    drop(l);
}

static void given_up(tz_context_node *n)
{
    tuza_chan_send(TZ_CONTAINER_OF(n, lookup, node)->end, &(bool){false});
}

/* Asks where it may take long, for as long as ctx, which is not NULL, lets us. */
static int ask_with(tuza_context *ctx, lookup *l)
{
    l->end = tuza_chan_make(sizeof(bool), 2);
    l->node.done = given_up;
    if (!tz_context_watch(ctx, &l->node))
        return tuza_context_err(ctx);
    l->refs = 2;
    int err = tuza_go(ask_apart, l);
    bool answered = false;
    if (err == 0)
        tuza_chan_recv(l->end, &answered);
    else
        l->refs = 1;
    tz_context_unwatch(ctx, &l->node);
    if (err < 0)
        return err;
    return answered ? l->err : tuza_context_err(ctx);
}

static int copy(const struct addrinfo *found, tz_addr **list, size_t *n)
{
    size_t count = 0;
    for (const struct addrinfo *a = found; a; a = a->ai_next)
        count += a->ai_addrlen <= sizeof(tz_addr) - offsetof(tz_addr, any);
    if (count == 0)
        return TUZA_ENONAME;
    tz_addr *to = calloc(count, sizeof *to);
    if (!to)
        return -ENOMEM;
    *list = to;
    *n = count;
    for (const struct addrinfo *a = found; a; a = a->ai_next) {
        if (a->ai_addrlen > sizeof(struct sockaddr_un))
            continue;
        memcpy(&to->any, a->ai_addr, a->ai_addrlen);
        to->len = a->ai_addrlen;
        to++;
    }
    return 0;
}

int tz_addr_resolve(tuza_context *ctx, const tz_network *net, const char *text, bool listening,
                    tz_addr **list, size_t *n)
{
    if (net->family == AF_UNIX)
        return unix_address(text, list, n);
    lookup *l = calloc(1, sizeof *l);
    if (!l)
        return -ENOMEM;
    l->refs = 1;
    int err = split(text, &l->host, &l->port);
    if (err < 0) {
        free(l);
        return err;
    }
    l->hints.ai_family = net->family;
    l->hints.ai_socktype = net->type;
    l->hints.ai_flags = AI_NUMERICHOST | (listening ? AI_PASSIVE : 0);
    ask(l);
    if (l->err == TUZA_ENONAME && *l->host) {
        l->hints.ai_flags &= ~AI_NUMERICHOST;
        if (ctx)
            err = ask_with(ctx, l);
        else
            ask(l);
    }
    if (!l->end)
        err = l->err;
    if (err == 0)
        err = copy(l->found, list, n);
    drop(l);
    return err;
}
