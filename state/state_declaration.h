// Keyed state is declared by members of the user's function, before the job runs:
//
//   class CountPerUser : public KeyedProcessFunction<std::string, Payment, int64_t> {
//     ValueState<int64_t> count_{this, "count"};
//
// The declaration tells the job graph name, kind and types, and the runtime how to lay out a row that holds all states
// of one key. It records where the member lies inside the function, not its address, so that it holds for every copy of
// the function; each subtask has its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/status.h"
#include "record/type_info.h"
#include "state/keyed_state_row.h"

namespace eagre {

class KeyedStateCore;
class StoredSchema;

enum class StateKind : uint8_t { kValue = 1, kList = 2, kMap = 3, kReducing = 4, kAggregating = 5 };

std::string_view StateKindName(StateKind kind);  // "value", "list", "map", "reducing", "aggregating"

// Thrown into user code that uses a handle where there is no current key; the operator boundary makes a Status of it.
class StateError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// How contents were stored, where that is not as they would be now.
struct StoredForm {
  const StoredSchema& type;  // of the contents without their times
  bool has_times = false;    // stored by a state with TTL: the times follow
  int64_t now_ms = 0;        // for a state with TTL: the time of what was stored without
};

// The type-erased operations on one state's slot in a row. One static instance per kind and types.
struct StateSlotOps {
  size_t size;
  size_t alignment;
  void (*construct)(void* slot);  // the empty state
  void (*destroy)(void* slot);
  bool (*empty)(const void* slot);
  // What the slot owns outside the row, about.
  size_t (*heap_bytes)(const void* slot);
  // The contents in the record codec; the form in which states are kept outside memory.
  void (*encode)(const void* slot, ByteWriter& out);
  // Refills the slot; false on malformed bytes, the slot then holding something valid.
  bool (*decode)(ByteReader& in, void* slot);
  // As decode, of contents that were stored under the schema of an older version. Null: only the current one is read.
  bool (*decode_stored)(ByteReader& in, const StoredForm& stored, void* slot) = nullptr;
  // Starts loading what the slot owns outside the row into the cache, the slot being there. Null: nothing is worth it.
  void (*prefetch)(const void* slot) = nullptr;
  // Of a state with TTL, else null. The time of what was used longest ago, exact if it is not after `limit_ms`; the end
  // of time when the slot is empty.
  int64_t (*oldest_ms)(const void* slot, int64_t limit_ms) = nullptr;
  // Removes what was last used at `limit_ms` or before.
  void (*expire)(void* slot, int64_t limit_ms) = nullptr;
};

struct StateDeclaration {
  std::string name;
  StateKind kind = StateKind::kValue;
  const TypeInfo* key_type = nullptr;  // of map entries
  const TypeInfo* value_type = nullptr;
  const StateSlotOps* ops = nullptr;
  ptrdiff_t handle_offset = 0;  // of the handle from its StateOwner
  int64_t ttl_ms = 0;           // of a state with TTL: how long what is not used stays

  bool has_ttl() const { return ops->expire != nullptr; }

  // For people: "value<Profile>", "map<string, int64>".
  std::string TypeText() const;
  // Kind and name, which address the state in its schema: "value profile".
  std::string Label() const { return std::string(StateKindName(kind)) + " " + name; }
  // What is stored with the state to tell whether it still fits: "map<string,{visits:int64}>" (record/schema.h), with
  // TTL "ttl map<string,{visits:int64}>".
  std::string SchemaText() const;
};

// The row that handles see, and who keeps it. One per operator and subtask.
struct StateScope {
  static constexpr int64_t kTimeNotRead = std::numeric_limits<int64_t>::min();

  char* row = nullptr;  // of the current key; null outside a keyed call
  KeyedStateCore* core = nullptr;
  // For states with TTL: by the operator's clock. Read once for some records, since a clock is slow to read.
  int64_t now_ms = kTimeNotRead;
};

class StateHandle;

// Base class of functions that declare keyed state. Copying it copies the declarations.
class StateOwner {
 public:
  // In the order of their declaration.
  const std::vector<StateDeclaration>& state_declarations() const { return declarations_; }
  // The first mistake: a name declared twice, or without letters, or a time to live that is none.
  const Status& state_error() const { return error_; }

  // A handle that lies outside [object, object + size) would not be copied with the function: an error that names it.
  Status CheckStatePlacement(const void* object, size_t size) const;
  // Points the handles of this copy to `scope`, at the row offsets given in the order of the declarations.
  void BindStates(StateScope& scope, const std::vector<uint32_t>& offsets);

 protected:
  ~StateOwner() = default;

 private:
  friend class StateHandle;
  void Declare(StateDeclaration declaration);

  std::vector<StateDeclaration> declarations_;
  Status error_;
};

// Base class of ValueState and the others: finds the state's slot in the current row. A plain value that is
// copied with its function; usable in keyed calls once bound.
class StateHandle {
 public:
  const std::string& name() const { return name_; }

 protected:
  StateHandle(StateOwner* owner, std::string name, StateKind kind, const TypeInfo* key_type, const TypeInfo* value_type,
              const StateSlotOps& ops, int64_t ttl_ms = 0);

  const void* slot() const { return row() + offset_; }
  // The slot to be changed.
  void* mutable_slot() {
    if (reinterpret_cast<const RowHeader*>(row())->listed != RowHeader::kListed) MarkChanged();
    return scope_->row + offset_;
  }
  // Whether the key's states are as a checkpoint left them: restored from it, and none of them changed since.
  bool restored() const { return reinterpret_cast<const RowHeader*>(row())->restored(); }
  // REQUIRES: there is a current key.
  int64_t now_ms() const {
    if (scope_->now_ms == StateScope::kTimeNotRead) ReadTime();
    return scope_->now_ms;
  }

 private:
  friend class StateOwner;
  const char* row() const {
    if (scope_ == nullptr || scope_->row == nullptr) [[unlikely]]
      ThrowNoKey();
    return scope_->row;
  }
  [[noreturn]] void ThrowNoKey() const;
  void MarkChanged();
  void ReadTime() const;

  StateScope* scope_ = nullptr;
  uint32_t offset_ = 0;
  std::string name_;
};

}  // namespace eagre
