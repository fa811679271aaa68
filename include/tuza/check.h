/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * With -DTUZA_CHECK <tuza/chan.h> includes this: the untyped calls compare the
 * size of what they are given with that of the channel's elements, and panic:
 * "tuza: an element of 4 bytes for a channel of 8".
 *
 * The size is that of what the pointer points to. A void * says nothing, nor
 * does a pointer to characters, which is one to bytes. Where the elements are
 * arrays, it is &array that has their size.
 *
 * Only calls by name are checked, in what is compiled so: any file may be
 * compiled with it or without. Typed channels (<tuza/typed.h>) need no such
 * check.
 */
#ifndef TUZA_CHECK_H
#define TUZA_CHECK_H

#include "tuza/base.h"
#include "tuza/chan.h"
#include "tuza/panic.h"

#ifdef __cplusplus

#include <type_traits>

template <typename P> constexpr size_t tuza_check_size()
{
    using elem = std::remove_cv_t<std::remove_pointer_t<P>>;
    if constexpr (!std::is_pointer<P>::value || std::is_void<elem>::value ||
                  std::is_same<elem, char>::value || std::is_same<elem, unsigned char>::value ||
                  std::is_same<elem, signed char>::value)
        return 0;
    else
        return sizeof(elem);
}
#define TUZA_CHECK_SIZE_(p) tuza_check_size<std::decay_t<decltype(p)>>()

#else

#define TUZA_CHECK_SIZE_(p)     (TUZA_CHECK_BYTES_(p) ? 0 : __extension__ sizeof(*(p)))
#define TUZA_CHECK_IS_(p, type) __builtin_types_compatible_p(__typeof__(*(p)), type)
#define TUZA_CHECK_BYTES_(p)                                                                   \
    (TUZA_CHECK_IS_(p, void) || TUZA_CHECK_IS_(p, char) || TUZA_CHECK_IS_(p, unsigned char) || \
     TUZA_CHECK_IS_(p, signed char))

#endif

/* What the macros call: not for use by hand. */
static inline tuza_chan *tuza_check_elem(tuza_chan *c, size_t size)
{
    if (c && size != 0 && size != tuza_chan_elem_size(c))
        tuza_panic("tuza: an element of %zu bytes for a channel of %zu", size, tuza_chan_elem_size(c));
    return c;
}

#define tuza_chan_send(c, elem)     tuza_chan_send(tuza_check_elem(c, TUZA_CHECK_SIZE_(elem)), elem)
#define tuza_chan_recv(c, elem)     tuza_chan_recv(tuza_check_elem(c, TUZA_CHECK_SIZE_(elem)), elem)
#define tuza_chan_try_send(c, elem) tuza_chan_try_send(tuza_check_elem(c, TUZA_CHECK_SIZE_(elem)), elem)
#define tuza_chan_try_recv(c, elem, ok) \
    tuza_chan_try_recv(tuza_check_elem(c, TUZA_CHECK_SIZE_(elem)), elem, ok)
#define tuza_chan_send_context(c, elem, ctx) \
    tuza_chan_send_context(tuza_check_elem(c, TUZA_CHECK_SIZE_(elem)), elem, ctx)
#define tuza_chan_recv_context(c, elem, ctx) \
    tuza_chan_recv_context(tuza_check_elem(c, TUZA_CHECK_SIZE_(elem)), elem, ctx)

#endif /* TUZA_CHECK_H */
