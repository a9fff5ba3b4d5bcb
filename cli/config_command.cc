#include <cstdio>
#include <memory>

#include <fmt/format.h>

#include "base/config.h"
#include "cli/commands.h"

namespace eagre {

void AddConfigCommand(Verb& eagre) {
  const auto markdown = std::make_shared<bool>(false);
  Verb verb = eagre.AddVerb("config", "Shows every configuration key with its default and meaning");
  verb.Flag("--markdown", *markdown, "As the page docs/configuration.md");
  verb.Run([markdown](const Invocation& invocation) {
    fmt::print("{}", *markdown ? RenderConfigMarkdown() : RenderConfigTable());
    return 0;
  });
}

}  // namespace eagre
