// A job under construction: where a program's streams begin.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/config.h"
#include "eagre/data_stream.h"
#include "eagre/job_args.h"
#include "eagre/job_stamp.h"
#include "eagre/source.h"
#include "runtime/stream_graph.h"

namespace eagre {

/// Builds one StreamGraph, which must outlive it. One thread. Mistakes are noted and reported when the entry point has
/// returned: no call here fails by itself.
class Job {
 public:
  explicit Job(StreamGraph& graph) : graph_(&graph) {}

  void SetName(std::string name) { graph_->set_name(std::move(name)); }
  /// The parallelism of operators that set none of their own. Over the command line's -p.
  void SetParallelism(int parallelism) { Set("parallelism.default", std::to_string(parallelism)); }
  /// Sets a configuration key for this job; an unknown key or bad value fails the job's start.
  void Set(std::string_view key, std::string_view value) {
    graph_->AddError(graph_->config().Set(key, value, "the job's code"));
  }
  const Configuration& config() const { return graph_->config(); }
  /// Text that every function of the job can ask for (RuntimeContext::parameter), beside the user's arguments.
  void SetParameter(std::string name, std::string value) { graph_->parameters()[std::move(name)] = std::move(value); }

  /// Reads a source: an object of a class derived from Source<T>, such as NdjsonFiles<Payment>(path).
  template <typename S>
  auto Read(S source, std::string name = "") {
    using T = typename S::Record;
    return ReadShared<T>(std::make_shared<const S>(std::move(source)), std::move(name));
  }
  template <typename T>
  SourceStream<T> ReadShared(std::shared_ptr<const Source<T>> source, std::string name = "") {
    return SourceStream<T>::Create(*graph_, std::move(source), std::move(name));
  }

  StreamGraph& graph() { return *graph_; }

 protected:
  StreamGraph* graph_;
};

/// A job that runs in this process: for tests and small programs.
class LocalJob : public Job {
 public:
  LocalJob() : LocalJob(std::make_unique<StreamGraph>(Configuration())) {}
  LocalJob(const LocalJob&) = delete;
  LocalJob& operator=(const LocalJob&) = delete;
  /// Runs what was built and waits. May be called once.
  Status Execute();
  /// The merged accumulators of the finished run, as text by name: "1204", "0.25", "{1: 17, 5: 3}".
  const std::map<std::string, std::string>& accumulators() const { return accumulators_; }

 private:
  explicit LocalJob(std::unique_ptr<StreamGraph> graph);
  std::unique_ptr<StreamGraph> owned_;
  std::map<std::string, std::string> accumulators_;
};

}  // namespace eagre
