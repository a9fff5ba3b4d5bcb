// A JobManager's gRPC service, played by a test on a real port.
#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "proto/client.grpc.pb.h"

namespace eagre {

// Values that another thread will bring.
template <typename T>
class Mailbox {
 public:
  void Put(T value) {
    std::lock_guard lock(mutex_);
    values_.push_back(std::move(value));
    changed_.notify_all();
  }
  // Waits; nothing after ten seconds.
  std::optional<T> Take() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, std::chrono::seconds(10), [this] { return !values_.empty(); })) return std::nullopt;
    T value = std::move(values_.front());
    values_.pop_front();
    return value;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<T> values_;
};

// A JobManager's service that does what the test says.
class FakeService final : public proto::TaskManagerService::Service {
 public:
  using Stream = grpc::ServerReaderWriter<proto::JobManagerToTaskManager, proto::TaskManagerToJobManager>;

  grpc::Status Connect(grpc::ServerContext*, Stream* stream) override {
    {
      std::lock_guard lock(mutex_);
      stream_ = stream;
    }
    proto::TaskManagerToJobManager message;
    while (stream->Read(&message)) {
      received.Put(message);
      if (message.has_worker_finished()) break;  // the test's sign to end the stream
    }
    std::lock_guard lock(mutex_);
    stream_ = nullptr;
    return end_with;
  }

  grpc::Status FetchArtifact(grpc::ServerContext* context, const proto::FetchArtifactRequest* request,
                             grpc::ServerWriter<proto::ArtifactPart>* writer) override {
    if (request->digest() == "unknown") return {grpc::StatusCode::NOT_FOUND, "no artifact has the digest unknown"};
    proto::ArtifactPart part;
    if (!artifact.empty()) {
      part.set_data(artifact);
      writer->Write(part);
      return grpc::Status::OK;
    }
    fetching.Put(request->digest());
    for (int i = 0; i < 100; ++i) {
      part.set_data(std::string(100'000, static_cast<char>('a' + i % 26)));
      if (!writer->Write(part)) break;
    }
    while (request->digest() == "endless" && !context->IsCancelled()) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return grpc::Status::OK;
  }

  grpc::Status PushLogs(grpc::ServerContext*, grpc::ServerReader<proto::LogPart>* reader,
                        proto::PushLogsReply*) override {
    proto::LogPart part;
    while (reader->Read(&part)) logs.Put(part);
    return grpc::Status::OK;
  }

  void Send(const proto::JobManagerToTaskManager& message) {
    std::lock_guard lock(mutex_);
    if (stream_ != nullptr) stream_->Write(message);
  }

  Mailbox<proto::TaskManagerToJobManager> received;
  Mailbox<proto::LogPart> logs;
  Mailbox<std::string> fetching;  // digests
  std::string artifact;           // what every digest means; empty: ten megabytes of letters
  grpc::Status end_with;

 private:
  std::mutex mutex_;
  Stream* stream_ = nullptr;
};

}  // namespace eagre
