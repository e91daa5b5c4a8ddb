/* What registers.c finds instead of the kernel's headers; the rest of include/ leads here. */
#ifndef MADE_UP_H
#define MADE_UP_H
#define UM_KERN_ERR ""
#define printk(...) ((void)0)

struct made_up_jump { unsigned long __rip, __rsp, __rbp; };
typedef struct made_up_jump *jmp_buf;
enum { HOST_IP, HOST_SP, HOST_BP };

long made_up_ptrace(int request, int pid, long address, void *data);
#endif
