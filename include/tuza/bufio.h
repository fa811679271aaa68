/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Buffered reading and writing on descriptors: lines, pieces up to a
 * delimiter, looks ahead, printf.
 *
 *     char buf[4096];
 *     tuza_reader r;
 *     tuza_reader_init(&r, fd, buf, sizeof buf);
 *     char *line;
 *     size_t n;
 *     int err;
 *     while ((err = tuza_reader_line(&r, &line, &n)) > 0)
 *         ...
 *
 * A reader or writer is a struct of the program's, and belongs to one
 * goroutine at a time. Its buffer is the program's, or one that tuza makes
 * at its start; no call allocates. The descriptor stays the program's:
 * deadlines, contexts and tuza_cancel work as for tuza_read and tuza_write,
 * and neither closes it.
 *
 * What was read is never lost to an error: bytes that came before it are
 * given out first, and those that a call could not use stay in the buffer.
 * Errors of the descriptor are sticky, so that what was cut off can't pass
 * for whole; but after -ETIMEDOUT a reader tries again, where a later
 * deadline lets it.
 */
#ifndef TUZA_BUFIO_H
#define TUZA_BUFIO_H

#include <sys/types.h>

#include "tuza/base.h"

TUZA_BEGIN_DECLS

/* The size of a buffer for which none is given, and the least. */
#define TUZA_BUFIO_SIZE     4096
#define TUZA_BUFIO_SIZE_MIN 16

/* To be left alone but through the functions here; moving it is fine. */
typedef struct tuza_reader {
    char *buf;
    size_t size;
    size_t at; /* buf[at..end): read from fd and not given out */
    size_t end;
    int fd;
    int state; /* 0, a negative errno, or that the end has been seen: not yet told, or sticky */
    bool owns;
} tuza_reader;

/*
 * Makes a reader of the descriptor fd. Its buffer is the size bytes at buf,
 * or, where buf is NULL, size bytes (0: TUZA_BUFIO_SIZE) that tuza allocates.
 *
 * Blocks: never. Returns: 0; -EINVAL where size is less than
 * TUZA_BUFIO_SIZE_MIN (and not 0 as said); -ENOMEM.
 * Owns: buf stays the caller's, as long as the reader is used; a buffer that
 * tuza made goes with tuza_reader_free. Callable from: any thread.
 * Go: bufio.NewReaderSize.
 */
TUZA_API TUZA_MUST_CHECK int tuza_reader_init(tuza_reader *r, int fd, void *buf, size_t size) TUZA_NONNULL(1);

/*
 * Forgets what is buffered and every error, and reads from fd from now on:
 * the same buffer for the next connection.
 * Blocks: never. Callable from: any thread. Go: Reader.Reset.
 */
TUZA_API void tuza_reader_reset(tuza_reader *r, int fd) TUZA_NONNULL(1);

/*
 * Frees the buffer where tuza made it. The descriptor stays open. A reader
 * that is all zero may be freed.
 * Blocks: never. Callable from: any thread.
 */
TUZA_API void tuza_reader_free(tuza_reader *r) TUZA_NONNULL(1);

/*
 * How many bytes can be had without reading from the descriptor.
 * Blocks: never. Callable from: any thread. Go: Reader.Buffered.
 */
TUZA_API size_t tuza_reader_buffered(const tuza_reader *r) TUZA_NONNULL(1);

/*
 * As tuza_read: at most n bytes, out of the buffer; where that is empty, one
 * read fills it, or p itself if n is no less than its size.
 * tuza_reader_read_full reads n bytes and returns fewer only where the end or
 * an error comes: the next call tells which.
 *
 * Blocks: goroutine. Returns: the number of bytes, 0 at the end (or for
 * n == 0), or a negative errno. Callable from: any thread.
 * Go: Reader.Read, io.ReadFull.
 */
TUZA_API ssize_t tuza_reader_read(tuza_reader *r, void *p, size_t n) TUZA_NONNULL(1);
TUZA_API ssize_t tuza_reader_read_full(tuza_reader *r, void *p, size_t n) TUZA_NONNULL(1);

/*
 * Looks at the next n bytes, which stay to be read. *p points at them in the
 * buffer, and at all others that are buffered (tuza_reader_buffered) behind
 * them, until the next call with this reader. The program may write there.
 *
 * Blocks: goroutine, while fewer are buffered. Returns: n, or fewer where the
 * end comes before; -EMSGSIZE where n is more than the buffer holds; another
 * negative errno (what came before it stays to be read). *p is set always.
 * Callable from: any thread. Go: Reader.Peek.
 */
TUZA_API ssize_t tuza_reader_peek(tuza_reader *r, size_t n, char **p) TUZA_NONNULL(1, 3);

/*
 * Skips n bytes. Fewer are skipped only where the end or an error comes: the
 * next call tells which.
 *
 * Blocks: goroutine. Returns: how many, 0 at the end (or for n == 0), or a
 * negative errno. Callable from: any thread. Go: Reader.Discard.
 */
TUZA_API ssize_t tuza_reader_discard(tuza_reader *r, size_t n) TUZA_NONNULL(1);

/*
 * Reads up to the first delim, that included. *p points at the piece in the
 * buffer until the next call with this reader. What comes after the last
 * delim is returned without one: its last byte tells.
 *
 * Blocks: goroutine. Returns: the number of bytes; 0 at the end; -EMSGSIZE
 * where the buffer is full and has no delim, or another negative errno: then
 * all that came stays to be read, by another call. Callable from: any thread.
 * Go: Reader.ReadSlice.
 */
TUZA_API ssize_t tuza_reader_until(tuza_reader *r, char delim, char **p) TUZA_NONNULL(1, 3);

/*
 * Reads a line. *line points at it in the buffer until the next call with
 * this reader, with a NUL in place of its "\n" or "\r\n"; *n is its length,
 * without that (there may be NULs in it). A last line that has no end is a
 * line too. n may be NULL.
 *
 * Blocks: goroutine. Returns: 1; 0 at the end; -EMSGSIZE for a line that the
 * buffer can't hold, or another negative errno: then all that came stays to
 * be read, by another call. Callable from: any thread. Go: Reader.ReadLine.
 */
TUZA_API int tuza_reader_line(tuza_reader *r, char **line, size_t *n) TUZA_NONNULL(1, 2);

/* To be left alone but through the functions here; moving it is fine. */
typedef struct tuza_writer {
    char *buf;
    size_t size;
    size_t len; /* buf[0..len): not yet written to fd */
    int fd;
    int err; /* 0, or the first negative errno: sticky */
    bool owns;
} tuza_writer;

/*
 * Makes a writer to the descriptor fd; as tuza_reader_init.
 * Go: bufio.NewWriterSize.
 */
TUZA_API TUZA_MUST_CHECK int tuza_writer_init(tuza_writer *w, int fd, void *buf, size_t size) TUZA_NONNULL(1);

/*
 * Forgets what is buffered and the error, and writes to fd from now on.
 * Blocks: never. Callable from: any thread. Go: Writer.Reset.
 */
TUZA_API void tuza_writer_reset(tuza_writer *w, int fd) TUZA_NONNULL(1);

/*
 * Frees the buffer where tuza made it. What is in it is not written: flush
 * first. A writer that is all zero may be freed.
 * Blocks: never. Callable from: any thread.
 */
TUZA_API void tuza_writer_free(tuza_writer *w) TUZA_NONNULL(1);

/*
 * How many bytes wait for the next flush.
 * Blocks: never. Callable from: any thread. Go: Writer.Buffered.
 */
TUZA_API size_t tuza_writer_buffered(const tuza_writer *w) TUZA_NONNULL(1);

/*
 * Adds n bytes. What does not fit goes out at once, together with what is
 * buffered.
 *
 * Blocks: goroutine, where it writes. Returns: n, or a negative errno, the
 * same from now on; how much has gone by then is not known.
 * Callable from: any thread. Go: Writer.Write.
 */
TUZA_API ssize_t tuza_writer_write(tuza_writer *w, const void *p, size_t n) TUZA_NONNULL(1);

/*
 * Adds formatted text, as printf. What does not fit behind what is buffered
 * is formatted anew after a flush.
 *
 * Blocks: goroutine, where it writes. Returns: the number of bytes; -EMSGSIZE
 * where the text with its NUL is larger than the whole buffer (none of it is
 * added, and the writer goes on); -EINVAL for what printf can't format;
 * another negative errno, the same from now on.
 * Callable from: any thread. Go: fmt.Fprintf.
 */
TUZA_API ssize_t tuza_writer_printf(tuza_writer *w, const char *format, ...) TUZA_NONNULL(1, 2)
    TUZA_PRINTF(2, 3);

/*
 * Writes out what is buffered.
 * Blocks: goroutine. Returns: 0, or a negative errno, the same from now on.
 * Callable from: any thread. Go: Writer.Flush.
 */
TUZA_API TUZA_MUST_CHECK int tuza_writer_flush(tuza_writer *w) TUZA_NONNULL(1);

TUZA_END_DECLS

#endif /* TUZA_BUFIO_H */
