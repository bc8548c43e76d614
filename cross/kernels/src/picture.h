/* One pass from a picture with subsampled chroma to a model's input: sampling, colours, scale and layout.
 *
 * All that a job says was planned and range-checked by its caller before the first picture: see edgekit/imaging. What a
 * job reads and writes lies inside the planes, tables and tensor that it names. No state, no allocation that outlives a
 * call, integers up to the last step: every CPU gives the same bytes.
 */
#ifndef EDGEKIT_PICTURE_H
#define EDGEKIT_PICTURE_H

#include <stdint.h>

/* Where one column or row of the result comes from: `weight`/256 of sample `second`, the rest of sample `first`. */
typedef struct {
    int32_t first, second, weight;
} tap;

/* Samples of one kind: sample (x, y) lies at `at + y * row_bytes + x * step_bytes`. */
typedef struct {
    const uint8_t *at;
    int64_t row_bytes, step_bytes;
} plane;

/* R = luma * (Y - 128) + red_cr * (Cr - 128) + red, and so on. Gains are in 1/8192, the last terms in 1/32 of a level
 * with half a level included, and half of what each product loses. */
typedef struct {
    int16_t luma, red_cr, green_cb, green_cr, blue_cb, red, green, blue;
} colours;

typedef enum { AS_UINT8 = 0, AS_FLOAT32 = 1, BY_TABLE_8 = 2, BY_TABLE_16 = 3 } output;

typedef struct {
    plane y, u, v;
    const tap *y_columns, *y_rows; /* [width], [height] */
    const tap *c_columns, *c_rows;
    int32_t width, height;     /* of the scaled picture, without bars */
    int32_t y_width, c_width;  /* samples in a row of the source */
    colours colours;
    int32_t channels;          /* 3, or 1: BT.601 luma of the result */
    int32_t output;            /* see `output` */
    int32_t source[3];         /* which of R, G, B fills each channel */
    float scale[3], offset[3]; /* AS_FLOAT32: level * scale + offset, by channel of the tensor */
    const void *tables[3];     /* BY_TABLE_*: 256 values for each channel */
    uint8_t *out;              /* the scaled picture's first element in the tensor */
    int64_t out_row_bytes, out_pixel_bytes, out_channel_bytes;
} picture_job;

/* Carry a job out; 0, or -1 where there is no memory for two rows. */
int picture_convert(const picture_job *job);

/* As above with the instructions that every CPU of this architecture has: what the other is compared with. */
int picture_convert_plain(const picture_job *job);

/* "plain" or "avx2": what `picture_convert` takes here. */
const char *picture_variant(void);

#endif
