/* A stand-in for librknnrt.so: runs nothing, and watches how it is called.

   Written from the runtime's binary interface alone (names, sizes, numbers); the vendor's header is not needed. Every
   call is checked: known context, right order, right sizes, one thread a context, nothing left behind. What is wrong is
   kept as text, see fake_faults(). The model is told by fake_model() or the variable FAKE_RKNN_MODEL, as
   "images=1x16x16x3 conv2=1x4x8x8"; the first tensor is the picture, and those with a plus are further inputs of
   float32: "images=1x16x16x3 +size=1x2 conv2=1x4x8x8". Output number o has at element e the value

       e = 0: the picture's first byte     1: its last     2: the core mask     else: e + 1000 * o
       e = 3, where there is a further input: that one's last number

   Memory that is shared with the NPU is as on RK3588, where no cache is kept right by hardware: what the CPU has written
   is seen by others after a sync to the device, and what they wrote by the CPU after a sync from it. A dma-buf is a memfd.

       cc -shared -fPIC -O1 -pthread -o librknnrt.so rknnrt.c  */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_CONTEXTS = 16, MAX_TENSORS = 8, MAX_MEMORIES = 64 };
enum { COUNTS = 0, INPUT_ATTR = 1, OUTPUT_ATTR = 2, VERSIONS = 5, MEM_SIZE = 6 };
enum { FLOAT32 = 0, INT8 = 2, UINT8 = 3, NCHW = 0, NHWC = 1, UNDEFINED = 3, AFFINE = 2 };
enum { OK = 0, FAIL = -1, PARAM_INVALID = -5, MODEL_INVALID = -6, CTX_INVALID = -7, INPUT_INVALID = -8, OUTPUT_INVALID = -9 };
enum { ROW_ALIGNMENT = 16 };

struct attr {
  uint32_t index, n_dims, dims[16];
  char name[256];
  uint32_t n_elems, size;
  int32_t fmt, type, qnt_type;
  int8_t fl;
  int32_t zp;
  float scale;
  uint32_t w_stride, size_with_stride;
  uint8_t pass_through;
  uint32_t h_stride;
};
struct input { uint32_t index; void *buf; uint32_t size; uint8_t pass_through; int32_t type, fmt; };
struct output { uint8_t want_float, is_prealloc; uint32_t index; void *buf; uint32_t size; };
struct memory { void *virt; uint64_t phys; int32_t fd, offset; uint32_t size, flags; void *priv; };
_Static_assert(sizeof(struct attr) == 376, "rknn_tensor_attr");
_Static_assert(sizeof(struct input) == 32, "rknn_input");
_Static_assert(sizeof(struct output) == 24, "rknn_output");
_Static_assert(sizeof(struct memory) == 40, "rknn_tensor_mem");

struct tensor { char name[64]; uint32_t dims[8], rank, elements; };
struct context {
  int open, parent, mask, inside, has_input, has_run, duplicates;
  unsigned char first, last;
  float further;
  struct memory *bound_inputs[MAX_TENSORS], *bound_outputs[MAX_TENSORS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct context contexts[MAX_CONTEXTS];
static struct { struct memory memory; int owner; void *beyond_caches; } memories[MAX_MEMORIES];
static struct tensor tensors[MAX_TENSORS];
static int tensor_count, input_count, run_us, failing_code, peak_inside, loans;
static char failing_call[64], faults[8192];

static void fault(const char *format, ...) {
  va_list values;
  size_t used = strlen(faults);
  va_start(values, format);
  vsnprintf(faults + used, sizeof faults - used - 1, format, values);
  va_end(values);
  strcat(faults, "\n");
}

/* --- for tests ------------------------------------------------------------------------------------------------- */

const char *fake_faults(void) { return faults; }
int fake_peak(void) { return peak_inside; }
void fake_run_us(int microseconds) { run_us = microseconds; }
void fake_fail(const char *call, int code) { snprintf(failing_call, sizeof failing_call, "%s", call); failing_code = code; }

/* What is open, lent or allocated: zero when everything was given back. */
int fake_live(void) {
  int live = loans;
  for (int i = 0; i < MAX_CONTEXTS; i++) live += contexts[i].open;
  for (int i = 0; i < MAX_MEMORIES; i++) live += memories[i].owner != 0;
  return live;
}

int fake_model(const char *text) {
  char copy[512], *rest = copy;
  snprintf(copy, sizeof copy, "%s", text);
  input_count = 1;
  for (tensor_count = 0; tensor_count < MAX_TENSORS; tensor_count++) {
    char *word = strsep(&rest, " "), *sizes;
    struct tensor *tensor = &tensors[tensor_count];
    if (!word) break;
    memset(tensor, 0, sizeof *tensor);
    sizes = strchr(word, '=');
    if (!sizes) return FAIL;
    *sizes++ = 0;
    if (*word == '+') word++, input_count = tensor_count + 1;
    snprintf(tensor->name, sizeof tensor->name, "%s", word);
    tensor->elements = 1;
    for (char *size; (size = strsep(&sizes, "x")) && tensor->rank < 8; tensor->elements *= tensor->dims[tensor->rank++])
      tensor->dims[tensor->rank] = strtoul(size, NULL, 10);
  }
  return tensor_count;
}

static void free_memory(int i) {
  free(memories[i].memory.virt);
  munmap(memories[i].beyond_caches, memories[i].memory.size);
  close(memories[i].memory.fd);
  memories[i].owner = 0;
}

void fake_reset(void) {
  for (int i = 0; i < MAX_MEMORIES; i++) if (memories[i].owner) free_memory(i);
  memset(memories, 0, sizeof memories);
  memset(contexts, 0, sizeof contexts);
  faults[0] = failing_call[0] = 0;
  run_us = failing_code = peak_inside = loans = 0;
  fake_model(getenv("FAKE_RKNN_MODEL") ? getenv("FAKE_RKNN_MODEL") : "images=1x16x16x3 conv2=1x4x8x8");
}

__attribute__((constructor)) static void start(void) { fake_reset(); }

/* --- contexts -------------------------------------------------------------------------------------------------- */

static int fails(const char *call) { return strcmp(call, failing_call) ? 0 : failing_code; }

static struct context *find(uint64_t handle, const char *call) {
  if (handle >= 1 && handle < MAX_CONTEXTS && contexts[handle].open) return &contexts[handle];
  fault("%s: context %llu is not open", call, (unsigned long long)handle);
  return NULL;
}

static uint64_t make(int parent) {
  for (int i = 1; i < MAX_CONTEXTS; i++)
    if (!contexts[i].open) {
      contexts[i] = (struct context){.open = 1, .parent = parent};
      return i;
    }
  fault("more than %d contexts", MAX_CONTEXTS);
  return 0;
}

/* One thread a context: entering twice is a fault. */
static int enter(struct context *context, const char *call) {
  int inside = 0;
  pthread_mutex_lock(&lock);
  if (context->inside++) fault("%s: two threads use one context", call);
  for (int i = 1; i < MAX_CONTEXTS; i++) inside += contexts[i].inside > 0;
  if (inside > peak_inside) peak_inside = inside;
  pthread_mutex_unlock(&lock);
  return OK;
}

static void leave(struct context *context) {
  pthread_mutex_lock(&lock);
  context->inside--;
  pthread_mutex_unlock(&lock);
}

int rknn_init(uint64_t *context, void *model, uint32_t size, uint32_t flags, void *extend) {
  char magic[5] = "";
  (void)extend;
  if (fails("rknn_init")) return failing_code;
  if (!(flags & 0x2000)) fault("rknn_init: flag 0x2000 is missing, the process would get nice -19");
  if (size) {
    memcpy(magic, model, size < 4 ? size : 4);
  } else {
    FILE *file = fopen(model, "rb");
    if (!file) return FAIL;
    if (fread(magic, 1, 4, file) != 4) magic[0] = 0;
    fclose(file);
  }
  if (strcmp(magic, "RKNN")) return MODEL_INVALID;
  *context = make(0);
  return *context ? OK : FAIL;
}

int rknn_dup_context(uint64_t *from, uint64_t *to) {
  struct context *base = find(*from, "rknn_dup_context");
  if (!base) return CTX_INVALID;
  if (fails("rknn_dup_context")) return failing_code;
  *to = make((int)*from);
  base->duplicates++;
  return *to ? OK : FAIL;
}

int rknn_destroy(uint64_t handle) {
  struct context *context = find(handle, "rknn_destroy");
  if (!context) return CTX_INVALID;
  if (context->inside) fault("rknn_destroy: context %d is running", (int)handle);
  if (context->duplicates) fault("rknn_destroy: context %d has %d duplicates", (int)handle, context->duplicates);
  for (int i = 0; i < MAX_MEMORIES; i++)
    if (memories[i].owner == (int)handle) fault("rknn_destroy: context %d still has memory", (int)handle);
  if (context->parent) contexts[context->parent].duplicates--;
  context->open = 0;
  return OK;
}

int rknn_set_core_mask(uint64_t handle, int mask) {
  struct context *context = find(handle, "rknn_set_core_mask");
  if (!context) return CTX_INVALID;
  if (fails("rknn_set_core_mask")) return failing_code;
  if (mask != 1 && mask != 2 && mask != 4) fault("rknn_set_core_mask: %d is no single core", mask);
  context->mask = mask;
  return OK;
}

/* --- questions ------------------------------------------------------------------------------------------------- */

static int attributes(struct attr *attr, int is_input) {
  uint32_t index = attr->index;
  const struct tensor *tensor = &tensors[is_input ? index : index + input_count];
  if (index >= (uint32_t)(is_input ? input_count : tensor_count - input_count)) return PARAM_INVALID;
  memset(attr, 0, sizeof *attr);
  attr->index = index;
  attr->n_dims = tensor->rank;
  memcpy(attr->dims, tensor->dims, sizeof tensor->dims);
  strcpy(attr->name, tensor->name);
  attr->n_elems = attr->size = attr->size_with_stride = tensor->elements;
  attr->fmt = tensor->rank != 4 ? UNDEFINED : is_input ? NHWC : NCHW;
  attr->type = INT8;
  attr->qnt_type = AFFINE;
  attr->scale = 0.05f;
  if (is_input && tensor->rank == 4) {
    attr->w_stride = (tensor->dims[2] + ROW_ALIGNMENT - 1) / ROW_ALIGNMENT * ROW_ALIGNMENT;
    attr->size_with_stride = tensor->dims[1] * attr->w_stride * tensor->dims[3];
  }
  return OK;
}

int rknn_query(uint64_t handle, int command, void *answer, uint32_t size) {
  static const struct { int command; uint32_t size; } known[] = {
      {COUNTS, 8}, {INPUT_ATTR, 376}, {OUTPUT_ATTR, 376}, {VERSIONS, 512}, {MEM_SIZE, 64}};
  if (!find(handle, "rknn_query")) return CTX_INVALID;
  if (fails("rknn_query")) return failing_code;
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (known[i].command == command && known[i].size != size) {
      fault("rknn_query: command %d has %u bytes, not %u", command, known[i].size, size);
      return PARAM_INVALID;
    }
  switch (command) {
  case COUNTS: ((uint32_t *)answer)[0] = input_count; ((uint32_t *)answer)[1] = tensor_count - input_count; return OK;
  case INPUT_ATTR: return attributes(answer, 1);
  case OUTPUT_ATTR: return attributes(answer, 0);
  case VERSIONS:
    memset(answer, 0, size);
    strcpy(answer, "2.3.2 (fake@2025-04-09T09:09:27)");
    strcpy((char *)answer + 256, "0.9.8");
    return OK;
  case MEM_SIZE:
    if (fails("rknn_query MEM_SIZE")) return failing_code;
    memset(answer, 0, size); ((uint32_t *)answer)[0] = 4096; ((uint32_t *)answer)[1] = 8192; return OK;
  }
  fault("rknn_query: command %d is not known here", command);
  return PARAM_INVALID;
}

/* --- running --------------------------------------------------------------------------------------------------- */

int rknn_inputs_set(uint64_t handle, uint32_t count, struct input inputs[]) {
  struct context *context = find(handle, "rknn_inputs_set");
  const unsigned char *bytes;
  if (!context) return CTX_INVALID;
  if (fails("rknn_inputs_set")) return failing_code;
  if (count != (uint32_t)input_count) fault("rknn_inputs_set: %u inputs", count);
  for (uint32_t i = 0; i < count; i++) {
    uint32_t size = tensors[i].elements * (i ? sizeof(float) : 1);
    int type = i ? FLOAT32 : UINT8, fmt = tensors[i].rank == 4 ? NHWC : UNDEFINED;
    if (inputs[i].index != i || !inputs[i].buf || inputs[i].size != size || inputs[i].type != type || inputs[i].fmt != fmt ||
        inputs[i].pass_through) {
      fault("rknn_inputs_set: input %u is not %u bytes of %s", i, size, i ? "float32" : "uint8 NHWC");
      return INPUT_INVALID;
    }
  }
  bytes = inputs[0].buf;
  context->first = bytes[0];
  context->last = bytes[inputs[0].size - 1];
  if (count > 1) context->further = ((const float *)inputs[1].buf)[tensors[1].elements - 1];
  context->has_input = 1;
  return OK;
}

static float value(const struct context *context, uint32_t output, uint32_t element) {
  return element == 0   ? context->first
         : element == 1 ? context->last
         : element == 2 ? (float)context->mask
         : element == 3 && input_count > 1 ? context->further
                        : (float)(element + 1000 * output);
}

static void fill(const struct context *context, uint32_t output, float *values) {
  for (uint32_t e = 0; e < tensors[output + input_count].elements; e++) values[e] = value(context, output, e);
}

/* What devices see of a memory. */
static void *dram(const struct memory *memory) {
  for (int i = 0; i < MAX_MEMORIES; i++) if (&memories[i].memory == memory) return memories[i].beyond_caches;
  return NULL;
}

static void read_bound(struct context *context) {
  struct attr attr = {.index = 0};
  const unsigned char *bytes = dram(context->bound_inputs[0]);
  const uint32_t *dims = tensors[0].dims;
  attributes(&attr, 1);
  context->first = bytes[0];
  context->last = bytes[((dims[1] - 1) * attr.w_stride + dims[2] - 1) * dims[3] + dims[3] - 1];
  if (input_count > 1) context->further = ((const float *)dram(context->bound_inputs[1]))[tensors[1].elements - 1];
}

int rknn_run(uint64_t handle, void *extend) {
  struct context *context = find(handle, "rknn_run");
  (void)extend;
  if (!context) return CTX_INVALID;
  if (fails("rknn_run")) return failing_code;
  if (!context->has_input && !context->bound_inputs[input_count - 1]) {
    fault("rknn_run: no input was given");
    return INPUT_INVALID;
  }
  enter(context, "rknn_run");
  if (run_us) usleep(run_us);
  if (context->bound_inputs[0]) read_bound(context);
  for (int o = 0; o + input_count < tensor_count; o++)
    if (context->bound_outputs[o]) fill(context, o, dram(context->bound_outputs[o]));
  context->has_input = 0;
  context->has_run = 1;
  leave(context);
  return OK;
}

int rknn_outputs_get(uint64_t handle, uint32_t count, struct output outputs[], void *extend) {
  struct context *context = find(handle, "rknn_outputs_get");
  (void)extend;
  if (!context) return CTX_INVALID;
  if (fails("rknn_outputs_get")) return failing_code;
  if (!context->has_run || count != (uint32_t)(tensor_count - input_count)) {
    fault("rknn_outputs_get: %s", context->has_run ? "not all outputs" : "before a run");
    return OUTPUT_INVALID;
  }
  for (uint32_t o = 0; o < count; o++) {
    uint32_t size = tensors[o + input_count].elements * sizeof(float);
    if (!outputs[o].want_float || outputs[o].index != o || (outputs[o].is_prealloc && outputs[o].size != size)) {
      fault("rknn_outputs_get: output %u has not %u bytes of float", o, size);
      return OUTPUT_INVALID;
    }
    if (!outputs[o].is_prealloc) {
      outputs[o].buf = malloc(size);
      outputs[o].size = size;
      loans++;
    }
    fill(context, o, outputs[o].buf);
  }
  return OK;
}

int rknn_outputs_release(uint64_t handle, uint32_t count, struct output outputs[]) {
  if (!find(handle, "rknn_outputs_release")) return CTX_INVALID;
  for (uint32_t o = 0; o < count; o++)
    if (!outputs[o].is_prealloc) {
      free(outputs[o].buf);
      loans--;
    }
  return OK;
}

/* --- shared memory --------------------------------------------------------------------------------------------- */

struct memory *rknn_create_mem(uint64_t handle, uint32_t size) {
  if (!find(handle, "rknn_create_mem") || fails("rknn_create_mem")) return NULL;
  for (int i = 0; i < MAX_MEMORIES; i++)
    if (!memories[i].owner) {
      int fd = memfd_create("rknn", MFD_CLOEXEC);
      if (fd < 0 || ftruncate(fd, size)) return NULL;
      memories[i].owner = (int)handle;
      memories[i].memory = (struct memory){.virt = calloc(1, size), .size = size, .fd = fd};
      memories[i].beyond_caches = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      return &memories[i].memory;
    }
  return NULL;
}

static int known_memory(uint64_t handle, const struct memory *memory, const char *call) {
  for (int i = 0; i < MAX_MEMORIES; i++)
    if (&memories[i].memory == memory && memories[i].owner == (int)handle) return i;
  fault("%s: memory that context %d does not have", call, (int)handle);
  return -1;
}

int rknn_destroy_mem(uint64_t handle, struct memory *memory) {
  struct context *context = find(handle, "rknn_destroy_mem");
  int found = context ? known_memory(handle, memory, "rknn_destroy_mem") : -1;
  if (found < 0) return PARAM_INVALID;
  for (int i = 0; i < MAX_TENSORS; i++) {
    if (context->bound_inputs[i] == memory) context->bound_inputs[i] = NULL;
    if (context->bound_outputs[i] == memory) context->bound_outputs[i] = NULL;
  }
  free_memory(found);
  return OK;
}

int rknn_set_io_mem(uint64_t handle, struct memory *memory, struct attr *attr) {
  struct context *context = find(handle, "rknn_set_io_mem");
  int is_input = 0;
  uint32_t needed;
  if (!context || known_memory(handle, memory, "rknn_set_io_mem") < 0) return PARAM_INVALID;
  if (fails("rknn_set_io_mem")) return failing_code;
  for (int i = 0; i < input_count; i++) is_input |= !strcmp(attr->name, tensors[i].name);
  needed = is_input && !attr->index ? attr->size_with_stride : attr->n_elems * sizeof(float);
  if (memory->size < needed || attr->type != (is_input && !attr->index ? UINT8 : FLOAT32) || attr->pass_through) {
    fault("rknn_set_io_mem: %s has %u bytes, needed are %u of another kind", attr->name, memory->size, needed);
    return PARAM_INVALID;
  }
  if (is_input) context->bound_inputs[attr->index] = memory;
  else context->bound_outputs[attr->index] = memory;
  return OK;
}

int rknn_mem_sync(uint64_t handle, struct memory *memory, int direction) {
  int found = find(handle, "rknn_mem_sync") ? known_memory(handle, memory, "rknn_mem_sync") : -1;
  if (found < 0) return PARAM_INVALID;
  if (direction != 1 && direction != 2) fault("rknn_mem_sync: direction %d", direction);
  if (direction == 1) memcpy(memories[found].beyond_caches, memory->virt, memory->size);
  if (direction == 2) memcpy(memory->virt, memories[found].beyond_caches, memory->size);
  return OK;
}
