/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends and receives that a context ends: a select of two cases, but for what is decided without waiting. */
#include "context/context.h"
#include "tuza/select.h"

int tuza_chan_send_context(tuza_chan *c, const void *elem, tuza_context *ctx)
{
    int err = tuza_context_err(ctx);
    if (err)
        return err;
    if (!tz_context_ends(ctx)) {
        tuza_chan_send(c, elem);
        return 0;
    }
    if (tuza_chan_try_send(c, elem))
        return 0;
    tuza_case cases[] = {TUZA_SEND(c, elem), TUZA_DONE(ctx)};
    return tuza_select(cases, 2) == 0 ? 0 : tuza_context_err(ctx);
}

int tuza_chan_recv_context(tuza_chan *c, void *elem, tuza_context *ctx)
{
    int err = tuza_context_err(ctx);
    if (err)
        return err;
    if (!tz_context_ends(ctx))
        return tuza_chan_recv(c, elem);
    bool ok;
    if (tuza_chan_try_recv(c, elem, &ok))
        return ok;
    tuza_case cases[] = {TUZA_RECV(c, elem), TUZA_DONE(ctx)};
    return tuza_select(cases, 2) == 0 ? cases[0].ok : tuza_context_err(ctx);
}
