/* SPDX-License-Identifier: BSD-3-Clause */
/* What the tests of <tuza.hpp> share: objects that are counted. */
#ifndef TZ_GO_COUNTED_H
#define TZ_GO_COUNTED_H

#include <tuza.hpp>

#include "go/help.h"

/* How many there are; -1 marks one that has been moved from. */
static int alive;
struct counted {
    int n;
    explicit counted(int value) : n(value)
    {
        flag_add(&alive, 1);
    }
    counted(counted &&other) noexcept : n(other.n)
    {
        other.n = -1;
        flag_add(&alive, 1);
    }
    counted(const counted &) = delete;
    counted &operator=(const counted &) = delete;
    counted &operator=(counted &&) = delete;
    ~counted()
    {
        flag_add(&alive, -1);
    }
};
template <> struct tuza::relocatable<struct inside> : std::true_type {
};
struct inside : counted {
    using counted::counted;
};

#endif /* TZ_GO_COUNTED_H */
