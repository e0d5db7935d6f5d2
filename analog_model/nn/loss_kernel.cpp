// Charge that the drop costs plus lines beyond their minus lines, summed over row tiles.
//
// What `physics.closed_form.lost_difference` computes, for all tiles in one pass over the charges
// of their modes. `loss_kernel.py` describes the arguments, `processor_kernel.py` puts lanes.hpp
// before it.
//
// With s, d the half sums and half differences of a pair's modes, f the strength of the feedback:
// 2 (B p - A e) / ((p + e) (p - e)), A = sum (s^2 + d^2), B = 2 sum s d, p = 1 + f s_0, e = f d_0.

namespace {

struct Sizes {
  int64_t images, pixels, groups, pairs, tiles, space, time, shares_sums, coarse, n_threads;
  int64_t sums() const { return shares_sums ? 1 : pairs; }      // lines of a mode's half sums
  int64_t lines() const { return space * (sums() + pairs); }    // half sums, then half differences
  int64_t modes() const { return space * time; }
};

// What a kernel is compiled for: the precision of the modes' charges, whether pairs share sums, the
// number of space modes where there is one time mode, so that all stay in registers; ANY else.
constexpr int64_t ANY = 0;
template <typename T, bool COARSE, bool SHARES, int64_t SPACE> struct Loss {
  const Sizes &z;
  const T strength;
  const void *const *charge;  // (tiles, time) of (place, lines)
  const T *const *share;      // (tiles) of (group, pair)
  using Row = Lanes<T>;

  // Modes of LANES pairs on one tile, then their gradients.
  using Rows = std::conditional_t<SPACE == ANY, std::vector<Row>, std::array<Row, SPACE>>;
  struct Modes {
    Rows sum, difference;
    Row squares, half, p, e;
    explicit Modes(int64_t count) : sum(rows(count)), difference(rows(count)) {}
  };

  static Rows rows(int64_t count) {
    if constexpr (SPACE == ANY) return Rows(count);
    else return Rows{};
  }

  // Modes by number, space mode, time mode.
  template <typename Use> INLINE void each_mode(Use use) const {
    if constexpr (SPACE != ANY) {
#pragma GCC unroll 4
      for (int64_t n = 0; n < SPACE; ++n) use(n, n, int64_t(0));
    } else
      for (int64_t k = 0, n = 0; n < z.space; ++n)
        for (int64_t m = 0; m < z.time; ++m) use(k++, n, m);
  }

  // The mean pair's half sum of a mode.
  T mean(int64_t t, int64_t m, int64_t line) const {
    const void *from = charge[t * z.time + m];
    if constexpr (!COARSE) return static_cast<const T *>(from)[line];
    const uint32_t bits = uint32_t(static_cast<const uint16_t *>(from)[line]) << 16;
    float found;
    std::memcpy(&found, &bits, sizeof found);
    return found;
  }

  // `at` is the first line of a pixel's group, `own` its pairs' shares.
  INLINE void read(int64_t t, const T *own, int64_t at, int64_t o, int64_t count,
                   Modes &modes) const {
    const Row part = SHARES ? fetch<T>(own, o, count, false) : Row{};
    modes.squares = modes.half = Row{};
    each_mode([&](int64_t k, int64_t n, int64_t m) __attribute__((always_inline)) {
      const void *from = charge[t * z.time + m];
      const Row s = SHARES ? part * mean(t, m, at + n)
                           : fetch<T>(from, at + n * z.pairs + o, count, COARSE);
      const Row d = fetch<T>(from, at + z.space * z.sums() + n * z.pairs + o, count, COARSE);
      modes.sum[k] = s;
      modes.difference[k] = d;
      modes.squares += s * s + d * d;
      modes.half += s * d;
    });
    modes.half += modes.half;
    modes.p = T(1) + strength * modes.sum[0];
    modes.e = strength * modes.difference[0];
  }

  INLINE void lose(int64_t t, int64_t place, int64_t o, int64_t count, Modes &modes,
                   T *lost) const {
    read(t, SHARES ? share[t] + place % z.groups * z.pairs : nullptr, place * z.lines(), o, count,
         modes);
    const auto &[s, d, squares, half, p, e] = modes;
    const Row own = T(2) * (half * p - squares * e) / ((p + e) * (p - e));
    const int64_t at = place * z.pairs + o;
    write<T>(lost, at, count, false, t ? own + fetch<T>(lost, at, count, false) : own);
  }

  void forward(T *lost) const {
#pragma omp parallel num_threads(z.n_threads)
    {
      Modes modes(z.modes());
#pragma omp for
      for (int64_t place = 0; place < z.images * z.pixels * z.groups; ++place)
        // Tile by tile: maps of many tiles side by side would drive each other from the cache.
        for (int64_t t = 0; t < z.tiles; ++t) {
          int64_t o = 0;
          for (; o + LANES<T> <= z.pairs; o += LANES<T>) lose(t, place, o, LANES<T>, modes, lost);
          if (o < z.pairs) lose(t, place, o, z.pairs - o, modes, lost);
        }
    }
  }

  // Gradients of a pair's modes on one tile, in the place of its modes.
  INLINE void slopes(const Row &g, Modes &modes) const {
    auto &[sum, difference, squares, half, p, e] = modes;
    const Row inverse = T(1) / ((p + e) * (p - e)), by = (g + g) * inverse;
    const Row by_inverse = (half * p - squares * e) * by * inverse * (strength + strength);
    const Row by_p = half * by * strength - by_inverse * p;
    const Row by_e = by_inverse * e - squares * by * strength;
    each_mode([&](int64_t k, int64_t, int64_t) __attribute__((always_inline)) {
      const Row s = sum[k], d = difference[k];
      sum[k] = (d * p - s * e) * by * T(2);
      difference[k] = (s * p - d * e) * by * T(2);
    });
    sum[0] += by_p;
    difference[0] += by_e;
  }

  // `by_mean` (modes) of the pixel's group on a tile, `by_share` (pairs).
  INLINE void give_back(const T *gradient, int64_t t, int64_t place, int64_t o, int64_t count,
                        Modes &modes, void **by_charge, Rows &by_mean, T *by_share) const {
    const int64_t at = place * z.lines(), after = at + z.space * z.sums();
    const T *own = SHARES ? share[t] + place % z.groups * z.pairs : nullptr;
    read(t, own, at, o, count, modes);
    slopes(fetch<T>(gradient, place * z.pairs + o, count, false), modes);
    Row of_share{};
    const Row part = SHARES ? fetch<T>(own, o, count, false) : Row{};
    each_mode([&](int64_t k, int64_t n, int64_t m) __attribute__((always_inline)) {
      void *to = by_charge[t * z.time + m];
      write<T>(to, after + n * z.pairs + o, count, COARSE, modes.difference[k]);
      if constexpr (SHARES) {
        by_mean[k] += modes.sum[k] * part;
        of_share += modes.sum[k] * mean(t, m, at + n);
      } else
        write<T>(to, at + n * z.pairs + o, count, COARSE, modes.sum[k]);
    });
    if constexpr (SHARES)
      write<T>(by_share, o, count, false, fetch<T>(by_share, o, count, false) + of_share);
  }

  // `by_share` (images, tiles, groups, pairs): each image's own, so that no order of threads shows.
  void backward(const T *gradient, void **by_charge, T *by_share) const {
#pragma omp parallel num_threads(z.n_threads)
    {
      Modes modes(z.modes());
      Rows by_mean = rows(z.modes());
#pragma omp for
      for (int64_t b = 0; b < z.images; ++b)
        for (int64_t i = 0; i < z.pixels * z.groups * z.tiles; ++i) {
          const int64_t place = b * z.pixels * z.groups + i / z.tiles, t = i % z.tiles;
          const int64_t row = (b * z.tiles + t) * z.groups + place % z.groups;
          T *kept = SHARES ? by_share + row * z.pairs : nullptr;
          std::fill(by_mean.begin(), by_mean.end(), Row{});
          auto use = [&](int64_t o, int64_t count) __attribute__((always_inline)) {
            give_back(gradient, t, place, o, count, modes, by_charge, by_mean, kept);
          };
          int64_t o = 0;
          for (; o + LANES<T> <= z.pairs; o += LANES<T>) use(o, LANES<T>);
          if (o < z.pairs) use(o, z.pairs - o);
          if constexpr (SHARES)
            each_mode([&](int64_t k, int64_t n, int64_t m) {
              T total = 0;
              for (int64_t lane = 0; lane < LANES<T>; ++lane) total += by_mean[k][lane];
              write<T>(by_charge[t * z.time + m], place * z.lines() + n, 1, COARSE, Row{} + total);
            });
        }
    }
  }
};

// The kernel that sizes ask for.
template <typename T, bool COARSE, bool SHARES, typename Use>
void of_modes(const Sizes &z, T strength, const void *const *charge, const T *const *share, Use use) {
  const int64_t fixed = z.time == 1 ? z.space : ANY;
  if (fixed == 1) use(Loss<T, COARSE, SHARES, 1>{z, strength, charge, share});
  else if (fixed == 2) use(Loss<T, COARSE, SHARES, 2>{z, strength, charge, share});
  else use(Loss<T, COARSE, SHARES, ANY>{z, strength, charge, share});
}

template <typename T, typename Use>
void choose(const Sizes &z, const void *strength, const void *const *charge, const T *const *share,
            Use use) {
  const T f = *static_cast<const T *>(strength);
  constexpr bool may_be_coarse = std::is_same_v<T, float>;
  if (z.coarse && z.shares_sums) of_modes<T, may_be_coarse, true>(z, f, charge, share, use);
  else if (z.coarse) of_modes<T, may_be_coarse, false>(z, f, charge, share, use);
  else if (z.shares_sums) of_modes<T, false, true>(z, f, charge, share, use);
  else of_modes<T, false, false>(z, f, charge, share, use);
}

}  // namespace

#define EXPORT(T, NAME)                                                                           \
  extern "C" void lost_##NAME(const Sizes *sizes, const void *strength, const void *const *charge, \
                              const T *const *share, T *lost) {                                   \
    choose<T>(*sizes, strength, charge, share, [&](const auto &loss) { loss.forward(lost); });    \
  }                                                                                               \
  extern "C" void adjoint_##NAME(const Sizes *sizes, const void *strength,                        \
                                 const void *const *charge, const T *const *share,                \
                                 const T *gradient, void **by_charge, T *by_share) {              \
    choose<T>(*sizes, strength, charge, share,                                                    \
              [&](const auto &loss) { loss.backward(gradient, by_charge, by_share); });           \
  }
EXPORT(float, float32)
EXPORT(double, float64)
