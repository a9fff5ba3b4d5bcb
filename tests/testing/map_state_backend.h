// A state backend whose stores are maps in memory: it shows what goes to a store and what comes back, and refuses
// writes when the test wants it.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "state/state_backend.h"

namespace eagre {

class MapStateBackend final : public StateBackend {
 public:
  // `limit_bytes` of the objects in tables.
  explicit MapStateBackend(int64_t limit_bytes) : StateBackend(Type::kRocksDb, limit_bytes) {}

  StatusOr<std::unique_ptr<EntryStore>> OpenStore(int max_parallelism) override {
    return std::make_unique<Store>(*this, static_cast<uint64_t>(max_parallelism));
  }

  using StateBackend::EndStall;
  // Whether the next write is refused; null: none is.
  std::function<bool()> refuses;
  // What reads fail with.
  Status read_error;
  size_t commits = 0;
  size_t refused = 0;
  size_t reads = 0;
  size_t read_bytes = 0;  // of values

 private:
  class Store final : public EntryStore {
   public:
    Store(MapStateBackend& backend, uint64_t max_parallelism) : backend_(backend), max_parallelism_(max_parallelism) {}

    ByteWriter& AddRead(uint64_t hash) override {
      asked_.push_back(Prefix(hash));
      read_writer_ = ByteWriter(asked_.back());
      return read_writer_;
    }
    Status Read(OnRead found) override {
      ++backend_.reads;
      const std::vector<std::string> asked = std::exchange(asked_, {});
      if (!backend_.read_error.ok()) return backend_.read_error;
      for (size_t i = 0; i < asked.size(); ++i) {
        const auto entry = entries_.find(asked[i]);
        if (entry == entries_.end()) {
          EAGRE_RETURN_IF_ERROR(found(i, nullptr));
          continue;
        }
        backend_.read_bytes += entry->second.value.size();
        const StoredEntry read{entry->second.hash, entry->second.epoch, "", entry->second.value};
        EAGRE_RETURN_IF_ERROR(found(i, &read));
      }
      return OkStatus();
    }

    ByteWriter& BeginPut(uint64_t hash) override {
      key_ = Prefix(hash);
      value_ = {.hash = hash};
      return key_writer_;
    }
    ByteWriter& BeginValue(uint32_t epoch) override {
      value_.epoch = epoch;
      return value_writer_;
    }
    void EndPut() override { puts_.emplace_back(key_, value_); }
    void EndErase() override { puts_.emplace_back(key_, Value{.erased = true}); }
    std::string_view key_at_hand() const override { return std::string_view(key_).substr(kPrefixBytes); }
    StatusOr<bool> Commit(bool may_wait) override {
      auto puts = std::exchange(puts_, {});
      ++backend_.commits;
      if (!may_wait && backend_.refuses && backend_.refuses()) {
        ++backend_.refused;
        backend_.BeginStall();
        return false;
      }
      for (auto& [key, value] : puts) {
        if (value.erased) {
          entries_.erase(key);
        } else {
          entries_[key] = std::move(value);
        }
      }
      return true;
    }

    StatusOr<bool> Scan(std::string_view prefix, std::string& position, OnVisit visit) override {
      if (!backend_.read_error.ok()) return backend_.read_error;
      for (auto at = position.empty() ? entries_.begin() : entries_.upper_bound(position); at != entries_.end(); ++at) {
        const std::string_view key = std::string_view(at->first).substr(kPrefixBytes);
        if (!key.starts_with(prefix)) continue;
        if (!visit({at->second.hash, at->second.epoch, key, at->second.value})) {
          position = at->first;
          return false;
        }
      }
      return true;
    }
    StatusOr<bool> ScanFrom(std::string_view key, OnVisit visit) override {
      if (!backend_.read_error.ok()) return backend_.read_error;
      for (auto at = entries_.lower_bound(Prefix(0) + std::string(key)); at != entries_.end(); ++at) {
        if (!VisitOne(*at, visit)) return false;
      }
      return true;
    }
    std::unique_ptr<View> NewView() override { return std::make_unique<CopyOfAll>(backend_, entries_); }
    StatusOr<bool> ErasePrefix(std::string_view prefix) override {
      if (backend_.refuses && backend_.refuses()) {
        ++backend_.refused;
        backend_.BeginStall();
        return false;
      }
      std::erase_if(entries_, [&](const auto& entry) {
        return std::string_view(entry.first).substr(kPrefixBytes).starts_with(prefix);
      });
      return true;
    }

   private:
    struct Value {
      uint64_t hash = 0;
      uint32_t epoch = 0;
      bool erased = false;
      std::string value;
    };
    using Entries = std::map<std::string, Value>;
    static constexpr size_t kPrefixBytes = 2;

    class CopyOfAll final : public View {
     public:
      CopyOfAll(MapStateBackend& backend, Entries entries) : backend_(backend), entries_(std::move(entries)) {}
      StatusOr<bool> Scan(OnVisit visit) override {
        if (!backend_.read_error.ok()) return backend_.read_error;
        while (at_ != entries_.end()) {
          if (!VisitOne(*at_++, visit)) return false;
        }
        return true;
      }

     private:
      MapStateBackend& backend_;
      const Entries entries_;
      Entries::const_iterator at_ = entries_.begin();
    };

    static bool VisitOne(const Entries::value_type& entry, OnVisit visit) {
      return visit({entry.second.hash, entry.second.epoch, std::string_view(entry.first).substr(kPrefixBytes),
                    entry.second.value});
    }

    std::string Prefix(uint64_t hash) const {
      const uint64_t group = hash % max_parallelism_;
      return {static_cast<char>(group >> 8), static_cast<char>(group)};
    }

    MapStateBackend& backend_;
    const uint64_t max_parallelism_;
    Entries entries_;
    std::vector<std::string> asked_;
    std::string read_scratch_;
    ByteWriter read_writer_{read_scratch_};
    std::string key_;
    Value value_;
    ByteWriter key_writer_{key_};
    ByteWriter value_writer_{value_.value};
    std::vector<std::pair<std::string, Value>> puts_;
  };
};

}  // namespace eagre
