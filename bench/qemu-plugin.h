/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef BENCH_QEMU_PLUGIN_H
#define BENCH_QEMU_PLUGIN_H

/*
 * The part of QEMU's TCG plugin interface, version 1 (QEMU 6.1 to 8.2), that count.c uses, as its
 * documentation tells it; distributions do not package QEMU's own header.
 */

#include <stddef.h>
#include <stdint.h>

#define QEMU_PLUGIN __attribute__((visibility("default")))

enum { QEMU_PLUGIN_API = 1 };
enum qemu_plugin_registers { QEMU_PLUGIN_NO_REGISTERS = 0 };
enum qemu_plugin_operation { QEMU_PLUGIN_ADD_U64 = 0 };

typedef uint64_t qemu_plugin_id;
struct qemu_plugin_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;

typedef void (*qemu_plugin_translated)(qemu_plugin_id id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_executed)(unsigned vcpu, void *data);
typedef void (*qemu_plugin_exiting)(qemu_plugin_id id, void *data);

/* What QEMU looks for in a plugin. */
QEMU_PLUGIN extern int qemu_plugin_version;
QEMU_PLUGIN int qemu_plugin_install(qemu_plugin_id id, const struct qemu_plugin_info *info,
				    int argc, char **argv);

/* What QEMU has for it. */
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id id, qemu_plugin_translated fn);
void qemu_plugin_register_atexit_cb(qemu_plugin_id id, qemu_plugin_exiting fn, void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t i);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, qemu_plugin_executed fn,
					  enum qemu_plugin_registers registers, void *data);
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb,
					      enum qemu_plugin_operation operation, void *to,
					      uint64_t value);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, qemu_plugin_executed fn,
					    enum qemu_plugin_registers registers, void *data);

#endif
