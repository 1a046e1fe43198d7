/* A libnvidia-ml.so.1 whose answers are read from the text file $FAKE_NVML_STATE at every call, one "name value" a line:
   init, info2, info1, handleN (return codes; 0 is success),
   count, total, free (bytes), major, minor, driver (the version's first number), cuda (12040 is 12.4).
   Compiled by tests/device/stub.py. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct { unsigned int index; } device_t;
typedef struct { unsigned long long total, free, used; } memory1_t;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } memory2_t;

static device_t devices[8] = {{0}, {1}, {2}, {3}, {4}, {5}, {6}, {7}};

static long long state(const char *wanted, long long fallback) {
    char name[64];
    long long value, found = fallback;
    FILE *file = fopen(getenv("FAKE_NVML_STATE"), "r");
    if (!file) return fallback;
    while (fscanf(file, "%63s %lld", name, &value) == 2)
        if (!strcmp(name, wanted)) found = value;
    fclose(file);
    return found;
}

int nvmlInitWithFlags(unsigned int flags) { return (int)state("init", 0); }
int nvmlInit_v2(void) { return (int)state("init", 0); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return "an error of the stub"; }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = (int)state("cuda", 13000); return 0; }

int nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    snprintf(version, length, "%lld.65.06", state("driver", 580));
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned int *count) { *count = (unsigned int)state("count", 1); return 0; }

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, device_t **device) {
    char name[32];
    snprintf(name, sizeof name, "handle%u", index);
    *device = &devices[index];
    return (int)state(name, 0);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, device_t **device) {
    unsigned int index;
    if (sscanf(uuid, "GPU-%u", &index) != 1 || index >= state("count", 1)) return 6;
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

int nvmlDeviceGetUUID(device_t *device, char *uuid, unsigned int length) {
    snprintf(uuid, length, "GPU-%u", device->index);
    return 0;
}

int nvmlDeviceGetName(device_t *device, char *name, unsigned int length) {
    snprintf(name, length, "Stub %u", device->index);
    return 0;
}

int nvmlDeviceGetMigMode(device_t *device, unsigned int *current, unsigned int *pending) { return 3; }

int nvmlDeviceGetCudaComputeCapability(device_t *device, int *major, int *minor) {
    *major = (int)state("major", 8);
    *minor = (int)state("minor", 9);
    return 0;
}

int nvmlDeviceGetMemoryInfo_v2(device_t *device, memory2_t *memory) {
    memory->total = state("total", 0);
    memory->free = state("free", 0);
    memory->reserved = memory->used = 0;
    return (int)state("info2", 0);
}

int nvmlDeviceGetMemoryInfo(device_t *device, memory1_t *memory) {
    memory->total = state("total", 0);
    memory->free = state("free", 0);
    memory->used = 0;
    return (int)state("info1", 0);
}
