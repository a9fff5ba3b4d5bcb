// Random values of any record type, driven by its TypeInfo.
#pragma once

#include <string>

#include "base/random.h"
#include "record/type_info_of.h"

namespace eagre {

// Replaces `value`, which is of `type`. Numbers are finite, text is UTF-8, and all kinds of extremes occur.
void FillRandom(const TypeInfo& type, void* value, Random& random);

template <typename T>
T RandomRecord(Random& random) {
  T record{};
  FillRandom(TypeInfoOf<T>(), &record, random);
  return record;
}

// Bytes of `text` changed, dropped, inserted or cut at random places.
std::string Damage(std::string text, Random& random);

}  // namespace eagre
