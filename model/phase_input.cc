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

uint64_t RowWireBytes(const InputShape& input) {
  uint64_t bytes = 0;
  if (input.encodings.a8) {
    bytes += kernels::WireBytes(Encoding::kA8, input.cols);
  }
  if (input.encodings.f32) {
    bytes += kernels::WireBytes(Encoding::kF32, input.cols);
  }
  return bytes;
}

}  // namespace

PhaseInput::Slot::Slot(const InputShape& shape, uint32_t tokens_max)
    : cols(shape.cols),
      a8(Encoding::kA8, shape.encodings.a8 ? tokens_max : 0,
         shape.encodings.a8 ? cols : kA8BlockElements),
      f32(Encoding::kF32, shape.encodings.f32 ? tokens_max : 0, cols) {}

PhaseShape PhaseInput::Merge(std::span<const PhaseShape> shapes) {
  PhaseShape merged;
  for (const PhaseShape& shape : shapes) {
    std::vector<bool> taken(merged.size(), false);
    for (const InputShape& input : shape) {
      size_t i = 0;
      while (i < merged.size() && (taken[i] || merged[i].cols != input.cols)) {
        ++i;
      }
      if (i == merged.size()) {
        merged.push_back({input.cols, {}});
        taken.push_back(false);
      }
      taken[i] = true;
      merged[i].encodings.a8 |= input.encodings.a8;
      merged[i].encodings.f32 |= input.encodings.f32;
    }
  }
  return merged;
}

PhaseInput::PhaseInput(std::span<const PhaseShape> shapes,
                       uint32_t tokens_max) {
  for (const InputShape& shape : Merge(shapes)) {
    slots_.emplace_back(shape, tokens_max);
  }
}

void PhaseInput::Begin(const PhaseShape& shape, uint32_t tokens) {
  current_.clear();
  tokens_ = tokens;
  for (const InputShape& input : shape) {
    const auto is_free = [&](const Slot& slot) {
      return slot.cols == input.cols &&
             std::none_of(
                 current_.begin(), current_.end(),
                 [&](const Current& other) { return other.slot == &slot; });
    };
    const auto slot = std::find_if(slots_.begin(), slots_.end(), is_free);
    SHOAL_CHECK(slot != slots_.end(), input.cols, " columns");
    if (input.encodings.a8) slot->a8.Resize(tokens);
    if (input.encodings.f32) slot->f32.Resize(tokens);
    current_.push_back({&*slot, input.encodings});
  }
}

void PhaseInput::EncodeToken(const kernels::KernelTable& kernels,
                             uint32_t input, const float* row, uint32_t token) {
  const auto& [slot, encodings] = current_[input];
  if (encodings.a8) {
    kernels.encode_a8(row, slot->cols, slot->a8.quants(token),
                      slot->a8.scales(token), slot->a8.sums(token));
  }
  if (encodings.f32) {
    std::copy(row, row + slot->cols, slot->f32.values(token));
  }
}

ActivationView PhaseInput::View(uint32_t input, Encoding encoding) const {
  const auto& [slot, encodings] = current_[input];
  SHOAL_DCHECK(encoding == Encoding::kA8 ? encodings.a8 : encodings.f32);
  return encoding == Encoding::kA8 ? slot->a8.View() : slot->f32.View();
}

uint64_t PhaseInput::WireBytes(const PhaseShape& shape, uint32_t count) {
  uint64_t bytes = 0;
  for (const InputShape& input : shape) bytes += RowWireBytes(input);
  return bytes * count;
}

void PhaseInput::Write(uint32_t begin, uint32_t count,
                       std::span<std::byte> to) const {
  const auto write = [&](const kernels::ActivationBuffer& buffer) {
    const uint64_t bytes =
        kernels::WireBytes(buffer.encoding(), buffer.cols()) * count;
    kernels::WriteWire(buffer.View().Tokens(begin, count), to.first(bytes));
    to = to.subspan(bytes);
  };
  for (const auto& [slot, encodings] : current_) {
    if (encodings.a8) write(slot->a8);
    if (encodings.f32) write(slot->f32);
  }
  SHOAL_CHECK(to.empty(), to.size(), " bytes too many");
}

bool PhaseInput::Read(uint32_t begin, uint32_t count,
                      std::span<const std::byte> from) {
  uint64_t row_bytes = 0;
  for (const auto& [slot, encodings] : current_) {
    row_bytes += RowWireBytes({slot->cols, encodings});
  }
  if (from.size() != row_bytes * count) return false;
  for (const auto& [slot, encodings] : current_) {
    const uint32_t cols = slot->cols;
    const uint32_t blocks = cols / kA8BlockElements;
    for (uint32_t t = begin; encodings.a8 && t < begin + count; ++t) {
      // A row: its scales, then its quants; the sums are made here.
      ActivationBuffer& a8 = slot->a8;
      std::memcpy(a8.scales(t), from.data(), blocks * sizeof(float));
      std::memcpy(a8.quants(t), from.data() + blocks * sizeof(float), cols);
      if (!kernels::SumQuants(a8.quants(t), cols, a8.sums(t))) return false;
      from = from.subspan(kernels::WireBytes(Encoding::kA8, cols));
    }
    for (uint32_t t = begin; encodings.f32 && t < begin + count; ++t) {
      std::memcpy(slot->f32.values(t), from.data(), cols * sizeof(float));
      from = from.subspan(cols * sizeof(float));
    }
  }
  return true;
}

uint64_t PhaseInput::BytesFor(std::span<const PhaseShape> shapes,
                              uint32_t tokens_max) {
  uint64_t bytes = 0;
  for (const auto& [cols, encodings] : Merge(shapes)) {
    if (encodings.a8) {
      bytes += ActivationBuffer::BytesFor(Encoding::kA8, tokens_max, cols);
    }
    if (encodings.f32) {
      bytes += ActivationBuffer::BytesFor(Encoding::kF32, tokens_max, cols);
    }
  }
  return bytes;
}

}  // namespace shoal::model
