// Effective and modal pulse widths of a layer's units, in one pass over the image.
//
// What `physics.lifted_widths` computes from `neighbourhood`, pixel by pixel: a pixel's own widths
// and its neighbours' are copied side by side into the processor's nearest cache, whence every
// table of coefficients takes them. `lift_kernel.py` describes the arguments and makes the plan,
// `processor_kernel.py` puts lanes.hpp before it.

namespace {

constexpr int64_t RUN = 6, OUTPUT = 4, EFFECTIVE = -1, PADDED = 16;

struct Plan {
  int64_t batch, height, width, channels, units, neighbours;
  int64_t n_runs, n_sets, n_rows, n_terms, n_outputs, n_coefficients, n_threads;
  const int64_t *run;        // (n_runs, RUN): 0 own or 1 + neighbour, unit, count, channel, dh, dw
  const int64_t *member;     // (n_sets, neighbours): the set's neighbours, then -1
  const int64_t *row_start;  // (n_rows + 1): a row's terms
  const int64_t *row_set;    // (n_terms)
  const int64_t *set_start;  // (n_sets + 1): the terms in which a set occurs
  const int64_t *set_term;   // (n_terms)
  const int64_t *set_row;    // (n_terms)
  const int64_t *output;     // (n_outputs, OUTPUT): first row, classes, coarse, course or EFFECTIVE
  int64_t padded;
};

Plan read(const int64_t *sizes, const int64_t *tables) {
  Plan p;
  std::memcpy(&p, sizes, 13 * sizeof(int64_t));
  auto next = [&tables](int64_t count) { auto at = tables; tables += count; return at; };
  p.run = next(p.n_runs * RUN);
  p.member = next(p.n_sets * p.neighbours);
  p.row_start = next(p.n_rows + 1);
  p.row_set = next(p.n_terms);
  p.set_start = next(p.n_sets + 1);
  p.set_term = next(p.n_terms);
  p.set_row = next(p.n_terms);
  p.output = next(p.n_outputs * OUTPUT);
  p.padded = (p.units + PADDED - 1) / PADDED * PADDED;
  return p;
}

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

// Overlaps m_S of LANES units from `side`, a pixel's own widths with its neighbours'.
template <typename T>
inline void overlaps(const Plan &p, const T *side, Lanes<T> *shortest) {
  for (int64_t s = 0; s < p.n_sets; ++s) {
    const int64_t *member = p.member + s * p.neighbours;
    Lanes<T> m = load(side);
    for (int64_t r = 0; r < p.neighbours && member[r] >= 0; ++r) {
      const Lanes<T> near = load(side + (1 + member[r]) * p.padded);
      m = near < m ? near : m;
    }
    shortest[s] = m;
  }
}

template <typename T>
inline Lanes<T> row_of(const Plan &p, int64_t r, const Lanes<T> *shortest, const T *coefficient) {
  Lanes<T> found{};
  for (int64_t t = p.row_start[r]; t < p.row_start[r + 1]; ++t)
    found += shortest[p.row_set[t]] * load(coefficient + t * p.padded);
  return found;
}

// A course c(x) with its slope by the width, x = 2 width - 1.
template <typename T>
inline void course_of(const Plan &p, const T *course, const Lanes<T> &own, Lanes<T> &value,
                      Lanes<T> &slope) {
  const Lanes<T> x = own + own - T(1);
  value = slope = Lanes<T>{};
  for (int64_t d = p.n_coefficients - 1; d >= 0; --d) {
    slope = slope * x + value + value;
    value = value * x + course[d];
  }
}

template <typename T>
void forward(const Plan &p, const T *image, const T *coefficient, const T *course, void **to) {
#pragma omp parallel num_threads(p.n_threads)
  {
    std::vector<T> side((1 + p.neighbours) * p.padded);
    std::vector<Lanes<T>> shortest(p.n_sets), rows(p.n_rows);
    Lanes<T> value, slope;
#pragma omp for collapse(2)
    for (int64_t b = 0; b < p.batch; ++b)
      for (int64_t y = 0; y < p.height; ++y)
        for (int64_t x = 0; x < p.width; ++x) {
          collect(p, image, b, y, x, side.data());
          const int64_t pixel = (b * p.height + y) * p.width + x;
          for (int64_t u = 0; u < p.units; u += LANES<T>) {
            const int64_t count = std::min(LANES<T>, p.units - u);
            overlaps(p, side.data() + u, shortest.data());
            for (int64_t r = 0; r < p.n_rows; ++r)
              rows[r] = row_of(p, r, shortest.data(), coefficient + u);
            for (int64_t o = 0; o < p.n_outputs; ++o) {
              const int64_t *out = p.output + o * OUTPUT;
              value = Lanes<T>{} + T(1);
              if (out[3] != EFFECTIVE)
                course_of(p, course + out[3] * p.n_coefficients, load(side.data() + u), value, slope);
              for (int64_t c = 0; c < out[1]; ++c)
                write<T>(to[o], (pixel * out[1] + c) * p.units + u, count, out[2],
                         rows[out[0] + c] * value);
            }
          }
        }
  }
}

// Gradients of a pixel's LANES units by the rows; by the own width, through the courses.
template <typename T>
inline Lanes<T> by_rows(const Plan &p, void *const *gradient, int64_t pixel, int64_t u,
                        const Lanes<T> &own, const Lanes<T> *shortest, const T *coefficient,
                        const T *course, Lanes<T> *by_row) {
  Lanes<T> value, slope, by_own{};
  std::fill(by_row, by_row + p.n_rows, Lanes<T>{});
  for (int64_t o = 0; o < p.n_outputs; ++o) {
    const int64_t *out = p.output + o * OUTPUT;
    for (int64_t c = 0; c < out[1]; ++c) {
      const int64_t at = (pixel * out[1] + c) * p.units + u;
      const Lanes<T> g = fetch<T>(gradient[o], at, std::min(LANES<T>, p.units - u), out[2]);
      if (out[3] == EFFECTIVE) {
        by_row[out[0] + c] += g;
        continue;
      }
      course_of(p, course + out[3] * p.n_coefficients, own, value, slope);
      by_row[out[0] + c] += g * value;
      by_own += g * slope * row_of(p, out[0] + c, shortest, coefficient);
    }
  }
  return by_own;
}

// A gradient by m_S goes to the shortest of its pulses; equal ones share it by halves.
template <typename T>
inline void share_out(const Plan &p, int64_t s, Lanes<T> here, const T *side, T *by_side,
                      Lanes<T> *later) {
  const int64_t *member = p.member + s * p.neighbours;
  int64_t size = 0;
  while (size < p.neighbours && member[size] >= 0) ++size;
  // later[r]: the shortest of the members from r on.
  for (int64_t r = size - 1; r >= 0; --r) {
    const Lanes<T> near = load(side + (1 + member[r]) * p.padded);
    later[r] = r == size - 1 || near < later[r + 1] ? near : later[r + 1];
  }
  for (int64_t r = 0; r < size; ++r) {
    const int64_t at = r ? (1 + member[r - 1]) * p.padded : 0;
    const Lanes<T> first = load(side + at), none{}, half = none + T(0.5), all = none + T(1);
    const Lanes<T> part = here * (first < later[r] ? all : first > later[r] ? none : half);
    add(by_side + at, part);
    here -= part;
  }
  add(by_side + (size ? (1 + member[size - 1]) * p.padded : 0), here);
}

template <typename T>
void backward(const Plan &p, const T *image, const T *coefficient, const T *course,
              void *const *gradient, T *by_image) {
  const int64_t size = p.height * p.width * p.channels;
#pragma omp parallel num_threads(p.n_threads)
  {
    std::vector<T> side((1 + p.neighbours) * p.padded), by_side(side.size());
    std::vector<Lanes<T>> shortest(p.n_sets), by_row(p.n_rows), later(p.neighbours);
    // Neighbours lie in other pixels too: an image is one thread's.
#pragma omp for
    for (int64_t b = 0; b < p.batch; ++b) {
      std::fill(by_image + b * size, by_image + (b + 1) * size, T(0));
      for (int64_t y = 0; y < p.height; ++y)
        for (int64_t x = 0; x < p.width; ++x) {
          collect(p, image, b, y, x, side.data());
          std::fill(by_side.begin(), by_side.end(), T(0));
          for (int64_t u = 0; u < p.units; u += LANES<T>) {
            const T *own = side.data() + u;
            overlaps(p, own, shortest.data());
            add(by_side.data() + u,
                by_rows(p, gradient, (b * p.height + y) * p.width + x, u, load(own), shortest.data(),
                        coefficient + u, course, by_row.data()));
            for (int64_t s = 0; s < p.n_sets; ++s) {
              Lanes<T> here{};
              for (int64_t i = p.set_start[s]; i < p.set_start[s + 1]; ++i)
                here += by_row[p.set_row[i]] * load(coefficient + p.set_term[i] * p.padded + u);
              share_out(p, s, here, own, by_side.data() + u, later.data());
            }
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

}  // namespace

#define EXPORT(T, NAME)                                                                           \
  extern "C" void widths_##NAME(const int64_t *sizes, const int64_t *tables, const void *image,   \
                                const void *coefficient, const void *course, void **to) {         \
    forward<T>(read(sizes, tables), static_cast<const T *>(image),                                \
               static_cast<const T *>(coefficient), static_cast<const T *>(course), to);          \
  }                                                                                               \
  extern "C" void adjoint_##NAME(const int64_t *sizes, const int64_t *tables, const void *image,  \
                                 const void *coefficient, const void *course, void **gradient,    \
                                 void *by_image) {                                                \
    backward<T>(read(sizes, tables), static_cast<const T *>(image),                               \
                static_cast<const T *>(coefficient), static_cast<const T *>(course), gradient,    \
                static_cast<T *>(by_image));                                                      \
  }
EXPORT(float, float32)
EXPORT(double, float64)
