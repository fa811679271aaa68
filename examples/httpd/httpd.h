/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of the file server and what flows between them.
 *
 *     main.c      reads the command line, listens, waits for a signal, drains
 *     server.c    accepts; knows every connection; tells them when to end
 *     conn.c      one goroutine for each connection: read, answer, again
 *     request.c   what the client asks for, out of llhttp's callbacks
 *     answer.c    which answer a request gets
 *     range.c     ranges of a file, one or several
 *     output.c    heads and bodies on their way to the client
 *     file.c      opens files beneath the root, and keeps them open for a moment
 *     listing.c   a directory as a page
 *     status.c    /debug/tuza: the runtime as a page
 *     path.c, date.c, type.c, text.c   their names say it
 *
 * Everything is written straight down, as for one client: a read waits for
 * the client, a write waits until it has gone, and meanwhile the thread runs
 * other connections. Files are opened and read by ordinary blocking calls.
 *
 * A connection's state belongs to its goroutine. Shared are the table of open
 * files and the list of connections, each under a mutex of tuza's: who waits
 * for it is parked, and its thread runs others.
 */
#ifndef EXAMPLE_HTTPD_H
#define EXAMPLE_HTTPD_H

#include <llhttp.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <tuza.h>

enum {
    INPUT_SIZE = 16 * 1024,  /* a request's head, and its body where it has one, must fit */
    OUTPUT_SIZE = 16 * 1024, /* answers that are gathered into one write */
    SMALL_FILE = 16 * 1024,  /* files up to this size are kept in memory while they are known */
    FIELDS_MAX = 100,        /* of a head */
    RANGES_MAX = 16,
    ETAG_SIZE = 64,
    DATE_SIZE = 32,
};

/* Settings of the run: constant once it accepts. */
struct options {
    int root;           /* the directory that is served, opened */
    bool stepwise;      /* open paths step by step, following no links */
    bool listings;      /* directories without index.html are shown as pages */
    bool status;        /* there is /debug/tuza */
    int64_t head_ns;    /* a head must be complete so long after its first byte */
    int64_t idle_ns;    /* a connection is kept open between two requests */
    int64_t write_ns;   /* a client may stand still while it is sent something */
    int64_t cache_ns;   /* what was found at a path is not looked at again for so long */
    int64_t grace_ns;   /* while draining: how long a connection may be silent */
    int64_t drain_ns;   /* and how long it may last altogether */
    size_t connections; /* no more of them */
    size_t files;       /* kept open, no more */
};
extern struct options options;

/* text.c: growing text. Short of memory it stays as it is, and says so by `failed`. */
struct text {
    char *at;
    size_t len, cap;
    bool failed;
};
void text_add(struct text *t, const char *bytes, size_t len);
void text_string(struct text *t, const char *string);
void text_format(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_html(struct text *t, const char *string); /* as text of a page, or an attribute's value */
void text_url(struct text *t, const char *path);    /* as a path in a reference */

/* date.c: the form of dates in HTTP. */
void date_format(char out[DATE_SIZE], time_t when); /* "Sun, 06 Nov 1994 08:49:37 GMT" and NUL */
/* Reads that form or one of the two older ones; false: it is none. */
bool date_parse(const char *text, size_t len, time_t *when);

/* type.c: by the name's ending. */
const char *type_of(const char *path);

/* path.c: the path of a request's target, decoded: without the leading "/", "." for the root. */
enum path_result { PATH_FINE, PATH_BAD, PATH_TOO_LONG };
struct path {
    char text[1024]; /* NUL-terminated */
    size_t len;
    bool slash; /* the target ends with "/": a directory is meant */
};
enum path_result path_decode(struct path *p, const char *target, size_t len);

/* file.c: something that can be sent, or a directory. Immutable; counted references. */
struct file {
    atomic_uint refs;
    int fd; /* of a regular file; -1 where content has all of it, and for directories */
    bool is_directory;
    off_t size;
    time_t modified;
    struct {
        dev_t device;
        ino_t inode;
        int64_t modified, changed;
    } id; /* by which it is known again */
    const char *type;
    const char *content; /* NULL: to be read from fd */
    char etag[ETAG_SIZE];
    char modified_text[DATE_SIZE];
    char *head; /* the head of a 200 answer, without Date and what may follow it */
    size_t head_len;
    /* The table's. */
    struct file *next;
    int64_t until; /* good until then */
    uint64_t hash;
    size_t path_len;
    char path[];
};
void files_init(void);
/*
 * What is at the path, which must lie beneath the root, links followed or
 * not. Returns a file with a reference for the caller, or NULL, and then
 * *status is the answer's code: 404, 403, 503. *now is the time, and is so
 * again afterwards, where the file had to be opened.
 */
struct file *file_get(const struct path *p, int64_t *now, int *status);
void file_put(struct file *f);
/* Closes what nobody uses just now: descriptors have run short. */
void files_forget(void);
/* Opens what is at the path beneath the root: a descriptor, or a negative errno. */
int open_beneath(const char *path, int flags);

/* request.c: a part of the request, as a place in the input. */
struct slice {
    uint32_t at, len;
};
enum field {
    FIELD_HOST,
    FIELD_RANGE,
    FIELD_IF_RANGE,
    FIELD_IF_MATCH,
    FIELD_IF_NONE_MATCH,
    FIELD_IF_MODIFIED_SINCE,
    FIELD_IF_UNMODIFIED_SINCE,
    FIELD_TRANSFER_ENCODING,
    FIELD_EXPECT,
    FIELDS,
    FIELD_OTHER = FIELDS
};
struct request {
    const char *base; /* where the request begins in the input, just now */
    struct slice target;
    struct slice fields[FIELDS]; /* at == 0: not there; of a list the first line */
    struct slice name, value;    /* the field that is being read */
    uint32_t fields_end;         /* of the head */
    unsigned field_count;
    bool in_value;
    bool target_read; /* all of the target is there */
    bool head_read;   /* and of the head */
    bool complete;
    bool waits; /* the client sends the body when it has been told to */
    bool keep;  /* the connection may go on after it */
    int status; /* not 0: wrong, and this is the answer's code */
};
struct conn;
void request_setup(void);           /* once */
void request_init(struct conn *c);  /* for each connection */
void request_begin(struct conn *c); /* for each request */
/* Goes on reading: of the len bytes at base, where the request begins, `seen` have been read before. Returns
 * how many have been read now: all, or where the request ends. */
size_t request_parse(struct conn *c, const char *base, size_t len, size_t seen);
/* The field's next value behind this one, in a line of its own: both are one list. False: there is none. */
bool request_more(const struct request *r, enum field which, struct slice *value);
static inline const char *request_text(const struct request *r, struct slice s)
{
    return r->base + s.at;
}

/* What a connection counts; its goroutine writes, others peek. */
enum count { COUNT_REQUESTS, COUNT_2XX, COUNT_3XX, COUNT_4XX, COUNT_5XX, COUNT_SENT, COUNTS };
struct counts {
    atomic_uint_fast64_t n[COUNTS];
};
static inline void count_add(struct counts *c, enum count which, uint64_t n)
{
    /* One writer: no read-modify-write is needed. */
    atomic_store_explicit(&c->n[which], atomic_load_explicit(&c->n[which], memory_order_relaxed) + n,
                          memory_order_relaxed);
}
static inline uint64_t count_get(const struct counts *c, enum count which)
{
    return atomic_load_explicit(&c->n[which], memory_order_relaxed);
}

struct buffers {
    char in[INPUT_SIZE];
    char out[OUTPUT_SIZE];
    struct path path;
};

struct conn {
    int fd;
    llhttp_t parser;
    struct request request;
    tuza_reader in;
    struct buffers *buffers; /* NULL while it is silent for long */
    size_t length;           /* of the request, in the input */
    size_t out_len;          /* in buffers->out, not yet written */
    bool broken;             /* it can't be written to any more */
    bool close;              /* it ends after this answer */
    int64_t now;             /* a moment ago: looked at after whatever may have taken long */
    int64_t read_deadline;   /* as set on fd */
    int64_t write_deadline;
    time_t date; /* for which date_text is right */
    char date_line[DATE_SIZE + 16];
    size_t date_len;
    struct counts counts;
    struct conn *next, **prev; /* of the server's list, under its lock */
};

/* conn.c: a goroutine's body. */
void conn_serve(void *conn);

/* server.c */
struct totals {
    uint64_t n[COUNTS];
    uint64_t accepted, refused, open;
};
int server_listen(const char *address); /* 0 or a negative errno */
/* Its URL, as a client would spell it. */
const char *server_url(void);
/* A goroutine's body: accepts until the server drains. events gets EVENT_... */
void server_accept(void *unused);
void server_init(TUZA_CHAN(int) events);
/* Takes nothing more than what is there, and lets each connection end. */
void server_drain(void);
/* Cuts off what is left. */
void server_cut(void);
bool server_draining(void);
void server_totals(struct totals *t);
/* The connection is over: closes it. */
void server_left(struct conn *c);
/* Between SIGINT's and its like's numbers. */
enum { EVENT_DRAINED = -1, EVENT_TIME = -2, EVENT_FAILED = -3 };

/* output.c: all of these give up quietly where the client is gone: c->broken. */
void output_flush(struct conn *c);
void output_add(struct conn *c, const char *bytes, size_t len);
void output_format(struct conn *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Part of a file. */
void output_file(struct conn *c, const struct file *f, off_t at, off_t len);
/* The status line and what every answer has. */
void output_head(struct conn *c, int status);
/* Connection, Date, and the empty line. */
void output_head_end(struct conn *c);
/* An answer as a page of text. */
void output_page(struct conn *c, int status, const char *type, const char *text, size_t len);
/* A page that says what the status code means. */
void output_error(struct conn *c, int status);
const char *status_text(int status);

/* answer.c */
void answer(struct conn *c);
/* The client waits with the body: it is told to send it, or the request has its answer (status) without. */
void answer_waiting(struct conn *c);

/* range.c */
struct range {
    off_t at, len;
};
void range_setup(void); /* once */
/* Reads a Range field for a file of this size. Returns how many ranges there are, 0: to be ignored, -1: none
 * of them lies in the file. */
int range_parse(struct range ranges[RANGES_MAX], const char *text, size_t len, off_t size);
void range_answer(struct conn *c, const struct file *f, const struct range *ranges, int n);

/* listing.c: false: not to be read (or no memory). */
bool listing_make(struct text *page, const struct path *p);

/* status.c */
void status_init(void);
void status_make(struct text *page);

#endif /* EXAMPLE_HTTPD_H */
