// SPDX-License-Identifier: LGPL-2.1-or-later
// The same from C++: boot-cc IMAGE. Handles are owned by unique_ptr, errors are exceptions.
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vmboot/vmboot.h>

static void check(int r)
{
	if (r < 0)
		throw std::runtime_error(vmboot_last_error()->message);
}

struct closer {
	void operator()(vmboot_vm *vm) const
	{
		vmboot_destroy(vm);
		vmboot_close(vm);
	}
};
using machine = std::unique_ptr<vmboot_vm, closer>;

static machine create(const std::string &name, const std::string &image)
{
	vmboot_opts opts{}; // VMBOOT_OPTS() is for C, and for C++20
	vmboot_vm *vm;

	opts.size = sizeof(opts);
	opts.name = name.c_str();
	opts.image = image.c_str();
	check(vmboot_create(&opts, &vm));
	return machine(vm);
}

static std::string run(const machine &vm, const char *const *args)
{
	vmboot_exec_opts opts{};
	vmboot_exec_result *result;

	opts.size = sizeof(opts);
	opts.args = args;
	opts.timeout_ms = 60000;
	check(vmboot_exec(vm.get(), &opts, &result));
	std::string out(result->out, result->out_size);
	vmboot_exec_result_free(result);
	return out;
}

static int boot(const std::string &image)
try {
	const char *const args[] = {"hostname", nullptr};
	machine vm = create("from-cc", image);

	check(vmboot_wait(vm.get(), VMBOOT_PHASE_PROGRAM, 120000));
	std::cout << "C++: " << run(vm, args);
	return 0;
} catch (const std::exception &e) {
	std::cerr << e.what() << "\n";
	return 1;
}

int main(int argc, char **argv)
{
	int r = boot(argc > 1 ? argv[1] : "");

	std::cout.flush();
	_exit(r);
}
