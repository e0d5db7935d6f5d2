// Overlaps with one neighbour at most: all that a register of units needs stays in registers.
//
// What lift_registers.hpp does for any sets of neighbours, for the sets of overlaps to first order,
// which most layers take.

namespace {

// Neighbours of which there are registers; what a row has a coefficient of: the unit alone, with
// each neighbour.
constexpr int64_t NEAREST = 4, SLOTS = 1 + NEAREST;

// Coefficients (row, slot, lanes), 0 of sets that do not count.
template <typename T> struct Singles {
  bool all;
  std::vector<T> coefficient;

  Singles(const Plan &p, const std::vector<T> &given) : all(p.neighbours <= NEAREST) {
    for (int64_t s = 0; s < p.n_sets; ++s)
      all = all && (p.neighbours < 2 || p.member[s * p.neighbours + 1] < 0);
    if (!all) return;
    coefficient.resize(p.n_rows * SLOTS * p.padded);
    for (int64_t r = 0; r < p.n_rows; ++r)
      for (int64_t t = p.row_start[r]; t < p.row_start[r + 1]; ++t) {
        const int64_t member = p.neighbours ? p.member[p.row_set[t] * p.neighbours] : -1;
        std::copy_n(&given[t * p.padded], p.padded,
                    &coefficient[(r * SLOTS + 1 + member) * p.padded]);
      }
  }

  INLINE Lanes<T> at(const Plan &p, int64_t row, int64_t slot, int64_t u) const {
    return load(&coefficient[(row * SLOTS + slot) * p.padded + u]);
  }
};

// A unit's width, its neighbours', their overlaps with it; in place of none the unit itself.
template <typename T> struct Near {
  Lanes<T> own, width[NEAREST], shortest[SLOTS];

  INLINE Near(const Plan &p, const Work<T> &w) : own(w.near(0)) {
    shortest[0] = own;
#pragma GCC unroll 4
    for (int64_t k = 0; k < NEAREST; ++k) {
      width[k] = k < p.neighbours ? w.near(1 + k) : own;
      shortest[1 + k] = width[k] < own ? width[k] : own;
    }
  }

  INLINE Lanes<T> row(const Plan &p, const Singles<T> &tables, int64_t r, int64_t u) const {
    Lanes<T> found = shortest[0] * tables.at(p, r, 0, u);
#pragma GCC unroll 4
    for (int64_t k = 1; k < SLOTS; ++k) found += shortest[k] * tables.at(p, r, k, u);
    return found;
  }
};

template <bool SHARED, typename T>
inline void form_singles(const Plan &p, const Work<T> &w, const Singles<T> &tables,
                         const T *course, void **to, const Place &at) {
  const Near<T> near(p, w);
  for (int64_t o = 0; o < p.n_outputs; ++o) {
    const int64_t *out = p.output + o * OUTPUT;
    Lanes<T> value = Lanes<T>{} + T(1);
    if (out[3] != EFFECTIVE)
      value = course_of(p, course + out[3] * p.n_coefficients, near.own).value;
    for (int64_t c = 0; c < out[1]; ++c) {
      const Lanes<T> row = near.row(p, tables, out[0] + c, at.u);
      put<SHARED, T>(p, to[o], out, c, at, row * value);
    }
  }
}

// Writes the gradients by the widths of the unit and of its neighbours.
template <bool SHARED, typename T>
inline void give_back_singles(const Plan &p, Work<T> &w, const Singles<T> &tables, const T *course,
                              void *const *gradient, const Place &at) {
  const Near<T> near(p, w);
  Lanes<T> by_own{}, by[SLOTS] = {};
  for (int64_t o = 0; o < p.n_outputs; ++o) {
    const int64_t *out = p.output + o * OUTPUT;
    const bool modal = out[3] != EFFECTIVE;
    Course<T> modes{};
    if (modal) modes = course_of(p, course + out[3] * p.n_coefficients, near.own);
    for (int64_t c = 0; c < out[1]; ++c) {
      Lanes<T> g = get<SHARED, T>(p, gradient[o], out, c, at);
      if (modal) {
        by_own += g * modes.slope * near.row(p, tables, out[0] + c, at.u);
        g *= modes.value;
      }
#pragma GCC unroll 5
      for (int64_t k = 0; k < SLOTS; ++k) by[k] += g * tables.at(p, out[0] + c, k, at.u);
    }
  }
  by_own += by[0];
  const Lanes<T> none{}, half = none + T(0.5), all = none + T(1);
#pragma GCC unroll 4
  for (int64_t k = 0; k < NEAREST; ++k) {
    const Lanes<T> &own = near.own, &other = near.width[k];
    // To the shorter pulse; equal ones share it by halves.
    const Lanes<T> part = by[1 + k] * (own < other ? all : own > other ? none : half);
    by_own += part;
    if (k < p.neighbours) store<T>(w.slopes + (1 + k) * w.stride, by[1 + k] - part);
  }
  store<T>(w.slopes, by_own);
}

}  // namespace
