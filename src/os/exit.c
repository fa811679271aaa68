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
#pragma weak dlclose

/* Not by its own name, of which linkers warn in static programs. There it is found by nobody, as it should: a
 * library loaded into one would bring a second libc. */
static void *(*find_dlopen(void))(const char *file, int flags)
{
    void *(*found)(const char *, int);
    *(void **)&found = tz_os_symbol("dlopen");
    return found;
}

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
    void *(*open)(const char *, int) = find_dlopen();
    void *l = open != NULL ? open(library, RTLD_LAZY | RTLD_NOLOAD) : NULL;
    if (l == NULL)
        return NULL;
    void *symbol = dlsym(l, name);
    dlclose(l);
    return symbol;
}

void *tz_os_library(const char *library)
{
    void *(*open)(const char *, int) = find_dlopen();
    return open != NULL ? open(library, RTLD_NOW | RTLD_LOCAL) : NULL;
}

void *tz_os_library_symbol(void *library, const char *name)
{
    return dlsym(library, name);
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
