#include "base/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <limits>
#include <map>
#include <string>
#include <thread>

#include "base/process_metrics.h"
#include "base/random.h"

namespace eagre {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// A segment with its memory in reach of the test, as that of a writer gone mad.
class Segment {
 public:
  explicit Segment(size_t bytes = 1 << 16) : bytes_(bytes), fd_(*CreateMetricSegment(bytes)) {
    data_ = static_cast<char*>(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, 0));
    reader_ = *MetricSegmentReader::Open(fd_, bytes);
  }
  ~Segment() {
    munmap(data_, bytes_);
    close(fd_);
  }
  std::unique_ptr<MetricRegistry> NewRegistry() { return *MetricRegistry::InSegment(fd_, bytes_); }
  std::vector<MetricSample> Collect() const { return reader_->Collect(); }
  char* data() { return data_; }
  size_t bytes() const { return bytes_; }
  int fd() const { return fd_; }

 private:
  const size_t bytes_;
  const int fd_;
  char* data_;
  std::unique_ptr<MetricSegmentReader> reader_;
};

TEST(Metrics, AreCollectedWithNamesLabelsAndValues) {
  MetricRegistry registry;
  Counter& records =
      registry.AddCounter("flink_taskmanager_job_task_numRecordsIn", {{"job_name", "My Job"}, {"host", "a.b"}}, "In");
  Gauge& watermark = registry.AddGauge("flink_watermark", {});
  records.Add();
  records.Add(41);
  watermark.Set(static_cast<double>(std::numeric_limits<int64_t>::min()));
  const auto samples = registry.Collect();
  ASSERT_EQ(samples.size(), 2u);
  EXPECT_EQ(samples[0].name, "flink_taskmanager_job_task_numRecordsIn");
  EXPECT_THAT(samples[0].labels, ElementsAre(Pair("job_name", "My_Job"), Pair("host", "a_b")))
      << "filtered as Flink's reporter does";
  EXPECT_EQ(samples[0].help, "In");
  EXPECT_EQ(samples[0].kind, MetricKind::kCounter);
  EXPECT_EQ(samples[0].value, 42);
  EXPECT_EQ(samples[1].kind, MetricKind::kGauge);
  EXPECT_EQ(samples[1].value, -9223372036854775808.0);
}

TEST(Metrics, TheSameNameAndLabelsAreTheSameMetric) {
  MetricRegistry registry;
  registry.AddGauge("g", {{"a", "1"}}).Set(5);
  Gauge& again = registry.AddGauge("g", {{"a", "1"}});
  Gauge& other = registry.AddGauge("g", {{"a", "2"}});
  EXPECT_EQ(again.value(), 5);
  EXPECT_EQ(other.value(), 0);
  EXPECT_EQ(registry.Collect().size(), 2u);
}

TEST(Metrics, AFullArenaDropsAndCounts) {
  MetricRegistry registry(1024);
  for (int i = 0; i < 100; ++i) registry.AddCounter("counter_" + std::to_string(i), {}).Add(i);
  const auto samples = registry.Collect();
  ASSERT_LT(samples.size(), 100u);
  EXPECT_EQ(samples[0].name, "eagre_metrics_dropped");
  EXPECT_EQ(samples[0].value, 100.0 - static_cast<double>(samples.size() - 1));
  EXPECT_EQ(registry.dropped(), static_cast<int64_t>(samples[0].value));
  EXPECT_EQ(samples.back().value, static_cast<double>(samples.size() - 2)) << "shown metrics are not disturbed";
}

TEST(Metrics, MayBeRegisteredAndReadAtOnce) {
  Segment segment(1 << 20);
  auto registry = segment.NewRegistry();
  std::atomic<bool> done{false};
  std::jthread collector([&] {
    while (!done.load()) {
      for (const MetricSample& sample : segment.Collect()) EXPECT_TRUE(sample.name.starts_with("writer_"));
    }
  });
  {
    std::vector<std::jthread> writers;
    for (int w = 0; w < 3; ++w) {
      writers.emplace_back([&, w] {
        for (int i = 0; i < 200; ++i)
          registry->AddCounter("writer_" + std::to_string(w * 1000 + i), {{"k", "v"}}).Add(i);
      });
    }
  }
  done.store(true);
  EXPECT_EQ(segment.Collect().size(), 600u);
}

TEST(MetricSegment, OutlivesTheDeathOfItsWriter) {
  Segment segment;
  const pid_t child = fork();
  if (child == 0) {
    auto registry = MetricRegistry::InSegment(segment.fd(), segment.bytes());
    (*registry)->AddCounter("records", {}).Add(7);
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto samples = segment.Collect();
  ASSERT_EQ(samples.size(), 1u);
  EXPECT_EQ(samples[0].name, "records");
  EXPECT_EQ(samples[0].value, 7);
}

TEST(MetricSegment, AnEntryHalfWrittenWhenTheWriterDiedIsNotSeen) {
  Segment segment;
  EXPECT_TRUE(segment.Collect().empty()) << "no registry yet";
  auto registry = segment.NewRegistry();
  registry->AddCounter("whole", {}).Add(1);
  // What a crash in the middle of a registration leaves: bytes behind the published end.
  constexpr size_t kPublishedEnd = 8;  // offset in the header
  uint64_t end;
  std::memcpy(&end, segment.data() + kPublishedEnd, sizeof(end));
  std::memset(segment.data() + end, 0x5A, 100);
  ASSERT_EQ(segment.Collect().size(), 1u);
  registry->AddCounter("next", {}).Add(2);
  EXPECT_EQ(segment.Collect().back().name, "next") << "the next registration overwrites the remains";
}

TEST(MetricSegment, AMadWriterNeverHarmsTheReader) {
  SeededRandom random(3);
  Segment segment(4096);
  auto registry = segment.NewRegistry();
  for (int i = 0; i < 20; ++i) registry->AddCounter("c" + std::to_string(i), {{"label", "value"}});
  const std::string sane(segment.data(), segment.bytes());
  for (int round = 0; round < 3000; ++round) {
    std::memcpy(segment.data(), sane.data(), sane.size());
    // The magic stays, so that the reader goes on to read.
    for (uint64_t n = random.Below(30); n > 0; --n)
      segment.data()[8 + random.Below(sane.size() - 8)] = static_cast<char>(random.Next());
    for (const MetricSample& sample : segment.Collect()) EXPECT_LE(sample.name.size(), segment.bytes());
  }
}

TEST(MetricSegment, CannotBeShrunkUnderItsReader) {
  Segment segment;
  EXPECT_NE(ftruncate(segment.fd(), 0), 0) << "touching lost memory would kill the reader";
  EXPECT_FALSE(MetricSegmentReader::Open(segment.fd(), segment.bytes() + 1).ok());
}

TEST(ProcessMetrics, TellWhatTheProcessCosts) {
  MetricRegistry registry;
  ProcessMetrics metrics(registry, "flink_taskmanager", {{"host", "h"}}, SystemClock());
  metrics.Update();
  std::map<std::string, double> values;
  for (const MetricSample& sample : registry.Collect()) values[sample.name] = sample.value;
  EXPECT_GT(values["flink_taskmanager_Status_JVM_Memory_Heap_Used"], 1 << 20);
  EXPECT_GT(values["flink_taskmanager_Status_JVM_Memory_Heap_Max"],
            values["flink_taskmanager_Status_JVM_Memory_Heap_Used"]);
  EXPECT_GT(values["flink_taskmanager_Status_JVM_CPU_Time"], 0);
  EXPECT_TRUE(values.contains("flink_taskmanager_Status_JVM_CPU_Load"));
  EXPECT_GE(values["flink_taskmanager_Status_JVM_Threads_Count"], 1);
  EXPECT_GE(values["flink_taskmanager_Status_FileDescriptor_Open"], 3);
  EXPECT_GT(values["flink_taskmanager_Status_FileDescriptor_Max"],
            values["flink_taskmanager_Status_FileDescriptor_Open"]);
}

TEST(ProcessMetrics, ChildrenCount) {
  MetricRegistry registry;
  ProcessMetrics metrics(registry, "flink_taskmanager", {{"host", "h"}}, SystemClock());
  const auto value = [&](const std::string& name) {
    for (const MetricSample& sample : registry.Collect()) {
      if (sample.name == "flink_taskmanager_Status_JVM_" + name) return sample.value;
    }
    return -1.0;
  };
  int done[2];
  ASSERT_EQ(pipe(done), 0);
  const pid_t child = fork();
  if (child == 0) {
    constexpr int64_t kWorkNs = 50'000'000;
    while (ProcessCpuNs() < kWorkNs) {
    }
    close(done[1]);
    pause();
  }
  close(done[1]);
  char byte;
  EXPECT_EQ(read(done[0], &byte, 1), 0) << "until it has worked";
  close(done[0]);
  metrics.Update();
  const double cpu_ns = value("CPU_Time");
  const double threads = value("Threads_Count");
  const double memory = value("Memory_Heap_Used");
  metrics.Update({child});
  EXPECT_GE(value("CPU_Time"), cpu_ns + 40e6);
  EXPECT_GT(value("Threads_Count"), threads);  // a sanitizer may have one of its own in the child
  EXPECT_GT(value("Memory_Heap_Used"), memory);
  const double with_child_ns = value("CPU_Time");
  kill(child, SIGKILL);
  ASSERT_EQ(waitpid(child, nullptr, 0), child);
  metrics.Update();
  EXPECT_GE(value("CPU_Time"), with_child_ns) << "what ended has cost what it has cost";
}

TEST(MeterTest, ARateFollowsACounter) {
  MetricRegistry registry;
  const MetricLabels labels = {{"host", "h"}};
  Counter& counter = registry.AddCounter("records", labels);
  registry.AddRate(counter, "recordsPerSecond", labels);
  registry.UpdateViews(0);
  counter.Add(50);
  registry.UpdateViews(5'000'000'000);
  for (const MetricSample& sample : registry.Collect()) {
    if (sample.name == "recordsPerSecond") {
      EXPECT_EQ(sample.value, 10);
    }
  }
}

double ValueOf(const MetricRegistry& registry, std::string_view name, std::string_view quantile = "") {
  for (const MetricSample& sample : registry.Collect()) {
    if (sample.name == name && (quantile.empty() || sample.labels.back().second == quantile)) return sample.value;
  }
  return -1;
}

TEST(MeterTest, ShowsEventsPerSecondOfTheLastMinute) {
  MetricRegistry registry;
  Meter& meter = registry.AddMeter("events", {{"host", "h"}});
  EXPECT_EQ(&registry.AddMeter("events", {{"host", "h"}}), &meter);
  EXPECT_NE(&registry.AddMeter("events", {{"host", "i"}}), &meter);
  constexpr int64_t kSecondNs = 1'000'000'000;
  registry.UpdateViews(0);
  EXPECT_EQ(meter.rate(), 0);
  for (int second = 1; second <= 120; ++second) {
    meter.Mark(second <= 60 ? 10 : 40);
    registry.UpdateViews(second * kSecondNs);
    EXPECT_EQ(second > 60 || meter.rate() == 10, true) << "second " << second;
  }
  EXPECT_EQ(meter.rate(), 40);
  EXPECT_EQ(ValueOf(registry, "events"), 40);
  registry.UpdateViews(300 * kSecondNs);
  EXPECT_LT(meter.rate(), 1);
  EXPECT_EQ(meter.count(), 60 * 10 + 60 * 40);
}

TEST(HistogramTest, ShowsQuantilesOfTheLastValuesAndTheCountOfAll) {
  MetricRegistry registry;
  Histogram& histogram = registry.AddHistogram("sizes", {});
  EXPECT_EQ(histogram.Quantile(0.5), 0);
  for (int i = 1; i <= 101; ++i) histogram.Update(i);
  registry.UpdateViews(0);
  EXPECT_EQ(ValueOf(registry, "sizes", "0"), 1);
  EXPECT_EQ(ValueOf(registry, "sizes", "0.5"), 51);
  EXPECT_EQ(ValueOf(registry, "sizes", "0.95"), 96);
  EXPECT_EQ(ValueOf(registry, "sizes", "1"), 101);
  EXPECT_EQ(ValueOf(registry, "sizes_count"), 101);
  for (size_t i = 0; i < Histogram::kWindow; ++i) histogram.Update(7);
  EXPECT_EQ(histogram.Quantile(0.0), 7);
  EXPECT_EQ(histogram.Quantile(1.0), 7);
  EXPECT_EQ(histogram.count(), 101 + static_cast<int64_t>(Histogram::kWindow));
}

}  // namespace
}  // namespace eagre
