// Registers of numbers as gcc and clang take them, with maps whose numbers may be coarse.

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <vector>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

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

// The first `count` lanes, of which there are fewer than LANES: processors with masks need no loop.
#if defined(__AVX512F__) && defined(__AVX512BW__) && defined(__AVX512VL__)
inline __mmask16 first(int64_t count) { return __mmask16((1u << count) - 1); }
inline void part(float *to, const Lanes<float> &values, int64_t count) {
  _mm512_mask_storeu_ps(to, first(count), (__m512)values);
}
inline void part(double *to, const Lanes<double> &values, int64_t count) {
  _mm512_mask_storeu_pd(to, __mmask8(first(count)), (__m512d)values);
}
inline void part(uint16_t *to, const Half &values, int64_t count) {
  _mm256_mask_storeu_epi16(to, first(count), (__m256i)values);
}
inline Lanes<float> part(const float *from, int64_t count) {
  return (Lanes<float>)_mm512_maskz_loadu_ps(first(count), from);
}
inline Lanes<double> part(const double *from, int64_t count) {
  return (Lanes<double>)_mm512_maskz_loadu_pd(__mmask8(first(count)), from);
}
inline Half part(const uint16_t *from, int64_t count) {
  return (Half)_mm256_maskz_loadu_epi16(first(count), from);
}
#else
template <typename T, typename V> inline void part(T *to, const V &values, int64_t count) {
  std::memcpy(to, &values, count * sizeof(T));
}
template <typename T> inline auto part(const T *from, int64_t count) {
  std::conditional_t<std::is_same_v<T, uint16_t>, Half, Lanes<T>> found{};
  std::memcpy(&found, from, count * sizeof(T));
  return found;
}
#endif

// A map's LANES numbers from `at` on, of which `count` exist.
template <typename T>
INLINE void write(void *map, int64_t at, int64_t count, bool coarse, const Lanes<T> &values) {
  if constexpr (std::is_same_v<T, float>)
    if (coarse) {
      const Half half = rounded(values);
      auto to = static_cast<uint16_t *>(map) + at;
      count == LANES<T> ? void(std::memcpy(to, &half, sizeof half)) : part(to, half, count);
      return;
    }
  auto to = static_cast<T *>(map) + at;
  count == LANES<T> ? store<T>(to, values) : part(to, values, count);
}

template <typename T>
INLINE Lanes<T> fetch(const void *map, int64_t at, int64_t count, bool coarse) {
  if constexpr (std::is_same_v<T, float>)
    if (coarse) {
      const auto from = static_cast<const uint16_t *>(map) + at;
      if (count < LANES<T>) return widened(part(from, count));
      Half half;
      std::memcpy(&half, from, sizeof half);
      return widened(half);
    }
  const auto from = static_cast<const T *>(map) + at;
  return count == LANES<T> ? load(from) : part(from, count);
}

}  // namespace
