// From a type to its TypeInfo: the thin templates that fill the tables.
#pragma once

#include <bit>
#include <iterator>

#include "record/record_traits.h"
#include "record/type_info.h"

namespace eagre {

template <typename T>
const TypeInfo& TypeInfoOf();

// The name of a type in messages, schemas and on the wire; lives as long as the type's TypeInfo.
template <typename T>
std::string_view TypeNameOf() {
  return TypeInfoOf<T>().name;
}

namespace internal {

// The kinds without parameters; one instance for the whole process. REQUIRES: `kind` is not enum, container or record.
const TypeInfo& ScalarTypeInfo(TypeKind kind);

template <typename T>
constexpr TypeKind ScalarKindOf() {
  if constexpr (std::is_same_v<T, bool>) return TypeKind::kBool;
  if constexpr (std::is_same_v<T, float>) return TypeKind::kFloat;
  if constexpr (std::is_same_v<T, double>) return TypeKind::kDouble;
  if constexpr (std::is_same_v<T, std::string>) return TypeKind::kString;
  if constexpr (std::is_same_v<T, Decimal>) return TypeKind::kDecimal;
  if constexpr (std::is_same_v<T, Timestamp>) return TypeKind::kTimestamp;
  if constexpr (std::is_integral_v<T>) {
    constexpr TypeKind kSigned[] = {TypeKind::kInt8, TypeKind::kInt16, TypeKind::kInt32, TypeKind::kInt64};
    constexpr TypeKind kUnsigned[] = {TypeKind::kUint8, TypeKind::kUint16, TypeKind::kUint32, TypeKind::kUint64};
    constexpr size_t kIndex = sizeof(T) == 1 ? 0 : sizeof(T) == 2 ? 1 : sizeof(T) == 4 ? 2 : 3;
    return std::is_signed_v<T> ? kSigned[kIndex] : kUnsigned[kIndex];
  }
  return TypeKind::kRecord;
}

template <typename T>
void AssignValue(void* to, const void* from) {
  *static_cast<T*>(to) = *static_cast<const T*>(from);
}

template <typename T>
TypeInfo NewTypeInfo(TypeKind kind) {
  static const T kDefault{};
  TypeInfo info;
  info.kind = kind;
  info.size = sizeof(T);
  info.default_value = &kDefault;
  info.assign = &AssignValue<T>;
  return info;
}

template <typename T>
TypeInfo MakeEnumInfo() {
  TypeInfo info = NewTypeInfo<T>(TypeKind::kEnum);
  const auto& entries = EagreEnumEntries(static_cast<const T*>(nullptr));
  info.name = EagreRecordName(static_cast<const T*>(nullptr));
  info.enum_storage = ScalarKindOf<std::underlying_type_t<T>>();
  for (const EnumEntry& entry : entries) info.enum_values.push_back({EnumTextName(entry.name), entry.value});
  return info;
}

template <typename T>
TypeInfo MakeOptionalInfo() {
  using Optional = std::optional<T>;
  static constexpr OptionalOps kOps{
      .get = [](const void* optional) -> const void* {
        const auto& value = *static_cast<const Optional*>(optional);
        return value ? &*value : nullptr;
      },
      .emplace = [](void* optional) -> void* {
        auto& value = *static_cast<Optional*>(optional);
        if (!value) value.emplace();
        return &*value;
      },
      .reset = [](void* optional) { static_cast<Optional*>(optional)->reset(); },
  };
  TypeInfo info = NewTypeInfo<Optional>(TypeKind::kOptional);
  info.element = &TypeInfoOf<T>();
  info.name = "optional<" + info.element->name + ">";
  info.optional = &kOps;
  return info;
}

template <typename T>
TypeInfo MakeVectorInfo() {
  using Vector = std::vector<T>;
  static constexpr VectorOps kOps{
      .size = [](const void* vector) { return static_cast<const Vector*>(vector)->size(); },
      .data = [](const void* vector) -> const void* { return static_cast<const Vector*>(vector)->data(); },
      .at = [](void* vector, size_t index) -> void* {
        auto& elements = *static_cast<Vector*>(vector);
        while (elements.size() <= index) elements.emplace_back();
        return &elements[index];
      },
      .truncate =
          [](void* vector, size_t size) {
            auto& elements = *static_cast<Vector*>(vector);
            elements.erase(elements.begin() + static_cast<std::ptrdiff_t>(size), elements.end());
          },
  };
  TypeInfo info = NewTypeInfo<Vector>(TypeKind::kVector);
  info.element = &TypeInfoOf<T>();
  info.name = "vector<" + info.element->name + ">";
  info.vector = &kOps;
  return info;
}

template <typename K, typename V>
struct MapOpsOf {
  using Map = std::map<K, V>;
  using Position = typename Map::iterator;
  static_assert(sizeof(Position) == sizeof(MapCursor) && std::is_trivially_copyable_v<Position>);

  static Position At(const MapCursor& cursor) { return std::bit_cast<Position>(cursor); }
  static void Point(MapCursor& cursor, Position position) { cursor = std::bit_cast<MapCursor>(position); }

  static void ForEach(const void* map, bool (*visit)(void*, const void*, const void*), void* context) {
    for (const auto& [key, value] : *static_cast<const Map*>(map)) {
      if (!visit(context, &key, &value)) return;
    }
  }
  static const void* Find(const void* map, const void* key) {
    const auto& entries = *static_cast<const Map*>(map);
    const auto found = entries.find(*static_cast<const K*>(key));
    return found == entries.end() ? nullptr : &found->second;
  }
  static void* Refill(void* map, MapCursor& cursor, const void* key) {
    auto& entries = *static_cast<Map*>(map);
    const K& wanted = *static_cast<const K*>(key);
    Position position = At(cursor);
    if (position == entries.end() || position->first != wanted) {
      entries.erase(position, entries.end());
      position = entries.try_emplace(wanted).first;
      Point(cursor, entries.end());
    } else {
      Point(cursor, std::next(position));
    }
    return &position->second;
  }

  static constexpr MapOps kOps{
      .size = [](const void* map) { return static_cast<const Map*>(map)->size(); },
      .for_each = &ForEach,
      .find = &Find,
      .begin = [](void* map, MapCursor& cursor) { Point(cursor, static_cast<Map*>(map)->begin()); },
      .refill = &Refill,
      .finish =
          [](void* map, MapCursor& cursor) {
            auto& entries = *static_cast<Map*>(map);
            entries.erase(At(cursor), entries.end());
          },
  };
};

template <typename K, typename V>
TypeInfo MakeMapInfo() {
  TypeInfo info = NewTypeInfo<std::map<K, V>>(TypeKind::kMap);
  info.key = &TypeInfoOf<K>();
  info.element = &TypeInfoOf<V>();
  info.name = "map<" + info.key->name + ", " + info.element->name + ">";
  info.map = &MapOpsOf<K, V>::kOps;
  return info;
}

template <typename T>
TypeInfo MakeRecordInfo() {
  TypeInfo info = NewTypeInfo<T>(TypeKind::kRecord);
  const T& prototype = *static_cast<const T*>(info.default_value);
  VisitFields<T>([&](auto member, const char* name) {
    const auto& field = FieldOf(prototype, member);
    const auto offset = reinterpret_cast<const char*>(&field) - reinterpret_cast<const char*>(&prototype);
    const TypeInfo& type = TypeInfoOf<std::remove_cvref_t<decltype(field)>>();
    info.fields.push_back(MakeFieldInfo(name, static_cast<size_t>(offset), type));
    return true;
  });
  if constexpr (DeclaredRecord<T>) {
    info.name = EagreRecordName(static_cast<const T*>(nullptr));
  } else {
    info.name = "tuple<";
    for (const FieldInfo& field : info.fields) {
      if (&field != info.fields.data()) info.name += ", ";
      info.name += field.type->name;
    }
    info.name += ">";
  }
  return info;
}

template <typename T>
TypeInfo MakeTypeInfo() {
  if constexpr (EnumField<T>) return MakeEnumInfo<T>();
  if constexpr (OptionalField<T>) return MakeOptionalInfo<typename T::value_type>();
  if constexpr (VectorField<T>) return MakeVectorInfo<typename T::value_type>();
  if constexpr (MapField<T>) return MakeMapInfo<typename T::key_type, typename T::mapped_type>();
  if constexpr (RecordLike<T>) return MakeRecordInfo<T>();
}

}  // namespace internal

template <typename T>
const TypeInfo& TypeInfoOf() {
  static_assert(internal::CheckFieldType<T>());
  if constexpr (internal::ScalarKindOf<T>() != TypeKind::kRecord) {
    return internal::ScalarTypeInfo(internal::ScalarKindOf<T>());
  } else {
    static const TypeInfo info = internal::MakeTypeInfo<T>();
    return info;
  }
}

}  // namespace eagre
