/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bytes to the agent's QGA server. Commands that would touch the machine only have their arguments
 * checked. What comes back is JSON in QGA's shape, one line a message, as another library reads it.
 */
#include "fuzz.h"

#include <json.h>
#include <string.h>

#include "qga.h"

static void check_reply(const char *text, size_t n)
{
	struct json_object *o;

	FUZZ_CHECK(n > 2 && text[n - 1] == '\n' && !memchr(text, '\n', n - 1));
	FUZZ_CHECK(strlen(text) == n);
	if ((unsigned char)*text == 0xff)
		text++;
	o = json_tokener_parse(text);
	FUZZ_CHECK(json_object_is_type(o, json_type_object));
	FUZZ_CHECK(json_object_object_get_ex(o, "return", NULL) !=
		   json_object_object_get_ex(o, "error", NULL));
	json_object_put(o);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct agent_qga q;
	static struct init init;

	init.root = "/nonexistent";
	init.overlay = -1;
	agent_qga_init(&q, &init, NULL, -1);
	q.pure = true;
	for (size_t at = 0; at < n;) {
		size_t took = agent_qga_take(&q, data + at, n - at);

		FUZZ_CHECK(took > 0 && took <= n - at);
		at += took;
		if (q.reply.n > 0)
			check_reply(q.reply.text, q.reply.n);
		else
			FUZZ_CHECK(at == n || q.message_n == 0);
		ajson_done(&q.reply);
	}
	agent_qga_done(&q);
	return 0;
}
