/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_REPORT_REPORT_H
#define VMB_REPORT_REPORT_H

/*
 * A ledger for people and programs. In: a ledger. Out: JSON and a table (show.c), bars for a terminal
 * (chart.c), a picture (svg.c); this header has what they share. Drawn is what lies on the time line
 * from the call to when the program runs and the agent answers. What comes later may be days later:
 * it is listed in words.
 */

#include <vmboot/event.h>

/* Microseconds; at least 1. */
int64_t vmb_chart_end(const struct vmboot_ledger *ledger);

/* True if the event is drawn on a line that ends there. */
bool vmb_chart_shows(const struct vmboot_event *event, int64_t end_us);

/* A step that divides the line into 4 to 10 parts: 1, 2 or 5 times a power of ten; microseconds. */
int64_t vmb_chart_step(int64_t end_us);

/* "1052.3 ms", "12.34 s", for people. */
void vmb_chart_duration(int64_t us, char text[32]);

/* "exit  code 0", what an event says besides its time; freed by the caller. */
int vmb_event_words(const struct vmboot_event *event, char **ret);

#endif
