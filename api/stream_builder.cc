#include "api/stream_builder.h"

#include <algorithm>
#include <utility>

#include "runtime/key_groups.h"

namespace eagre {
namespace {

StreamNode* SingleNode(StreamGraph& graph, const std::vector<StreamOrigin>& origins, const char* what) {
  if (origins.size() == 1) return &graph.node(origins[0].node);
  graph.AddError(
      InvalidArgument("{} on a union: a union is no operator; set it on the operators before or after it", what));
  return nullptr;
}

}  // namespace

int AddTransformation(StreamGraph& graph, const std::vector<StreamOrigin>& inputs, StreamNode node,
                      std::function<std::unique_ptr<BatchKeyHasher>()> create_hasher, bool partitioned) {
  return AddMultiInputTransformation(graph, {{inputs, std::move(create_hasher), partitioned}}, std::move(node));
}

int AddMultiInputTransformation(StreamGraph& graph, const std::vector<StreamInput>& inputs, StreamNode node) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    const StreamInput& input = inputs[i];
    const bool hashed = input.create_hasher && !input.partitioned;
    for (const StreamOrigin& origin : input.origins) {
      node.inputs.push_back({.source_node = origin.node,
                             .source_port = origin.port,
                             .input = static_cast<int>(i),
                             .partitioning = hashed ? Partitioning::kHash : origin.partitioning,
                             .create_hasher = input.create_hasher,
                             .create_partitioner = origin.create_partitioner});
    }
  }
  return graph.AddNode(std::move(node));
}

Status CheckBroadcast(const std::vector<StreamOrigin>& origins) {
  for (const StreamOrigin& origin : origins) {
    if (origin.partitioning == Partitioning::kBroadcast) continue;
    return InvalidArgument(
        "the second stream of Connect must reach every subtask for a broadcast function, or else be keyed as the "
        "first: "
        "write Connect(rules.Broadcast()), or Connect(rules.KeyBy(...)) with a KeyedCoProcessFunction");
  }
  return OkStatus();
}

int SideOutputPort(StreamGraph& graph, int index, const std::string& tag, const BatchType& type) {
  StreamNode& node = graph.node(index);
  const auto found = std::find(node.side_outputs.begin(), node.side_outputs.end(), tag);
  if (found == node.side_outputs.end()) {
    node.side_outputs.push_back(tag);
    node.ports.push_back(&type);
    return static_cast<int>(node.ports.size()) - 1;
  }
  const int port = 1 + static_cast<int>(found - node.side_outputs.begin());
  if (node.ports[port] != &type) {
    graph.AddError(InvalidArgument("side output '{}' of operator '{}' is used with two types, {} and {}", tag,
                                   node.name, node.ports[port]->name, type.name));
  }
  return port;
}

void SetName(StreamGraph& graph, const std::vector<StreamOrigin>& origins, std::string name) {
  if (StreamNode* node = SingleNode(graph, origins, "Name")) node->name = std::move(name);
}

void SetUid(StreamGraph& graph, const std::vector<StreamOrigin>& origins, std::string uid) {
  if (StreamNode* node = SingleNode(graph, origins, "Uid")) node->uid = std::move(uid);
}

void SetParallelism(StreamGraph& graph, const std::vector<StreamOrigin>& origins, int parallelism) {
  StreamNode* node = SingleNode(graph, origins, "SetParallelism");
  if (node == nullptr) return;
  if (parallelism < 1 || parallelism > kMaxMaxParallelism) {
    graph.AddError(InvalidArgument("operator '{}': parallelism {} is not between 1 and {}", node->name, parallelism,
                                   kMaxMaxParallelism));
    return;
  }
  node->parallelism = parallelism;
}

void SetMaxParallelism(StreamGraph& graph, const std::vector<StreamOrigin>& origins, int max_parallelism) {
  StreamNode* node = SingleNode(graph, origins, "SetMaxParallelism");
  if (node == nullptr) return;
  if (max_parallelism < 1 || max_parallelism > kMaxMaxParallelism) {
    graph.AddError(InvalidArgument("operator '{}': maximum parallelism {} is not between 1 and {}", node->name,
                                   max_parallelism, kMaxMaxParallelism));
    return;
  }
  node->max_parallelism = max_parallelism;
}

void SetChaining(StreamGraph& graph, const std::vector<StreamOrigin>& origins, bool to_input, bool to_outputs) {
  StreamNode* node = SingleNode(graph, origins, to_outputs ? "StartNewChain" : "DisableChaining");
  if (node == nullptr) return;
  node->chains_to_input = to_input;
  node->chains_to_outputs = to_outputs;
}

void SetBlocking(StreamGraph& graph, const std::vector<StreamOrigin>& origins) {
  if (StreamNode* node = SingleNode(graph, origins, "Blocking")) node->blocking = true;
}

void SetSlotSharingGroup(StreamGraph& graph, const std::vector<StreamOrigin>& origins, std::string group) {
  StreamNode* node = SingleNode(graph, origins, "SlotSharingGroup");
  if (node == nullptr) return;
  if (group.empty()) {
    graph.AddError(InvalidArgument("operator '{}': the name of a slot sharing group is empty", node->name));
    return;
  }
  node->slot_sharing_group = std::move(group);
}

}  // namespace eagre
