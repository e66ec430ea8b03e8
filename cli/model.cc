#include "cli/model_verbs.h"
#include "cli/verbs.h"

namespace shoal::cli {

void AddModelVerb(Command& root) {
  Command& model = root.AddVerb("model", "Looking at and making model files");
  AddModelInspectVerb(model);
  AddModelQuantizeVerb(model);
  AddModelSynthVerb(model);
}

}  // namespace shoal::cli
