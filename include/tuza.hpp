/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tuza for C++17, in headers alone: goroutines that run any callable,
 * channels of any movable type, and objects that give back what they hold.
 *
 *     tuza::chan<std::string> lines(16);
 *     tuza::go([lines] {
 *         for (const auto &name : names())
 *             lines.send(name);
 *         lines.close();
 *     });
 *     for (auto line : lines)
 *         std::puts(line.c_str());
 *
 * What blocks, panics and is ordered is said of the C functions, whose names
 * are the same. Beside that:
 *
 *  - A panic runs deferred functions and no destructor, as <tuza/panic.h>
 *    says. What is to happen then too belongs in a tuza::defer: a lock held
 *    by a std::lock_guard stays locked when a panic above it is recovered.
 *  - An exception that leaves a goroutine's callable is std::terminate.
 *  - Errors of the world, where they are no results, are std::system_error
 *    with the errno value.
 */
#ifndef TUZA_HPP
#define TUZA_HPP

#include "tuza.h"
#include "tuza/chan.hpp"
#include "tuza/context.hpp"
#include "tuza/go.hpp"
#include "tuza/select.hpp"
#include "tuza/sync.hpp"

#endif /* TUZA_HPP */
