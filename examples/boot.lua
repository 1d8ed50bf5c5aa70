-- SPDX-License-Identifier: LGPL-2.1-or-later
-- The same from LuaJIT's FFI: luajit boot.lua IMAGE. The request is JSON, so that only the structs
-- that are read or filled here have to be declared.
local ffi = require("ffi")

ffi.cdef [[
struct vmboot_opts;
struct vmboot_vm;
struct vmboot_error { size_t size; int code; const char *message; };
struct vmboot_exec_opts {
	size_t size;
	const char *const *args, *const *env;
	const char *workdir, *user;
	const void *input;
	size_t input_size, output_max;
	int timeout_ms;
	bool tty;
	unsigned rows, columns;
};
struct vmboot_exec_result {
	size_t size;
	int exit_code, exit_signal;
	bool timed_out;
	const char *out;
	size_t out_size;
};
const struct vmboot_error *vmboot_last_error(void);
int vmboot_phase_from_name(const char *name);
int vmboot_opts_from_json(const char *json, struct vmboot_opts **ret_opts);
void vmboot_opts_free(struct vmboot_opts *opts);
int vmboot_create(const struct vmboot_opts *opts, struct vmboot_vm **ret_vm);
int vmboot_wait(struct vmboot_vm *vm, int phase, int timeout_ms);
int vmboot_exec(struct vmboot_vm *vm, const struct vmboot_exec_opts *opts,
		struct vmboot_exec_result **ret_result);
void vmboot_exec_result_free(struct vmboot_exec_result *result);
int vmboot_destroy(struct vmboot_vm *vm);
void vmboot_close(struct vmboot_vm *vm);
void _exit(int status);
]]

local vmboot = ffi.load("libvmboot.so.0")

local function check(r)
	if r < 0 then
		error(ffi.string(vmboot.vmboot_last_error().message), 0)
	end
	return r
end

local function create(json)
	local opts = ffi.new("struct vmboot_opts *[1]")
	local vm = ffi.new("struct vmboot_vm *[1]")

	check(vmboot.vmboot_opts_from_json(json, opts))
	local r = vmboot.vmboot_create(opts[0], vm)
	vmboot.vmboot_opts_free(opts[0])
	check(r)
	return vm[0]
end

local function run(vm, ...)
	local words = {...}
	local args = ffi.new("const char *[?]", #words + 1) -- the last one is NULL
	local result = ffi.new("struct vmboot_exec_result *[1]")
	local opts = ffi.new("struct vmboot_exec_opts", {args = args, timeout_ms = 60000})

	for i, word in ipairs(words) do
		args[i - 1] = word
	end
	opts.size = ffi.sizeof(opts)
	check(vmboot.vmboot_exec(vm, opts, result))
	local out = ffi.string(result[0].out, result[0].out_size)
	vmboot.vmboot_exec_result_free(result[0])
	return out
end

local function boot(image)
	local vm = create(('{"name": "from-lua", "image": "%s"}'):format(image))
	local well, words = pcall(function()
		check(vmboot.vmboot_wait(vm, vmboot.vmboot_phase_from_name("program"), 120000))
		io.write("LuaJIT: ", run(vm, "hostname"))
	end)

	vmboot.vmboot_destroy(vm)
	vmboot.vmboot_close(vm)
	if not well then
		error(words, 0)
	end
end

local well, words = pcall(boot, arg[1] or "")
if not well then
	io.stderr:write(words, "\n")
end
io.stdout:flush()
ffi.C._exit(well and 0 or 1)
