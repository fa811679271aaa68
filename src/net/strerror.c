/* SPDX-License-Identifier: BSD-3-Clause */
/* What negative results mean, in words that stay where they are: strerror's may be written over. */
#include <string.h>

#include "tuza/net.h"

const char *tuza_strerror(int err)
{
    switch (err) {
    case TUZA_ENONAME:
        return "Name or service not known";
    case TUZA_EAGAIN:
        return "Temporary failure in name resolution";
    case TUZA_ENAMEFAIL:
        return "Name resolution failed";
    default:
        break;
    }
    const char *text = err <= 0 ? strerrordesc_np(-err) : NULL;
    return text ? text : "Unknown error";
}
