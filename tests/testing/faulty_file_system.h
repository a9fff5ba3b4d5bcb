// The machine's files, with faults that a test asks for: an operation on a path can be made to fail as it would on a
// full or broken disk, or to be remembered only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/file_system.h"

namespace eagre {

class FaultyFileSystem final : public FileSystem {
 public:
  enum class Operation { kRead, kOpen, kAppend, kSync, kLink, kRemove };
  // Asked before each of these operations; what it returns, when not OK, is what the operation does.
  using Fault = std::function<Status(Operation, const std::string& path)>;

  void SetFault(Fault fault) { fault_ = std::move(fault); }

  StatusOr<std::unique_ptr<ReadableFile>> OpenForRead(const std::string& path) override {
    EAGRE_RETURN_IF_ERROR(Check(Operation::kRead, path));
    return real_.OpenForRead(path);
  }
  StatusOr<std::unique_ptr<WritableFile>> OpenForWrite(const std::string& path, OpenMode mode) override {
    EAGRE_RETURN_IF_ERROR(Check(Operation::kOpen, path));
    EAGRE_ASSIGN_OR_RETURN(auto file, real_.OpenForWrite(path, mode));
    return std::make_unique<File>(*this, std::move(file));
  }
  Status Rename(const std::string& from, const std::string& to) override { return real_.Rename(from, to); }
  Status Link(const std::string& from, const std::string& to) override {
    EAGRE_RETURN_IF_ERROR(Check(Operation::kLink, to));
    return real_.Link(from, to);
  }
  StatusOr<FileInfo> Stat(const std::string& path) override { return real_.Stat(path); }
  StatusOr<std::vector<FileInfo>> List(const std::string& directory) override { return real_.List(directory); }
  Status CreateDirectories(const std::string& path) override { return real_.CreateDirectories(path); }
  Status Remove(const std::string& path) override {
    EAGRE_RETURN_IF_ERROR(Check(Operation::kRemove, path));
    return real_.Remove(path);
  }
  Status RemoveTree(const std::string& path) override {
    EAGRE_RETURN_IF_ERROR(Check(Operation::kRemove, path));
    return real_.RemoveTree(path);
  }
  Status SyncDirectory(const std::string& directory) override {
    EAGRE_RETURN_IF_ERROR(Check(Operation::kSync, directory));
    return real_.SyncDirectory(directory);
  }
  StatusOr<int64_t> FreeBytes(const std::string& path) override { return real_.FreeBytes(path); }

 private:
  class File final : public WritableFile {
   public:
    File(FaultyFileSystem& owner, std::unique_ptr<WritableFile> real) : owner_(owner), real_(std::move(real)) {}
    const std::string& path() const override { return real_->path(); }
    Status Append(std::string_view bytes) override {
      EAGRE_RETURN_IF_ERROR(owner_.Check(Operation::kAppend, path()));
      return real_->Append(bytes);
    }
    Status Flush() override { return real_->Flush(); }
    Status Sync() override {
      EAGRE_RETURN_IF_ERROR(owner_.Check(Operation::kSync, path()));
      return real_->Sync();
    }
    Status Close() override { return real_->Close(); }

   private:
    FaultyFileSystem& owner_;
    const std::unique_ptr<WritableFile> real_;
  };

  Status Check(Operation operation, const std::string& path) { return fault_ ? fault_(operation, path) : OkStatus(); }

  FileSystem& real_ = PosixFileSystem();
  Fault fault_;
};

}  // namespace eagre
