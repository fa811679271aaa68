/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * I/O on plain file descriptors: sockets, pipes, terminals, files.
 *
 * A call that must wait parks its goroutine; one thread waits for all
 * descriptors together. Any descriptor may be given, whoever opened it: those
 * that tuza did not open keep their flags (non-blocking is asked for call by
 * call). Regular files never make one wait for readiness; a slow disk blocks
 * the thread and no other goroutine.
 *
 * Results are >= 0 or a negative errno, never through the errno variable.
 *
 * Several goroutines may use one descriptor. Reads are served one after the
 * other, and so are writes, a whole call each: what one call writes stays
 * together. A read and a write run side by side. Closing belongs to the
 * owner alone (tuza_close); others use tuza_cancel.
 *
 * Deadlines, contexts and cancellation belong to the open file and end with
 * it, even where the program closes it by plain close(): the next file with
 * this number starts without. They reach the calls of this header that wait,
 * on that number; not a duplicate of it.
 *
 * Errors that any call may return: -EBADF (not an open descriptor, or one
 * that is being closed), -ECANCELED (closed or cancelled, or its context),
 * -ETIMEDOUT (deadline, or its context's), -ENOMEM, and what the system call
 * of the same name says. EINTR and EAGAIN are never seen. Where both a
 * deadline has passed and data is there, the deadline wins, as in Go.
 */
#ifndef TUZA_NET_H
#define TUZA_NET_H

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "tuza/base.h"
#include "tuza/context.h"

TUZA_BEGIN_DECLS

/*
 * Name lookups that fail return these, below all errno values; tuza_strerror
 * knows them as well.
 */
#define TUZA_ENONAME   (-4097) /* the name or service does not exist */
#define TUZA_EAGAIN    (-4098) /* the name server does not answer now */
#define TUZA_ENAMEFAIL (-4099) /* the name can't be resolved for another reason */

/*
 * Listens on an address, or, for datagrams, binds to it. network is "tcp",
 * "tcp4", "tcp6", "udp", "udp4", "udp6", "unix", "unixgram" or "unixpacket";
 * address is "host:port", "[v6 address]:port", ":port" for all addresses, or
 * a path ("@name": the abstract namespace). A port is a number up to 65535
 * or a service's name; 0 is any free one: getsockname tells. A file at a Unix
 * listener's path is not replaced; the one it makes goes with tuza_close, and
 * stays where the listener is closed otherwise. TCP listeners have
 * SO_REUSEADDR, and their connections TCP_NODELAY and keep-alive, as in Go.
 *
 * Blocks: goroutine, while a name is looked up.
 * Returns: a descriptor (non-blocking, close-on-exec) or a negative errno;
 * -EINVAL for an unknown network or a malformed address, TUZA_ENONAME...
 * Owns: the caller, who closes it with tuza_close. Callable from: any thread.
 * Go: net.Listen, net.ListenPacket.
 */
TUZA_API int tuza_listen(const char *network, const char *address) TUZA_NONNULL(1, 2);

/*
 * Connects. Networks and addresses as for tuza_listen; an empty host is this
 * machine. Where a name has several addresses they are tried in turn. A
 * datagram socket is merely bound to its peer. tuza_dial_context gives up
 * when ctx is done.
 *
 * Blocks: goroutine. Returns: a descriptor or a negative errno
 * (-ECONNREFUSED, -EHOSTUNREACH, -ETIMEDOUT ...); the error of the first
 * address tried. Owns: the caller. Callable from: any thread.
 * Go: net.Dial, net.Dialer.DialContext.
 */
TUZA_API int tuza_dial(const char *network, const char *address) TUZA_NONNULL(1, 2);
TUZA_API int tuza_dial_context(tuza_context *ctx, const char *network, const char *address)
    TUZA_NONNULL(2, 3);

/*
 * Takes the next connection off a listener. A peer that gave up meanwhile
 * (ECONNABORTED) is passed over. from and *fromlen as for accept(2), or NULL.
 *
 * Blocks: goroutine. Returns: a descriptor or a negative errno; -EMFILE and
 * its like leave the connection in the queue: wait a little and call again.
 * Owns: the caller. Callable from: any thread. Go: net.Listener.Accept.
 */
TUZA_API int tuza_accept(int fd);
TUZA_API int tuza_accept_from(int fd, struct sockaddr *from, socklen_t *fromlen);

/*
 * Reads what is there, at most n bytes; waits while there is nothing.
 * tuza_read_full reads n bytes and returns fewer only where the end comes, or
 * an error after the first byte: the next call tells which. A connection that
 * was lost (reset, say) does not end: reads that come to that point fail, even
 * where another call was told first, after which the kernel says nothing more.
 *
 * Blocks: goroutine. Returns: the number of bytes, 0 at the end (or for
 * n == 0), or a negative errno. Callable from: any thread.
 * Go: Read, io.ReadFull.
 */
TUZA_API ssize_t tuza_read(int fd, void *buf, size_t n);
TUZA_API ssize_t tuza_read_full(int fd, void *buf, size_t n);
TUZA_API ssize_t tuza_readv(int fd, const struct iovec *iov, int n);

/*
 * Writes all of it. Fewer bytes are returned only where an error or the
 * deadline came after the first: the next call tells which. One that close,
 * cancel or the context cut off returns its negative errno even so. A
 * connection that is gone is -EPIPE and no SIGPIPE. Only a pipe that is
 * descriptor 1 or 2 and has no reader any more ends the process by SIGPIPE,
 * unless that is handled (Go's rule).
 *
 * Blocks: goroutine. Returns: n, or as said. Callable from: any thread.
 * Go: Write, net.Buffers.
 */
TUZA_API ssize_t tuza_write(int fd, const void *buf, size_t n);
TUZA_API ssize_t tuza_writev(int fd, const struct iovec *iov, int n);

/*
 * One datagram. A longer one than n bytes is cut. from and *fromlen as for
 * recvfrom(2), or NULL; to may be NULL on a connected socket.
 *
 * Blocks: goroutine. Returns: the number of bytes (0 is an empty datagram),
 * or a negative errno. Callable from: any thread.
 * Go: ReadFrom, WriteTo of net.PacketConn.
 */
TUZA_API ssize_t tuza_recvfrom(int fd, void *buf, size_t n, struct sockaddr *from, socklen_t *fromlen);
TUZA_API ssize_t tuza_sendto(int fd, const void *buf, size_t n, const struct sockaddr *to, socklen_t tolen);

/*
 * Ends one direction (SHUT_RD, SHUT_WR) or both of a connection.
 * Blocks: never. Returns: 0 or a negative errno. Callable from: any thread.
 * Go: CloseRead, CloseWrite.
 */
TUZA_API int tuza_shutdown(int fd, int how);

/*
 * Waits until the descriptor is ready: for libraries that do their own
 * non-blocking I/O. events are those of poll(2); `when` is on tuza_now's
 * clock, 0 for no limit, and the descriptor's deadlines, context and
 * cancellation count as well. It is in line with the reads or writes of the
 * descriptor, and `when` is looked at when its turn has come. A descriptor
 * that can't be waited for (a regular file) is always ready.
 *
 * Blocks: goroutine. Returns: the bits that are set (POLLERR and POLLHUP may
 * be among them), -ETIMEDOUT, or another negative errno. -EINVAL where events
 * has neither POLLIN, POLLPRI nor POLLOUT (POLLRDHUP, say, goes with one).
 * Callable from: any thread.
 */
TUZA_API int tuza_wait_fd(int fd, short events, int64_t when);

/*
 * From `when` on (tuza_now's clock) calls on fd that read, write, or both,
 * return -ETIMEDOUT, those that wait already too. 0: no deadline. A later
 * one takes effect for calls that wait already.
 *
 * Blocks: never. Returns: 0; -ENOTSUP where nothing can wait (a regular
 * file); -EINVAL where when < 0; -EBADF. Callable from: any thread.
 * Go: SetDeadline, SetReadDeadline, SetWriteDeadline.
 */
TUZA_API int tuza_set_deadline(int fd, int64_t when);
TUZA_API int tuza_set_read_deadline(int fd, int64_t when);
TUZA_API int tuza_set_write_deadline(int fd, int64_t when);

/*
 * Once ctx is done, calls on fd return its error (-ECANCELED, -ETIMEDOUT),
 * those that wait already too. NULL: no context. One at a time; the
 * descriptor holds a reference until it is closed or has another.
 *
 * Blocks: never. Returns: 0, -ENOTSUP, -EBADF. Callable from: any thread.
 */
TUZA_API int tuza_set_context(int fd, tuza_context *ctx);

/*
 * Blocked and later calls on fd return -ECANCELED until it is closed. The
 * descriptor stays open. Any goroutine, any number of times.
 *
 * Blocks: never. Returns: 0, -ENOTSUP, -EBADF. Callable from: any thread.
 */
TUZA_API int tuza_cancel(int fd);

/*
 * Closes. Blocked calls return -ECANCELED; the number is free for another
 * file only when the last of them has left, and when tuza_close returns (but
 * for calls that block their thread, on files that can't be waited for:
 * there it is closed when they return). By the owner alone: nobody may use
 * the number again.
 *
 * Blocks: goroutine, until the last user has left. Returns: 0, -EBADF, or
 * what close(2) says (the descriptor is closed then too).
 * Callable from: any thread. Go: Close.
 */
TUZA_API int tuza_close(int fd);

/*
 * The text of a negative errno, or of TUZA_ENONAME and its like. Static;
 * never NULL. Blocks: never. Callable from: any thread.
 */
TUZA_API const char *tuza_strerror(int err) TUZA_NOEXCEPT;

TUZA_END_DECLS

#endif /* TUZA_NET_H */
