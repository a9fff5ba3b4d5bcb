// What the user's program builds: operators and the streams between them, with the factories of their code.
//
// Every process that runs a part of a job builds the same StreamGraph from the job's library and arguments.
// JobGraphBuilder chains it into the JobGraph, whose structure (without code) the JobManager schedules.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/config.h"
#include "base/status.h"
#include "proto/graph.pb.h"
#include "record/batch.h"
#include "runtime/operator.h"
#include "runtime/partition_writer.h"
#include "runtime/standard_stream.h"

namespace eagre {

struct StreamEdge {
  int source_node = 0;
  int source_port = 0;
  int input = 0;  // of the target; several edges into one input are a union
  Partitioning partitioning = Partitioning::kAutomatic;
  // For kHash; with kAutomatic: the records lie with their key's subtask, and are partitioned anew only where the
  // parallelism or the number of key groups differs.
  std::function<std::unique_ptr<BatchKeyHasher>()> create_hasher;
  std::function<std::unique_ptr<BatchPartitioner>()> create_partitioner;  // for kCustom
};

struct StateDeclarationInfo {
  std::string name;
  std::string kind;
  std::string schema;
};

struct StreamNode {
  std::string name;
  std::string uid;                        // empty: none given
  std::string kind;                       // "source", "map", ...
  int parallelism = 0;                    // 0: the job's default
  int max_parallelism = 0;                // 0: the job's default
  bool chains_to_input = true;            // may run in one task with the operator before it ...
  bool chains_to_outputs = true;          // ... and with those after it
  std::string slot_sharing_group;         // empty: that of the inputs if they agree, else kDefaultSlotSharingGroup
  bool blocking = false;                  // user code may wait: a task of its own, with a thread of its own
  bool fixed_to_one = false;              // whole-stream operators: parallelism 1, and asking for another is an error
  std::vector<const BatchType*> ports;    // [0] is the main output; empty for sinks
  std::vector<std::string> side_outputs;  // the tag of each port after [0]; those that nobody reads have no port
  std::vector<StreamEdge> inputs;
  std::vector<StateDeclarationInfo> states;
  StandardStream prints_to = StandardStream::kNone;
  // Called when the graph is complete, once per subtask, with this node.
  std::function<std::unique_ptr<Operator>(const StreamNode& node)> create_operator;
  std::function<std::unique_ptr<OperatorCoordinator>()> create_coordinator;  // null: has none
};

inline constexpr char kDefaultSlotSharingGroup[] = "default";

class StreamGraph {
 public:
  explicit StreamGraph(Configuration config) : config_(std::move(config)) {}

  // Returns the node's index. Inputs must be earlier nodes.
  int AddNode(StreamNode node);
  StreamNode& node(int index) { return nodes_[index]; }
  const StreamNode& node(int index) const { return nodes_[index]; }
  int size() const { return static_cast<int>(nodes_.size()); }

  Configuration& config() { return config_; }
  const Configuration& config() const { return config_; }
  // For user functions; not part of the graph's digest.
  std::map<std::string, std::string>& parameters() { return parameters_; }
  const std::map<std::string, std::string>& parameters() const { return parameters_; }
  const std::string& name() const { return name_; }
  void set_name(std::string name) { name_ = std::move(name); }

  // Runs the finished graph in this process and waits; set by who owns the graph (LocalJob), empty in a job library.
  std::function<Status()> run_locally;

  // Notes a mistake made while building, for the builder calls cannot fail one by one. The first stands; OK is ignored.
  void AddError(Status error) {
    if (error_.ok()) error_ = std::move(error);
  }
  const Status& error() const { return error_; }

 private:
  Configuration config_;
  std::map<std::string, std::string> parameters_;
  std::string name_ = "Eagre Streaming Job";
  std::vector<StreamNode> nodes_;
  Status error_;
};

// A StreamGraph cut into vertices: which stream nodes form the chain of each vertex.
struct ChainedGraph {
  proto::JobGraph job_graph;
  std::vector<std::vector<int>> vertex_nodes;  // by vertex, in chain order (pre-order); [0] is the head
  // The stream edge behind each edge of job_graph.edges.
  std::vector<const StreamEdge*> edges;
};

// Validates and chains. Errors name the operator. `graph` must outlive the result.
StatusOr<ChainedGraph> BuildJobGraph(const StreamGraph& graph);

// Gives vertices, by their ids, another maximum parallelism than the derived one, at least their parallelism.
void OverrideMaxParallelism(proto::JobGraph& graph, const std::map<std::string, int>& of_vertices);

// The job slots that a job needs: one per subtask and slot sharing group, for the largest parallelism of each group.
int RequiredSlots(const proto::JobGraph& graph);

// Empty when equal; else a sentence that names the first difference.
std::string DescribeGraphDifference(const proto::JobGraph& expected, const proto::JobGraph& actual);

}  // namespace eagre
