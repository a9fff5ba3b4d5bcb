// The keyed state of a pattern's operator: the matches of the current key, as a state of a keyed function.
#pragma once

#include <string>

#include "cep/key_matches.h"
#include "record/type_info.h"
#include "state/state_declaration.h"

namespace eagre::cep {

class KeyMatchesState : public StateHandle {
 public:
  // `event_type` becomes the schema that is checked when the state is restored.
  KeyMatchesState(StateOwner* owner, std::string name, const TypeInfo& event_type);

  // Null when nothing is known of the key.
  const KeyMatches* Get() const {
    const auto& matches = *static_cast<const KeyMatches*>(slot());
    return matches.empty() ? nullptr : &matches;
  }
  KeyMatches& Mutable() { return *static_cast<KeyMatches*>(mutable_slot()); }
  // Whether the key is as a checkpoint left it: restored from it, and not changed since.
  bool restored() const { return StateHandle::restored(); }
};

}  // namespace eagre::cep
