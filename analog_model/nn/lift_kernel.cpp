// Effective and modal pulse widths of a layer's units, in one pass over the image.
//
// What `physics.lifted_widths` computes from `neighbourhood`, a register of units after the other:
// every table of coefficients takes their widths and their neighbours' from there. A pixel's are
// copied side by side first; where a register holds the channels of several pixels, and all
// neighbours stand a fixed number of channels away in their pixel, they are read as they lie.
// `lift_kernel.py` describes the arguments and makes the plan, `processor_kernel.py` puts
// lanes.hpp, lift_registers.hpp, lift_singles.hpp before it.

namespace {

// For a pixel each run with its channels in image `b`, null beyond the image.
template <typename T, typename Use>
inline void each_run(const Plan &p, T *image, int64_t b, int64_t row, int64_t column, Use use) {
  for (const int64_t *run = p.run; run < p.run + p.n_runs * RUN; run += RUN) {
    const int64_t y = row + run[4], x = column + run[5];
    const bool inside = y >= 0 && y < p.height && x >= 0 && x < p.width;
    use(run, inside ? image + ((b * p.height + y) * p.width + x) * p.channels + run[3] : nullptr);
  }
}

template <typename T>
inline void collect(const Plan &p, const T *image, int64_t b, int64_t row, int64_t column,
                    T *side) {
  each_run(p, image, b, row, column, [&](const int64_t *run, const T *from) {
    T *to = side + run[0] * p.padded + run[1];
    // Most runs are either the pixel's channels or a single one, at a pixel's border.
    if (run[2] == 1) *to = from ? *from : T(0);
    else if (from) std::memcpy(to, from, run[2] * sizeof(T));
    else std::fill(to, to + run[2], T(0));
  });
}

// Where the units are the channels, each neighbour's a fixed number away in the same pixel: that
// number, and in which lanes there is such a neighbour, 1 or 0. Few channels of several pixels
// share a register.
template <typename T> struct Still {
  bool all;
  std::vector<int64_t> away;
  std::vector<T> mask;
  int64_t reach = 0;

  explicit Still(Plan &p) : away(1 + p.neighbours, 0), mask(away.size() * p.padded) {
    std::vector<bool> known(away.size());
    all = p.units == p.channels;
    for (const int64_t *run = p.run; run < p.run + p.n_runs * RUN; run += RUN) {
      const int64_t k = run[0], distance = run[3] - run[1];
      all = all && !run[4] && !run[5] && (k ? !known[k] || away[k] == distance : !distance);
      known[k] = true;
      away[k] = distance;
      reach = std::max(reach, std::abs(distance));
      std::fill_n(mask.begin() + k * p.padded + run[1], run[2], T(1));
    }
    if (!all) return;
    p.together = std::max<int64_t>(1, LANES<T> / p.units);
    for (size_t k = 0; k < away.size(); ++k)
      for (int64_t i = p.units; i < p.together * p.units; ++i)
        mask[k * p.padded + i] = mask[k * p.padded + i % p.units];
  }
};

// A plan's numbers for every lane.
template <typename T> struct Tables {
  const std::vector<T> coefficient;
  const Singles<T> singles;
  const T *course;

  Tables(const Plan &p, const T *given, const T *course)
      : coefficient(spread(p, given)), singles(p, coefficient), course(course) {}

  template <bool SHARED>
  inline void form(const Plan &p, Work<T> &w, void **to, const Place &at) const {
    if (singles.all) form_singles<SHARED>(p, w, singles, course, to, at);
    else form_any<SHARED>(p, w, coefficient.data(), course, to, at);
  }

  // Of singles all gradients are written, else they are added.
  template <bool SHARED>
  inline void give_back(const Plan &p, Work<T> &w, void *const *gradient, const Place &at) const {
    if (singles.all) give_back_singles<SHARED>(p, w, singles, course, gradient, at);
    else give_back_any<SHARED>(p, w, coefficient.data(), course, gradient, at);
  }
};

// Of neighbours in other pixels -----------------------------------------------------------------

template <typename T>
void forward_beside(const Plan &p, const T *image, const Tables<T> &tables, void **to) {
#pragma omp parallel num_threads(p.n_threads)
  {
    std::vector<T> side((1 + p.neighbours) * p.padded);
    Work<T> w(p, p.padded);
#pragma omp for collapse(2)
    for (int64_t b = 0; b < p.batch; ++b)
      for (int64_t y = 0; y < p.height; ++y)
        for (int64_t x = 0; x < p.width; ++x) {
          collect(p, image, b, y, x, side.data());
          for (int64_t u = 0; u < p.units; u += LANES<T>) {
            w.widths = side.data() + u;
            tables.template form<false>(p, w, to, {(b * p.height + y) * p.width + x, 1, u});
          }
        }
  }
}

template <typename T>
void backward_beside(const Plan &p, const T *image, const Tables<T> &tables,
                     void *const *gradient, T *by_image) {
  const int64_t size = p.height * p.width * p.channels;
#pragma omp parallel num_threads(p.n_threads)
  {
    std::vector<T> side((1 + p.neighbours) * p.padded), by_side(side.size());
    Work<T> w(p, p.padded);
    // An image is one thread's: its pixels give gradients to each other.
#pragma omp for
    for (int64_t b = 0; b < p.batch; ++b) {
      std::fill(by_image + b * size, by_image + (b + 1) * size, T(0));
      for (int64_t y = 0; y < p.height; ++y)
        for (int64_t x = 0; x < p.width; ++x) {
          collect(p, image, b, y, x, side.data());
          if (!tables.singles.all) std::fill(by_side.begin(), by_side.end(), T(0));
          const int64_t pixel = (b * p.height + y) * p.width + x;
          for (int64_t u = 0; u < p.units; u += LANES<T>) {
            w.widths = side.data() + u;
            w.slopes = by_side.data() + u;
            tables.template give_back<false>(p, w, gradient, {pixel, 1, u});
          }
          each_run(p, by_image, b, y, x, [&](const int64_t *run, T *to) {
            const T *from = by_side.data() + run[0] * p.padded + run[1];
            if (!to) return;
            int64_t n = 0;
            for (; n + LANES<T> <= run[2]; n += LANES<T>) add(to + n, load(from + n));
            for (; n < run[2]; ++n) to[n] += from[n];
          });
        }
    }
  }
}

// Of neighbours in the pixel itself -------------------------------------------------------------

// Widths of a group of pixels, where loads reach beyond the image a copy with margins.
template <typename T>
inline const T *readable(const Plan &p, const Still<T> &still, const T *image, const Place &at,
                         T *side) {
  const int64_t end = p.batch * p.height * p.width * p.units, first = at.pixel * p.units;
  if (first >= still.reach && first + p.padded + still.reach <= end) return image + first;
  std::copy_n(image + first, at.n * p.units, side + still.reach);
  return side + still.reach;
}

template <typename T>
inline Lanes<T> masked(const Plan &p, const Still<T> &still, size_t k, int64_t u,
                       const Lanes<T> &values) {
  return load(&still.mask[k * p.padded + u]) > Lanes<T>{} ? values : Lanes<T>{};
}

template <typename T>
inline void approach(const Plan &p, const Still<T> &still, const T *from, int64_t u, Work<T> &w,
                     T *near) {
  for (size_t k = 0; k < still.away.size(); ++k)
    store<T>(near + k * w.stride, masked(p, still, k, u, load(from + u + still.away[k])));
  w.widths = near;
}

template <bool SHARED, typename T>
void forward_still(const Plan &p, const Still<T> &still, const T *image, const Tables<T> &tables,
                   void **to) {
  const int64_t n_pixels = p.batch * p.height * p.width;
#pragma omp parallel num_threads(p.n_threads)
  {
    std::vector<T> side(p.padded + 2 * still.reach), near(still.away.size() * LANES<T>);
    Work<T> w(p, LANES<T>);
#pragma omp for
    for (int64_t pixel = 0; pixel < n_pixels; pixel += p.together) {
      Place at{pixel, std::min(p.together, n_pixels - pixel), 0};
      const T *from = readable(p, still, image, at, side.data());
      for (; at.u < at.n * p.units; at.u += LANES<T>) {
        approach(p, still, from, at.u, w, near.data());
        tables.template form<SHARED>(p, w, to, at);
      }
    }
  }
}

template <bool SHARED, typename T>
void backward_still(const Plan &p, const Still<T> &still, const T *image,
                    const Tables<T> &tables, void *const *gradient, T *by_image) {
  const int64_t n_pixels = p.batch * p.height * p.width, row = p.padded + 2 * still.reach;
#pragma omp parallel num_threads(p.n_threads)
  {
    // Gradients by each neighbour between margins of zeros, so that they can be read shifted.
    std::vector<T> side(row), near(still.away.size() * row), by_side(near.size());
    Work<T> w(p, row);
    T *slopes = by_side.data() + still.reach;
#pragma omp for
    for (int64_t pixel = 0; pixel < n_pixels; pixel += p.together) {
      Place at{pixel, std::min(p.together, n_pixels - pixel), 0};
      const T *from = readable(p, still, image, at, side.data());
      if (!tables.singles.all) std::fill(by_side.begin(), by_side.end(), T(0));
      const int64_t size = at.n * p.units;
      for (; at.u < size; at.u += LANES<T>) {
        approach(p, still, from, at.u, w, near.data());
        w.slopes = slopes + at.u;
        tables.template give_back<SHARED>(p, w, gradient, at);
        for (size_t k = 0; k < still.away.size(); ++k) {
          T *own = w.slopes + k * row;
          store<T>(own, masked(p, still, k, at.u, load(own)));
        }
      }
      for (int64_t u = 0; u < size; u += LANES<T>) {
        Lanes<T> total{};
        for (size_t k = 0; k < still.away.size(); ++k)
          total += load(slopes + k * row + u - still.away[k]);
        write<T>(by_image, pixel * p.units + u, std::min(LANES<T>, size - u), false, total);
      }
    }
  }
}

template <typename T>
void forward(Plan p, const T *image, const T *given, const T *course, void **to) {
  const Still<T> still(p);
  const Tables<T> tables(p, given, course);
  if (still.all && p.together > 1) forward_still<true>(p, still, image, tables, to);
  else if (still.all) forward_still<false>(p, still, image, tables, to);
  else forward_beside(p, image, tables, to);
}

template <typename T>
void backward(Plan p, const T *image, const T *given, const T *course, void *const *gradient,
              T *by_image) {
  const Still<T> still(p);
  const Tables<T> tables(p, given, course);
  if (still.all && p.together > 1)
    backward_still<true>(p, still, image, tables, gradient, by_image);
  else if (still.all) backward_still<false>(p, still, image, tables, gradient, by_image);
  else backward_beside(p, image, tables, gradient, by_image);
}

}  // namespace

#define EXPORT(T, NAME)                                                                           \
  extern "C" void widths_##NAME(const int64_t *sizes, const int64_t *tables, const void *image,   \
                                const void *coefficient, const void *course, void **to) {         \
    forward<T>(read<T>(sizes, tables), static_cast<const T *>(image),                             \
               static_cast<const T *>(coefficient), static_cast<const T *>(course), to);          \
  }                                                                                               \
  extern "C" void adjoint_##NAME(const int64_t *sizes, const int64_t *tables, const void *image,  \
                                 const void *coefficient, const void *course, void **gradient,    \
                                 void *by_image) {                                                \
    backward<T>(read<T>(sizes, tables), static_cast<const T *>(image),                            \
                static_cast<const T *>(coefficient), static_cast<const T *>(course), gradient,    \
                static_cast<T *>(by_image));                                                      \
  }
EXPORT(float, float32)
EXPORT(double, float64)
