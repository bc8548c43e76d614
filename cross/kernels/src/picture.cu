/* picture.c on a GPU: one thread for each pixel of the model's input, bars and all, with the same integer arithmetic.
 *
 * Compiled by NVRTC for the board's GPU. What a job says was checked by its caller, as for picture.c; its layout is
 * mirrored by edgekit/device/runner/cuda_picture.py. Addresses are the device's own.
 */
struct tap {
    int first, second, weight;
};

enum output { AS_UINT8, AS_FLOAT32, BY_TABLE_8, BY_TABLE_16 };

struct picture_job {
    const unsigned char *planes[3]; /* Y, Cb, Cr */
    long long row_bytes[3];
    const tap *y_columns, *y_rows, *c_columns, *c_rows;
    unsigned char *out;
    long long out_row_bytes, out_pixel_bytes, out_channel_bytes;
    const void *tables[3];
    int width, height, left, top; /* of the scaled picture, and where it lies in the input */
    int input_width, input_height;
    int channels, output;
    int source[3];
    int colours[8]; /* luma, red_cr, green_cb, green_cr, blue_cb, red, green, blue */
    float scale[3], offset[3];
    unsigned int bars[3]; /* one element of each channel, as it lies in memory */
};

static __device__ int sample(const unsigned char *plane, long long row_bytes, tap column, tap row) {
    const unsigned char *a = plane + row.first * row_bytes, *b = plane + row.second * row_bytes;
    if (!(column.weight | row.weight))
        return a[column.first];
    const int above = a[column.first] * (256 - column.weight) + a[column.second] * column.weight;
    const int below = b[column.first] * (256 - column.weight) + b[column.second] * column.weight;
    return (above * (256 - row.weight) + below * row.weight + 0x8000) >> 16;
}

static __device__ int times(int centred, int gain) { return centred * 256 * gain >> 16; }

static __device__ int level(int parts_of_32) { return min(max(parts_of_32 >> 5, 0), 255); }

static __device__ void put(const picture_job *job, int channel, int value, unsigned char *to) {
    switch (job->output) {
    case AS_UINT8: *to = value; break;
    case AS_FLOAT32: *(float *)to = __fadd_rn(__fmul_rn((float)value, job->scale[channel]), job->offset[channel]); break;
    case BY_TABLE_8: *to = ((const unsigned char *)job->tables[channel])[value]; break;
    case BY_TABLE_16: *(unsigned short *)to = ((const unsigned short *)job->tables[channel])[value]; break;
    }
}

static __device__ void put_bar(const picture_job *job, int channel, unsigned char *to) {
    const unsigned int bar = job->bars[channel];
    switch (job->output) {
    case AS_FLOAT32: *(unsigned int *)to = bar; break;
    case BY_TABLE_16: *(unsigned short *)to = bar; break;
    default: *to = bar;
    }
}

extern "C" __global__ void edgekit_picture(const picture_job *job) {
    const int column = blockIdx.x * blockDim.x + threadIdx.x, line = blockIdx.y * blockDim.y + threadIdx.y;
    if (column >= job->input_width || line >= job->input_height)
        return;
    unsigned char *to = job->out + line * job->out_row_bytes + column * job->out_pixel_bytes;
    const int x = column - job->left, r = line - job->top;
    if (x < 0 || r < 0 || x >= job->width || r >= job->height) {
        for (int c = 0; c < job->channels; c++)
            put_bar(job, c, to + c * job->out_channel_bytes);
        return;
    }
    const tap across = job->c_columns[x], down = job->c_rows[r];
    const int y = sample(job->planes[0], job->row_bytes[0], job->y_columns[x], job->y_rows[r]) - 128;
    const int u = sample(job->planes[1], job->row_bytes[1], across, down) - 128;
    const int v = sample(job->planes[2], job->row_bytes[2], across, down) - 128;
    const int *k = job->colours, luma = times(y, k[0]);
    const int rgb[3] = {
        level(luma + times(v, k[1]) + k[5]),
        level(luma + times(u, k[2]) + times(v, k[3]) + k[6]),
        level(luma + times(u, k[4]) + k[7]),
    };
    if (job->channels == 1)
        put(job, 0, (rgb[0] * 9798 + rgb[1] * 19235 + rgb[2] * 3735 + 16384) >> 15, to);
    else
        for (int c = 0; c < job->channels; c++) {
            const int from = job->source[c];
            put(job, c, from == 0 ? rgb[0] : from == 1 ? rgb[1] : rgb[2], to + c * job->out_channel_bytes);
        }
}
