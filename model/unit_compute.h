// Computes units: partial sums of attention and FFN units, logits of head
// units. One path for every architecture, driven by the specs.
//
// Numerics: a unit's partial sum for a token is a float vector that depends on
// the unit and that token's input and history alone; units are added in
// execution order. So neither the batching of units, nor the number of tokens
// in a pass, nor the threads can show in the bits.

#ifndef SHOAL_MODEL_UNIT_COMPUTE_H_
#define SHOAL_MODEL_UNIT_COMPUTE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "base/model_dimensions.h"
#include "kernels/kernel_table.h"
#include "kernels/thread_team.h"
#include "memory/kv_cache.h"
#include "model/architecture.h"
#include "model/phase_input.h"
#include "model/unit_table.h"

namespace shoal::model {

// A unit in memory, packed in the layout of the kernels in use.
struct UnitView {
  const UnitLayout* layout = nullptr;
  const std::byte* data = nullptr;
  uint32_t kv_stream = 0;  // attention: the unit's first stream in the KvCache
};

// Where a token of a pass stands.
struct TokenPlace {
  uint32_t session = 0;
  uint32_t position = 0;
};

// Sums over units [tokens, hidden], in double or float.
struct Accumulator {
  kernels::ProductOutput::Mode mode = kernels::ProductOutput::Mode::kAdd;
  void* data = nullptr;
};

// Floats of scratch that computing one unit takes per token, as
// base::ModelDimensions counts them.
uint32_t ScratchFloats(const PhaseSpec& phase, const UnitLayout& unit,
                       uint32_t hidden);

// Threads: thread-compatible; spreads its work over the team.
// Memory: scratch is reserved by the constructor.
class UnitCompute {
 public:
  struct Options {
    bool f32_activations = false;  // overrides the weight types' encodings
    kernels::KvType kv_type = kernels::KvType::kF16;
    uint32_t hidden = 0;
    // The most that ScratchFloats() gives for any unit.
    uint32_t unit_scratch_floats = 0;
    uint32_t tokens_max = 1;
  };

  // Borrows all three, which must outlive this.
  UnitCompute(const Options& options, const kernels::KernelTable& kernels,
              kernels::ThreadTeam& team, memory::KvCache& kv);

  // The tokens of the calls that follow; borrowed until the next call.
  // REQUIRES: pages for every place are reserved in the KvCache.
  void BeginPass(std::span<const TokenPlace> places);

  // Of those, the ones that the calls that follow are about; BeginPass()
  // selects all. REQUIRES: begin + count <= places.size().
  void SelectTokens(uint32_t begin, uint32_t count);

  // Adds the units' partial sums; all units are of one kind. REQUIRES: input
  // has as many tokens as are selected; a routed phase's routing is valid
  // (routing.h).
  void Attention(const PhaseSpec& phase, std::span<const UnitView> units,
                 const PhaseInput& input, const Accumulator& sum);
  void Ffn(const PhaseSpec& phase, std::span<const UnitView> units,
           const PhaseInput& input, const Accumulator& sum);
  // Tokens that are not routed to a unit's expert get nothing from it.
  void Experts(const PhaseSpec& phase, std::span<const UnitView> units,
               const PhaseInput& input, const Accumulator& sum);

  // Writes the logits of the unit's rows: row r of token t goes to
  // to[t * stride + r].
  void Head(const HeadSpec& spec, const UnitView& unit, const PhaseInput& input,
            float* to, uint64_t stride);

  // What the type multiplies under these options.
  kernels::Encoding EncodingFor(kernels::WeightType type) const;

 private:
  struct Product {
    kernels::WeightMatrix matrix;
    kernels::ActivationView input;
    kernels::ProductOutput output;
  };
  // Rows of one task: enough work to be worth handing out, little enough that
  // the last tasks end together. Those of few tokens are larger where many rows
  // are left, because memory binds and every task begins elsewhere in it; a
  // member that works alone takes all rows at once.
  static constexpr uint32_t kTaskRows = 64;
  static_assert(kTaskRows % kernels::kTileRows == 0);
  // How far the rows of some products are split into tasks.
  struct TaskSplit {
    uint32_t tokens;
    uint32_t many_tokens_rows;  // of a task, unless tokens are few
    uint32_t members;           // that will work on them
    uint64_t rows;              // of all products
    uint64_t rows_left;
  };
  // Rows [row_begin, row_end) of a product, or of each.
  struct ProductTask {
    uint32_t product_idx;
    uint32_t row_begin;
    uint32_t row_end;
  };
  struct Angles {
    kernels::RopeParameters parameters;
    std::vector<float> cos_sin;  // [tokens, rotary_dim]
    bool of_this_pass = false;
  };
  // Tokens that go through the steps of a unit together.
  struct Tile {
    uint32_t begin = 0;
    uint32_t count = 0;
    uint32_t unit_floats = 0;  // of scratch, per token
  };
  // The areas of one attention unit's scratch, each [tile tokens, n].
  struct AttentionScratch {
    float* query;
    float* key;
    float* own_key;  // the products; `key` itself unless keys share a part
    float* value;
    float* result;
  };
  // A token that a unit's expert computes.
  struct RoutedToken {
    uint32_t token;
    float weight;
  };
  // The steps of one unit's tile.
  struct ExpertScratch {
    float* gate;
    float* up;
    float* result;  // [tokens, hidden]
  };

  // unit_compute.cc: steps that both kinds share.
  // Cuts units and tokens into tiles that fit the scratch, for each of which
  // `compute` makes intermediates; adds part(role) x intermediates to the sums,
  // for as many units at once as have room. For each token units come in order.
  void ForEachTile(
      const PhaseSpec& phase, std::span<const UnitView> units, PartRole role,
      const Accumulator& sum,
      absl::FunctionRef<void(std::span<const UnitView>, const Tile&)> compute);
  // Calls body(unit, token) for all of them; few of them without the team,
  // which takes a microsecond to start and end.
  void ForEachToken(uint32_t units, uint32_t tokens,
                    absl::FunctionRef<void(uint32_t, uint32_t)> body);
  // The scratch of one unit of a tile.
  float* ScratchOf(uint32_t unit_idx, const Tile& tile);
  const float* AnglesOf(const kernels::RopeParameters& parameters);
  kernels::WeightMatrix MatrixOf(const UnitView& unit, PartRole role) const;
  // row += bias, if there is one.
  static void AddBias(const float* bias, uint32_t count, float* row);
  // Null if the unit has none.
  static const float* VectorOf(const UnitView& unit, PartRole role);
  void AddProduct(const UnitView& unit, PartRole role, const PhaseInput& input,
                  uint32_t input_idx, const Tile& tile, float* to);
  void AddProduct(const UnitView& unit, PartRole role,
                  const kernels::ActivationView& input, float* to);
  uint32_t NextTaskRows(const TaskSplit& split) const;
  void AddTasks(uint32_t product_idx, uint32_t rows, TaskSplit& split);
  // Makes the tasks of one product, or of products that are split alike.
  void SplitRows(uint32_t rows, uint32_t tokens, uint32_t many_tokens_rows);
  void RunProducts();
  void RunProduct(uint32_t task_idx);
  void BeginIntermediates();
  // Announces the encoded form of `from` [tile, cols]; EncodeIntermediate()
  // fills it token by token.
  void AddIntermediate(kernels::WeightType type, const float* from,
                       uint32_t cols, const Tile& tile);
  void EncodeIntermediate(uint32_t unit_idx, const float* from, uint32_t token);
  // sum += part(role) x intermediate, for all units in order.
  void RunOutputProducts(std::span<const UnitView> units, PartRole role,
                         const Accumulator& sum, const Tile& tile);
  // The same for rows [begin, end), `sums` being those of the tile.
  template <typename Sum>
  void AddOutputRows(uint32_t begin, uint32_t end, uint32_t tokens,
                     kernels::ProductOutput::Mode mode, Sum* sums);

  // attention_compute.cc
  AttentionScratch ScratchOf(const AttentionSpec& spec, const UnitView& unit,
                             uint32_t unit_idx, const Tile& tile);
  void AttentionTile(const AttentionSpec& spec, std::span<const UnitView> units,
                     const PhaseInput& input, const Tile& tile,
                     const float* angles);
  // Biases, norms and rotation of one token's heads.
  void FinishHeads(const AttentionSpec& spec, const UnitView& unit,
                   const AttentionScratch& scratch, uint32_t token,
                   const float* shared_key, const float* cos_sin);
  void NormHeads(const HeadNormSpec& norm, const UnitView& unit, PartRole role,
                 uint32_t heads, uint32_t dim, float* values);
  void StoreKeysAndValues(const AttentionSpec& spec, const UnitView& unit,
                          const AttentionScratch& scratch, const Tile& tile,
                          uint32_t token);
  kernels::KvShape KvShapeOf(const AttentionSpec& spec) const;
  // All queries of the tile against the cache.
  void RunAttention(const AttentionSpec& spec, std::span<const UnitView> units,
                    const Tile& tile);
  // The queries [begin, end) of a KV group of the unit; query i is head
  // i % heads of the token i / heads.
  void Attend(const AttentionSpec& spec, const UnitView& unit,
              const AttentionScratch& scratch, const Tile& tile, uint32_t group,
              uint32_t begin, uint32_t end);

  // ffn_compute.cc
  void FfnTile(const PhaseSpec& phase, std::span<const UnitView> units,
               const PhaseInput& input, const Tile& tile);
  // gate := activation(gate) * up, or up := activation(up) without gates.
  // Returns which of them has the result.
  float* Activate(Activation activation, const UnitView& unit, float* gate,
                  float* up);

  // expert_compute.cc
  // Tokens that go through the steps of an expert together.
  uint32_t expert_tokens_max() const {
    return base::ScratchTokens(options_.tokens_max) / 2;
  }
  void ExpertUnit(const ExpertsSpec& spec, const UnitView& unit,
                  const PhaseInput& input, const Accumulator& sum);
  void ExpertTile(const ExpertsSpec& spec, const UnitView& unit,
                  std::span<const RoutedToken> tokens, const PhaseInput& input,
                  const Accumulator& sum);
  kernels::ActivationView Gather(std::span<const RoutedToken> tokens,
                                 const kernels::ActivationView& from);
  void AddWeighted(const UnitView& unit, std::span<const RoutedToken> tokens,
                   const float* results, uint32_t row_begin, uint32_t row_end,
                   const Accumulator& sum);

  const Options options_;
  const kernels::KernelTable& kernels_;
  kernels::ThreadTeam& team_;
  memory::KvCache& kv_;
  std::span<const TokenPlace> pass_places_;
  std::span<const TokenPlace> places_;  // of them, those selected
  std::vector<Angles> angles_;
  const uint32_t tile_tokens_max_;
  // Of the largest unit's tokens, or more of smaller ones.
  std::vector<float> scratch_;
  std::vector<int8_t> quants_;
  std::vector<float> scales_;
  std::vector<int16_t> sums_;
  uint64_t quants_used_ = 0;
  std::vector<Product> products_;
  std::vector<ProductTask> tasks_;  // of the team's Run()
  std::vector<kernels::ActivationView> intermediates_;
  std::vector<RoutedToken> routed_;
  // [tokens of a tile of an expert, hidden]; made when the first expert is
  // computed.
  std::optional<kernels::ActivationBuffer> gathered_a8_;
  std::optional<kernels::ActivationBuffer> gathered_f32_;
};

}  // namespace shoal::model

#endif  // SHOAL_MODEL_UNIT_COMPUTE_H_
