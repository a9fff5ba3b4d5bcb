#include "cli/verb.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "base/edit_distance.h"

namespace eagre {
namespace {

void AddGlobalOptions(CLI::App& app, GlobalOptions& global) {
  app.add_option("--config", global.config_file,
                 "Configuration file (default: ./eagre.yaml, else $EAGRE_CONF_DIR/eagre.yaml, where there is one)")
      ->type_name("FILE");
  app.add_option("-D", global.dynamic_properties, "Sets a configuration key; may be repeated")
      ->type_name("key=value")
      ->allow_extra_args(false);
}

// Says which words nobody expected. A verb that takes a job takes the job's own arguments too, but behind `--`.
void ReportUnexpected(const CLI::App& app, const Invocation& invocation) {
  const std::string verb = app.get_subcommands().empty() ? "" : app.get_subcommands().front()->get_name();
  const std::string unexpected = fmt::format("{}", fmt::join(app.remaining(/*recurse=*/true), " "));
  fmt::print(stderr, "eagre {}: not expected: {}\n", verb, unexpected);
  if (invocation.verbs_with_job_args.contains(verb)) {
    fmt::print(stderr, "A job's own arguments follow `--`, as in: eagre {} job.cc -- --input FILE\n", verb);
  }
  fmt::print(stderr, "Run with --help for more information.\n");
}

// A verb was missing, where `app` was the last that was understood: says which of the words that are left is none, and
// what may be meant.
void ReportMissingVerb(const CLI::App& app, const std::vector<std::string>& words) {
  const std::string word = words.empty() ? "" : words.front();
  std::string verbs;
  NearestWord nearest(word, std::max<size_t>(2, word.size() / 2));
  for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
    verbs += (verbs.empty() ? "" : ", ") + verb->get_name();
    nearest.Offer(verb->get_name());
  }
  const std::string after = app.get_parent() == nullptr ? "eagre" : "eagre " + app.get_name();
  if (words.empty()) {
    fmt::print(stderr, "{}: a verb is missing; expected one of: {}\n", after, verbs);
  } else {
    const std::string meant = nearest.found().empty() ? "" : fmt::format("; did you mean '{}'?", nearest.found());
    fmt::print(stderr, "{}: '{}' is no verb{}\nExpected one of: {}\n", after, word, meant, verbs);
  }
  fmt::print(stderr, "Run with --help for more information.\n");
}

std::string CheckPositive(const std::string& text) {
  int value = 0;
  const bool valid = CLI::detail::lexical_cast(text, value) && value >= 1;
  return valid ? "" : fmt::format("expected a whole number of at least 1, not '{}'", text);
}

}  // namespace

Verb Verb::AddVerb(const std::string& name, const std::string& help) {
  parser_->require_subcommand(1);
  return {*parser_->add_subcommand(name, help), *invocation_};
}

void Verb::Apply(const OptionRules& rules, CLI::Option& option) {
  if (!rules.value_name.empty()) option.type_name(rules.value_name);
  option.required(rules.required);
  if (rules.positive) option.check(CheckPositive);
  if (!rules.choices.empty()) option.check(CLI::IsMember(rules.choices))->capture_default_str();
  if (rules.hidden) option.group("");
}

void Verb::Option(const std::string& names, std::string& value, const std::string& help, const OptionRules& rules) {
  if (rules.takes_job_args) invocation_->verbs_with_job_args.insert(parser_->get_name());
  Apply(rules, *parser_->add_option(names, value, help));
}

void Verb::Option(const std::string& names, int& value, const std::string& help, const OptionRules& rules) {
  Apply(rules, *parser_->add_option(names, value, help));
}

void Verb::Flag(const std::string& names, bool& value, const std::string& help, const OptionRules& rules) {
  // The parser takes a dash and several letters for as many flags.
  std::string known = names;
  const size_t comma = names.find(',');
  if (comma != std::string::npos && comma > 2 && names[1] != '-') {
    known = names.substr(comma + 1);
    invocation_->one_dash_names[names.substr(0, comma)] = known;
  }
  Apply(rules, *parser_->add_flag(known, value, help));
}

void Verb::Run(std::function<int(const Invocation&)> run) {
  parser_->callback([invocation = invocation_, run = std::move(run)] {
    invocation->run = [invocation, run] { return run(*invocation); };
  });
}

int RunCommandLine(std::vector<std::string> words, const std::string& version, const std::string& footer,
                   const std::function<void(Verb& eagre)>& declare) {
  Invocation invocation;
  const auto separator = std::find(words.begin(), words.end(), "--");
  if (separator != words.end()) {
    invocation.job_args.assign(separator + 1, words.end());
    words.erase(separator, words.end());
  }
  CLI::App app("Eagre runs event-stream jobs: on this machine, or on a cluster of JobManager and TaskManagers.",
               "eagre");
  app.fallthrough();
  app.footer(footer);
  app.set_version_flag("-v,--version", version);
  AddGlobalOptions(app, invocation.global);
  Verb eagre(app, invocation);
  declare(eagre);
  for (std::string& word : words) {
    if (const auto name = invocation.one_dash_names.find(word); name != invocation.one_dash_names.end()) {
      word = name->second;
    }
  }
  // The parser takes its words from the back.
  std::reverse(words.begin(), words.end());
  try {
    app.parse(std::move(words));
  } catch (const CLI::ExtrasError&) {
    ReportUnexpected(app, invocation);
    return 1;
  } catch (const CLI::RequiredError& error) {
    const CLI::App* last = &app;
    while (!last->get_subcommands().empty()) last = last->get_subcommands().front();
    if (last->get_require_subcommand_min() == 0) return app.exit(error) == 0 ? 0 : 1;
    ReportMissingVerb(*last, app.remaining(/*recurse=*/true));
    return 1;
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 1;
  }
  return invocation.run();
}

}  // namespace eagre
