// A random number for each index, in any order.

#ifndef SHOAL_MODEL_SYNTH_RANDOM_H_
#define SHOAL_MODEL_SYNTH_RANDOM_H_

#include <cstdint>

namespace shoal::model {

// The number `index` of the sequence `seed` of the SplitMix64 generator
// (Steele, Lea, Flood 2014). Not for secrets.
constexpr uint64_t SynthRandom(uint64_t seed, uint64_t index) {
  uint64_t z = seed + (index + 1) * 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace shoal::model

#endif  // SHOAL_MODEL_SYNTH_RANDOM_H_
