/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef VMB_WIRE_STREAM_H
#define VMB_WIRE_STREAM_H

/*
 * Streaming exec and copying: frames on a virtio-serial port, both ways, little-endian. A port is a
 * connection, which one process on the host has at a time. VMB_STREAM_PORT is there from the start;
 * when it is taken, the host plugs more into the running guest, named VMB_STREAM_PORTS and a number
 * below VMB_STREAM_PORTS_MAX. They stay for the next process that needs one.
 *
 *   offset size
 *        0    4  0x53424d56 "VMBS"
 *        4    4  CRC-32 of bytes 8 to 23
 *        8    1  version, 1
 *        9    1  type, enum vmb_frame_type
 *       10    2  0
 *       12    4  session, chosen by the host; 0 is the connection itself
 *       16    4  value, by type
 *       20    4  length of the payload, at most VMB_FRAME_PAYLOAD_MAX
 *       24    …  payload
 *
 * The checksum tells a frame's head from other bytes after a cut. The payload has none: memory, and
 * what libvirt carries, lose nothing, and an emulated guest would spend half of a copy's time on it.
 *
 * A conversation:
 *
 *   host                                   guest
 *   HELLO value=nonce                 ->                       forget all sessions, kill them
 *                                     <-   HELLO value=nonce   same nonce: what came before is stale
 *   EXEC  session=1 payload=request   ->
 *                                     <-   STARTED value=pid   or FAILED value=errno payload=words
 *   CREDIT session=1 value=65536      ->                       how much more stdout+stderr I take
 *                                     <-   STDOUT payload      at most what there is credit for
 *                                     <-   CREDIT value=65536  how much more stdin I take
 *   STDIN payload                     ->
 *   STDIN payload empty               ->                       end of input
 *   RESIZE value=columns<<16|rows     ->                       if it has a terminal
 *   SIGNAL value=15                   ->                       to its process group
 *                                     <-   EXIT value=code, or 256 + signal; after all output
 *   CLOSE session=1                   ->                       the host forgets the session; a
 *                                                              program that still runs is killed
 *
 * A session lives from EXEC to CLOSE, also when it FAILED or its EXIT was sent: until then the guest
 * ignores what else comes for it, which may have been under way. The host takes each number once on
 * a connection, and ignores what still comes for a session that it closed.
 *
 * Credit starts at 0, both ways, and CREDIT adds to it; only payload bytes use it up. Each session
 * has its own, so a reader that is stuck stops only its own program. There is no unlimited queue on
 * either side: a sender without credit does not read its source. What breaks the rules (magic, CRC,
 * version, length, credit, unknown session) ends the connection: the receiver drops all sessions
 * and waits for the next HELLO, skipping bytes until it finds one. A guest whose agent was started
 * again knows no sessions: then it sends HELLO with value 0, and so it does when it ends the
 * connection.
 *
 * EXIT does not wait for what the program left running in the background and still holds its
 * outputs: what was written until the program's end is sent, no more.
 *
 * A request that is longer than a payload is sent in several EXEC frames of the session, each with the
 * number of bytes that still follow it as its value; it is at most VMB_EXEC_REQUEST_MAX bytes, which
 * is what Linux takes as arguments and environment, and some.
 *
 * The request of EXEC is a list of records "key=value", each ended by a 0 byte: "tty" (0 or 1),
 * "rows", "columns", "user", "workdir", then "arg" and "env" as in wire/config.h and with its
 * bounds. What is left out is 0 or "". "env" goes over the environment of the VM's program, and a user or
 * a workdir that is "" is that program's.
 *
 * Two programs are in the agent itself, for copying; the image needs none for it. They write words
 * to stderr and exit with 1 when something is wrong.
 *
 *   @vmboot-tar-out PATH  a pax archive of PATH to stdout, as `tar -C dirname -c basename`: names
 *                         start with the last component of PATH, or are "." and "./…" if that is
 *                         none ("/", ".", ".."). A link is archived as a link, unless PATH ends
 *                         with a slash. Owners by number, times in nanoseconds, hard links, holes
 *                         as GNU.sparse 1.0. What is mounted below PATH is no part of it.
 *   @vmboot-tar-in PATH   reads such an archive from stdin and extracts it in the folder PATH.
 *                         Nothing is written outside it, whatever the names and links say. Files
 *                         that are there are replaced, folders are kept and get the new owner,
 *                         mode and times.
 *
 * Encoder and decoder do no I/O and allocate nothing.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/config.h"

#define VMB_STREAM_PORTS "org.vmboot.stream."
#define VMB_STREAM_PORT VMB_STREAM_PORTS "0"
#define VMB_TAR_OUT "@vmboot-tar-out"
#define VMB_TAR_IN "@vmboot-tar-in"

enum {
	/* a virtio-serial device has 30 ports for channels, and the guest's others take five */
	VMB_STREAM_PORTS_MAX = 25,
	VMB_FRAME_HEAD = 24,
	VMB_FRAME_PAYLOAD_MAX = 65536,
	VMB_EXEC_LIST_MAX = 1024,
	VMB_EXEC_REQUEST_MAX = (2 << 20) + 65536,
	VMB_STREAM_SESSIONS_MAX = 128, /* at once, on one connection */
	VMB_STREAM_WINDOW = 262144,    /* credit that a side has out at most, bytes */
};

enum vmb_frame_type {
	VMB_FRAME_HELLO = 1,
	VMB_FRAME_EXEC = 2,
	VMB_FRAME_STARTED = 3,
	VMB_FRAME_FAILED = 4,
	VMB_FRAME_STDIN = 5,
	VMB_FRAME_STDOUT = 6,
	VMB_FRAME_STDERR = 7,
	VMB_FRAME_CREDIT = 8,
	VMB_FRAME_RESIZE = 9,
	VMB_FRAME_SIGNAL = 10,
	VMB_FRAME_EXIT = 11,
	VMB_FRAME_CLOSE = 12,
};

struct vmb_frame {
	enum vmb_frame_type type;
	uint32_t session, value;
	const uint8_t *payload; /* points into the bytes that were decoded */
	size_t length;
};

/* The number of a stream port by its name; -1: it is another port. */
int vmb_stream_port_number(const char *name);

/* Writes the head for a frame whose payload follows it. */
void vmb_frame_head(const struct vmb_frame *frame, uint8_t out[VMB_FRAME_HEAD]);

/*
 * Decodes the frame at the start of n bytes. Its length in bytes; 0: not all of it is there yet;
 * -EBADMSG: no frame starts here.
 */
long vmb_frame_decode(const uint8_t *bytes, size_t n, struct vmb_frame *ret);

/*
 * How many bytes to skip until a frame may start: looks for the magic. 0 if it may here; so, when
 * no frame started here, ask from the next byte on.
 */
size_t vmb_frame_resync(const uint8_t *bytes, size_t n);

/*
 * The same for who takes nothing but HELLO: what says that it is something long is not waited for,
 * so that bytes left over from before cannot swallow it.
 */
size_t vmb_frame_skip_to_hello(const uint8_t *bytes, size_t n);

/* What EXEC carries. */
struct vmb_exec_request {
	bool tty;
	unsigned rows, columns; /* at most 65535 */
	const char *user,
		*workdir; /* "": the VM's program's. Absolute. NULL is as "" when encoding */
	const char *args[VMB_EXEC_LIST_MAX + 1]; /* NULL-ended; one at least, and that not empty */
	const char *env[VMB_EXEC_LIST_MAX + 1];	 /* NULL-ended, "K=V" */
};

/*
 * Writes the payload to out (size bytes). Returns its length, also when out is NULL or too small
 * (then nothing is written); or -E2BIG: more than a frame holds, or over a bound, -EINVAL: a value
 * that cannot be.
 */
long vmb_exec_request_encode(const struct vmb_exec_request *request, uint8_t *out, size_t size);

/* 0 or -EBADMSG. The strings of the result, which is 16 KiB, point into the bytes. */
int vmb_exec_request_decode(const uint8_t *bytes, size_t n, struct vmb_exec_request *ret);

#endif
