// Typed key extraction by batch: one virtual call per batch, the user's selector inlined inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <type_traits>
#include <vector>

#include "record/batch.h"
#include "runtime/operator.h"

namespace eagre {

// The keys of a batch. A key that the selector returns by reference is not copied. Valid until the batch changes.
template <typename K>
class KeyColumn {
  static_assert(!std::is_same_v<K, bool>, "key by an enum or an integer instead of bool");

 public:
  const K& operator[](size_t i) const { return *keys_[i]; }

 private:
  template <typename, typename, typename>
  friend class SelectorKeyExtractor;
  std::vector<const K*> keys_;
  std::vector<K> values_;
};

template <typename T, typename K>
class KeyExtractor {
 public:
  virtual ~KeyExtractor() = default;
  virtual const K& KeyOf(const T& record, K& scratch) = 0;
  virtual void Extract(const TypedBatch<T>& batch, KeyColumn<K>& keys) = 0;
  virtual void Hash(TypedBatch<T>& batch) = 0;
};

template <typename T, typename K, typename Selector>
class SelectorKeyExtractor final : public KeyExtractor<T, K> {
 public:
  explicit SelectorKeyExtractor(Selector selector) : selector_(std::move(selector)) {}

  const K& KeyOf(const T& record, K& scratch) override {
    if constexpr (kByReference) {
      return std::invoke(selector_, record);
    } else {
      scratch = std::invoke(selector_, record);
      return scratch;
    }
  }

  void Extract(const TypedBatch<T>& batch, KeyColumn<K>& keys) override {
    const size_t size = batch.size();
    keys.keys_.resize(size);
    if constexpr (kByReference) {
      for (size_t i = 0; i < size; ++i) keys.keys_[i] = &static_cast<const K&>(std::invoke(selector_, batch[i]));
    } else {
      keys.values_.resize(size);
      for (size_t i = 0; i < size; ++i) {
        keys.values_[i] = std::invoke(selector_, batch[i]);
        keys.keys_[i] = &keys.values_[i];
      }
    }
  }

  void Hash(TypedBatch<T>& batch) override {
    const size_t size = batch.size();
    uint64_t* hashes = batch.hashes();
    for (size_t i = 0; i < size; ++i) hashes[i] = KeyHash<K>(std::invoke(selector_, batch[i]));
    batch.set_keyed(true);
  }

 private:
  using Result = std::invoke_result_t<Selector&, const T&>;
  static constexpr bool kByReference =
      std::is_lvalue_reference_v<Result> && std::is_same_v<std::remove_cvref_t<Result>, K>;
  Selector selector_;
};

// Makes an extractor per subtask, each with its own copy of the user's selector.
template <typename T, typename K>
using KeyExtractorFactory = std::function<std::unique_ptr<KeyExtractor<T, K>>()>;

// Adapts an extractor to the type-erased edge.
template <typename T, typename K>
class ExtractorKeyHasher final : public BatchKeyHasher {
 public:
  explicit ExtractorKeyHasher(std::unique_ptr<KeyExtractor<T, K>> extractor) : extractor_(std::move(extractor)) {}
  void Hash(Batch& batch) override { extractor_->Hash(static_cast<TypedBatch<T>&>(batch)); }

 private:
  std::unique_ptr<KeyExtractor<T, K>> extractor_;
};

}  // namespace eagre
