// What a value takes beside itself, for those who account for memory.
#pragma once

#include <cstddef>

#include "record/codec.h"

namespace eagre {

// Bytes of a value outside sizeof(T), about: what its encoding has beyond the fixed head.
template <typename T>
size_t HeapBytesOf(const T& value) {
  if constexpr (Codec<T>::kHasTail) {
    return Codec<T>::TailBytes(value);
  } else {
    return 0;
  }
}

}  // namespace eagre
