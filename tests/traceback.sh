# SPDX-License-Identifier: BSD-3-Clause
#
# traceback.sh BUILD SOURCE: names, files and lines however a program is built:
# position-independent or not, static, with the shared library, with a plugin,
# without debug information, stripped, in C++, without libdw.
#
# ctest: release-only | timeout 300
set -eu
build=$1
source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cc=$(sed -n 's/^CMAKE_C_COMPILER:[A-Z]*=//p' "$build/CMakeCache.txt")
cc=${cc:-cc}
cd "$work"

cat > program.c <<'C'
#include <stdio.h>
#include <string.h>
#include <tuza.h>
#ifdef PLUGIN
#include <dlfcn.h>
#endif

#define STAY() __asm__ volatile("" ::: "memory")
#define NOINLINE __attribute__((noinline))

static tuza_chan *never;

static NOINLINE void wait_here(void *arg) /* line 13 */
{
    tuza_chan_recv(arg, NULL); /* line 15 */
    STAY();
}

static void worker(void *arg)
{
    wait_here(arg); /* line 21 */
    STAY();
}

void panic_here(void)
{
    tuza_chan_close(NULL); /* line 27 */
    STAY();
}

static int app(int argc, char **argv)
{
    (void)argc, (void)argv;
    void (*fail)(void) = panic_here;
#ifdef PLUGIN
    void *lib = dlopen("./plugin.so", RTLD_NOW);
    if (!lib)
        return 90;
    *(void **)&fail = dlsym(lib, "fail_in_plugin");
#endif
    never = tuza_chan_make(0, 0);
    if (tuza_go(worker, never) < 0) /* line 42 */
        return 91;
    for (int i = 0; i < 20; i++)
        tuza_sleep(TUZA_MILLISECOND);
    fail();
    STAY();
    return 0;
}

int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
C
cat > plugin.c <<'C'
#include <tuza.h>
void fail_in_plugin(void)
{
    tuza_chan_close(0); /* line 4 */
    __asm__ volatile("" ::: "memory");
}
C
cat > program.cc <<'C'
#include <string>
#include <tuza.h>
std::string text; /* of C++'s library: else nobody can unmangle a name */
namespace outer {
template <typename T> struct Worker {
    __attribute__((noinline)) static void fail(T)
    {
        tuza_chan_close(nullptr); /* line 8 */
        __asm__ volatile("" ::: "memory");
    }
};
}
static int app(int, char **)
{
    outer::Worker<int>::fail(1);
    __asm__ volatile("" ::: "memory");
    return 0;
}
int main(int argc, char **argv)
{
    return tuza_run(app, argc, argv);
}
C

failed=0
complain() {
    failed=$((failed + 1))
    echo "FAIL: $1"
    head -c 2000 err
}

# run NAME [VAR=VALUE]...: its report is in err.
run() {
    local name=$1 code=0
    shift
    env GOTRACEBACK=all LD_LIBRARY_PATH="$build" "$@" "./$name" > out 2> err < /dev/null || code=$?
    [ "$code" = 2 ] || complain "$name: exit code $code"
    grep -q '^panic: close of nil channel$' err || complain "$name: no panic"
}

# has NAME WORDS...: a line with the words.
has() {
    local name=$1
    shift
    for word in "$@"; do
        grep -qF -- "$word" err || complain "$name: no '$word'"
    done
}

lacks() {
    ! grep -qF -- "$2" err || complain "$1: '$2'"
}

lines="program.c:15 +0x program.c:21 +0x program.c:27 +0x program.c:42 +0x"
# check NAME lines|names: what the report of a program with all its symbols has.
check() {
    has "$1" "panic_here(...)" "wait_here(...)" "worker(...)" "created by app in goroutine 1"
    if [ "$2" = lines ]; then
        for line in $lines; do
            has "$1" "$line"
        done
    else
        has "$1" ":0 +0x"
    fi
    lacks "$1" "tz_"
    lacks "$1" "main_goroutine"
}

static="-I$source/include $build/libtuza.a -pthread"
shared="-I$source/include -L$build -ltuza -pthread"
printf 'int main(void) { return 0; }\n' > none.c

# Is there libdw? Then lines are wanted of all that have them.
with=names
"$cc" -O1 -g program.c $static -o probe
run probe
grep -q 'program.c:15' err && with=lines
echo "with $with"

build_and_check() { # NAME WHAT FLAGS...
    local name=$1 what=$2
    shift 2
    "$cc" program.c "$@" -o "$name"
    run "$name"
    check "$name" "$what"
    echo "ok $name"
}

build_and_check pie $with -O1 -g -fPIE -pie $static
build_and_check no_pie $with -O1 -g -fno-pie -no-pie $static
build_and_check unoptimized $with -O0 -g $static
build_and_check optimized $with -O3 -g $static
build_and_check shared $with -O1 -g $shared
build_and_check no_debug names -O1 -g0 $static
build_and_check compressed $with -O1 -g -gz $static
build_and_check frame_pointers $with -O1 -g -fno-omit-frame-pointer $static
if "$cc" -static none.c -o none 2> /dev/null; then
    build_and_check static names -O1 -g -static $static
fi
if "$cc" -static-pie none.c -o none 2> /dev/null; then
    build_and_check static_pie names -O1 -g -static-pie $static
fi

# Without libdw: a library of that name that is none.
mkdir empty
: > empty/libdw.so.1
run pie LD_LIBRARY_PATH="$work/empty"
check "pie without libdw" names
echo "ok without libdw"

# A plugin that is linked against the library, by the program and by itself.
"$cc" -O1 -g -shared -fPIC plugin.c $shared -o plugin.so
"$cc" -O1 -g -DPLUGIN program.c $shared -ldl -o with_plugin
run with_plugin
has with_plugin "fail_in_plugin(...)" "app(...)" "wait_here(...)"
[ $with = names ] || has with_plugin "plugin.c:4 +0x" "program.c:15 +0x"
lacks with_plugin "tz_"
echo "ok with_plugin"

# Stripped: the functions that the dynamic linker knows have names, others a place.
"$cc" -O1 -g -rdynamic program.c $static -o stripped
strip stripped
run stripped
has stripped "panic_here(...)" "stripped+0x"
echo "ok stripped"

# Debug information in a file of its own is found by the build id, in /usr/lib/debug, where a test has no business:
# so libc's, if it is installed, has to do.

if command -v c++ > /dev/null; then
    c++ -O1 -g program.cc $static -o cplusplus
    run cplusplus
    if [ $with = lines ]; then
        has cplusplus "outer::Worker<int>::fail(int)(...)" "program.cc:8 +0x"
    else
        has cplusplus "_ZN5outer6WorkerIiE4failEi(...)"
    fi
    echo "ok cplusplus"
fi

# The linker's choices do not matter.
for linker in gold lld; do
    if "$cc" -fuse-ld=$linker none.c -o none 2> /dev/null; then
        build_and_check "$linker" $with -O1 -g -fuse-ld=$linker $static
    fi
done
if clang --version > /dev/null 2>&1; then
    # Without .debug_aranges.
    clang -O1 -g program.c $static -o clang_built
    run clang_built
    check clang_built $with
    echo "ok clang_built"
fi

[ $failed = 0 ]
