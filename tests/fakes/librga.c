/* A stand-in for librga.so: a slow RGA3, that watches how it is called.

   Written from the library's binary interface alone (names, sizes, numbers); the vendor's header is not needed. What is
   wrong is kept as text, see fake_faults(). It scales between samples whose middles do not lie on top of each other, and
   converts with 10 bits behind the point: near to what others give, and never the same.

       cc -shared -fPIC -O1 -pthread -o librga.so librga.c  */
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_HANDLES = 32 };
enum { RGB = 0x200, BGR = 0x700, NV12 = 0xA00, NV21 = 0xE00 };
enum { NO_ERROR = 2, SUCCESS = 1, FAILED = 0, NOT_SUPPORTED = -1, ILLEGAL_PARAM = -4 };
enum { SYNC = 1 << 19, RGA3_CORES = 3, CORE = 0, VERSION = 1 };

struct buffer {
  void *vir_addr, *phy_addr;
  int fd, width, height, wstride, hstride, format, color_space_mode, global_alpha, rd_mode, color, colorkey_range[2], nn[6],
      rop_code;
  uint32_t handle;
};
struct rect { int x, y, width, height; };
struct param { uint32_t width, height, format; };
_Static_assert(sizeof(struct buffer) == 96, "rga_buffer_t");
_Static_assert(sizeof(struct rect) == 16, "im_rect");
_Static_assert(sizeof(struct param) == 12, "im_handle_param_t");

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct { unsigned char *at; size_t size; int mapped, open; } imported[MAX_HANDLES];
static __thread int cores;
static int jobs, failing_status;
static char failing_call[64], faults[8192];
static const char *version = "RGA_api version       : v1.10.1_[0]\nRGA version           : RGA_2_Enhance RGA_3 \n";

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
int fake_jobs(void) { return jobs; }
void fake_version(const char *text) { version = text; }
void fake_fail(const char *call, int status) { snprintf(failing_call, sizeof failing_call, "%s", call); failing_status = status; }

int fake_live(void) {
  int live = 0;
  for (int i = 0; i < MAX_HANDLES; i++) live += imported[i].open;
  return live;
}

/* --- memory ---------------------------------------------------------------------------------------------------- */

static size_t bytes_of(const struct param *param) {
  size_t pixels = (size_t)param->width * param->height;
  return param->format == NV12 || param->format == NV21 ? pixels * 3 / 2 : pixels * 3;
}

static int fails(const char *call) { return !strcmp(call, failing_call); }

static uint32_t import(unsigned char *at, size_t size, int mapped) {
  pthread_mutex_lock(&lock);
  int i = 1;
  while (i < MAX_HANDLES && imported[i].open) i++;
  if (i < MAX_HANDLES) imported[i].at = at, imported[i].size = size, imported[i].mapped = mapped, imported[i].open = 1;
  pthread_mutex_unlock(&lock);
  return i < MAX_HANDLES ? i : 0;
}

uint32_t importbuffer_fd(int fd, struct param *param) {
  struct stat file;
  size_t size = bytes_of(param);
  if (fails("importbuffer_fd")) return failing_status;
  if (fstat(fd, &file) || (size_t)file.st_size < size) {
    fault("importbuffer_fd: descriptor %d has not %zu bytes", fd, size);
    return 0;
  }
  return import(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), size, 1);
}

uint32_t importbuffer_virtualaddr(void *at, struct param *param) {
  if (fails("importbuffer_virtualaddr")) return failing_status;
  if ((uintptr_t)at % 4096) fault("importbuffer_virtualaddr: %p begins within a page", at);
  return import(at, bytes_of(param), 0);
}

int releasebuffer_handle(uint32_t handle) {
  if (fails("releasebuffer_handle")) return failing_status;
  if (handle >= MAX_HANDLES || !imported[handle].open) {
    fault("releasebuffer_handle: %u is not imported", handle);
    return FAILED;
  }
  if (imported[handle].mapped) munmap(imported[handle].at, imported[handle].size);
  imported[handle].open = 0;
  return SUCCESS;
}

/* --- jobs ------------------------------------------------------------------------------------------------------ */

const char *querystring(int name) { return name == VERSION ? version : "unknown"; }
const char *imStrError_t(int status) { (void)status; return "Unsupported function: src unsupport width"; }

int imconfig(int name, uint64_t value) {
  if (fails("imconfig")) return failing_status;
  if (name != CORE) fault("imconfig: %d is not the core", name);
  cores = (int)value;
  return SUCCESS;
}

static int bad_buffer(const char *call, const char *which, struct buffer b, struct rect r) {
  struct param param = {b.wstride, b.hstride, b.format};
  int yuv = b.format == NV12 || b.format == NV21, bits = yuv ? 8 : 24;
  if (b.vir_addr || b.phy_addr || b.fd || b.color || b.rop_code || b.rd_mode != 1 || b.global_alpha != 0xff)
    fault("%s: %s says more than a handle", call, which);
  if (b.handle >= MAX_HANDLES || !imported[b.handle].open || imported[b.handle].size < bytes_of(&param)) {
    fault("%s: %s is larger than what was imported", call, which);
    return 1;
  }
  if (b.wstride * bits / 8 % 16 || b.wstride < b.width || b.hstride < b.height) fault("%s: %s has a stride of %d", call, which, b.wstride);
  if (yuv && (b.width % 2 || b.height % 2 || r.x % 2 || r.y % 2 || r.width % 2 || r.height % 2)) fault("%s: %s is odd", call, which);
  if (r.x < 0 || r.y < 0 || r.x + r.width > b.width || r.y + r.height > b.height || r.width < 68 || r.height < 2) {
    fault("%s: %s has its part outside, or too small", call, which);
    return 1;
  }
  return 0;
}

static int bad_job(const char *call, struct buffer src, struct buffer dst, struct buffer pat, struct rect s, struct rect d) {
  static const struct buffer nothing;
  if (bad_buffer(call, "src", src, s) || bad_buffer(call, "dst", dst, d)) return 1;
  if (memcmp(&pat, &nothing, sizeof pat)) fault("%s: there is a pattern", call);
  if ((src.format != NV12 && src.format != NV21) || (dst.format != RGB && dst.format != BGR)) fault("%s: formats", call);
  if (dst.color_space_mode < 1 || dst.color_space_mode > 3 || src.color_space_mode) fault("%s: no colours", call);
  if (s.width > 8 * d.width || d.width > 8 * s.width || s.height > 8 * d.height || d.height > 8 * s.height) fault("%s: scale", call);
  return 0;
}

int imcheck_t(struct buffer src, struct buffer dst, struct buffer pat, struct rect s, struct rect d, struct rect p, int usage) {
  (void)p;
  if (fails("imcheck_t")) return failing_status;
  if (usage) fault("imcheck_t: usage %d", usage);
  return bad_job("imcheck_t", src, dst, pat, s, d) ? ILLEGAL_PARAM : NO_ERROR;
}

/* Between the two nearest samples, beginning at the first one's middle. */
static double between(const unsigned char *at, int stride, int step, int width, int height, double x, double y) {
  int x0 = (int)x, y0 = (int)y, x1 = x0 + 1 < width ? x0 + 1 : x0, y1 = y0 + 1 < height ? y0 + 1 : y0;
  double fx = x - x0, fy = y - y0;
  double above = at[y0 * stride + x0 * step] * (1 - fx) + at[y0 * stride + x1 * step] * fx;
  double below = at[y1 * stride + x0 * step] * (1 - fx) + at[y1 * stride + x1 * step] * fx;
  return above * (1 - fy) + below * fy;
}

static unsigned char level(double parts) { return parts < 0 ? 0 : parts > 255 * 1024.0 ? 255 : (unsigned char)((int)parts >> 10); }

static void blit(struct buffer src, struct buffer dst, struct rect s, struct rect d) {
  /* In 1/1024: luma, Cr in R, Cb and Cr in G, Cb in B. ITU-R BT.601 and BT.709. */
  static const int mode[4][5] = {{0}, {1192, 1634, -401, -832, 2066}, {1024, 1436, -352, -731, 1815}, {1192, 1836, -218, -546, 2163}};
  const int *k = mode[dst.color_space_mode], black = dst.color_space_mode == 2 ? 0 : 16;
  const unsigned char *y_at = imported[src.handle].at, *c_at = y_at + src.wstride * src.hstride;
  int u_first = src.format == NV12, red = dst.format == RGB ? 0 : 2;
  for (int row = 0; row < d.height; row++)
    for (int column = 0; column < d.width; column++) {
      double x = (double)column * s.width / d.width, y = (double)row * s.height / d.height;
      const unsigned char *luma = y_at + s.y * src.wstride + s.x, *chroma = c_at + s.y / 2 * src.wstride + s.x;
      double l = k[0] * (between(luma, src.wstride, 1, s.width, s.height, x, y) - black) + 512;
      double u = between(chroma + !u_first, src.wstride, 2, s.width / 2, s.height / 2, x / 2, y / 2) - 128;
      double v = between(chroma + u_first, src.wstride, 2, s.width / 2, s.height / 2, x / 2, y / 2) - 128;
      unsigned char *to = imported[dst.handle].at + ((d.y + row) * dst.wstride + d.x + column) * 3;
      to[red] = level(l + k[1] * v);
      to[1] = level(l + k[2] * u + k[3] * v);
      to[2 - red] = level(l + k[4] * u);
    }
}

int improcess(struct buffer src, struct buffer dst, struct buffer pat, struct rect s, struct rect d, struct rect p, int usage) {
  (void)p;
  if (fails("improcess")) return failing_status;
  if (usage != SYNC) fault("improcess: usage %d", usage);
  if (cores != RGA3_CORES) fault("improcess: this thread may use cores %d", cores);
  if (bad_job("improcess", src, dst, pat, s, d)) return ILLEGAL_PARAM;
  blit(src, dst, s, d);
  __sync_fetch_and_add(&jobs, 1);
  return SUCCESS;
}

void fake_reset(void) {
  for (int i = 1; i < MAX_HANDLES; i++) if (imported[i].open) releasebuffer_handle(i);
  faults[0] = failing_call[0] = 0;
  jobs = failing_status = 0;
  version = "RGA_api version       : v1.10.1_[0]\nRGA version           : RGA_2_Enhance RGA_3 \n";
}
