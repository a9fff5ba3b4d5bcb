// The TaskManager's surroundings as a test plays them: the JobManager at the other end of a link, workers that do what
// the test says, libraries that arrive when the test says.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/link.h"
#include "taskmanager/artifact_fetcher.h"
#include "taskmanager/worker_launcher.h"

namespace eagre {

// One end of a link, which parses and keeps what arrives.
template <typename Received, typename Sent>
class TestPeer {
 public:
  TestPeer(std::unique_ptr<Link> link, Executor& executor) : link_(std::move(link)) {
    link_->Start(executor, {.on_message =
                                [this](std::string_view bytes) {
                                  EXPECT_TRUE(received.emplace_back().ParseFromString(std::string(bytes)));
                                },
                            .on_closed = [this](Status) { closed = true; }});
  }
  void Send(const Sent& message) { link_->Send(message.SerializeAsString()); }
  void SendBytes(std::string bytes) { link_->Send(std::move(bytes)); }
  void Close() { link_->Close(); }

  // The first message since the last call whose case is `wanted`, or null.
  const Received* Take(typename Received::MessageCase wanted) {
    while (taken_ < received.size()) {
      const Received& message = received[taken_++];
      if (message.message_case() == wanted) return &message;
    }
    return nullptr;
  }
  int Count(typename Received::MessageCase wanted) const {
    int count = 0;
    for (const Received& message : received) count += message.message_case() == wanted;
    return count;
  }

  std::vector<Received> received;
  bool closed = false;

 private:
  std::unique_ptr<Link> link_;
  size_t taken_ = 0;
};

using FakeJobManager = TestPeer<proto::TaskManagerToJobManager, proto::JobManagerToTaskManager>;
using FakeWorkerSide = TestPeer<proto::TaskManagerToWorker, proto::WorkerToTaskManager>;

class FakeLauncher final : public WorkerLauncher {
 public:
  struct FakeWorker {
    proto::DeployWorker deploy;
    std::unique_ptr<FakeWorkerSide> side;
    std::function<void(WorkerExit)> on_exit;
    bool killed = false;
    bool handle_alive = true;
    bool exited = false;
  };

  explicit FakeLauncher(Executor& executor) : executor_(executor) {}

  StatusOr<std::unique_ptr<WorkerHandle>> Launch(const proto::DeployWorker& deploy,
                                                 std::function<void(WorkerExit)> on_exit) override {
    if (!refuse.ok()) return refuse;
    auto [ours, theirs] = NewMemoryLinkPair();
    auto worker = std::make_shared<FakeWorker>();
    worker->deploy = deploy;
    worker->side = std::make_unique<FakeWorkerSide>(std::move(theirs), executor_);
    worker->on_exit = std::move(on_exit);
    workers.push_back(worker);
    return std::make_unique<Handle>(*this, worker, std::move(ours));
  }

  // The worker is gone, and with it its end of the link.
  void Exit(FakeWorker& worker, WorkerExit exit) {
    if (worker.exited) return;
    worker.exited = true;
    worker.side->Close();
    executor_.Post([&worker, exit] {
      if (worker.handle_alive) worker.on_exit(exit);
    });
  }

  std::vector<std::shared_ptr<FakeWorker>> workers;
  Status refuse;
  bool dies_when_killed = true;

 private:
  class Handle final : public WorkerHandle {
   public:
    Handle(FakeLauncher& launcher, std::shared_ptr<FakeWorker> worker, std::unique_ptr<Link> link)
        : launcher_(launcher), worker_(std::move(worker)), link_(std::move(link)) {}
    ~Handle() override {
      worker_->handle_alive = false;
      worker_->killed |= !worker_->exited;
    }
    Link& link() override { return *link_; }
    void Kill() override {
      worker_->killed = true;
      if (launcher_.dies_when_killed) launcher_.Exit(*worker_, {.signal = 9});
    }

   private:
    FakeLauncher& launcher_;
    std::shared_ptr<FakeWorker> worker_;
    std::unique_ptr<Link> link_;
  };

  Executor& executor_;
};

class FakeFetcher final : public ArtifactFetcher {
 public:
  void Fetch(const proto::Artifact& artifact, std::function<void(StatusOr<std::string>)> done) override {
    auto answer = [this, digest = artifact.digest(), done = std::move(done)](StatusOr<std::string> path) {
      if (path.ok()) ++pins[digest];
      done(std::move(path));
    };
    if (hold) {
      held.push_back(std::move(answer));
    } else {
      answer("/cache/" + artifact.digest());
    }
  }
  void Unpin(const std::string& digest) override { --pins[digest]; }
  void Release(const std::string& digest) override { released.push_back(digest); }
  void ReleaseOthers(const std::set<std::string>& digests) override { retained.push_back(digests); }

  bool hold = false;
  std::vector<std::function<void(StatusOr<std::string>)>> held;
  std::map<std::string, int> pins;
  std::vector<std::string> released;
  std::vector<std::set<std::string>> retained;
};

}  // namespace eagre
