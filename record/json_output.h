// A string being appended to through a plain pointer. Internal to the JSON writer, which appends many short pieces: the
// string is grown ahead in steps and cut to size at the end.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <string_view>

namespace eagre::internal {

// While it lives, `out` must not be touched otherwise.
class JsonOutput {
 public:
  explicit JsonOutput(std::string& out) : out_(&out), size_(out.size()) { Grow(kStepBytes); }
  ~JsonOutput() { out_->resize(static_cast<size_t>(at_ - out_->data())); }
  JsonOutput(const JsonOutput&) = delete;
  JsonOutput& operator=(const JsonOutput&) = delete;

  // Room for `bytes` bytes; Advance says how far they were written.
  char* Reserve(size_t bytes) {
    if (static_cast<size_t>(limit_ - at_) < bytes) [[unlikely]] {
      size_ = static_cast<size_t>(at_ - out_->data());
      Grow(bytes + kStepBytes);
    }
    return at_;
  }
  void Advance(char* to) { at_ = to; }

  void Put(char c) {
    *Reserve(1) = c;
    ++at_;
  }
  void Put(std::string_view text) {
    std::memcpy(Reserve(text.size()), text.data(), text.size());
    at_ += text.size();
  }

 private:
  static constexpr size_t kStepBytes = 512;

  void Grow(size_t bytes) {
    out_->resize(size_ + bytes);
    at_ = out_->data() + size_;
    limit_ = out_->data() + out_->size();
  }

  std::string* out_;
  size_t size_;  // of what was written before the last growth
  char* at_ = nullptr;
  char* limit_ = nullptr;
};

}  // namespace eagre::internal
