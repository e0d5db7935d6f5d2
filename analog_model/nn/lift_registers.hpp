// Registers of units: their widths' tables and the gradients by them.
//
// `lift_kernel.cpp` brings the widths of the units and of their neighbours, `lift_kernel.py`
// describes the plan.

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
  int64_t padded, together;  // lanes that may be read; pixels that share a register
};

template <typename T> Plan read(const int64_t *sizes, const int64_t *tables) {
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
  p.together = 1;
  return p;
}

// Coefficients (term, lanes), once for each pixel in a register.
template <typename T>
std::vector<T> spread(const Plan &p, const T *coefficient) {
  std::vector<T> found(coefficient, coefficient + p.n_terms * p.padded);
  for (int64_t t = 0; t < p.n_terms; ++t)
    for (int64_t i = p.units; i < p.together * p.units; ++i)
      found[t * p.padded + i] = coefficient[t * p.padded + i % p.units];
  return found;
}

// Units of a register: from unit `u` of a pixel on, or all those of `n` pixels.
struct Place {
  int64_t pixel, n, u;
};

// A map's units of class `c` of an output; SHARED where pixels share registers.
template <bool SHARED, typename T>
INLINE void put(const Plan &p, void *map, const int64_t *out, int64_t c, const Place &at,
                const Lanes<T> &values) {
  const int64_t step = out[1] * p.units, first = at.pixel * step + c * p.units;
  const bool coarse = std::is_same_v<T, float> && out[2];
  if (!SHARED || out[1] == 1) {
    const int64_t count = std::min(LANES<T>, at.n * p.units - at.u);
    write<T>(map, first + at.u, count, coarse, values);
    return;
  }
  T side[LANES<T>];
  write<T>(side, 0, LANES<T>, coarse, values);
  for (int64_t k = 0, i = 0; k < at.n; ++k)
    for (int64_t u = 0; u < p.units; ++u, ++i)
      if (coarse)
        static_cast<uint16_t *>(map)[first + k * step + u] = reinterpret_cast<uint16_t *>(side)[i];
      else
        static_cast<T *>(map)[first + k * step + u] = side[i];
}

template <bool SHARED, typename T>
INLINE Lanes<T> get(const Plan &p, const void *map, const int64_t *out, int64_t c,
                    const Place &at) {
  const int64_t step = out[1] * p.units, first = at.pixel * step + c * p.units;
  const bool coarse = std::is_same_v<T, float> && out[2];
  if (!SHARED || out[1] == 1)
    return fetch<T>(map, first + at.u, std::min(LANES<T>, at.n * p.units - at.u), coarse);
  T side[LANES<T>] = {};
  for (int64_t k = 0, i = 0; k < at.n; ++k)
    for (int64_t u = 0; u < p.units; ++u, ++i)
      if (coarse)
        reinterpret_cast<uint16_t *>(side)[i] =
            static_cast<const uint16_t *>(map)[first + k * step + u];
      else
        side[i] = static_cast<const T *>(map)[first + k * step + u];
  return fetch<T>(side, 0, LANES<T>, coarse);
}

// What one register of units needs: the own widths, then each neighbour's, `stride` apart, the
// gradients by them.
template <typename T> struct Work {
  const T *widths = nullptr;
  T *slopes = nullptr;
  int64_t stride;
  std::vector<Lanes<T>> shortest, row, later;
  Work(const Plan &p, int64_t stride)
      : stride(stride), shortest(p.n_sets), row(p.n_rows), later(p.neighbours) {}
  INLINE Lanes<T> near(int64_t k) const { return load(widths + k * stride); }
  INLINE void give(int64_t k, const Lanes<T> &part) { add(slopes + k * stride, part); }
};

// Overlaps m_S.
template <typename T>
inline void overlaps(const Plan &p, Work<T> &w) {
  for (int64_t s = 0; s < p.n_sets; ++s) {
    const int64_t *member = p.member + s * p.neighbours;
    Lanes<T> m = w.near(0);
    for (int64_t r = 0; r < p.neighbours && member[r] >= 0; ++r) {
      const Lanes<T> near = w.near(1 + member[r]);
      m = near < m ? near : m;
    }
    w.shortest[s] = m;
  }
}

template <typename T>
inline Lanes<T> row_of(const Plan &p, int64_t r, const Work<T> &w, const T *coefficient) {
  Lanes<T> found{};
  for (int64_t t = p.row_start[r]; t < p.row_start[r + 1]; ++t)
    found += w.shortest[p.row_set[t]] * load(coefficient + t * p.padded);
  return found;
}

// A course c(x) with its slope by the width, x = 2 width - 1. Of its own variables: gcc keeps those
// of a caller in memory, through every step.
template <typename T> struct Course {
  Lanes<T> value, slope;
};
template <typename T>
INLINE Course<T> course_of(const Plan &p, const T *course, const Lanes<T> &own) {
  const Lanes<T> x = own + own - T(1);
  Lanes<T> value{}, slope{};
  for (int64_t d = p.n_coefficients - 1; d >= 0; --d) {
    slope = slope * x + value + value;
    value = value * x + course[d];
  }
  return {value, slope};
}

template <bool SHARED, typename T>
inline void form_any(const Plan &p, Work<T> &w, const T *coefficient, const T *course, void **to,
                     const Place &at) {
  overlaps(p, w);
  for (int64_t r = 0; r < p.n_rows; ++r) w.row[r] = row_of(p, r, w, coefficient + at.u);
  for (int64_t o = 0; o < p.n_outputs; ++o) {
    const int64_t *out = p.output + o * OUTPUT;
    Lanes<T> value = Lanes<T>{} + T(1);
    if (out[3] != EFFECTIVE)
      value = course_of(p, course + out[3] * p.n_coefficients, w.near(0)).value;
    for (int64_t c = 0; c < out[1]; ++c)
      put<SHARED, T>(p, to[o], out, c, at, w.row[out[0] + c] * value);
  }
}

// Gradients by the rows; by the own width, through the courses.
template <bool SHARED, typename T>
inline void by_rows(const Plan &p, Work<T> &w, const T *coefficient, const T *course,
                    void *const *gradient, const Place &at) {
  Lanes<T> by_own{};
  std::fill(w.row.begin(), w.row.end(), Lanes<T>{});
  for (int64_t o = 0; o < p.n_outputs; ++o) {
    const int64_t *out = p.output + o * OUTPUT;
    for (int64_t c = 0; c < out[1]; ++c) {
      const Lanes<T> g = get<SHARED, T>(p, gradient[o], out, c, at);
      if (out[3] == EFFECTIVE) {
        w.row[out[0] + c] += g;
        continue;
      }
      const auto [value, slope] = course_of(p, course + out[3] * p.n_coefficients, w.near(0));
      w.row[out[0] + c] += g * value;
      by_own += g * slope * row_of(p, out[0] + c, w, coefficient);
    }
  }
  w.give(0, by_own);
}

// A gradient by m_S goes to the shortest of its pulses; equal ones share it by halves.
template <typename T>
inline void share_out(const Plan &p, int64_t s, Lanes<T> here, Work<T> &w) {
  const int64_t *member = p.member + s * p.neighbours;
  int64_t size = 0;
  while (size < p.neighbours && member[size] >= 0) ++size;
  // later[r]: the shortest of the members from r on.
  for (int64_t r = size - 1; r >= 0; --r) {
    const Lanes<T> near = w.near(1 + member[r]);
    w.later[r] = r == size - 1 || near < w.later[r + 1] ? near : w.later[r + 1];
  }
  for (int64_t r = 0; r < size; ++r) {
    const int64_t k = r ? 1 + member[r - 1] : 0;
    const Lanes<T> first = w.near(k), last = w.later[r];
    const Lanes<T> none{}, half = none + T(0.5), all = none + T(1);
    const Lanes<T> part = here * (first < last ? all : first > last ? none : half);
    w.give(k, part);
    here -= part;
  }
  w.give(size ? 1 + member[size - 1] : 0, here);
}

// Adds to the gradients by the widths of the unit and of its neighbours.
template <bool SHARED, typename T>
inline void give_back_any(const Plan &p, Work<T> &w, const T *coefficient, const T *course,
                          void *const *gradient, const Place &at) {
  overlaps(p, w);
  by_rows<SHARED>(p, w, coefficient + at.u, course, gradient, at);
  for (int64_t s = 0; s < p.n_sets; ++s) {
    Lanes<T> here{};
    for (int64_t i = p.set_start[s]; i < p.set_start[s + 1]; ++i)
      here += w.row[p.set_row[i]] * load(coefficient + p.set_term[i] * p.padded + at.u);
    share_out(p, s, here, w);
  }
}

}  // namespace
