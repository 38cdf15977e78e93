/* GLMPROV SIMULATED libnvidia-ml.so.1: answers nvidia-ml-py from files, for the rehearsal fleet.
 *
 * GLMLAB_HARDWARE (default /opt/glmlab) says what the machine has and what is broken:
 *   cards/BUS_ID/facts     key=value lines; the order of BUS_ID is the order of the indices, as in the real driver
 *   faults/lost/BUS_ID     the card fell off the bus             faults/hang          calls don't come back ("deep": state D)
 *   faults/refuse-limit/BUS_ID  the card takes no limit          faults/library-version  what this library says it is
 * GLMLAB_STATE (default /run/glmlab) says what is in force until the next boot or driver reload:
 *   driver/version         the loaded kernel module; absent: not loaded     driver/cards/BUS_ID   cards it took
 *   cards/BUS_ID/limit_mw, persistence, holders/PID (bytes held by a process),
 *   holders/lock-NAME (the same, held by whoever locks the file: in other containers processes have other numbers)
 * A call that is not here is FunctionNotFound in nvidia-ml-py. */
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef LIBRARY_VERSION
#error "compile with -DLIBRARY_VERSION=\"580.95.05\""
#endif

const char glmlab_marker[] = "GLMPROV SIMULATED";

enum { OK, UNINITIALIZED, INVALID, UNSUPPORTED, NO_PERMISSION, NOT_FOUND = 6, TOO_SMALL, NOT_LOADED = 9,
       LOST = 15, MISMATCH = 18, UNKNOWN = 999 };
enum { MAX_CARDS = 32, MAX_CHAIN = 8, MAX_HOLDERS = 64, TEXT = 512 };
typedef int status;
typedef unsigned int uint;
typedef unsigned long long ull;
typedef struct { char bus_id[32], facts[8192]; } card;
typedef struct { uint pid; ull bytes; uint gpu_instance, compute_instance; } holder;

static card cards[MAX_CARDS];
static uint card_count, started;

static const char *root(const char *variable, const char *otherwise) {
    const char *path = getenv(variable);
    return path && *path ? path : otherwise;
}
#define HARDWARE root("GLMLAB_HARDWARE", "/opt/glmlab")
#define STATE root("GLMLAB_STATE", "/run/glmlab")

static int read_text(const char *path, char *into, size_t size) {
    FILE *file = fopen(path, "r");
    if (!file) return 0;
    size_t length = fread(into, 1, size - 1, file);
    fclose(file);
    while (length && isspace((unsigned char)into[length - 1])) length--;
    into[length] = 0;
    return 1;
}

#define PATH(name, ...) char name[TEXT]; snprintf(name, sizeof name, __VA_ARGS__)

/* The state directory is shared by processes: write beside and rename, so that a reader never sees half a number. */
static int write_number(const char *path, ull value) {
    PATH(beside, "%s.%d", path, (int)getpid());
    FILE *file = fopen(beside, "w");
    if (!file) return 0;
    fprintf(file, "%llu\n", value);
    return fclose(file) == 0 && rename(beside, path) == 0;
}

static int fact(const card *c, const char *key, char *into, size_t size) {
    size_t length = strlen(key);
    for (const char *line = c->facts; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : 0)
        if (!strncmp(line, key, length) && line[length] == '=') {
            size_t n = strcspn(line + length + 1, "\n");
            if (n >= size) n = size - 1;
            memcpy(into, line + length + 1, n);
            into[n] = 0;
            return 1;
        }
    return 0;
}

static ull number(const card *c, const char *key, ull otherwise) {
    char text[64];
    return fact(c, key, text, sizeof text) ? strtoull(text, 0, 0) : otherwise;
}

static ull state(const card *c, const char *key, ull otherwise) {
    char text[64];
    PATH(path, "%s/cards/%s/%s", STATE, c->bus_id, key);
    return read_text(path, text, sizeof text) ? strtoull(text, 0, 0) : otherwise;
}

static int set_state(const card *c, const char *key, ull value) {
    PATH(all, "%s/cards", STATE);
    PATH(own, "%s/%s", all, c->bus_id);
    PATH(path, "%s/%s", own, key);
    mkdir(all, 0755);
    mkdir(own, 0755);
    return write_number(path, value);
}

static int fault(const char *kind, const card *c) {
    PATH(path, "%s/faults/%s%s%s", HARDWARE, kind, c ? "/" : "", c ? c->bus_id : "");
    return access(path, F_OK) == 0;
}

/* A driver call that doesn't come back: SIGTERM does nothing. "deep": the caller waits for a vfork child, which the kernel
 * shows as state D. Both end when the fault is taken away. */
static void hang(void) {
    char how[32];
    PATH(path, "%s/faults/hang", HARDWARE);
    if (!read_text(path, how, sizeof how)) return;
    sigset_t all, before;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &before);
    if (strcmp(how, "deep") || vfork() == 0) {
        if (!strcmp(how, "deep")) prctl(PR_SET_PDEATHSIG, SIGKILL);
        struct timespec pause = {0, 200000000};
        while (access(path, F_OK) == 0) nanosleep(&pause, 0);
        if (!strcmp(how, "deep")) _exit(0);
    }
    sigprocmask(SIG_SETMASK, &before, 0);
}

/* Who locks a file, by the number that the asking process knows it by; 0: a process of another container; -1: nobody. */
static int locker(const char *path) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return -1;
    int known = fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(file);
    return known ? (int)lock.l_pid : -1;
}

static uint list_holders(const card *c, holder *into, uint room) {
    PATH(path, "%s/cards/%s/holders", STATE, c->bus_id);
    DIR *directory = opendir(path);
    uint found = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        PATH(file, "%s/%s", path, entry->d_name);
        int is_lock = !strncmp(entry->d_name, "lock-", 5), pid = is_lock ? locker(file) : atoi(entry->d_name);
        if (is_lock ? pid < 0 : pid <= 0 || (kill(pid, 0) != 0 && access("/proc/self", F_OK) == 0)) continue;
        char text[64];
        if (!read_text(file, text, sizeof text)) continue;
        if (found < room) into[found] = (holder){pid, strtoull(text, 0, 0), 0xffffffff, 0xffffffff};
        found++;
    }
    if (directory) closedir(directory);
    return found;
}

static ull used_bytes(const card *c) {
    holder all[MAX_HOLDERS];
    uint n = list_holders(c, all, MAX_HOLDERS);
    ull sum = 0;
    for (uint i = 0; i < n && i < MAX_HOLDERS; i++) sum += all[i].bytes;
    return sum;
}

static int busy(const card *c) { holder one[1]; return list_holders(c, one, 1) > 0; }

static int by_bus_id(const void *a, const void *b) { return strcmp(((card *)a)->bus_id, ((card *)b)->bus_id); }

static void find_cards(void) {
    PATH(path, "%s/driver/cards", STATE);
    DIR *directory = opendir(path);
    card_count = 0;
    for (struct dirent *entry; directory && card_count < MAX_CARDS && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        card *c = &cards[card_count];
        snprintf(c->bus_id, sizeof c->bus_id, "%.31s", entry->d_name);
        PATH(facts, "%s/cards/%s/facts", HARDWARE, c->bus_id);
        if (read_text(facts, c->facts, sizeof c->facts)) card_count++;
    }
    if (directory) closedir(directory);
    qsort(cards, card_count, sizeof *cards, by_bus_id);
}

static void library_version(char *into, size_t size) {
    PATH(path, "%s/faults/library-version", HARDWARE);
    if (!read_text(path, into, size)) snprintf(into, size, "%s", LIBRARY_VERSION);
}

status nvmlInitWithFlags(uint flags) {
    (void)flags;
    char loaded[64], mine[64];
    PATH(path, "%s/driver/version", STATE);
    hang();
    if (!read_text(path, loaded, sizeof loaded)) return NOT_LOADED;
    library_version(mine, sizeof mine);
    if (strcmp(loaded, mine)) return MISMATCH;
    if (!started) find_cards();
    started++;
    return OK;
}
status nvmlInit_v2(void) { return nvmlInitWithFlags(0); }
status nvmlInit(void) { return nvmlInitWithFlags(0); }

/* Without persistence mode the driver forgets a card's settings when the last user closes it. */
static void forget_settings(void) {
    for (uint i = 0; i < card_count; i++)
        if (!state(&cards[i], "persistence", 0) && !busy(&cards[i])) {
            PATH(path, "%s/cards/%s/limit_mw", STATE, cards[i].bus_id);
            unlink(path);
        }
}

status nvmlShutdown(void) {
    if (!started) return UNINITIALIZED;
    if (--started == 0) forget_settings();
    return OK;
}
__attribute__((destructor)) static void process_ends(void) { if (started) forget_settings(); }

#define STARTED if (!started) return UNINITIALIZED
#define ON(c) STARTED; if ((c) < cards || (c) >= cards + card_count) return INVALID; \
    hang(); if (fault("lost", c)) return LOST

static status text_out(const char *text, char *into, uint size) {
    if (strlen(text) + 1 > size) return TOO_SMALL;
    strcpy(into, text);
    return OK;
}
static status fact_out(const card *c, const char *key, char *into, uint size) {
    char text[TEXT];
    return fact(c, key, text, sizeof text) ? text_out(text, into, size) : UNSUPPORTED;
}

/* --- the system --- */
status nvmlSystemGetDriverVersion(char *into, uint size) {
    char loaded[64];
    PATH(path, "%s/driver/version", STATE);
    STARTED;
    return read_text(path, loaded, sizeof loaded) ? text_out(loaded, into, size) : NOT_LOADED;
}
status nvmlSystemGetNVMLVersion(char *into, uint size) {
    char mine[64], text[80];
    library_version(mine, sizeof mine);
    snprintf(text, sizeof text, "13.%s", mine);
    return text_out(text, into, size);
}
status nvmlSystemGetCudaDriverVersion_v2(int *version) {
    *version = atoi(LIBRARY_VERSION) >= 595 ? 13020 : 13000;
    return OK;
}
status nvmlSystemGetCudaDriverVersion(int *version) { return nvmlSystemGetCudaDriverVersion_v2(version); }
status nvmlSystemGetProcessName(uint pid, char *into, uint size) {
    char text[TEXT];
    PATH(path, "/proc/%u/cmdline", pid);
    STARTED;
    if (!read_text(path, text, sizeof text)) return NOT_FOUND;
    snprintf(into, size, "%s", text);
    return OK;
}

/* --- handles --- */
status nvmlDeviceGetCount_v2(uint *count) { STARTED; hang(); *count = card_count; return OK; }
status nvmlDeviceGetCount(uint *count) { return nvmlDeviceGetCount_v2(count); }
status nvmlDeviceGetHandleByIndex_v2(uint index, card **c) {
    STARTED;
    hang();
    if (index >= card_count) return INVALID;
    if (fault("lost", &cards[index])) return LOST;
    *c = &cards[index];
    return OK;
}
status nvmlDeviceGetHandleByIndex(uint index, card **c) { return nvmlDeviceGetHandleByIndex_v2(index, c); }
status nvmlDeviceGetHandleByUUID(const char *uuid, card **c) {
    STARTED;
    char text[96];
    for (uint i = 0; i < card_count; i++)
        if (fact(&cards[i], "uuid", text, sizeof text) && !strcmp(text, uuid)) return nvmlDeviceGetHandleByIndex_v2(i, c);
    return NOT_FOUND;
}
status nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, card **c) {
    uint asked[4], has[4];
    STARTED;
    if (sscanf(bus_id, "%x:%x:%x.%x", &asked[0], &asked[1], &asked[2], &asked[3]) != 4) return INVALID;
    for (uint i = 0; i < card_count; i++)
        if (sscanf(cards[i].bus_id, "%x:%x:%x.%x", &has[0], &has[1], &has[2], &has[3]) == 4 && !memcmp(asked, has, sizeof has))
            return nvmlDeviceGetHandleByIndex_v2(i, c);
    return NOT_FOUND;
}
status nvmlDeviceGetHandleByPciBusId(const char *bus_id, card **c) { return nvmlDeviceGetHandleByPciBusId_v2(bus_id, c); }
status nvmlDeviceValidateInforom(card *c) { ON(c); return OK; }

/* --- who the card is --- */
#define TEXT_FACT(function, key) status function(card *c, char *into, uint size) { ON(c); return fact_out(c, key, into, size); }
TEXT_FACT(nvmlDeviceGetName, "name")
TEXT_FACT(nvmlDeviceGetUUID, "uuid")
TEXT_FACT(nvmlDeviceGetSerial, "serial")
TEXT_FACT(nvmlDeviceGetVbiosVersion, "vbios")
TEXT_FACT(nvmlDeviceGetBoardPartNumber, "board_part_number")

#define NUMBER_FACT(function, key) status function(card *c, uint *value) { char text[32]; ON(c); \
    if (!fact(c, key, text, sizeof text)) return UNSUPPORTED; *value = strtoul(text, 0, 0); return OK; }
NUMBER_FACT(nvmlDeviceGetMinorNumber, "minor")
NUMBER_FACT(nvmlDeviceGetBrand, "brand")
NUMBER_FACT(nvmlDeviceGetArchitecture, "architecture")
NUMBER_FACT(nvmlDeviceGetPowerManagementDefaultLimit, "default_limit_mw")
NUMBER_FACT(nvmlDeviceGetMaxPcieLinkGeneration, "max_link_generation")
NUMBER_FACT(nvmlDeviceGetGpuMaxPcieLinkGeneration, "max_link_generation")
NUMBER_FACT(nvmlDeviceGetMaxPcieLinkWidth, "max_link_width")
NUMBER_FACT(nvmlDeviceGetCurrPcieLinkWidth, "link_width")
NUMBER_FACT(nvmlDeviceGetFanSpeed, "fan_percent")
NUMBER_FACT(nvmlDeviceGetNumFans, "fans")
NUMBER_FACT(nvmlDeviceGetAddressingMode, "addressing_mode")

status nvmlDeviceGetIndex(card *c, uint *index) { ON(c); *index = c - cards; return OK; }
status nvmlDeviceGetGspFirmwareVersion(card *c, char *into) { ON(c); return nvmlSystemGetDriverVersion(into, 64); }
status nvmlDeviceGetGspFirmwareMode(card *c, uint *enabled, uint *by_default) { ON(c); *enabled = *by_default = 1; return OK; }
status nvmlDeviceGetCudaComputeCapability(card *c, int *major, int *minor) {
    char text[32];
    ON(c);
    return fact(c, "compute_capability", text, sizeof text) && sscanf(text, "%d.%d", major, minor) == 2 ? OK : UNSUPPORTED;
}
typedef struct { char legacy[16]; uint domain, bus, device, id, subsystem; char bus_id[32]; } pci_info;
status nvmlDeviceGetPciInfo_v3(card *c, pci_info *info) {
    uint domain, bus, device, function;
    ON(c);
    if (sscanf(c->bus_id, "%x:%x:%x.%x", &domain, &bus, &device, &function) != 4) return UNKNOWN;
    memset(info, 0, sizeof *info);
    snprintf(info->legacy, sizeof info->legacy, "%04X:%02X:%02X.%X", domain, bus, device, function);
    snprintf(info->bus_id, sizeof info->bus_id, "%08X:%02X:%02X.%X", domain, bus, device, function);
    info->domain = domain, info->bus = bus, info->device = device;
    info->id = number(c, "pci_device_id", 0), info->subsystem = number(c, "pci_subsystem_id", 0);
    return OK;
}
status nvmlDeviceGetPciInfo_v2(card *c, pci_info *info) { return nvmlDeviceGetPciInfo_v3(c, info); }
status nvmlDeviceGetPciInfo(card *c, pci_info *info) { return nvmlDeviceGetPciInfo_v3(c, info); }

/* --- power --- */
static uint limit_of(const card *c) { return state(c, "limit_mw", number(c, "default_limit_mw", 0)); }
status nvmlDeviceGetPowerManagementLimit(card *c, uint *milliwatts) { ON(c); *milliwatts = limit_of(c); return OK; }
/* What the board or its controller allows may be less than the limit. */
status nvmlDeviceGetEnforcedPowerLimit(card *c, uint *milliwatts) {
    ON(c);
    uint limit = limit_of(c), held = state(c, "held_mw", limit);
    *milliwatts = held < limit ? held : limit;
    return OK;
}
status nvmlDeviceGetPowerManagementMode(card *c, uint *mode) { ON(c); *mode = 1; return OK; }
status nvmlDeviceGetPowerManagementLimitConstraints(card *c, uint *least, uint *most) {
    ON(c);
    *least = number(c, "min_limit_mw", 0), *most = number(c, "max_limit_mw", 0);
    return *most ? OK : UNSUPPORTED;
}
status nvmlDeviceSetPowerManagementLimit(card *c, uint milliwatts) {
    ON(c);
    if (geteuid() != 0) return NO_PERMISSION;
    if (milliwatts < number(c, "min_limit_mw", 0) || milliwatts > number(c, "max_limit_mw", 0)) return INVALID;
    if (fault("refuse-limit", c)) return UNKNOWN;
    return set_state(c, "limit_mw", milliwatts) ? OK : UNKNOWN;
}
typedef struct { uint version; unsigned char scope; uint milliwatts; } power_value;
status nvmlDeviceSetPowerManagementLimit_v2(card *c, power_value *value) {
    return value->scope == 0 ? nvmlDeviceSetPowerManagementLimit(c, value->milliwatts) : UNSUPPORTED;
}
static uint draw_of(const card *c) {
    uint limit = limit_of(c), idle = number(c, "idle_power_mw", 35000);
    return busy(c) ? limit - limit / 20 : idle;
}
status nvmlDeviceGetPowerUsage(card *c, uint *milliwatts) { ON(c); *milliwatts = draw_of(c); return OK; }
status nvmlDeviceGetTotalEnergyConsumption(card *c, ull *millijoules) {
    struct timespec now;
    ON(c);
    clock_gettime(CLOCK_BOOTTIME, &now);
    *millijoules = (ull)(now.tv_sec * 1000 + now.tv_nsec / 1000000) * draw_of(c) / 1000;
    return OK;
}
status nvmlDeviceGetPersistenceMode(card *c, uint *mode) { ON(c); *mode = state(c, "persistence", 0) != 0; return OK; }
status nvmlDeviceSetPersistenceMode(card *c, uint mode) {
    ON(c);
    if (geteuid() != 0) return NO_PERMISSION;
    if (mode > 1) return INVALID;
    return set_state(c, "persistence", mode) ? OK : UNKNOWN;
}
status nvmlDeviceGetTemperature(card *c, uint sensor, uint *celsius) {
    ON(c);
    if (sensor != 0) return INVALID;
    *celsius = state(c, "temperature", busy(c) ? 64 : number(c, "idle_celsius", 28));
    return OK;
}
typedef struct { uint version; int sensor, celsius; } temperature_v1;
status nvmlDeviceGetTemperatureV(card *c, temperature_v1 *t) { return nvmlDeviceGetTemperature(c, t->sensor, (uint *)&t->celsius); }
status nvmlDeviceGetTemperatureThreshold(card *c, uint kind, uint *celsius) {
    ON(c);
    if (kind > 1) return UNSUPPORTED;
    *celsius = kind == 0 ? 90 : 87;
    return OK;
}
status nvmlDeviceGetPerformanceState(card *c, uint *pstate) { ON(c); *pstate = busy(c) ? number(c, "busy_pstate", 0) : 8; return OK; }
status nvmlDeviceGetClockInfo(card *c, uint kind, uint *megahertz) {
    ON(c);
    if (kind > 3) return INVALID;
    *megahertz = kind == 2 ? (busy(c) ? number(c, "memory_clock_mhz", 12481) : 405) : busy(c) ? 1724 : 180;
    return OK;
}
status nvmlDeviceGetMaxClockInfo(card *c, uint kind, uint *megahertz) {
    ON(c);
    if (kind > 3) return INVALID;
    *megahertz = kind == 2 ? number(c, "memory_clock_mhz", 12481) : 2430;
    return OK;
}
/* An idle card: bit 0. A busy one below its maximum limit: software power cap, bit 2. */
status nvmlDeviceGetCurrentClocksEventReasons(card *c, ull *reasons) {
    ON(c);
    *reasons = state(c, "clocks_event_reasons", !busy(c) ? 1 : limit_of(c) < number(c, "max_limit_mw", 0) ? 4 : 0);
    return OK;
}
status nvmlDeviceGetCurrentClocksThrottleReasons(card *c, ull *reasons) { return nvmlDeviceGetCurrentClocksEventReasons(c, reasons); }

/* --- memory and who holds it --- */
typedef struct { ull total, free, used; } memory_v1;
typedef struct { uint version; ull total, reserved, free, used; } memory_v2;
status nvmlDeviceGetMemoryInfo_v2(card *c, memory_v2 *m) {
    ON(c);
    m->total = number(c, "memory_bytes", 0), m->reserved = number(c, "reserved_bytes", 0), m->used = used_bytes(c);
    m->free = m->total - m->reserved - m->used;
    return OK;
}
status nvmlDeviceGetMemoryInfo(card *c, memory_v1 *m) {
    memory_v2 all;
    status s = nvmlDeviceGetMemoryInfo_v2(c, &all);
    if (s == OK) *m = (memory_v1){all.total, all.free, all.used + all.reserved};
    return s;
}
status nvmlDeviceGetBAR1MemoryInfo(card *c, memory_v1 *m) {
    ON(c);
    m->total = m->free = number(c, "bar1_bytes", 0), m->used = 0;
    return OK;
}
status nvmlDeviceGetComputeRunningProcesses_v3(card *c, uint *count, holder *into) {
    holder all[MAX_HOLDERS];
    ON(c);
    uint held = list_holders(c, all, MAX_HOLDERS), room = *count, found = 0;
    if (held > MAX_HOLDERS) held = MAX_HOLDERS;
    for (uint i = 0; i < held; i++)
        if (all[i].pid) all[found++] = all[i];
    *count = found;
    if (found == 0) return OK;
    if (!into || room < found) return TOO_SMALL;
    memcpy(into, all, found * sizeof *all);
    return OK;
}
status nvmlDeviceGetComputeRunningProcesses_v2(card *c, uint *n, holder *into) { return nvmlDeviceGetComputeRunningProcesses_v3(c, n, into); }
status nvmlDeviceGetGraphicsRunningProcesses_v3(card *c, uint *count, holder *into) { ON(c); (void)into; *count = 0; return OK; }
status nvmlDeviceGetMPSComputeRunningProcesses_v3(card *c, uint *count, holder *into) { ON(c); (void)into; *count = 0; return OK; }
typedef struct { uint gpu, memory; } utilization;
status nvmlDeviceGetUtilizationRates(card *c, utilization *u) { ON(c); u->gpu = busy(c) ? 97 : 0; u->memory = busy(c) ? 60 : 0; return OK; }

/* --- modes and health --- */
#define TWO_MODES(function, key) status function(card *c, uint *now, uint *next) { ON(c); char text[8]; \
    if (!fact(c, key, text, sizeof text)) return UNSUPPORTED; *now = *next = strtoul(text, 0, 0); return OK; }
TWO_MODES(nvmlDeviceGetEccMode, "ecc")
TWO_MODES(nvmlDeviceGetMigMode, "mig")
#define FIXED(function, number_) status function(card *c, uint *value) { ON(c); *value = number_; return OK; }
FIXED(nvmlDeviceGetComputeMode, 0)
FIXED(nvmlDeviceGetDisplayMode, 0)
FIXED(nvmlDeviceGetDisplayActive, 0)
FIXED(nvmlDeviceGetAccountingMode, 0)
FIXED(nvmlDeviceGetMultiGpuBoard, 0)
#define REFUSED(function) status function(card *c) { ON(c); return UNSUPPORTED; }
REFUSED(nvmlDeviceGetRetiredPages)
REFUSED(nvmlDeviceGetRetiredPages_v2)
REFUSED(nvmlDeviceGetRetiredPagesPendingStatus)
REFUSED(nvmlDeviceGetNumaNodeId)
REFUSED(nvmlDeviceGetNvLinkState)
REFUSED(nvmlDeviceGetAPIRestriction)
status nvmlDeviceGetTotalEccErrors(card *c, uint kind, uint counter, ull *errors) {
    ON(c);
    if (kind > 1 || counter > 1) return INVALID;
    *errors = state(c, kind == 1 ? "ecc_uncorrected" : "ecc_corrected", 0);
    return OK;
}
status nvmlDeviceGetRemappedRows(card *c, uint *corrected, uint *uncorrected, uint *pending, uint *failed) {
    ON(c);
    *corrected = state(c, "remapped_corrected", 0), *uncorrected = state(c, "remapped_uncorrected", 0);
    *pending = state(c, "remapped_pending", 0), *failed = state(c, "remapped_failed", 0);
    return OK;
}

/* --- PCIe and topology --- */
status nvmlDeviceGetCurrPcieLinkGeneration(card *c, uint *generation) {
    ON(c);
    *generation = busy(c) ? number(c, "max_link_generation", 5) : number(c, "idle_link_generation", 1);
    return OK;
}
status nvmlDeviceGetPcieReplayCounter(card *c, uint *count) { ON(c); *count = state(c, "pcie_replays", 0); return OK; }
status nvmlDeviceGetPcieThroughput(card *c, uint counter, uint *kilobytes) { ON(c); *kilobytes = busy(c) ? 900000 + counter : 600; return OK; }

static status bits_out(const card *c, const char *key, uint words, unsigned long *into) {
    char text[1024];
    memset(into, 0, words * sizeof *into);
    if (!fact(c, key, text, sizeof text)) return UNSUPPORTED;
    for (char *part = text, *end; *part; part = *end == ',' ? end + 1 : end) {
        unsigned long first = strtoul(part, &end, 10), last = first;
        if (end == part) return UNKNOWN;
        if (*end == '-') last = strtoul(end + 1, &end, 10);
        for (unsigned long bit = first; bit <= last && bit / 64 < words; bit++) into[bit / 64] |= 1ul << bit % 64;
    }
    return OK;
}
status nvmlDeviceGetCpuAffinity(card *c, uint words, unsigned long *into) { ON(c); return bits_out(c, "cpu_affinity", words, into); }
status nvmlDeviceGetCpuAffinityWithinScope(card *c, uint words, unsigned long *into, uint scope) { (void)scope; return nvmlDeviceGetCpuAffinity(c, words, into); }
status nvmlDeviceGetMemoryAffinity(card *c, uint words, unsigned long *into, uint scope) { (void)scope; ON(c); return bits_out(c, "memory_affinity", words, into); }

/* chain: the host bridge and the PCIe bridges down to the card, comma-separated. */
static int split(const card *c, char chain[MAX_CHAIN][32]) {
    char text[TEXT], *rest = text, *part;
    int n = 0;
    if (!fact(c, "chain", text, sizeof text)) return 0;
    while ((part = strsep(&rest, ",")) && n < MAX_CHAIN) snprintf(chain[n++], 32, "%.31s", part);
    return n;
}
static uint common_ancestor(const card *a, const card *b) {
    char one[MAX_CHAIN][32], two[MAX_CHAIN][32], near[32] = "", far[32] = "";
    int n = split(a, one), m = split(b, two), shared = 0;
    if (a == b) return 0;
    while (shared < n && shared < m && !strcmp(one[shared], two[shared])) shared++;
    if (shared > 1) return n - shared <= 1 && m - shared <= 1 ? 10 : 20;
    fact(a, "memory_affinity", near, sizeof near), fact(b, "memory_affinity", far, sizeof far);
    return shared == 1 ? 30 : !strcmp(near, far) ? 40 : 50;
}
status nvmlDeviceGetTopologyCommonAncestor(card *a, card *b, uint *level) { ON(a); ON(b); *level = common_ancestor(a, b); return OK; }
status nvmlDeviceGetTopologyNearestGpus(card *c, uint level, uint *count, card **into) {
    uint found = 0;
    ON(c);
    for (uint i = 0; i < card_count; i++)
        if (&cards[i] != c && common_ancestor(c, &cards[i]) == level) {
            if (into && found < *count) into[found] = &cards[i];
            found++;
        }
    *count = found;
    return OK;
}
status nvmlDeviceGetP2PStatus(card *a, card *b, uint kind, uint *verdict) {
    ON(a);
    ON(b);
    if (kind > 4) return INVALID;
    *verdict = kind == 2 ? number(a, "nvlinks", 0) ? 0 : 5 : number(a, "p2p_status", 0);
    return OK;
}

const char *nvmlErrorString(status s) {
    switch (s) {
    case OK: return "Success";
    case UNINITIALIZED: return "Uninitialized";
    case INVALID: return "Invalid Argument";
    case UNSUPPORTED: return "Not Supported";
    case NO_PERMISSION: return "Insufficient Permissions";
    case NOT_FOUND: return "Not Found";
    case TOO_SMALL: return "Insufficient Size";
    case NOT_LOADED: return "Driver Not Loaded";
    case LOST: return "GPU is lost";
    case MISMATCH: return "Driver/library version mismatch";
    default: return "Unknown Error";
    }
}
