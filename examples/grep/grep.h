/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The parts of the grep example and what flows between them.
 *
 *     walker --starts--> one goroutine for each file --pieces--> printer
 *        |                                                          ^
 *        +------------- order: each file's channel, in order -------+
 *
 * The walker (walk.c) reads directories. For each file it takes a searcher
 * out of a channel that holds -j of them, which makes that channel both the
 * counting semaphore that bounds the open files and the free list of compiled
 * patterns; it queues a channel for the file's results on `order` and starts
 * a goroutine (search.c) that sends pieces of output there. The printer
 * (output.c), the main goroutine, takes the channels off `order` one by one
 * and empties each before it looks at the next, so that the output does not
 * depend on who ran when.
 *
 * It cannot deadlock: searchers are handed out in the order of printing, so
 * the file that the printer waits for always has one. Memory is bounded: the
 * capacity of `order` limits how many files lie between walker and printer,
 * and each of them holds at most two pieces.
 *
 * Every open, read and readdir is an ordinary blocking call.
 */
#ifndef EXAMPLE_GREP_H
#define EXAMPLE_GREP_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <tuza.h>

/* Settings of the run: constant once the walker has been started. */
struct options {
    const char *patterns; /* one a line */
    bool ignore_case;     /* -i */
    bool fixed;           /* -F */
    size_t jobs;          /* -j: how many files are open at once */
    char **operands;      /* the files and directories to search */
    size_t operand_count;
    bool strip_dot;   /* no operand was given: "./" is searched and not shown */
    bool out_regular; /* standard output is a regular file: out_stat says which */
    struct stat out_stat;
};

/* text.c: growing text; running out of memory ends the process with a message. */
struct text {
    char *at;
    size_t len, cap;
};
void *must_alloc(size_t size);
void *must_realloc(void *old, size_t size);
void text_add(struct text *t, const char *bytes, size_t len);
void text_add_string(struct text *t, const char *string);
void text_add_number(struct text *t, unsigned long number);
/* Adds "grep: NAME: what errno value err means", the way every error looks. */
void text_add_error(struct text *t, const char *name, int err);

/* match.c: compiled patterns, used by one goroutine at a time. */
struct matcher;
/* NULL where a pattern is wrong; then *why says how. */
struct matcher *matcher_new(const struct options *o, struct text *why);
/*
 * The first matching line of the whole lines [at, end), and its newline in
 * *line_end; NULL where none matches. It writes over newlines while it looks,
 * and puts them back.
 */
char *matcher_next(struct matcher *m, char *at, char *end, char **line_end);

/* A part of a file's results; the receiver frees the text. */
struct piece {
    struct text text;
    bool is_message; /* goes to standard error */
    bool is_error;   /* and makes the exit code 2 */
    unsigned long matches;
};

/* A file's results. */
typedef TUZA_CHAN(struct piece) results;

/* search.c: one file. */
struct searcher {
    struct matcher *matcher;
    char *buffer; /* allocated at first use, kept from file to file */
    size_t cap;
};
struct job {
    const struct options *options;
    char *path;
    bool is_operand; /* named by the user: links are followed, devices read */
    bool show_name;
    struct searcher *searcher;
    TUZA_CHAN(struct searcher *) searchers; /* where the searcher goes back */
    results pieces;                         /* closed after the last one */
};
/* A goroutine's body: searches the job's file, and frees the job. */
void search_job(void *job);

/* walk.c */
struct walk {
    const struct options *options;
    TUZA_CHAN(struct searcher *) searchers;
    TUZA_CHAN(results) order; /* each a reference; closed at the end */
};
/* A goroutine's body: walks all operands. */
void walk_operands(void *walk);

/* output.c: prints all that comes; returns grep's exit code. */
int print_in_order(TUZA_CHAN(results) order);

/* path.c: open for paths of any length. */
int open_path(const char *path, int flags);

#endif /* EXAMPLE_GREP_H */
