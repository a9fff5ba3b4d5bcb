// State that belongs to a subtask of an operator rather than to a key, in memory: lists and broadcast maps.
//
// It is small beside keyed state, so a checkpoint has all of it. The contents are shared with what is being stored, and
// copied when they change before that is done: a barrier costs nothing, and no pause grows with the size.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/status.h"
#include "record/record.h"
#include "record/schema.h"
#include "record/stored_schema.h"
#include "state/checkpointed_state.h"
#include "state/state_schema.h"

namespace eagre {

// The half that needs no types: names, and the schema under which entries were stored. Not thread-safe.
class OperatorStateCore : public CheckpointedState {
 public:
  // `kind` is "list", "union list" or "broadcast"; with the name it addresses the state.
  OperatorStateCore(std::string_view kind, std::string name, StateDistribution distribution, std::string schema);

  const std::string& name() const override { return address_; }
  const std::string& kind() const { return kind_; }
  const std::string& own_name() const { return name_; }
  StateDistribution distribution() const override { return distribution_; }
  std::string schema() const override { return schema_; }
  bool incremental() const override { return false; }
  Status BeginRestore(const std::string& stored_schema) override;
  Status FinishRestore(bool inherited) override;

  // Whether the checkpoint that the job goes on from knew this state.
  bool restored() const { return restored_; }

 protected:
  // Of the part being restored: null when it has the current schema.
  const StoredSchema* Stored(std::string_view label) const;
  Status Malformed() const;

 private:
  std::string kind_;
  std::string name_;
  std::string address_;
  StateDistribution distribution_;
  std::string schema_;
  std::optional<StateSchema> stored_;
  bool restored_ = false;
};

// A list. Its elements are the entries of a checkpoint, under empty keys.
template <typename T>
class OperatorListCore final : public OperatorStateCore {
 public:
  // kSplit or kUnion.
  OperatorListCore(std::string name, StateDistribution distribution)
      : OperatorStateCore(distribution == StateDistribution::kUnion ? "union list" : "list", std::move(name),
                          distribution, "element: " + SchemaOf<T>().text()),
        values_(std::make_shared<std::vector<T>>()) {}
  // What is being stored is not copied.
  OperatorListCore(const OperatorListCore& other)
      : OperatorStateCore(other), values_(std::make_shared<std::vector<T>>(*other.values_)) {}
  OperatorListCore& operator=(const OperatorListCore&) = delete;

  const std::vector<T>& values() const { return *values_; }
  std::vector<T>& mutable_values() {
    if (sealed_ == values_) values_ = std::make_shared<std::vector<T>>(*values_);
    return *values_;
  }

  void Seal() override {
    sealed_ = values_;
    sealed_position_ = 0;
  }
  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) override {
    const size_t limit = out.bytes() + max_bytes;
    for (; sealed_position_ < sealed_->size(); ++sealed_position_) {
      if (out.bytes() >= limit) return false;
      out.BeginKey(0);
      Codec<T>::Encode((*sealed_)[sealed_position_], out.BeginValue());
      out.End();
    }
    sealed_ = nullptr;
    return true;
  }
  Status Restore(const StateEntry& entry) override {
    ByteReader in(entry.value);
    if (entry.erased || !DecodeAs(Stored("element"), in, values_->emplace_back()) || !in.empty()) return Malformed();
    return OkStatus();
  }

 private:
  std::shared_ptr<std::vector<T>> values_;
  std::shared_ptr<const std::vector<T>> sealed_;  // being stored: not to be changed
  size_t sealed_position_ = 0;
};

// A map that is the same in every subtask. Its entries are those of a checkpoint.
template <typename K, typename V>
class BroadcastCore final : public OperatorStateCore {
 public:
  using Map = std::map<K, V, RecordLess>;

  explicit BroadcastCore(std::string name)
      : OperatorStateCore("broadcast", std::move(name), StateDistribution::kBroadcast,
                          "key: " + SchemaOf<K>().text() + "\nelement: " + SchemaOf<V>().text()),
        entries_(std::make_shared<Map>()) {}
  BroadcastCore(const BroadcastCore& other)
      : OperatorStateCore(other), entries_(std::make_shared<Map>(*other.entries_)) {}
  BroadcastCore& operator=(const BroadcastCore&) = delete;

  const Map& entries() const { return *entries_; }
  Map& mutable_entries() {
    if (sealed_ == entries_) entries_ = std::make_shared<Map>(*entries_);
    return *entries_;
  }

  void Seal() override {
    sealed_ = entries_;
    sealed_position_ = sealed_->begin();
  }
  bool EncodeSealed(StateEntryWriter& out, size_t max_bytes) override {
    const size_t limit = out.bytes() + max_bytes;
    for (; sealed_position_ != sealed_->end(); ++sealed_position_) {
      if (out.bytes() >= limit) return false;
      Codec<K>::Encode(sealed_position_->first, out.BeginKey(0));
      Codec<V>::Encode(sealed_position_->second, out.BeginValue());
      out.End();
    }
    sealed_ = nullptr;
    return true;
  }
  Status Restore(const StateEntry& entry) override {
    ByteReader key_bytes(entry.key);
    ByteReader value_bytes(entry.value);
    K key{};
    if (entry.erased || !Codec<K>::Decode(key_bytes, key) || !key_bytes.empty()) return Malformed();
    if (!DecodeAs(Stored("element"), value_bytes, (*entries_)[std::move(key)]) || !value_bytes.empty()) {
      return Malformed();
    }
    return OkStatus();
  }

 private:
  std::shared_ptr<Map> entries_;
  std::shared_ptr<const Map> sealed_;
  typename Map::const_iterator sealed_position_;
};

}  // namespace eagre
