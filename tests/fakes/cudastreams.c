/* A stand-in for libcuda.so.1: streams with priorities on host memory, whose work is done at once. Watches how it is
   called: a current context, things that exist, copies and events in their order, nothing left. What is wrong is kept as
   text, see fake_faults().  Names and types: CUDA driver API. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MANY = 64, INVALID_VALUE = 1, INVALID_HANDLE = 400 };
enum { STREAM = 1, EVENT = 2 };

struct thing { int kind, level, recorded; };

static struct thing things[MANY];
static char faults[4096], calls[8192], failing[64];
static int failing_code, least, greatest, waited;
static int (*is_current)(void);

static void note(char *text, size_t size, const char *format, ...) {
  size_t used = strlen(text);
  va_list values;
  va_start(values, format);
  vsnprintf(text + used, size - used, format, values);
  va_end(values);
}

static int begin(const char *name) {
  note(calls, sizeof calls, "%s\n", name);
  if (is_current && !is_current()) note(faults, sizeof faults, "%s: no context is current\n", name);
  return strcmp(name, failing) ? 0 : failing_code;
}

static int make(int kind, int level, void **made) {
  for (int i = 0; i < MANY; i++)
    if (!things[i].kind) {
      things[i] = (struct thing){kind, level, 0};
      *made = &things[i];
      return 0;
    }
  return INVALID_VALUE;
}

static struct thing *find(const char *name, void *given, int kind) {
  struct thing *thing = given;
  if (thing >= things && thing < things + MANY && thing->kind == kind) return thing;
  note(faults, sizeof faults, "%s: there is no such %s\n", name, kind == STREAM ? "stream" : "event");
  return NULL;
}

#define BEGIN(name) do { int code = begin(name); if (code) return code; } while (0)

int cuCtxGetStreamPriorityRange(int *lowest, int *highest) {
  BEGIN("cuCtxGetStreamPriorityRange");
  *lowest = least, *highest = greatest;
  return 0;
}

int cuStreamCreateWithPriority(void **made, unsigned flags, int level) {
  BEGIN("cuStreamCreateWithPriority");
  if (flags > 1) note(faults, sizeof faults, "cuStreamCreateWithPriority: flags %u\n", flags);
  if (level > least || level < greatest)
    note(faults, sizeof faults, "cuStreamCreateWithPriority: level %d is none\n", level);
  return make(STREAM, level, made);
}

int cuStreamDestroy_v2(void *stream) {
  BEGIN("cuStreamDestroy_v2");
  struct thing *thing = find("cuStreamDestroy_v2", stream, STREAM);
  if (!thing) return INVALID_HANDLE;
  thing->kind = 0;
  return 0;
}

int cuEventCreate(void **made, unsigned flags) {
  BEGIN("cuEventCreate");
  if (flags != 3) note(faults, sizeof faults, "cuEventCreate: flags %u: no thread can sleep on that\n", flags);
  return make(EVENT, 0, made);
}

int cuEventRecord(void *event, void *stream) {
  BEGIN("cuEventRecord");
  struct thing *thing = find("cuEventRecord", event, EVENT);
  if (!thing || !find("cuEventRecord", stream, STREAM)) return INVALID_HANDLE;
  thing->recorded = 1;
  return 0;
}

int cuEventSynchronize(void *event) {
  BEGIN("cuEventSynchronize");
  struct thing *thing = find("cuEventSynchronize", event, EVENT);
  if (!thing) return INVALID_HANDLE;
  if (!thing->recorded) note(faults, sizeof faults, "cuEventSynchronize: nothing to wait for\n");
  waited++;
  return 0;
}

int cuEventDestroy_v2(void *event) {
  BEGIN("cuEventDestroy_v2");
  struct thing *thing = find("cuEventDestroy_v2", event, EVENT);
  if (!thing) return INVALID_HANDLE;
  thing->kind = 0;
  return 0;
}

int cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t size, void *stream) {
  BEGIN("cuMemcpyHtoDAsync_v2");
  if (!find("cuMemcpyHtoDAsync_v2", stream, STREAM)) return INVALID_HANDLE;
  memcpy((void *)(uintptr_t)to, from, size);
  return 0;
}

int cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t size, void *stream) {
  BEGIN("cuMemcpyDtoHAsync_v2");
  if (!find("cuMemcpyDtoHAsync_v2", stream, STREAM)) return INVALID_HANDLE;
  memcpy(to, (const void *)(uintptr_t)from, size);
  return 0;
}

const char *fake_faults(void) { return faults; }
const char *fake_calls(void) { return calls; }
int fake_waited(void) { return waited; }
int fake_is_stream(void *stream) {
  struct thing *thing = stream;
  return thing >= things && thing < things + MANY && thing->kind == STREAM;
}
int fake_level(void *stream) { return ((struct thing *)stream)->level; }
int fake_live(void) {
  int live = 0;
  for (int i = 0; i < MANY; i++) live += things[i].kind != 0;
  return live;
}
void fake_fail(const char *name, int code) {
  snprintf(failing, sizeof failing, "%s", name);
  failing_code = code;
}
void fake_reset(int lowest, int highest, int (*current)(void)) {
  memset(things, 0, sizeof things);
  faults[0] = calls[0] = failing[0] = 0;
  failing_code = waited = 0;
  least = lowest, greatest = highest, is_current = current;
}
