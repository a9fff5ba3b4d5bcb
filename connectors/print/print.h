// Sinks to look at a stream, or to look away.
//
//   stream.WriteTo(Print());           // {"user":"ann","amount":12.50}
//   stream.WriteTo(Print("alerts"));   // alerts:3> {"user":"ann","amount":12.50}, as the third of several subtasks
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "connectors/print/print_writer.h"
#include "eagre/sink.h"
#include "record/type_info_of.h"

namespace eagre {

template <typename T>
class PrintSink final : public Sink<T> {
 public:
  explicit PrintSink(PrintOptions options) : options_(std::move(options)) {}

  std::string Name() const override { return options_.name.empty() ? "Print" : "Print " + options_.name; }
  StandardStream PrintsTo() const override {
    if (options_.stream == stdout) return StandardStream::kOutput;
    return options_.stream == stderr ? StandardStream::kError : StandardStream::kNone;
  }
  StatusOr<std::unique_ptr<SinkWriter<T>>> CreateWriter() const override { return std::make_unique<Writer>(options_); }

 private:
  class Writer final : public SinkWriter<T> {
   public:
    explicit Writer(const PrintOptions& options) : lines_(options) {}
    Status Open(SinkContext& context) override { return lines_.Open(context.subtask(), context.parallelism()); }
    Status Write(const TypedBatch<T>& batch, size_t& position) override {
      const Status status = lines_.Print(TypeInfoOf<T>(), batch.records() + position, batch.size() - position);
      position = batch.size();
      return status;
    }

   private:
    PrintWriter lines_;
  };

  const PrintOptions options_;
};

/// Prints each record as a line of JSON (text as it is), for any record type. With several subtasks each line begins
/// with the subtask's number, from 1, as in Flink.
class Print {
 public:
  explicit Print(std::string name = "") { options_.name = std::move(name); }
  /// Another stream than standard output, such as stderr; it stays open for as long as the job runs.
  Print To(std::FILE* stream) && {
    options_.stream = stream;
    return std::move(*this);
  }

  template <typename T>
  std::shared_ptr<Sink<T>> For() const {
    return std::make_shared<PrintSink<T>>(options_);
  }

 private:
  PrintOptions options_;
};

template <typename T>
class BlackholeSink final : public Sink<T> {
 public:
  std::string Name() const override { return "Blackhole"; }
  StatusOr<std::unique_ptr<SinkWriter<T>>> CreateWriter() const override { return std::make_unique<Writer>(); }

 private:
  class Writer final : public SinkWriter<T> {
   public:
    Status Write(const TypedBatch<T>& batch, size_t& position) override {
      position = batch.size();
      return OkStatus();
    }
  };
};

/// Takes every record and forgets it; numRecordsSend counts them.
class Blackhole {
 public:
  template <typename T>
  std::shared_ptr<Sink<T>> For() const {
    return std::make_shared<BlackholeSink<T>>();
  }
};

}  // namespace eagre
