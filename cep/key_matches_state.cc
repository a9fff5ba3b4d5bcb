#include "cep/key_matches_state.h"

#include <memory>
#include <utility>

namespace eagre::cep {
namespace {

constexpr StateSlotOps kKeyMatchesOps{
    .size = sizeof(KeyMatches),
    .alignment = alignof(KeyMatches),
    .construct = [](void* slot) { new (slot) KeyMatches; },  // the room for chains is not cleared
    .destroy = [](void* slot) { std::destroy_at(static_cast<KeyMatches*>(slot)); },
    .empty = [](const void* slot) { return static_cast<const KeyMatches*>(slot)->empty(); },
    .heap_bytes = [](const void* slot) { return static_cast<const KeyMatches*>(slot)->heap_bytes(); },
    .encode = [](const void* slot, ByteWriter& out) { static_cast<const KeyMatches*>(slot)->Encode(out); },
    .decode = [](ByteReader& in, void* slot) { return static_cast<KeyMatches*>(slot)->Decode(in); },
    .prefetch = [](const void* slot) { static_cast<const KeyMatches*>(slot)->Prefetch(); },
};

}  // namespace

KeyMatchesState::KeyMatchesState(StateOwner* owner, std::string name, const TypeInfo& event_type)
    : StateHandle(owner, std::move(name), eagre::StateKind::kValue, nullptr, &event_type, kKeyMatchesOps) {}

}  // namespace eagre::cep
