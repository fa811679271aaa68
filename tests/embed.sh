#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
# ctest: release-only | timeout 600
#
# Embedding, from outside: the example against wc, and plugins that are linked
# with the shared library, loaded by a program that is not and knows nothing
# of it. After the last stop, one thread is left in that program.
#
# usage: embed.sh BUILD_DIR SOURCE_DIR
set -u
export LC_ALL=C
unset GOMAXPROCS TUZA_MAXPROCS
build=$(realpath "$1") source=$(realpath "$2")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
ran=0 failed=0

# expect NAME CODE OUTPUT COMMAND...
expect() {
    local name=$1 code=$2 text=$3 got=0 out
    shift 3
    ran=$((ran + 1))
    out=$(timeout 120 "$@" 2>"$tmp/err" </dev/null) || got=$?
    if [[ $got != "$code" || $out != "$text" ]]; then
        failed=$((failed + 1))
        echo "FAIL $name: exit code $got, not $code; prints '$out', not '$text'"
        head -c 1000 "$tmp/err"
    else
        echo "ok   $name"
    fi
}

# --- The example ---

example=$build/examples/embed
if [[ -x $example ]]; then
    mkdir "$tmp/files"
    cp "$source"/src/sched/*.c "$source/README.md" "$tmp/files"
    : >"$tmp/files/empty"
    printf 'no end of line' >"$tmp/files/unfinished"
    printf 'ab  \t c\r\n\v\f \n\n' >"$tmp/files/odd"
    awk 'BEGIN { for (i = 0; i < 300000; i++) printf "%d word%s", i, i % 7 ? " " : "\n" }' >"$tmp/files/large"
    files=("$tmp"/files/*)
    read -r -a want < <(wc "${files[@]}" | tail -n 1)
    want=("${want[@]:0:3}")
    for procs in 1 2 8; do
        for threads in 1 2 16; do
            expect "wc, GOMAXPROCS=$procs, $threads threads" 0 "${want[*]}" \
                env GOMAXPROCS=$procs "$example" -t $threads "${files[@]}"
        done
    done
    expect "wc of an empty file" 0 "0 0 0" "$example" "$tmp/files/empty"
    expect "a file that is not there" 1 "" "$example" "$tmp/files/large" "$tmp/nowhere" "$tmp/files/odd"
    if ! grep -q "nowhere: No such file" "$tmp/err"; then
        failed=$((failed + 1))
        echo "FAIL: its message: $(<"$tmp/err")"
    fi
    expect "a directory" 1 "" "$example" "$tmp/files/large" "$tmp/files"
    if ! grep -q "files: Is a directory" "$tmp/err"; then
        failed=$((failed + 1))
        echo "FAIL: its message: $(<"$tmp/err")"
    fi
    expect "no file" 2 "" "$example"
else
    echo "not tested: the example (no C++ compiler)"
fi

# --- Plugins ---

cat >"$tmp/plugin.c" <<'END'
#include <tuza.h>

static void add(void *arg)
{
    tuza_chan *c = arg;
    long v = 1;
    tuza_sleep(100 * TUZA_MICROSECOND);
    tuza_chan_send(c, &v);
    tuza_chan_unref(c);
}

static long sum(int n)
{
    tuza_chan *c = tuza_chan_make(sizeof(long), 0);
    long total = 0, v;
    for (int i = 0; i < n; i++)
        if (tuza_go(add, tuza_chan_ref(c)) != 0)
            return -1;
    for (int i = 0; i < n; i++) {
        tuza_chan_recv(c, &v);
        total += v;
    }
    tuza_chan_unref(c);
    return total;
}

int plugin_start(void) { return tuza_start(NULL); }
long plugin_work(int n) { return sum(n); }
int plugin_stop(void) { return tuza_stop(0); }
END
cat >"$tmp/host.c" <<'END'
#include <dirent.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void die(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, dlerror());
    exit(1);
}

static int threads(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/task");
    for (struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

struct plugin {
    void *handle;
    int (*start)(void), (*stop)(void);
    long (*work)(int);
};

static struct plugin load(const char *path)
{
    struct plugin p = {dlopen(path, RTLD_NOW | RTLD_LOCAL), 0, 0, 0};
    if (!p.handle)
        die(path);
    p.start = (int (*)(void))dlsym(p.handle, "plugin_start");
    p.stop = (int (*)(void))dlsym(p.handle, "plugin_stop");
    p.work = (long (*)(int))dlsym(p.handle, "plugin_work");
    if (!p.start || !p.stop || !p.work)
        die("dlsym");
    return p;
}

static void *use(void *arg)
{
    struct plugin *p = arg;
    for (int i = 0; i < 20; i++)
        if (p->start() || p->work(50) != 50 || p->stop()) {
            fprintf(stderr, "a plugin failed\n");
            _exit(1);
        }
    return NULL;
}

/* argv[1], argv[2]: two plugins with one libtuza between them; used one after the other, at once, and loaded again. */
int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    for (int round = 0; round < 3; round++) {
        struct plugin a = load(argv[1]), b = load(argv[2]);
        use(&a);
        use(&b);
        pthread_t t[4];
        for (int i = 0; i < 4; i++)
            pthread_create(&t[i], NULL, use, i % 2 ? &a : &b);
        for (int i = 0; i < 4; i++)
            pthread_join(t[i], NULL);
        dlclose(a.handle);
        dlclose(b.handle);
        for (int i = 0; i < 1000 && threads() > 1; i++)
            usleep(10000); /* one that has been joined may be seen for another moment */
        printf("%d\n", threads());
    }
    return 7;
}
END

cd "$tmp" || exit 1
for compiler in gcc clang; do
    command -v $compiler >/dev/null || continue
    $compiler -O2 -fPIC -shared -I"$source/include" plugin.c -o a.so -L"$build" -ltuza -Wl,-rpath,"$build" &&
        cp a.so b.so && $compiler -O2 -pthread host.c -o host -ldl || exit 1
    readelf -d host | grep -q libtuza && echo "the host knows tuza" && exit 1
    for procs in 1 4; do
        expect "plugins, $compiler, GOMAXPROCS=$procs" 7 $'1\n1\n1' env GOMAXPROCS=$procs ./host ./a.so ./b.so
    done
done

# --- A second copy of the runtime ---

gcc -O2 -fPIC -shared -I"$source/include" plugin.c -o copy.so "$build/libtuza.a" -pthread \
    -Wl,-Bsymbolic,-z,nodelete || exit 1
expect "a plugin with a copy of its own" 7 $'1\n1\n1' ./host ./copy.so ./copy.so
expect "two copies" 2 "" ./host ./copy.so ./a.so
if ! grep -q "^runtime: tuza is in .*copy.so and in .*libtuza.so" "$tmp/err" ||
    ! grep -q "^fatal error: tuza: a second copy of the runtime in this process$" "$tmp/err"; then
    failed=$((failed + 1))
    echo "FAIL: its message: $(<"$tmp/err")"
fi

echo "$ran ran, $failed failed"
((failed == 0 && ran > 0))
