// Tile transforms of Winograd's F(4x4, 3x3) convolution (Lavin and Gray, "Fast Algorithms for Convolutional Neural
// Networks", 2016), and PReLU. All tensors are contiguous float32 with channels innermost; C is a multiple of 8, H and W
// of 4: winograd.py sees to it.
#include <torch/extension.h>

#include <vector>

namespace {

constexpr int64_t TILE = 4, WINDOW = 6, LANES = 8;

// B^T, A^T and A of F(4, 3): interpolation points 0, 1, -1, 2, -2, infinity.
constexpr float INPUT[6][6] = {{4, 0, -5, 0, 1, 0}, {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                               {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};
constexpr float OUTPUT[4][6] = {{1, 1, 1, 1, 1, 0}, {0, 1, -1, 2, -2, 0}, {0, 1, 1, 4, 4, 0}, {0, 1, -1, 8, -8, 1}};
constexpr float GRADIENT[6][4] = {{1, 0, 0, 0}, {1, 1, 1, 1}, {1, -1, 1, -1}, {1, 2, 4, 8}, {1, -2, 4, -8}, {0, 0, 0, 1}};

typedef float Lanes __attribute__((vector_size(LANES * sizeof(float)), aligned(4)));

// M X M^T on a tile of LANES channels; the loops unroll and the zeros of M vanish.
template <int R, int S>
inline __attribute__((always_inline)) void sandwich(const float (&m)[R][S], const Lanes (&x)[S][S], Lanes (&y)[R][R]) {
    Lanes half[R][S];
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < S; ++j) {
            Lanes sum = {};
#pragma GCC unroll 8
            for (int k = 0; k < S; ++k)
                if (m[i][k] != 0) sum += m[i][k] * x[k][j];
            half[i][j] = sum;
        }
#pragma GCC unroll 8
    for (int i = 0; i < R; ++i)
#pragma GCC unroll 8
        for (int j = 0; j < R; ++j) {
            Lanes sum = {};
#pragma GCC unroll 8
            for (int k = 0; k < S; ++k)
                if (m[j][k] != 0) sum += half[i][k] * m[j][k];
            y[i][j] = sum;
        }
}

// Calls body(tile, sample, top, left, channel) for every 4x4 tile of (N, H, W, C) and every group of LANES channels.
template <typename Body>
void each_tile(int64_t n, int64_t h, int64_t w, int64_t c, Body body) {
    int64_t tile = 0;
    for (int64_t b = 0; b < n; ++b)
        for (int64_t top = 0; top < h; top += TILE)
            for (int64_t left = 0; left < w; left += TILE, ++tile)
                for (int64_t k = 0; k < c; k += LANES) body(tile, b, top, left, k);
}

Lanes load(const float* at) { return *reinterpret_cast<const Lanes*>(at); }
void store(float* at, Lanes lanes) { *reinterpret_cast<Lanes*>(at) = lanes; }

void store(float* out, const Lanes (&u)[WINDOW][WINDOW], int64_t tiles, int64_t c) {
    for (int i = 0; i < WINDOW; ++i)
        for (int j = 0; j < WINDOW; ++j) store(out + (i * WINDOW + j) * tiles * c, u[i][j]);
}

// (N, H, W, C) -> (36, tiles, C): the 6x6 windows around 4x4 tiles, zeros outside the picture.
at::Tensor windows(const at::Tensor& x) {
    const int64_t n = x.size(0), h = x.size(1), w = x.size(2), c = x.size(3), tiles = n * (h / TILE) * (w / TILE);
    auto v = at::empty({WINDOW * WINDOW, tiles, c}, x.options());
    const float* in = x.const_data_ptr<float>();
    float* out = v.data_ptr<float>();
    each_tile(n, h, w, c, [=](int64_t tile, int64_t b, int64_t top, int64_t left, int64_t k) {
        Lanes d[WINDOW][WINDOW], u[WINDOW][WINDOW];
        for (int i = 0; i < WINDOW; ++i)
            for (int j = 0; j < WINDOW; ++j) {
                const int64_t y = top + i - 1, z = left + j - 1;
                const bool inside = y >= 0 && y < h && z >= 0 && z < w;
                d[i][j] = inside ? load(in + ((b * h + y) * w + z) * c + k) : Lanes{};
            }
        sandwich(INPUT, d, u);
        store(out + tile * c + k, u, tiles, c);
    });
    return v;
}

// (N, H, W, C) -> (36, tiles, C): the 4x4 tiles of an output's gradient.
at::Tensor spread(const at::Tensor& g) {
    const int64_t n = g.size(0), h = g.size(1), w = g.size(2), c = g.size(3), tiles = n * (h / TILE) * (w / TILE);
    auto v = at::empty({WINDOW * WINDOW, tiles, c}, g.options());
    const float* in = g.const_data_ptr<float>();
    float* out = v.data_ptr<float>();
    each_tile(n, h, w, c, [=](int64_t tile, int64_t b, int64_t top, int64_t left, int64_t k) {
        Lanes d[TILE][TILE], u[WINDOW][WINDOW];
        for (int i = 0; i < TILE; ++i)
            for (int j = 0; j < TILE; ++j) d[i][j] = load(in + ((b * h + top + i) * w + left + j) * c + k);
        sandwich(GRADIENT, d, u);
        store(out + tile * c + k, u, tiles, c);
    });
    return v;
}

// (36, tiles, C) and bias (C) -> (N, H, W, C).
at::Tensor assemble(const at::Tensor& m, const at::Tensor& bias, int64_t n, int64_t h, int64_t w) {
    const int64_t tiles = m.size(1), c = m.size(2);
    auto y = at::empty({n, h, w, c}, m.options());
    const float *in = m.const_data_ptr<float>(), *add = bias.const_data_ptr<float>();
    float* out = y.data_ptr<float>();
    each_tile(n, h, w, c, [=](int64_t tile, int64_t b, int64_t top, int64_t left, int64_t k) {
        Lanes d[WINDOW][WINDOW], u[TILE][TILE];
        for (int i = 0; i < WINDOW; ++i)
            for (int j = 0; j < WINDOW; ++j) d[i][j] = load(in + ((i * WINDOW + j) * tiles + tile) * c + k);
        sandwich(OUTPUT, d, u);
        for (int i = 0; i < TILE; ++i)
            for (int j = 0; j < TILE; ++j)
                store(out + ((b * h + top + i) * w + left + j) * c + k, u[i][j] + load(add + k));
    });
    return y;
}

// PReLU of (..., C) with a slope for each channel.
at::Tensor prelu(const at::Tensor& z, const at::Tensor& slope) {
    const int64_t c = slope.size(0), rows = z.numel() / c;
    auto y = at::empty_like(z);
    const float *in = z.const_data_ptr<float>(), *a = slope.const_data_ptr<float>();
    float* out = y.data_ptr<float>();
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t k = 0; k < c; ++k) out[r * c + k] = in[r * c + k] > 0 ? in[r * c + k] : a[k] * in[r * c + k];
    return y;
}

// The gradients of (z, slope) for the gradient g of PReLU.
std::vector<at::Tensor> prelu_backward(const at::Tensor& z, const at::Tensor& g, const at::Tensor& slope) {
    const int64_t c = slope.size(0), rows = z.numel() / c;
    auto gz = at::empty_like(z), gs = at::zeros_like(slope);
    const float *in = z.const_data_ptr<float>(), *up = g.const_data_ptr<float>(), *a = slope.const_data_ptr<float>();
    float *out = gz.data_ptr<float>(), *sum = gs.data_ptr<float>();
    for (int64_t r = 0; r < rows; ++r)
        for (int64_t k = 0; k < c; ++k) {
            const float v = in[r * c + k], d = up[r * c + k];
            out[r * c + k] = v > 0 ? d : a[k] * d;
            sum[k] += v > 0 ? 0.f : v * d;
        }
    return {gz, gs};
}

}  // namespace

PYBIND11_MODULE(TORCH_EXTENSION_NAME, m) {
    m.def("windows", &windows);
    m.def("assemble", &assemble);
    m.def("spread", &spread);
    m.def("prelu", &prelu);
    m.def("prelu_backward", &prelu_backward);
}
