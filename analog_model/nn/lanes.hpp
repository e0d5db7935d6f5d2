// Registers of numbers as gcc and clang take them, with maps whose numbers may be coarse.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <vector>

// Loops over whole registers are compiled apart from the rest.
#define INLINE inline __attribute__((always_inline))

namespace {

constexpr int64_t REGISTER = 64;

// As many numbers as a register of 64 bytes holds; processors with narrower ones use several.
template <typename T> constexpr int64_t LANES = REGISTER / sizeof(T);
template <typename T, int64_t N> struct Vector {
  typedef T type __attribute__((vector_size(N * sizeof(T))));
};
template <typename T> using Lanes = typename Vector<T, LANES<T>>::type;

template <typename T>
inline Lanes<T> load(const T *from) {
  Lanes<T> found;
  std::memcpy(&found, from, sizeof found);
  return found;
}

template <typename T>
inline void store(T *to, const Lanes<T> &values) {
  std::memcpy(to, &values, sizeof values);
}

template <typename T>
inline void add(T *to, const Lanes<T> &values) {
  store<T>(to, load(to) + values);
}

using Half = typename Vector<uint16_t, LANES<float>>::type;  // bfloat16
using Word = typename Vector<uint32_t, LANES<float>>::type;

inline Half rounded(const Lanes<float> &values) {
  Word bits;
  std::memcpy(&bits, &values, sizeof bits);
  const Word even = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return __builtin_convertvector(values == values ? even : Word{} + 0x7fc0, Half);
}

inline Lanes<float> widened(const Half &values) {
  const Word bits = __builtin_convertvector(values, Word) << 16;
  Lanes<float> found;
  std::memcpy(&found, &bits, sizeof found);
  return found;
}

// A map's LANES numbers from `at` on, of which `count` exist.
template <typename T>
INLINE void write(void *map, int64_t at, int64_t count, bool coarse, const Lanes<T> &values) {
  if constexpr (std::is_same_v<T, float>)
    if (coarse) {
      const Half half = rounded(values);
      auto to = static_cast<uint16_t *>(map) + at;
      count == LANES<T> ? std::memcpy(to, &half, sizeof half) : std::memcpy(to, &half, 2 * count);
      return;
    }
  auto to = static_cast<T *>(map) + at;
  count == LANES<T> ? store<T>(to, values) : void(std::memcpy(to, &values, count * sizeof(T)));
}

template <typename T>
INLINE Lanes<T> fetch(const void *map, int64_t at, int64_t count, bool coarse) {
  Lanes<T> found{};
  if constexpr (std::is_same_v<T, float>)
    if (coarse) {
      Half half{};
      const auto from = static_cast<const uint16_t *>(map) + at;
      count == LANES<T> ? std::memcpy(&half, from, sizeof half) : std::memcpy(&half, from, 2 * count);
      return widened(half);
    }
  const auto from = static_cast<const T *>(map) + at;
  count == LANES<T> ? std::memcpy(&found, from, sizeof found)
                    : std::memcpy(&found, from, count * sizeof(T));
  return found;
}

}  // namespace
