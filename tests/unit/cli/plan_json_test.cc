#include "cli/plan_json.h"

#include <gtest/gtest.h>

#include "cli/json_text.h"

namespace eagre {
namespace {

TEST(JsonTextTest, StringsAreEscaped) {
  EXPECT_EQ(QuoteJson("a\"b\\c\n\x01"), "\"a\\\"b\\\\c\\n\\u0001\"");
}

TEST(JsonTextTest, EmptyContainersStayOnOneLine) {
  JsonText json;
  json.BeginObject().Key("list").BeginArray().EndArray().Key("flag").Bool(true).EndObject();
  EXPECT_EQ(json.Text(), "{\n  \"list\": [],\n  \"flag\": true\n}");
}

TEST(PlanJsonTest, ShowsVerticesInputsOperatorsAndState) {
  proto::JobGraph graph;
  graph.set_name("spend");
  graph.set_digest("d1");
  proto::Vertex* source = graph.add_vertices();
  source->set_id("v0");
  source->set_name("Source: payments");
  source->set_parallelism(1);
  source->set_max_parallelism(128);
  proto::OperatorNode* read = source->add_operators();
  read->set_id("o0");
  read->set_name("payments");
  read->set_kind("source");
  proto::Vertex* window = graph.add_vertices();
  window->set_id("v1");
  window->set_name("spend per user");
  window->set_parallelism(2);
  window->set_max_parallelism(128);
  proto::OperatorNode* sum = window->add_operators();
  sum->set_id("o1");
  sum->set_uid("spend");
  sum->set_name("spend per user");
  sum->set_kind("window");
  proto::OperatorNode* print = window->add_operators();
  print->set_id("o2");
  print->set_name("out");
  print->set_kind("sink");
  print->set_prints_to(proto::STANDARD_OUTPUT);
  proto::StateDeclaration* state = sum->add_states();
  state->set_name("sums");
  state->set_kind("value");
  state->set_schema("double");
  proto::Edge* edge = graph.add_edges();
  edge->set_target_vertex(1);
  edge->set_partitioning(proto::HASH);
  (*graph.mutable_config())["pipeline.name"] = "spend";
  EXPECT_EQ(RenderPlanJson(graph), R"({
  "name": "spend",
  "type": "STREAMING",
  "digest": "d1",
  "nodes": [
    {
      "id": "v0",
      "description": "Source: payments",
      "parallelism": 1,
      "max_parallelism": 128,
      "inputs": [],
      "operators": [
        {
          "id": "o0",
          "name": "payments",
          "kind": "source"
        }
      ]
    },
    {
      "id": "v1",
      "description": "spend per user",
      "parallelism": 2,
      "max_parallelism": 128,
      "inputs": [
        {
          "num": 0,
          "id": "v0",
          "ship_strategy": "HASH"
        }
      ],
      "operators": [
        {
          "id": "o1",
          "uid": "spend",
          "name": "spend per user",
          "kind": "window",
          "states": [
            {
              "name": "sums",
              "kind": "value",
              "schema": "double"
            }
          ]
        },
        {
          "id": "o2",
          "name": "out",
          "kind": "sink",
          "prints_to": "stdout"
        }
      ]
    }
  ],
  "config": {
    "pipeline.name": "spend"
  }
})");
}

}  // namespace
}  // namespace eagre
