// Where matching goes on after a match was found: AfterMatchSkipStrategy of Flink.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace eagre {

/// Prunes what started at or before a point of the match that was just emitted. With any strategy but NoSkip a match is
/// held back while a partial match that started earlier is alive, since that one may yet complete and prune it.
class AfterMatchSkipStrategy {
 public:
  enum class Kind : uint8_t { kNoSkip, kSkipToNext, kSkipPastLastEvent, kSkipToFirst, kSkipToLast };

  /// Every possible match is emitted.
  static AfterMatchSkipStrategy NoSkip() { return AfterMatchSkipStrategy(Kind::kNoSkip, ""); }
  /// Drops what started with the match's first event.
  static AfterMatchSkipStrategy SkipToNext() { return AfterMatchSkipStrategy(Kind::kSkipToNext, ""); }
  /// Drops what started before the match ended.
  static AfterMatchSkipStrategy SkipPastLastEvent() { return AfterMatchSkipStrategy(Kind::kSkipPastLastEvent, ""); }
  /// Drops what started before the first (last) event that the match has in a stage of the pattern's top level.
  static AfterMatchSkipStrategy SkipToFirst(std::string stage) {
    return AfterMatchSkipStrategy(Kind::kSkipToFirst, std::move(stage));
  }
  static AfterMatchSkipStrategy SkipToLast(std::string stage) {
    return AfterMatchSkipStrategy(Kind::kSkipToLast, std::move(stage));
  }
  /// With SkipToFirst and SkipToLast: a match that has no event in the stage, or whose first event it is, fails the
  /// job. Without this, nothing is pruned then.
  AfterMatchSkipStrategy ThrowOnMiss() const {
    AfterMatchSkipStrategy strategy = *this;
    strategy.throw_on_miss_ = true;
    return strategy;
  }

  Kind kind() const { return kind_; }
  bool skips() const { return kind_ != Kind::kNoSkip; }
  /// Empty when the strategy names no stage.
  const std::string& stage() const { return stage_; }
  bool throw_on_miss() const { return throw_on_miss_; }

 private:
  AfterMatchSkipStrategy(Kind kind, std::string stage) : kind_(kind), stage_(std::move(stage)) {}

  Kind kind_;
  std::string stage_;
  bool throw_on_miss_ = false;
};

}  // namespace eagre
