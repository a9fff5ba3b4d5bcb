#include "cli/plan_json.h"

#include <map>

#include "cli/json_text.h"

namespace eagre {
namespace {

void WriteOperator(const proto::OperatorNode& node, JsonText& json) {
  json.BeginObject();
  json.Key("id").String(node.id());
  if (!node.uid().empty()) json.Key("uid").String(node.uid());
  json.Key("name").String(node.name()).Key("kind").String(node.kind());
  if (node.prints_to() == proto::STANDARD_OUTPUT) json.Key("prints_to").String("stdout");
  if (node.prints_to() == proto::STANDARD_ERROR) json.Key("prints_to").String("stderr");
  if (!node.output_type().empty()) json.Key("output_type").String(node.output_type());
  if (node.states_size() > 0) {
    json.Key("states").BeginArray();
    for (const proto::StateDeclaration& state : node.states()) {
      json.BeginObject();
      json.Key("name").String(state.name()).Key("kind").String(state.kind()).Key("schema").String(state.schema());
      json.EndObject();
    }
    json.EndArray();
  }
  json.EndObject();
}

void WriteInputs(const proto::JobGraph& graph, int vertex, JsonText& json) {
  json.Key("inputs").BeginArray();
  for (const proto::Edge& edge : graph.edges()) {
    if (edge.target_vertex() != vertex) continue;
    json.BeginObject();
    json.Key("num").Int(edge.target_input());
    json.Key("id").String(graph.vertices(edge.source_vertex()).id());
    json.Key("ship_strategy").String(ShipStrategyName(edge.partitioning()));
    if (edge.source_port() != 0) json.Key("side_output").Int(edge.source_port());
    json.EndObject();
  }
  json.EndArray();
}

}  // namespace

std::string ShipStrategyName(proto::Partitioning partitioning) {
  return proto::Partitioning_Name(partitioning);
}

std::string RenderPlanJson(const proto::JobGraph& graph) {
  JsonText json;
  json.BeginObject();
  json.Key("name").String(graph.name()).Key("type").String("STREAMING").Key("digest").String(graph.digest());
  json.Key("nodes").BeginArray();
  for (int v = 0; v < graph.vertices_size(); ++v) {
    const proto::Vertex& vertex = graph.vertices(v);
    json.BeginObject();
    json.Key("id").String(vertex.id()).Key("description").String(vertex.name());
    json.Key("parallelism").Int(vertex.parallelism()).Key("max_parallelism").Int(vertex.max_parallelism());
    WriteInputs(graph, v, json);
    json.Key("operators").BeginArray();
    for (const proto::OperatorNode& node : vertex.operators()) WriteOperator(node, json);
    json.EndArray();
    json.EndObject();
  }
  json.EndArray();
  json.Key("config").BeginObject();
  const std::map<std::string, std::string> config(graph.config().begin(), graph.config().end());
  for (const auto& [key, value] : config) json.Key(key).String(value);
  json.EndObject();
  json.EndObject();
  return json.Text();
}

}  // namespace eagre
