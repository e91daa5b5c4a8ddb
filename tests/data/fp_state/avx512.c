/*
 * Two processes compute with AVX-512 registers in turns, and a signal's handler in between. Each must find its
 * registers as it left them. Prints what it did; exit status 1 where a register had another value.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define TURNS 500

struct registers {
	uint8_t zmm[32][64];
	uint64_t mask[8];
};

#define EACH_ZMM(do) \
	do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7) do(8) do(9) do(10) do(11) do(12) do(13) do(14) do(15) \
	do(16) do(17) do(18) do(19) do(20) do(21) do(22) do(23) do(24) do(25) do(26) do(27) do(28) do(29) do(30) do(31)
#define EACH_MASK(do) do(0) do(1) do(2) do(3) do(4) do(5) do(6) do(7)

#define LOAD_ZMM(n) "vmovdqu64 " #n "*64(%[in]), %%zmm" #n "\n"
#define STORE_ZMM(n) "vmovdqu64 %%zmm" #n ", " #n "*64(%[out])\n"
#define LOAD_MASK(n) "kmovw 2048+" #n "*8(%[in]), %%k" #n "\n"
#define STORE_MASK(n) "kmovw %%k" #n ", 2048+" #n "*8(%[out])\n"

static void fill(struct registers *all, int seed)
{
	uint8_t *bytes = (uint8_t *)all->zmm;

	memset(all, 0, sizeof(*all));
	for (unsigned i = 0; i < sizeof(all->zmm); i++)
		bytes[i] = (uint8_t)(seed + i * 3 + i / 64);
	for (int i = 0; i < 8; i++)
		all->mask[i] = (uint16_t)(seed * 257 + i);
}

/* Fill all registers, make one system call, and look at them: nothing else runs in between. */
static void across(const struct registers *in, struct registers *out, long number, long first, long second)
{
	asm volatile(EACH_ZMM(LOAD_ZMM) EACH_MASK(LOAD_MASK) "syscall\n" EACH_ZMM(STORE_ZMM) EACH_MASK(STORE_MASK)
		     : "+a"(number)
		     : [in] "r"(in), [out] "r"(out), "D"(first), "S"(second)
		     : "rcx", "r11", "memory");
}

static void handler(int number)
{
	struct registers in, out;

	fill(&in, number + 100);
	across(&in, &out, SYS_sched_yield, 0, 0);
}

static int differs(const char *who, int turn, long number, long first, long second)
{
	static struct registers in, out;

	fill(&in, turn + (int)getpid());
	memset(&out, 0, sizeof(out));
	across(&in, &out, number, first, second);
	if (!memcmp(&in, &out, sizeof(in)))
		return 0;
	for (int i = 0; i < 32; i++)
		if (memcmp(in.zmm[i], out.zmm[i], 64)) {
			printf("%s: zmm%d has another value in turn %d\n", who, i, turn);
			return 1;
		}
	printf("%s: a mask register has another value in turn %d\n", who, turn);
	return 1;
}

static int compute(const char *who)
{
	for (int turn = 0; turn < TURNS; turn++) {
		if (differs(who, turn, SYS_sched_yield, 0, 0))
			return 1;
		if (differs("across a signal", turn, SYS_kill, getpid(), SIGUSR1))
			return 1;
	}
	return 0;
}

int main(void)
{
	int status;

	setbuf(stdout, NULL);
	signal(SIGUSR1, handler);
	pid_t child = fork();
	if (child == 0)
		return compute("child");
	int failed = compute("parent");
	if (waitpid(child, &status, 0) != child || status)
		failed = 1;
	printf("%d turns\n", TURNS);
	return failed;
}
