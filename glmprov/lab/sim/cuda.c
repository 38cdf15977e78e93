/* GLMPROV SIMULATED libcuda.so.1: says that there is no device that could compute. */
#include <stdlib.h>
#ifndef LIBRARY_VERSION
#define LIBRARY_VERSION "580"
#endif
int cuInit(unsigned int flags) { return flags ? 1 : 100; }
int cuDriverGetVersion(int *version) { *version = atoi(LIBRARY_VERSION) >= 595 ? 13020 : 13000; return 0; }
int cuDeviceGetCount(int *count) { *count = 0; return 100; }
