/* A libnvidia-ml.so.1 whose answers are read from the text file $FAKE_NVML_STATE at every call, one "name value" a line.
   "name.N" is that of device N alone, and goes before "name". Return codes (0 is success), by call:
     init, count, handle, uuid, name, capability, info2, info1, mig, compute, graphics, utilization, shares.
   "hang.CALL" (of any of them) 1: the call does not return before that is 0 again.
   Facts: devices, number.N (the digits of its UUID; default N), total, free (bytes), major, minor, util (percent),
     driver (the version's first number), cuda (12040 is 12.4),
     mig (1: divided), instances.N (slots), slot.N.K (1: taken), with total.N.K and free.N.K,
     compute_pids.N, graphics_pids.N (how many), then compute_pid.N.K, compute_used.N.K (-1: not available), and so on,
     share_pids.N (how many), share_pid.N.K, share.N.K (percent), share_us.N.K.
   Compiled by tests/device/stub.py; -DNO_INFO2 and -DNO_V3 leave out what older drivers do not have. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct { int index, slot; } device_t; /* slot: -1, or the MIG instance */
typedef struct { unsigned long long total, free, used; } memory1_t;
typedef struct { unsigned int version; unsigned long long total, reserved, free, used; } memory2_t;
typedef struct { unsigned int pid; unsigned long long used; unsigned int gpu, compute; } process_t;
typedef struct { unsigned int pid; unsigned long long time; unsigned int sm, memory, encoder, decoder; } sample_t;

#define DEVICES 32
#define SLOTS 8
static device_t devices[DEVICES], instances[DEVICES][SLOTS];

static long long look(const char *wanted, long long fallback) {
    char name[64];
    long long value, found = fallback;
    FILE *file = fopen(getenv("FAKE_NVML_STATE"), "r");
    if (!file) return fallback;
    while (fscanf(file, "%63s %lld", name, &value) == 2)
        if (!strcmp(name, wanted)) found = value;
    fclose(file);
    return found;
}

static long long fact(const char *name, const device_t *device, long long fallback) {
    char own[64];
    long long found = look(name, fallback);
    if (!device) return found;
    snprintf(own, sizeof own, "%s.%d", name, device->index);
    found = look(own, found);
    if (device->slot < 0) return found;
    snprintf(own, sizeof own, "%s.%d.%d", name, device->index, device->slot);
    return look(own, found);
}

static long long item(const char *name, const device_t *device, int number, long long fallback) {
    char own[64];
    snprintf(own, sizeof own, "%s.%d.%d", name, device->index, number);
    return look(own, fallback);
}

static int answer(const char *call, const device_t *device) {
    char hang[64];
    snprintf(hang, sizeof hang, "hang.%s", call);
    while (fact(hang, device, 0)) usleep(10000);
    return (int)fact(call, device, 0);
}

int nvmlInitWithFlags(unsigned int flags) {
    for (int index = 0; index < DEVICES; index++) {
        devices[index].index = index;
        devices[index].slot = -1;
        for (int slot = 0; slot < SLOTS; slot++) {
            instances[index][slot].index = index;
            instances[index][slot].slot = slot;
        }
    }
    return answer("init", NULL);
}
int nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
int nvmlShutdown(void) { return 0; }
const char *nvmlErrorString(int code) { return "an error of the stub"; }

int nvmlSystemGetCudaDriverVersion_v2(int *version) {
    *version = (int)look("cuda", 13000);
    return 0;
}

int nvmlSystemGetDriverVersion(char *version, unsigned int length) {
    snprintf(version, length, "%lld.65.06", look("driver", 580));
    return 0;
}

int nvmlDeviceGetCount_v2(unsigned int *count) {
    *count = (unsigned int)look("devices", 1);
    return answer("count", NULL);
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, device_t **device) {
    *device = &devices[index];
    return answer("handle", *device);
}

int nvmlDeviceGetHandleByUUID(const char *uuid, device_t **device) {
    int number, slot;
    for (int index = 0; index < look("devices", 1); index++) {
        long long own = fact("number", &devices[index], index);
        if (sscanf(uuid, "GPU-%d", &number) == 1 && number == own) *device = &devices[index];
        else if (sscanf(uuid, "MIG-%d-%d", &number, &slot) == 2 && number == own && item("slot", &devices[index], slot, 0))
            *device = &instances[index][slot];
        else continue;
        return answer("handle", &devices[index]);
    }
    return 6;
}

int nvmlDeviceGetUUID(device_t *device, char *uuid, unsigned int length) {
    int number = (int)fact("number", &devices[device->index], device->index);
    if (device->slot < 0) snprintf(uuid, length, "GPU-%d", number);
    else snprintf(uuid, length, "MIG-%d-%d", number, device->slot);
    return answer("uuid", device);
}

int nvmlDeviceGetName(device_t *device, char *name, unsigned int length) {
    snprintf(name, length, device->slot < 0 ? "Stub %d" : "Stub %d MIG %d", device->index, device->slot);
    return answer("name", device);
}

int nvmlDeviceGetMigMode(device_t *device, unsigned int *current, unsigned int *pending) {
    *current = *pending = 1;
    return fact("mig", device, 0) ? 0 : 3;
}

int nvmlDeviceGetMaxMigDeviceCount(device_t *device, unsigned int *count) {
    *count = (unsigned int)fact("instances", device, 0);
    return 0;
}

int nvmlDeviceGetMigDeviceHandleByIndex(device_t *device, unsigned int slot, device_t **instance) {
    *instance = &instances[device->index][slot];
    return item("slot", device, slot, 0) ? 0 : 6;
}

int nvmlDeviceGetDeviceHandleFromMigDeviceHandle(device_t *instance, device_t **device) {
    *device = &devices[instance->index];
    return instance->slot < 0 ? 2 : 0;
}

int nvmlDeviceGetCudaComputeCapability(device_t *device, int *major, int *minor) {
    *major = (int)fact("major", device, 8);
    *minor = (int)fact("minor", device, 9);
    return device->slot < 0 ? answer("capability", device) : 2;
}

#ifndef NO_INFO2
int nvmlDeviceGetMemoryInfo_v2(device_t *device, memory2_t *memory) {
    int code = answer("info2", device);
    if (memory->version != 0x02000028) return 25;
    memory->total = fact("total", device, 0);
    memory->free = fact("free", device, 0);
    memory->reserved = memory->used = 0;
    return code;
}
#endif

int nvmlDeviceGetMemoryInfo(device_t *device, memory1_t *memory) {
    int code = answer("info1", device);
    memory->total = fact("total", device, 0);
    memory->free = fact("free", device, 0);
    memory->used = 0;
    return code;
}

static int listed(const char *kind, device_t *device, unsigned int *count, process_t *processes) {
    char pids[32], pid[32], used[32];
    int code = answer(kind, device);
    if (code) return code;
    snprintf(pids, sizeof pids, "%s_pids", kind);
    snprintf(pid, sizeof pid, "%s_pid", kind);
    snprintf(used, sizeof used, "%s_used", kind);
    unsigned int room = *count;
    *count = (unsigned int)fact(pids, device, 0);
    if (*count > room) return 7;
    for (unsigned int number = 0; number < *count; number++) {
        process_t process = {(unsigned int)item(pid, device, number, 0), (unsigned long long)item(used, device, number, -1)};
        processes[number] = process;
    }
    return 0;
}

#ifndef NO_V3
int nvmlDeviceGetComputeRunningProcesses_v3(device_t *device, unsigned int *count, process_t *processes) {
    return listed("compute", device, count, processes);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(device_t *device, unsigned int *count, process_t *processes) {
    return listed("graphics", device, count, processes);
}
#endif

int nvmlDeviceGetComputeRunningProcesses_v2(device_t *device, unsigned int *count, process_t *processes) {
    return listed("compute", device, count, processes);
}

int nvmlDeviceGetGraphicsRunningProcesses_v2(device_t *device, unsigned int *count, process_t *processes) {
    return listed("graphics", device, count, processes);
}

int nvmlDeviceGetUtilizationRates(device_t *device, unsigned int *rates) {
    rates[0] = (unsigned int)fact("util", device, 0);
    rates[1] = 0;
    return answer("utilization", device);
}

int nvmlDeviceGetProcessUtilization(device_t *device, sample_t *samples, unsigned int *count, unsigned long long since) {
    int code = answer("shares", device);
    unsigned int room = samples ? *count : 0, found = 0, all = (unsigned int)fact("share_pids", device, 0);
    if (code) return code;
    for (unsigned int number = 0; number < all; number++) {
        sample_t sample = {(unsigned int)item("share_pid", device, number, 0), item("share_us", device, number, 1),
                           (unsigned int)item("share", device, number, 0)};
        if (sample.time <= since) continue;
        if (found < room) samples[found] = sample;
        found++;
    }
    *count = found;
    return !found ? 6 : found > room ? 7 : 0;
}
