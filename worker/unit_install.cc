#include "worker/unit_install.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/status_macros.h"

namespace shoal::worker {
namespace {

using kernels::LayoutId;
using model::UnitLayout;
using model::UnitPart;
using parallel::UnitFetcher;

template <typename Convert>
void ConvertUnit(const UnitLayout& unit, std::span<const std::byte> from,
                 std::span<std::byte> to, Convert convert) {
  SHOAL_CHECK(from.size() == unit.spec.bytes && to.size() == from.size());
  std::memset(to.data(), 0, to.size());  // the padding between parts
  for (const UnitPart& part : unit.parts) {
    convert(part, from.subspan(part.unit_offset, part.bytes()),
            to.subspan(part.unit_offset, part.bytes()));
  }
}

// Units that lie in the store in the layout of another instruction set.
absl::Status RepackOthers(const model::UnitTable& units, LayoutId layout,
                          memory::WeightStore& store) {
  std::vector<std::byte> canonical;
  std::vector<std::byte> packed;
  for (const uint32_t other : store.OtherLayouts()) {
    if (other != static_cast<uint32_t>(LayoutId::kCanonical) &&
        other != static_cast<uint32_t>(LayoutId::kTile16)) {
      continue;  // of a newer program; leave it alone
    }
    SHOAL_RETURN_IF_ERROR(
        store.TakeUnitsOf(other, [&](uint32_t index, const base::Digest& digest,
                                     std::span<const std::byte> stored) {
          const UnitLayout& unit = units.unit(index);
          canonical.resize(stored.size());
          packed.resize(stored.size());
          UnpackUnit(unit, static_cast<LayoutId>(other), stored, canonical);
          PackUnit(unit, layout, canonical, packed);
          return store.Write(index, digest, packed);
        }));
  }
  return absl::OkStatus();
}

}  // namespace

void PackUnit(const UnitLayout& unit, LayoutId layout,
              std::span<const std::byte> canonical,
              std::span<std::byte> packed) {
  ConvertUnit(unit, canonical, packed,
              [&](const UnitPart& part, std::span<const std::byte> from,
                  std::span<std::byte> to) {
                kernels::Pack(part.type, part.rows, part.cols, layout, from,
                              to);
              });
}

void UnpackUnit(const UnitLayout& unit, LayoutId layout,
                std::span<const std::byte> packed,
                std::span<std::byte> canonical) {
  ConvertUnit(unit, packed, canonical,
              [&](const UnitPart& part, std::span<const std::byte> from,
                  std::span<std::byte> to) {
                kernels::Unpack(part.type, part.rows, part.cols, layout, from,
                                to);
              });
}

absl::StatusOr<uint64_t> InstallUnits(
    const model::UnitTable& units, std::span<const uint32_t> unit_indices,
    LayoutId layout, memory::WeightStore& store, UnitFetcher& fetcher,
    absl::FunctionRef<void(const parallel::LoadProgress&)> progress) {
  SHOAL_RETURN_IF_ERROR(RepackOthers(units, layout, store));
  std::vector<UnitFetcher::Item> items;
  parallel::LoadProgress state;
  state.what = "checking units";
  for (const uint32_t index : unit_indices) {
    items.push_back({index, store.DigestOf(index)});
    state.bytes_total += units.unit(index).spec.bytes;
  }
  uint64_t sent_bytes = 0;
  std::vector<std::byte> packed;
  SHOAL_RETURN_IF_ERROR(
      fetcher.Fetch(items, [&](const UnitFetcher::Unit& unit) -> absl::Status {
        const UnitLayout& unit_layout = units.unit(unit.unit_index);
        state.bytes_done += unit_layout.spec.bytes;
        if (!unit.unchanged) {
          if (unit.canonical.size() != unit_layout.spec.bytes) {
            return absl::DataLossError(
                absl::StrCat(base::ToString(unit_layout.spec.id), " came with ",
                             unit.canonical.size(), " bytes instead of ",
                             unit_layout.spec.bytes));
          }
          state.what = "fetching units";
          sent_bytes += unit.canonical.size();
          packed.resize(unit.canonical.size());
          PackUnit(unit_layout, layout, unit.canonical, packed);
          SHOAL_RETURN_IF_ERROR(
              store.Write(unit.unit_index, unit.digest, packed));
        }
        progress(state);
        return absl::OkStatus();
      }));
  if (sent_bytes > 0) SHOAL_RETURN_IF_ERROR(store.Sync());
  return sent_bytes;
}

}  // namespace shoal::worker
