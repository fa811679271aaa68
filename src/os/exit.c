/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What the dynamic linker finds: libc's exit, past the one that rt/ defines under the same name. That is
 * found by looking behind the object that this code is in. A program linked
 * statically as a whole has one exit only, libc's (ours is weak), and need
 * not have dlsym.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>

#include "os/os.h"

#pragma weak dlsym
#pragma weak dlopen
#pragma weak dlclose

void tz_os_exit(int code)
{
    void (*libc_exit)(int) = NULL;
    if (dlsym != NULL)
        *(void **)&libc_exit = dlsym(RTLD_NEXT, "exit"); /* POSIX's way to make a function of it */
    if (libc_exit != NULL)
        libc_exit(code);
    exit(code);
}

void *tz_os_symbol(const char *name)
{
    return dlsym != NULL ? dlsym(RTLD_DEFAULT, name) : NULL;
}

void *tz_os_symbol_of(const char *library, const char *name)
{
    void *l = dlopen != NULL ? dlopen(library, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    if (l == NULL)
        return NULL;
    void *symbol = dlsym(l, name);
    dlclose(l);
    return symbol;
}

#ifdef __GLIBC__
int tz_os_at_exit(void (*fn)(int code, void *arg))
{
    return on_exit(fn, NULL) == 0 ? 0 : -ENOMEM;
}
#else
static void (*at_exit_fn)(int code, void *arg);

static void without_code(void)
{
    at_exit_fn(0, NULL);
}

int tz_os_at_exit(void (*fn)(int code, void *arg))
{
    at_exit_fn = fn;
    return atexit(without_code) == 0 ? 0 : -ENOMEM;
}
#endif
