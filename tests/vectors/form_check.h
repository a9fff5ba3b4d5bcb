// Tells where a JSON value has not the form it should have. Rules look at values one by one; the first thing that is
// wrong is kept with its place: "pattern[1].times.from: is missing".
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/status.h"

namespace eagre::vectors {

// The beginning of a long text, in whole characters.
std::string Shortened(std::string_view text);

class FormCheck {
 public:
  using element = simdjson::dom::element;
  using Rule = void (*)(FormCheck&, element);
  using Words = std::initializer_list<std::string_view>;
  enum class Shape { kOne, kList, kMap };  // of a field: the rule is for each value in it
  struct Field {
    const char* name;
    Rule rule;
    Shape shape = Shape::kOne;
    bool needed = false;
  };
  static Field Needed(const char* name, Rule rule, Shape shape = Shape::kOne) { return {name, rule, shape, true}; }

  Status status() const { return error_.empty() ? OkStatus() : InvalidArgument("{}", error_); }
  bool ok() const { return error_.empty(); }

  // At the current place.
  void Fail(std::string_view what);
  void Expect(bool holds, std::string_view what, element got);
  void ExpectOneOf(element item, Words words);

  // Runs `check` at a place below the current one, such as ".name" or "[0]", unless something is wrong already.
  template <typename Check>
  void At(const std::string& place, const Check& check) {
    if (!ok()) return;
    const size_t length = place_.size();
    place_ += length == 0 && place[0] == '.' ? place.substr(1) : place;
    check();
    place_.resize(length);
  }

  // Of an object. Other fields are let pass, and null stands for absence.
  void Fields(element from, std::initializer_list<Field> fields);
  void NeedOneOf(element from, Words fields);
  // All values of an array, or of an object.
  void Each(element list, Rule rule);
  void EachValue(element map, Rule rule);

  static bool Has(element from, std::string_view field);
  // Empty where there is none.
  static std::string_view TextOf(element item);
  static std::string_view TextIn(element from, std::string_view field);

 private:
  std::string place_;
  std::string error_;
};

// Rules for plain values.
namespace form {
using simdjson::dom::element;
void Anything(FormCheck& check, element item);
void Text(FormCheck& check, element item);
void Flag(FormCheck& check, element item);
void Number(FormCheck& check, element item);
void Whole(FormCheck& check, element item);  // of 64 bits
void Int(FormCheck& check, element item);    // of 32 bits
void Count(FormCheck& check, element item);
void Time(FormCheck& check, element item);  // or "MIN", "MAX"
}  // namespace form

}  // namespace eagre::vectors
