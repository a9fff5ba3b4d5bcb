// What the matcher must know of the type of events: how to keep one as bytes and how to make it an object again.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/bytes.h"
#include "record/codec.h"

namespace eagre::cep {

struct EventType {
  size_t (*encoded_bytes)(const void* event);
  // Writes exactly encoded_bytes(event) bytes.
  void (*encode)(const void* event, char* out);
  // False when the bytes are malformed.
  bool (*decode)(std::string_view bytes, void* event);
  void* (*create)();
  void (*destroy)(void* event);
};

// The one instance of a record type.
template <typename T>
inline constexpr EventType kEventTypeOf{
    .encoded_bytes = [](const void* event) { return Codec<T>::EncodedBytes(*static_cast<const T*>(event)); },
    .encode = [](const void* event, char* out) { internal::PutWhole<T>(*static_cast<const T*>(event), out); },
    .decode =
        [](std::string_view bytes, void* event) {
          ByteReader reader(bytes);
          return Codec<T>::Decode(reader, *static_cast<T*>(event)) && reader.empty();
        },
    .create = []() -> void* { return new T(); },
    .destroy = [](void* event) { delete static_cast<T*>(event); },
};

}  // namespace eagre::cep
