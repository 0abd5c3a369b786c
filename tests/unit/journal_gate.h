/* journal_gate: a sync that waits while its gate is closed, so that a test decides what one group of the journal holds. */
#ifndef PENSTOCK_TESTS_JOURNAL_GATE_H
#define PENSTOCK_TESTS_JOURNAL_GATE_H

#include "journal_harness.h"

void gate_install(struct fixture *fixture); /* behind fixture_start(), before it is opened */
void gate_set(bool closed);
void gate_await_committer(void); /* until it is at the gate */

#endif
