// Equality and order of records by their fields, without operators that could clash with the user's own.
//
// Fields compare in declaration order, as their types do; an empty optional is less than any value. Floating-point
// numbers are ordered totally: not-a-number equals itself and is greater than all others; -0.0 equals 0.0. So the order
// is strict and weak for every value, and equal records have equal hashes (key_hash.h).
#pragma once

#include <compare>

#include "record/record_traits.h"

namespace eagre {

// Negative, zero or positive, as a is before, equal to, or after b.
template <typename T>
int RecordCompare(const T& a, const T& b) {
  if constexpr (FloatField<T>) {
    if (a < b) return -1;
    if (b < a) return 1;
    return int{a != a} - int{b != b};
  } else if constexpr (ScalarField<T>) {
    return a < b ? -1 : b < a ? 1 : 0;
  } else if constexpr (std::is_same_v<T, std::string>) {
    return a.compare(b);
  } else if constexpr (OptionalField<T>) {
    if (!a || !b) return int{a.has_value()} - int{b.has_value()};
    return RecordCompare(*a, *b);
  } else if constexpr (VectorField<T>) {
    for (size_t i = 0; i < a.size() && i < b.size(); ++i) {
      if (const int order = RecordCompare(a[i], b[i]); order != 0) return order;
    }
    return int{a.size() > b.size()} - int{a.size() < b.size()};
  } else if constexpr (MapField<T>) {
    auto left = a.begin();
    auto right = b.begin();
    for (; left != a.end() && right != b.end(); ++left, ++right) {
      if (const int order = RecordCompare(left->first, right->first); order != 0) return order;
      if (const int order = RecordCompare(left->second, right->second); order != 0) return order;
    }
    return int{left != a.end()} - int{right != b.end()};
  } else {
    int order = 0;
    VisitFields<T>([&](auto member, const char*) {
      order = RecordCompare(FieldOf(a, member), FieldOf(b, member));
      return order == 0;
    });
    return order;
  }
}

template <typename T>
bool RecordEquals(const T& a, const T& b) {
  return RecordCompare(a, b) == 0;
}

// For std::sort and ordered containers of records.
struct RecordLess {
  template <typename T>
  bool operator()(const T& a, const T& b) const {
    return RecordCompare(a, b) < 0;
  }
};

}  // namespace eagre
