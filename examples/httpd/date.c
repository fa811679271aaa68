/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Dates as HTTP writes them, without the locale's names of days and months,
 * which strftime would use.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "httpd.h"

static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                   "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static char *two(char *at, int n)
{
    *at++ = (char)('0' + n / 10 % 10);
    *at++ = (char)('0' + n % 10);
    return at;
}

void date_format(char out[DATE_SIZE], time_t when)
{
    struct tm t;
    if (!gmtime_r(&when, &t) || t.tm_year < -1900 || t.tm_year > 9999 - 1900) {
        when = 0;
        gmtime_r(&when, &t);
    }
    char *at = out;
    memcpy(at, days[t.tm_wday], 3);
    memcpy(at + 3, ", ", 2);
    at = two(at + 5, t.tm_mday);
    *at++ = ' ';
    memcpy(at, months[t.tm_mon], 3);
    at[3] = ' ';
    at = two(at + 4, (t.tm_year + 1900) / 100);
    at = two(at, (t.tm_year + 1900) % 100);
    *at++ = ' ';
    at = two(at, t.tm_hour);
    *at++ = ':';
    at = two(at, t.tm_min);
    *at++ = ':';
    at = two(at, t.tm_sec);
    memcpy(at, " GMT", 5);
}

static int month_of(const char *name)
{
    for (int i = 0; i < 12; i++)
        if (strcmp(name, months[i]) == 0)
            return i;
    return -1;
}

/* "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994". */
bool date_parse(const char *text, size_t len, time_t *when)
{
    char copy[40], day[10], month[4];
    struct tm t = {0};
    int end = -1;
    if (len >= sizeof copy)
        return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    if (sscanf(copy, "%3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", day, &t.tm_mday, month, &t.tm_year,
               &t.tm_hour, &t.tm_min, &t.tm_sec, &end) == 7 &&
        end == (int)len) {
        t.tm_year -= 1900;
    } else if (sscanf(copy, "%9[A-Za-z], %2d-%3[A-Za-z]-%2d %2d:%2d:%2d GMT%n", day, &t.tm_mday, month,
                      &t.tm_year, &t.tm_hour, &t.tm_min, &t.tm_sec, &end) == 7 &&
               end == (int)len) {
        struct tm today;
        time_t now = time(NULL);
        gmtime_r(&now, &today);
        t.tm_year += today.tm_year / 100 * 100;
        if (t.tm_year > today.tm_year + 50) /* so far ahead is the past of the century before */
            t.tm_year -= 100;
    } else if (sscanf(copy, "%3[A-Za-z] %3[A-Za-z] %2d %2d:%2d:%2d %4d%n", day, month, &t.tm_mday, &t.tm_hour,
                      &t.tm_min, &t.tm_sec, &t.tm_year, &end) == 7 &&
               end == (int)len) {
        t.tm_year -= 1900;
    } else {
        return false;
    }
    t.tm_mon = month_of(month);
    if (t.tm_mon < 0 || t.tm_mday < 1 || t.tm_mday > 31 || t.tm_hour > 23 || t.tm_min > 59 || t.tm_sec > 60 ||
        t.tm_hour < 0 || t.tm_min < 0 || t.tm_sec < 0)
        return false;
    *when = timegm(&t);
    return true;
}
