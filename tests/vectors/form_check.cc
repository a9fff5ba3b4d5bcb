#include "tests/vectors/form_check.h"

#include <algorithm>

namespace eagre::vectors {
namespace {

constexpr size_t kMaxShown = 60;

}  // namespace

std::string Shortened(std::string_view text) {
  if (text.size() <= kMaxShown) return std::string(text);
  size_t end = kMaxShown;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end)) + "...";
}

void FormCheck::Fail(std::string_view what) {
  if (ok()) error_ = fmt::format("{}{}{}", place_, place_.empty() ? "" : ": ", what);
}

void FormCheck::Expect(bool holds, std::string_view what, element got) {
  if (holds) return;
  Fail(fmt::format("expected {}, got {}", what, Shortened(simdjson::minify(got))));
}

void FormCheck::ExpectOneOf(element item, Words words) {
  const bool known = item.is_string() && std::find(words.begin(), words.end(), TextOf(item)) != words.end();
  if (!known) Expect(false, (words.size() > 1 ? "one of " : "") + fmt::format("{}", fmt::join(words, ", ")), item);
}

void FormCheck::Fields(element from, std::initializer_list<Field> fields) {
  if (!from.is_object()) return Expect(false, "an object", from);
  for (const Field& field : fields) {
    At(std::string(".") + field.name, [&] {
      if (!Has(from, field.name)) {
        if (field.needed) Fail("is missing");
        return;
      }
      const element value = from[field.name].value();
      switch (field.shape) {
        case Shape::kOne: return field.rule(*this, value);
        case Shape::kList: return Each(value, field.rule);
        case Shape::kMap: return EachValue(value, field.rule);
      }
    });
  }
}

void FormCheck::NeedOneOf(element from, Words fields) {
  const bool found =
      std::any_of(fields.begin(), fields.end(), [&](std::string_view field) { return Has(from, field); });
  if (!found) Fail(fmt::format("nothing is checked: expected at least one of {}", fmt::join(fields, ", ")));
}

void FormCheck::Each(element list, Rule rule) {
  if (!list.is_array()) return Expect(false, "an array", list);
  size_t i = 0;
  for (const element item : list.get_array()) At(fmt::format("[{}]", i++), [&] { rule(*this, item); });
}

void FormCheck::EachValue(element map, Rule rule) {
  if (!map.is_object()) return Expect(false, "an object", map);
  for (const auto& [name, value] : map.get_object()) {
    At(fmt::format("['{}']", std::string(name)), [&, item = value] { rule(*this, item); });
  }
}

bool FormCheck::Has(element from, std::string_view field) {
  element found;
  return from[field].get(found) == simdjson::SUCCESS && !found.is_null();
}

std::string_view FormCheck::TextOf(element item) {
  std::string_view text;
  return item.get(text) == simdjson::SUCCESS ? text : std::string_view();
}

std::string_view FormCheck::TextIn(element from, std::string_view field) {
  element found;
  return from[field].get(found) == simdjson::SUCCESS ? TextOf(found) : std::string_view();
}

namespace form {

void Anything(FormCheck&, element) {}

void Text(FormCheck& check, element item) {
  check.Expect(item.is_string(), "a text", item);
}
void Flag(FormCheck& check, element item) {
  check.Expect(item.is_bool(), "true or false", item);
}
void Number(FormCheck& check, element item) {
  check.Expect(item.is_number(), "a number", item);
}
void Whole(FormCheck& check, element item) {
  check.Expect(item.is_int64(), "a whole number of 64 bits", item);
}
void Int(FormCheck& check, element item) {
  int64_t number = 0;
  const bool fits = item.get(number) == simdjson::SUCCESS && number >= INT32_MIN && number <= INT32_MAX;
  check.Expect(fits, "a whole number of 32 bits", item);
}
void Count(FormCheck& check, element item) {
  int64_t number = 0;
  check.Expect(item.get(number) == simdjson::SUCCESS && number >= 0, "a count", item);
}
void Time(FormCheck& check, element item) {
  const std::string_view text = FormCheck::TextOf(item);
  check.Expect(item.is_int64() || text == "MIN" || text == "MAX", "a time in milliseconds, \"MIN\" or \"MAX\"", item);
}

}  // namespace form
}  // namespace eagre::vectors
