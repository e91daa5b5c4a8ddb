void made_up_cpuid(unsigned int leaf, unsigned int number, unsigned int *a, unsigned int *b, unsigned int *c, unsigned int *d);
#define __cpuid_count(leaf, number, a, b, c, d) made_up_cpuid(leaf, number, &a, &b, &c, &d)
