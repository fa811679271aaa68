/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Typed channels: TUZA_CHAN(int) is the type of a channel of int, in C11 and
 * C++17. The compiler checks what is sent, and where a received element goes;
 * what it compiles is the call of <tuza/chan.h> that one would have written.
 *
 *     TUZA_CHAN(int) c = TUZA_CHAN_MAKE(int, 0);
 *     TUZA_CHAN_SEND(c, i * i);                       in one goroutine
 *     for (int n; TUZA_CHAN_RECV(c, &n);)             in another
 *         printf("%d\n", n);
 *     TUZA_CHAN_UNREF(c);
 *
 * TUZA_CHAN(T) is an opaque pointer, NULL or not, of which two with one T have
 * one type wherever they are written: of a variable, a parameter, a member. T
 * may be a struct that is not yet complete, or another TUZA_CHAN; in C++ a
 * type that is copied as bytes (<tuza.hpp> has channels of any other).
 *
 * What each macro does, and when it blocks or panics, is said of the function
 * of the same name in <tuza/chan.h>. Arguments are evaluated once.
 */
#ifndef TUZA_TYPED_H
#define TUZA_TYPED_H

#include "tuza/base.h"
#include "tuza/chan.h"
#include "tuza/context.h"
#include "tuza/panic.h"
#include "tuza/select.h"
#include "tuza/time.h"

#ifdef __cplusplus
#include <cstddef>
#include <type_traits>
#endif

/*
 * An element without a content, of size 0, for channels that only tell that
 * something has happened; TUZA_EMPTY is its value. Go: struct{}.
 */
__extension__ typedef struct tuza_empty {
    char none[0];
} tuza_empty;

static inline tuza_empty tuza_empty_value(void)
{
    static tuza_empty empty; /* a static one is initialized, where {} is not allowed */
    return empty;
}
#define TUZA_EMPTY tuza_empty_value()

/*
 * TUZA_CHAN(T) is the type, TUZA_CHAN_MAKE(T, capacity) makes a channel,
 * TUZA_CHAN_MAKE_DROP(T, capacity, drop) one whose elements are dropped.
 * Go: chan T, make(chan T, capacity).
 *
 * TUZA_CHAN_SEND(c, value) and TUZA_CHAN_TRY_SEND(c, value) send a value: of
 * the element type, or a number or pointer that becomes one without a loss.
 * That is an integer that is no wider, or an int, which constants and sums of
 * smaller integers are; any number where the element is a floating-point one;
 * a pointer that gains a const, or becomes a void *; NULL, nullptr in C++.
 * TUZA_CHAN_SEND_AT(c, ptr) and TUZA_CHAN_TRY_SEND_AT(c, ptr) send *ptr, for
 * arrays, and for elements too large to be copied twice. Go: c <- value.
 *
 * TUZA_CHAN_RECV(c, ptr) and TUZA_CHAN_TRY_RECV(c, ptr, ok) receive into *ptr;
 * NULL throws the element away. Go: v, ok := <-c.
 *
 * TUZA_CHAN_SEND_CONTEXT(c, value, ctx), TUZA_CHAN_SEND_AT_CONTEXT(c, ptr, ctx)
 * and TUZA_CHAN_RECV_CONTEXT(c, ptr, ctx) give up when ctx is done.
 * TUZA_SEND_TO(c, ptr) and TUZA_RECV_FROM(c, ptr) are cases of a select.
 *
 * TUZA_CHAN_CLOSE(c), _REF(c), of the type of c, _UNREF(c), _LEN(c), _CAP(c).
 *
 * TUZA_CHAN_UNTYPED(c) is the tuza_chan * that c is, for calls that take one;
 * TUZA_CHAN_TYPED(T, chan) goes the other way, and panics where that channel's
 * elements have another size: "tuza: elements of 4 bytes in a channel of 8".
 * TUZA_TIMER_CHAN(t) is a timer's as a TUZA_CHAN(int64_t),
 * TUZA_CONTEXT_DONE(ctx) a context's as a TUZA_CHAN(tuza_empty).
 */
#define TUZA_CHAN(T)                           TUZA_TYPED_(T)
#define TUZA_CHAN_MAKE(T, capacity)            TUZA_CAST_(T, tuza_chan_make(sizeof(T), capacity))
#define TUZA_CHAN_MAKE_DROP(T, capacity, drop) TUZA_CAST_(T, tuza_chan_make_drop(sizeof(T), capacity, drop))
#define TUZA_CHAN_SEND(c, ...)                 TUZA_SEND_(c, __VA_ARGS__)
#define TUZA_CHAN_TRY_SEND(c, ...)             TUZA_TRY_SEND_(c, __VA_ARGS__)
#define TUZA_CHAN_SEND_AT(c, ptr)              tuza_chan_send(TUZA_UNTYPED_(c), TUZA_SOURCE_(c, ptr))
#define TUZA_CHAN_TRY_SEND_AT(c, ptr)          tuza_chan_try_send(TUZA_UNTYPED_(c), TUZA_SOURCE_(c, ptr))
#define TUZA_CHAN_RECV(c, ptr)                 tuza_chan_recv(TUZA_UNTYPED_(c), TUZA_TARGET_(c, ptr))
#define TUZA_CHAN_TRY_RECV(c, ptr, ok)         tuza_chan_try_recv(TUZA_UNTYPED_(c), TUZA_TARGET_(c, ptr), ok)
#define TUZA_CHAN_SEND_CONTEXT(c, value, ctx)  TUZA_SEND_CONTEXT_(c, value, ctx)
#define TUZA_CHAN_SEND_AT_CONTEXT(c, ptr, ctx) \
    tuza_chan_send_context(TUZA_UNTYPED_(c), TUZA_SOURCE_(c, ptr), ctx)
#define TUZA_CHAN_RECV_CONTEXT(c, ptr, ctx) \
    tuza_chan_recv_context(TUZA_UNTYPED_(c), TUZA_TARGET_(c, ptr), ctx)
#define TUZA_SEND_TO(c, ptr)     TUZA_SEND(TUZA_UNTYPED_(c), TUZA_SOURCE_(c, ptr))
#define TUZA_RECV_FROM(c, ptr)   TUZA_RECV(TUZA_UNTYPED_(c), TUZA_TARGET_(c, ptr))
#define TUZA_CHAN_CLOSE(c)       tuza_chan_close(TUZA_UNTYPED_(c))
#define TUZA_CHAN_REF(c)         TUZA_REF_(c)
#define TUZA_CHAN_UNREF(c)       tuza_chan_unref(TUZA_UNTYPED_(c))
#define TUZA_CHAN_LEN(c)         tuza_chan_len(TUZA_UNTYPED_(c))
#define TUZA_CHAN_CAP(c)         tuza_chan_cap(TUZA_UNTYPED_(c))
#define TUZA_CHAN_UNTYPED(c)     TUZA_UNTYPED_(c)
#define TUZA_CHAN_TYPED(T, chan) TUZA_CAST_(T, tuza_typed_check(chan, sizeof(T)))
#define TUZA_TIMER_CHAN(t)       TUZA_CAST_(int64_t, tuza_timer_chan(t))
#define TUZA_CONTEXT_DONE(ctx)   TUZA_CAST_(tuza_empty, tuza_context_done(ctx))

/* What TUZA_CHAN_TYPED calls: not for use by hand. */
static inline tuza_chan *tuza_typed_check(tuza_chan *c, size_t size)
{
    if (c && tuza_chan_elem_size(c) != size)
        tuza_panic("tuza: elements of %zu bytes in a channel of %zu", size, tuza_chan_elem_size(c));
    return c;
}

#ifndef __cplusplus

struct tuza_typed; /* never completed: nobody has an argument to call a channel with */

/* A pointer to a function, since in no other pointer's type T may be incomplete. */
#define TUZA_TYPED_(T)      __typeof__(__typeof__(T) *(*)(struct tuza_typed *))
#define TUZA_ELEM_(c)       __typeof__(*(c)((struct tuza_typed *)0))
#define TUZA_CAST_(T, chan) ((TUZA_TYPED_(T))(uintptr_t)(chan))
#define TUZA_REF_(c)        ((__typeof__(c))(uintptr_t)tuza_chan_ref(TUZA_UNTYPED_(c)))

#define TUZA_SEND_(c, ...)            tuza_chan_send(TUZA_UNTYPED_(c), TUZA_VALUE_(c, (__VA_ARGS__)))
#define TUZA_TRY_SEND_(c, ...)        tuza_chan_try_send(TUZA_UNTYPED_(c), TUZA_VALUE_(c, (__VA_ARGS__)))
#define TUZA_SEND_CONTEXT_(c, v, ctx) tuza_chan_send_context(TUZA_UNTYPED_(c), TUZA_VALUE_(c, (v)), ctx)

#define TUZA_SAME_(a, b) __builtin_types_compatible_p(a, b)
#define TUZA_ASSERT_(condition, text)    \
    ((void)sizeof(struct {               \
        _Static_assert(condition, text); \
        char unused;                     \
    }))

#define TUZA_UNTYPED_(c)                                                               \
    (TUZA_ASSERT_(!TUZA_SAME_(__typeof__(c), tuza_chan *),                             \
                  "tuza: an untyped channel; TUZA_CHAN_TYPED tells its element type"), \
     (tuza_chan *)(uintptr_t)(c))

#define TUZA_VALUE_(c, v)                                                       \
    (TUZA_ASSERT_(TUZA_FITS_(*(TUZA_ELEM_(c) *)0, v),                           \
                  "tuza: the value is not of the element type of the channel"), \
     (TUZA_ELEM_(c)[1]){v})
/* Beside a NULL the other operand's type is that of both; a void * makes it one. */
#define TUZA_SOURCE_(c, ptr)                                                                           \
    (TUZA_ASSERT_(TUZA_SAME_(const TUZA_ELEM_(c) *, __typeof__(1 ? (ptr) : (const TUZA_ELEM_(c) *)0)), \
                  "tuza: the source does not point to the element type of the channel"),               \
     (ptr))
#define TUZA_TARGET_(c, ptr)                                                               \
    (TUZA_ASSERT_(TUZA_SAME_(TUZA_ELEM_(c) *, __typeof__(1 ? (ptr) : (TUZA_ELEM_(c) *)0)), \
                  "tuza: the target does not point to the element type of the channel"),   \
     (ptr))

/* GCC's classes of types: 1 to 4 are integers, 5 pointers, 8 floating-point numbers. */
#define TUZA_CLASS_(x)      __builtin_classify_type(x)
#define TUZA_IS_INTEGER_(x) (TUZA_CLASS_(x) >= 1 && TUZA_CLASS_(x) <= 4)
#define TUZA_IS_REAL_(x)    (TUZA_CLASS_(x) == 8)
#define TUZA_IS_POINTER_(x) (TUZA_CLASS_(x) == 5)
/* x, or where it is no pointer one that is like no other. */
#define TUZA_POINTER_(x) __builtin_choose_expr(TUZA_IS_POINTER_(x), (x), (struct tuza_typed ***)0)

/* Of a bit-field too. */
#define TUZA_TYPE_(v) __typeof__(((void)0, (v)))

#define TUZA_FITS_(elem, v)                                                               \
    (TUZA_SAME_(__typeof__(elem), TUZA_TYPE_(v)) ||                                       \
     (TUZA_IS_INTEGER_(elem) && TUZA_IS_INTEGER_(v) &&                                    \
      (sizeof(TUZA_TYPE_(v)) <= sizeof(elem) || sizeof(TUZA_TYPE_(v)) <= sizeof(int))) || \
     (TUZA_IS_REAL_(elem) && (TUZA_IS_INTEGER_(v) || TUZA_IS_REAL_(v))) ||                \
     (TUZA_IS_POINTER_(elem) && TUZA_IS_POINTER_(v) &&                                    \
      TUZA_SAME_(__typeof__(elem), __typeof__(1 ? TUZA_POINTER_(elem) : TUZA_POINTER_(v)))))

#else

template <typename T> struct tuza_typed; /* never completed */
template <typename T> using tuza_typed_chan = tuza_typed<T> *;

#define TUZA_TYPED_(T)      tuza_typed_chan<T>
#define TUZA_CAST_(T, chan) reinterpret_cast<TUZA_TYPED_(T)>(chan)
#define TUZA_REF_(c)        tuza_typed_ref(c)

#define TUZA_SEND_(c, ...)            tuza_typed_send(c, __VA_ARGS__)
#define TUZA_TRY_SEND_(c, ...)        tuza_typed_try_send(c, __VA_ARGS__)
#define TUZA_SEND_CONTEXT_(c, v, ctx) tuza_typed_send_context(c, v, ctx)

#define TUZA_UNTYPED_(c)     tuza_typed_untyped(c)
#define TUZA_SOURCE_(c, ptr) tuza_typed_source<std::decay_t<decltype(c)>>(ptr)
#define TUZA_TARGET_(c, ptr) tuza_typed_target<std::decay_t<decltype(c)>>(ptr)

/* What the macros call: not for use by hand. */

template <typename T> inline tuza_chan *tuza_typed_untyped(tuza_typed<T> *c)
{
    return reinterpret_cast<tuza_chan *>(c);
}
template <typename Other> inline tuza_chan *tuza_typed_untyped(Other c)
{
    static_assert(!std::is_same<Other, tuza_chan *>::value,
                  "tuza: an untyped channel; TUZA_CHAN_TYPED tells its element type");
    return reinterpret_cast<tuza_chan *>(c);
}

template <typename T> inline tuza_typed<T> *tuza_typed_ref(tuza_typed<T> *c)
{
    return reinterpret_cast<tuza_typed<T> *>(tuza_chan_ref(tuza_typed_untyped(c)));
}

template <typename T, typename V> constexpr bool tuza_typed_fits()
{
    constexpr bool integer =
        std::is_integral<V>::value || (std::is_enum<V>::value && std::is_convertible<V, int>::value);
    if constexpr (std::is_same<T, V>::value)
        return true;
    else if constexpr (std::is_integral<T>::value)
        return integer && (sizeof(V) <= sizeof(T) || sizeof(V) <= sizeof(int));
    else if constexpr (std::is_floating_point<T>::value)
        return integer || std::is_floating_point<V>::value;
    else
        return std::is_convertible<V, T>::value;
}

/* The element that value is, or becomes. */
template <typename T, typename V> struct tuza_typed_value {
    static_assert(tuza_typed_fits<T, std::decay_t<const V>>(),
                  "tuza: the value is not of the element type of the channel");
    static_assert(std::is_trivially_copyable<T>::value,
                  "tuza: elements that are not copied as bytes; tuza::chan of <tuza.hpp> has them");
    T elem;
    explicit tuza_typed_value(const V &value) : elem(static_cast<T>(value))
    {
    }
};
template <typename T> struct tuza_typed_value<T, T> {
    static_assert(std::is_trivially_copyable<T>::value,
                  "tuza: elements that are not copied as bytes; tuza::chan of <tuza.hpp> has them");
    const T &elem;
    explicit tuza_typed_value(const T &value) : elem(value)
    {
    }
};

template <typename T, typename V> inline void tuza_typed_send(tuza_typed<T> *c, const V &value)
{
    tuza_typed_value<T, V> v(value);
    tuza_chan_send(tuza_typed_untyped(c), &v.elem);
}
template <typename T, typename V> inline bool tuza_typed_try_send(tuza_typed<T> *c, const V &value)
{
    tuza_typed_value<T, V> v(value);
    return tuza_chan_try_send(tuza_typed_untyped(c), &v.elem);
}
template <typename T, typename V>
inline int tuza_typed_send_context(tuza_typed<T> *c, const V &value, tuza_context *ctx)
{
    tuza_typed_value<T, V> v(value);
    return tuza_chan_send_context(tuza_typed_untyped(c), &v.elem, ctx);
}

/* What the channel of type C has elements of. */
template <typename C> struct tuza_typed_elem;
template <typename T> struct tuza_typed_elem<tuza_typed<T> *> {
    using type = T;
};

/* A pointer to the elements of a C, to read from or to write to. */
template <typename C, typename P> inline const P *tuza_typed_source(const P *ptr)
{
    static_assert(std::is_same<typename tuza_typed_elem<C>::type, P>::value,
                  "tuza: the source does not point to the element type of the channel");
    return ptr;
}
template <typename C> inline const void *tuza_typed_source(std::nullptr_t)
{
    return nullptr;
}
template <typename C, typename P> inline P *tuza_typed_target(P *ptr)
{
    static_assert(std::is_same<typename tuza_typed_elem<C>::type, P>::value,
                  "tuza: the target does not point to the element type of the channel");
    return ptr;
}
template <typename C> inline void *tuza_typed_target(std::nullptr_t)
{
    return nullptr;
}

#endif

#endif /* TUZA_TYPED_H */
