// Runs a CUDA kernel of picture.cu on a CPU, thread after thread, from its own source.
#define __global__
#define __device__

struct dim3 {
    unsigned x, y, z;
};
static dim3 blockIdx, threadIdx, blockDim;

static int min(int a, int b) { return a < b ? a : b; }
static int max(int a, int b) { return a > b ? a : b; }
static float __fmul_rn(float a, float b) { return a * b; }
static float __fadd_rn(float a, float b) { return a + b; }

#include "picture.cu"

extern "C" void run(const picture_job *job, const unsigned *block, const unsigned *grid) {
    blockDim = {block[0], block[1], block[2]};
    for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++)
            for (threadIdx.y = 0; threadIdx.y < block[1]; threadIdx.y++)
                for (threadIdx.x = 0; threadIdx.x < block[0]; threadIdx.x++)
                    edgekit_picture(job);
}

extern "C" long job_bytes() { return sizeof(picture_job); }
