/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* plan plan|xml IMAGE: the boot of test_request.py's test_plan, told in C. */
#include <stdio.h>
#include <string.h>
#include <vmboot/vmboot.h>

int main(int argc, char **argv)
{
	static const char *const env[] = {"A=1", NULL};
	static const char *const label[] = {"team=<a>", NULL};
	struct vmboot_opts opts =
		VMBOOT_OPTS(.name = "planned", .accel = VMBOOT_ACCEL_TCG, .uri = "embed",
			    .on_exit = VMBOOT_ON_EXIT_POWEROFF, .vcpus = 2, .env = env,
			    .skip_kernel_headers = true, .skip_module_signatures = true,
			    .hostname = "www.example.org", .log_max_mib = 5, .label = label);
	char *text = NULL;
	int r;

	if (argc != 3)
		return 2;
	opts.image = argv[2];
	r = strcmp(argv[1], "xml") == 0 ? vmboot_render_xml(&opts, &text)
					: vmboot_plan(&opts, &text);
	if (r < 0)
		fprintf(stderr, "plan: %s\n", vmboot_last_error()->message);
	else
		puts(text);
	vmboot_free(text);
	return r < 0;
}
