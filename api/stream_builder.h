// The type-erased half of the DataStream API: adds nodes and edges to the StreamGraph, so that the templates stay thin.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "runtime/stream_graph.h"

namespace eagre {

// Where a stream comes from; a union comes from several places.
struct StreamOrigin {
  int node = 0;
  int port = 0;
  Partitioning partitioning = Partitioning::kAutomatic;
  std::function<std::unique_ptr<BatchPartitioner>()> create_partitioner;  // for kCustom
};

// One input of an operator: a stream, perhaps partitioned by key. With a hasher every edge is. `partitioned`: the
// records lie with their key's subtask already, so that they move only if the parallelism changes.
struct StreamInput {
  std::vector<StreamOrigin> origins;
  std::function<std::unique_ptr<BatchKeyHasher>()> create_hasher;
  bool partitioned = false;
};

// Adds `node`, fed at input 0 by all of `inputs`, as a StreamInput says. Returns its index.
int AddTransformation(StreamGraph& graph, const std::vector<StreamOrigin>& inputs, StreamNode node,
                      std::function<std::unique_ptr<BatchKeyHasher>()> create_hasher = nullptr,
                      bool partitioned = false);

// Adds `node`, fed at input i by inputs[i]. Returns its index.
int AddMultiInputTransformation(StreamGraph& graph, const std::vector<StreamInput>& inputs, StreamNode node);

// OK when a stream from these places is Broadcast().
Status CheckBroadcast(const std::vector<StreamOrigin>& origins);

// The port of a side output of `node`, made when it is first asked for. The same tag with another type is an error.
int SideOutputPort(StreamGraph& graph, int node, const std::string& tag, const BatchType& type);

// Settings of the operator that a stream comes from; an error noted in the graph when the stream is a union.
void SetName(StreamGraph& graph, const std::vector<StreamOrigin>& origins, std::string name);
void SetUid(StreamGraph& graph, const std::vector<StreamOrigin>& origins, std::string uid);
void SetParallelism(StreamGraph& graph, const std::vector<StreamOrigin>& origins, int parallelism);
void SetMaxParallelism(StreamGraph& graph, const std::vector<StreamOrigin>& origins, int max_parallelism);
void SetChaining(StreamGraph& graph, const std::vector<StreamOrigin>& origins, bool to_input, bool to_outputs);
void SetBlocking(StreamGraph& graph, const std::vector<StreamOrigin>& origins);
void SetSlotSharingGroup(StreamGraph& graph, const std::vector<StreamOrigin>& origins, std::string group);

}  // namespace eagre
