// Counts generated records by key and writes every count to files, through a sink that is blocked from its first
// record on until somebody opens the pipe --gate for writing.
//   --records N --keys K --output FOLDER --gate PIPE
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <thread>

#include "tests/cluster/jobs/counting.h"

using namespace eagre;
using namespace eagre::counting;

namespace {

// Waits for the pipe to be opened, and wakes the writer, if it is still there.
struct Gate {
  std::mutex mutex;
  SinkContext* context = nullptr;
  std::atomic<bool> open{false};

  static std::shared_ptr<Gate> Watch(const std::string& path, SinkContext& context) {
    auto gate = std::make_shared<Gate>();
    gate->context = &context;
    std::thread([gate, path] {
      const int pipe = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
      ::close(pipe);
      gate->open = true;
      std::lock_guard lock(gate->mutex);
      if (gate->context != nullptr) gate->context->Wake();
    }).detach();
    return gate;
  }
  void Leave() {
    std::lock_guard lock(mutex);
    context = nullptr;
  }
};

class GatedWriter final : public SinkWriter<Counted> {
 public:
  GatedWriter(std::unique_ptr<SinkWriter<Counted>> writer, std::string path)
      : writer_(std::move(writer)), path_(std::move(path)) {}
  ~GatedWriter() override { gate_->Leave(); }
  Status Open(SinkContext& context) override {
    gate_ = Gate::Watch(path_, context);
    return writer_->Open(context);
  }
  Status Write(const TypedBatch<Counted>& batch, size_t& position) override { return writer_->Write(batch, position); }
  bool blocked() const override { return !gate_->open; }
  Status Flush(bool before_commit, bool& done) override { return writer_->Flush(before_commit, done); }
  StatusOr<std::vector<Committable>> PrepareCommit() override { return writer_->PrepareCommit(); }
  std::function<Status()> TakeSync() override { return writer_->TakeSync(); }
  Status Close(bool failed) override { return writer_->Close(failed); }

 private:
  const std::unique_ptr<SinkWriter<Counted>> writer_;
  const std::string path_;
  std::shared_ptr<Gate> gate_ = std::make_shared<Gate>();
};

class GatedSink final : public Sink<Counted> {
 public:
  GatedSink(std::shared_ptr<Sink<Counted>> sink, std::string path) : sink_(std::move(sink)), path_(std::move(path)) {}
  std::string Name() const override { return "Gated"; }
  StatusOr<std::unique_ptr<SinkWriter<Counted>>> CreateWriter() const override {
    EAGRE_ASSIGN_OR_RETURN(auto writer, sink_->CreateWriter());
    return std::make_unique<GatedWriter>(std::move(writer), path_);
  }
  StatusOr<std::unique_ptr<Committer>> CreateCommitter() const override { return sink_->CreateCommitter(); }

 private:
  const std::shared_ptr<Sink<Counted>> sink_;
  const std::string path_;
};

}  // namespace

EAGRE_JOB(job, args) {
  const int64_t keys = args.GetInt("keys", 100);
  job.Read(Generate<Numbered>(args.GetInt("records", 100'000),
                              [keys](int64_t i, Numbered& event) {
                                event = {i, i % keys};
                              }))
      .Uid("events")
      .KeyBy(&Numbered::key)
      .Process(Count())
      .Uid("count")
      .WriteTo(std::make_shared<GatedSink>(NdjsonSink(args.Get("output"), "counts").For<Counted>(), args.Get("gate")))
      .Uid("files");
}
