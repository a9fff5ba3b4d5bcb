// What a plan says of the states of a job, which are those that its subtasks will store.
#include "cli/state_forms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <eagre/cep/cep.h>
#include <eagre/eagre.h>

namespace eagre {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

struct Click {
  std::string user;
  int64_t value = 0;
  int64_t at = 0;
};
EAGRE_RECORD(Click, user, value, at);

constexpr char kClick[] = "{user:string,value:int64,at:int64}";

class Latest final : public MapFunction<Click, Click>, public CheckpointedFunction {
 public:
  Click Map(const Click& click) override { return click; }

 private:
  UnionListState<int64_t> latest_{this, "latest"};
};

class Total final : public KeyedProcessFunction<std::string, Click, int64_t> {
 public:
  void ProcessElement(const Click& click, Context&, Collector<int64_t>&) override { total_.Mutable() += click.value; }

 private:
  ValueState<int64_t> total_{this, "total"};
};

class StateFormsTest : public ::testing::Test {
 protected:
  SourceStream<Click> Clicks() {
    return job_.Read(Generate<Click>(10,
                                     [](int64_t i) {
                                       return Click{"u", i, i};
                                     }))
        .Name("clicks")
        .WithWatermarks(BoundedOutOfOrderness(0ms), &Click::at);
  }
  // The states of the operator of this name, as "NAME = SCHEMA", its lines joined by " | ".
  std::vector<std::string> StatesOf(const std::string& name) {
    const StatusOr<ChainedGraph> chained = BuildJobGraph(graph_);
    EXPECT_TRUE(chained.ok()) << chained.status();
    plan_.Clear();
    const Status added = AddStateForms(graph_, *chained, plan_);
    EXPECT_TRUE(added.ok()) << added;
    for (const proto::Vertex& vertex : chained->job_graph.vertices()) {
      for (const proto::OperatorNode& node : vertex.operators()) {
        if (node.name() == name) return Render(FormOf(node.id()));
      }
    }
    ADD_FAILURE() << "no operator '" << name << "'";
    return {};
  }
  const proto::OperatorForm& FormOf(const std::string& id) {
    for (const proto::OperatorForm& form : plan_.forms()) {
      if (form.operator_id() == id) return form;
    }
    return proto::OperatorForm::default_instance();
  }
  std::vector<std::string> Render(const proto::OperatorForm& form) {
    std::vector<std::string> states;
    for (const proto::StateForm& state : form.states()) {
      std::string schema = state.schema();
      for (size_t at; (at = schema.find('\n')) != std::string::npos;) schema.replace(at, 1, " | ");
      states.push_back(state.name() + " = " + schema);
    }
    form_ = form;
    return states;
  }

  StreamGraph graph_{Configuration()};
  Job job_{graph_};
  proto::JobPlan plan_;
  proto::OperatorForm form_;  // the one that was rendered last
};

TEST_F(StateFormsTest, SourcesFunctionsWindowsAndSortsSayWhatTheyStore) {
  const auto clicks = Clicks();
  clicks.Map(Latest()).Name("latest").WriteTo(Blackhole());
  clicks.KeyBy(&Click::user).Process(Total()).Name("total").WriteTo(Blackhole());
  clicks.KeyBy(&Click::user)
      .Window(Tumbling(2s))
      .Aggregate(int64_t{0}, [](int64_t& sum, const Click& click) { sum += click.value; })
      .Name("sums")
      .WriteTo(Blackhole());
  clicks.SortByEventTime().Name("sort").WriteTo(Blackhole()).Name("sink");
  const std::string record = std::string("record: ") + kClick;

  EXPECT_THAT(StatesOf("clicks"), ElementsAre("source splits = split"));
  EXPECT_TRUE(form_.has_coordinator());
  EXPECT_THAT(StatesOf("latest"), ElementsAre("union list latest = element: int64"));
  EXPECT_FALSE(form_.has_coordinator());
  EXPECT_THAT(StatesOf("total"),
              UnorderedElementsAre("watermark = watermark", "keyed state = key: string | value total: int64",
                                   "event-time timers = timers | key: string",
                                   "processing-time timers = timers | key: string"));
  EXPECT_THAT(StatesOf("sums"),
              UnorderedElementsAre("watermark = watermark",
                                   "windows = windows of 2000 ms from 0 ms | key: string | accumulator: int64"));
  EXPECT_THAT(StatesOf("sort"), UnorderedElementsAre("watermark = watermark", "held keyed records = " + record,
                                                     "held records = " + record));
  // What a sink is going to commit it knows when it is opened.
  EXPECT_THAT(StatesOf("sink"), ElementsAre("committables = "));
}

TEST_F(StateFormsTest, WhatAPatternKeepsCanBeReadInItsOwnFormOnly) {
  const auto small = Pattern<Click>::Begin("small").Where([](const Click& click) { return click.value < 3; });
  Cep::Match(Clicks().KeyBy(&Click::user), small)
      .Select([](const Match<Click>& match) { return match.First("small"); })
      .Name("matches")
      .WriteTo(Blackhole());
  const std::vector<std::string> states = StatesOf("matches");
  EXPECT_THAT(states, Contains(HasSubstr("keyed state = key: string | value ")));
  EXPECT_THAT(states, Contains(HasSubstr("pieces = ")));
  for (const proto::StateForm& state : form_.states()) {
    const bool pattern = state.name() == "keyed state" || state.name() == "pieces";
    EXPECT_EQ(state.exact_size(), pattern ? 1 : 0) << state.name();
  }
}

// A function is copied while the job is built, and then for each operator that is made.
struct Fragile {
  Fragile() = default;
  Fragile(const Fragile&) {
    if (armed) throw std::runtime_error("no more copies");
  }
  Fragile& operator=(const Fragile&) = default;
  Click operator()(const Click& click) const { return click; }
  static inline bool armed = false;
};

TEST_F(StateFormsTest, AFunctionThatThrowsWhenItIsCopiedIsNamed) {
  Clicks().Map(Fragile()).Name("fragile").WriteTo(Blackhole());
  const StatusOr<ChainedGraph> chained = BuildJobGraph(graph_);
  ASSERT_TRUE(chained.ok()) << chained.status();
  Fragile::armed = true;
  const Status added = AddStateForms(graph_, *chained, plan_);
  Fragile::armed = false;
  EXPECT_THAT(std::string(StatusMessage(added)), HasSubstr("'fragile' threw while it was copied: no more copies"));
}

}  // namespace
}  // namespace eagre
