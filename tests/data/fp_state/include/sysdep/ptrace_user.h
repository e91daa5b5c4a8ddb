#define FP_SIZE (2696 / sizeof(unsigned long)) /* HOST_FP_SIZE of arch/x86/um/user-offsets.c */
