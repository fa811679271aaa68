/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * firsttouch [pages [stride]]: the page-fault rate, which is the limit for
 * parked1m: one page touched in each slot of a mapping laid out like the
 * stacks (small pages only). Nanoseconds for each page.
 */
#include <sys/mman.h>

#include "bench_pthread.h"

int main(int argc, char **argv)
{
    int64_t pages = bench_arg(argc, argv, 1, 1000000, 1);
    int64_t stride = bench_arg(argc, argv, 2, 256 * 1024, 4096);
    size_t size = (size_t)pages * (size_t)stride;
    char *slots =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (slots == MAP_FAILED)
        bench_die("mmap of %zu bytes: %m", size);
    if (madvise(slots, size, MADV_NOHUGEPAGE) != 0)
        bench_die("madvise: %m");

    int64_t start = bench_now();
    for (int64_t i = 0; i < pages; i++)
        *(volatile char *)(slots + i * stride) = 1;
    bench_print_ns_each("firsttouch", start, pages);
    return 0;
}
