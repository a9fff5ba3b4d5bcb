#include "jobmanager/graph_check.h"

namespace eagre {
namespace {

constexpr int kMaxParallelism = 32768;
constexpr int kMaxVertices = 10'000;
constexpr int kMaxJobSlots = 1 << 20;

Status CheckVertex(const proto::JobGraph& graph, const proto::Vertex& vertex) {
  if (vertex.parallelism() < 1 || vertex.parallelism() > kMaxParallelism) {
    return InvalidArgument("job '{}': '{}' has parallelism {}; expected 1 to {}", graph.name(), vertex.name(),
                           vertex.parallelism(), kMaxParallelism);
  }
  if (vertex.max_parallelism() > 0 && vertex.parallelism() > vertex.max_parallelism()) {
    return InvalidArgument("job '{}': '{}' has parallelism {}, above its maximum of {} (pipeline.max-parallelism)",
                           graph.name(), vertex.name(), vertex.parallelism(), vertex.max_parallelism());
  }
  if (vertex.slot_offset() < 0 || vertex.slot_offset() > kMaxJobSlots) {
    return InvalidArgument("job '{}': '{}' begins at job slot {}; at most {} are possible", graph.name(), vertex.name(),
                           vertex.slot_offset(), kMaxJobSlots);
  }
  if (vertex.operators().empty()) return InvalidArgument("job '{}': '{}' has no operator", graph.name(), vertex.name());
  return OkStatus();
}

}  // namespace

Status CheckGraph(const proto::JobGraph& graph) {
  if (graph.name().empty()) return InvalidArgument("the job has no name");
  if (graph.vertices().empty()) {
    return InvalidArgument("job '{}' is empty: it has no source that leads to a sink", graph.name());
  }
  if (graph.vertices_size() > kMaxVertices) {
    return InvalidArgument("job '{}' has {} vertices; at most {} are possible", graph.name(), graph.vertices_size(),
                           kMaxVertices);
  }
  for (const proto::Vertex& vertex : graph.vertices()) EAGRE_RETURN_IF_ERROR(CheckVertex(graph, vertex));
  for (const proto::Edge& edge : graph.edges()) {
    if (edge.source_vertex() < 0 || edge.source_vertex() >= edge.target_vertex() ||
        edge.target_vertex() >= graph.vertices_size()) {
      return InvalidArgument("job '{}' has an edge from vertex {} to vertex {} of {}", graph.name(),
                             edge.source_vertex(), edge.target_vertex(), graph.vertices_size());
    }
  }
  return OkStatus();
}

}  // namespace eagre
