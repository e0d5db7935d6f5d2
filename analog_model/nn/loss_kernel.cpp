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
  int64_t images, height, width, groups, pairs, tiles, space, time, shares_sums, coarse, n_threads;
  int64_t sums() const { return shares_sums ? 1 : pairs; }       // lines of a mode's half sums
  int64_t lines() const { return space * (sums() + pairs); }     // half sums, then half differences
  int64_t modes() const { return space * time; }
};

// Where a tile's lines lie: in the maps from `charge` on, of `lines` a place, those from `line` on,
// at pixels (dy, dx) away from the outputs'.
struct Tile {
  int64_t charge, line, dy, dx, height, width, lines;

  // First line at an output's pixel of group `g`, -1 beyond the map.
  int64_t at(int64_t b, int64_t y, int64_t x, int64_t g, int64_t groups) const {
    y += dy, x += dx;
    if (y < 0 || y >= height || x < 0 || x >= width) return -1;
    return (((b * height + y) * width + x) * groups + g) * lines + line;
  }
};

// What a kernel is compiled for: the precision of the modes' charges, whether pairs share sums, the
// number of space modes where there is one time mode, so that all stay in registers; ANY else.
constexpr int64_t ANY = 0;
template <typename T, bool COARSE, bool SHARES, int64_t SPACE> struct Loss {
  const Sizes &z;
  const Tile *tile;
  const T strength;
  const void *const *charge;  // maps (place, lines), those of a tile's time modes together
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

  // Pairs in registers: the first, how many there are.
  template <typename Use> INLINE void each_register(Use use) const {
    int64_t o = 0;
    for (; o + LANES<T> <= z.pairs; o += LANES<T>) use(o, LANES<T>);
    if (o < z.pairs) use(o, z.pairs - o);
  }

  // The mean pair's half sum of a mode.
  T mean(const void *from, int64_t line) const {
    if constexpr (!COARSE) return static_cast<const T *>(from)[line];
    const uint32_t bits = uint32_t(static_cast<const uint16_t *>(from)[line]) << 16;
    float found;
    std::memcpy(&found, &bits, sizeof found);
    return found;
  }

  // `at` is the first line, `own` the pairs' shares.
  INLINE void read(const void *const *from, const T *own, int64_t at, int64_t o, int64_t count,
                   Modes &modes) const {
    const Row part = SHARES ? fetch<T>(own, o, count, false) : Row{};
    modes.squares = modes.half = Row{};
    each_mode([&](int64_t k, int64_t n, int64_t m) __attribute__((always_inline)) {
      const Row s = SHARES ? part * mean(from[m], at + n)
                           : fetch<T>(from[m], at + n * z.pairs + o, count, COARSE);
      const Row d = fetch<T>(from[m], at + z.space * z.sums() + n * z.pairs + o, count, COARSE);
      modes.sum[k] = s;
      modes.difference[k] = d;
      modes.squares += s * s + d * d;
      modes.half += s * d;
    });
    modes.half += modes.half;
    modes.p = T(1) + strength * modes.sum[0];
    modes.e = strength * modes.difference[0];
  }

  INLINE void lose(const void *const *from, const T *own, int64_t at, int64_t o, int64_t count,
                   Modes &modes, T *lost) const {
    read(from, own, at, o, count, modes);
    const auto &[s, d, squares, half, p, e] = modes;
    const Row more = T(2) * (half * p - squares * e) / ((p + e) * (p - e));
    write<T>(lost, o, count, false, more + fetch<T>(lost, o, count, false));
  }

  void forward(T *lost) const {
#pragma omp parallel num_threads(z.n_threads)
    {
      Modes modes(z.modes());
#pragma omp for collapse(2)
      for (int64_t b = 0; b < z.images; ++b)
        for (int64_t y = 0; y < z.height; ++y) {
          T *to = lost + (b * z.height + y) * z.width * z.groups * z.pairs;
          std::fill_n(to, z.width * z.groups * z.pairs, T(0));
          for (int64_t x = 0; x < z.width; ++x)
            for (int64_t g = 0; g < z.groups; ++g, to += z.pairs)
              // Tile by tile: maps of many tiles side by side would drive each other from the cache.
              for (int64_t t = 0; t < z.tiles; ++t) {
                const int64_t at = tile[t].at(b, y, x, g, z.groups);
                if (at < 0) continue;
                const T *own = SHARES ? share[t] + g * z.pairs : nullptr;
                each_register([&](int64_t o, int64_t count) __attribute__((always_inline)) {
                  lose(charge + tile[t].charge, own, at, o, count, modes, to);
                });
              }
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

  // `by_mean` (modes) of the place on a tile, `by_share` (pairs).
  INLINE void give_back(const T *gradient, const void *const *from, void *const *to, const T *own,
                        int64_t at, int64_t o, int64_t count, Modes &modes, Rows &by_mean,
                        T *by_share) const {
    const int64_t after = at + z.space * z.sums();
    read(from, own, at, o, count, modes);
    slopes(fetch<T>(gradient, o, count, false), modes);
    Row of_share{};
    const Row part = SHARES ? fetch<T>(own, o, count, false) : Row{};
    each_mode([&](int64_t k, int64_t n, int64_t m) __attribute__((always_inline)) {
      write<T>(to[m], after + n * z.pairs + o, count, COARSE, modes.difference[k]);
      if constexpr (SHARES) {
        by_mean[k] += modes.sum[k] * part;
        of_share += modes.sum[k] * mean(from[m], at + n);
      } else
        write<T>(to[m], at + n * z.pairs + o, count, COARSE, modes.sum[k]);
    });
    if constexpr (SHARES)
      write<T>(by_share, o, count, false, fetch<T>(by_share, o, count, false) + of_share);
  }

  // Gradients of one place on tile `t`, whose lines there begin at `at`.
  INLINE void give_back_place(const T *gradient, int64_t t, int64_t g, int64_t at, void **by_charge,
                              Modes &modes, Rows &by_mean, T *by_share) const {
    const T *own = SHARES ? share[t] + g * z.pairs : nullptr;
    void *const *to = by_charge + tile[t].charge;
    std::fill(by_mean.begin(), by_mean.end(), Row{});
    each_register([&](int64_t o, int64_t count) __attribute__((always_inline)) {
      give_back(gradient, charge + tile[t].charge, to, own, at, o, count, modes, by_mean, by_share);
    });
    if constexpr (SHARES)
      each_mode([&](int64_t k, int64_t n, int64_t m) {
        T total = 0;
        for (int64_t lane = 0; lane < LANES<T>; ++lane) total += by_mean[k][lane];
        write<T>(to[m], at + n, 1, COARSE, Row{} + total);
      });
  }

  // `by_share` (images, tiles, groups, pairs): each image's own, so that no order of threads shows.
  void backward(const T *gradient, void **by_charge, T *by_share) const {
#pragma omp parallel num_threads(z.n_threads)
    {
      Modes modes(z.modes());
      Rows by_mean = rows(z.modes());
#pragma omp for
      for (int64_t b = 0; b < z.images; ++b) {
        const T *from = gradient + b * z.height * z.width * z.groups * z.pairs;
        for (int64_t y = 0; y < z.height; ++y)
          for (int64_t x = 0; x < z.width; ++x)
            for (int64_t g = 0; g < z.groups; ++g, from += z.pairs)
              for (int64_t t = 0; t < z.tiles; ++t) {
                const int64_t at = tile[t].at(b, y, x, g, z.groups);
                if (at < 0) continue;
                T *kept = SHARES ? by_share + ((b * z.tiles + t) * z.groups + g) * z.pairs : nullptr;
                give_back_place(from, t, g, at, by_charge, modes, by_mean, kept);
              }
        for (int64_t t = 0; t < z.tiles; ++t) clear_unread(tile[t], b, by_charge + tile[t].charge);
      }
    }
  }

  // Zeros where no output reads a tile's map.
  void clear_unread(const Tile &own, int64_t b, void *const *to) const {
    const int64_t bytes = COARSE ? sizeof(uint16_t) : sizeof(T);
    for (int64_t y = 0; y < own.height; ++y)
      for (int64_t x = 0; x < own.width; ++x) {
        const int64_t out_y = y - own.dy, out_x = x - own.dx;
        if (out_y >= 0 && out_y < z.height && out_x >= 0 && out_x < z.width) continue;
        for (int64_t g = 0; g < z.groups; ++g)
          for (int64_t m = 0; m < z.time; ++m) {
            const int64_t at = own.at(b, out_y, out_x, g, z.groups);
            std::memset(static_cast<char *>(to[m]) + at * bytes, 0, z.lines() * bytes);
          }
      }
  }
};

// The kernel that sizes ask for.
template <typename T, bool COARSE, bool SHARES, typename Use>
void of_modes(const Sizes &z, const int64_t *tiles, T strength, const void *const *charge,
              const T *const *share, Use use) {
  const auto tile = reinterpret_cast<const Tile *>(tiles);
  const int64_t fixed = z.time == 1 ? z.space : ANY;
  if (fixed == 1) use(Loss<T, COARSE, SHARES, 1>{z, tile, strength, charge, share});
  else if (fixed == 2) use(Loss<T, COARSE, SHARES, 2>{z, tile, strength, charge, share});
  else use(Loss<T, COARSE, SHARES, ANY>{z, tile, strength, charge, share});
}

template <typename T, typename Use>
void choose(const Sizes &z, const int64_t *tiles, const void *strength, const void *const *charge,
            const T *const *share, Use use) {
  const T f = *static_cast<const T *>(strength);
  constexpr bool may_be_coarse = std::is_same_v<T, float>;
  if (z.coarse && z.shares_sums) of_modes<T, may_be_coarse, true>(z, tiles, f, charge, share, use);
  else if (z.coarse) of_modes<T, may_be_coarse, false>(z, tiles, f, charge, share, use);
  else if (z.shares_sums) of_modes<T, false, true>(z, tiles, f, charge, share, use);
  else of_modes<T, false, false>(z, tiles, f, charge, share, use);
}

}  // namespace

#define EXPORT(T, NAME)                                                                           \
  extern "C" void lost_##NAME(const Sizes *sizes, const int64_t *tiles, const void *strength,     \
                              const void *const *charge, const T *const *share, T *lost) {        \
    choose<T>(*sizes, tiles, strength, charge, share,                                             \
              [&](const auto &loss) { loss.forward(lost); });                                     \
  }                                                                                               \
  extern "C" void adjoint_##NAME(const Sizes *sizes, const int64_t *tiles, const void *strength,  \
                                 const void *const *charge, const T *const *share,                \
                                 const T *gradient, void **by_charge, T *by_share) {              \
    choose<T>(*sizes, tiles, strength, charge, share,                                             \
              [&](const auto &loss) { loss.backward(gradient, by_charge, by_share); });           \
  }
EXPORT(float, float32)
EXPORT(double, float64)
