/* Random jobs against a plain reading of picture.h, in memory that ends where the job says, under sanitizers:
 *
 *     cc -g -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -I src src/picture.c fuzz/fuzz.c -o fuzzed
 *     ./fuzzed FIRST_SEED COUNT
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"

static uint64_t state, now; /* of the generator; the seed */

static uint32_t any(uint32_t below) { /* xorshift64*. Source: Marsaglia, Xorshift RNGs (2003) */
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)((state * 0x2545F4914F6CDD1DULL) >> 33) % below;
}

static void *memory(size_t bytes) {
    void *made = malloc(bytes ? bytes : 1);
    if (!made)
        abort();
    return made;
}

/* Taps of the kinds that `columns_of` tells apart, and of none. */
static tap *taps_of(int32_t count, int32_t limit) {
    tap *taps = memory(sizeof(tap) * (size_t)count);
    enum { POINTS, EVERY, PAIRS, WEIGHTS, BLENDED_EVERY, BLENDED_PAIRS, KINDS };
    const uint32_t kind = any(KINDS), step = 1 + any(5);
    const int32_t weights[2] = {(int32_t)any(257), (int32_t)any(257)};
    for (int32_t i = 0; i < count; i++) {
        tap made = {(int32_t)any((uint32_t)limit), (int32_t)any((uint32_t)limit), 0};
        if (kind == EVERY || kind == BLENDED_EVERY)
            made.first = (int32_t)(i * (int32_t)step);
        if (kind == PAIRS)
            made.first = i / 2 * 3 + i % 2 * 2;
        if (kind == BLENDED_PAIRS)
            made.first = i / 2 * 3 + i % 2;
        if (kind == WEIGHTS)
            made.weight = (int32_t)any(257);
        if (kind == BLENDED_EVERY || kind == BLENDED_PAIRS) {
            made.weight = weights[kind == BLENDED_PAIRS ? i % 2 : 0];
            made.second = made.first + 1;
        }
        if (made.first >= limit)
            made.first = limit - 1;
        if (made.second >= limit)
            made.second = limit - 1;
        taps[i] = made;
    }
    return taps;
}

/* A plane whose last sample is the last byte there is. */
static uint8_t *plane_of(plane *made, int32_t width, int32_t height, int64_t step, int64_t padding) {
    made->step_bytes = step;
    made->row_bytes = width * step + padding;
    const size_t bytes = (size_t)((height - 1) * made->row_bytes + (width - 1) * step + 1);
    uint8_t *at = memory(bytes);
    for (size_t i = 0; i < bytes; i++)
        at[i] = any(4) ? (uint8_t)any(256) : (uint8_t)(any(2) * 255);
    made->at = at;
    return at;
}

static int32_t sampled(const plane *from, tap column, tap row) {
    const uint8_t *a = from->at + row.first * from->row_bytes, *b = from->at + row.second * from->row_bytes;
    const int64_t left = column.first * from->step_bytes, right = column.second * from->step_bytes;
    const int32_t up = a[left] * (256 - column.weight) + a[right] * column.weight;
    const int32_t down = b[left] * (256 - column.weight) + b[right] * column.weight;
    return (up * (256 - row.weight) + down * row.weight + 0x8000) >> 16;
}

static int32_t floor_of(int32_t value, int32_t by) { return value >= 0 ? value / by : -((-value + by - 1) / by); }

static uint8_t coloured(const picture_job *job, int which, int32_t y, int32_t u, int32_t v) {
    const colours *c = &job->colours;
    int32_t sum = floor_of((y - 128) * 256 * c->luma, 65536);
    if (which == 0)
        sum += floor_of((v - 128) * 256 * c->red_cr, 65536) + c->red;
    if (which == 1)
        sum += floor_of((u - 128) * 256 * c->green_cb, 65536) + floor_of((v - 128) * 256 * c->green_cr, 65536) + c->green;
    if (which == 2)
        sum += floor_of((u - 128) * 256 * c->blue_cb, 65536) + c->blue;
    sum = floor_of(sum, 32);
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static void expect(const picture_job *job, int32_t x, int32_t r, const uint8_t *out) {
    const int32_t y = sampled(&job->y, job->y_columns[x], job->y_rows[r]);
    const int32_t u = sampled(&job->u, job->c_columns[x], job->c_rows[r]);
    const int32_t v = sampled(&job->v, job->c_columns[x], job->c_rows[r]);
    for (int32_t c = 0; c < job->channels; c++) {
        const int32_t red = coloured(job, 0, y, u, v), green = coloured(job, 1, y, u, v), blue = coloured(job, 2, y, u, v);
        const int32_t rgb[3] = {red, green, blue};
        const uint8_t level = (uint8_t)(job->channels == 1 ? (red * 9798 + green * 19235 + blue * 3735 + 16384) >> 15
                                                           : rgb[job->source[c]]);
        const uint8_t *at =
            out + c * job->out_channel_bytes + r * job->out_row_bytes + x * job->out_pixel_bytes;
        float as_float = (float)level * job->scale[c];
        as_float += job->offset[c];
        const void *wanted = &level;
        size_t size = 1;
        if (job->output == AS_FLOAT32)
            wanted = &as_float, size = 4;
        if (job->output == BY_TABLE_8)
            wanted = (const uint8_t *)job->tables[c] + level;
        if (job->output == BY_TABLE_16)
            wanted = (const uint16_t *)job->tables[c] + level, size = 2;
        if (memcmp(at, wanted, size) != 0) {
            fprintf(stderr, "seed %" PRIu64 ": column %d, row %d, channel %d differ\n", now, x, r, c);
            exit(1);
        }
    }
}

static int fits(const colours *c) {
    const int most_red = abs(c->luma) / 2 + abs(c->red_cr) / 2 + abs(c->red);
    const int most_green = abs(c->luma) / 2 + abs(c->green_cb) / 2 + abs(c->green_cr) / 2 + abs(c->green);
    const int most_blue = abs(c->luma) / 2 + abs(c->blue_cb) / 2 + abs(c->blue);
    return most_red < 32760 && most_green < 32760 && most_blue < 32760;
}

static void one(void) {
    picture_job job = {0};
    job.width = 1 + (int32_t)any(any(20) ? 40 : 2300);
    job.height = 1 + (int32_t)any(6);
    const int32_t y_height = 1 + (int32_t)any(9), c_height = 1 + (int32_t)any(5);
    job.y_width = 1 + (int32_t)any((uint32_t)job.width * 4);
    job.c_width = 1 + (int32_t)any((uint32_t)job.width * 3);
    uint8_t *planes[3] = {
        plane_of(&job.y, job.y_width, y_height, 1 + any(2), any(9)),
        plane_of(&job.u, job.c_width, c_height, 1 + any(5), any(9)),
        plane_of(&job.v, job.c_width, c_height, 1 + any(5), any(9)),
    };
    tap *taps[4] = {taps_of(job.width, job.y_width), taps_of(job.height, y_height), taps_of(job.width, job.c_width),
                    taps_of(job.height, c_height)};
    job.y_columns = taps[0], job.y_rows = taps[1], job.c_columns = taps[2], job.c_rows = taps[3];
    do { /* as a caller checks: sums stay in 16 bits */
        int16_t *gains = &job.colours.luma;
        for (int i = 0; i < 8; i++)
            gains[i] = (int16_t)((int32_t)any(40001) - 20000);
    } while (!fits(&job.colours));
    job.channels = any(4) ? 3 : 1;
    const int32_t first = (int32_t)any(3), turn = 1 + (int32_t)any(2);
    for (int c = 0; c < 3; c++) {
        job.source[c] = (first + c * turn) % 3;
        job.scale[c] = (float)any(1000) / 997.0F;
        job.offset[c] = (float)any(1000) / 991.0F - 0.5F;
    }
    job.output = (int32_t)any(4);
    const int64_t size = job.output == AS_FLOAT32 ? 4 : job.output == BY_TABLE_16 ? 2 : 1;
    uint16_t tables[3][256];
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 256; i++)
            tables[c][i] = (uint16_t)any(65536);
        job.tables[c] = tables[c];
    }
    const int interleaved = (int)any(2);
    job.out_pixel_bytes = interleaved ? size * job.channels : size;
    job.out_row_bytes = job.width * job.out_pixel_bytes + size * any(3);
    job.out_channel_bytes = interleaved ? size : job.height * job.out_row_bytes;
    const size_t bytes = (size_t)((job.channels - 1) * job.out_channel_bytes + (job.height - 1) * job.out_row_bytes +
                                  (job.width - 1) * job.out_pixel_bytes + size);
    uint8_t *fast = memory(bytes), *plain = memory(bytes);
    memset(fast, 7, bytes);
    memset(plain, 7, bytes);
    job.out = fast;
    if (picture_convert(&job))
        abort();
    job.out = plain;
    if (picture_convert_plain(&job))
        abort();
    if (memcmp(fast, plain, bytes) != 0) {
        fprintf(stderr, "seed %" PRIu64 ": %s and plain differ\n", now, picture_variant());
        exit(1);
    }
    for (int32_t r = 0; r < job.height; r++)
        for (int32_t x = 0; x < job.width; x++)
            expect(&job, x, r, plain);
    for (int i = 0; i < 3; i++)
        free(planes[i]);
    for (int i = 0; i < 4; i++)
        free(taps[i]);
    free(fast);
    free(plain);
}

int main(int count, char **arguments) {
    const uint64_t first = count > 1 ? strtoull(arguments[1], 0, 10) : 1, most = count > 2 ? strtoull(arguments[2], 0, 10) : 1000;
    for (uint64_t seed = first; seed < first + most; seed++) {
        now = seed;
        state = seed * 0x9E3779B97F4A7C15ULL + 1;
        one();
    }
    printf("%" PRIu64 " jobs as they should be, %s\n", most, picture_variant());
    return 0;
}
