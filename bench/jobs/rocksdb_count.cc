#include "bench/jobs/rocksdb_count.h"

#include <eagre/eagre.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "bench/jobs/bench_report.h"

namespace eagre::bench {

EAGRE_RECORD(KeyCount, count, sum, least, most);

struct KeyRecord {
  uint64_t key = 0;
};
EAGRE_RECORD(KeyRecord, key);

namespace {

struct Progress {
  std::atomic<double> wall{0};
  std::atomic<double> cpu{0};
  std::atomic<uint64_t> counted{0};
};

class CountPerKey final : public KeyedProcessFunction<uint64_t, KeyRecord, int64_t> {
 public:
  explicit CountPerKey(std::shared_ptr<Progress> progress) : progress_(std::move(progress)) {}
  void ProcessElement(const KeyRecord&, Context&, Collector<int64_t>&) override {
    KeyCount& count = count_.Mutable();
    ++count.count;
    count.sum += 1;
    ++counted_;
  }
  void Close() override { progress_->counted += counted_; }

 private:
  std::shared_ptr<Progress> progress_;
  uint64_t counted_ = 0;
  ValueState<KeyCount> count_{this, "count"};
};

class NoSink final : public Sink<int64_t> {
 public:
  std::string Name() const override { return "Nothing"; }
  StatusOr<std::unique_ptr<SinkWriter<int64_t>>> CreateWriter() const override {
    return std::unique_ptr<SinkWriter<int64_t>>(new Writer());
  }

 private:
  struct Writer final : SinkWriter<int64_t> {
    Status Write(const TypedBatch<int64_t>& batch, size_t& position) override {
      position = batch.size();
      return OkStatus();
    }
  };
};

void DieUnless(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "the job failed: %s\n", std::string(StatusMessage(status)).c_str());
  std::exit(1);
}

void Configure(LocalJob& job, const RocksDbMemory& memory) {
  const int64_t bytes = memory.objects + memory.blocks;
  if (bytes == 0) return;
  const auto part = [bytes](int64_t of) {
    return std::to_string(static_cast<double>(of) / static_cast<double>(bytes));
  };
  job.Set("state.backend.type", "rocksdb");
  job.Set("state.backend.rocksdb.localdir", DataFolder());
  job.Set("taskmanager.memory.managed.size", std::to_string(bytes));
  job.Set("state.backend.rocksdb.memory.object-cache-ratio", part(memory.objects));
  job.Set("state.backend.rocksdb.memory.write-buffer-ratio", part(memory.write_buffers));
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

RocksDbLoopResult RunCountJob(const CountJob& settings) {
  auto progress = std::make_shared<Progress>();
  LocalJob job;
  job.SetParallelism(1);
  Configure(job, settings.memory);
  const auto make = [keys = settings.keys, load = static_cast<int64_t>(settings.load), progress](int64_t i) {
    if (i == load) {
      progress->wall = WallSeconds();
      progress->cpu = ProcessCpuSeconds();
    }
    return KeyRecord{(*keys)[static_cast<size_t>(i)]};
  };
  job.Read(Generate<KeyRecord>(static_cast<int64_t>(settings.keys->size()), make))
      .KeyBy(&KeyRecord::key)
      .Process(CountPerKey(progress))
      .WriteTo(NoSink());
  DieUnless(job.Execute());
  return {WallSeconds() - progress->wall, ProcessCpuSeconds() - progress->cpu, progress->counted};
}

void PrintCounts(const char* name, const char* ratio_to, size_t records, const std::vector<RocksDbLoopResult>& engine,
                 const std::vector<RocksDbLoopResult>& loop) {
  Comparison comparison;
  std::vector<double> ratios;
  std::vector<double> wall_ratios;
  for (size_t i = 0; i < engine.size(); ++i) {
    if (engine[i].counted != loop[i].counted) {
      std::fprintf(stderr, "the engine counted %llu records, the loop %llu\n",
                   static_cast<unsigned long long>(engine[i].counted),
                   static_cast<unsigned long long>(loop[i].counted));
      std::exit(1);
    }
    ratios.push_back(loop[i].cpu_seconds / engine[i].cpu_seconds);
    wall_ratios.push_back(loop[i].seconds / engine[i].seconds);
  }
  const auto median_of = [&](const std::vector<RocksDbLoopResult>& runs) {
    std::vector<double> wall;
    std::vector<double> cpu;
    for (const RocksDbLoopResult& run : runs) {
      wall.push_back(run.seconds);
      cpu.push_back(run.cpu_seconds);
    }
    return Measured{static_cast<int64_t>(records), Median(wall), Median(cpu)};
  };
  comparison.engine = median_of(engine);
  comparison.loop = median_of(loop);
  comparison.ratio = Median(ratios);
  comparison.wall_ratio = Median(wall_ratios);
  PrintLine(name, ratio_to, 1, comparison);
}

}  // namespace eagre::bench
