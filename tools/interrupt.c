/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "interrupt.h"

#include <signal.h>
#include <unistd.h>

/* A signal handler has no other way to reach them. */
static volatile sig_atomic_t first_signal;
static struct vmboot_cancel *cancel;

static void on_signal(int number)
{
	if (first_signal)
		_exit(EXIT_SIGNAL + number); /* what is half made is for gc */
	first_signal = number;
	vmboot_cancel(cancel);
}

void cancel_on_signal(struct args *args)
{
	static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal};

	if (vmboot_cancel_new(&cancel) < 0)
		return;
	args->opts->cancel = cancel;
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
		struct sigaction old;

		sigaction(numbers[i], NULL, &old);
		if (old.sa_handler != SIG_IGN) /* as under nohup */
			sigaction(numbers[i], &action, NULL);
	}
}

int cancelled_status(int failed)
{
	return first_signal ? EXIT_SIGNAL + first_signal : failed;
}
