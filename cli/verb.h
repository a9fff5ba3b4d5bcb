// A verb of the command line, while it declares its options. CLI11 parses them; its headers, which take seconds to
// compile, stay behind this one. A failed parse ends the process with a message and status 1.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace eagre {

// Options that every verb takes, before or after its name.
struct GlobalOptions {
  std::string config_file;                      // --config
  std::vector<std::string> dynamic_properties;  // -D key=value
};

struct Invocation {
  GlobalOptions global;
  std::map<std::string, std::string> one_dash_names;  // by "-sae", the name that the parser knows
  std::vector<std::string> job_args;                  // what follows `--`: the job's own arguments
  std::set<std::string> verbs_with_job_args;
  std::function<int()> run;  // returns the exit status
};

// How an option looks in the help and what is demanded of it.
struct OptionRules {
  std::string value_name;  // as "JOB_ID"; empty: by its type
  bool required = false;
  bool positive = false;             // for numbers: at least 1
  std::vector<std::string> choices;  // if any, the value is one of them; the value at first is shown as the default
  bool hidden = false;
  bool takes_job_args = false;  // it is a job, whose own arguments may follow `--`
};

class Verb {
 public:
  // Both outlive the parse and the run.
  Verb(CLI::App& parser, Invocation& invocation) : parser_(&parser), invocation_(&invocation) {}

  // A verb below this one. Where there are any, one must be chosen.
  Verb AddVerb(const std::string& name, const std::string& help);

  // `names` as "-p,--parallelism", or "job" for a word given by position. A flag may also have, first, a name of
  // several letters behind one dash, as some of Flink's have: "-sae,--shutdownOnAttachedExit". The value keeps what it
  // has unless the option is given, and outlives the parse.
  void Option(const std::string& names, std::string& value, const std::string& help, const OptionRules& rules = {});
  void Option(const std::string& names, int& value, const std::string& help, const OptionRules& rules = {});
  void Flag(const std::string& names, bool& value, const std::string& help, const OptionRules& rules = {});

  // What to do when this verb was chosen; called when the whole command line has been parsed. Returns the exit status.
  void Run(std::function<int(const Invocation&)> run);

 private:
  static void Apply(const OptionRules& rules, CLI::Option& option);

  CLI::App* parser_;
  Invocation* invocation_;
};

// Parses the words after the program's name and runs the verb that they choose; returns the exit status. `declare` adds
// the verbs; `footer` ends the help.
int RunCommandLine(std::vector<std::string> words, const std::string& version, const std::string& footer,
                   const std::function<void(Verb& eagre)>& declare);

}  // namespace eagre
