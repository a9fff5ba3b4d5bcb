// The DataStream API as a user writes it, run in this process.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <set>

#include <eagre/eagre.h>

namespace eagre {
namespace {

using namespace std::chrono_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

struct Click {
  std::string user;
  int64_t value = 0;
  Timestamp at;
};
EAGRE_RECORD(Click, user, value, at);

template <typename T>
std::vector<T> Collect(const DataStream<T>& stream) {
  StatusOr<std::vector<T>> records = stream.ExecuteAndCollect();
  EXPECT_TRUE(records.ok()) << StatusMessage(records.status());
  if (!records.ok()) return {};
  std::sort(records->begin(), records->end());
  return *std::move(records);
}

class DataStreamTest : public ::testing::TestWithParam<int> {
 protected:
  DataStreamTest() { job_.SetParallelism(GetParam()); }
  DataStream<int64_t> Numbers(int64_t count) {
    return job_.Read(Generate<int64_t>(count, [](int64_t i) { return i; }));
  }
  // Ten users, one click a second each, in order.
  SourceStream<Click> Clicks(int64_t count) {
    return job_
        .Read(Generate<Click>(count,
                              [](int64_t i) {
                                return Click{"u" + std::to_string(i % 10), i, Timestamp(i / 10 * 1000)};
                              }))
        .WithWatermarks(BoundedOutOfOrderness(2s), &Click::at);
  }
  LocalJob job_;
};

TEST_P(DataStreamTest, MapsFiltersAndFlatMaps) {
  auto words = Numbers(6)
                   .Filter([](int64_t n) { return n % 2 == 0; })
                   .Map([](int64_t n) { return std::to_string(n); })
                   .FlatMap([](const std::string& word, Collector<std::string>& out) {
                     out.Collect(word);
                     out.Collect(word + "!");
                   });
  EXPECT_THAT(Collect(words), ElementsAre("0", "0!", "2", "2!", "4", "4!"));
}

class Scale final : public MapFunction<int64_t, int64_t> {
 public:
  explicit Scale(int64_t factor) : factor_(factor) {}
  Status Open(RuntimeContext&) override {
    opened_ = true;
    return OkStatus();
  }
  int64_t Map(const int64_t& value) override { return opened_ ? value * factor_ : -1; }

 private:
  const int64_t factor_;
  bool opened_ = false;
};

TEST_P(DataStreamTest, AFunctionMayBeAnObjectThatIsOpenedOnEverySubtask) {
  EXPECT_THAT(Collect(Numbers(4).Map(Scale(3))), ElementsAre(0, 3, 6, 9));
}

TEST_P(DataStreamTest, AStreamUsedTwiceGoesToBothAndAUnionJoinsThem) {
  auto numbers = Numbers(3);
  auto small = numbers.Map([](int64_t n) { return n; });
  auto large = numbers.Map([](int64_t n) { return n + 100; });
  EXPECT_THAT(Collect(small.Union(large)), ElementsAre(0, 1, 2, 100, 101, 102));
}

TEST_P(DataStreamTest, RebalanceSpreadsAndBroadcastCopies) {
  class Subtask final : public MapFunction<int64_t, int64_t> {
   public:
    Status Open(RuntimeContext& context) override {
      subtask_ = context.subtask();
      return OkStatus();
    }
    int64_t Map(const int64_t&) override { return subtask_; }

   private:
    int64_t subtask_ = -1;
  };
  auto one = Numbers(90).SetParallelism(1);
  const std::vector<int64_t> spread = Collect(one.Rebalance().Map(Subtask()).SetParallelism(3));
  for (int64_t subtask = 0; subtask < 3; ++subtask) {
    EXPECT_EQ(std::count(spread.begin(), spread.end(), subtask), 30) << "subtask " << subtask;
  }
  LocalJob copies;
  auto source = copies.Read(Generate<int64_t>(10, [](int64_t i) { return i; })).SetParallelism(1);
  EXPECT_EQ(Collect(source.Broadcast().Map(Subtask()).SetParallelism(3)).size(), 30u);
}

TEST_P(DataStreamTest, WindowsOfAKeyedStream) {
  auto counts =
      Clicks(300)
          .KeyBy(&Click::user)
          .Window(Tumbling(10s))
          .Aggregate(
              int64_t{0}, [](int64_t& count, const Click&) { ++count; },
              [](const std::string& user, const TimeWindow& window, const int64_t& count, Collector<std::string>& out) {
                out.Collect(user + "@" + std::to_string(window.start) + "=" + std::to_string(count));
              });
  const std::vector<std::string> results = Collect(counts);
  EXPECT_EQ(results.size(), 30u);
  EXPECT_TRUE(std::binary_search(results.begin(), results.end(), "u3@10000=10"));
}

TEST_P(DataStreamTest, WindowsOfTheWholeStream) {
  auto sums = Clicks(300)
                  .WindowAll(Tumbling(10s))
                  .Reduce([](Click& into, const Click& click) { into.value += click.value; })
                  .Map([](const Click& click) { return click.value; });
  EXPECT_THAT(Collect(sums), ElementsAre(4950, 14950, 24950));
}

TEST_P(DataStreamTest, ARollingReduceEmitsEveryStep) {
  auto sums = Numbers(5).KeyBy([](int64_t n) { return n % 2; }).Reduce([](int64_t a, int64_t b) { return a + b; });
  EXPECT_THAT(Collect(sums), UnorderedElementsAre(0, 2, 6, 1, 4));
}

const OutputTag<std::string> kOdd{"odd"};

TEST_P(DataStreamTest, SideOutputsTakeWhatTheFunctionPutsThere) {
  auto even = Numbers(6).Process([](int64_t n, ProcessContext& context, Collector<int64_t>& out) {
    if (n % 2 == 0)
      out.Collect(n);
    else
      context.Output(kOdd, std::to_string(n));
  });
  EXPECT_THAT(Collect(even.SideOutput(kOdd)), ElementsAre("1", "3", "5"));
}

// Remembers the last value of a user; a timer says when the user was quiet for five seconds.
class Quiet final : public KeyedProcessFunction<std::string, Click, std::string> {
 public:
  void ProcessElement(const Click& click, Context& context, Collector<std::string>&) override {
    if (last_.Get() != nullptr) context.DeleteEventTimeTimer(Timestamp(*last_.Get()) + 5s);
    last_.Set(click.at.ms());
    context.RegisterEventTimeTimer(click.at + 5s);
  }
  void OnTimer(int64_t timestamp, OnTimerContext& context, Collector<std::string>& out) override {
    out.Collect(context.key() + " quiet at " + std::to_string(timestamp));
    last_.Clear();
  }

 private:
  ValueState<int64_t> last_{this, "last"};
};

TEST_P(DataStreamTest, KeyedStateAndEventTimeTimers) {
  EXPECT_THAT(
      Collect(Clicks(40).KeyBy(&Click::user).Process(Quiet())),
      ElementsAre("u0 quiet at 8000", "u1 quiet at 8000", "u2 quiet at 8000", "u3 quiet at 8000", "u4 quiet at 8000",
                  "u5 quiet at 8000", "u6 quiet at 8000", "u7 quiet at 8000", "u8 quiet at 8000", "u9 quiet at 8000"));
}

// Emits the values of each key in the order in which they come.
class Sequence final : public KeyedProcessFunction<std::string, Click, std::string> {
 public:
  void ProcessElement(const Click& click, Context&, Collector<std::string>& out) override {
    std::string& text = text_.Mutable();
    text += std::to_string(click.value) + " ";
    if (++count_.Mutable() == 4) out.Collect(text);
  }

 private:
  ValueState<std::string> text_{this, "text"};
  ValueState<int64_t> count_{this, "count"};
};

TEST_P(DataStreamTest, SortByEventTimeOrdersEveryKeyWhateverTheParallelism) {
  auto clicks = job_.Read(FromValues<Click>({{"a", 3, Timestamp(3000)},
                                             {"b", 1, Timestamp(1000)},
                                             {"a", 1, Timestamp(1000)},
                                             {"b", 9, Timestamp(3000)},
                                             {"a", 2, Timestamp(2000)},
                                             {"b", 2, Timestamp(3000)},
                                             {"a", 4, Timestamp(4000)},
                                             {"b", 0, Timestamp(1000)}}))
                    .WithWatermarks(BoundedOutOfOrderness(10s), &Click::at);
  auto sequences = clicks.KeyBy(&Click::user)
                       .SortByEventTime([](const Click& a, const Click& b) { return a.value < b.value; })
                       .Process(Sequence());
  EXPECT_THAT(Collect(sequences), ElementsAre("0 1 2 9 ", "1 2 3 4 "));
}

TEST_P(DataStreamTest, ASortedKeyedStreamStaysByKeyWhenTheParallelismChanges) {
  auto counts =
      Clicks(400).KeyBy(&Click::user).SortByEventTime().SetParallelism(3).Process(Sequence()).SetParallelism(2);
  // Every user's first four clicks meet in one subtask, so each makes a sequence; split ones would make fewer or
  // others.
  EXPECT_EQ(Collect(counts).size(), 10u);
}

INSTANTIATE_TEST_SUITE_P(Parallelism, DataStreamTest, ::testing::Values(1, 4));

TEST(DataStreamErrors, AnExceptionOfUserCodeFailsTheJobNamingTheOperator) {
  LocalJob job;
  auto broken = job.Read(Generate<int64_t>(10, [](int64_t i) { return i; }))
                    .Map([](int64_t n) -> int64_t {
                      if (n == 7) throw std::runtime_error("seven is not allowed");
                      return n;
                    })
                    .Name("picky");
  const Status status = broken.ExecuteAndCollect().status();
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("operator 'picky'"));
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("seven is not allowed"));
}

TEST(DataStreamErrors, AnExceptionMayHoldAnyBytes) {
  LocalJob job;
  auto broken = job.Read(Generate<int64_t>(10, [](int64_t i) { return i; })).Map([](int64_t) -> int64_t {
    throw std::runtime_error("no text: \xff\x80, and more");
  });
  const Status status = broken.ExecuteAndCollect().status();
  EXPECT_THAT(std::string(StatusMessage(status)), HasSubstr("no text: \uFFFD\uFFFD, and more"));
}

TEST(DataStreamErrors, MistakesInTheGraphAreReportedWithTheOperatorsName) {
  LocalJob same_uid;
  auto numbers = same_uid.Read(Generate<int64_t>(1, [](int64_t i) { return i; }));
  auto a = numbers.Map([](int64_t n) { return n; }).Uid("twice");
  auto b = numbers.Map([](int64_t n) { return n; }).Uid("twice");
  EXPECT_THAT(std::string(StatusMessage(a.Union(b).ExecuteAndCollect().status())), HasSubstr("uid 'twice'"));

  LocalJob named_union;
  auto more = named_union.Read(Generate<int64_t>(1, [](int64_t i) { return i; }));
  EXPECT_THAT(std::string(StatusMessage(more.Union(more).Name("x").ExecuteAndCollect().status())), HasSubstr("union"));

  LocalJob wide_window;
  auto windows = wide_window.Read(Generate<int64_t>(1, [](int64_t i) { return i; }))
                     .WindowAll(Tumbling(1s))
                     .Reduce([](int64_t x, int64_t y) { return x + y; })
                     .Name("total")
                     .SetParallelism(2);
  EXPECT_THAT(std::string(StatusMessage(windows.ExecuteAndCollect().status())), HasSubstr("'total'"));

  LocalJob crooked_forward;
  auto narrow = crooked_forward.Read(Generate<int64_t>(1, [](int64_t i) { return i; })).Name("narrow");
  auto wide = narrow.Forward().Map([](int64_t n) { return n; }).Name("wide").SetParallelism(3);
  EXPECT_THAT(std::string(StatusMessage(wide.ExecuteAndCollect().status())), HasSubstr("Forward() from 'narrow'"));

  LocalJob bad_key;
  bad_key.Set("parallelism.defualt", "2");
  EXPECT_THAT(std::string(StatusMessage(bad_key.Execute())), HasSubstr("parallelism.default"));
}

}  // namespace
}  // namespace eagre
