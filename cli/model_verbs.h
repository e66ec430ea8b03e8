// The verbs below `shoal model`.

#ifndef SHOAL_CLI_MODEL_VERBS_H_
#define SHOAL_CLI_MODEL_VERBS_H_

#include "cli/command.h"

namespace shoal::cli {

void AddModelInspectVerb(Command& model);
void AddModelQuantizeVerb(Command& model);
void AddModelSynthVerb(Command& model);

}  // namespace shoal::cli

#endif  // SHOAL_CLI_MODEL_VERBS_H_
