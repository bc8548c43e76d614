#include "picture.h"

#include <stdlib.h>
#include <string.h>
#if defined(__x86_64__)
#include <cpuid.h>
#endif

#define INLINE static inline __attribute__((always_inline))

enum {
    CHUNK = 1024,    /* columns at a time: what is between two steps stays in the first cache */
    CACHE_LINE = 64, /* bytes, on x86-64 and on Cortex-A */
};

typedef struct {
    uint8_t y[CHUNK], u[CHUNK], v[CHUNK];
} yuv_chunk;

typedef struct {
    uint8_t channel[3][CHUNK];
} rgb_chunk;

/* How the columns of a plane are taken, found once a call. Neighbouring columns of a whole-numbered ratio, or of three to
 * two, lie in a pattern that a compiler can put into vectors; all else goes by the table. */
typedef enum { BY_TABLE, EVERY, PAIRS_OF_3 } pattern;

typedef struct {
    pattern pattern;
    int blended; /* whether any column lies between two samples */
    int32_t first, step, weight[2];
} columns;

INLINE columns columns_of(const tap *taps, int32_t width) {
    const tap *pair[2] = {taps, width > 1 ? taps + 1 : taps};
    columns found = {BY_TABLE, 0, pair[0]->first, pair[1]->first - pair[0]->first, {pair[0]->weight, pair[1]->weight}};
    int every = 1, pairs = 1, neighbours = 1;
    for (int32_t x = 0; x < width; x++) {
        const tap *at = taps + x;
        const int alike = at->weight == pair[x % 2]->weight;
        every &= alike && at->first == found.first + x * found.step;
        pairs &= alike && at->first == found.first + x / 2 * 3 + x % 2 * found.step;
        neighbours &= at->second == at->first + 1;
        found.blended |= at->weight != 0;
    }
    if (found.blended && !neighbours)
        return found;
    if (every && found.weight[0] == found.weight[1] && found.step >= 1 && found.step <= 4)
        found.pattern = EVERY;
    else if (pairs && found.step == (found.blended ? 1 : 2))
        found.pattern = PAIRS_OF_3;
    return found;
}

INLINE void take_every(const uint8_t *from, int64_t step, int32_t count, uint8_t *to) {
    for (int32_t x = 0; x < count; x++)
        to[x] = from[x * step];
}

INLINE void take_pairs(const uint8_t *from, int64_t step, int32_t count, uint8_t *to) {
    int32_t x = 0;
    for (; x + 1 < count; x += 2) {
        to[x] = from[x / 2 * 3 * step];
        to[x + 1] = from[(x / 2 * 3 + 2) * step];
    }
    if (x < count)
        to[x] = from[x / 2 * 3 * step];
}

/* Steps that compilers know in advance are the point: a step in a register becomes a load a sample. */
INLINE void take_points(const uint8_t *row, int64_t step_bytes, columns how, const tap *taps, int32_t begin,
                        int32_t count, uint8_t *to) {
    const int64_t step = how.step * step_bytes;
    const uint8_t *from = row + (how.first + (int64_t)begin * how.step) * step_bytes;
    if (how.pattern == EVERY) {
        switch (step) {
        case 1: memcpy(to, from, (size_t)count); return;
        case 2: take_every(from, 2, count, to); return;
        case 3: take_every(from, 3, count, to); return;
        case 4: take_every(from, 4, count, to); return;
        case 6: take_every(from, 6, count, to); return;
        case 8: take_every(from, 8, count, to); return;
        default: take_every(from, step, count, to); return;
        }
    }
    if (how.pattern == PAIRS_OF_3) { /* `begin` is even: CHUNK is */
        from = row + (how.first + (int64_t)begin / 2 * 3) * step_bytes;
        switch (step_bytes) {
        case 1: take_pairs(from, 1, count, to); return;
        case 2: take_pairs(from, 2, count, to); return;
        case 4: take_pairs(from, 4, count, to); return;
        default: take_pairs(from, step_bytes, count, to); return;
        }
    }
    for (int32_t x = 0; x < count; x++)
        to[x] = row[taps[begin + x].first * step_bytes];
}

/* Two rows become one, in 1/256. */
INLINE void blend_rows(const uint8_t *restrict first, const uint8_t *restrict second, int64_t step, int32_t weight,
                       int32_t count, uint16_t *restrict to) {
    const uint16_t w1 = (uint16_t)weight, w0 = (uint16_t)(256 - weight);
    if (step == 1)
        for (int32_t x = 0; x < count; x++)
            to[x] = (uint16_t)(first[x] * w0 + second[x] * w1);
    else if (step == 2)
        for (int32_t x = 0; x < count; x++)
            to[x] = (uint16_t)(first[2 * x] * w0 + second[2 * x] * w1);
    else
        for (int32_t x = 0; x < count; x++)
            to[x] = (uint16_t)(first[x * step] * w0 + second[x * step] * w1);
}

/* `weight`/256 of `second`, the rest of `first`; both are in 1/256. */
INLINE uint8_t blend(uint16_t first, uint16_t second, int32_t weight) {
    const uint32_t w1 = (uint32_t)weight, w0 = 256 - w1;
    return (uint8_t)((first * w0 + second * w1 + 0x8000) >> 16);
}

INLINE void blend_every(const uint16_t *first, const uint16_t *second, int64_t step, int32_t weight, int32_t count,
                        uint8_t *to) {
    for (int32_t x = 0; x < count; x++)
        to[x] = blend(first[x * step], second[x * step], weight);
}

INLINE void blend_pairs(const uint16_t *from, int32_t even, int32_t odd, int32_t count, uint8_t *to) {
    int32_t x = 0;
    for (; x + 1 < count; x += 2) {
        const uint16_t *three = from + x / 2 * 3;
        to[x] = blend(three[0], three[1], even);
        to[x + 1] = blend(three[1], three[2], odd);
    }
    if (x < count)
        to[x] = blend(from[x / 2 * 3], from[x / 2 * 3 + 1], even);
}

INLINE void take_blended(const uint16_t *row, columns how, const tap *taps, int32_t begin, int32_t count, uint8_t *to) {
    if (how.pattern == EVERY) {
        const uint16_t *from = row + how.first + (int64_t)begin * how.step, *next = from + how.blended;
        switch (how.step) {
        case 1: blend_every(from, next, 1, how.weight[0], count, to); return;
        case 2: blend_every(from, next, 2, how.weight[0], count, to); return;
        case 3: blend_every(from, next, 3, how.weight[0], count, to); return;
        default: blend_every(from, next, 4, how.weight[0], count, to); return;
        }
    }
    if (how.pattern == PAIRS_OF_3 && how.blended) { /* `begin` is even: CHUNK is */
        blend_pairs(row + how.first + (int64_t)begin / 2 * 3, how.weight[0], how.weight[1], count, to);
        return;
    }
    for (int32_t x = begin; x < begin + count; x++)
        *to++ = blend(row[taps[x].first], row[taps[x].second], taps[x].weight);
}

/* The upper half of a product: one instruction where vectors have it. */
INLINE int16_t times(int16_t a, int16_t b) { return (int16_t)(a * b >> 16); }

/* A sample less 128, in 1/256: with a sign, as compilers want it to find that instruction. */
INLINE int16_t centred(uint8_t sample) { return (int16_t)((int8_t)(sample ^ 0x80) * 256); }

INLINE uint8_t level(int16_t parts_of_32) {
    const int16_t value = parts_of_32 >> 5;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

INLINE void to_rgb(const yuv_chunk *from, const colours *c, int32_t count, uint8_t *restrict r, uint8_t *restrict g,
                   uint8_t *restrict b) {
    const int16_t yl = c->luma, rv = c->red_cr, gu = c->green_cb, gv = c->green_cr, bu = c->blue_cb;
    const int16_t r0 = c->red, g0 = c->green, b0 = c->blue;
    for (int32_t x = 0; x < count; x++) {
        const int16_t y = times(centred(from->y[x]), yl), u = centred(from->u[x]), v = centred(from->v[x]);
        r[x] = level((int16_t)(y + times(v, rv) + r0));
        g[x] = level((int16_t)(y + times(u, gu) + times(v, gv) + g0));
        b[x] = level((int16_t)(y + times(u, bu) + b0));
    }
}

/* Source: OpenCV, color_rgb: 0.299, 0.587 and 0.114 in 1/32768, rounded. */
INLINE void to_grey(rgb_chunk *rgb, int32_t count) {
    for (int32_t x = 0; x < count; x++)
        rgb->channel[0][x] = (uint8_t)((rgb->channel[0][x] * 9798 + rgb->channel[1][x] * 19235 +
                                        rgb->channel[2][x] * 3735 + 16384) >> 15);
}

INLINE void write_floats(const uint8_t *levels, float scale, float offset, int32_t count, int64_t pixel, uint8_t *to) {
    if (pixel == sizeof(float)) {
        float *out = (float *)(void *)to;
        for (int32_t x = 0; x < count; x++)
            out[x] = (float)levels[x] * scale + offset;
    } else {
        for (int32_t x = 0; x < count; x++)
            *(float *)(void *)(to + x * pixel) = (float)levels[x] * scale + offset;
    }
}

INLINE void write_channel(const picture_job *job, const uint8_t *levels, int channel, int32_t count, uint8_t *to) {
    const int64_t pixel = job->out_pixel_bytes;
    switch ((output)job->output) {
    case AS_FLOAT32: write_floats(levels, job->scale[channel], job->offset[channel], count, pixel, to); return;
    case AS_UINT8:
        if (pixel == 1)
            memcpy(to, levels, (size_t)count);
        else if (pixel == 3)
            for (int32_t x = 0; x < count; x++)
                to[3 * x] = levels[x];
        else
            for (int32_t x = 0; x < count; x++)
                to[x * pixel] = levels[x];
        return;
    case BY_TABLE_8: {
        const uint8_t *table = job->tables[channel];
        for (int32_t x = 0; x < count; x++)
            to[x * pixel] = table[levels[x]];
        return;
    }
    case BY_TABLE_16: {
        const uint16_t *table = job->tables[channel];
        for (int32_t x = 0; x < count; x++)
            *(uint16_t *)(void *)(to + x * pixel) = table[levels[x]];
        return;
    }
    }
}

INLINE void write_chunk(const picture_job *job, const yuv_chunk *yuv, int32_t count, uint8_t *to) {
    rgb_chunk rgb;
    uint8_t *levels[3] = {rgb.channel[0], rgb.channel[1], rgb.channel[2]};
    const int in_place = job->output == AS_UINT8 && job->out_pixel_bytes == 1 && job->channels == 3;
    if (in_place)
        for (int c = 0; c < 3; c++)
            levels[job->source[c]] = to + c * job->out_channel_bytes;
    to_rgb(yuv, &job->colours, count, levels[0], levels[1], levels[2]);
    if (in_place)
        return;
    if (job->channels == 1)
        to_grey(&rgb, count);
    for (int32_t c = 0; c < job->channels; c++)
        write_channel(job, rgb.channel[job->channels == 1 ? 0 : job->source[c]], c, count,
                      to + c * job->out_channel_bytes);
}

/* One row of one plane, ready to be taken from. */
typedef struct {
    const plane *plane;
    const tap *taps;
    columns how;
    const uint8_t *row;
    uint16_t *blended; /* where the columns or the row lie between two samples */
    int between;
} line;

INLINE void start_line(line *line, tap row, int32_t width) {
    const plane *from = line->plane;
    line->row = from->at + row.first * from->row_bytes;
    line->between = row.weight != 0 || line->how.blended;
    if (line->between)
        blend_rows(line->row, from->at + row.second * from->row_bytes, from->step_bytes, row.weight, width,
                   line->blended);
}

INLINE void take_line(const line *line, int32_t begin, int32_t count, uint8_t *to) {
    if (line->between)
        take_blended(line->blended, line->how, line->taps, begin, count, to);
    else
        take_points(line->row, line->plane->step_bytes, line->how, line->taps, begin, count, to);
}

/* A row on its way into the cache while another one is computed: rows of the result skip rows of the source, and what
 * the CPU fetches by itself ends with each. */
INLINE void fetch_row(const plane *from, tap row, int32_t width) {
    const uint8_t *at = from->at + row.first * from->row_bytes;
    for (int64_t byte = 0; byte < width * from->step_bytes; byte += CACHE_LINE)
        __builtin_prefetch(at + byte);
}

INLINE void fetch_rows(const picture_job *job, int32_t r) {
    fetch_row(&job->y, job->y_rows[r], job->y_width);
    fetch_row(&job->u, job->c_rows[r], job->c_width);
    if (job->v.step_bytes == 1) /* else it lies beside the other one */
        fetch_row(&job->v, job->c_rows[r], job->c_width);
}

INLINE int convert(const picture_job *job) {
    const columns y_how = columns_of(job->y_columns, job->width), c_how = columns_of(job->c_columns, job->width);
    uint16_t *rows = malloc(sizeof(uint16_t) * ((size_t)job->y_width + 2 * (size_t)job->c_width));
    if (!rows)
        return -1;
    line y = {&job->y, job->y_columns, y_how, 0, rows, 0};
    line u = {&job->u, job->c_columns, c_how, 0, rows + job->y_width, 0};
    line v = {&job->v, job->c_columns, c_how, 0, rows + job->y_width + job->c_width, 0};
    for (int32_t r = 0; r < job->height; r++) {
        if (r + 1 < job->height)
            fetch_rows(job, r + 1);
        start_line(&y, job->y_rows[r], job->y_width);
        start_line(&u, job->c_rows[r], job->c_width);
        start_line(&v, job->c_rows[r], job->c_width);
        for (int32_t begin = 0; begin < job->width; begin += CHUNK) {
            const int32_t count = job->width - begin < CHUNK ? job->width - begin : CHUNK;
            yuv_chunk yuv;
            take_line(&y, begin, count, yuv.y);
            take_line(&u, begin, count, yuv.u);
            take_line(&v, begin, count, yuv.v);
            write_chunk(job, &yuv, count, job->out + r * job->out_row_bytes + begin * job->out_pixel_bytes);
        }
    }
    free(rows);
    return 0;
}

int picture_convert_plain(const picture_job *job) { return convert(job); }

#if defined(__x86_64__)
__attribute__((target("avx2"))) static int convert_avx2(const picture_job *job) { return convert(job); }

/* The compiler's own question, __builtin_cpu_supports, finds nothing where zig's runtime answers it. AVX2, and a system
 * that saves its registers. Source: Intel, Software Developer's Manual, volume 1, 14.3 and 14.7.1. */
static int has_avx2(void) {
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX))
        return 0;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6 && __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & bit_AVX2);
}

int picture_convert(const picture_job *job) { return has_avx2() ? convert_avx2(job) : convert(job); }

const char *picture_variant(void) { return has_avx2() ? "avx2" : "plain"; }
#else
int picture_convert(const picture_job *job) { return convert(job); } /* NEON is part of every ARMv8-A */

const char *picture_variant(void) { return "plain"; }
#endif
