#include "parallel/reduce.h"

#include <cstring>
#include <random>
#include <vector>

#include "gtest/gtest.h"

namespace shoal::parallel {
namespace {

// What the header says, element by element.
template <typename T>
float Reference(float residual, const std::vector<T>& parts, float bias) {
  T sum = sizeof(T) == sizeof(double) ? static_cast<T>(residual) : T{0};
  for (const T part : parts) sum += part;
  const float rounded = sizeof(T) == sizeof(double)
                            ? static_cast<float>(sum)
                            : residual + static_cast<float>(sum);
  return rounded + bias;
}

template <typename T>
void ExpectBitsOfTheReference(Payload payload) {
  std::mt19937 random(1);
  std::uniform_real_distribution<float> values(-3, 3);
  for (const size_t count : {1, 255, 256, 257, 288, 2048, 5000}) {
    for (const size_t part_count : {1, 2, 3, 7}) {
      std::vector<float> residual(count);
      for (float& value : residual) value = values(random);
      std::vector<float> bias(count % 2 == 0 ? count / 2 : 0);
      for (float& value : bias) value = values(random);
      // One byte off any alignment.
      std::vector<std::vector<std::byte>> bytes(part_count);
      std::vector<const std::byte*> parts;
      std::vector<std::vector<T>> by_element(count);
      for (auto& part : bytes) {
        part.resize(count * sizeof(T) + 1);
        for (size_t i = 0; i < count; ++i) {
          const T value = values(random);
          by_element[i].push_back(value);
          std::memcpy(part.data() + 1 + i * sizeof(T), &value, sizeof(T));
        }
        parts.push_back(part.data() + 1);
      }
      std::vector<float> sum = residual;
      AddParts(payload, parts, bias, sum);
      for (size_t i = 0; i < count; ++i) {
        const float expected = bias.empty()
                                   ? Reference<T>(residual[i], by_element[i], 0)
                                   : Reference<T>(residual[i], by_element[i],
                                                  bias[i % bias.size()]);
        ASSERT_EQ(sum[i], expected) << "element " << i << " of " << count
                                    << ", " << part_count << " parts";
      }
    }
  }
}

TEST(ReduceTest, DoublesAreAddedToTheResidualInOrderAndRoundedOnce) {
  ExpectBitsOfTheReference<double>(Payload::kF64);
}

TEST(ReduceTest, FloatsAreAddedInOrderThenToTheResidual) {
  ExpectBitsOfTheReference<float>(Payload::kF32);
}

}  // namespace
}  // namespace shoal::parallel
