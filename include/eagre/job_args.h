// What follows `--` on the command line of `eagre run job.so -- --input data.ndjson --fast`.
//
//   const auto input = args.Required<std::string>("input", "file or folder of payments");
//   const auto bound = args.Optional<std::chrono::milliseconds>("bound", 30s, "how late payments may come");
//
// `-- --help` lists what the job asks for, with types and defaults, instead of running it.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/status.h"
#include "record/decimal.h"
#include "record/timestamp.h"

namespace eagre {

/// The user's arguments: `--name value`, `--name=value`, or `--flag`. A missing or malformed one is noted and reported
/// after the job's entry point returned, so that a job reads its arguments without error handling of its own.
class JobArgs {
 public:
  static StatusOr<JobArgs> Parse(const std::vector<std::string>& args);

  bool Has(std::string_view name) const;
  /// All that were given, by name.
  const std::map<std::string, std::string, std::less<>>& values() const { return values_; }

  /// The value of an argument that must be given; T() when it is missing, which fails the job's start. T is
  /// std::string, bool, an integer, float or double, Decimal, Timestamp, or std::chrono::milliseconds ("90s", "5 min").
  template <typename T>
  T Required(std::string_view name, std::string_view help = "") const {
    T value{};
    Read(name, Slot(value), /*required=*/true, help);
    return value;
  }
  /// The value of an argument, or its default.
  template <typename T>
  T Optional(std::string_view name, std::type_identity_t<T> default_value, std::string_view help = "") const {
    T value = default_value;
    Read(name, Slot(value), /*required=*/false, help);
    return value;
  }

  // The same for the frequent types, without help.
  std::string Get(std::string_view name) const { return Required<std::string>(name); }
  std::string Get(std::string_view name, std::string_view default_value) const {
    return Optional<std::string>(name, std::string(default_value));
  }
  int64_t GetInt(std::string_view name, int64_t default_value) const { return Optional<int64_t>(name, default_value); }
  double GetDouble(std::string_view name, double default_value) const { return Optional<double>(name, default_value); }
  /// True for `--flag`, `--flag true`.
  bool GetBool(std::string_view name, bool default_value = false) const { return Optional<bool>(name, default_value); }

  /// `--help` was given, and nobody asked for an argument of that name.
  bool wants_help() const;
  /// A line per argument that was asked for, in that order.
  std::string HelpText() const;
  /// The first argument that was asked for and was missing or malformed, or that nobody asked for.
  Status error() const;

 private:
  enum class Type { kText, kBool, kInteger, kUnsigned, kNumber, kDecimal, kTimestamp, kDuration };
  // Where a value goes, without its type.
  struct ValueSlot {
    Type type;
    void* value;
    size_t bytes;  // of an integer or number

    std::string ToText() const;
    // False when `text` is no such value.
    bool Parse(std::string_view text) const;
  };
  struct Asked {
    std::string name;
    Type type;
    bool required;
    std::string default_text;
    std::string help;
  };

  template <typename T>
  static ValueSlot Slot(T& value) {
    constexpr Type kType = [] {
      if constexpr (std::is_same_v<T, std::string>) return Type::kText;
      if constexpr (std::is_same_v<T, bool>) return Type::kBool;
      if constexpr (std::is_same_v<T, Decimal>) return Type::kDecimal;
      if constexpr (std::is_same_v<T, Timestamp>) return Type::kTimestamp;
      if constexpr (std::is_same_v<T, std::chrono::milliseconds>) return Type::kDuration;
      if constexpr (std::is_floating_point_v<T>) return Type::kNumber;
      if constexpr (std::is_unsigned_v<T>) return Type::kUnsigned;
      static_assert(std::is_same_v<T, std::string> || std::is_same_v<T, Decimal> || std::is_same_v<T, Timestamp> ||
                        std::is_same_v<T, std::chrono::milliseconds> || std::is_arithmetic_v<T>,
                    "an argument is text, a bool, a number, a Decimal, a Timestamp or std::chrono::milliseconds");
      return Type::kInteger;
    }();
    return {kType, &value, sizeof(T)};
  }

  static std::string_view TypeName(Type type);
  // `slot` holds the default.
  void Read(std::string_view name, const ValueSlot& slot, bool required, std::string_view help) const;
  void NoteError(Status error) const;

  std::map<std::string, std::string, std::less<>> values_;
  mutable std::vector<Asked> asked_;
  mutable std::map<std::string, bool, std::less<>> known_;
  mutable Status error_;
};

}  // namespace eagre
