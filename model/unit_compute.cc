#include "model/unit_compute.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/model_dimensions.h"

namespace shoal::model {

using kernels::ActivationView;
using kernels::Encoding;
using kernels::kA8BlockElements;
using kernels::kA8SumElements;
using kernels::ProductOutput;
using kernels::WeightMatrix;
using kernels::WeightType;

namespace {

// Sums of a tile lie in one page each, so that few of them fit in the caches at
// once: a task copies so many rows of them side by side, if there are so many
// tokens.
constexpr uint32_t kSumRows = 32;
constexpr uint32_t kSumTokensMin = 16;
static_assert(kSumRows % kernels::kTileRows == 0);
// Of one visit of the sums.
constexpr size_t kUnitsMax = 64;
// Of one unit from its inputs: queries, keys, values.
constexpr uint32_t kProductsMax = 3;
// So many steps of a token are over as soon as a team has begun.
constexpr uint32_t kTokensAlone = 4;

const std::byte* RowOf(const WeightMatrix& matrix, uint32_t row) {
  return matrix.data +
         kernels::BytesOf(matrix.type, uint64_t{row} * matrix.cols);
}

}  // namespace

uint32_t ScratchFloats(const PhaseSpec& phase, const UnitLayout& unit,
                       uint32_t hidden) {
  switch (unit.spec.id.kind) {
    case base::UnitKind::kAttention: {
      const AttentionSpec& spec = *phase.attention;
      const uint32_t heads =
          unit.count * (spec.head_count / spec.kv_head_count);
      return heads * (spec.key_dim + spec.value_dim) +
             unit.count * (spec.key_dim + spec.value_dim) +
             (spec.shared_key_dim > 0 ? unit.count * spec.own_key_dim() : 0);
    }
    case base::UnitKind::kFfn:
      return 2 * unit.count;
    case base::UnitKind::kExpert:
      // The results, and what is gathered in one encoding or both.
      return (2 * unit.count + 3 * hidden + 1) / 2;
    case base::UnitKind::kHub:
    case base::UnitKind::kHead:
      return 0;
  }
  return 0;
}

UnitCompute::UnitCompute(const Options& options,
                         const kernels::KernelTable& kernels,
                         kernels::ThreadTeam& team, memory::KvCache& kv)
    : options_(options),
      kernels_(kernels),
      team_(team),
      kv_(kv),
      tile_tokens_max_(std::min(options.tokens_max, base::kTileTokens)),
      scratch_(uint64_t{base::ScratchTokens(options.tokens_max)} *
               options.unit_scratch_floats),
      quants_(base::kIntermediatesPerFloat * scratch_.size()),
      scales_(quants_.size() / kA8BlockElements),
      sums_(quants_.size() / kA8SumElements) {
  // How many units come at once depends on the disk: a pass must not allocate
  // because it was faster than before. The results of a unit's products lie in
  // its scratch. Pages that no batch fills cost nothing.
  products_.reserve(kUnitsMax * kProductsMax);
  tasks_.reserve(scratch_.size() / kTaskRows + options.hidden / kSumRows +
                 kUnitsMax * kProductsMax);
  intermediates_.reserve(kUnitsMax);
}

void UnitCompute::BeginPass(std::span<const TokenPlace> places) {
  SHOAL_CHECK(places.size() <= options_.tokens_max);
  pass_places_ = places_ = places;
  for (Angles& angles : angles_) angles.of_this_pass = false;
}

void UnitCompute::SelectTokens(uint32_t begin, uint32_t count) {
  places_ = pass_places_.subspan(begin, count);
}

Encoding UnitCompute::EncodingFor(WeightType type) const {
  return options_.f32_activations ? Encoding::kF32
                                  : kernels::InfoOf(type).encoding;
}

const float* UnitCompute::AnglesOf(const kernels::RopeParameters& parameters) {
  auto angles = std::find_if(
      angles_.begin(), angles_.end(),
      [&](const Angles& known) { return known.parameters == parameters; });
  const uint32_t width = parameters.rotary_dim;
  if (angles == angles_.end()) {
    angles = angles_.insert(angles_.end(), Angles());
    angles->parameters = parameters;
    angles->cos_sin.resize(uint64_t{options_.tokens_max} * width);
  }
  // For all tokens of the pass, whichever are selected.
  for (size_t t = 0; t < pass_places_.size() && !angles->of_this_pass; ++t) {
    kernels::RopeAngles(parameters, pass_places_[t].position,
                        std::span(angles->cos_sin).subspan(t * width, width));
  }
  angles->of_this_pass = true;
  return angles->cos_sin.data() +
         (places_.data() - pass_places_.data()) * width;
}

void UnitCompute::ForEachTile(
    const PhaseSpec& phase, std::span<const UnitView> units, PartRole role,
    const Accumulator& sum,
    absl::FunctionRef<void(std::span<const UnitView>, const Tile&)> compute) {
  const auto tokens = static_cast<uint32_t>(places_.size());
  const uint32_t tile_tokens = std::min(tokens, tile_tokens_max_);
  uint32_t unit_floats = 1, cols = 1;
  bool are_encoded = true;
  for (const UnitView& unit : units) {
    const UnitPart& part = *unit.layout->Find(role);
    unit_floats = std::max(unit_floats,
                           ScratchFloats(phase, *unit.layout, options_.hidden));
    cols = std::max(cols, part.cols);
    are_encoded = are_encoded && EncodingFor(part.type) != Encoding::kF32;
  }
  const auto fitting = [&](size_t room, uint32_t token_values) {
    return std::clamp<size_t>(room / (uint64_t{tile_tokens} * token_values), 1,
                              kUnitsMax);
  };
  const size_t tile_units = fitting(scratch_.size(), unit_floats);
  // Others are used where they lie in the scratch.
  const size_t batch_units =
      are_encoded ? fitting(quants_.size(), cols) : tile_units;
  for (size_t first = 0; first < units.size(); first += batch_units) {
    const auto batch = units.subspan(
        first, std::min<size_t>(batch_units, units.size() - first));
    for (uint32_t begin = 0; begin < tokens; begin += tile_tokens) {
      const Tile tile = {begin, std::min(tile_tokens, tokens - begin),
                         unit_floats};
      BeginIntermediates();
      for (size_t u = 0; u < batch.size(); u += tile_units) {
        compute(batch.subspan(u, std::min(tile_units, batch.size() - u)), tile);
      }
      RunOutputProducts(batch, role, sum, tile);
    }
  }
}

void UnitCompute::ForEachToken(
    uint32_t units, uint32_t tokens,
    absl::FunctionRef<void(uint32_t, uint32_t)> body) {
  const auto run = [&](uint32_t task, uint32_t) {
    body(task / tokens, task % tokens);
  };
  const uint32_t count = units * tokens;
  if (count > kTokensAlone) return team_.Run(count, run);
  for (uint32_t task = 0; task < count; ++task) run(task, 0);
}

float* UnitCompute::ScratchOf(uint32_t unit_idx, const Tile& tile) {
  return scratch_.data() + uint64_t{unit_idx} * tile.count * tile.unit_floats;
}

WeightMatrix UnitCompute::MatrixOf(const UnitView& unit, PartRole role) const {
  const UnitPart* part = unit.layout->Find(role);
  SHOAL_CHECK(part != nullptr);
  return {part->type, kernels_.layout, part->rows, part->cols,
          unit.data + part->unit_offset};
}

void UnitCompute::AddBias(const float* bias, uint32_t count, float* row) {
  if (bias == nullptr) return;
  for (uint32_t i = 0; i < count; ++i) row[i] += bias[i];
}

const float* UnitCompute::VectorOf(const UnitView& unit, PartRole role) {
  const UnitPart* part = unit.layout->Find(role);
  if (part == nullptr) return nullptr;
  return reinterpret_cast<const float*>(unit.data + part->unit_offset);
}

void UnitCompute::AddProduct(const UnitView& unit, PartRole role,
                             const PhaseInput& input, uint32_t input_idx,
                             const Tile& tile, float* to) {
  const WeightType type = MatrixOf(unit, role).type;
  AddProduct(
      unit, role,
      input.View(input_idx, EncodingFor(type)).Tokens(tile.begin, tile.count),
      to);
}

void UnitCompute::AddProduct(const UnitView& unit, PartRole role,
                             const ActivationView& input, float* to) {
  const WeightMatrix matrix = MatrixOf(unit, role);
  products_.push_back(
      {matrix, input, {ProductOutput::Mode::kStore, to, matrix.rows}});
}

uint32_t UnitCompute::NextTaskRows(const TaskSplit& split) const {
  if (split.tokens >= kSumTokensMin) return split.many_tokens_rows;
  // With nobody to share with, a matrix is read from its begin to its end.
  if (split.members == 1) return UINT32_MAX;
  // The team gives each member an equal part of the list: each shall have the
  // same tasks, of half of what is left.
  const uint64_t share = std::max<uint64_t>(split.rows / split.members, 1);
  const uint64_t left = (split.rows_left - 1) % share + 1;
  return static_cast<uint32_t>(std::max<uint64_t>(left / 2 / kTaskRows, 1) *
                               kTaskRows);
}

void UnitCompute::AddTasks(uint32_t product_idx, uint32_t rows,
                           TaskSplit& split) {
  for (uint32_t row = 0; row < rows;) {
    const uint32_t end = row + std::min(NextTaskRows(split), rows - row);
    tasks_.push_back({product_idx, row, end});
    split.rows_left -= end - row;
    row = end;
  }
}

void UnitCompute::SplitRows(uint32_t rows, uint32_t tokens,
                            uint32_t many_tokens_rows) {
  tasks_.clear();
  TaskSplit split = {tokens, many_tokens_rows, team_.active_count(), rows,
                     rows};
  AddTasks(0, rows, split);
}

void UnitCompute::RunProducts() {
  uint64_t rows = 0;
  for (const Product& product : products_) rows += product.matrix.rows;
  TaskSplit split = {products_.front().input.tokens, kTaskRows,
                     team_.active_count(), rows, rows};
  tasks_.clear();
  for (uint32_t i = 0; i < products_.size(); ++i) {
    AddTasks(i, products_[i].matrix.rows, split);
  }
  team_.Run(static_cast<uint32_t>(tasks_.size()),
            [this](uint32_t task, uint32_t) { RunProduct(task); });
  products_.clear();
}

void UnitCompute::RunProduct(uint32_t task_idx) {
  const ProductTask& task = tasks_[task_idx];
  const Product& product = products_[task.product_idx];
  WeightMatrix matrix = product.matrix;
  // Members go through tasks in order.
  if (task_idx + 1 < tasks_.size()) {
    const ProductTask& next = tasks_[task_idx + 1];
    matrix.next = RowOf(products_[next.product_idx].matrix, next.row_begin);
  }
  kernels_.product(matrix, task.row_begin, task.row_end, product.input,
                   product.output);
}

void UnitCompute::BeginIntermediates() {
  intermediates_.clear();
  quants_used_ = 0;
}

void UnitCompute::AddIntermediate(WeightType type, const float* from,
                                  uint32_t cols, const Tile& tile) {
  ActivationView view;
  view.encoding = EncodingFor(type);
  view.tokens = tile.count;
  view.cols = cols;
  if (view.encoding == Encoding::kF32) {
    view.values = from;
  } else {
    view.quants = quants_.data() + quants_used_;
    view.scales = scales_.data() + quants_used_ / kA8BlockElements;
    view.sums = sums_.data() + quants_used_ / kA8SumElements;
    quants_used_ += uint64_t{tile.count} * cols;
    SHOAL_CHECK(quants_used_ <= quants_.size());
  }
  intermediates_.push_back(view);
}

void UnitCompute::EncodeIntermediate(uint32_t unit_idx, const float* from,
                                     uint32_t token) {
  const ActivationView& view = intermediates_[unit_idx];
  if (view.encoding == Encoding::kF32) return;
  const uint64_t row = uint64_t{token} * view.cols;
  const uint64_t quants = view.quants - quants_.data() + row;
  kernels_.encode_a8(from + row, view.cols, quants_.data() + quants,
                     scales_.data() + quants / kA8BlockElements,
                     sums_.data() + quants / kA8SumElements);
}

template <typename Sum>
void UnitCompute::AddOutputRows(uint32_t begin, uint32_t end, uint32_t tokens,
                                ProductOutput::Mode mode, Sum* sums) {
  const uint64_t stride = options_.hidden;
  // A unit's rows lie far from those of the next unit, and are few: without
  // this, most of the time would go by in waiting for the first of them.
  const auto next_of = [&](size_t i) -> const std::byte* {
    if (i + 1 < products_.size()) return RowOf(products_[i + 1].matrix, begin);
    return end < stride ? RowOf(products_[0].matrix, end) : nullptr;
  };
  if (tokens < kSumTokensMin) {
    for (size_t i = 0; i < products_.size(); ++i) {
      WeightMatrix matrix = products_[i].matrix;
      matrix.next = next_of(i);
      kernels_.product(matrix, begin, end, products_[i].input,
                       {mode, sums, stride});
    }
    return;
  }
  alignas(64) Sum block[base::kTileTokens * kSumRows];
  const uint32_t rows = end - begin;
  for (uint32_t t = 0; t < tokens; ++t) {
    std::copy_n(sums + t * stride + begin, rows, block + t * kSumRows);
  }
  for (size_t i = 0; i < products_.size(); ++i) {
    WeightMatrix matrix = products_[i].matrix;
    matrix.data = RowOf(matrix, begin);
    matrix.rows = rows;
    matrix.next = next_of(i);
    kernels_.product(matrix, 0, rows, products_[i].input,
                     {mode, block, kSumRows});
  }
  for (uint32_t t = 0; t < tokens; ++t) {
    std::copy_n(block + t * kSumRows, rows, sums + t * stride + begin);
  }
}

void UnitCompute::RunOutputProducts(std::span<const UnitView> units,
                                    PartRole role, const Accumulator& sum,
                                    const Tile& tile) {
  const uint32_t hidden = options_.hidden;
  const uint64_t skip = uint64_t{tile.begin} * hidden;
  // Found once: a unit's part of a task is over in less than a microsecond.
  for (size_t u = 0; u < units.size(); ++u) {
    products_.push_back({MatrixOf(units[u], role), intermediates_[u], {}});
  }
  SplitRows(hidden, tile.count, kSumRows);
  team_.Run(static_cast<uint32_t>(tasks_.size()), [&](uint32_t task, uint32_t) {
    const uint32_t begin = tasks_[task].row_begin;
    const uint32_t end = tasks_[task].row_end;
    if (sum.mode == ProductOutput::Mode::kAddF64) {
      AddOutputRows(begin, end, tile.count, sum.mode,
                    static_cast<double*>(sum.data) + skip);
    } else {
      AddOutputRows(begin, end, tile.count, sum.mode,
                    static_cast<float*>(sum.data) + skip);
    }
  });
  products_.clear();
}

void UnitCompute::Head(const HeadSpec& spec, const UnitView& unit,
                       const PhaseInput& input, float* to, uint64_t stride) {
  const WeightMatrix matrix = MatrixOf(unit, PartRole::kHead);
  const ActivationView view = input.View(0, EncodingFor(matrix.type));
  const float* bias = VectorOf(unit, PartRole::kHeadBias);
  const auto finish = [&](float logit, uint32_t row) {
    if (bias != nullptr) logit += bias[row];
    logit *= spec.logit_scale;
    if (spec.logit_cap == 0.0f) return logit;
    return spec.logit_cap * std::tanh(logit / spec.logit_cap);
  };
  const bool is_plain =
      bias == nullptr && spec.logit_scale == 1.0f && spec.logit_cap == 0.0f;
  const ProductOutput output{ProductOutput::Mode::kStore, to, stride};
  SplitRows(matrix.rows, view.tokens, kTaskRows);
  team_.Run(static_cast<uint32_t>(tasks_.size()), [&](uint32_t task, uint32_t) {
    const uint32_t begin = tasks_[task].row_begin;
    const uint32_t end = tasks_[task].row_end;
    kernels_.product(matrix, begin, end, view, output);
    for (uint32_t t = 0; t < view.tokens && !is_plain; ++t) {
      for (uint32_t row = begin; row < end; ++row) {
        float& logit = to[t * stride + row];
        logit = finish(logit, row);
      }
    }
  });
}

}  // namespace shoal::model
