/*
 * A made-up host for arch/x86/um/os-Linux/registers.c, which is compiled into this program: its ptrace()
 * holds the FP state of one process with the size that a processor of some kind has, and its CPUID says
 * where the components of that state lie.
 *
 *   host SIZE    saves and restores states as the kernel does at a task switch; prints what went wrong
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/uio.h>
#include <linux/elf.h>

#include "made_up.h"
#define ptrace(request, pid, address, data) made_up_ptrace(request, pid, (long)(address), data)
#include "registers.c"
#undef ptrace

#define KEPT 2696

struct component { int number; unsigned int size, offset; };

static const struct component avx = {2, 256, 576}, mask = {5, 64, 1088}, zmm = {6, 512, 1152}, zmm16 = {7, 1024, 1664},
	pkru = {9, 8, 2688}, tile_config = {17, 64, 2752}, tile_data = {18, 8192, 2816}, apx = {19, 128, 960},
	straddling = {20, 5500, 2692};

static struct component components[8];
static unsigned long host_size;
static unsigned char host_state[16384];
static int failures;

static void fail(const char *format, ...)
{
	va_list words;

	va_start(words, format);
	vprintf(format, words);
	va_end(words);
	printf("\n");
	failures++;
}

void made_up_cpuid(unsigned int leaf, unsigned int number, unsigned int *a, unsigned int *b, unsigned int *c, unsigned int *d)
{
	*a = *b = *c = *d = 0;
	if (leaf != 0xd)
		fail("CPUID was asked for leaf %x", leaf);
	for (struct component *each = components; each->number; each++)
		if (each->number == (int)number) {
			*a = each->size;
			*b = each->offset;
		}
}

/* As Linux does it: reading is cut to the shorter of the two sizes, writing must have the host's own. */
long made_up_ptrace(int request, int pid, long address, void *data)
{
	struct iovec *iov = data;
	unsigned long bits = 3;

	if (request != PTRACE_GETREGSET && request != PTRACE_SETREGSET) {
		fail("ptrace request %d", request);
		return -1;
	}
	if (pid != 1 || address != NT_X86_XSTATE)
		fail("not the FP state of the process");
	if (request == PTRACE_GETREGSET) {
		if (iov->iov_len > host_size)
			iov->iov_len = host_size;
		memcpy(iov->iov_base, host_state, iov->iov_len);
		return 0;
	}
	for (struct component *each = components; each->number; each++)
		bits |= 1UL << each->number;
	if (iov->iov_len != host_size) {
		errno = EFAULT;
		return -1;
	}
	if (((unsigned long *)iov->iov_base)[64] & ~bits) {
		errno = EINVAL;
		return -1;
	}
	memcpy(host_state, iov->iov_base, host_size);
	return 0;
}

/* The process computes: all of its state, whatever it is, gets another value. */
static void compute(unsigned char seed)
{
	unsigned long *bits = (unsigned long *)host_state + 64;

	for (unsigned long i = 0; i < host_size; i++)
		host_state[i] = (unsigned char)(seed + i * 7 + i / 256);
	memset(bits, 0, 64);
	*bits = 3;
	for (struct component *each = components; each->number; each++)
		*bits |= 1UL << each->number;
}

static void expect(unsigned char seed)
{
	static unsigned char wanted[sizeof(host_state)];
	unsigned long kept = 3;

	memcpy(wanted, host_state, sizeof(wanted));
	compute(seed);
	for (struct component *each = components; each->number; each++)
		if (each->offset + each->size <= KEPT)
			kept |= 1UL << each->number;
	((unsigned long *)host_state)[64] = kept;
	if (host_size > KEPT)
		memset(host_state + KEPT, 0, host_size - KEPT);
	for (unsigned long i = 0; i < host_size; i++)
		if (wanted[i] != host_state[i]) {
			fail("byte %lu of the process is %d and was %d", i, wanted[i], host_state[i]);
			return;
		}
}

static void choose(unsigned long size)
{
	const struct component *sets[][8] = {
		{&avx},
		{&avx, &mask, &zmm, &zmm16, &pkru},
		{&avx, &mask, &zmm, &zmm16, &pkru, &apx, &straddling},
		{&avx, &mask, &zmm, &zmm16, &pkru, &apx, &tile_config, &tile_data},
	};
	int set = size <= 832 ? 0 : size <= KEPT ? 1 : size <= 8192 ? 2 : 3;

	host_size = size;
	for (int i = 0, n = 0; i < 7 && sets[set][i]; i++)
		if (sets[set][i]->offset + sets[set][i]->size <= size)
			components[n++] = *sets[set][i];
}

int main(int argc, char **argv)
{
	static unsigned long one[FP_SIZE], two[FP_SIZE];

	if (argc != 2)
		return 2;
	choose(strtoul(argv[1], NULL, 10));
	compute(1);
	arch_init_registers(1);

	compute(10);
	if (save_fp_registers(1, one))
		fail("the first process cannot be saved");
	compute(99);
	if (save_fp_registers(1, two))
		fail("the second process cannot be saved");
	for (int turn = 0; turn < 3; turn++) {
		if ((errno = -restore_fp_registers(1, one)))
			fail("the first process cannot be restored: %s", strerror(errno));
		else
			expect(10);
		if (save_fp_registers(1, one))
			fail("the first process cannot be saved again");
		if ((errno = -restore_fp_registers(1, two)))
			fail("the second process cannot be restored: %s", strerror(errno));
		else
			expect(99);
	}
	return failures != 0;
}
