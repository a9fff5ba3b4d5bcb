// A keyed job with state of any size, which measures itself: every event touches the state of its key, and the sink
// notes when.
//   --keys K --value-bytes B   state: B bytes and a number for each key
//   --hot H                    keys that are touched once each of the K keys was
//   --events N --rate R        R per second; 0: as fast as they go
//   --measure-from I           the first event that counts
//   --report FILE              FILE.<subtask> gets what the sink has seen (bench/jobs/stateful_run.h)
//   --marks FILE               every attempt appends "opened", "first" and "caught-up", each with the time
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include <eagre/eagre.h>

#include "bench/jobs/pause_meter.h"
#include "bench/jobs/stateful_run.h"

using namespace eagre;
using namespace eagre::bench;

namespace {

struct Touch {
  int64_t key = 0;
  int64_t index = 0;
  int64_t due_ns = 0;
};
EAGRE_RECORD(Touch, key, index, due_ns);

int64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

// A line, with the time in milliseconds; appended by one write, so that processes do not tear each other's.
void Mark(const std::string& file, const char* what) {
  if (file.empty()) return;
  const std::string line = fmt::format("{} {}\n", what, NowNs() / 1'000'000);
  const int fd = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT, 0644);
  if (fd < 0) return;
  (void)!::write(fd, line.data(), line.size());
  ::close(fd);
}

class Work final : public KeyedProcessFunction<int64_t, Touch, Touch> {
 public:
  Work(int64_t value_bytes, std::string marks) : value_bytes_(value_bytes), marks_(std::move(marks)) {}

  Status Open(RuntimeContext&) override {
    Mark(marks_, "opened");
    return OkStatus();
  }
  void ProcessElement(const Touch& touch, Context&, Collector<Touch>& out) override {
    if (!std::exchange(any_, true)) Mark(marks_, "first");
    std::string& value = value_.Mutable();
    value.resize(static_cast<size_t>(value_bytes_));
    value[static_cast<size_t>(touch.index) % value.size()] = static_cast<char>(touch.index);
    out.Collect(touch);
    constexpr int64_t kCaughtUpNs = 20'000'000;
    if (!caught_up_ && touch.due_ns > 0 && NowNs() - touch.due_ns < kCaughtUpNs) {
      caught_up_ = true;
      Mark(marks_, "caught-up");
    }
  }

 private:
  int64_t value_bytes_;
  std::string marks_;
  bool any_ = false;
  bool caught_up_ = false;
  ValueState<std::string> value_{this, "value"};
};

class ReportSink final : public Sink<Touch> {
 public:
  ReportSink(std::string path, int64_t measure_from) : path_(std::move(path)), measure_from_(measure_from) {}
  std::string Name() const override { return "Report"; }
  StatusOr<std::unique_ptr<SinkWriter<Touch>>> CreateWriter() const override {
    return std::make_unique<Writer>(path_, measure_from_);
  }

 private:
  class Writer final : public SinkWriter<Touch> {
   public:
    Writer(std::string path, int64_t measure_from) : path_(std::move(path)), measure_from_(measure_from) {}
    Status Open(SinkContext& context) override {
      path_ += "." + std::to_string(context.subtask());
      return OkStatus();
    }
    Status Write(const TypedBatch<Touch>& batch, size_t& position) override {
      const int64_t now_ns = NowNs();
      int64_t most_late_ns = 0;
      for (; position < batch.size(); ++position) {
        const Touch& touch = batch.records()[position];
        if (touch.index < measure_from_) continue;
        if (head_.events++ == 0) head_.first_ns = now_ns;
        head_.last_ns = now_ns;
        if (touch.due_ns == 0) continue;
        most_late_ns = std::max(most_late_ns, now_ns - touch.due_ns);
        microseconds_.push_back(static_cast<float>(now_ns - touch.due_ns) / 1000);
      }
      if (most_late_ns > 0) meter_.OnRecords(most_late_ns);
      return OkStatus();
    }
    Status Close(bool failed) override {
      if (failed) return OkStatus();
      std::FILE* file = std::fopen(path_.c_str(), "wb");
      if (file == nullptr) return Unavailable("cannot write {}", path_);
      head_.pauses = meter_.pauses();
      std::fwrite(&head_, sizeof head_, 1, file);
      std::fwrite(microseconds_.data(), sizeof(float), microseconds_.size(), file);
      std::fclose(file);
      return OkStatus();
    }

   private:
    std::string path_;
    const int64_t measure_from_;
    StatefulReportHead head_;
    PauseMeter meter_;
    std::vector<float> microseconds_;
  };

  const std::string path_;
  const int64_t measure_from_;
};

}  // namespace

EAGRE_JOB(job, args) {
  const int64_t keys = args.GetInt("keys", 1000);
  const int64_t hot = args.GetInt("hot", keys);
  const auto rate = static_cast<double>(args.GetInt("rate", 0));
  const auto make = [keys, hot, rated = rate > 0](const Due& due, Touch& touch) {
    const int64_t i = due.index;
    // Keys in an order that the table does not know. What is hot is spread over all.
    constexpr int64_t kStep = 7919;
    touch = {i < keys ? i : i * kStep % hot * (keys / hot), i, rated ? due.ns : 0};
  };
  job.Read(Generate<Touch>(args.GetInt("events", 100'000), make).RatePerSecond(rate))
      .Uid("source")
      .KeyBy(&Touch::key)
      .Process(Work(args.GetInt("value-bytes", 100), args.Get("marks", "")))
      .Uid("work")
      .WriteTo(ReportSink(args.Get("report"), args.GetInt("measure-from", 0)))
      .Uid("report");
}
