#include "model/phase_input.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace shoal::model {

using kernels::ActivationBuffer;
using kernels::ActivationView;
using kernels::Encoding;
using kernels::kA8BlockElements;

namespace {

// Sums each block's quants. Returns false if a quant is -128, which no encoder
// makes and the kernels do not expect.
bool SumQuants(std::span<const int8_t> quants, std::span<int16_t> sums) {
  bool valid = true;
  for (size_t b = 0; b < sums.size(); ++b) {
    int sum = 0;
    for (const int8_t q :
         quants.subspan(b * kA8BlockElements, kA8BlockElements)) {
      sum += q;
      valid &= q != -128;
    }
    sums[b] = static_cast<int16_t>(sum);
  }
  return valid;
}

}  // namespace

PhaseInput::PhaseInput(const EncodingSet& encodings, uint32_t tokens_max,
                       uint32_t cols)
    : cols_(cols),
      a8_(Encoding::kA8, encodings.a8 ? tokens_max : 0,
          encodings.a8 ? cols : kA8BlockElements),
      f32_(Encoding::kF32, encodings.f32 ? tokens_max : 0, cols) {}

void PhaseInput::Begin(const EncodingSet& encodings, uint32_t tokens) {
  current_ = encodings;
  tokens_ = tokens;
  if (encodings.a8) a8_.Resize(tokens);
  if (encodings.f32) f32_.Resize(tokens);
}

void PhaseInput::EncodeToken(const kernels::KernelTable& kernels,
                             const float* row, uint32_t token) {
  if (current_.a8) {
    kernels.encode_a8(row, cols_, a8_.quants(token), a8_.scales(token),
                      a8_.sums(token));
  }
  if (current_.f32) {
    std::copy(row, row + cols_, f32_.values(token));
  }
}

ActivationView PhaseInput::View(Encoding encoding) const {
  SHOAL_DCHECK(encoding == Encoding::kA8 ? current_.a8 : current_.f32);
  return encoding == Encoding::kA8 ? a8_.View() : f32_.View();
}

uint64_t PhaseInput::WireBytes(const EncodingSet& encodings, uint32_t count,
                               uint32_t cols) {
  uint64_t bytes = 0;
  if (encodings.a8) bytes += kernels::WireBytes(Encoding::kA8, cols);
  if (encodings.f32) bytes += kernels::WireBytes(Encoding::kF32, cols);
  return bytes * count;
}

void PhaseInput::Write(uint32_t begin, uint32_t count,
                       std::span<std::byte> to) const {
  SHOAL_CHECK(to.size() == WireBytes(current_, count, cols_));
  if (current_.a8) {
    const uint64_t bytes = kernels::WireBytes(Encoding::kA8, cols_) * count;
    kernels::WriteWire(a8_.View().Tokens(begin, count), to.first(bytes));
    to = to.subspan(bytes);
  }
  if (current_.f32) {
    kernels::WriteWire(f32_.View().Tokens(begin, count), to);
  }
}

bool PhaseInput::Read(uint32_t begin, uint32_t count,
                      std::span<const std::byte> from) {
  if (from.size() != WireBytes(current_, count, cols_)) return false;
  const uint32_t blocks = cols_ / kA8BlockElements;
  for (uint32_t t = begin; current_.a8 && t < begin + count; ++t) {
    // A row: its scales, then its quants; the sums are made here.
    const auto* bytes = from.data();
    std::memcpy(a8_.scales(t), bytes, blocks * sizeof(float));
    std::memcpy(a8_.quants(t), bytes + blocks * sizeof(float), cols_);
    if (!SumQuants({a8_.quants(t), cols_}, {a8_.sums(t), blocks})) {
      return false;
    }
    from = from.subspan(kernels::WireBytes(Encoding::kA8, cols_));
  }
  for (uint32_t t = begin; current_.f32 && t < begin + count; ++t) {
    std::memcpy(f32_.values(t), from.data(), cols_ * sizeof(float));
    from = from.subspan(cols_ * sizeof(float));
  }
  return true;
}

uint64_t PhaseInput::BytesFor(const EncodingSet& encodings, uint32_t tokens_max,
                              uint32_t cols) {
  uint64_t bytes = 0;
  if (encodings.a8) {
    bytes += ActivationBuffer::BytesFor(Encoding::kA8, tokens_max, cols);
  }
  if (encodings.f32) {
    bytes += ActivationBuffer::BytesFor(Encoding::kF32, tokens_max, cols);
  }
  return bytes;
}

}  // namespace shoal::model
