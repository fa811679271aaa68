/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The barrier to C++ exceptions. While an unwinder searches for a handler
 * nothing has been unwound yet; an error there makes the throw end in
 * std::terminate, with the stack as it was. Forced unwinding (pthread_exit,
 * a thread's cancellation) searches for no handler, and passes.
 */
#include <unwind.h>

#include "base/base.h"

_Unwind_Reason_Code tz_arch_barrier_personality(int version, _Unwind_Action actions,
                                                _Unwind_Exception_Class class,
                                                struct _Unwind_Exception *exception,
                                                struct _Unwind_Context *context);

_Unwind_Reason_Code tz_arch_barrier_personality(int version, _Unwind_Action actions,
                                                _Unwind_Exception_Class class,
                                                struct _Unwind_Exception *exception,
                                                struct _Unwind_Context *context)
{
    (void)version, (void)class, (void)exception, (void)context;
    return actions & _UA_SEARCH_PHASE ? _URC_FATAL_PHASE1_ERROR : _URC_CONTINUE_UNWIND;
}
