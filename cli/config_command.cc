#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/config.h"
#include "cli/commands.h"
#include "cli/settings.h"

namespace eagre {

void AddConfigCommand(Verb& eagre) {
  const auto markdown = std::make_shared<bool>(false);
  Verb verb =
      eagre.AddVerb("config", "Shows every configuration key with its default, its meaning, and the value that is set");
  verb.Flag("--markdown", *markdown, "As the page docs/configuration.md");
  verb.Run([markdown](const Invocation& invocation) {
    const StatusOr<Configuration> config = LoadConfig(invocation.global);
    if (!config.ok()) return ReportFailure("config", config.status());
    fmt::print("{}", *markdown ? RenderConfigMarkdown() : RenderConfigTable(*config));
    return 0;
  });
}

}  // namespace eagre
