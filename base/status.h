// Failure in the signature: makers of absl::Status from a format string, and the two macros that pass a failure on.
//
// Codes follow gRPC's meaning: INVALID_ARGUMENT and NOT_FOUND are the user's input, FAILED_PRECONDITION a state that
// the user can change, UNAVAILABLE a peer or resource that may come back, INTERNAL a bug of ours.
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <utility>

namespace eagre {

using Status = absl::Status;
template <typename T>
using StatusOr = absl::StatusOr<T>;

inline Status OkStatus() {
  return absl::OkStatus();
}

// The message alone, without the code. The view lives as long as `status`.
inline std::string_view StatusMessage(const Status& status) {
  return {status.message().data(), status.message().size()};
}

// A status of the given code; the message is moved in.
Status MakeStatus(absl::StatusCode code, std::string_view message);

// The same failure with `context` and ": " put before its message; OK stays OK.
Status WithContext(const Status& status, std::string_view context);

#define EAGRE_STATUS_MAKER(Name, code)                                         \
  template <typename... Args>                                                  \
  Status Name(fmt::format_string<Args...> format, Args&&... args) {            \
    return MakeStatus(code, fmt::format(format, std::forward<Args>(args)...)); \
  }
EAGRE_STATUS_MAKER(InvalidArgument, absl::StatusCode::kInvalidArgument)
EAGRE_STATUS_MAKER(NotFound, absl::StatusCode::kNotFound)
EAGRE_STATUS_MAKER(AlreadyExists, absl::StatusCode::kAlreadyExists)
EAGRE_STATUS_MAKER(FailedPrecondition, absl::StatusCode::kFailedPrecondition)
EAGRE_STATUS_MAKER(ResourceExhausted, absl::StatusCode::kResourceExhausted)
EAGRE_STATUS_MAKER(Unavailable, absl::StatusCode::kUnavailable)
EAGRE_STATUS_MAKER(Cancelled, absl::StatusCode::kCancelled)
EAGRE_STATUS_MAKER(DataLoss, absl::StatusCode::kDataLoss)
EAGRE_STATUS_MAKER(Internal, absl::StatusCode::kInternal)
EAGRE_STATUS_MAKER(Unimplemented, absl::StatusCode::kUnimplemented)
#undef EAGRE_STATUS_MAKER

}  // namespace eagre

#define EAGRE_CONCAT_INNER(a, b) a##b
#define EAGRE_CONCAT(a, b) EAGRE_CONCAT_INNER(a, b)

// Returns from the enclosing function when `expression` is a failure.
#define EAGRE_RETURN_IF_ERROR(expression)        \
  do {                                           \
    ::absl::Status eagre_status_ = (expression); \
    if (!eagre_status_.ok()) [[unlikely]]        \
      return eagre_status_;                      \
  } while (false)

// EAGRE_ASSIGN_OR_RETURN(auto x, F()): the value of a StatusOr, or return its failure.
#define EAGRE_ASSIGN_OR_RETURN(declaration, expression) \
  EAGRE_ASSIGN_OR_RETURN_IMPL(EAGRE_CONCAT(eagre_result_, __LINE__), declaration, expression)
#define EAGRE_ASSIGN_OR_RETURN_IMPL(result, declaration, expression) \
  auto result = (expression);                                        \
  if (!result.ok()) [[unlikely]]                                     \
    return std::move(result).status();                               \
  declaration = *std::move(result)
