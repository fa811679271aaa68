/* SPDX-License-Identifier: BSD-3-Clause */
/* Typed channels in C++: what C may write, C++ may write too. */
// ctest: env GOMAXPROCS=1 | env GOMAXPROCS=4
#include "typed_test.c"
