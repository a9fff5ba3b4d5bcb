#include "connectors/kafka/message_parser.h"

#include <algorithm>

namespace eagre {
namespace {

bool IsBlank(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; });
}

Status BlankValue() {
  return InvalidArgument("the value is empty");
}

}  // namespace

void LineMessageParser::Begin(std::span<const KafkaMessage> messages) {
  messages_ = messages;
  next_ = 0;
  window_end_ = 0;
}

void LineMessageParser::BeginWindow() {
  window_.clear();
  for (; window_end_ < messages_.size() && window_.size() < kWindowBytes; ++window_end_) {
    const std::string_view value = *messages_[window_end_].value;
    if (IsBlank(value)) continue;
    const size_t begin = window_.size();
    window_.append(value);
    std::replace(window_.begin() + static_cast<ptrdiff_t>(begin), window_.end(), '\n', ' ');
    window_.push_back('\n');
  }
  const size_t size = window_.size();
  window_.append(JsonParser::kPadding, '\n');
  rows_->BeginWindow(std::string_view(window_).substr(0, size), window_.size(), /*last=*/true);
}

Status LineMessageParser::Parse(void* record) {
  if (next_ == window_end_) BeginWindow();
  if (IsBlank(*messages_[next_++].value)) return BlankValue();
  ParsedLine row;
  if (!rows_->NextRow(record, row)) return Internal("a window of messages has fewer rows than messages");
  return row.status;
}

Status RowMessageParser::Parse(void* record) {
  const std::string_view value = *messages_[next_++].value;
  if (IsBlank(value)) return BlankValue();
  rows_->BeginWindow(value, value.size(), /*last=*/true);
  ParsedLine row;
  if (!rows_->NextRow(record, row)) return BlankValue();
  EAGRE_RETURN_IF_ERROR(row.status);
  const std::string_view rest = value.substr(row.offset + row.text.size());
  if (!IsBlank(rest)) return InvalidArgument("the value holds more than one row; a message is one record");
  return OkStatus();
}

}  // namespace eagre
