#include "connectors/file/compressed_file.h"

#include <zlib.h>
#include <zstd.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "base/check.h"

namespace eagre {
namespace {

constexpr size_t kCompressedBytes = size_t{128} << 10;  // read at once
constexpr size_t kSkippedBytes = size_t{64} << 10;      // thrown away at once

// A stream of compressed members, one after another.
class Decompressor {
 public:
  // What one call took and gave.
  struct Progress {
    size_t taken = 0;
    size_t given = 0;
    bool between_members = false;
  };

  virtual ~Decompressor() = default;
  virtual std::string_view format() const = 0;
  virtual void Restart() = 0;
  // Fails with what is wrong, in the library's words.
  virtual StatusOr<Progress> Decompress(std::string_view from, char* to, size_t size) = 0;
};

class GzipDecompressor final : public Decompressor {
 public:
  GzipDecompressor() {
    constexpr int kGzipOnly = 16;
    EAGRE_CHECK(inflateInit2(&stream_, MAX_WBITS + kGzipOnly) == Z_OK);
  }
  ~GzipDecompressor() override { inflateEnd(&stream_); }

  std::string_view format() const override { return "gzip"; }
  void Restart() override { EAGRE_CHECK(inflateReset(&stream_) == Z_OK); }

  StatusOr<Progress> Decompress(std::string_view from, char* to, size_t size) override {
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));  // zlib does not write through it
    stream_.avail_in = static_cast<uInt>(from.size());
    stream_.next_out = reinterpret_cast<Bytef*>(to);
    stream_.avail_out = static_cast<uInt>(size);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result != Z_OK && result != Z_STREAM_END && result != Z_BUF_ERROR) {
      return InvalidArgument("{}", stream_.msg != nullptr ? stream_.msg : zError(result));
    }
    const Progress progress{from.size() - stream_.avail_in, size - stream_.avail_out, result == Z_STREAM_END};
    if (result == Z_STREAM_END) Restart();
    return progress;
  }

 private:
  z_stream stream_{};
};

class ZstdDecompressor final : public Decompressor {
 public:
  ZstdDecompressor() : stream_(ZSTD_createDStream()) { EAGRE_CHECK(stream_ != nullptr); }
  ~ZstdDecompressor() override { ZSTD_freeDStream(stream_); }

  std::string_view format() const override { return "Zstandard"; }
  void Restart() override { ZSTD_initDStream(stream_); }

  StatusOr<Progress> Decompress(std::string_view from, char* to, size_t size) override {
    ZSTD_inBuffer in{from.data(), from.size(), 0};
    ZSTD_outBuffer out{to, size, 0};
    const size_t result = ZSTD_decompressStream(stream_, &out, &in);
    if (ZSTD_isError(result) != 0) return InvalidArgument("{}", ZSTD_getErrorName(result));
    return Progress{in.pos, out.pos, result == 0};
  }

 private:
  ZSTD_DStream* const stream_;
};

// One thread, in spite of the interface's const.
class DecompressedFile final : public ReadableFile {
 public:
  DecompressedFile(std::unique_ptr<ReadableFile> file, std::unique_ptr<Decompressor> decompressor)
      : file_(std::move(file)), decompressor_(std::move(decompressor)), compressed_(kCompressedBytes) {}

  const std::string& path() const override { return file_->path(); }
  StatusOr<int64_t> Size() const override { return file_->Size(); }

  StatusOr<size_t> ReadAt(int64_t offset, char* buffer, size_t size) const override {
    if (offset < position_) Rewind();
    std::vector<char> skipped(offset > position_ ? kSkippedBytes : 0);
    while (position_ < offset) {
      const auto want = static_cast<size_t>(std::min<int64_t>(offset - position_, kSkippedBytes));
      EAGRE_ASSIGN_OR_RETURN(const size_t got, Next(skipped.data(), want));
      if (got == 0) return 0;
    }
    size_t done = 0;
    while (done < size) {
      EAGRE_ASSIGN_OR_RETURN(const size_t got, Next(buffer + done, size - done));
      if (got == 0) break;
      done += got;
    }
    return done;
  }

 private:
  void Rewind() const {
    decompressor_->Restart();
    position_ = file_position_ = 0;
    rest_ = {};
    between_members_ = true;
  }

  // Some bytes from position_ on; 0 at the end.
  StatusOr<size_t> Next(char* to, size_t size) const {
    for (;;) {
      if (rest_.empty()) {
        EAGRE_ASSIGN_OR_RETURN(const size_t got, file_->ReadAt(file_position_, compressed_.data(), compressed_.size()));
        if (got == 0 && between_members_) return 0;
        rest_ = {compressed_.data(), got};
        file_position_ += static_cast<int64_t>(got);
      }
      const bool at_end = rest_.empty();
      StatusOr<Decompressor::Progress> progress = decompressor_->Decompress(rest_, to, size);
      if (!progress.ok()) {
        return InvalidArgument("{} is not a {} file, or is damaged ({}, {} bytes of content were read)", path(),
                               decompressor_->format(), StatusMessage(progress.status()), position_);
      }
      rest_.remove_prefix(progress->taken);
      position_ += static_cast<int64_t>(progress->given);
      between_members_ = progress->between_members;
      if (progress->given > 0) return progress->given;
      if (at_end && !between_members_) {
        return InvalidArgument("{} ends in the middle of its {} data, after {} bytes of content: was it copied whole?",
                               path(), decompressor_->format(), position_);
      }
    }
  }

  const std::unique_ptr<ReadableFile> file_;
  const std::unique_ptr<Decompressor> decompressor_;
  mutable std::vector<char> compressed_;
  mutable std::string_view rest_;  // of compressed_, not decompressed yet
  mutable int64_t file_position_ = 0;
  mutable int64_t position_ = 0;
  mutable bool between_members_ = true;
};

bool EndsWithIgnoringCase(std::string_view path, std::string_view lower_ending) {
  if (path.size() < lower_ending.size()) return false;
  path.remove_prefix(path.size() - lower_ending.size());
  return std::equal(path.begin(), path.end(), lower_ending.begin(),
                    [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; });
}

bool IsGzip(std::string_view path) {
  return EndsWithIgnoringCase(path, ".gz") || EndsWithIgnoringCase(path, ".gzip");
}
bool IsZstd(std::string_view path) {
  return EndsWithIgnoringCase(path, ".zst") || EndsWithIgnoringCase(path, ".zstd");
}

}  // namespace

bool IsCompressedFile(std::string_view path) {
  return IsGzip(path) || IsZstd(path);
}

StatusOr<std::unique_ptr<ReadableFile>> OpenInputFile(FileSystem& files, const std::string& path) {
  EAGRE_ASSIGN_OR_RETURN(std::unique_ptr<ReadableFile> file, files.OpenForRead(path));
  if (!IsCompressedFile(path)) return file;
  std::unique_ptr<Decompressor> decompressor;
  if (IsGzip(path)) {
    decompressor = std::make_unique<GzipDecompressor>();
  } else {
    decompressor = std::make_unique<ZstdDecompressor>();
  }
  return std::make_unique<DecompressedFile>(std::move(file), std::move(decompressor));
}

}  // namespace eagre
