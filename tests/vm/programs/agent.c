/* SPDX-License-Identifier: MIT OR Apache-2.0
 * agent: a process that makes the PC/SC calls it is told, one per line. */
#include "../../c/agent.c"
