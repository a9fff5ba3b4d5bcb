#include <algorithm>
#include <set>
#include <utility>

#include "base/config.h"
#include "base/hash.h"
#include "runtime/key_groups.h"
#include "runtime/stream_graph.h"

namespace eagre {
namespace {

proto::Partitioning ToProto(Partitioning partitioning) {
  switch (partitioning) {
    case Partitioning::kAutomatic:
    case Partitioning::kForward: return proto::FORWARD;
    case Partitioning::kHash: return proto::HASH;
    case Partitioning::kRebalance: return proto::REBALANCE;
    case Partitioning::kBroadcast: return proto::BROADCAST;
    case Partitioning::kShuffle: return proto::SHUFFLE;
    case Partitioning::kRescale: return proto::RESCALE;
    case Partitioning::kGlobal: return proto::GLOBAL;
    case Partitioning::kCustom: return proto::CUSTOM;
  }
  return proto::FORWARD;
}

proto::StandardStream ToProto(StandardStream stream) {
  switch (stream) {
    case StandardStream::kNone: return proto::NO_STANDARD_STREAM;
    case StandardStream::kOutput: return proto::STANDARD_OUTPUT;
    case StandardStream::kError: return proto::STANDARD_ERROR;
  }
  return proto::NO_STANDARD_STREAM;
}

// Every fact of the graph that decides how it runs, in a fixed order.
std::string CanonicalText(const proto::JobGraph& graph) {
  std::string text = fmt::format("job {}\n", graph.name());
  for (const auto& vertex : graph.vertices()) {
    text += fmt::format("vertex {} {} {} {} {}\n", vertex.id(), vertex.name(), vertex.parallelism(),
                        vertex.max_parallelism(), vertex.source());
    if (vertex.slot_sharing_group() != kDefaultSlotSharingGroup) {
      text += fmt::format("slots {} {}\n", vertex.slot_sharing_group(), vertex.slot_offset());
    }
    if (vertex.own_thread()) text += "own thread\n";
    for (const auto& op : vertex.operators()) {
      text += fmt::format("operator {} {} {} {}\n", op.id(), op.name(), op.kind(), op.output_type());
      for (const auto& state : op.states()) {
        text += fmt::format("state {} {} {}\n", state.name(), state.kind(), state.schema());
      }
    }
  }
  for (const auto& edge : graph.edges()) {
    text += fmt::format("edge {} {} {} {} {} {}\n", edge.source_vertex(), edge.source_operator(), edge.source_port(),
                        edge.target_vertex(), edge.target_input(), static_cast<int>(edge.partitioning()));
  }
  return text;
}

// What a person needs to see the difference of two vertices.
std::string DescribeVertex(const proto::Vertex& vertex) {
  std::string text =
      fmt::format("'{}', parallelism {} of {}", vertex.name(), vertex.parallelism(), vertex.max_parallelism());
  if (vertex.own_thread()) text += ", blocking";
  for (const auto& op : vertex.operators()) {
    text += fmt::format("; {} '{}'", op.kind(), op.name());
    if (!op.uid().empty()) text += fmt::format(" uid '{}'", op.uid());
    if (!op.output_type().empty()) text += fmt::format(" of {}", op.output_type());
    for (const auto& state : op.states()) text += fmt::format(", state '{}' {}", state.name(), state.schema());
  }
  return text;
}

class JobGraphBuilder {
 public:
  explicit JobGraphBuilder(const StreamGraph& graph) : graph_(graph) {}

  StatusOr<ChainedGraph> Build() {
    EAGRE_RETURN_IF_ERROR(graph_.error());
    if (graph_.size() == 0) return InvalidArgument("the job is empty: it reads no source");
    EAGRE_RETURN_IF_ERROR(ResolveParallelism());
    EAGRE_RETURN_IF_ERROR(CheckForwardEdges());
    EAGRE_RETURN_IF_ERROR(AssignIds());
    ResolveSlotSharingGroups();
    FindChains();
    EmitVertices();
    PlaceSlotSharingGroups();
    EmitEdges();
    const std::string configured_name = graph_.config().GetString("pipeline.name");
    result_.job_graph.set_name(configured_name.empty() ? graph_.name() : configured_name);
    for (const auto& [key, value] : graph_.config().ExplicitValues())
      (*result_.job_graph.mutable_config())[key] = value;
    result_.job_graph.set_digest(Hash128Hex(CanonicalText(result_.job_graph)));
    return std::move(result_);
  }

 private:
  Status ResolveParallelism() {
    const auto fallback = static_cast<int>(graph_.config().GetInt("parallelism.default"));
    const auto job_max = static_cast<int>(graph_.config().GetInt("pipeline.max-parallelism"));
    for (int i = 0; i < graph_.size(); ++i) {
      const StreamNode& node = graph_.node(i);
      int parallelism = node.parallelism > 0 ? node.parallelism : fallback;
      if (node.fixed_to_one) {
        if (node.parallelism > 1) {
          return InvalidArgument("operator '{}' works on the whole stream and cannot have parallelism {}", node.name,
                                 node.parallelism);
        }
        parallelism = 1;
      }
      int max = node.max_parallelism > 0 ? node.max_parallelism : job_max;
      if (max <= 0) max = DefaultMaxParallelism(parallelism);
      if (parallelism > max || max > kMaxMaxParallelism) {
        return InvalidArgument("operator '{}': parallelism {} must be at most the maximum parallelism {} (at most {})",
                               node.name, parallelism, max, kMaxMaxParallelism);
      }
      parallelism_.push_back(parallelism);
      max_parallelism_.push_back(max);
    }
    return OkStatus();
  }

  Status CheckForwardEdges() const {
    for (int i = 0; i < graph_.size(); ++i) {
      for (const StreamEdge& edge : graph_.node(i).inputs) {
        if (edge.partitioning != Partitioning::kForward || parallelism_[edge.source_node] == parallelism_[i]) continue;
        return InvalidArgument(
            "Forward() from '{}' (parallelism {}) to '{}' (parallelism {}) needs the same parallelism on both sides; "
            "leave it away, or use Rebalance()",
            graph_.node(edge.source_node).name, parallelism_[edge.source_node], graph_.node(i).name, parallelism_[i]);
      }
    }
    return OkStatus();
  }

  Status AssignIds() {
    std::set<std::string> uids;
    for (int i = 0; i < graph_.size(); ++i) {
      const StreamNode& node = graph_.node(i);
      if (!node.uid.empty() && !uids.insert(node.uid).second) {
        return InvalidArgument("two operators have the uid '{}': uids must be unique in a job", node.uid);
      }
      std::string place = fmt::format("place {} {}", i, node.kind);
      for (const StreamEdge& edge : node.inputs)
        place += fmt::format(" {}:{}", ids_[edge.source_node], edge.source_port);
      ids_.push_back(Hash128Hex(node.uid.empty() ? place : "uid " + node.uid));
    }
    return OkStatus();
  }

  void ResolveSlotSharingGroups() {
    for (int i = 0; i < graph_.size(); ++i) {
      const StreamNode& node = graph_.node(i);
      std::string group = node.slot_sharing_group;
      if (group.empty()) {
        group = node.inputs.empty() ? kDefaultSlotSharingGroup : groups_[node.inputs[0].source_node];
        for (const StreamEdge& edge : node.inputs) {
          if (groups_[edge.source_node] != group) group = kDefaultSlotSharingGroup;
        }
      }
      groups_.push_back(std::move(group));
    }
  }

  // Groups lie one behind the other, in the order of their first vertices.
  void PlaceSlotSharingGroups() {
    std::vector<std::pair<std::string, int>> widths;
    const auto width_of = [&](const std::string& group) {
      return std::find_if(widths.begin(), widths.end(), [&](const auto& entry) { return entry.first == group; });
    };
    for (const proto::Vertex& vertex : result_.job_graph.vertices()) {
      auto found = width_of(vertex.slot_sharing_group());
      if (found == widths.end()) found = widths.insert(found, {vertex.slot_sharing_group(), 0});
      found->second = std::max(found->second, vertex.parallelism());
    }
    for (proto::Vertex& vertex : *result_.job_graph.mutable_vertices()) {
      int offset = 0;
      for (auto entry = widths.begin(); entry->first != vertex.slot_sharing_group(); ++entry) offset += entry->second;
      vertex.set_slot_offset(offset);
    }
  }

  bool DerivesMaxParallelism(const std::vector<int>& nodes) const {
    return graph_.config().GetInt("pipeline.max-parallelism") <= 0 &&
           std::all_of(nodes.begin(), nodes.end(), [this](int i) { return graph_.node(i).max_parallelism <= 0; });
  }

  // An edge without an explicit choice goes subtask to subtask where the parallelism is equal, and round robin else.
  Partitioning Effective(const StreamEdge& edge, int target) const {
    if (edge.partitioning != Partitioning::kAutomatic) return edge.partitioning;
    const bool same_parallelism = parallelism_[edge.source_node] == parallelism_[target];
    if (!edge.create_hasher) return same_parallelism ? Partitioning::kForward : Partitioning::kRebalance;
    const bool same_key_groups = max_parallelism_[edge.source_node] == max_parallelism_[target];
    return same_parallelism && same_key_groups ? Partitioning::kForward : Partitioning::kHash;
  }

  bool Chains(int target, const std::map<std::pair<int, int>, int>& consumers) const {
    const StreamNode& node = graph_.node(target);
    if (node.inputs.size() != 1 || !graph_.config().GetBool("pipeline.operator-chaining.enabled")) return false;
    const StreamEdge& edge = node.inputs[0];
    if (node.blocking || graph_.node(edge.source_node).blocking) return false;
    if (!node.chains_to_input || !graph_.node(edge.source_node).chains_to_outputs) return false;
    return Effective(edge, target) == Partitioning::kForward && groups_[edge.source_node] == groups_[target] &&
           max_parallelism_[edge.source_node] == max_parallelism_[target] &&
           consumers.at({edge.source_node, edge.source_port}) == 1;
  }

  void FindChains() {
    std::map<std::pair<int, int>, int> consumers;
    for (int i = 0; i < graph_.size(); ++i) {
      for (const StreamEdge& edge : graph_.node(i).inputs) ++consumers[{edge.source_node, edge.source_port}];
    }
    children_.resize(graph_.size());
    for (int i = 0; i < graph_.size(); ++i) {
      const bool chained = Chains(i, consumers);
      if (chained)
        children_[graph_.node(i).inputs[0].source_node].push_back(i);
      else
        heads_.push_back(i);
    }
    vertex_of_.resize(graph_.size());
    place_of_.resize(graph_.size());
    for (const int head : heads_) {
      result_.vertex_nodes.emplace_back();
      Collect(head);
    }
  }

  void Collect(int node) {  // pre-order
    auto& nodes = result_.vertex_nodes.back();
    vertex_of_[node] = static_cast<int>(result_.vertex_nodes.size()) - 1;
    place_of_[node] = static_cast<int>(nodes.size());
    nodes.push_back(node);
    for (const int child : children_[node]) Collect(child);
  }

  void EmitVertices() {
    for (const auto& nodes : result_.vertex_nodes) {
      proto::Vertex& vertex = *result_.job_graph.add_vertices();
      std::string name;
      for (const int index : nodes) {
        const StreamNode& node = graph_.node(index);
        name += (name.empty() ? "" : " -> ") + node.name;
        proto::OperatorNode& op = *vertex.add_operators();
        op.set_id(ids_[index]);
        op.set_uid(node.uid);
        op.set_name(node.name);
        op.set_kind(node.kind);
        op.set_prints_to(ToProto(node.prints_to));
        if (!node.ports.empty()) op.set_output_type(std::string(node.ports[0]->name));
        for (const auto& state : node.states) {
          proto::StateDeclaration& declaration = *op.add_states();
          declaration.set_name(state.name);
          declaration.set_kind(state.kind);
          declaration.set_schema(state.schema);
        }
      }
      vertex.set_id(ids_[nodes[0]]);
      vertex.set_name(name);
      vertex.set_parallelism(parallelism_[nodes[0]]);
      vertex.set_max_parallelism(max_parallelism_[nodes[0]]);
      vertex.set_derived_max_parallelism(DerivesMaxParallelism(nodes));
      vertex.set_source(graph_.node(nodes[0]).inputs.empty());
      vertex.set_slot_sharing_group(groups_[nodes[0]]);
      vertex.set_own_thread(graph_.node(nodes[0]).blocking);
    }
  }

  void EmitEdges() {
    for (const int head : heads_) {
      for (const StreamEdge& stream_edge : graph_.node(head).inputs) {
        proto::Edge& edge = *result_.job_graph.add_edges();
        edge.set_source_vertex(vertex_of_[stream_edge.source_node]);
        edge.set_source_operator(place_of_[stream_edge.source_node]);
        edge.set_source_port(stream_edge.source_port);
        edge.set_target_vertex(vertex_of_[head]);
        edge.set_target_input(stream_edge.input);
        edge.set_partitioning(ToProto(Effective(stream_edge, head)));
        edge.set_keyed(stream_edge.partitioning == Partitioning::kAutomatic && stream_edge.create_hasher != nullptr);
        result_.edges.push_back(&stream_edge);
      }
    }
  }

  const StreamGraph& graph_;
  std::vector<int> parallelism_;
  std::vector<int> max_parallelism_;
  std::vector<std::string> ids_;
  std::vector<std::string> groups_;  // slot sharing groups
  std::vector<int> heads_;
  std::vector<std::vector<int>> children_;
  std::vector<int> vertex_of_;
  std::vector<int> place_of_;
  ChainedGraph result_;
};

}  // namespace

int StreamGraph::AddNode(StreamNode node) {
  for (const StreamEdge& edge : node.inputs) EAGRE_CHECK(edge.source_node >= 0 && edge.source_node < size());
  nodes_.push_back(std::move(node));
  return size() - 1;
}

void OverrideMaxParallelism(proto::JobGraph& graph, const std::map<std::string, int>& of_vertices) {
  bool changed = false;
  for (proto::Vertex& vertex : *graph.mutable_vertices()) {
    const auto found = of_vertices.find(vertex.id());
    if (!vertex.derived_max_parallelism() || found == of_vertices.end()) continue;
    changed = changed || vertex.max_parallelism() != found->second;
    vertex.set_max_parallelism(found->second);
  }
  if (!changed) return;
  for (proto::Edge& edge : *graph.mutable_edges()) {
    if (!edge.keyed()) continue;
    const proto::Vertex& source = graph.vertices(edge.source_vertex());
    const proto::Vertex& target = graph.vertices(edge.target_vertex());
    const bool alike =
        source.parallelism() == target.parallelism() && source.max_parallelism() == target.max_parallelism();
    edge.set_partitioning(alike ? proto::FORWARD : proto::HASH);
  }
  graph.set_digest(Hash128Hex(CanonicalText(graph)));
}

int RequiredSlots(const proto::JobGraph& graph) {
  int slots = 0;
  for (const proto::Vertex& vertex : graph.vertices()) {
    slots = std::max(slots, vertex.slot_offset() + vertex.parallelism());
  }
  return slots;
}

StatusOr<ChainedGraph> BuildJobGraph(const StreamGraph& graph) {
  return JobGraphBuilder(graph).Build();
}

std::string DescribeGraphDifference(const proto::JobGraph& expected, const proto::JobGraph& actual) {
  if (expected.digest() == actual.digest()) return "";
  const int vertices = std::min(expected.vertices_size(), actual.vertices_size());
  for (int i = 0; i < vertices; ++i) {
    const proto::Vertex& a = expected.vertices(i);
    const proto::Vertex& b = actual.vertices(i);
    if (a.SerializeAsString() == b.SerializeAsString()) continue;
    return fmt::format("vertex {} is [{}] in the submitted graph and [{}] here", i, DescribeVertex(a),
                       DescribeVertex(b));
  }
  if (expected.vertices_size() != actual.vertices_size()) {
    return fmt::format("the submitted graph has {} vertices, the one built here {}", expected.vertices_size(),
                       actual.vertices_size());
  }
  return "the graphs differ in an edge or in the job's name";
}

}  // namespace eagre
