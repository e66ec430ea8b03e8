#include "kernels/activations.h"

#include <bit>
#include <cstring>

#include "base/check.h"

namespace shoal::kernels {

static_assert(std::endian::native == std::endian::little,
              "the wire form is copied as it lies in memory");

ActivationView ActivationView::Tokens(uint32_t begin, uint32_t count) const {
  SHOAL_CHECK(begin <= tokens && count <= tokens - begin, begin, " + ", count,
              " of ", tokens);
  ActivationView part = *this;
  part.tokens = count;
  const uint64_t offset = uint64_t{begin} * cols;
  const uint64_t block_offset = offset / kA8BlockElements;
  if (values != nullptr) part.values += offset;
  if (quants != nullptr) part.quants += offset;
  if (scales != nullptr) part.scales += block_offset;
  if (sums != nullptr) part.sums += offset / kA8SumElements;
  return part;
}

ActivationBuffer::ActivationBuffer(Encoding encoding, uint32_t tokens_max,
                                   uint32_t cols)
    : encoding_(encoding), tokens_max_(tokens_max), cols_(cols) {
  const uint64_t count = uint64_t{tokens_max} * cols;
  if (encoding == Encoding::kF32) {
    values_.resize(count);
    return;
  }
  SHOAL_CHECK(cols % kA8BlockElements == 0, cols, " columns");
  quants_.resize(count);
  scales_.resize(count / kA8BlockElements);
  sums_.resize(count / kA8SumElements);
}

void ActivationBuffer::Resize(uint32_t tokens) {
  SHOAL_CHECK(tokens <= tokens_max_, tokens, " of at most ", tokens_max_);
  tokens_ = tokens;
}

ActivationView ActivationBuffer::View() const {
  ActivationView view;
  view.encoding = encoding_;
  view.tokens = tokens_;
  view.cols = cols_;
  if (encoding_ == Encoding::kF32) {
    view.values = values_.data();
  } else {
    view.quants = quants_.data();
    view.scales = scales_.data();
    view.sums = sums_.data();
  }
  return view;
}

float* ActivationBuffer::values(uint32_t token) {
  SHOAL_DCHECK(encoding_ == Encoding::kF32 && token < tokens_max_);
  return values_.data() + uint64_t{token} * cols_;
}

int8_t* ActivationBuffer::quants(uint32_t token) {
  SHOAL_DCHECK(encoding_ == Encoding::kA8 && token < tokens_max_);
  return quants_.data() + uint64_t{token} * cols_;
}

float* ActivationBuffer::scales(uint32_t token) {
  SHOAL_DCHECK(encoding_ == Encoding::kA8 && token < tokens_max_);
  return scales_.data() + uint64_t{token} * (cols_ / kA8BlockElements);
}

int16_t* ActivationBuffer::sums(uint32_t token) {
  SHOAL_DCHECK(encoding_ == Encoding::kA8 && token < tokens_max_);
  return sums_.data() + uint64_t{token} * (cols_ / kA8SumElements);
}

uint64_t ActivationBuffer::BytesFor(Encoding encoding, uint32_t tokens,
                                    uint32_t cols) {
  const uint64_t count = uint64_t{tokens} * cols;
  if (encoding == Encoding::kF32) return count * sizeof(float);
  return count + count / kA8BlockElements * sizeof(float) +
         count / kA8SumElements * sizeof(int16_t);
}

uint64_t WireBytes(Encoding encoding, uint32_t cols) {
  if (encoding == Encoding::kF32) return uint64_t{cols} * sizeof(float);
  return uint64_t{cols} + uint64_t{cols} / kA8BlockElements * sizeof(float);
}

void WriteWire(const ActivationView& from, std::span<std::byte> to) {
  const uint64_t row_bytes = WireBytes(from.encoding, from.cols);
  SHOAL_CHECK(to.size() == from.tokens * row_bytes, to.size(), " bytes for ",
              from.tokens, " tokens of ", row_bytes);
  if (to.empty()) return;
  if (from.encoding == Encoding::kF32) {
    std::memcpy(to.data(), from.values, to.size());
    return;
  }
  const uint64_t blocks = from.cols / kA8BlockElements;
  const uint64_t scale_bytes = blocks * sizeof(float);
  for (uint32_t token = 0; token < from.tokens; ++token) {
    std::byte* row = to.data() + token * row_bytes;
    std::memcpy(row, from.scales + token * blocks, scale_bytes);
    std::memcpy(row + scale_bytes, from.quants + uint64_t{token} * from.cols,
                from.cols);
  }
}

bool SumQuants(const int8_t* quants, uint32_t cols, int16_t* sums) {
  bool valid = true;
  for (uint32_t begin = 0; begin < cols; begin += kA8SumElements) {
    int16_t sum = 0;
    for (uint32_t i = begin; i < begin + kA8SumElements; ++i) {
      sum = static_cast<int16_t>(sum + quants[i]);
      valid &= quants[i] != -128;
    }
    sums[begin / kA8SumElements] = sum;
  }
  return valid;
}

bool ReadWire(std::span<const std::byte> from, uint32_t tokens,
              ActivationBuffer& to) {
  const uint64_t row_bytes = WireBytes(to.encoding(), to.cols());
  if (tokens > to.tokens_max() || from.size() != tokens * row_bytes) {
    return false;
  }
  to.Resize(tokens);
  if (from.empty()) return true;
  if (to.encoding() == Encoding::kF32) {
    std::memcpy(to.values(0), from.data(), from.size());
    return true;
  }
  const uint64_t blocks = to.cols() / kA8BlockElements;
  const uint64_t scale_bytes = blocks * sizeof(float);
  for (uint32_t token = 0; token < tokens; ++token) {
    const std::byte* row = from.data() + token * row_bytes;
    std::memcpy(to.scales(token), row, scale_bytes);
    std::memcpy(to.quants(token), row + scale_bytes, to.cols());
    if (!SumQuants(to.quants(token), to.cols(), to.sums(token))) return false;
  }
  return true;
}

}  // namespace shoal::kernels
