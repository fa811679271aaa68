/* SPDX-License-Identifier: BSD-3-Clause */
/* The CPU quota of control groups, read from folders with a /proc and a /sys of their own. */
#include <ftw.h>
#include <sys/stat.h>

#include "os/os.h"
#include "tz_test.h"

/* A folder that stands in for / . */
static char root[64];

static void root_new(void)
{
    strcpy(root, "/tmp/tuza-os-test-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st, (void)kind, (void)at;
    return remove(path);
}

static void root_end(void)
{
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void put(const char *path, const char *text)
{
    char full[9000];
    int n = snprintf(full, sizeof full, "%s%s", root, path);
    CHECK(n > 0 && (size_t)n < sizeof full);
    for (char *at = full + strlen(root) + 1; (at = strchr(at, '/')) != NULL; at++) {
        *at = '\0';
        mkdir(full, 0777);
        *at = '/';
    }
    FILE *f = fopen(full, "w");
    CHECK(f != NULL);
    fputs(text, f);
    fclose(f);
}

#define V2_MOUNT "31 23 0:28 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"

TEST(quota_none)
{
    root_new();
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    put("/proc/self/mountinfo", V2_MOUNT);
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    put("/proc/self/cgroup", "0::/a\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    put("/sys/fs/cgroup/a/cpu.max", "max 100000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    root_end();
    CHECK(tz_os_cpu_quota_milli("") >= 0);
}

TEST(quota_v2)
{
    root_new();
    put("/proc/self/mountinfo", "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/root rw\n" V2_MOUNT);
    put("/proc/self/cgroup", "0::/a/b/c\n");
    static const struct {
        const char *text;
        int64_t milli;
    } at[] = {
        {"300000 100000\n", 3000},
        {"200001 100000\n", 2001},
        {"299999 100000\n", 3000},
        {"50000 100000\n", 500},
        {"1 1000000\n", 1},
        {"max 100000\n", 0},
        {"250000\n", 2500}, /* the period left out */
        {"", 0},
        {"garbage\n", 0},
        {"100000 0\n", 0},
        {"100000 x\n", 0},
        {"-5 100000\n", 0},
        {"100000 100000 1\n", 0},
        {"99999999999999999999999999 100000\n", 0},
    };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        put("/sys/fs/cgroup/a/b/c/cpu.max", at[i].text);
        CHECK_EQ(tz_os_cpu_quota_milli(root), at[i].milli);
    }
    /* A level that limits nothing, a parent and the root that do. */
    put("/sys/fs/cgroup/a/b/cpu.max", "400000 100000");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 4000);
    put("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 1500);
    put("/sys/fs/cgroup/a/b/c/cpu.max", "160000 100000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 1500);
    put("/sys/fs/cgroup/cpu.max", "120000 100000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 1200);
    /* A neighbour whose name begins alike is not an ancestor. */
    put("/sys/fs/cgroup/a/b/cc/cpu.max", "1000 100000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 1200);
    root_end();
}

TEST(quota_v1)
{
    root_new();
    put("/proc/self/mountinfo",
        "40 31 0:40 / /cg/mem\\040ory rw - cgroup cgroup rw,memory\n"
        "41 31 0:41 /docker/x /cg/cpu\\040time rw shared:9 master:3 - cgroup cgroup rw,cpu,cpuacct\n");
    put("/proc/self/cgroup", "5:memory:/docker/x\n3:cpu,cpuacct:/docker/x/in\n2:cpuset:/\n0::/\n");
    put("/cg/mem ory/docker/x/cpu.cfs_quota_us", "1000\n");
    put("/cg/mem ory/docker/x/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    put("/cg/cpu time/in/cpu.cfs_quota_us", "-1\n");
    put("/cg/cpu time/in/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    put("/cg/cpu time/in/cpu.cfs_quota_us", "100000\n");
    put("/cg/cpu time/in/cpu.cfs_period_us", "50000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 2000);
    put("/cg/cpu time/cpu.cfs_quota_us", "75000\n"); /* no period: says nothing */
    CHECK_EQ(tz_os_cpu_quota_milli(root), 2000);
    put("/cg/cpu time/cpu.cfs_period_us", "100000\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 750);
    /* Another container's group: its limits are not ours. */
    put("/proc/self/cgroup", "3:cpu,cpuacct:/docker/xy\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    put("/proc/self/cgroup", "3:cpuset,cpuacct:/docker/x\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    put("/proc/self/cgroup", "3:cpuacct,cpu:/docker/x");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 750);
    root_end();
}

TEST(quota_odd_files)
{
    root_new();
    put("/sys/fs/cgroup/a/cpu.max", "150000 100000\n");
    put("/sys/fs/cpu.max", "1000 100000\n");
    put("/proc/self/cgroup", "\n:\n::\n0\n0:\n0:x:/a\nx::/a\n0::/..\n0::/a/../..\n");
    put("/proc/self/mountinfo", "\n - \n1 2 3 - cgroup2\n1 2 3 4 5 - cgroup2 x\n" V2_MOUNT " - - - -\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 0);
    put("/proc/self/cgroup", "0::/a\n");
    CHECK_EQ(tz_os_cpu_quota_milli(root), 1500);
    /* A line longer than any of ours, then ours, without its newline. */
    size_t n = 200000;
    char *text = malloc(n + sizeof V2_MOUNT);
    CHECK(text != NULL);
    memset(text, 'x', n);
    text[n - 1] = '\n';
    strcpy(text + n, V2_MOUNT);
    text[n + sizeof V2_MOUNT - 2] = '\0';
    put("/proc/self/mountinfo", text);
    CHECK_EQ(tz_os_cpu_quota_milli(root), 1500);
    free(text);
    root_end();
}

TEST_MAIN()
